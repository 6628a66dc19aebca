#include "tests/broker/support_broker.h"

#include <stdio.h>

/* A CreateTopics request for one topic, which the test may change before it sends it. */
static struct create_topics_request *creation(struct test_broker *b, const char *name,
                                              int32_t partitions, int16_t factor)
{
    struct create_topics_request *request = arena_alloc(test_arena(b), sizeof *request);
    schema_defaults(&create_topics_request_schema, request);
    request->topics = schema_array(&create_topics_request_topics_schema, 1, test_arena(b));
    request->topics_count = 1;
    request->topics[0].name = bytes_string(name);
    request->topics[0].num_partitions = partitions;
    request->topics[0].replication_factor = factor;
    return request;
}

static void add_config(struct test_broker *b, struct create_topics_request *request,
                       const char *name, const char *value)
{
    request->topics[0].configs =
        schema_array(&create_topics_request_topics_configs_schema, 1, test_arena(b));
    request->topics[0].configs_count = 1;
    request->topics[0].configs[0].name = bytes_string(name);
    request->topics[0].configs[0].value = bytes_string(value);
}

static const struct create_topics_response_topics *
create(struct test_client *c, int16_t version, const struct create_topics_request *request)
{
    struct create_topics_response *r = test_call(c, API_CREATE_TOPICS, version, request);
    EXPECT_INT(r->topics_count, request->topics_count);
    return r->topics;
}

static int delete_topic(struct test_client *c, const char *name)
{
    struct bytes names[] = {bytes_string(name)};
    struct delete_topics_request request;
    schema_defaults(&delete_topics_request_schema, &request);
    request.topic_names = names;
    request.topic_names_count = 1;
    struct delete_topics_response *r = test_call(c, API_DELETE_TOPICS, 4, &request);
    EXPECT_INT(r->responses_count, 1);
    EXPECT_BYTES(r->responses[0].name, bytes_string(name));
    return r->responses[0].error_code;
}

TEST(a_created_topic_can_be_written_at_once_on_every_shard)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, shards - 1);
        for (int16_t version = 0; version <= 7; version++) {
            char name[32];
            snprintf(name, sizeof name, "t%d", version);
            const struct create_topics_response_topics *r =
                create(c, version, creation(b, name, 5, 1));
            EXPECT_INT(r->error_code, KAFKA_NONE);
            EXPECT_BYTES(r->name, bytes_string(name));
            for (int32_t p = 0; p < 5; p++)
                EXPECT_INT(test_produce(c, name, p, &(struct test_batch){.count = 1})->error_code,
                           KAFKA_NONE);
        }
        test_broker_free(b);
    }
}

TEST(the_answer_has_the_id_the_counts_and_the_configs)
{
    struct test_broker *b = test_broker_start(2, "num.partitions=6", NULL);
    struct test_client *c = test_client_open(b, 1);
    struct create_topics_request *request = creation(b, "orders", -1, -1);
    add_config(b, request, "retention.ms", "1h");
    const struct create_topics_response_topics *r = create(c, 7, request);
    struct uuid id = test_topic_id(b, "orders");
    EXPECT_INT(r->error_code, KAFKA_NONE);
    EXPECT(memcmp(r->topic_id.bytes, id.bytes, sizeof id.bytes) == 0);
    EXPECT_INT(r->num_partitions, 6);
    EXPECT_INT(r->replication_factor, 1);
    int seen = 0;
    for (int32_t i = 0; i < r->configs_count; i++) {
        if (bytes_equal_string(r->configs[i].name, "retention.ms")) {
            EXPECT_BYTES(r->configs[i].value, BYTES_LITERAL("3600000"));
            EXPECT_INT(r->configs[i].config_source, 1);
            seen++;
        } else if (bytes_equal_string(r->configs[i].name, "segment.bytes")) {
            EXPECT_BYTES(r->configs[i].value, BYTES_LITERAL("1073741824"));
            EXPECT_INT(r->configs[i].config_source, 5);
            seen++;
        }
    }
    EXPECT_INT(seen, 2);
    test_broker_free(b);
}

