#include "tests/broker/support_broker.h"

#include "broker/config/configs.h"

#include <stdio.h>

static const struct describe_configs_response_results *
describe(struct test_client *c, int16_t version, int8_t type, const char *name, struct bytes *keys,
         int32_t key_count)
{
    struct describe_configs_request_resources resource = {.resource_type = type,
                                                          .resource_name = bytes_string(name),
                                                          .configuration_keys = keys,
                                                          .configuration_keys_count = key_count};
    struct describe_configs_request request;
    schema_defaults(&describe_configs_request_schema, &request);
    request.resources = &resource;
    request.resources_count = 1;
    request.include_synonyms = request.include_documentation = true;
    struct describe_configs_response *r = test_call(c, API_DESCRIBE_CONFIGS, version, &request);
    EXPECT_INT(r->results_count, 1);
    return &r->results[0];
}

static const struct describe_configs_response_results_configs *
find(const struct describe_configs_response_results *result, const char *name)
{
    for (int32_t i = 0; i < result->configs_count; i++) {
        if (bytes_equal_string(result->configs[i].name, name))
            return &result->configs[i];
    }
    return NULL;
}

static const struct describe_configs_response_results_configs *
topic_config(struct test_client *c, const char *topic, const char *name)
{
    return find(describe(c, 4, RESOURCE_TOPIC, topic, NULL, -1), name);
}

struct edit {
    const char *name;
    int operation;
    const char *value;
};

static void send_alter(struct test_client *c, int8_t type, const char *resource, bool validate_only,
                       const struct edit *edits, int count)
{
    struct incremental_alter_configs_request_resources_configs configs[16];
    for (int i = 0; i < count; i++)
        configs[i] = (struct incremental_alter_configs_request_resources_configs){
            bytes_string(edits[i].name), (int8_t)edits[i].operation, bytes_string(edits[i].value)};
    struct incremental_alter_configs_request_resources r = {.resource_type = type,
                                                            .resource_name = bytes_string(resource),
                                                            .configs = configs,
                                                            .configs_count = count};
    struct incremental_alter_configs_request request;
    schema_defaults(&incremental_alter_configs_request_schema, &request);
    request.resources = &r;
    request.resources_count = 1;
    request.validate_only = validate_only;
    test_send(c, API_INCREMENTAL_ALTER_CONFIGS, 1, &request);
    test_settle(test_broker_of(c));
}

static const struct incremental_alter_configs_response_responses *
alter_resource(struct test_client *c, int8_t type, const char *resource, bool validate_only,
               const struct edit *edits, int count)
{
    send_alter(c, type, resource, validate_only, edits, count);
    struct incremental_alter_configs_response *response =
        test_receive(c, API_INCREMENTAL_ALTER_CONFIGS, 1);
    EXPECT_INT(response->responses_count, 1);
    return &response->responses[0];
}

static int alter(struct test_client *c, const char *topic, struct edit edit)
{
    return alter_resource(c, RESOURCE_TOPIC, topic, false, &edit, 1)->error_code;
}

/* "2 log.retention.ms=7" and so on, from the strongest to the default. */
static const char *synonyms_of(struct test_broker *b,
                               const struct describe_configs_response_results_configs *d)
{
    struct buffer text;
    buffer_init(&text, 4096);
    for (int32_t i = 0; i < d->synonyms_count; i++)
        buffer_printf(&text, "%s%d %.*s=%.*s", i ? "; " : "", d->synonyms[i].source,
                      BYTES_PRINTF(d->synonyms[i].name), BYTES_PRINTF(d->synonyms[i].value));
    const char *copy = (const char *)arena_copy(test_arena(b), buffer_view(&text)).data;
    buffer_free(&text);
    return copy;
}

enum { SET, DELETE, APPEND, SUBTRACT };

