#include "client-tools/tool.h"

static const struct column columns[] = {
    {"topic", CELL_TEXT, false},
    {"source", CELL_TEXT, false},
    {"partitions", CELL_INT, false},
    {"records", CELL_COUNT, false},
    {"error", CELL_ERROR, false},
    {"message", CELL_TEXT, false},
    END_OF_COLUMNS,
};

static bool ask(struct tool *t, const struct topic_info *topic, int64_t time,
                struct offset_query **out)
{
    size_t count = (size_t)topic->partition_count;
    *out = arena_array(&t->arena, count, sizeof **out);
    for (size_t i = 0; i < count; i++)
        (*out)[i] = (struct offset_query){.topic = topic->name,
                                          .partition = topic->partitions[i].index,
                                          .leader = topic->partitions[i].leader,
                                          .time = time};
    return cluster_offsets(t->client, *out, count, &t->arena, &t->failure);
}

static bool add_topic(struct tool *t, struct table *table, const struct topic_info *topic)
{
    struct offset_query *first, *last;
    int64_t records = 0;
    int code = topic->error_code;
    if (!ask(t, topic, OFFSET_EARLIEST, &first) || !ask(t, topic, OFFSET_LATEST, &last))
        return false;
    for (int32_t i = 0; i < topic->partition_count; i++) {
        records += last[i].offset - first[i].offset;
        code = code ? code : first[i].error_code ? first[i].error_code : last[i].error_code;
    }
    table_row(table);
    table_text(table, topic->name);
    table_text(table, bytes_from(topic->name, strlen("dlq.")));
    table_int(table, topic->partition_count);
    table_int(table, records);
    table_error(table, code, BYTES_NULL);
    return true;
}

static bool run(struct tool *t)
{
    struct table *table = tool_table(t, "topics");
    struct topic_info *topics;
    size_t count;
    if (!tool_client(t) ||
        !cluster_topics(t->client, NULL, 0, false, &t->arena, &topics, &count, &t->failure))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (bytes_starts_with(topics[i].name, BYTES_LITERAL("dlq.")) &&
            !add_topic(t, table, &topics[i]))
            return false;
    }
    return true;
}

const struct command dlq_list_command = {
    .noun = "dlq",
    .verb = "list",
    .arguments = "",
    .sentence = "Lists dead letter topics and their numbers of records",
    .columns = columns,
    .examples = (const char *const[]){"dlq list", NULL},
    .see_also = "dlq inspect",
    .run = run,
};