TEST(invalid_topics_get_kafkas_error_and_message)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "there.is", 1, NULL);
    struct {
        const char *name;
        int32_t partitions;
        int16_t factor;
        const char *config, *value;
        int error;
        const char *message;
    } cases[] = {
        {"there.is", 1, 1, NULL, NULL, KAFKA_TOPIC_ALREADY_EXISTS,
         "Topic 'there.is' already exists."},
        {"there_is", 1, 1, NULL, NULL, KAFKA_INVALID_TOPIC_EXCEPTION,
         "Topic 'there_is' collides with existing topic: there.is"},
        {"a b", 1, 1, NULL, NULL, KAFKA_INVALID_TOPIC_EXCEPTION, NULL},
        {"", 1, 1, NULL, NULL, KAFKA_INVALID_TOPIC_EXCEPTION, NULL},
        {"__consumer_offsets", 1, 1, NULL, NULL, KAFKA_INVALID_REQUEST, NULL},
        {"new", 0, 1, NULL, NULL, KAFKA_INVALID_PARTITIONS,
         "Number of partitions was set to an invalid non-positive value."},
        {"new", -2, 1, NULL, NULL, KAFKA_INVALID_PARTITIONS, NULL},
        {"new", 20000, 1, NULL, NULL, KAFKA_POLICY_VIOLATION, NULL},
        {"new", 1, 3, NULL, NULL, KAFKA_INVALID_REPLICATION_FACTOR,
         "Replication factor: 3 larger than available brokers: 1."},
        {"new", 1, 0, NULL, NULL, KAFKA_INVALID_REPLICATION_FACTOR, NULL},
        {"new", 1, 1, "retention.msec", "1", KAFKA_INVALID_CONFIG,
         "Unknown topic config name: retention.msec (did you mean retention.ms?)"},
        {"new", 1, 1, "no.such.thing", "1", KAFKA_INVALID_CONFIG,
         "Unknown topic config name: no.such.thing"},
        {"new", 1, 1, "cleanup.policy", "shred", KAFKA_INVALID_CONFIG,
         "Invalid value shred for configuration cleanup.policy: String must be one of: compact, "
         "delete"},
        {"new", 1, 1, "segment.bytes", "1000", KAFKA_INVALID_CONFIG,
         "Invalid value 1000 for configuration segment.bytes: Value must be at least 1048576"},
        {"new", 1, 1, "retention.ms", NULL, KAFKA_INVALID_CONFIG,
         "Null value not supported for topic configs: retention.ms"},
        {"new", 1, 1, "remote.storage.enable", "true", KAFKA_INVALID_CONFIG, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct create_topics_request *request =
            creation(b, cases[i].name, cases[i].partitions, cases[i].factor);
        if (cases[i].config)
            add_config(b, request, cases[i].config, cases[i].value);
        const struct create_topics_response_topics *r = create(c, 7, request);
        EXPECT_INT(r->error_code, cases[i].error);
        if (cases[i].message)
            EXPECT_BYTES(r->error_message, bytes_string(cases[i].message));
        EXPECT(r->error_message.size > 0);
    }
    EXPECT_INT(catalog_count(test_shard(b, 0)->catalog), 1);
    test_broker_free(b);
}

/* Kafka's documents require version 4, but its brokers never check this, and kafkajs depends on
 * it. */
TEST(defaults_hold_in_every_version)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    for (int16_t version = 0; version <= 7; version++) {
        char name[8];
        snprintf(name, sizeof name, "v%d", version);
        EXPECT_INT(create(c, version, creation(b, name, -1, -1))->error_code, KAFKA_NONE);
    }
    test_broker_free(b);
}

TEST(a_replication_factor_above_1_is_accepted_when_clamping_is_on)
{
    struct test_broker *b = test_broker_start(1, "tidemill.clamp.replication.factor=true", NULL);
    struct test_client *c = test_client_open(b, 0);
    const struct create_topics_response_topics *r = create(c, 7, creation(b, "a", 1, 3));
    EXPECT_INT(r->error_code, KAFKA_NONE);
    EXPECT_INT(r->replication_factor, 1);
    test_broker_free(b);
}

TEST(validation_alone_creates_nothing)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 1);
    struct create_topics_request *request = creation(b, "orders", 3, 1);
    request->validate_only = true;
    EXPECT_INT(create(c, 7, request)->error_code, KAFKA_NONE);
    EXPECT_INT(create(c, 7, request)->num_partitions, 3);
    request->topics[0].replication_factor = 2;
    EXPECT_INT(create(c, 7, request)->error_code, KAFKA_INVALID_REPLICATION_FACTOR);
    EXPECT_INT(catalog_count(test_shard(b, 0)->catalog), 0);
    test_broker_free(b);
}