TEST(a_topics_configs_carry_source_type_and_synonyms)
{
    struct test_broker *b =
        test_broker_start(2, "log.retention.hours=24", "log.segment.bytes=3000000", NULL);
    struct test_client *c = test_client_open(b, 1);
    test_create_topic(c, "orders", 1, "retention.ms=5000", "segment.bytes=2097152", NULL);
    const struct describe_configs_response_results_configs *d =
        topic_config(c, "orders", "retention.ms");
    EXPECT_BYTES(d->value, BYTES_LITERAL("5000"));
    EXPECT_INT(d->config_source, CONFIG_OF_TOPIC);
    EXPECT_INT(d->config_type, CONFIG_LONG);
    EXPECT(!d->read_only && !d->is_sensitive);
    EXPECT(d->documentation.size > 0);
    EXPECT_STRING(synonyms_of(b, d), "1 retention.ms=5000");
    EXPECT_STRING(synonyms_of(b, topic_config(c, "orders", "segment.bytes")),
                  "1 segment.bytes=2097152; 4 log.segment.bytes=3000000; "
                  "5 log.segment.bytes=1073741824");
    EXPECT_INT(topic_config(c, "orders", "segment.bytes")->config_type, CONFIG_INT);
    EXPECT_INT(topic_config(c, "orders", "cleanup.policy")->config_type, CONFIG_LIST);
    EXPECT_INT(topic_config(c, "orders", "preallocate")->config_type, CONFIG_BOOLEAN);
    EXPECT_INT(topic_config(c, "orders", "min.cleanable.dirty.ratio")->config_type, CONFIG_DOUBLE);
    d = topic_config(c, "orders", "max.message.bytes");
    EXPECT_BYTES(d->value, BYTES_LITERAL("1048588"));
    EXPECT_INT(d->config_source, CONFIG_DEFAULT);
    EXPECT_INT(alter(c, "orders", (struct edit){"retention.ms", DELETE, NULL}), KAFKA_NONE);
    d = topic_config(c, "orders", "retention.ms");
    EXPECT_BYTES(d->value, BYTES_LITERAL("86400000"));
    test_broker_free(b);
}

/* Kafka has no default for these broker keys. If none is set, there is no synonym, also not for the
 * coarser unit. */
TEST(a_config_that_is_not_set_and_has_no_kafka_default_has_no_synonyms)
{
    static const char *const names[] = {"flush.ms",
                                        "retention.ms",
                                        "segment.ms",
                                        "segment.jitter.ms",
                                        "follower.replication.throttled.replicas",
                                        "leader.replication.throttled.replicas",
                                        "remote.storage.enable",
                                        "remote.log.copy.disable",
                                        "remote.log.delete.on.disable"};
    struct test_broker *b = test_broker_start(1, "log.roll.hours=24", NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        EXPECT_STRING(synonyms_of(b, topic_config(c, "orders", names[i])), "");
        EXPECT_INT(topic_config(c, "orders", names[i])->config_source, CONFIG_DEFAULT);
    }
    EXPECT_BYTES(topic_config(c, "orders", "segment.ms")->value, BYTES_LITERAL("86400000"));
    EXPECT_STRING(synonyms_of(b, topic_config(c, "orders", "local.retention.ms")),
                  "5 log.local.retention.ms=-2");
    EXPECT_BYTES(topic_config(c, "orders", "local.retention.ms")->value, BYTES_LITERAL("-2"));
    EXPECT_STRING(synonyms_of(b, topic_config(c, "orders", "local.retention.bytes")),
                  "5 log.local.retention.bytes=-2");
    test_broker_free(b);
    b = test_broker_start(1, "log.roll.ms=7000", "log.flush.interval.ms=5", NULL);
    c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    EXPECT_STRING(synonyms_of(b, topic_config(c, "orders", "segment.ms")),
                  "4 log.roll.ms=7000; 5 log.roll.hours=168");
    EXPECT_STRING(synonyms_of(b, topic_config(c, "orders", "flush.ms")),
                  "4 log.flush.interval.ms=5");
    test_broker_free(b);
}

