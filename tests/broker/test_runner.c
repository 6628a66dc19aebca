#include "tests/broker/support_runner.h"

#include "broker/runner/runner_internal.h"

#include <stdio.h>

/* validate -> dedup -> aggregate. */
static void set_pipeline(struct test_client *c, const char *topic)
{
    pipeline_set(c, topic, "processor.check.type=validate", "processor.check.json=true",
                 "processor.uniq.type=dedup", "processor.uniq.after=check",
                 "processor.uniq.id=key;value.id", "processor.uniq.within=10m",
                 "processor.uniq.duplicates=repeated", "processor.sums.type=aggregate",
                 "processor.sums.after=uniq", "processor.sums.group-by=key",
                 "processor.sums.window=tumbling(1m)", "processor.sums.output=sums",
                 "processor.sums.output.key=group",
                 "processor.sums.select=count() as n; sum(value.x) as x", NULL);
}

static void put_events(struct test_client *c, const char *topic, int32_t partition)
{
    pipeline_put(c, topic, partition, EPOCH, "a", "{\"id\":1,\"x\":10}");
    pipeline_put(c, topic, partition, EPOCH + 1, "a", "{\"id\":2,\"x\":5}");
    pipeline_put(c, topic, partition, EPOCH + 2, "a", "{\"id\":2,\"x\":5}");
    pipeline_put(c, topic, partition, EPOCH + 3, "a", "{\"id\":");
    pipeline_put(c, topic, partition, EPOCH + MINUTE, "a", "{\"id\":3,\"x\":1}");
}

TEST(a_pipeline_writes_results_duplicates_and_dead_letters)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "events", 1, NULL);
        set_pipeline(c, "events");
        put_events(c, "events", 0);
        EXPECT_STRING(topic_sorted(c, "sums"), "a={\"key\":\"a\",\"window_start\":1699999980000,"
                                               "\"window_end\":1700000040000,\"n\":2,\"x\":15}\n");
        EXPECT_STRING(topic_sorted(c, "repeated"), "a={\"id\":2,\"x\":5}\n");
        EXPECT_STRING(topic_sorted(c, "dlq.events"), "a={\"id\":\n");
        test_broker_free(b);
    }
}

/* Each record is a step. Without the state of the first one the second would not be a duplicate.
 * Without its position the step of the third would write another dead letter. */
TEST(a_step_is_stored_with_its_state_and_its_position)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        static const char *const values[] = {"{\"id\":1}", "{\"id\":1}", "{\"id\":"};
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "events", 1, NULL);
        set_pipeline(c, "events");
        for (size_t i = 0; i < COUNT_OF(values); i++) {
            pipeline_put(c, "events", 0, EPOCH, "a", values[i]);
            test_broker_crash(b);
            c = test_client_open(b, 0);
            test_settle(b);
        }
        EXPECT_STRING(topic_sorted(c, "repeated"), "a={\"id\":1}\n");
        EXPECT_STRING(topic_sorted(c, "dlq.events"), "a={\"id\":\n");
        test_broker_free(b);
    }
}

TEST(dedup_by_processing_time_ignores_a_leap_of_the_wall_clock)
{
    struct test_broker *b =
        test_broker_start(1, "connections.max.idle.ms=-1", "log.retention.ms=-1", NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "events", 1, NULL);
    pipeline_set(c, "events", "processor.u.type=dedup", "processor.u.id=key",
                 "processor.u.within=1d", "processor.u.clock=processing", "processor.u.output=once",
                 NULL);
    pipeline_put(c, "events", 0, EPOCH, "a", "1");
    test_leap(b, INT64_C(8) * 24 * 60 * MINUTE);
    test_advance(b, 60 * MINUTE);
    pipeline_put(c, "events", 0, EPOCH, "a", "2");
    test_broker_restart(b);
    c = test_client_open(b, 0);
    for (int i = 0; i < 70; i++)
        test_advance(b, MINUTE); /* the leap is accepted */
    pipeline_put(c, "events", 0, EPOCH, "a", "3");
    EXPECT_STRING(topic_sorted(c, "once"), "a=1\n");
    test_broker_free(b);
}

