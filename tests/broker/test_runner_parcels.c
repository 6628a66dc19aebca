#include "tests/broker/support_runner.h"

#include "broker/partition.h"
#include "broker/runner/runner_internal.h"

#include <stdio.h>

enum { SHARDS = 4, INPUTS = 16, OUTPUTS = 16, KEYS = 40 };

static void set_copy(struct test_client *c, const char *topic)
{
    pipeline_set(c, topic, "processor.f.type=filter", "processor.f.where=true",
                 "processor.f.output=out", "processor.f.output.partitions=16", NULL);
}

/* A partition of "in" that this shard owns. */
static int32_t partition_on(struct test_broker *b, int shard)
{
    for (int32_t i = 0; i < INPUTS; i++) {
        if (partition_find(test_shard(b, shard), test_topic_id(b, "in"), i))
            return i;
    }
    test_fail(__FILE__, __LINE__, "shard %d owns no partition of the input", shard);
}

static void put_keys(struct test_client *c, int32_t partition)
{
    struct pipeline_batch batch;
    pipeline_batch_init(&batch, CODEC_NONE);
    for (int i = 0; i < KEYS; i++)
        pipeline_batch_add(&batch, EPOCH, arena_printf(test_arena(test_broker_of(c)), "k%d", i),
                           "1");
    pipeline_batch_send(&batch, c, "in", partition);
}

/* The same, but does not wait for the answer. */
static void send_keys(struct test_client *c, int32_t partition)
{
    struct bytes batch = test_make_batch(test_broker_of(c), &(struct test_batch){.count = KEYS});
    struct produce_request_topic_data_partition_data data = {.index = partition,
                                                             .records.bytes = batch};
    struct produce_request_topic_data topic = {
        .name = BYTES_LITERAL("in"), .partition_data = &data, .partition_data_count = 1};
    struct produce_request request;
    schema_defaults(&produce_request_schema, &request);
    request.acks = -1;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    test_send(c, API_PRODUCE, 9, &request);
}

static size_t applied_rows(struct test_broker *b)
{
    size_t count = 0;
    for (int i = 0; i < test_shard_count(b); i++)
        count += test_shard(b, i)->runner->applied.count;
    return count;
}

/* The new catalog goes from shard to shard. A task of shard 0 knows the topic and writes to shard
 * 3, while shard 2 delays the catalog. */
TEST(parcels_for_a_topic_that_a_shard_does_not_know_yet_wait_there)
{
    struct test_broker *b = test_broker_start(SHARDS, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "in", INPUTS, NULL);
    set_copy(c, "in");
    int32_t first = partition_on(b, 1), second = partition_on(b, 0);
    test_hold_shard(b, 2);
    put_keys(c, first);
    EXPECT(catalog_by_name(test_shard(b, 0)->catalog, BYTES_LITERAL("out")) != NULL);
    EXPECT(catalog_by_name(test_shard(b, 3)->catalog, BYTES_LITERAL("out")) == NULL);
    put_keys(c, second);
    EXPECT(!list_is_empty(&test_shard(b, 3)->runner->early));
    test_hold_shard(b, -1);
    test_settle(b);
    EXPECT_INT(topic_count(c, "out"), 2 * KEYS);
    test_broker_free(b);
}

TEST(parcels_for_a_topic_that_was_deleted_come_home)
{
    struct test_broker *b = test_broker_start(SHARDS, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "in", INPUTS, NULL);
    set_copy(c, "in");
    put_keys(c, 0);
    EXPECT(applied_rows(b) > 0);
    EXPECT_INT(pipeline_delete_topic(c, "out"), KAFKA_NONE);
    EXPECT_INT(applied_rows(b), 0);
    put_keys(c, 1);
    EXPECT_INT(topic_count(c, "out"), KEYS);
    for (int i = 0; i < SHARDS; i++)
        EXPECT_INT(test_shard(b, i)->runner->parcel_bytes, 0);
    test_broker_free(b);
}

TEST(nothing_is_kept_of_deleted_sources)
{
    struct test_broker *b = test_broker_start(SHARDS, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "in", INPUTS, NULL);
    for (int round = 0; round < 2; round++) {
        set_copy(c, "in");
        for (int32_t p = 0; p < INPUTS; p++)
            put_keys(c, p);
        EXPECT(applied_rows(b) > 0);
        if (round == 0)
            pipeline_set(c, "in", "processor.f.type", "processor.f.where", "processor.f.output",
                         "processor.f.output.partitions", NULL);
        else
            EXPECT_INT(pipeline_delete_topic(c, "in"), KAFKA_NONE);
        EXPECT_INT(applied_rows(b), 0);
    }
    test_broker_restart_with(b, 2);
    EXPECT_INT(applied_rows(b), 0);
    test_broker_free(b);
}

