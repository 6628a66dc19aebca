#include "tests/broker/support_broker.h"

#include "broker/partition.h"

enum { HOUR_MS = 3600 * 1000 };

static int64_t start_of(struct test_broker *b, const char *topic, int32_t index)
{
    struct shard *owner = shard_for_partition(test_shard(b, 0), test_topic_id(b, topic), index);
    return log_start_offset(partition_find(owner, test_topic_id(b, topic), index)->log);
}

/* Lets upkeep make a few rounds. */
static void go_round(struct test_broker *b)
{
    for (int i = 0; i < 5; i++)
        test_advance(b, 60000);
}

TEST(retention_by_bytes_drops_whole_segments_and_moves_the_start)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 2, "segment.bytes=1MiB", "retention.bytes=2MiB", NULL);
        struct test_batch batch = {.count = 1, .value_size = 400000};
        for (int i = 0; i < 20; i++)
            test_produce(c, "orders", 1, &batch);
        go_round(b);
        EXPECT(start_of(b, "orders", 1) > 8);
        EXPECT(start_of(b, "orders", 1) < 18);
        EXPECT_INT(start_of(b, "orders", 0), 0);
        int64_t start = start_of(b, "orders", 1);
        EXPECT_INT(test_fetch(c, "orders", 1, start - 1)->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
        EXPECT_INT(test_fetch(c, "orders", 1, start)->error_code, KAFKA_NONE);
        EXPECT_INT(test_fetch(c, "orders", 1, start)->log_start_offset, start);
        test_broker_restart(b);
        EXPECT_INT(start_of(b, "orders", 1), start);
        test_broker_free(b);
    }
}

TEST(retention_by_time_empties_an_old_log)
{
    struct test_broker *b = test_broker_start(2, "connections.max.idle.ms=-1", NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, "retention.ms=7200000", NULL);
    test_create_topic(c, "kept", 1, "retention.ms=-1", NULL);
    for (int i = 0; i < 3; i++) {
        test_produce(c, "orders", 0, &(struct test_batch){.count = 2});
        test_produce(c, "kept", 0, &(struct test_batch){.count = 2});
    }
    for (int i = 0; i < 4; i++)
        test_advance(b, HOUR_MS);
    go_round(b);
    EXPECT_INT(start_of(b, "orders", 0), 6);
    EXPECT_INT(start_of(b, "kept", 0), 0);
    EXPECT_INT(test_produce(c, "orders", 0, &(struct test_batch){.count = 1})->base_offset, 6);
    test_broker_free(b);
}

TEST(retention_reaches_logs_that_were_not_used_since_the_start)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 2, "segment.bytes=1MiB", "retention.ms=7200000", NULL);
        for (int i = 0; i < 20; i++)
            test_produce(c, "orders", i % 2,
                         &(struct test_batch){.count = 1, .value_size = 400000});
        test_broker_restart(b);
        for (int i = 0; i < 4; i++)
            test_advance(b, HOUR_MS);
        go_round(b);
        EXPECT_INT(start_of(b, "orders", 0), 10);
        EXPECT_INT(start_of(b, "orders", 1), 10);
        test_broker_free(b);
    }
}