TEST(requested_keys_are_described_in_every_version)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    struct bytes keys[] = {BYTES_LITERAL("retention.ms"), BYTES_LITERAL("no.such.key")};
    for (int16_t version = 0; version <= 4; version++) {
        EXPECT_INT(describe(c, version, RESOURCE_TOPIC, "orders", keys, 2)->configs_count, 1);
        EXPECT(describe(c, version, RESOURCE_TOPIC, "orders", keys, 0)->configs_count > 30);
        EXPECT(describe(c, version, RESOURCE_TOPIC, "orders", NULL, -1)->configs_count > 30);
    }
    EXPECT(find(describe(c, 0, RESOURCE_TOPIC, "orders", keys, 1), "retention.ms")->is_default);
    test_broker_free(b);
}

TEST(the_brokers_configs_are_described_in_full)
{
    struct test_broker *b = test_broker_start(2, "num.partitions=3", NULL);
    struct test_client *c = test_client_open(b, 1);
    const struct describe_configs_response_results *r =
        describe(c, 4, RESOURCE_BROKER, "1", NULL, -1);
    EXPECT_INT(r->error_code, KAFKA_NONE);
    for (int32_t i = 0; i < r->configs_count; i++) {
        EXPECT(r->configs[i].config_type != 0);
        EXPECT(r->configs[i].config_source > 0);
        EXPECT(r->configs[i].documentation.size > 0);
    }
    EXPECT_BYTES(find(r, "num.partitions")->value, BYTES_LITERAL("3"));
    EXPECT_INT(find(r, "num.partitions")->config_source, CONFIG_OF_STATIC_BROKER);
    EXPECT_INT(find(r, "message.max.bytes")->config_source, CONFIG_DEFAULT);
    EXPECT_INT(describe(c, 4, RESOURCE_BROKER, "", NULL, -1)->configs_count, 0);
    EXPECT_INT(describe(c, 4, RESOURCE_BROKER, "2", NULL, -1)->error_code, KAFKA_INVALID_REQUEST);
    EXPECT_INT(describe(c, 4, RESOURCE_BROKER, "x", NULL, -1)->error_code, KAFKA_INVALID_REQUEST);
    EXPECT_INT(describe(c, 4, 77, "x", NULL, -1)->error_code, KAFKA_INVALID_REQUEST);
    EXPECT_INT(describe(c, 4, RESOURCE_TOPIC, "nobody", NULL, -1)->error_code,
               KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    test_broker_free(b);
}

TEST(single_keys_are_set_deleted_appended_and_subtracted)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, shards - 1);
        test_create_topic(c, "orders", 1, "retention.bytes=1000", NULL);
        EXPECT_INT(alter(c, "orders", (struct edit){"retention.ms", SET, "7d"}), KAFKA_NONE);
        EXPECT_BYTES(topic_config(c, "orders", "retention.ms")->value, BYTES_LITERAL("604800000"));
        EXPECT_BYTES(topic_config(c, "orders", "retention.bytes")->value, BYTES_LITERAL("1000"));
        EXPECT_INT(alter(c, "orders", (struct edit){"cleanup.policy", APPEND, "compact"}),
                   KAFKA_NONE);
        EXPECT_BYTES(topic_config(c, "orders", "cleanup.policy")->value,
                     BYTES_LITERAL("delete,compact"));
        EXPECT_INT(alter(c, "orders", (struct edit){"cleanup.policy", APPEND, "compact"}),
                   KAFKA_NONE);
        EXPECT_INT(alter(c, "orders", (struct edit){"cleanup.policy", SUBTRACT, "delete"}),
                   KAFKA_NONE);
        EXPECT_BYTES(topic_config(c, "orders", "cleanup.policy")->value, BYTES_LITERAL("compact"));
        EXPECT_INT(alter(c, "orders", (struct edit){"retention.bytes", DELETE, NULL}), KAFKA_NONE);
        EXPECT_INT(topic_config(c, "orders", "retention.bytes")->config_source, CONFIG_DEFAULT);
        test_broker_restart(b);
        c = test_client_open(b, 0);
        EXPECT_BYTES(topic_config(c, "orders", "cleanup.policy")->value, BYTES_LITERAL("compact"));
        test_broker_free(b);
    }
}

