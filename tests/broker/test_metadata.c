#include "tests/broker/support_broker.h"

#include <stdio.h>

static struct metadata_response *ask(struct test_client *c, int16_t version, bool create, int count,
                                     const char *const *names)
{
    struct metadata_request request;
    struct metadata_request_topics topics[16] = {0};
    schema_defaults(&metadata_request_schema, &request);
    for (int i = 0; i < count; i++)
        topics[i].name = bytes_string(names[i]);
    request.topics = topics;
    request.topics_count = count;
    request.allow_auto_topic_creation = create;
    return test_call(c, API_METADATA, version, &request);
}

static struct metadata_response *ask_one(struct test_client *c, int16_t version, bool create,
                                         const char *name)
{
    struct metadata_response *r = ask(c, version, create, 1, &name);
    EXPECT_INT(r->topics_count, 1);
    return r;
}

TEST(a_new_topic_can_be_written_as_soon_as_metadata_names_it)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, "num.partitions=3", NULL);
        for (int shard = 0; shard < shards; shard++) {
            struct test_client *c = test_client_open(b, shard);
            char name[32];
            snprintf(name, sizeof name, "topic-%d", shard);
            struct metadata_response *r = ask_one(c, 8, true, name);
            EXPECT_INT(r->topics[0].error_code, KAFKA_NONE);
            EXPECT_INT(r->topics[0].partitions_count, 3);
            for (int32_t p = 0; p < 3; p++)
                EXPECT_INT(test_produce(c, name, p, &(struct test_batch){.count = 1})->error_code,
                           KAFKA_NONE);
        }
        test_broker_free(b);
    }
}

TEST(every_version_lists_the_broker_and_the_topics)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 1);
    test_create_topic(c, "b.topic", 2, NULL);
    test_create_topic(c, "a-topic", 1, NULL);
    for (int16_t version = 0; version <= 13; version++) {
        struct metadata_response *r = ask_one(c, version, false, "b.topic");
        EXPECT_INT(r->brokers_count, 1);
        EXPECT_INT(r->brokers[0].node_id, 1);
        EXPECT_BYTES(r->brokers[0].host, BYTES_LITERAL("broker.test"));
        EXPECT_INT(r->brokers[0].port, 9092);
        EXPECT_INT(r->controller_id, version >= 1 ? 1 : -1);
        EXPECT_INT(r->cluster_id.size, version >= 2 ? 22 : 0);
        EXPECT_INT(r->topics[0].error_code, KAFKA_NONE);
        EXPECT_INT(r->topics[0].partitions_count, 2);
        for (int32_t p = 0; p < 2; p++) {
            EXPECT_INT(r->topics[0].partitions[p].partition_index, p);
            EXPECT_INT(r->topics[0].partitions[p].leader_id, 1);
            EXPECT_INT(r->topics[0].partitions[p].leader_epoch, version >= 7 ? 0 : -1);
            EXPECT_INT(r->topics[0].partitions[p].replica_nodes_count, 1);
            EXPECT_INT(r->topics[0].partitions[p].isr_nodes[0], 1);
        }
        EXPECT_INT(r->topics[0].topic_authorized_operations, INT32_MIN);
    }
    test_broker_free(b);
}

TEST(null_asks_for_all_and_empty_for_none_but_in_version_0)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "b", 1, NULL);
    test_create_topic(c, "a", 1, NULL);
    EXPECT_INT(ask(c, 0, true, 0, NULL)->topics_count, 2);
    EXPECT_INT(ask(c, 1, true, 0, NULL)->topics_count, 0);
    struct metadata_request request;
    schema_defaults(&metadata_request_schema, &request);
    request.topics_count = -1;
    struct metadata_response *r = test_call(c, API_METADATA, 9, &request);
    EXPECT_INT(r->topics_count, 2);
    EXPECT_BYTES(r->topics[0].name, BYTES_LITERAL("a"));
    test_broker_free(b);
}