TEST(topics_of_one_request_succeed_and_fail_separately)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    struct create_topics_request *request = creation(b, "a", 1, 1);
    request->topics = schema_array(&create_topics_request_topics_schema, 5, test_arena(b));
    request->topics_count = 5;
    const char *names[] = {"a", "b", "a", "x.y", "x_y"};
    for (int i = 0; i < 5; i++) {
        request->topics[i].name = bytes_string(names[i]);
        request->topics[i].num_partitions = 1;
        request->topics[i].replication_factor = 1;
    }
    const struct create_topics_response_topics *r = create(c, 5, request);
    int expected[] = {KAFKA_INVALID_REQUEST, KAFKA_NONE, KAFKA_INVALID_REQUEST, KAFKA_NONE,
                      KAFKA_INVALID_TOPIC_EXCEPTION};
    for (int i = 0; i < 5; i++)
        EXPECT_INT(r[i].error_code, expected[i]);
    EXPECT_INT(catalog_count(test_shard(b, 1)->catalog), 2);
    test_broker_free(b);
}

TEST(manual_assignments_must_name_this_broker_and_every_partition)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    int32_t good[] = {1}, foreign[] = {2}, twice[] = {1, 1};
    struct {
        int32_t *first, *second;
        int32_t first_count, second_index;
        int32_t partitions;
        int error;
    } cases[] = {
        {good, good, 1, 1, -1, KAFKA_NONE},
        {good, good, 1, 1, 2, KAFKA_INVALID_REQUEST},
        {foreign, good, 1, 1, -1, KAFKA_INVALID_REPLICA_ASSIGNMENT},
        {twice, good, 2, 1, -1, KAFKA_INVALID_REPLICA_ASSIGNMENT},
        {good, good, 0, 1, -1, KAFKA_INVALID_REPLICA_ASSIGNMENT},
        {good, good, 1, 0, -1, KAFKA_INVALID_REPLICA_ASSIGNMENT},
        {good, good, 1, 2, -1, KAFKA_INVALID_REPLICA_ASSIGNMENT},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char name[32];
        snprintf(name, sizeof name, "t%zu", i);
        struct create_topics_request *request = creation(b, name, cases[i].partitions, -1);
        struct create_topics_request_topics_assignments assignments[] = {
            {0, cases[i].first, cases[i].first_count}, {cases[i].second_index, cases[i].second, 1}};
        request->topics[0].assignments = assignments;
        request->topics[0].assignments_count = 2;
        const struct create_topics_response_topics *r = create(c, 6, request);
        EXPECT_INT(r->error_code, cases[i].error);
        if (r->error_code == KAFKA_NONE)
            EXPECT_INT(r->num_partitions, 2);
    }
    test_broker_free(b);
}

TEST(topics_and_records_outlive_restarts_with_any_number_of_shards)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 6, "retention.ms=-1", NULL);
    int shard_counts[] = {4, 1, 2};
    for (int life = 0; life < 3; life++) {
        for (int32_t p = 0; p < 6; p++)
            EXPECT_INT(test_produce(c, "orders", p, &(struct test_batch){.count = 2})->base_offset,
                       2 * life);
        test_broker_restart_with(b, shard_counts[life]);
        c = test_client_open(b, 0);
        for (int32_t p = 0; p < 6; p++)
            EXPECT_INT(test_count_records(test_fetch(c, "orders", p, 0)->records.bytes, 0),
                       2 * (life + 1));
    }
    test_broker_free(b);
}

TEST(a_recreated_topic_is_another_topic_than_the_deleted_one)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, shards - 1);
        test_create_topic(c, "orders", 4, NULL);
        for (int32_t p = 0; p < 4; p++)
            test_produce(c, "orders", p, &(struct test_batch){.count = 3});
        struct uuid old = test_topic_id(b, "orders");
        EXPECT_INT(delete_topic(c, "orders"), KAFKA_NONE);
        EXPECT_INT(delete_topic(c, "orders"), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        EXPECT_INT(test_produce(c, "orders", 0, &(struct test_batch){.count = 1})->error_code,
                   KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        test_create_topic(c, "orders", 4, NULL);
        EXPECT(memcmp(test_topic_id(b, "orders").bytes, old.bytes, sizeof old.bytes) != 0);
        for (int32_t p = 0; p < 4; p++)
            EXPECT_INT(test_produce(c, "orders", p, &(struct test_batch){.count = 1})->base_offset,
                       0);
        struct fetch_request *request = test_fetch_request(c, "", 0, 0);
        request->topics[0].topic_id = old;
        struct fetch_response *r = test_call(c, API_FETCH, 13, request);
        EXPECT_INT(r->responses[0].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_ID);
        test_broker_restart(b);
        EXPECT_INT(catalog_count(test_shard(b, 0)->catalog), 1);
        test_broker_free(b);
    }
}

