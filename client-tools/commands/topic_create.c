#include "client-tools/tool.h"

#include "protocol/kafka_error.h"

static const struct flag flags[] = {
    {'p', "partitions", FLAG_VALUE, "N", "number of partitions (default: the broker's)", NULL,
     NULL},
    {0, "replicas", FLAG_VALUE, "N", "replication factor (default: the broker's)",
     "replication-factor", NULL},
    {'c', "config", FLAG_LIST, "KEY=VALUE", "a config of the topic", "topic-config", NULL},
    {0, "if-not-exists", FLAG_SWITCH, NULL, "succeed if the topic already exists", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

static const struct column columns[] = {
    {"topic", CELL_TEXT, false},  {"partitions", CELL_INT, false}, {"replicas", CELL_INT, false},
    {"error", CELL_ERROR, false}, {"message", CELL_TEXT, false},   END_OF_COLUMNS,
};

static bool read_configs(struct tool *t, struct create_topics_request_topics *topic)
{
    struct bytes text, key, value;
    size_t at = 0;
    topic->configs = schema_array(&create_topics_request_topics_configs_schema,
                                  t->arguments.flag_count, &t->arena);
    while (!bytes_is_null(text = flag_next(&t->arguments, "config", &at))) {
        if (!pair_split(text, "=", &key, &value))
            return fail_usage(&t->failure, "-c %.*s: expected KEY=VALUE", BYTES_PRINTF(text));
        topic->configs[topic->configs_count].name = key;
        topic->configs[topic->configs_count++].value = value;
    }
    return true;
}

static bool fill_request(struct tool *t, struct create_topics_request *request)
{
    int64_t partitions, replicas;
    struct create_topics_request_topics first;
    schema_defaults(&create_topics_request_schema, request);
    schema_defaults(&create_topics_request_topics_schema, &first);
    if (!flag_int(&t->arguments, "partitions", 1, INT32_MAX, -1, &partitions, &t->failure) ||
        !flag_int(&t->arguments, "replicas", 1, INT16_MAX, -1, &replicas, &t->failure) ||
        !read_configs(t, &first))
        return false;
    first.num_partitions = (int32_t)partitions;
    first.replication_factor = (int16_t)replicas;
    request->timeout_ms = 30000;
    request->validate_only = t->dry_run;
    request->topics_count = (int32_t)t->arguments.name_count;
    request->topics =
        schema_array(&create_topics_request_topics_schema, t->arguments.name_count, &t->arena);
    for (size_t i = 0; i < t->arguments.name_count; i++) {
        request->topics[i] = first;
        request->topics[i].name = t->arguments.names[i];
    }
    return true;
}

static bool run(struct tool *t)
{
    struct create_topics_request request;
    struct create_topics_response response;
    struct table *topics = tool_table(t, "topics");
    if (!fill_request(t, &request) || !tool_client(t) ||
        !client_call(t->client, ANY_NODE, API_CREATE_TOPICS, &request, &t->arena, &response,
                     &t->failure))
        return false;
    bool exists_is_fine = flag_is_set(&t->arguments, "if-not-exists");
    for (int32_t i = 0; i < response.topics_count; i++) {
        const struct create_topics_response_topics *r = &response.topics[i];
        bool unknown = r->error_code != 0 || r->num_partitions < 0;
        bool fine = r->error_code == KAFKA_TOPIC_ALREADY_EXISTS && exists_is_fine;
        table_row(topics);
        table_text(topics, r->name);
        if (unknown) {
            table_null(topics);
            table_null(topics);
        } else {
            table_int(topics, r->num_partitions);
            table_int(topics, r->replication_factor);
        }
        table_error(topics, fine ? 0 : r->error_code, r->error_message);
    }
    return true;
}

const struct command topic_create_command = {
    .noun = "topic",
    .verb = "create",
    .arguments = "TOPIC...",
    .min = 1,
    .max = -1,
    .sentence = "Creates topics",
    .flags = flags,
    .columns = columns,
    .examples = (const char *const[]){"topic create orders -p 6",
                                      "topic create orders clicks -c retention.ms=7d",
                                      "topic create orders -p 12 --dry-run", NULL},
    .see_also = "topic describe, topic set",
    .run = run,
};