TEST(invalid_alterations_get_kafkas_error)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, "retention.ms=5000", NULL);
    struct {
        const char *topic;
        struct edit edits[2];
        int count, error;
        const char *message;
    } cases[] = {
        {"nobody",
         {{"retention.ms", SET, "1"}},
         1,
         KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
         "The topic 'nobody' does not exist."},
        {"orders", {{"retention.ms", SET, "soon"}}, 1, KAFKA_INVALID_CONFIG, NULL},
        {"orders",
         {{"retention.ms", SET, NULL}},
         1,
         KAFKA_INVALID_REQUEST,
         "Null value not supported for : retention.ms"},
        {"orders",
         {{"retention.ms", APPEND, "1"}},
         1,
         KAFKA_INVALID_CONFIG,
         "Can't APPEND to key retention.ms because its type is not LIST."},
        {"orders", {{"retention.ms", 4, "1"}}, 1, KAFKA_INVALID_REQUEST, NULL},
        {"orders",
         {{"retention.ms", SET, "1"}, {"retention.ms", SET, "2"}},
         2,
         KAFKA_INVALID_REQUEST,
         "Error due to duplicate config keys"},
        {"orders",
         {{"retention.bytes", SET, "1"}, {"nonsense", SET, "2"}},
         2,
         KAFKA_INVALID_CONFIG,
         "Unknown topic config name: nonsense"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct incremental_alter_configs_response_responses *r = alter_resource(
            c, RESOURCE_TOPIC, cases[i].topic, false, cases[i].edits, cases[i].count);
        EXPECT_INT(r->error_code, cases[i].error);
        if (cases[i].message)
            EXPECT_BYTES(r->error_message, bytes_string(cases[i].message));
    }
    EXPECT_BYTES(topic_config(c, "orders", "retention.ms")->value, BYTES_LITERAL("5000"));
    EXPECT_INT(topic_config(c, "orders", "retention.bytes")->config_source, CONFIG_DEFAULT);
    test_broker_free(b);
}

TEST(validation_alone_changes_nothing)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    struct edit edit = {"retention.ms", SET, "77"};
    EXPECT_INT(alter_resource(c, RESOURCE_TOPIC, "orders", true, &edit, 1)->error_code, KAFKA_NONE);
    EXPECT_INT(topic_config(c, "orders", "retention.ms")->config_source, CONFIG_DEFAULT);
    edit.value = "-7";
    EXPECT_INT(alter_resource(c, RESOURCE_TOPIC, "orders", true, &edit, 1)->error_code,
               KAFKA_INVALID_CONFIG);
    test_broker_free(b);
}

TEST(alter_configs_replaces_the_whole_set)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 1);
    test_create_topic(c, "orders", 1, "retention.ms=5000", "retention.bytes=7", NULL);
    struct alter_configs_request_resources_configs config = {BYTES_LITERAL("segment.ms"),
                                                             BYTES_LITERAL("1h")};
    struct alter_configs_request_resources resources[2] = {
        {RESOURCE_TOPIC, BYTES_LITERAL("orders"), &config, 1},
        {RESOURCE_BROKER, BYTES_LITERAL(""), &config, 1}}; /* the broker has no such key */
    struct alter_configs_request request;
    schema_defaults(&alter_configs_request_schema, &request);
    request.resources = resources;
    request.resources_count = 2;
    for (int16_t version = 0; version <= 2; version++) {
        struct alter_configs_response *r = test_call(c, API_ALTER_CONFIGS, version, &request);
        EXPECT_INT(r->responses[0].error_code, KAFKA_NONE);
        EXPECT_INT(r->responses[1].error_code, KAFKA_INVALID_REQUEST);
    }
    EXPECT_BYTES(topic_config(c, "orders", "segment.ms")->value, BYTES_LITERAL("3600000"));
    EXPECT_INT(topic_config(c, "orders", "retention.ms")->config_source, CONFIG_DEFAULT);
    EXPECT_INT(topic_config(c, "orders", "retention.bytes")->config_source, CONFIG_DEFAULT);
    test_broker_free(b);
}

