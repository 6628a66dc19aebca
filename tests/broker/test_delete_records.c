#include "broker/partition.h"
#include "tests/broker/support_broker.h"

struct trim {
    const char *topic;
    int32_t partition;
    int64_t offset;
};

/* A request with one topic entry per trim. */
static struct delete_records_request *trims(struct test_client *c, const struct trim *trims,
                                            size_t count)
{
    struct arena *arena = test_arena(test_broker_of(c));
    struct delete_records_request *request = arena_alloc(arena, sizeof *request);
    schema_defaults(&delete_records_request_schema, request);
    request->timeout_ms = 1000;
    request->topics = schema_array(&delete_records_request_topics_schema, count, arena);
    request->topics_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        struct delete_records_request_topics *t = &request->topics[i];
        t->name = bytes_string(trims[i].topic);
        t->partitions = schema_array(&delete_records_request_topics_partitions_schema, 1, arena);
        t->partitions_count = 1;
        t->partitions[0].partition_index = trims[i].partition;
        t->partitions[0].offset = trims[i].offset;
    }
    return request;
}

static void expect_answer(const struct delete_records_response *r, size_t at, int error,
                          int64_t low_watermark)
{
    EXPECT(r->topics_count > (int32_t)at);
    EXPECT_INT(r->topics[at].partitions_count, 1);
    EXPECT_INT(r->topics[at].partitions[0].error_code, error);
    EXPECT_INT(r->topics[at].partitions[0].low_watermark, low_watermark);
}

static void trim_and_expect(struct test_client *c, int16_t version, struct trim t, int error,
                            int64_t low_watermark)
{
    expect_answer(test_call(c, API_DELETE_RECORDS, version, trims(c, &t, 1)), 0, error,
                  low_watermark);
}

enum { LATEST = -1, EARLIEST = -2, MAX_TIMESTAMP = -3 };

static int64_t list(struct test_client *c, const char *topic, int32_t partition, int64_t timestamp)
{
    struct list_offsets_request request;
    struct list_offsets_request_topics_partitions p = {
        .partition_index = partition, .current_leader_epoch = -1, .timestamp = timestamp};
    struct list_offsets_request_topics t = {
        .name = bytes_string(topic), .partitions = &p, .partitions_count = 1};
    schema_defaults(&list_offsets_request_schema, &request);
    request.replica_id = -1;
    request.topics = &t;
    request.topics_count = 1;
    struct list_offsets_response *r = test_call(c, API_LIST_OFFSETS, 7, &request);
    EXPECT_INT(r->topics[0].partitions[0].error_code, KAFKA_NONE);
    return r->topics[0].partitions[0].offset;
}

static struct partition *partition_of(struct test_broker *b, const char *topic, int32_t index)
{
    struct uuid id = test_topic_id(b, topic);
    for (int i = 0; i < test_shard_count(b); i++) {
        struct partition *p = partition_find(test_shard(b, i), id, index);
        if (p)
            return p;
    }
    return NULL;
}

static void produce(struct test_client *c, int batches, int records)
{
    for (int i = 0; i < batches; i++)
        EXPECT_INT(test_produce(c, "orders", 0, &(struct test_batch){.count = records})->error_code,
                   KAFKA_NONE);
}

TEST(the_log_start_rises_in_every_version)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 1);
        test_create_topic(c, "orders", 4, NULL);
        for (int i = 0; i < 7; i++)
            test_produce(c, "orders", 3, &(struct test_batch){.count = 1});
        for (int16_t version = 0; version <= 2; version++) {
            trim_and_expect(c, version, (struct trim){"orders", 3, 2 + version}, KAFKA_NONE,
                            2 + version);
            EXPECT_INT(list(c, "orders", 3, EARLIEST), 2 + version);
            EXPECT_INT(list(c, "orders", 3, 0), 2 + version);
            EXPECT_INT(test_fetch(c, "orders", 3, 1 + version)->error_code,
                       KAFKA_OFFSET_OUT_OF_RANGE);
            EXPECT_INT(test_fetch(c, "orders", 3, 2 + version)->error_code, KAFKA_NONE);
            EXPECT_INT(test_fetch(c, "orders", 3, 2 + version)->log_start_offset, 2 + version);
        }
        EXPECT_INT(list(c, "orders", 2, EARLIEST), 0);
        test_broker_free(b);
    }
}

TEST(minus_one_is_the_high_watermark)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        trim_and_expect(c, 2, (struct trim){"orders", 0, -1}, KAFKA_NONE, 0);
        produce(c, 2, 5);
        trim_and_expect(c, 2, (struct trim){"orders", 0, -1}, KAFKA_NONE, 10);
        EXPECT_INT(list(c, "orders", 0, EARLIEST), 10);
        EXPECT_INT(list(c, "orders", 0, LATEST), 10);
        EXPECT_INT(test_produce(c, "orders", 0, &(struct test_batch){.count = 1})->base_offset, 10);
        EXPECT_INT(test_count_records(test_fetch(c, "orders", 0, 10)->records.bytes, 10), 1);
        test_broker_free(b);
    }
}

