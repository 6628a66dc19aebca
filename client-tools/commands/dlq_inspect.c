/* dlq inspect: why records could not be processed, from the headers that their processor added. */
#include "base/clock.h"
#include "base/units.h"
#include "client-tools/cluster/fetcher.h"
#include "client-tools/tool.h"

enum { POLL_MS = 500, DEFAULT_COUNT = 20 };

static const struct flag flags[] = {
    {'o', "offset", FLAG_VALUE, "OFFSET",
     "offset to start at (default: the last 20 records of each partition)", NULL, NULL},
    {'n', "num", FLAG_VALUE, "N", "maximum number of records (default 20)", NULL, NULL},
    {0, "code", FLAG_VALUE, "CODE", "only records with this code, for example MALFORMED_JSON", NULL,
     NULL},
    {0, "class", FLAG_VALUE, "CLASS", "only records with this class, for example permanent-data",
     NULL, NULL},
    {0, "processor", FLAG_VALUE, "NAME", "only records from this processor", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

static const struct column columns[] = {
    {"partition", CELL_INT, false},
    {"offset", CELL_INT, false},
    {"timestamp", CELL_TIME, true},
    {"processor", CELL_TEXT, false},
    {"code", CELL_TEXT, false},
    {"class", CELL_TEXT, true},
    {"source_topic", CELL_TEXT, true},
    {"source_partition", CELL_INT, false},
    {"source_offset", CELL_INT, false},
    {"attempts", CELL_INT, true},
    {"first_failure", CELL_TEXT, true},
    {"path", CELL_TEXT, false},
    {"key", CELL_TEXT, true},
    {"reason", CELL_TEXT, false},
    END_OF_COLUMNS,
};

struct inspection {
    struct tool *tool;
    struct table *table;
    int64_t limit;
    struct bytes code, class, processor; /* null: any */
};

static struct bytes header(const struct record *r, const char *name)
{
    struct record_header found;
    return record_header_find(r, bytes_string(name), &found) ? found.value : BYTES_NULL;
}

static void add_number(struct table *table, struct bytes text)
{
    int64_t number;
    if (parse_i64(text, &number))
        table_int(table, number);
    else
        table_null(table);
}

static bool passes(struct bytes wanted, struct bytes value)
{
    return bytes_is_null(wanted) || bytes_equal(wanted, value);
}

static bool take(void *context, const struct record_place *place, const struct record *r)
{
    struct inspection *in = context;
    struct bytes code = header(r, "__dlq.errors.code"), class = header(r, "__dlq.errors.class");
    struct bytes processor = header(r, "__dlq.errors.processor");
    if (bytes_is_null(code)) /* no dead letter */
        return true;
    if (!passes(in->code, code) || !passes(in->class, class) || !passes(in->processor, processor))
        return true;
    table_row(in->table);
    table_int(in->table, place->partition);
    table_int(in->table, r->offset);
    table_int(in->table, r->timestamp);
    table_text(in->table, processor);
    table_text(in->table, code);
    table_text(in->table, class);
    table_text(in->table, header(r, "__dlq.errors.topic"));
    add_number(in->table, header(r, "__dlq.errors.partition"));
    add_number(in->table, header(r, "__dlq.errors.offset"));
    add_number(in->table, header(r, "__dlq.errors.delivery.count"));
    table_text(in->table, header(r, "__dlq.errors.first.failure"));
    table_text(in->table, header(r, "__dlq.errors.path"));
    table_text(in->table, r->key);
    table_text(in->table, header(r, "__dlq.errors.message"));
    return (int64_t)in->table->row_count < in->limit;
}

/* The name "orders" means the topic of its dead letters. */
static bool find_topic(struct tool *t, struct topic_info *topic)
{
    struct bytes name = t->arguments.names[0];
    if (!bytes_starts_with(name, BYTES_LITERAL("dlq."))) {
        struct bytes dead = bytes_string(arena_printf(&t->arena, "dlq.%.*s", BYTES_PRINTF(name)));
        struct topic_info *found;
        size_t count;
        if (!cluster_topics(t->client, &dead, 1, false, &t->arena, &found, &count, &t->failure))
            return false;
        if (count == 1 && found[0].error_code == 0) {
            *topic = found[0];
            return true;
        }
    }
    if (cluster_topic(t->client, name, false, &t->arena, topic, &t->failure))
        return true;
    if (strncmp(t->failure.hint.text, "did you mean", 12) != 0)
        message_set(&t->failure.hint, "tidemill dlq list");
    return false;
}

static bool read_flags(struct tool *t, struct inspection *in, struct offset_spec *spec)
{
    struct clock *clock = clock_system();
    struct bytes offset = flag_text(&t->arguments, "offset");
    in->code = flag_text(&t->arguments, "code");
    in->class = flag_text(&t->arguments, "class");
    in->processor = flag_text(&t->arguments, "processor");
    bool filtered =
        !bytes_is_null(in->code) || !bytes_is_null(in->class) || !bytes_is_null(in->processor);
    if (!flag_int(&t->arguments, "num", 1, INT32_MAX, DEFAULT_COUNT, &in->limit, &t->failure))
        return false;
    if (bytes_is_null(offset))
        offset = filtered ? BYTES_LITERAL("start")
                          : bytes_string(arena_printf(&t->arena, "-%d", (int)in->limit));
    return offset_spec_parse(offset, clock->wall_ms(clock), spec, &t->failure);
}

static bool resolve(struct tool *t, const struct topic_info *topic, const struct offset_spec *spec,
                    struct fetch_partition *partitions)
{
    size_t count = (size_t)topic->partition_count;
    struct offset_target *from = arena_array(&t->arena, count, sizeof *from);
    for (size_t i = 0; i < count; i++)
        from[i] = (struct offset_target){.topic = topic->name,
                                         .partition = topic->partitions[i].index,
                                         .leader = topic->partitions[i].leader};
    struct offset_target *to = arena_array(&t->arena, count, sizeof *to);
    memcpy(to, from, count * sizeof *to);
    struct offset_bound end = {BOUND_END, 0};
    if (!offset_bound_resolve(t->client, spec->from, from, count, &t->arena, &t->failure) ||
        !offset_bound_resolve(t->client, spec->to.kind ? spec->to : end, to, count, &t->arena,
                              &t->failure))
        return false;
    for (size_t i = 0; i < count; i++)
        partitions[i] = (struct fetch_partition){topic->name, from[i].partition, from[i].leader,
                                                 from[i].offset, to[i].offset};
    return true;
}

static bool run(struct tool *t)
{
    struct inspection in = {.tool = t, .table = tool_table(t, "records")};
    struct offset_spec spec;
    struct topic_info topic;
    if (!read_flags(t, &in, &spec) || !tool_client(t) || !find_topic(t, &topic))
        return false;
    struct fetcher fetcher;
    fetcher_init(&fetcher, t->client, 0);
    fetcher.count = (size_t)topic.partition_count;
    fetcher.partitions = arena_array(&t->arena, fetcher.count, sizeof *fetcher.partitions);
    fetcher.take = take;
    fetcher.context = &in;
    document_text(&t->document, "topic", topic.name);
    bool good = resolve(t, &topic, &spec, fetcher.partitions);
    while (good && !fetcher_is_done(&fetcher) && (int64_t)in.table->row_count < in.limit)
        good = fetcher_poll(&fetcher, POLL_MS, &t->failure);
    fetcher_free(&fetcher);
    return good;
}

const struct command dlq_inspect_command = {
    .noun = "dlq",
    .verb = "inspect",
    .arguments = "TOPIC",
    .min = 1,
    .max = 1,
    .sentence = "Shows why records of a topic could not be processed",
    .flags = flags,
    .columns = columns,
    .examples = (const char *const[]){"dlq inspect orders",
                                      "dlq inspect orders --code MALFORMED_JSON -n 100",
                                      "dlq inspect dlq.orders -o @-1h --format wide", NULL},
    .see_also = "dlq list, consume",
    .run = run,
};