TEST(a_resource_named_twice_is_refused_both_times)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    struct alter_configs_request_resources_configs config = {BYTES_LITERAL("segment.ms"),
                                                             BYTES_LITERAL("1000")};
    struct alter_configs_request_resources resources[2] = {
        {RESOURCE_TOPIC, BYTES_LITERAL("orders"), &config, 1},
        {RESOURCE_TOPIC, BYTES_LITERAL("orders"), &config, 1}};
    struct alter_configs_request request;
    schema_defaults(&alter_configs_request_schema, &request);
    request.resources = resources;
    request.resources_count = 2;
    struct alter_configs_response *r = test_call(c, API_ALTER_CONFIGS, 2, &request);
    EXPECT_INT(r->responses[0].error_code, KAFKA_INVALID_REQUEST);
    EXPECT_INT(r->responses[1].error_code, KAFKA_INVALID_REQUEST);
    test_broker_free(b);
}

TEST(a_changed_limit_holds_for_the_next_batch)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 4, NULL);
        struct test_batch batch = {.count = 1, .value_size = 5000};
        EXPECT_INT(alter(c, "orders", (struct edit){"max.message.bytes", SET, "4000"}), KAFKA_NONE);
        for (int32_t p = 0; p < 4; p++)
            EXPECT_INT(test_produce(c, "orders", p, &batch)->error_code, KAFKA_MESSAGE_TOO_LARGE);
        EXPECT_INT(alter(c, "orders", (struct edit){"max.message.bytes", DELETE, NULL}),
                   KAFKA_NONE);
        for (int32_t p = 0; p < 4; p++)
            EXPECT_INT(test_produce(c, "orders", p, &batch)->error_code, KAFKA_NONE);
        test_broker_free(b);
    }
}

/* --- the broker --- */

static const struct describe_configs_response_results_configs *
broker_config(struct test_client *c, const char *node, const char *name)
{
    return find(describe(c, 4, RESOURCE_BROKER, node, NULL, -1), name);
}

static int alter_broker(struct test_client *c, const char *node, struct edit edit)
{
    return alter_resource(c, RESOURCE_BROKER, node, false, &edit, 1)->error_code;
}

TEST(broker_configs_have_a_layer_for_the_cluster_and_one_for_the_node)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, "message.max.bytes=2000000", NULL);
        struct test_client *c = test_client_open(b, shards - 1);
        const struct describe_configs_response_results_configs *d;
        EXPECT_INT(alter_broker(c, "", (struct edit){"message.max.bytes", SET, "3MiB"}),
                   KAFKA_NONE);
        d = broker_config(c, "1", "message.max.bytes");
        EXPECT_BYTES(d->value, BYTES_LITERAL("3145728"));
        EXPECT_INT(d->config_source, CONFIG_OF_CLUSTER);
        EXPECT_INT(alter_broker(c, "1", (struct edit){"message.max.bytes", SET, "4000000"}),
                   KAFKA_NONE);
        d = broker_config(c, "1", "message.max.bytes");
        EXPECT_BYTES(d->value, BYTES_LITERAL("4000000"));
        EXPECT_INT(d->config_source, CONFIG_OF_NODE);
        EXPECT(!d->read_only);
        EXPECT_STRING(synonyms_of(b, d),
                      "2 message.max.bytes=4000000; 3 message.max.bytes=3145728; "
                      "4 message.max.bytes=2000000; 5 message.max.bytes=1048588");
        EXPECT_INT(describe(c, 4, RESOURCE_BROKER, "", NULL, -1)->configs_count, 1);
        d = broker_config(c, "", "message.max.bytes");
        EXPECT_INT(d->config_source, CONFIG_OF_CLUSTER);
        EXPECT_STRING(synonyms_of(b, d), "3 message.max.bytes=3145728");
        EXPECT_INT(alter_broker(c, "1", (struct edit){"message.max.bytes", DELETE, NULL}),
                   KAFKA_NONE);
        EXPECT_INT(alter_broker(c, "", (struct edit){"message.max.bytes", DELETE, NULL}),
                   KAFKA_NONE);
        d = broker_config(c, "1", "message.max.bytes");
        EXPECT_BYTES(d->value, BYTES_LITERAL("2000000"));
        EXPECT_INT(d->config_source, CONFIG_OF_STATIC_BROKER);
        EXPECT_INT(describe(c, 4, RESOURCE_BROKER, "", NULL, -1)->configs_count, 0);
        test_broker_free(b);
    }
}