TEST(only_offsets_of_the_log_are_accepted)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    produce(c, 2, 5);
    trim_and_expect(c, 2, (struct trim){"orders", 0, 11}, KAFKA_OFFSET_OUT_OF_RANGE, -1);
    trim_and_expect(c, 2, (struct trim){"orders", 0, INT64_MAX}, KAFKA_OFFSET_OUT_OF_RANGE, -1);
    trim_and_expect(c, 2, (struct trim){"orders", 0, -2}, KAFKA_OFFSET_OUT_OF_RANGE, -1);
    EXPECT_INT(list(c, "orders", 0, EARLIEST), 0);
    trim_and_expect(c, 2, (struct trim){"orders", 0, 10}, KAFKA_NONE, 10);
    trim_and_expect(c, 2, (struct trim){"orders", 0, 3}, KAFKA_NONE, 10);
    trim_and_expect(c, 2, (struct trim){"orders", 0, 0}, KAFKA_NONE, 10);
    EXPECT_INT(list(c, "orders", 0, EARLIEST), 10);
    test_broker_free(b);
}

TEST(topics_that_are_not_to_be_trimmed_are_refused)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "table", 1, "cleanup.policy=compact", NULL);
        test_create_topic(c, "both", 1, "cleanup.policy=compact,delete", NULL);
        test_produce(c, "table", 0, &(struct test_batch){.count = 3});
        test_produce(c, "both", 0, &(struct test_batch){.count = 3});
        trim_and_expect(c, 2, (struct trim){"table", 0, 1}, KAFKA_POLICY_VIOLATION, -1);
        trim_and_expect(c, 2, (struct trim){"both", 0, 1}, KAFKA_NONE, 1);
        trim_and_expect(c, 2, (struct trim){"nobody", 0, 1}, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, -1);
        trim_and_expect(c, 2, (struct trim){"both", 1, 1}, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, -1);
        trim_and_expect(c, 2, (struct trim){"both", -1, 1}, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, -1);
        EXPECT_INT(list(c, "table", 0, EARLIEST), 0);
        test_broker_free(b);
    }
}

TEST(partitions_of_all_shards_are_trimmed_in_one_request)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 8, NULL);
        struct trim all[10];
        for (int32_t i = 0; i < 8; i++) {
            test_produce(c, "orders", i, &(struct test_batch){.count = 5 + i});
            all[i] = (struct trim){"orders", i, i % 2 ? -1 : i};
        }
        all[8] = (struct trim){"nobody", 0, 0};
        all[9] = (struct trim){"orders", 2, 1}; /* repeats one: both are refused */
        struct delete_records_response *r = test_call(c, API_DELETE_RECORDS, 2, trims(c, all, 10));
        EXPECT_INT(r->topics_count, 10);
        for (int32_t i = 0; i < 8; i++) {
            int64_t start = i % 2 ? 5 + i : i;
            EXPECT_INT(r->topics[i].partitions[0].partition_index, i);
            expect_answer(r, (size_t)i, i == 2 ? KAFKA_INVALID_REQUEST : KAFKA_NONE,
                          i == 2 ? -1 : start);
            EXPECT_INT(list(c, "orders", i, EARLIEST), i == 2 ? 0 : start);
        }
        expect_answer(r, 8, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, -1);
        expect_answer(r, 9, KAFKA_INVALID_REQUEST, -1);
        test_broker_free(b);
    }
}

TEST(nobody_sees_a_log_start_before_it_is_durable)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0), *other = test_client_open(b, 1);
        struct test_client *third = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        produce(c, 2, 5);
        test_hold_journal(b, true);
        test_send(c, API_DELETE_RECORDS, 2, trims(c, &(struct trim){"orders", 0, 7}, 1));
        test_settle(b);
        test_send(third, API_DELETE_RECORDS, 2, trims(c, &(struct trim){"orders", 0, 3}, 1));
        test_settle(b);
        EXPECT(!test_has_response(c));
        EXPECT(!test_has_response(third));
        EXPECT_INT(list(other, "orders", 0, EARLIEST), 0);
        EXPECT_INT(test_fetch(other, "orders", 0, 0)->error_code, KAFKA_NONE);
        test_hold_journal(b, false);
        test_settle(b);
        expect_answer(test_receive(c, API_DELETE_RECORDS, 2), 0, KAFKA_NONE, 7);
        expect_answer(test_receive(third, API_DELETE_RECORDS, 2), 0, KAFKA_NONE, 7);
        EXPECT_INT(list(other, "orders", 0, EARLIEST), 7);
        test_broker_free(b);
    }
}

