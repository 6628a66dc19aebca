#include "tests/broker/support_runner.h"

#include <stdio.h>

static const char SUMS[] = "processor.s.select=count() as n; sum(value) as x";

static void set_sums(struct test_client *c, const char *topic)
{
    pipeline_set(c, topic, "processor.s.type=aggregate", "processor.s.group-by=key",
                 "processor.s.window=tumbling(1m)", SUMS, "processor.s.output=sums",
                 "processor.s.output.key=group", NULL);
}

static void set_copy(struct test_client *c, const char *topic, const char *output)
{
    struct test_broker *b = test_broker_of(c);
    pipeline_set(c, topic, "processor.f.type=filter", "processor.f.where=true",
                 arena_printf(test_arena(b), "processor.f.output=%s", output), NULL);
}

static void grow(struct test_client *c, const char *topic, int32_t count)
{
    struct create_partitions_request request;
    struct create_partitions_request_topics topics = {
        .name = bytes_string(topic), .count = count, .assignments = NULL, .assignments_count = -1};
    schema_defaults(&create_partitions_request_schema, &request);
    request.topics = &topics;
    request.topics_count = 1;
    request.timeout_ms = 1000;
    struct create_partitions_response *r = test_call(c, API_CREATE_PARTITIONS, 3, &request);
    EXPECT_INT(r->results[0].error_code, KAFKA_NONE);
}

/* --- output topics --- */

TEST(a_deleted_output_topic_is_created_again)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "in", 4, NULL);
        set_copy(c, "in", "out");
        for (int32_t p = 0; p < 4; p++)
            pipeline_put(c, "in", p, EPOCH, "a", "1");
        EXPECT_INT(topic_count(c, "out"), 4);
        EXPECT_INT(pipeline_delete_topic(c, "out"), KAFKA_NONE);
        EXPECT_INT(topic_partitions(b, "out"), -1);
        for (int32_t p = 0; p < 4; p++)
            pipeline_put(c, "in", p, EPOCH, "b", "2");
        EXPECT_STRING(topic_sorted(c, "out"), "b=2\nb=2\nb=2\nb=2\n");
        test_broker_free(b);
    }
}

TEST(a_step_waits_for_its_output_topic_while_the_journal_is_blocked)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "in", 2, NULL);
        for (int32_t p = 0; p < 2; p++)
            pipeline_put(c, "in", p, EPOCH, "a", "1");
        set_copy(c, "in", "out");
        for (int32_t p = 0; p < 2; p++)
            pipeline_put(c, "in", p, EPOCH, "a", "2");
        EXPECT_STRING(topic_sorted(c, "out"), "a=1\na=1\na=2\na=2\n");
        test_broker_free(b);
    }
}

/* "out_1" collides with "out.1" only after the processor was accepted. */
TEST(creating_an_output_topic_is_tried_again_after_a_failure)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "in", 1, NULL);
    set_copy(c, "in", "out.1");
    test_create_topic(c, "out_1", 1, NULL);
    pipeline_put(c, "in", 0, EPOCH, "a", "1");
    test_advance(b, 5000);
    EXPECT_INT(topic_partitions(b, "out.1"), -1);
    EXPECT(strstr(test_log(b), "an output topic cannot be created"));
    EXPECT_INT(pipeline_delete_topic(c, "out_1"), KAFKA_NONE);
    test_advance(b, 1000);
    EXPECT_STRING(topic_sorted(c, "out.1"), "a=1\n");
    test_broker_free(b);
}

TEST(a_processor_that_waits_for_its_output_can_be_removed)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "in", 1, NULL);
    set_copy(c, "in", "out.1");
    test_create_topic(c, "out_1", 1, NULL);
    pipeline_put(c, "in", 0, EPOCH, "a", "1");
    pipeline_set(c, "in", "processor.f.type", "processor.f.where", "processor.f.output", NULL);
    set_copy(c, "in", "other");
    EXPECT_STRING(topic_sorted(c, "other"), "a=1\n");
    test_broker_free(b);
}

/* --- input topics --- */