TEST(a_changed_config_holds_and_is_answered_when_it_is_durable)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, "message.max.bytes=2000000", NULL);
        struct test_client *c = test_client_open(b, 0), *other = test_client_open(b, 0);
        const struct edit edit = {"message.max.bytes", SET, "4000000"};
        test_hold_journal(b, true);
        send_alter(c, RESOURCE_BROKER, "1", false, &edit, 1);
        EXPECT(!test_has_response(c));
        EXPECT_BYTES(broker_config(other, "1", "message.max.bytes")->value,
                     BYTES_LITERAL("2000000"));
        test_hold_journal(b, false);
        test_settle(b);
        struct incremental_alter_configs_response *r =
            test_receive(c, API_INCREMENTAL_ALTER_CONFIGS, 1);
        EXPECT_INT(r->responses[0].error_code, KAFKA_NONE);
        EXPECT_BYTES(broker_config(other, "1", "message.max.bytes")->value,
                     BYTES_LITERAL("4000000"));
        test_broker_free(b);
    }
}

TEST(a_topic_takes_its_defaults_from_the_layers)
{
    struct test_broker *b = test_broker_start(2, "log.retention.hours=24", NULL);
    struct test_client *c = test_client_open(b, 1);
    test_create_topic(c, "orders", 1, NULL);
    EXPECT_BYTES(topic_config(c, "orders", "retention.ms")->value, BYTES_LITERAL("86400000"));
    EXPECT_INT(alter_broker(c, "", (struct edit){"log.retention.ms", SET, "1h"}), KAFKA_NONE);
    const struct describe_configs_response_results_configs *d =
        topic_config(c, "orders", "retention.ms");
    EXPECT_BYTES(d->value, BYTES_LITERAL("3600000"));
    EXPECT_INT(d->config_source, CONFIG_OF_CLUSTER);
    EXPECT_STRING(
        synonyms_of(b, d),
        "3 log.retention.ms=3600000; 4 log.retention.hours=24; 5 log.retention.hours=168");
    EXPECT_INT(alter_broker(c, "1", (struct edit){"log.retention.ms", SET, "-2"}), KAFKA_NONE);
    EXPECT_BYTES(topic_config(c, "orders", "retention.ms")->value, BYTES_LITERAL("86400000"));
    test_broker_free(b);
}

TEST(broker_configs_hold_for_running_partitions_and_after_a_restart)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        struct test_batch batch = {.count = 1, .value_size = 5000};
        test_create_topic(c, "orders", 4, NULL);
        test_create_topic(c, "own", 1, "max.message.bytes=6000", NULL);
        EXPECT_INT(alter_broker(c, "", (struct edit){"message.max.bytes", SET, "4000"}),
                   KAFKA_NONE);
        EXPECT_INT(alter_broker(c, "1", (struct edit){"log.cleanup.policy", APPEND, "compact"}),
                   KAFKA_NONE);
        for (int again = 0; again < 2; again++) {
            for (int32_t p = 0; p < 4; p++)
                EXPECT_INT(test_produce(c, "orders", p, &batch)->error_code,
                           KAFKA_MESSAGE_TOO_LARGE);
            EXPECT_INT(test_produce(c, "own", 0, &batch)->error_code, KAFKA_NONE);
            EXPECT_INT(test_produce(c, "own", 0, &(struct test_batch){.count = 1, .keyless = true})
                           ->error_code,
                       KAFKA_INVALID_RECORD);
            EXPECT_BYTES(topic_config(c, "own", "cleanup.policy")->value,
                         BYTES_LITERAL("delete,compact"));
            test_broker_restart_with(b, shards);
            c = test_client_open(b, 0);
        }
        test_create_topic(c, "later", 1, NULL);
        EXPECT_INT(test_produce(c, "later", 0, &batch)->error_code, KAFKA_MESSAGE_TOO_LARGE);
        EXPECT_INT(alter_broker(c, "", (struct edit){"message.max.bytes", DELETE, NULL}),
                   KAFKA_NONE);
        test_broker_restart(b);
        c = test_client_open(b, 0);
        EXPECT_INT(test_produce(c, "later", 0, &batch)->error_code, KAFKA_NONE);
        test_broker_free(b);
    }
}

