/* consume: reads partitions directly, or as a member of a group. It stops at the given end, after
 * -n records, at Ctrl-C, or when nobody reads the output any more. A member commits first. */
#include "base/clock.h"
#include "base/units.h"
#include "client-tools/cluster/group_member.h"
#include "client-tools/cluster/link.h"
#include "client-tools/output/record_printer.h"
#include "client-tools/stop.h"
#include "client-tools/tool.h"

#include <inttypes.h>
#include <time.h>

enum { POLL_MS = 500, COMMIT_EVERY_MS = 5000 };

static const struct flag flags[] = {
    {'o', "offset", FLAG_VALUE, "OFFSET",
     "offsets to start and stop at: start end +N -N N N:M :end @TIME @TIME:TIME (default start)",
     NULL, NULL},
    {'n', "num", FLAG_VALUE, "N", "stop after this many records", NULL, NULL},
    {'p', "partitions", FLAG_VALUE, "N,N", "read only these partitions", NULL, NULL},
    {'g', "group", FLAG_VALUE, "GROUP",
     "read as a member of this consumer group and commit offsets", NULL, NULL},
    {'f', "record-format", FLAG_VALUE, "FORMAT",
     "record format such as '%p %o %k %v\\n' (default: JSON lines)", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

struct consumer {
    struct tool *tool;
    struct record_printer printer;
    struct fetcher fetcher;
    int64_t limit;
    struct offset_spec spec;
    bool stopped; /* by Ctrl-C */
};

static bool take(void *context, const struct record_place *place, const struct record *record)
{
    struct consumer *c = context;
    record_printer_add(&c->printer, place, record);
    return c->printer.count < c->limit && !c->printer.reader_gone;
}

static bool read_flags(struct consumer *c)
{
    struct tool *t = c->tool;
    struct bytes offset = flag_text(&t->arguments, "offset");
    struct clock *clock = clock_system();
    if (bytes_is_null(offset))
        offset = BYTES_LITERAL("start");
    if (!flag_int(&t->arguments, "num", 1, INT64_MAX, INT64_MAX, &c->limit, &t->failure) ||
        !offset_spec_parse(offset, clock->wall_ms(clock), &c->spec, &t->failure))
        return false;
    bool grouped = flag_is_set(&t->arguments, "group");
    if (grouped && c->spec.to.kind != BOUND_NONE)
        return fail_usage(&t->failure, "-o with an end cannot be combined with -g");
    if (grouped && flag_is_set(&t->arguments, "partitions"))
        return fail_usage(&t->failure,
                          "-p cannot be combined with -g: the group assigns the partitions");
    return record_printer_init(&c->printer, flag_text(&t->arguments, "record-format"), &t->failure);
}

static bool is_wanted(struct bytes list, int32_t partition)
{
    if (bytes_is_null(list))
        return true;
    while (list.size > 0) {
        const uint8_t *comma = memchr(list.data, ',', list.size);
        size_t size = comma ? (size_t)(comma - list.data) : list.size;
        int64_t number;
        if (parse_i64(bytes_of(list.data, size), &number) && number == partition)
            return true;
        list = bytes_from(list, comma ? size + 1 : size);
    }
    return false;
}

static bool find_partitions(struct consumer *c, struct offset_target **out, size_t *count)
{
    struct tool *t = c->tool;
    struct bytes wanted = flag_text(&t->arguments, "partitions");
    *count = 0;
    *out = NULL;
    for (size_t i = 0; i < t->arguments.name_count; i++) {
        struct topic_info topic;
        if (!cluster_topic(t->client, t->arguments.names[i], false, &t->arena, &topic, &t->failure))
            return false;
        size_t most = *count + (size_t)topic.partition_count;
        struct offset_target *all = arena_array(&t->arena, most, sizeof *all);
        if (*count > 0)
            memcpy(all, *out, *count * sizeof *all);
        for (int32_t p = 0; p < topic.partition_count; p++) {
            if (is_wanted(wanted, topic.partitions[p].index))
                all[(*count)++] = (struct offset_target){.topic = topic.name,
                                                         .partition = topic.partitions[p].index,
                                                         .leader = topic.partitions[p].leader};
        }
        *out = all;
    }
    if (*count == 0)
        return fail_usage(&t->failure, "no partition matches -p %.*s", BYTES_PRINTF(wanted));
    return true;
}

static bool check_targets(struct consumer *c, const struct offset_target *targets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (targets[i].error_code != 0)
            return fail_kafka(&c->tool->failure, targets[i].error_code, BYTES_NULL, "%.*s/%d",
                              BYTES_PRINTF(targets[i].topic), targets[i].partition);
    }
    return true;
}

/* Finds the partitions, their first offsets and their stops. */
static bool prepare_fetcher(struct consumer *c)
{
    struct tool *t = c->tool;
    struct offset_target *targets;
    size_t count;
    if (!find_partitions(c, &targets, &count))
        return false;
    struct fetch_partition *partitions = arena_array(&t->arena, count, sizeof *partitions);
    if (!offset_bound_resolve(t->client, c->spec.from, targets, count, &t->arena, &t->failure) ||
        !check_targets(c, targets, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (c->spec.from.kind == BOUND_OFFSET && targets[i].offset < c->spec.from.value)
            tool_say(t, "%.*s/%d ends at offset %" PRId64 "; reading starts there",
                     BYTES_PRINTF(targets[i].topic), targets[i].partition, targets[i].offset);
        partitions[i] = (struct fetch_partition){targets[i].topic, targets[i].partition,
                                                 targets[i].leader, targets[i].offset, INT64_MAX};
    }
    if (c->spec.to.kind != BOUND_NONE) {
        if (!offset_bound_resolve(t->client, c->spec.to, targets, count, &t->arena, &t->failure) ||
            !check_targets(c, targets, count))
            return false;
        for (size_t i = 0; i < count; i++)
            partitions[i].stop =
                c->spec.to.kind == BOUND_OFFSET ? c->spec.to.value : targets[i].offset;
    }
    c->fetcher.partitions = partitions;
    c->fetcher.count = count;
    return true;
}

static bool has_enough(const struct consumer *c)
{
    return c->printer.count >= c->limit || c->printer.reader_gone || stop_requested();
}

static bool consume_directly(struct consumer *c)
{
    if (!prepare_fetcher(c))
        return false;
    while (!has_enough(c) && !fetcher_is_done(&c->fetcher)) {
        bool good = fetcher_poll(&c->fetcher, POLL_MS, &c->tool->failure);
        record_printer_flush(&c->printer);
        if (!good)
            return stop_requested();
    }
    return true;
}

/* Reads until the group rebalances. Commits the printed records before the group may give their
 * partitions to other members. */
static bool consume_generation(struct consumer *c, struct group_member *m)
{
    struct tool *t = c->tool;
    int64_t next_commit_ms = link_now_ms() + COMMIT_EVERY_MS;
    bool rebalance = false, good = true;
    c->fetcher.partitions = m->partitions;
    c->fetcher.count = m->count;
    tool_detail(t, "generation %d: %zu partitions", m->generation, m->count);
    while (good && !rebalance && !has_enough(c)) {
        if (m->count > 0) {
            good = fetcher_poll(&c->fetcher, POLL_MS, &t->failure);
        } else {
            struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
            nanosleep(&pause, NULL);
        }
        record_printer_flush(&c->printer);
        if (good && link_now_ms() >= next_commit_ms) {
            next_commit_ms = link_now_ms() + COMMIT_EVERY_MS;
            good = group_member_commit(m, &rebalance, &t->failure);
        }
        if (good && !rebalance)
            good = group_member_beat(m, &rebalance, &t->failure);
    }
    bool ignored;
    if (good && rebalance && !has_enough(c))
        good = group_member_commit(m, &ignored, &t->failure);
    return good;
}

static bool prepare_member(struct consumer *c, struct group_member *m)
{
    struct tool *t = c->tool;
    int64_t session_ms, heartbeat_ms;
    if (!client_setting_duration(&t->settings, KEY_SESSION_TIMEOUT_MS, &session_ms, &t->failure) ||
        !client_setting_duration(&t->settings, KEY_HEARTBEAT_INTERVAL_MS, &heartbeat_ms,
                                 &t->failure))
        return false;
    m->instance_id = t->settings.values[KEY_GROUP_INSTANCE_ID].value;
    m->session_timeout_ms = (int32_t)session_ms;
    m->heartbeat_ms = heartbeat_ms;
    m->topics = t->arguments.names;
    m->topic_count = t->arguments.name_count;
    for (size_t i = 0; i < m->topic_count; i++) {
        struct topic_info topic;
        if (!cluster_topic(t->client, m->topics[i], false, &t->arena, &topic, &t->failure))
            return false;
    }
    return true;
}

static bool consume_as_member(struct consumer *c)
{
    struct tool *t = c->tool;
    struct group_member m;
    group_member_init(&m, t->client, flag_text(&t->arguments, "group"));
    bool good = prepare_member(c, &m);
    while (good && !has_enough(c)) {
        good = group_member_join(&m, c->spec.from, &t->failure) && consume_generation(c, &m);
    }
    bool stopped = stop_requested();
    c->stopped = stopped;
    stop_acknowledge();
    if (good || stopped) {
        bool rebalance;
        struct failure ignored;
        good = group_member_commit(&m, &rebalance, stopped ? &ignored : &t->failure) || stopped;
    }
    group_member_leave(&m);
    group_member_free(&m);
    return good;
}

static bool run(struct tool *t)
{
    struct consumer c = {.tool = t};
    if (!read_flags(&c) || !tool_client(t))
        return false;
    int64_t patience_ms = 0;
    bool good = client_setting_duration(&t->settings, KEY_TIMEOUT, &patience_ms, &t->failure);
    fetcher_init(&c.fetcher, t->client, patience_ms);
    c.fetcher.take = take;
    c.fetcher.context = &c;
    c.fetcher.committed_only =
        bytes_equal_string(t->settings.values[KEY_ISOLATION_LEVEL].value, "read_committed");
    if (good)
        good = flag_is_set(&t->arguments, "group") ? consume_as_member(&c) : consume_directly(&c);
    c.stopped |= stop_requested();
    record_printer_flush(&c.printer);
    if (good)
        good = record_printer_end(&c.printer, &t->failure);
    if (good && c.stopped)
        tool_say(t, "%" PRId64 " record%s", c.printer.count, c.printer.count == 1 ? "" : "s");
    fetcher_free(&c.fetcher);
    record_printer_free(&c.printer);
    return good;
}

const struct command consume_command = {
    .noun = "consume",
    .arguments = "TOPIC...",
    .min = 1,
    .max = -1,
    .sentence = "Prints the records of topics and waits for new ones",
    .flags = flags,
    .streaming = true,
    .examples =
        (const char *const[]){"consume orders -o start:end", "consume orders -o -10",
                              "consume orders -o @-1h -f '%k\\t%v\\n'",
                              "consume orders clicks -g billing",
                              "consume orders -o :end | tidemill produce copy --input jsonl", NULL},
    .see_also = "produce, group describe",
    .run = run,
};