TEST(an_input_topic_with_a_processor_can_be_deleted)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        for (int round = 0; round < 3; round++) {
            test_create_topic(c, "in", 4, NULL);
            set_sums(c, "in");
            for (int32_t p = 0; p < 4; p++)
                pipeline_put(c, "in", p, EPOCH, "a", "1");
            EXPECT_INT(pipeline_delete_topic(c, "in"), KAFKA_NONE);
        }
        /* No earlier window remains. */
        test_create_topic(c, "in", 1, NULL);
        set_sums(c, "in");
        pipeline_put(c, "in", 0, EPOCH, "a", "1");
        pipeline_put(c, "in", 0, EPOCH + MINUTE, "a", "1");
        EXPECT_INT(topic_count(c, "sums"), 1);
        EXPECT(strstr(topic_sorted(c, "sums"), "\"n\":1,"));
        test_broker_restart(b);
        c = test_client_open(b, 0);
        EXPECT_INT(topic_count(c, "sums"), 1);
        test_broker_free(b);
    }
}

TEST(new_partitions_of_the_input_get_their_tasks)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "in", 1, NULL);
        set_sums(c, "in");
        pipeline_put(c, "in", 0, EPOCH, "a", "1");
        grow(c, "in", 5);
        for (int32_t p = 0; p < 5; p++) {
            pipeline_put(c, "in", p, EPOCH, "a", "1");
            pipeline_put(c, "in", p, EPOCH + MINUTE, "a", "1");
        }
        EXPECT_INT(topic_count(c, "sums"), 5);
        EXPECT(strstr(topic_sorted(c, "sums"), "\"n\":2,"));
        test_broker_free(b);
    }
}

/* --- changes --- */

TEST(a_compatible_change_keeps_the_state)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "in", 3, NULL);
        set_sums(c, "in");
        for (int32_t p = 0; p < 3; p++)
            pipeline_put(c, "in", p, EPOCH, "a", "1");
        pipeline_set(c, "in", "processor.s.output=elsewhere", NULL);
        for (int32_t p = 0; p < 3; p++) {
            pipeline_put(c, "in", p, EPOCH + 1, "a", "1");
            pipeline_put(c, "in", p, EPOCH + MINUTE, "a", "1");
        }
        EXPECT_INT(topic_partitions(b, "sums"), -1);
        EXPECT_INT(topic_count(c, "elsewhere"), 3);
        EXPECT(strstr(topic_sorted(c, "elsewhere"), "\"n\":2,"));
        test_broker_free(b);
    }
}

TEST(a_change_waits_for_steps_under_way)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, "tidemill.tail.cache.bytes=65536",
                                                  "tidemill.unflushed.bytes=65536", NULL);
        struct test_client *c = test_client_open(b, 0);
        static char padded[2000];
        memset(padded, ' ', sizeof padded - 1);
        padded[0] = '1';
        test_create_topic(c, "in", 2, NULL);
        for (int i = 0; i < 2000; i++)
            pipeline_put(c, "in", i % 2, EPOCH, "a", padded);
        test_broker_restart(b);
        c = test_client_open(b, 0);
        set_sums(c, "in"); /* settles; the next records are sent without waiting */
        for (int i = 0; i < 5; i++)
            pipeline_set(c, "in",
                         i % 2 ? "processor.s.output=sums" : "processor.s.output=elsewhere", NULL);
        for (int32_t p = 0; p < 2; p++)
            pipeline_put(c, "in", p, EPOCH + MINUTE, "a", "1");
        EXPECT_INT(topic_count(c, "elsewhere"), 2);
        EXPECT(strstr(topic_sorted(c, "elsewhere"), "\"n\":1000,"));
        test_broker_free(b);
    }
}

TEST(a_change_of_meaning_is_refused_and_changes_nothing)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "in", 1, NULL);
    set_sums(c, "in");
    pipeline_put(c, "in", 0, EPOCH, "a", "1");
    EXPECT(strstr(pipeline_try(c, "in", "processor.s.window=tumbling(2m)", NULL),
                  "processor.s.window: this change would give"));
    pipeline_put(c, "in", 0, EPOCH + MINUTE, "a", "1");
    EXPECT_INT(topic_count(c, "sums"), 1);
    test_broker_free(b);
}

