#include "tests/broker/support_broker.h"

#include "broker/partition.h"

enum { HOUR_MS = 3600 * 1000 };

static int64_t start_of(struct test_broker *b, const char *topic, int32_t index)
{
    struct shard *owner = shard_for_partition(test_shard(b, 0), test_topic_id(b, topic), index);
    return log_start_offset(partition_find(owner, test_topic_id(b, topic), index)->log);
}

/* Lets upkeep go round a few times. */
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

TEST(retention_reaches_logs_that_nobody_touched_since_the_start)
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

TEST(a_clock_that_leaps_deletes_nothing)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, "retention.ms=7200000", NULL);
    test_produce(c, "orders", 0, &(struct test_batch){.count = 2});
    test_leap(b, 100 * (int64_t)HOUR_MS);
    go_round(b);
    EXPECT_INT(start_of(b, "orders", 0), 0);
    EXPECT(strstr(test_log(b), "the wall clock leapt forward") != NULL);
    test_broker_free(b);
}

TEST(silent_producers_are_forgotten_in_time)
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