TEST(a_slice_takes_as_many_records_as_its_time_allows)
{
    const struct host_slice slice = {.max_records = SLICE_RECORDS_MAX,
                                     .budget_ns = SLICE_BUDGET_NS};
    EXPECT_INT(host_slice_after(&slice, 16, 1000), 32);
    EXPECT_INT(host_slice_after(&slice, SLICE_RECORDS_MAX, 1000), SLICE_RECORDS_MAX);
    EXPECT_INT(host_slice_after(&slice, 32, SLICE_BUDGET_NS), 32);
    EXPECT_INT(host_slice_after(&slice, 64, 4 * SLICE_BUDGET_NS), 16);
    EXPECT_INT(host_slice_after(&slice, 64, 100 * SLICE_BUDGET_NS), 1);
    EXPECT_INT(host_slice_after(&slice, 1, INT64_MAX / 1000), 1);
    EXPECT_INT(host_slice_after(&slice, 1, 0), 2); /* and back again */
}

TEST(by_default_a_processor_reads_records_from_before_its_creation)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "events", 1, NULL);
    put_events(c, "events", 0);
    set_pipeline(c, "events");
    EXPECT_INT(topic_count(c, "sums"), 1);
    test_broker_free(b);
}

TEST(every_partition_has_its_own_task_and_keys_keep_their_partition)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "events", 8, NULL);
        pipeline_set(c, "events", "processor.f.type=filter", "processor.f.where=value.x > 0",
                     "processor.f.output=positive", "processor.f.output.partitions=5", NULL);
        for (int i = 0; i < 160; i++) {
            char key[16], value[32];
            snprintf(key, sizeof key, "k%d", i % 20);
            snprintf(value, sizeof value, "{\"x\":%d}", i % 4);
            pipeline_put(c, "events", i % 20 % 8, EPOCH + i, key, value);
        }
        EXPECT_INT(topic_partitions(b, "positive"), 5);
        EXPECT_INT(topic_count(c, "positive"), 120);
        /* Each key is in one partition, in order. */
        for (int32_t p = 0; p < 5; p++) {
            const char *text = partition_dump(c, "positive", p);
            for (int k = 0; k < 20; k++) {
                char needle[16];
                snprintf(needle, sizeof needle, " k%d=", k);
                int64_t last = 0;
                for (const char *at = text; (at = strstr(at, needle)); at++) {
                    const char *line = at;
                    while (line > text && line[-1] != '\n')
                        line--;
                    long long offset, timestamp;
                    EXPECT_INT(sscanf(line, "%lld %lld", &offset, &timestamp), 2);
                    EXPECT(timestamp > last);
                    last = timestamp;
                }
            }
        }
        test_broker_free(b);
    }
}

TEST(keyless_records_keep_the_number_of_their_partition)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "events", 5, NULL);
        test_create_topic(c, "copy", 3, NULL);
        pipeline_set(c, "events", "processor.f.type=filter", "processor.f.where=true",
                     "processor.f.output=copy", NULL);
        for (int32_t p = 0; p < 5; p++)
            pipeline_put(c, "events", p, EPOCH, NULL, p == 4 ? "four" : "other");
        EXPECT_STRING(partition_text(c, "copy", 2), "null=other\n");
        EXPECT_STRING(partition_text(c, "copy", 1), "null=other\nnull=four\n");
        test_broker_free(b);
    }
}

