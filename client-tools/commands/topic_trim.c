/* topic trim: deletes the records below an offset. */
#include "base/clock.h"
#include "base/units.h"
#include "client-tools/cluster/offset_spec.h"
#include "client-tools/tool.h"
#include "protocol/kafka_error.h"

static const struct flag flags[] = {
    {'o', "offset", FLAG_VALUE, "OFFSET", "delete the records before: end +N -N N @TIME", "before",
     NULL},
    {'p', "partitions", FLAG_VALUE, "N,N", "trim only these partitions", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

static const struct column columns[] = {
    {"topic", CELL_TEXT, false},
    {"partition", CELL_INT, false},
    {"start_offset", CELL_INT, false},
    {"new_start_offset", CELL_INT, false},
    {"end_offset", CELL_INT, false},
    {"records", CELL_COUNT, false}, /* that are deleted */
    {"error", CELL_ERROR, false},
    {"message", CELL_TEXT, false},
    END_OF_COLUMNS,
};

struct trim {
    struct bytes topic;
    struct offset_bound before;
    struct offset_target *targets; /* the new log starts */
    int64_t *starts, *ends;
    size_t count;
};

static bool read_offset(struct tool *t, struct trim *trim)
{
    struct clock *clock = clock_system();
    struct bytes offset = flag_text(&t->arguments, "offset");
    struct offset_spec spec;
    if (bytes_is_null(offset))
        return fail_usage(&t->failure, "no offset is given: -o end, +N, -N, N or @TIME");
    if (!offset_spec_parse(offset, clock->wall_ms(clock), &spec, &t->failure))
        return false;
    if (spec.to.kind != BOUND_NONE)
        return fail_usage(&t->failure, "-o %.*s: expected one offset, not a range",
                          BYTES_PRINTF(offset));
    trim->before = spec.from;
    return true;
}

static void add_target(struct trim *trim, int32_t partition, int32_t leader, int16_t error_code)
{
    trim->targets[trim->count++] =
        (struct offset_target){trim->topic, partition, leader, -1, error_code};
}

static const struct partition_info *find(const struct topic_info *topic, int64_t partition)
{
    for (int32_t i = 0; i < topic->partition_count; i++) {
        if (topic->partitions[i].index == partition)
            return &topic->partitions[i];
    }
    return NULL;
}

/* Adds the partitions of -p. Those that do not exist get an error, so that nobody takes them for
 * trimmed. */
static bool add_listed(struct tool *t, struct trim *trim, const struct topic_info *topic,
                       struct bytes list)
{
    trim->targets = arena_array(&t->arena, list.size + 1, sizeof *trim->targets);
    for (bool more = true; more;) {
        struct bytes first, rest;
        int64_t number;
        more = pair_split(list, ",", &first, &rest);
        if (!more)
            first = list;
        if (!parse_i64(first, &number) || number < 0 || number > INT32_MAX)
            return fail_usage(&t->failure, "-p %.*s: expected the number of a partition",
                              BYTES_PRINTF(first));
        const struct partition_info *p = find(topic, number);
        bool repeated = false;
        for (size_t i = 0; i < trim->count; i++)
            repeated |= trim->targets[i].partition == number;
        if (!repeated)
            add_target(trim, (int32_t)number, p ? p->leader : -1,
                       p ? KAFKA_NONE : KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        list = rest;
    }
    return true;
}

static bool find_targets(struct tool *t, struct trim *trim)
{
    struct topic_info topic;
    struct bytes list = flag_text(&t->arguments, "partitions");
    trim->topic = t->arguments.names[0];
    if (!tool_client(t) ||
        !cluster_topic(t->client, trim->topic, false, &t->arena, &topic, &t->failure))
        return false;
    if (!bytes_is_null(list))
        return add_listed(t, trim, &topic, list);
    trim->targets = arena_array(&t->arena, (size_t)topic.partition_count, sizeof *trim->targets);
    for (int32_t i = 0; i < topic.partition_count; i++)
        add_target(trim, topic.partitions[i].index, topic.partitions[i].leader, KAFKA_NONE);
    return true;
}

static int64_t *resolve(struct tool *t, struct trim *trim, struct offset_bound bound)
{
    struct offset_target *targets = arena_array(&t->arena, trim->count, sizeof *targets);
    int64_t *offsets = arena_array(&t->arena, trim->count, sizeof *offsets);
    memcpy(targets, trim->targets, trim->count * sizeof *targets);
    if (!offset_bound_resolve(t->client, bound, targets, trim->count, &t->arena, &t->failure))
        return NULL;
    for (size_t i = 0; i < trim->count; i++) {
        offsets[i] = targets[i].offset;
        if (trim->targets[i].error_code == KAFKA_NONE)
            trim->targets[i].error_code = targets[i].error_code;
    }
    return offsets;
}

/* Finds the log starts as they are and as they will be. An offset above the end is an error and is
 * not lowered: it is a typing error, or an offset of another partition. */
static bool plan(struct tool *t, struct trim *trim)
{
    trim->starts = resolve(t, trim, (struct offset_bound){.kind = BOUND_START});
    trim->ends = trim->starts ? resolve(t, trim, (struct offset_bound){.kind = BOUND_END}) : NULL;
    const int64_t *offsets = trim->ends ? resolve(t, trim, trim->before) : NULL;
    for (size_t i = 0; offsets && i < trim->count; i++) {
        struct offset_target *target = &trim->targets[i];
        target->offset = MAX(offsets[i], trim->starts[i]);
        if (trim->before.kind == BOUND_OFFSET && target->error_code == KAFKA_NONE &&
            trim->before.value > trim->ends[i])
            target->error_code = KAFKA_OFFSET_OUT_OF_RANGE;
    }
    return offsets != NULL;
}

static bool will_change(const struct trim *trim, size_t i)
{
    return trim->targets[i].error_code == KAFKA_NONE && trim->targets[i].offset > trim->starts[i];
}

static int64_t count_records(const struct trim *trim)
{
    int64_t records = 0;
    for (size_t i = 0; i < trim->count; i++)
        records += will_change(trim, i) ? trim->targets[i].offset - trim->starts[i] : 0;
    return records;
}

static void fill_table(struct table *table, const struct trim *trim)
{
    table->row_count = table->errors = 0;
    for (size_t i = 0; i < trim->count; i++) {
        const struct offset_target *target = &trim->targets[i];
        table_row(table);
        table_text(table, target->topic);
        table_int(table, target->partition);
        if (target->error_code == KAFKA_NONE) {
            table_int(table, trim->starts[i]);
            table_int(table, target->offset);
            table_int(table, trim->ends[i]);
            table_int(table, target->offset - trim->starts[i]);
        }
        table_error(table, target->error_code, BYTES_NULL);
    }
}

static void take_answers(struct trim *trim, const struct delete_records_response *response)
{
    for (int32_t k = 0; k < response->topics_count; k++) {
        for (int32_t p = 0; p < response->topics[k].partitions_count; p++) {
            const struct delete_records_response_topics_partitions *in =
                &response->topics[k].partitions[p];
            for (size_t i = 0; i < trim->count; i++) {
                if (trim->targets[i].partition != in->partition_index)
                    continue;
                trim->targets[i].error_code = in->error_code;
                trim->targets[i].offset = in->low_watermark;
            }
        }
    }
}

/* One request for all partitions of a leader that change. */
static bool trim_at(struct tool *t, struct trim *trim, int32_t leader, bool *asked)
{
    struct delete_records_request request;
    struct delete_records_request_topics topic = {.name = trim->topic};
    struct delete_records_response response;
    schema_defaults(&delete_records_request_schema, &request);
    request.timeout_ms = 30000;
    request.topics = &topic;
    request.topics_count = 1;
    topic.partitions =
        schema_array(&delete_records_request_topics_partitions_schema, trim->count, &t->arena);
    for (size_t i = 0; i < trim->count; i++) {
        if (asked[i] || trim->targets[i].leader != leader || !will_change(trim, i))
            continue;
        asked[i] = true;
        topic.partitions[topic.partitions_count++] =
            (struct delete_records_request_topics_partitions){trim->targets[i].partition,
                                                              trim->targets[i].offset};
    }
    if (!client_call(t->client, leader, API_DELETE_RECORDS, &request, &t->arena, &response,
                     &t->failure))
        return false;
    take_answers(trim, &response);
    return true;
}

static bool apply(struct tool *t, struct trim *trim)
{
    bool *asked = arena_array(&t->arena, trim->count, sizeof *asked);
    for (size_t i = 0; i < trim->count; i++) {
        if (!asked[i] && will_change(trim, i) && !trim_at(t, trim, trim->targets[i].leader, asked))
            return false;
    }
    return true;
}

static bool run(struct tool *t)
{
    struct trim trim = {0};
    struct table *table = tool_table(t, "partitions");
    if (!read_offset(t, &trim) || !find_targets(t, &trim) || !plan(t, &trim))
        return false;
    fill_table(table, &trim);
    int64_t records = count_records(&trim);
    if (t->dry_run || records == 0)
        return true;
    if (!tool_confirm(t, table, "Delete %lld record%s of topic %.*s for ever?", (long long)records,
                      records == 1 ? "" : "s", BYTES_PRINTF(trim.topic)) ||
        !apply(t, &trim))
        return false;
    fill_table(table, &trim);
    return true;
}

const struct command topic_trim_command = {
    .noun = "topic",
    .verb = "trim",
    .arguments = "TOPIC",
    .min = 1,
    .max = 1,
    .sentence = "Deletes the records of a topic before an offset or a time",
    .flags = flags,
    .columns = columns,
    .destructive = true,
    .examples = (const char *const[]){"topic trim orders -o @-7d --dry-run",
                                      "topic trim orders -p 3 -o 88121 --yes",
                                      "topic trim orders -o end --yes", NULL},
    .see_also = "topic describe, topic delete",
    .run = run,
};
