#include "client-tools/tool.h"

static const struct flag flags[] = {
    {'p', "num", FLAG_VALUE, "N", "number of partitions to add to each topic", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

static const struct column columns[] = {
    {"topic", CELL_TEXT, false},
    {"partitions", CELL_INT, false},
    {"error", CELL_ERROR, false},
    {"message", CELL_TEXT, false},
    END_OF_COLUMNS,
};

static bool run(struct tool *t)
{
    struct table *table = tool_table(t, "topics");
    int64_t more;
    struct topic_info *topics;
    size_t count;
    if (bytes_is_null(flag_text(&t->arguments, "num")))
        return fail_usage(&t->failure, "the number of partitions is missing: -p N");
    if (!flag_int(&t->arguments, "num", 1, 1000000, 0, &more, &t->failure) || !tool_client(t) ||
        !cluster_topics(t->client, t->arguments.names, t->arguments.name_count, false, &t->arena,
                        &topics, &count, &t->failure))
        return false;
    struct create_partitions_request request;
    struct create_partitions_response response;
    schema_defaults(&create_partitions_request_schema, &request);
    request.timeout_ms = 30000;
    request.validate_only = t->dry_run;
    request.topics = schema_array(&create_partitions_request_topics_schema, count, &t->arena);
    request.topics_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        request.topics[i].name = topics[i].name;
        request.topics[i].count = topics[i].partition_count + (int32_t)more;
        request.topics[i].assignments_count = -1;
    }
    if (!client_call(t->client, ANY_NODE, API_CREATE_PARTITIONS, &request, &t->arena, &response,
                     &t->failure))
        return false;
    for (int32_t i = 0; i < response.results_count; i++) {
        table_row(table);
        table_text(table, response.results[i].name);
        if ((size_t)i < count && response.results[i].error_code == 0)
            table_int(table, request.topics[i].count);
        else
            table_null(table);
        table_error(table, response.results[i].error_code, response.results[i].error_message);
    }
    return true;
}

const struct command topic_add_partitions_command = {
    .noun = "topic",
    .verb = "add-partitions",
    .arguments = "TOPIC...",
    .min = 1,
    .max = -1,
    .sentence =
        "Adds partitions to topics; new records with the same key may then go to another partition",
    .flags = flags,
    .columns = columns,
    .examples = (const char *const[]){"topic add-partitions orders -p 6", NULL},
    .see_also = "topic describe",
    .run = run,
};