TEST(a_raised_version_begins_with_empty_state)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "in", 3, NULL);
        set_sums(c, "in");
        for (int32_t p = 0; p < 3; p++) {
            pipeline_put(c, "in", p, EPOCH, "a", "1");
            pipeline_put(c, "in", p, EPOCH + MINUTE, "a", "1");
        }
        EXPECT_INT(topic_count(c, "sums"), 3);
        /* The outputs of the new version count from 1 again, on every shard. */
        pipeline_set(c, "in", "processor.s.window=tumbling(2m)", "processor.s.state.version=2",
                     "processor.s.select=count() as n", NULL);
        for (int32_t p = 0; p < 3; p++)
            pipeline_put(c, "in", p, EPOCH + 3 * MINUTE, "a", "1");
        EXPECT_INT(topic_count(c, "sums"), 9); /* two windows each */
        EXPECT(strstr(topic_sorted(c, "sums"), "\"window_end\":1700000040000,\"n\":1}"));
        test_broker_restart(b);
        c = test_client_open(b, 0);
        for (int32_t p = 0; p < 3; p++)
            pipeline_put(c, "in", p, EPOCH + 5 * MINUTE, "a", "1");
        EXPECT_INT(topic_count(c, "sums"), 12);
        test_broker_free(b);
    }
}

TEST(a_recreated_processor_has_no_old_state)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "in", 2, NULL);
        for (int round = 0; round < 3; round++) {
            set_sums(c, "in");
            pipeline_put(c, "in", 0, EPOCH + round * MINUTE, "a", "1");
            pipeline_set(c, "in", "processor.s.type", "processor.s.group-by", "processor.s.window",
                         "processor.s.select", "processor.s.output", "processor.s.output.key",
                         NULL);
        }
        /* Each began at the log's start: one result in the second round, two in the third. */
        EXPECT_INT(topic_count(c, "sums"), 3);
        pipeline_put(c, "in", 0, EPOCH + 10 * MINUTE, "a", "1");
        EXPECT_INT(topic_count(c, "sums"), 3);
        test_broker_restart(b);
        c = test_client_open(b, 0);
        EXPECT_INT(topic_count(c, "sums"), 3);
        set_sums(c, "in");
        EXPECT_INT(topic_count(c, "sums"), 6);
        test_broker_free(b);
    }
}

TEST(another_chain_comes_and_goes_beside_a_running_one)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "in", 2, NULL);
        set_sums(c, "in");
        pipeline_put(c, "in", 0, EPOCH, "a", "1");
        set_copy(c, "in", "out");
        pipeline_put(c, "in", 0, EPOCH, "a", "1");
        EXPECT_INT(topic_count(c, "out"), 2);
        pipeline_set(c, "in", "processor.f.type", "processor.f.where", "processor.f.output", NULL);
        pipeline_put(c, "in", 0, EPOCH + MINUTE, "a", "1");
        EXPECT_INT(topic_count(c, "out"), 2);
        EXPECT(strstr(topic_sorted(c, "sums"), "\"n\":2,"));
        test_broker_free(b);
    }
}

TEST(a_disabled_processor_pauses_and_continues_at_its_old_place)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "in", 1, NULL);
        set_copy(c, "in", "out");
        pipeline_put(c, "in", 0, EPOCH, "a", "1");
        pipeline_set(c, "in", "processor.f.enabled=false", NULL);
        pipeline_put(c, "in", 0, EPOCH, "a", "2");
        test_broker_restart(b);
        c = test_client_open(b, 0);
        EXPECT_STRING(topic_sorted(c, "out"), "a=1\n");
        pipeline_set(c, "in", "processor.f.enabled=true", NULL);
        EXPECT_STRING(topic_sorted(c, "out"), "a=1\na=2\n");
        test_broker_free(b);
    }
}

/* --- where it begins --- */