TEST(topics_are_created_only_if_the_broker_and_the_client_allow_it)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    EXPECT_INT(ask_one(c, 8, false, "new")->topics[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_INT(ask_one(c, 8, true, "bad name")->topics[0].error_code,
               KAFKA_INVALID_TOPIC_EXCEPTION);
    EXPECT_INT(ask_one(c, 8, true, "__consumer_offsets")->topics[0].error_code,
               KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_INT(ask_one(c, 8, true, "a.b")->topics[0].error_code, KAFKA_NONE);
    EXPECT_INT(ask_one(c, 8, true, "a_b")->topics[0].error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    /* Before version 4 the client cannot forbid creation. */
    EXPECT_INT(ask_one(c, 3, false, "old")->topics[0].error_code, KAFKA_NONE);
    test_broker_free(b);
    b = test_broker_start(1, "auto.create.topics.enable=false", NULL);
    c = test_client_open(b, 0);
    EXPECT_INT(ask_one(c, 8, true, "new")->topics[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    test_broker_free(b);
}

TEST(ids_find_topics_and_outlive_a_restart)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 1);
    test_create_topic(c, "orders", 1, NULL);
    struct metadata_request request;
    struct metadata_request_topics topics[2] = {{.topic_id = test_topic_id(b, "orders")},
                                                {.topic_id = {{9}}}};
    schema_defaults(&metadata_request_schema, &request);
    request.topics = topics;
    request.topics_count = 2;
    for (int life = 0; life < 2; life++) {
        struct metadata_response *r = test_call(c, API_METADATA, 12, &request);
        EXPECT_INT(r->topics_count, 2);
        EXPECT_BYTES(r->topics[0].name, BYTES_LITERAL("orders"));
        EXPECT_INT(r->topics[0].error_code, KAFKA_NONE);
        EXPECT_INT(r->topics[1].error_code, KAFKA_UNKNOWN_TOPIC_ID);
        EXPECT(bytes_is_null(r->topics[1].name));
        test_broker_restart(b);
        c = test_client_open(b, 0);
    }
    test_broker_free(b);
}

TEST(a_topic_named_twice_is_listed_once)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    const char *names[] = {"a", "b", "a"};
    struct metadata_response *r = ask(c, 9, true, 3, names);
    EXPECT_INT(r->topics_count, 2);
    EXPECT_INT(r->topics[0].error_code, KAFKA_NONE);
    test_broker_free(b);
}

TEST(describe_cluster_names_the_broker)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 1);
    struct describe_cluster_request request;
    schema_defaults(&describe_cluster_request_schema, &request);
    for (int16_t version = 0; version <= 2; version++) {
        struct describe_cluster_response *r = test_call(c, API_DESCRIBE_CLUSTER, version, &request);
        EXPECT_INT(r->error_code, KAFKA_NONE);
        EXPECT_INT(r->controller_id, 1);
        EXPECT_INT(r->brokers_count, 1);
        EXPECT_INT(r->brokers[0].broker_id, 1);
        EXPECT_INT(r->cluster_id.size, 22);
    }
    request.endpoint_type = 2;
    struct describe_cluster_response *r = test_call(c, API_DESCRIBE_CLUSTER, 1, &request);
    EXPECT_INT(r->error_code, KAFKA_MISMATCHED_ENDPOINT_TYPE);
    request.endpoint_type = 3;
    r = test_call(c, API_DESCRIBE_CLUSTER, 1, &request);
    EXPECT_INT(r->error_code, KAFKA_UNSUPPORTED_ENDPOINT_TYPE);
    test_broker_free(b);
}

/* Sets of operation codes of a Kafka without an authorizer (librdkafka counts them). */
enum { ALL_OF_A_TOPIC = 0xdf8, ALL_OF_THE_CLUSTER = 0x1fa0 };