TEST(a_shard_that_does_not_take_its_parcels_pauses_the_tasks_and_bounds_the_memory)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    static char large[200000];
    memset(large, 'L', sizeof large - 1);
    test_create_topic(c, "in", INPUTS, NULL);
    test_create_topic(c, "out", OUTPUTS, NULL);
    set_copy(c, "in");
    int32_t input = partition_on(b, 0);
    test_hold_shard(b, 1);
    for (int i = 0; i < 400; i++)
        pipeline_put(c, "in", input, EPOCH, arena_printf(test_arena(b), "k%d", i), large);
    size_t bytes = test_shard(b, 0)->runner->parcel_bytes;
    EXPECT(bytes >= PARCEL_BYTES_MAX && bytes < 2 * PARCEL_BYTES_MAX);
    test_hold_shard(b, -1);
    test_settle(b);
    EXPECT_INT(test_shard(b, 0)->runner->parcel_bytes, 0);
    EXPECT_INT(topic_count(c, "out"), 400);
    test_broker_free(b);
}

/* The parcels are in a mailbox when the shards close. The next run sends them from their rows. */
TEST(parcels_under_way_when_the_broker_stops_are_sent_by_the_next_run)
{
    struct test_broker *b = test_broker_start(SHARDS, NULL);
    struct test_client *c = test_client_open(b, 0);
    static const int counts[] = {3, 2, 4, 1};
    test_create_topic(c, "in", INPUTS, NULL);
    test_create_topic(c, "out", OUTPUTS, NULL);
    set_copy(c, "in");
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        test_hold_shard(b, test_shard_count(b) - 1);
        put_keys(c, partition_on(b, 0));
        EXPECT(test_shard(b, 0)->runner->parcel_bytes > 0);
        test_hold_shard(b, -1);
        test_broker_restart_with(b, counts[i]);
        c = test_client_open(b, 0);
        EXPECT_INT(topic_count(c, "out"), (i + 1) * KEYS);
    }
    test_broker_free(b);
}

/* Records of the output that a shard has appended. */
static int64_t appended_on(struct test_broker *b, int shard)
{
    int64_t count = 0;
    for (int32_t i = 0; i < OUTPUTS; i++) {
        struct partition *p = partition_find(test_shard(b, shard), test_topic_id(b, "out"), i);
        count += p ? log_next_offset(p->log) : 0;
    }
    return count;
}

/* The records are durable, and the step that has read them is not. */
TEST(a_step_that_failed_sends_no_parcels)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "in", INPUTS, NULL);
    test_create_topic(c, "out", OUTPUTS, NULL);
    set_copy(c, "in");
    struct partition *input =
        partition_find(test_shard(b, 0), test_topic_id(b, "in"), partition_on(b, 0));
    send_keys(c, input->index);
    while (log_durable_offset(input->log) == 0)
        test_round(b);
    test_hold_journal(b, true);
    test_settle(b);
    EXPECT(test_shard(b, 0)->runner->parcel_bytes > 0);
    test_fail_journal(b, 0);
    test_hold_journal(b, false);
    test_settle(b);
    EXPECT_INT(appended_on(b, 1), 0);
    EXPECT_INT(test_shard(b, 0)->runner->parcel_bytes, 0);
    test_broker_crash(b);
    c = test_client_open(b, 0);
    EXPECT_INT(topic_count(c, "out"), KEYS);
    test_broker_free(b);
}

TEST(a_parcel_that_failed_to_become_durable_is_sent_again_by_the_next_run)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "in", INPUTS, NULL);
    test_create_topic(c, "out", OUTPUTS, NULL);
    set_copy(c, "in");
    test_hold_shard(b, 1);
    put_keys(c, partition_on(b, 0));
    EXPECT(test_shard(b, 0)->runner->parcel_bytes > 0);
    test_hold_journal(b, true);
    test_hold_shard(b, -1);
    test_settle(b);
    EXPECT(appended_on(b, 1) > 0);
    uint64_t entries = store_stats(test_shard(b, 0)->store).entries;
    test_fail_journal(b, 1);
    test_hold_journal(b, false);
    test_settle(b);
    EXPECT_INT(store_stats(test_shard(b, 0)->store).entries, entries); /* the rows stay */
    EXPECT_INT(test_shard(b, 0)->runner->parcel_bytes, 0);
    test_broker_crash(b);
    c = test_client_open(b, 0);
    EXPECT_INT(topic_count(c, "out"), KEYS);
    test_broker_free(b);
}

TEST(a_step_is_not_repeated_after_a_stop_or_a_crash)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "in", INPUTS, NULL);
        set_copy(c, "in");
        for (int round = 1; round <= 4; round++) {
            put_keys(c, round);
            if (round % 2)
                test_broker_crash(b);
            else
                test_broker_restart(b);
            c = test_client_open(b, 0);
            test_settle(b);
            EXPECT_INT(topic_count(c, "out"), round * KEYS);
        }
        test_broker_free(b);
    }
}
