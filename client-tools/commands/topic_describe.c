#include "client-tools/tool.h"

#include <stdio.h>

static const struct flag flags[] = {
    {'a', "all", FLAG_SWITCH, NULL, "show all configs, not only those set for the topic", NULL,
     NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

static const struct column columns[] = {
    {"topic", CELL_TEXT, false},
    {"partition", CELL_INT, false},
    {"leader", CELL_INT, false},
    {"leader_epoch", CELL_INT, true},
    {"replicas", CELL_INTS, false},
    {"in_sync", CELL_INTS, true},
    {"start_offset", CELL_INT, false},
    {"end_offset", CELL_INT, false},
    {"records", CELL_COUNT, false},
    {"error", CELL_ERROR, false},
    {"message", CELL_TEXT, false},
    {"size_bytes", CELL_SIZE, false},
    END_OF_COLUMNS,
};

static const struct column topic_columns[] = {
    {"topic", CELL_TEXT, false},     {"topic_id", CELL_TEXT, true},
    {"partitions", CELL_INT, false}, {"replicas", CELL_INT, false},
    {"internal", CELL_BOOL, true},   {"error", CELL_ERROR, false},
    {"message", CELL_TEXT, false},   END_OF_COLUMNS,
};

static const struct column config_columns[] = {
    {"topic", CELL_TEXT, false},
    {"key", CELL_TEXT, false},
    {"value", CELL_TEXT, false},
    {"source", CELL_TEXT, false},
    END_OF_COLUMNS,
};

static const char *source_name(int8_t source)
{
    static const char *const names[] = {NULL,      "topic",  "broker",         "cluster", "file",
                                        "default", "logger", "client-metrics", "group"};
    return source > 0 && source < (int)COUNT_OF(names) ? names[source] : "unknown";
}

static struct bytes int_list(struct tool *t, const int32_t *values, int32_t count)
{
    const char *text = "";
    for (int32_t i = 0; i < count; i++)
        text = arena_printf(&t->arena, "%s%s%d", text, i ? "," : "", values[i]);
    return bytes_string(text);
}

static void add_topics(struct table *table, const struct topic_info *topics, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *id = topics[i].id.bytes;
        table_row(table);
        table_text(table, topics[i].name);
        char text[37];
        int size = 0;
        for (int b = 0; b < 16; b++)
            size += snprintf(text + size, sizeof text - (size_t)size, "%s%02x",
                             b == 4 || b == 6 || b == 8 || b == 10 ? "-" : "", id[b]);
        table_text(table, bytes_string(text));
        table_int(table, topics[i].partition_count);
        table_int(table, topics[i].partition_count ? topics[i].partitions[0].replica_count : 0);
        table_int(table, topics[i].internal);
        table_error(table, topics[i].error_code, BYTES_NULL);
    }
}

/* One query per partition, in the order of the rows. */
static struct offset_query *make_queries(struct tool *t, const struct topic_info *topics,
                                         size_t topic_count, int64_t time, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < topic_count; i++)
        *count += (size_t)topics[i].partition_count;
    struct offset_query *queries = arena_array(&t->arena, *count, sizeof *queries);
    size_t next = 0;
    for (size_t i = 0; i < topic_count; i++) {
        for (int32_t p = 0; p < topics[i].partition_count; p++)
            queries[next++] = (struct offset_query){.topic = topics[i].name,
                                                    .partition = topics[i].partitions[p].index,
                                                    .leader = topics[i].partitions[p].leader,
                                                    .time = time};
    }
    return queries;
}

static bool add_partitions(struct tool *t, struct table *table, struct topic_info *topics,
                           size_t topic_count)
{
    size_t count, next = 0;
    struct offset_query *first = make_queries(t, topics, topic_count, OFFSET_EARLIEST, &count);
    struct offset_query *last = make_queries(t, topics, topic_count, OFFSET_LATEST, &count);
    if (!cluster_offsets(t->client, first, count, &t->arena, &t->failure) ||
        !cluster_offsets(t->client, last, count, &t->arena, &t->failure) ||
        !cluster_sizes(t->client, topics, topic_count, &t->arena, &t->failure))
        return false;
    for (size_t i = 0; i < topic_count; i++) {
        for (int32_t p = 0; p < topics[i].partition_count; p++, next++) {
            const struct partition_info *info = &topics[i].partitions[p];
            int code = first[next].error_code ? first[next].error_code : last[next].error_code;
            table_row(table);
            table_text(table, topics[i].name);
            table_int(table, info->index);
            table_int(table, info->leader);
            table_int(table, info->leader_epoch);
            table_text(table, int_list(t, info->replicas, info->replica_count));
            table_text(table, int_list(t, info->isr, info->isr_count));
            if (code == 0) {
                table_int(table, first[next].offset);
                table_int(table, last[next].offset);
                table_int(table, last[next].offset - first[next].offset);
            }
            table_error(table, code, BYTES_NULL);
            if (info->size_bytes >= 0)
                table_int(table, info->size_bytes);
        }
    }
    return true;
}

static bool add_configs(struct tool *t, struct table *table, const struct topic_info *topics,
                        size_t topic_count)
{
    struct bytes *names = arena_array(&t->arena, topic_count, sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < topic_count; i++) {
        if (topics[i].error_code == 0)
            names[count++] = topics[i].name;
    }
    struct describe_configs_response response;
    if (count == 0)
        return true;
    if (!cluster_topic_configs(t->client, names, count, &t->arena, &response, &t->failure))
        return false;
    bool all = flag_is_set(&t->arguments, "all");
    for (int32_t r = 0; r < response.results_count; r++) {
        const struct describe_configs_response_results *result = &response.results[r];
        for (int32_t i = 0; i < result->configs_count; i++) {
            if (!all && result->configs[i].config_source != SOURCE_TOPIC)
                continue;
            table_row(table);
            table_text(table, result->resource_name);
            table_text(table, result->configs[i].name);
            table_text(table, result->configs[i].value);
            table_text(table, bytes_string(source_name(result->configs[i].config_source)));
        }
    }
    return true;
}

static bool run(struct tool *t)
{
    struct table *summary = document_table(&t->document, "topics", topic_columns);
    struct table *partitions = tool_table(t, "partitions");
    struct table *configs = document_table(&t->document, "configs", config_columns);
    struct topic_info *topics;
    size_t count;
    if (!tool_client(t) || !cluster_topics(t->client, t->arguments.names, t->arguments.name_count,
                                           false, &t->arena, &topics, &count, &t->failure))
        return false;
    if (count == 1 && topics[0].error_code != 0) /* for the "did you mean" */
        return cluster_topic(t->client, topics[0].name, false, &t->arena, &topics[0], &t->failure);
    add_topics(summary, topics, count);
    return add_partitions(t, partitions, topics, count) && add_configs(t, configs, topics, count);
}

const struct command topic_describe_command = {
    .noun = "topic",
    .verb = "describe",
    .arguments = "TOPIC...",
    .min = 1,
    .max = -1,
    .sentence = "Shows topics with their partitions, offsets and configs",
    .flags = flags,
    .columns = columns,
    .examples = (const char *const[]){"topic describe orders", "topic describe orders --all",
                                      "topic describe orders clicks --format json", NULL},
    .see_also = "topic list, topic set",
    .run = run,
};