TEST(a_log_start_that_could_not_be_stored_is_a_storage_error)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        produce(c, 2, 5);
        test_hold_journal(b, true);
        test_send(c, API_DELETE_RECORDS, 2, trims(c, &(struct trim){"orders", 0, 7}, 1));
        test_settle(b);
        for (int i = 0; i < test_shard_count(b); i++)
            test_fail_journal(b, i);
        test_hold_journal(b, false);
        test_settle(b);
        expect_answer(test_receive(c, API_DELETE_RECORDS, 2), 0, KAFKA_KAFKA_STORAGE_ERROR, -1);
        test_broker_free(b);
    }
}

TEST(records_that_are_not_durable_are_not_deleted)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0), *other = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, "flush.messages=1000", NULL); /* acknowledged at once */
    produce(c, 1, 5);
    test_hold_journal(b, true);
    produce(c, 1, 5);
    test_send(other, API_DELETE_RECORDS, 2, trims(c, &(struct trim){"orders", 0, 6}, 1));
    test_settle(b);
    test_hold_journal(b, false);
    test_settle(b);
    expect_answer(test_receive(other, API_DELETE_RECORDS, 2), 0, KAFKA_OFFSET_OUT_OF_RANGE, -1);
    test_broker_free(b);
}

TEST(a_batch_with_records_below_the_start_is_sent_whole)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 1);
    test_create_topic(c, "orders", 1, NULL);
    produce(c, 2, 10);
    trim_and_expect(c, 2, (struct trim){"orders", 0, 4}, KAFKA_NONE, 4);
    struct bytes records = test_fetch(c, "orders", 0, 4)->records.bytes;
    EXPECT_INT(test_count_records(records, 0), 20); /* clients skip those below their position */
    EXPECT_INT(test_count_records(records, 4), 16);
    EXPECT_INT(test_fetch(c, "orders", 0, 3)->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    test_broker_restart(b);
    c = test_client_open(b, 0);
    EXPECT_INT(test_count_records(test_fetch(c, "orders", 0, 4)->records.bytes, 4), 16);
    EXPECT_INT(test_fetch(c, "orders", 0, 3)->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    test_broker_free(b);
}

/* One batch whose first records are the youngest ones: t, t - 1, ... */
static void produce_falling(struct test_client *c, int64_t first, int64_t second)
{
    struct test_broker *b = test_broker_of(c);
    struct buffer out;
    struct batch_builder builder;
    buffer_init(&out, 1 << 16);
    batch_builder_init(&builder, &out, CODEC_NONE);
    int64_t times[] = {first, second};
    for (int i = 0; i < 2; i++)
        batch_builder_add(&builder, times[i], BYTES_LITERAL("k"), BYTES_LITERAL("v"), BYTES_NULL,
                          0);
    struct bytes made = arena_copy(test_arena(b), batch_builder_finish(&builder));
    buffer_free(&out);
    EXPECT_INT(test_produce_bytes(c, 9, "orders", 0, made)->error_code, KAFKA_NONE);
}

TEST(times_of_deleted_records_are_not_found)
{
    for (int flushed = 0; flushed < 2; flushed++) {
        struct test_broker *b = test_broker_start(1, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        produce_falling(c, 9000, 1000);
        produce_falling(c, 2000, 3000);
        if (flushed) {
            test_broker_restart(b);
            c = test_client_open(b, 0);
        }
        EXPECT_INT(list(c, "orders", 0, MAX_TIMESTAMP), 0);
        trim_and_expect(c, 2, (struct trim){"orders", 0, 1}, KAFKA_NONE, 1);
        EXPECT_INT(list(c, "orders", 0, MAX_TIMESTAMP), 3);
        EXPECT_INT(list(c, "orders", 0, 2500), 3);
        EXPECT_INT(list(c, "orders", 0, 0), 1);
        EXPECT_INT(list(c, "orders", 0, 5000), -1);
        trim_and_expect(c, 2, (struct trim){"orders", 0, 3}, KAFKA_NONE, 3);
        EXPECT_INT(list(c, "orders", 0, MAX_TIMESTAMP), 3);
        trim_and_expect(c, 2, (struct trim){"orders", 0, 4}, KAFKA_NONE, 4);
        EXPECT_INT(list(c, "orders", 0, MAX_TIMESTAMP), -1);
        test_broker_free(b);
    }
}

TEST(a_trimmed_log_keeps_its_start_and_end_over_restarts)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        produce(c, 3, 5);
        trim_and_expect(c, 2, (struct trim){"orders", 0, -1}, KAFKA_NONE, 15);
        for (int i = 0; i < 2; i++) {
            test_broker_restart_with(b, i == 0 ? 3 : shards);
            c = test_client_open(b, 0);
            EXPECT_INT(list(c, "orders", 0, EARLIEST), 15 + 5 * i);
            EXPECT_INT(list(c, "orders", 0, LATEST), 15 + 5 * i);
            trim_and_expect(c, 2, (struct trim){"orders", 0, 14}, KAFKA_NONE, 15 + 5 * i);
            produce(c, 1, 5);
            EXPECT_INT(test_count_records(test_fetch(c, "orders", 0, 15 + 5 * i)->records.bytes, 0),
                       5);
            trim_and_expect(c, 2, (struct trim){"orders", 0, -1}, KAFKA_NONE, 20 + 5 * i);
        }
        test_broker_free(b);
    }
}