TEST(retention_follows_a_changed_default_of_the_broker)
{
    struct test_broker *b = test_broker_start(2, "connections.max.idle.ms=-1", NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    test_produce(c, "orders", 0, &(struct test_batch){.count = 3});
    test_advance(b, 3600 * 1000);
    EXPECT_INT(alter_broker(c, "", (struct edit){"log.retention.ms", SET, "60000"}), KAFKA_NONE);
    for (int i = 0; i < 5; i++)
        test_advance(b, 60000);
    EXPECT_INT(test_fetch(c, "orders", 0, 3)->log_start_offset, 3);
    test_broker_free(b);
}

TEST(broker_configs_that_cannot_change_are_refused_with_the_reason)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    struct {
        const char *node;
        struct edit edits[2];
        int count, error;
        const char *message;
    } cases[] = {
        {"1",
         {{"message.max.bytes", SET, "5000"}, {"num.partitions", SET, "3"}},
         2,
         KAFKA_INVALID_REQUEST,
         "Cannot update these configs dynamically: Set(num.partitions). Change the broker's "
         "configuration file and restart it."},
        {"",
         {{"message.max.bytes", SET, "-1"}},
         1,
         KAFKA_INVALID_REQUEST,
         "Invalid value -1 for configuration message.max.bytes: Value must be at least 0"},
        {"",
         {{"mesage.max.bytes", SET, "1"}},
         1,
         KAFKA_INVALID_REQUEST,
         "Unknown broker config name: mesage.max.bytes (did you mean message.max.bytes?)"},
        {"",
         {{"message.max.bytes", APPEND, "1"}},
         1,
         KAFKA_INVALID_CONFIG,
         "Can't APPEND to key message.max.bytes because its type is not LIST."},
        {"2",
         {{"message.max.bytes", SET, "1"}},
         1,
         KAFKA_INVALID_REQUEST,
         "Unexpected broker id, expected 1, but received 2"},
        {"x",
         {{"message.max.bytes", SET, "1"}},
         1,
         KAFKA_INVALID_REQUEST,
         "Node id must be an integer, but it is: x"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct incremental_alter_configs_response_responses *r = alter_resource(
            c, RESOURCE_BROKER, cases[i].node, false, cases[i].edits, cases[i].count);
        EXPECT_INT(r->error_code, cases[i].error);
        EXPECT_BYTES(r->error_message, bytes_string(cases[i].message));
    }
    struct edit edit = {"message.max.bytes", SET, "5000"};
    EXPECT_INT(alter_resource(c, RESOURCE_BROKER, "", true, &edit, 1)->error_code, KAFKA_NONE);
    EXPECT_INT(broker_config(c, "1", "message.max.bytes")->config_source, CONFIG_DEFAULT);
    EXPECT(broker_config(c, "1", "num.partitions")->read_only);
    test_broker_free(b);
}

TEST(alter_configs_replaces_a_whole_layer_of_the_broker)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    EXPECT_INT(alter_broker(c, "", (struct edit){"log.segment.bytes", SET, "2MiB"}), KAFKA_NONE);
    EXPECT_INT(alter_broker(c, "1", (struct edit){"log.segment.bytes", SET, "3MiB"}), KAFKA_NONE);
    struct alter_configs_request_resources_configs config = {BYTES_LITERAL("log.roll.ms"),
                                                             BYTES_LITERAL("1h")};
    struct alter_configs_request_resources resource = {RESOURCE_BROKER, BYTES_LITERAL("1"), &config,
                                                       1};
    struct alter_configs_request request;
    schema_defaults(&alter_configs_request_schema, &request);
    request.resources = &resource;
    request.resources_count = 1;
    struct alter_configs_response *r = test_call(c, API_ALTER_CONFIGS, 2, &request);
    EXPECT_INT(r->responses[0].error_code, KAFKA_NONE);
    EXPECT_INT(broker_config(c, "1", "log.roll.ms")->config_source, CONFIG_OF_NODE);
    EXPECT_BYTES(broker_config(c, "1", "log.roll.ms")->value, BYTES_LITERAL("3600000"));
    EXPECT_INT(broker_config(c, "1", "log.segment.bytes")->config_source, CONFIG_OF_CLUSTER);
    test_broker_free(b);
}