TEST(metadata_lists_authorized_operations_on_request)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "a", 1, NULL);
    struct metadata_request_topics topic = {.name = BYTES_LITERAL("a")};
    struct metadata_request request;
    schema_defaults(&metadata_request_schema, &request);
    request.topics = &topic;
    request.topics_count = 1;
    request.include_topic_authorized_operations = true;
    request.include_cluster_authorized_operations = true;
    for (int16_t version = 8; version <= 13; version++) {
        struct metadata_response *r = test_call(c, API_METADATA, version, &request);
        EXPECT_INT(r->topics[0].topic_authorized_operations, ALL_OF_A_TOPIC);
        EXPECT_INT(r->cluster_authorized_operations,
                   version <= 10 ? ALL_OF_THE_CLUSTER : INT32_MIN);
    }
    test_broker_free(b);
}

TEST(describe_cluster_lists_authorized_operations_on_request)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    struct describe_cluster_request request;
    schema_defaults(&describe_cluster_request_schema, &request);
    struct describe_cluster_response *r = test_call(c, API_DESCRIBE_CLUSTER, 1, &request);
    EXPECT_INT(r->cluster_authorized_operations, INT32_MIN);
    request.include_cluster_authorized_operations = true;
    r = test_call(c, API_DESCRIBE_CLUSTER, 1, &request);
    EXPECT_INT(r->cluster_authorized_operations, ALL_OF_THE_CLUSTER);
    test_broker_free(b);
}

/* --- listeners --- */

static void expect_coordinator(struct test_client *c, struct bytes host, int32_t port)
{
    struct find_coordinator_request request;
    struct bytes keys[] = {BYTES_LITERAL("a"), BYTES_LITERAL("b")};
    schema_defaults(&find_coordinator_request_schema, &request);
    request.key = BYTES_LITERAL("g");
    struct find_coordinator_response *r = test_call(c, API_FIND_COORDINATOR, 3, &request);
    EXPECT_BYTES(r->host, host);
    EXPECT_INT(r->port, port);
    request.coordinator_keys = keys;
    request.coordinator_keys_count = COUNT_OF(keys);
    r = test_call(c, API_FIND_COORDINATOR, 4, &request);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        EXPECT_BYTES(r->coordinators[i].host, host);
        EXPECT_INT(r->coordinators[i].port, port);
    }
}

static void expect_address(struct test_client *c, const char *topic, struct bytes host,
                           int32_t port)
{
    struct metadata_response *metadata = ask_one(c, 8, true, topic);
    EXPECT_INT(metadata->brokers_count, 1);
    EXPECT_BYTES(metadata->brokers[0].host, host);
    EXPECT_INT(metadata->brokers[0].port, port);
    struct describe_cluster_request request;
    schema_defaults(&describe_cluster_request_schema, &request);
    struct describe_cluster_response *cluster = test_call(c, API_DESCRIBE_CLUSTER, 1, &request);
    EXPECT_INT(cluster->brokers_count, 1);
    EXPECT_BYTES(cluster->brokers[0].host, host);
    EXPECT_INT(cluster->brokers[0].port, port);
    expect_coordinator(c, host, port);
}

TEST(a_client_gets_the_address_of_its_own_listener)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(
            shards, "listeners=PLAINTEXT://0.0.0.0:9092,INTERNAL://0.0.0.0:9093,LOCAL://[::1]:9094",
            "listener.security.protocol.map=INTERNAL:PLAINTEXT,LOCAL:PLAINTEXT",
            "advertised.listeners=INTERNAL://inside.test:19093,PLAINTEXT://broker.test:9092", NULL);
        for (int shard = 0; shard < shards; shard++) {
            const char *topic = arena_printf(test_arena(b), "made-on-%d", shard);
            expect_address(test_client_open_at(b, shard, 1), topic, BYTES_LITERAL("inside.test"),
                           19093);
            expect_address(test_client_open_at(b, shard, 0), topic, BYTES_LITERAL("broker.test"),
                           9092);
            /* It has no advertised address, so it advertises the address that it binds. */
            expect_address(test_client_open_at(b, shard, 2), topic, BYTES_LITERAL("::1"), 9094);
        }
        test_broker_free(b);
    }
}