TEST(a_producers_state_survives_the_trim_of_its_records)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        struct test_batch last = {.count = 5, .idempotent = true, .producer_id = 7, .sequence = 5};
        test_produce(c, "orders", 0,
                     &(struct test_batch){.count = 5, .idempotent = true, .producer_id = 7});
        EXPECT_INT(test_produce(c, "orders", 0, &last)->base_offset, 5);
        trim_and_expect(c, 2, (struct trim){"orders", 0, -1}, KAFKA_NONE, 10);
        EXPECT_INT(test_produce(c, "orders", 0, &last)->base_offset, 5);
        test_broker_restart(b);
        c = test_client_open(b, 0);
        EXPECT_INT(test_produce(c, "orders", 0, &last)->base_offset, 5);
        last.sequence = 10;
        EXPECT_INT(test_produce(c, "orders", 0, &last)->base_offset, 10);
        test_broker_free(b);
    }
}

/* Kafka Streams keeps repartition topics for ever, and trims them. */
TEST(segments_below_the_start_are_removed_without_retention)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, "segment.bytes=1048576", "retention.ms=-1", NULL);
        for (int i = 0; i < 12; i++)
            test_produce(c, "orders", 0, &(struct test_batch){.count = 1, .value_size = 400000});
        test_broker_restart(b);
        c = test_client_open(b, 0);
        trim_and_expect(c, 2, (struct trim){"orders", 0, 11}, KAFKA_NONE, 11);
        test_broker_restart(b);
        for (int i = 0; i < 10; i++)
            test_advance(b, 30000);
        struct log *log = partition_of(b, "orders", 0)->log;
        EXPECT(log_is_loaded(log));
        EXPECT(log_size_bytes(log) < 1000000);
        c = test_client_open(b, 0);
        EXPECT_INT(test_count_records(test_fetch(c, "orders", 0, 11)->records.bytes, 11), 1);
        trim_and_expect(c, 2, (struct trim){"orders", 0, -1}, KAFKA_NONE, 12);
        test_advance(b, 30000);
        EXPECT_INT(log_size_bytes(partition_of(b, "orders", 0)->log), 0);
        test_broker_free(b);
    }
}

TEST(a_trim_of_a_deleted_topic_says_that_it_is_gone)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0), *other = test_client_open(b, 1);
    test_create_topic(c, "orders", 1, NULL);
    produce(c, 2, 5);
    test_hold_journal(b, true);
    struct bytes names[] = {BYTES_LITERAL("orders")};
    struct delete_topics_request request;
    schema_defaults(&delete_topics_request_schema, &request);
    request.topic_names = names;
    request.topic_names_count = 1;
    test_send(c, API_DELETE_RECORDS, 2, trims(c, &(struct trim){"orders", 0, 7}, 1));
    test_send(other, API_DELETE_TOPICS, 4, &request);
    test_settle(b);
    test_hold_journal(b, false);
    test_settle(b);
    const struct delete_records_response *r = test_receive(c, API_DELETE_RECORDS, 2);
    int error = r->topics[0].partitions[0].error_code;
    EXPECT(error == KAFKA_NONE || error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    trim_and_expect(c, 2, (struct trim){"orders", 0, 7}, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, -1);
    test_broker_free(b);
}

TEST(a_shard_that_stops_makes_no_entry)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    produce(c, 1, 5);
    uint64_t entries = 0, after = 0;
    for (int i = 0; i < 2; i++) {
        test_shard(b, i)->stopping = true;
        entries += store_stats(test_shard(b, i)->store).entries;
    }
    trim_and_expect(c, 2, (struct trim){"orders", 0, 3}, KAFKA_NOT_LEADER_OR_FOLLOWER, -1);
    for (int i = 0; i < 2; i++) {
        after += store_stats(test_shard(b, i)->store).entries;
        test_shard(b, i)->stopping = false;
    }
    EXPECT_INT(after, entries);
    test_broker_free(b);
}