/* Loggers, client metrics and groups have no configs here; 1 and 77 are no types of Kafka's. */
TEST(resource_types_without_configs_here_are_refused_by_number)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 1);
    static const int8_t types[] = {RESOURCE_BROKER_LOGGER, RESOURCE_CLIENT_METRICS, RESOURCE_GROUP,
                                   1, 77};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        char text[64];
        struct edit edit = {"interval.ms", SET, "1000"};
        const struct describe_configs_response_results *d = describe(c, 4, types[i], "1", NULL, -1);
        snprintf(text, sizeof text, "Unsupported resource type: %d", types[i]);
        EXPECT_INT(d->error_code, KAFKA_INVALID_REQUEST);
        EXPECT_BYTES(d->error_message, bytes_string(text));
        EXPECT_INT(d->resource_type, types[i]);
        EXPECT_INT(d->configs_count, 0);
        const struct incremental_alter_configs_response_responses *r =
            alter_resource(c, types[i], "1", false, &edit, 1);
        snprintf(text, sizeof text, "Unknown resource type %d", types[i]);
        EXPECT_INT(r->error_code, KAFKA_INVALID_REQUEST);
        EXPECT_BYTES(r->error_message, bytes_string(text));
        EXPECT_INT(r->resource_type, types[i]);
    }
    test_broker_free(b);
}

/* --- processors --- */

static const struct edit FILTER[] = {{"processor.big.type", SET, "filter"},
                                     {"processor.big.where", SET, "value.amount > 10"},
                                     {"processor.big.output", SET, "orders.big"}};

TEST(processors_are_checked_as_a_whole_and_shown)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 2, NULL);
    EXPECT_INT(alter(c, "orders", FILTER[0]), KAFKA_INVALID_CONFIG);
    EXPECT(topic_config(c, "orders", "processor.big.type") == NULL);
    const struct incremental_alter_configs_response_responses *r =
        alter_resource(c, RESOURCE_TOPIC, "orders", false, FILTER, 3);
    EXPECT_BYTES(r->error_message, BYTES_NULL);
    EXPECT_INT(r->error_code, KAFKA_NONE);
    const struct describe_configs_response_results_configs *d =
        topic_config(c, "orders", "processor.big.where");
    EXPECT_BYTES(d->value, BYTES_LITERAL("value.amount > 10"));
    EXPECT_INT(d->config_source, CONFIG_OF_TOPIC);
    EXPECT_INT(d->config_type, CONFIG_STRING);
    EXPECT_INT(alter(c, "orders", (struct edit){"processor.big.tpye", SET, "filter"}),
               KAFKA_INVALID_CONFIG);
    test_broker_free(b);
}

TEST(processor_outputs_may_not_form_a_cycle)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    const char *names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++)
        test_create_topic(c, names[i], 1, NULL);
    for (int i = 0; i < 3; i++) {
        struct edit edits[] = {{"processor.on.type", SET, "filter"},
                               {"processor.on.where", SET, "true"},
                               {"processor.on.output", SET, names[(i + 1) % 3]}};
        const struct incremental_alter_configs_response_responses *r =
            alter_resource(c, RESOURCE_TOPIC, names[i], false, edits, 3);
        EXPECT_INT(r->error_code, i < 2 ? KAFKA_NONE : KAFKA_INVALID_CONFIG);
        if (i == 2)
            EXPECT_BYTES(r->error_message,
                         BYTES_LITERAL("processor.on.output: output topic a leads back to input "
                                       "topic c: topics must not form a cycle"));
    }
    test_broker_free(b);
}
