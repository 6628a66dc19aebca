#include "tests/broker/support_runner.h"

static void set_sums(struct test_client *c, const char *topic, const char *idle)
{
    pipeline_set(c, topic, "processor.s.type=aggregate", "processor.s.group-by=key",
                 "processor.s.window=tumbling(1m)", "processor.s.select=count() as n",
                 "processor.s.output=sums", "processor.s.output.key=group", idle, NULL);
}

TEST(an_idle_partition_follows_the_others)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "in", 6, NULL);
        set_sums(c, "in", "processor.s.watermark.idle=30s");
        for (int32_t p = 0; p < 6; p++)
            pipeline_put(c, "in", p, EPOCH, "a", "1");
        test_advance(b, 29000);
        pipeline_put(c, "in", 0, EPOCH + MINUTE, "b", "1");
        EXPECT_INT(topic_count(c, "sums"), 1);
        test_advance(b, 5000); /* the others are idle now, partition 0 is not */
        EXPECT_INT(topic_count(c, "sums"), 6);
        /* They continue to follow. */
        pipeline_put(c, "in", 0, EPOCH + 2 * MINUTE, "b", "1");
        pipeline_put(c, "in", 5, EPOCH, "late", "1");
        EXPECT_INT(topic_count(c, "sums"), 7);
        EXPECT_INT(topic_count(c, "dlq.in"), 1);
        test_broker_free(b);
    }
}

TEST(partitions_that_are_all_idle_follow_the_most_advanced)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "in", 4, NULL);
        set_sums(c, "in", "processor.s.watermark.idle=30s");
        for (int32_t p = 0; p < 4; p++)
            pipeline_put(c, "in", p, EPOCH + p * MINUTE, "a", "1");
        EXPECT_INT(topic_count(c, "sums"), 0);
        for (int i = 0; i < 35; i++)
            test_advance(b, 1000);
        EXPECT_INT(topic_count(c, "sums"), 3);
        test_broker_free(b);
    }
}

TEST(a_lifted_watermark_is_part_of_the_state)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "in", 2, NULL);
        set_sums(c, "in", "processor.s.watermark.idle=30s");
        pipeline_put(c, "in", 1, EPOCH + MINUTE, "a", "1");
        for (int i = 0; i < 35; i++)
            test_advance(b, 1000);
        test_broker_restart_with(b, shards % 4 + 1);
        c = test_client_open(b, 0);
        pipeline_put(c, "in", 0, EPOCH, "late", "1");
        EXPECT_INT(topic_count(c, "dlq.in"), 1);
        test_broker_free(b);
    }
}

TEST(idleness_can_be_switched_off)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "in", 2, NULL);
    set_sums(c, "in", "processor.s.watermark.idle=off");
    pipeline_put(c, "in", 0, EPOCH, "a", "1");
    pipeline_put(c, "in", 1, EPOCH + MINUTE, "a", "1");
    for (int i = 0; i < 100; i++)
        test_advance(b, 1000);
    EXPECT_INT(topic_partitions(b, "sums"), -1);
    test_broker_free(b);
}

TEST(a_partition_with_a_backlog_is_not_idle)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "in", 2, NULL);
        set_sums(c, "in", "processor.s.watermark.idle=30s");
        pipeline_set(c, "in", "processor.s.enabled=false", NULL);
        pipeline_put(c, "in", 0, EPOCH, "a", "1");
        pipeline_put(c, "in", 1, EPOCH + 10 * MINUTE, "b", "1");
        test_advance(b, 100000);
        test_advance(b, 100000);
        pipeline_set(c, "in", "processor.s.enabled=true", NULL);
        EXPECT(topic_partitions(b, "dlq.in") < 0);
        for (int i = 0; i < 35; i++)
            test_advance(b, 1000);
        EXPECT_INT(topic_count(c, "sums"), 1);
        test_broker_free(b);
    }
}

/* There are more windows than one slice of a lift may emit. */
TEST(lifting_a_watermark_emits_all_of_very_many_windows)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "in", 2, NULL);
    set_sums(c, "in", "processor.s.watermark.idle=30s");
    struct pipeline_batch batch;
    pipeline_batch_init(&batch, CODEC_NONE);
    for (int i = 0; i < 5000; i++)
        pipeline_batch_add(&batch, EPOCH, arena_printf(test_arena(b), "k%d", i), "1");
    pipeline_batch_send(&batch, c, "in", 0);
    pipeline_put(c, "in", 1, EPOCH + MINUTE, "a", "1");
    EXPECT_INT(topic_partitions(b, "sums"), -1);
    for (int i = 0; i < 35; i++)
        test_advance(b, 1000);
    EXPECT_INT(topic_count(c, "sums"), 5000);
    test_broker_free(b);
}
