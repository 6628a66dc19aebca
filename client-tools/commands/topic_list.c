#include "client-tools/tool.h"

static const struct flag flags[] = {
    {'r', "regex", FLAG_SWITCH, NULL, "the arguments are regular expressions", NULL, NULL},
    {'i', "internal", FLAG_SWITCH, NULL, "include internal topics", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

static const struct column columns[] = {
    {"topic", CELL_TEXT, false},      {"partitions", CELL_INT, false},
    {"replicas", CELL_INT, false},    {"internal", CELL_BOOL, true},
    {"error", CELL_ERROR, true},      {"message", CELL_TEXT, true},
    {"size_bytes", CELL_SIZE, false}, END_OF_COLUMNS,
};

/* The topics to show, at the front. */
static size_t select_topics(const struct arguments *a, const struct name_filter *filter,
                            struct topic_info *topics, size_t count)
{
    bool regex = flag_is_set(a, "regex"), by_name = a->name_count > 0 && !regex;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool hidden = topics[i].internal && (regex || !flag_is_set(a, "internal")) && !by_name;
        if (!hidden && name_filter_matches(filter, topics[i].name))
            topics[kept++] = topics[i];
    }
    return kept;
}

/* The sum of the partitions' sizes, or nothing if one is unknown. */
static void add_size(struct table *table, const struct topic_info *topic)
{
    int64_t sum = 0;
    for (int32_t p = 0; p < topic->partition_count; p++) {
        if (topic->partitions[p].size_bytes < 0) {
            table_null(table);
            return;
        }
        sum += topic->partitions[p].size_bytes;
    }
    table_int(table, sum);
}

static bool run(struct tool *t)
{
    struct table *table = tool_table(t, "topics");
    const struct arguments *a = &t->arguments;
    bool regex = flag_is_set(a, "regex"), by_name = a->name_count > 0 && !regex;
    struct name_filter filter;
    if (!name_filter_init(&filter, a->names, a->name_count, regex && a->name_count > 0, &t->arena,
                          &t->failure))
        return false;
    struct topic_info *topics;
    size_t count;
    bool good = tool_client(t) &&
                cluster_topics(t->client, by_name ? a->names : NULL, by_name ? a->name_count : 0,
                               false, &t->arena, &topics, &count, &t->failure);
    if (good) {
        count = select_topics(a, &filter, topics, count);
        good = cluster_sizes(t->client, topics, count, &t->arena, &t->failure);
    }
    for (size_t i = 0; good && i < count; i++) {
        table_row(table);
        table_text(table, topics[i].name);
        table_int(table, topics[i].partition_count);
        table_int(table, topics[i].partition_count ? topics[i].partitions[0].replica_count : 0);
        table_int(table, topics[i].internal);
        table_error(table, topics[i].error_code, BYTES_NULL);
        if (topics[i].error_code == 0)
            add_size(table, &topics[i]);
    }
    name_filter_free(&filter);
    return good;
}

const struct command topic_list_command = {
    .noun = "topic",
    .verb = "list",
    .arguments = "[TOPIC...]",
    .max = -1,
    .sentence = "Lists topics",
    .flags = flags,
    .columns = columns,
    .examples = (const char *const[]){"topic list", "topic list -r 'orders.*'",
                                      "topic list --format json", NULL},
    .see_also = "topic describe",
    .run = run,
};
