#include "client-tools/tool.h"

static const struct flag flags[] = {
    {'r', "regex", FLAG_SWITCH, NULL, "the arguments are regular expressions", NULL, NULL},
    {'i', "internal", FLAG_SWITCH, NULL, "include internal topics", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

static const struct column columns[] = {
    {"topic", CELL_TEXT, false},
    {"partitions", CELL_INT, false},
    {"replicas", CELL_INT, false},
    {"internal", CELL_BOOL, true},
    {"error", CELL_ERROR, true},
    {"message", CELL_TEXT, true},
    END_OF_COLUMNS,
};

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
    for (size_t i = 0; good && i < count; i++) {
        bool hidden = topics[i].internal && (regex || !flag_is_set(a, "internal")) && !by_name;
        if (hidden || !name_filter_matches(&filter, topics[i].name))
            continue;
        table_row(table);
        table_text(table, topics[i].name);
        table_int(table, topics[i].partition_count);
        table_int(table, topics[i].partition_count ? topics[i].partitions[0].replica_count : 0);
        table_int(table, topics[i].internal);
        table_error(table, topics[i].error_code, BYTES_NULL);
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