TEST(records_pass_through_a_chain_of_topics)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "a", 3, NULL);
        test_create_topic(c, "b", 4, "processor.f.type=filter", "processor.f.where=value.x > 2",
                          "processor.f.output=c", NULL);
        pipeline_set(c, "a", "processor.f.type=filter", "processor.f.where=value.x > 1",
                     "processor.f.output=b", NULL);
        for (int i = 0; i < 30; i++)
            pipeline_put(c, "a", i % 3, EPOCH, i % 2 ? "p" : "q",
                         i % 5 == 0   ? "{\"x\":1}"
                         : i % 5 == 1 ? "{\"x\":2}"
                                      : "{\"x\":3}");
        EXPECT_INT(topic_count(c, "b"), 24);
        EXPECT_INT(topic_count(c, "c"), 18);
        test_broker_free(b);
    }
}

TEST(dead_letters_get_the_time_at_which_they_were_written)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "events", 2, NULL);
    set_pipeline(c, "events");
    pipeline_put(c, "events", 1, EPOCH, "a", "[");
    struct topic *topic = catalog_by_name(test_shard(b, 0)->catalog, BYTES_LITERAL("dlq.events"));
    EXPECT(topic != NULL);
    EXPECT_INT(topic->partitions, 2);
    EXPECT_BYTES(topic_config_get(topic, BYTES_LITERAL("message.timestamp.type")),
                 BYTES_LITERAL("LogAppendTime"));
    const char *dump = partition_dump(c, "dlq.events", 1);
    EXPECT(strstr(dump, "0 1700000000000 a=[ ") == dump);
    EXPECT(strstr(dump, "__dlq.errors.code:MALFORMED_JSON"));
    EXPECT(strstr(dump, "__dlq.errors.offset:0"));
    test_broker_free(b);
}

TEST(an_output_with_log_append_time_is_stamped_on_every_shard)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "events", 1, NULL);
        test_create_topic(c, "copy", 4, "message.timestamp.type=LogAppendTime", NULL);
        pipeline_set(c, "events", "processor.f.type=filter", "processor.f.where=true",
                     "processor.f.output=copy", NULL);
        for (int i = 0; i < 8; i++)
            pipeline_put(c, "events", 0, EPOCH, &"abcdefgh"[i], "1");
        for (int32_t p = 0; p < 4; p++)
            EXPECT(!strstr(partition_dump(c, "copy", p), "1699999980000"));
        EXPECT_INT(topic_count(c, "copy"), 8);
        test_broker_free(b);
    }
}

TEST(compressed_batches_are_processed_like_others)
{
    for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        struct test_broker *b = test_broker_start(1, NULL);
        struct test_client *c = test_client_open(b, 0);
        struct pipeline_batch batch;
        test_create_topic(c, "events", 1, NULL);
        set_pipeline(c, "events");
        pipeline_batch_init(&batch, codec);
        for (int i = 0; i < 1000; i++) {
            char value[64];
            snprintf(value, sizeof value, "{\"id\":%d,\"x\":1}", i);
            pipeline_batch_add(&batch, EPOCH + i, "a", value);
        }
        pipeline_batch_add(&batch, EPOCH + 2 * MINUTE, "a", "{\"id\":-1,\"x\":1}");
        pipeline_batch_send(&batch, c, "events", 0);
        EXPECT(strstr(topic_sorted(c, "sums"), "\"n\":1000,\"x\":1000}"));
        test_broker_free(b);
    }
}

/* The input is larger than a slice, than a step, and than the data that stays in memory. */
TEST(a_large_input_is_read_back_from_its_segments)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b =
            test_broker_start(shards, "tidemill.tail.cache.bytes=65536",
                              "tidemill.unflushed.bytes=65536", "log.segment.bytes=1048576", NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "events", 2, NULL);
        static char value[1001];
        memset(value, 'v', sizeof value - 1);
        for (int i = 0; i < 60; i++) {
            struct pipeline_batch batch;
            pipeline_batch_init(&batch, CODEC_NONE);
            for (int j = 0; j < 100; j++)
                pipeline_batch_add(&batch, EPOCH + i, "a", value);
            pipeline_batch_send(&batch, c, "events", i % 2);
        }
        test_broker_restart(b); /* none of it is in memory any more */
        c = test_client_open(b, 0);
        pipeline_set(c, "events", "processor.f.type=filter", "processor.f.where=true",
                     "processor.f.output=copy", NULL);
        test_advance(b, 100);
        EXPECT_INT(topic_count(c, "copy"), 6000);
        test_broker_free(b);
    }
}