TEST(start_latest_means_the_end_at_the_moment_of_its_creation)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "in", 1, NULL);
        pipeline_put(c, "in", 0, EPOCH, "a", "1");
        pipeline_set(c, "in", "processor.f.type=filter", "processor.f.where=true",
                     "processor.f.enabled=false", "processor.f.start=latest",
                     "processor.f.output=out", NULL);
        pipeline_put(c, "in", 0, EPOCH, "a", "2");
        test_broker_restart(b);
        c = test_client_open(b, 0);
        pipeline_put(c, "in", 0, EPOCH, "a", "3");
        pipeline_set(c, "in", "processor.f.enabled=true", NULL);
        EXPECT_STRING(partition_text(c, "out", 0), "a=2\na=3\n");
        test_broker_free(b);
    }
}

TEST(start_at_a_time_means_the_first_record_of_that_time_or_later)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "in", 2, NULL);
        for (int i = 0; i < 10; i++) {
            char value[16];
            snprintf(value, sizeof value, "%d", i);
            pipeline_put(c, "in", 0, EPOCH + 1000 * i, "a", value);
        }
        pipeline_set(c, "in", "processor.f.type=filter", "processor.f.where=true",
                     "processor.f.start=@1699999987000", "processor.f.output=out", NULL);
        pipeline_put(c, "in", 1, EPOCH, "b", "early, but after the start");
        EXPECT_STRING(topic_sorted(c, "out"), "a=7\na=8\na=9\nb=early, but after the start\n");
        test_broker_free(b);
    }
}

/* --- faults --- */

TEST(a_task_reads_no_record_that_was_deleted_before)
{
    for (int codec = CODEC_NONE; codec <= CODEC_GZIP; codec++) {
        struct test_broker *b = test_broker_start(2, NULL);
        struct test_client *c = test_client_open(b, 0);
        struct pipeline_batch batch;
        test_create_topic(c, "in", 1, NULL);
        set_copy(c, "in", "out");
        pipeline_set(c, "in", "processor.f.enabled=false", NULL);
        pipeline_batch_init(&batch, codec);
        for (int i = 0; i < 6; i++)
            pipeline_batch_add(&batch, EPOCH, "a", (char[]){(char)('0' + i), 0});
        pipeline_batch_send(&batch, c, "in", 0);
        test_trim(c, "in", 0, 4); /* in the middle of the batch */
        pipeline_set(c, "in", "processor.f.enabled=true", NULL);
        EXPECT_STRING(partition_text(c, "out", 0), "a=4\na=5\n");
        test_trim(c, "in", 0, -1);
        pipeline_put(c, "in", 0, EPOCH, "a", "more");
        EXPECT_STRING(partition_text(c, "out", 0), "a=4\na=5\na=more\n");
        test_broker_free(b);
    }
}

TEST(a_paused_task_continues_at_the_log_start_that_has_passed_it)
{
    struct test_broker *b = test_broker_start(1, "tidemill.unflushed.bytes=65536", NULL);
    struct test_client *c = test_client_open(b, 0);
    static char value[100000];
    memset(value, 'v', sizeof value - 1);
    test_create_topic(c, "in", 1, "segment.bytes=1048576", "retention.bytes=2097152", NULL);
    set_copy(c, "in", "out");
    pipeline_set(c, "in", "processor.f.enabled=false", NULL);
    for (int i = 0; i < 60; i++)
        pipeline_put(c, "in", 0, EPOCH, "a", value);
    for (int i = 0; i < 10; i++)
        test_advance(b, 60000);
    int64_t start = test_fetch(c, "in", 0, 59)->log_start_offset;
    EXPECT(start > 10);
    pipeline_set(c, "in", "processor.f.enabled=true", NULL);
    EXPECT_INT(topic_count(c, "out"), 60 - start);
    EXPECT(strstr(test_log(b), "records were deleted before a processor read them"));
    test_broker_restart(b);
    c = test_client_open(b, 0);
    pipeline_put(c, "in", 0, EPOCH, "a", "more");
    EXPECT_INT(topic_count(c, "out"), 61 - start);
    test_broker_free(b);
}