TEST(idle_producers_are_removed_in_time)
{
    struct test_broker *b = test_broker_start(1, "producer.id.expiration.ms=7200000",
                                              "connections.max.idle.ms=-1", NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    struct test_batch batch = {.count = 1, .idempotent = true, .producer_id = 4};
    test_produce(c, "orders", 0, &batch);
    batch.sequence = 100;
    EXPECT_INT(test_produce(c, "orders", 0, &batch)->error_code,
               KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    for (int i = 0; i < 4; i++)
        test_advance(b, HOUR_MS);
    go_round(b);
    EXPECT_INT(test_produce(c, "orders", 0, &batch)->error_code, KAFKA_NONE);
    test_broker_free(b);
}

/* No turn may walk a million producers, and they must not take days either. */
TEST(many_idle_producers_are_removed_in_several_turns)
{
    enum { PRODUCERS = 2500 };
    struct test_broker *b = test_broker_start(1, "producer.id.expiration.ms=7200000",
                                              "connections.max.idle.ms=-1", NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    for (int i = 0; i < PRODUCERS; i++)
        test_produce(c, "orders", 0,
                     &(struct test_batch){.count = 1, .idempotent = true, .producer_id = i});
    const struct producer_states *producers =
        log_producers(partition_find(test_shard(b, 0), test_topic_id(b, "orders"), 0)->log);
    size_t left = PRODUCERS, turns = 0;
    EXPECT_INT(producer_states_count(producers), left);
    test_advance(b, HOUR_MS);
    test_advance(b, HOUR_MS - 60000);
    for (int i = 0; left > 0 && i < 20000; i++) {
        test_advance(b, 10);
        size_t now = producer_states_count(producers);
        EXPECT(left - now <= 1000);
        turns += now < PRODUCERS;
        left = now;
    }
    EXPECT_INT(left, 0);
    EXPECT(turns <= 5);
    test_broker_free(b);
}

/* --- a topic that not every shard knows yet --- */

/* A partition of the topic that the shard owns. */
static int32_t partition_on(struct test_broker *b, const char *topic, int32_t count, int shard)
{
    struct uuid id = test_topic_id(b, topic);
    for (int32_t p = 0; p < count; p++) {
        if (shard_for_partition(test_shard(b, 0), id, p) == test_shard(b, shard))
            return p;
    }
    test_fail(__FILE__, __LINE__, "shard %d owns none of them", shard);
}

static int list_offsets_error(struct test_client *c, const char *topic, int32_t partition)
{
    struct list_offsets_request_topics_partitions p = {
        .partition_index = partition, .current_leader_epoch = -1, .timestamp = -1};
    struct list_offsets_request_topics t = {bytes_string(topic), &p, 1};
    struct list_offsets_request request;
    schema_defaults(&list_offsets_request_schema, &request);
    request.topics = &t;
    request.topics_count = 1;
    struct list_offsets_response *r = test_call(c, API_LIST_OFFSETS, 5, &request);
    return r->topics[0].partitions[0].error_code;
}

static int leader_epoch_error(struct test_client *c, const char *topic, int32_t partition)
{
    struct offset_for_leader_epoch_request_topics_partitions p = {
        .partition = partition, .current_leader_epoch = -1, .leader_epoch = 0};
    struct offset_for_leader_epoch_request_topics t = {bytes_string(topic), &p, 1};
    struct offset_for_leader_epoch_request request;
    schema_defaults(&offset_for_leader_epoch_request_schema, &request);
    request.topics = &t;
    request.topics_count = 1;
    struct offset_for_leader_epoch_response *r =
        test_call(c, API_OFFSET_FOR_LEADER_EPOCH, 3, &request);
    return r->topics[0].partitions[0].error_code;
}

enum { MANY = 64 };

static void begin_create(struct test_client *c)
{
    struct create_topics_request_topics topic;
    schema_defaults(&create_topics_request_topics_schema, &topic);
    topic.name = BYTES_LITERAL("orders");
    topic.num_partitions = MANY;
    topic.replication_factor = 1;
    struct create_topics_request request;
    schema_defaults(&create_topics_request_schema, &request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 10000;
    test_send(c, API_CREATE_TOPICS, 4, &request);
    test_settle(test_broker_of(c));
}

TEST(a_partition_that_is_not_open_yet_has_no_leader)
{
    struct test_broker *b = test_broker_start(4, NULL);
    struct test_client *maker = test_client_open(b, 0), *c = test_client_open(b, 0);
    test_hold_shard(b, 1); /* the catalog goes from shard to shard: 2 and 3 do not have it yet */
    begin_create(maker);
    EXPECT(!test_has_response(maker));
    int32_t p = partition_on(b, "orders", MANY, 3);
    EXPECT_INT(test_fetch(c, "orders", p, 0)->error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    EXPECT_INT(list_offsets_error(c, "orders", p), KAFKA_NOT_LEADER_OR_FOLLOWER);
    EXPECT_INT(leader_epoch_error(c, "orders", p), KAFKA_NOT_LEADER_OR_FOLLOWER);
    struct test_batch batch = {.count = 1};
    EXPECT_INT(test_produce(c, "orders", p, &batch)->error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    test_hold_shard(b, -1);
    test_settle(b);
    EXPECT(test_has_response(maker));
    EXPECT_INT(test_fetch(c, "orders", p, 0)->error_code, KAFKA_NONE);
    EXPECT_INT(list_offsets_error(c, "orders", p), KAFKA_NONE);
    EXPECT_INT(leader_epoch_error(c, "orders", p), KAFKA_NONE);
    EXPECT_INT(test_produce(c, "orders", p, &batch)->error_code, KAFKA_NONE);
    test_broker_free(b);
}