TEST(version_6_deletes_by_name_or_id_but_not_both)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 1);
    test_create_topic(c, "a", 1, NULL);
    test_create_topic(c, "b", 1, NULL);
    struct delete_topics_request_topics topics[5] = {
        {.name = BYTES_LITERAL("a")},
        {.topic_id = test_topic_id(b, "b")},
        {.topic_id = {{7}}},
        {.name = BYTES_LITERAL("b"), .topic_id = test_topic_id(b, "b")},
        {.name = BYTES_NULL},
    };
    struct delete_topics_request request;
    schema_defaults(&delete_topics_request_schema, &request);
    request.topics = topics;
    request.topics_count = 5;
    struct delete_topics_response *r = test_call(c, API_DELETE_TOPICS, 6, &request);
    int expected[] = {KAFKA_NONE, KAFKA_NONE, KAFKA_UNKNOWN_TOPIC_ID, KAFKA_INVALID_REQUEST,
                      KAFKA_INVALID_REQUEST};
    for (int i = 0; i < 5; i++)
        EXPECT_INT(r->responses[i].error_code, expected[i]);
    EXPECT_BYTES(r->responses[1].name, BYTES_LITERAL("b"));
    EXPECT_INT(catalog_count(test_shard(b, 1)->catalog), 0);
    test_broker_free(b);
}

TEST(deletion_can_be_forbidden)
{
    struct test_broker *b = test_broker_start(1, "delete.topic.enable=false", NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "a", 1, NULL);
    EXPECT_INT(delete_topic(c, "a"), KAFKA_TOPIC_DELETION_DISABLED);
    test_broker_free(b);
}

static const struct create_partitions_response_results *
grow(struct test_client *c, const char *name, int32_t count, int32_t assignments, bool validate)
{
    static int32_t self[] = {1};
    struct create_partitions_request_topics_assignments given[4] = {
        {self, 1}, {self, 1}, {self, 1}, {self, 1}};
    struct create_partitions_request_topics topic = {.name = bytes_string(name),
                                                     .count = count,
                                                     .assignments = given,
                                                     .assignments_count = assignments};
    struct create_partitions_request request;
    schema_defaults(&create_partitions_request_schema, &request);
    request.topics = &topic;
    request.topics_count = 1;
    request.validate_only = validate;
    struct create_partitions_response *r = test_call(c, API_CREATE_PARTITIONS, 3, &request);
    EXPECT_INT(r->results_count, 1);
    return &r->results[0];
}

TEST(partitions_can_be_added_but_not_removed)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 2, NULL);
        test_produce(c, "orders", 1, &(struct test_batch){.count = 3});
        EXPECT_INT(grow(c, "orders", 2, -1, false)->error_code, KAFKA_INVALID_PARTITIONS);
        EXPECT_BYTES(grow(c, "orders", 2, -1, false)->error_message,
                     BYTES_LITERAL("Topic already has 2 partition(s)."));
        EXPECT_BYTES(grow(c, "orders", 1, -1, false)->error_message,
                     BYTES_LITERAL("The topic orders currently has 2 partition(s); 1 would not be "
                                   "an increase."));
        EXPECT_INT(grow(c, "nobody", 4, -1, false)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        EXPECT_INT(grow(c, "orders", 4, 1, false)->error_code, KAFKA_INVALID_REPLICA_ASSIGNMENT);
        EXPECT_INT(grow(c, "orders", 4, 2, true)->error_code, KAFKA_NONE);
        EXPECT_INT(test_produce(c, "orders", 3, &(struct test_batch){.count = 1})->error_code,
                   KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        EXPECT_INT(grow(c, "orders", 4, 2, false)->error_code, KAFKA_NONE);
        EXPECT_INT(test_produce(c, "orders", 3, &(struct test_batch){.count = 1})->error_code,
                   KAFKA_NONE);
        EXPECT_INT(test_fetch(c, "orders", 1, 0)->high_watermark, 3);
        test_broker_restart(b);
        c = test_client_open(b, 0);
        EXPECT_INT(test_fetch(c, "orders", 3, 0)->high_watermark, 1);
        test_broker_free(b);
    }
}

TEST(a_compacted_topic_without_a_cleaner_is_created_with_a_warning_that_it_keeps_all_records)
{
    static const char warning[] = "log.cleaner.enable is false: the topic keeps all records";
    for (int enabled = 0; enabled < 2; enabled++) {
        struct test_broker *b =
            test_broker_start(2, enabled ? NULL : "log.cleaner.enable=false", NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "state", 1, "cleanup.policy=compact", NULL);
        EXPECT_INT(strstr(test_log(b), warning) == NULL, enabled);
        test_broker_free(b);
    }
}