TEST(a_step_makes_no_batch_larger_than_the_topic_permits)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "events", 1, NULL);
        test_create_topic(c, "copy", 2, "max.message.bytes=1000", "segment.bytes=1048576", NULL);
        pipeline_set(c, "events", "processor.f.type=filter", "processor.f.where=true",
                     "processor.f.output=copy", NULL);
        struct pipeline_batch batch;
        pipeline_batch_init(&batch, CODEC_NONE);
        char value[101];
        memset(value, 'v', sizeof value);
        value[100] = '\0';
        for (int i = 0; i < 200; i++)
            pipeline_batch_add(&batch, EPOCH, &"abcd"[i % 4], value);
        static char large[3000];
        memset(large, 'L', sizeof large - 1);
        pipeline_batch_add(&batch, EPOCH, "a", large);
        pipeline_batch_send(&batch, c, "events", 0);
        EXPECT_INT(topic_count(c, "copy"), 201);
        for (int32_t p = 0; p < 2; p++) {
            struct bytes records = test_fetch(c, "copy", p, 0)->records.bytes;
            for (size_t size; (size = batch_size(records)) > 0 && size <= records.size;) {
                EXPECT(size <= 1000 || size > sizeof large);
                records = bytes_from(records, size);
            }
        }
        test_broker_free(b);
    }
}

TEST(windows_that_the_last_record_completes_are_all_emitted)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "events", 1, NULL);
    pipeline_set(c, "events", "processor.s.type=aggregate", "processor.s.group-by=key",
                 "processor.s.window=tumbling(1m)", "processor.s.select=count() as n",
                 "processor.s.output=sums", NULL);
    struct pipeline_batch batch;
    pipeline_batch_init(&batch, CODEC_NONE);
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        pipeline_batch_add(&batch, EPOCH, key, "1");
    }
    pipeline_batch_add(&batch, EPOCH + MINUTE, "last", "1");
    pipeline_batch_send(&batch, c, "events", 0);
    EXPECT_INT(topic_count(c, "sums"), 1000);
    test_broker_free(b);
}

TEST(the_output_of_a_step_is_visible_only_when_it_is_durable)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "events", 1, NULL);
    test_create_topic(c, "copy", 1, NULL);
    pipeline_set(c, "events", "processor.f.type=filter", "processor.f.where=true",
                 "processor.f.output=copy", NULL);
    pipeline_put(c, "events", 0, EPOCH, "a", "1");
    EXPECT_INT(topic_count(c, "copy"), 1);
    test_hold_journal(b, true);
    for (int i = 0; i < 50; i++) { /* more than the limit in flight */
        struct pipeline_batch batch;
        pipeline_batch_init(&batch, CODEC_NONE);
        pipeline_batch_add(&batch, EPOCH, "a", "2");
        struct bytes records = batch_builder_finish(&batch.builder);
        struct produce_request_topic_data_partition_data data = {.records.bytes = records};
        struct produce_request_topic_data topics = {
            .name = BYTES_LITERAL("events"), .partition_data = &data, .partition_data_count = 1};
        struct produce_request request;
        schema_defaults(&produce_request_schema, &request);
        request.acks = -1;
        request.topic_data = &topics;
        request.topic_data_count = 1;
        test_send(c, API_PRODUCE, 9, &request);
        test_settle(b);
        buffer_free(&batch.bytes);
    }
    struct test_client *other = test_client_open(b, 0);
    EXPECT_INT(topic_count(other, "copy"), 1);
    test_hold_journal(b, false);
    test_settle(b);
    EXPECT_INT(topic_count(other, "copy"), 51);
    test_broker_free(b);
}
