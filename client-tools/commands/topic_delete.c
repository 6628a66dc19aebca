#include "client-tools/tool.h"

static const struct flag flags[] = {
    {'r', "regex", FLAG_SWITCH, NULL, "the arguments are regular expressions", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

static const struct column columns[] = {
    {"topic", CELL_TEXT, false},
    {"partitions", CELL_INT, false},
    {"error", CELL_ERROR, false},
    {"message", CELL_TEXT, false},
    END_OF_COLUMNS,
};

/* Finds the selected topics that exist; the others go to the table with their error. */
static bool find_topics(struct tool *t, struct table *table, struct topic_info **found,
                        size_t *found_count)
{
    const struct arguments *a = &t->arguments;
    bool regex = flag_is_set(a, "regex");
    struct name_filter filter;
    struct topic_info *topics;
    size_t count;
    if (!name_filter_init(&filter, a->names, a->name_count, regex, &t->arena, &t->failure))
        return false;
    bool good = tool_client(t) &&
                cluster_topics(t->client, regex ? NULL : a->names, regex ? 0 : a->name_count, false,
                               &t->arena, &topics, &count, &t->failure);
    *found_count = 0;
    *found = good ? arena_array(&t->arena, count, sizeof **found) : NULL;
    for (size_t i = 0; good && i < count; i++) {
        if (regex && (topics[i].internal || !name_filter_matches(&filter, topics[i].name)))
            continue;
        if (topics[i].error_code == 0) {
            (*found)[(*found_count)++] = topics[i];
            continue;
        }
        table_row(table);
        table_text(table, topics[i].name);
        table_null(table);
        table_error(table, topics[i].error_code, BYTES_NULL);
    }
    name_filter_free(&filter);
    return good;
}

static bool delete_topics(struct tool *t, const struct topic_info *topics, size_t count,
                          struct delete_topics_response *response)
{
    struct delete_topics_request request;
    schema_defaults(&delete_topics_request_schema, &request);
    request.timeout_ms = 30000;
    request.topics_count = request.topic_names_count = (int32_t)count;
    request.topics = schema_array(&delete_topics_request_topics_schema, count, &t->arena);
    request.topic_names = arena_array(&t->arena, count, sizeof *request.topic_names);
    for (size_t i = 0; i < count; i++)
        request.topics[i].name = request.topic_names[i] = topics[i].name;
    return client_call(t->client, ANY_NODE, API_DELETE_TOPICS, &request, &t->arena, response,
                       &t->failure);
}

static bool run(struct tool *t)
{
    struct table *table = tool_table(t, "topics");
    struct topic_info *topics;
    size_t count;
    if (!find_topics(t, table, &topics, &count))
        return false;
    size_t planned = table->row_count;
    for (size_t i = 0; i < count; i++) {
        table_row(table);
        table_text(table, topics[i].name);
        table_int(table, topics[i].partition_count);
    }
    if (count == 0 || t->dry_run)
        return true;
    struct delete_topics_response response;
    if (!tool_confirm(t, table, "Delete %zu topic%s with all records?", count,
                      count == 1 ? "" : "s") ||
        !delete_topics(t, topics, count, &response))
        return false;
    table->row_count = planned;
    for (int32_t i = 0; i < response.responses_count; i++) {
        table_row(table);
        table_text(table, response.responses[i].name);
        table_int(table, (size_t)i < count ? topics[i].partition_count : 0);
        table_error(table, response.responses[i].error_code, response.responses[i].error_message);
    }
    return true;
}

const struct command topic_delete_command = {
    .noun = "topic",
    .verb = "delete",
    .arguments = "TOPIC...",
    .min = 1,
    .max = -1,
    .sentence = "Deletes topics with all their records",
    .flags = flags,
    .columns = columns,
    .destructive = true,
    .examples = (const char *const[]){"topic delete orders", "topic delete -r 'test-.*' --dry-run",
                                      "topic delete orders clicks --yes", NULL},
    .see_also = "topic list",
    .run = run,
};
