#include "tests/broker/support_broker.h"

#include "protocol/record_batch.h"

/* A request for one partition, which the test sends later. */
static struct produce_request *request_of(struct test_broker *b, const char *topic,
                                          int32_t partition, struct bytes records, int16_t acks)
{
    struct arena *arena = test_arena(b);
    struct produce_request *request = arena_alloc(arena, sizeof *request);
    schema_defaults(&produce_request_schema, request);
    request->acks = acks;
    request->topic_data = schema_array(&produce_request_topic_data_schema, 1, arena);
    request->topic_data_count = 1;
    request->topic_data[0].name = bytes_string(topic);
    request->topic_data[0].partition_data =
        schema_array(&produce_request_topic_data_partition_data_schema, 1, arena);
    request->topic_data[0].partition_data_count = 1;
    request->topic_data[0].partition_data[0].index = partition;
    request->topic_data[0].partition_data[0].records.bytes = records;
    return request;
}

static const struct produce_response_responses_partition_responses *
part_of(const struct produce_response *response)
{
    return &response->responses[0].partition_responses[0];
}

TEST(produced_records_are_read_back)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 1);
        test_create_topic(c, "orders", 4, NULL);
        for (int32_t p = 0; p < 4; p++) {
            struct test_batch batch = {.count = 3 + p};
            struct produce_response_responses_partition_responses *r =
                test_produce(c, "orders", p, &batch);
            EXPECT_INT(r->error_code, KAFKA_NONE);
            EXPECT_INT(r->base_offset, 0);
            EXPECT_INT(r->log_append_time_ms, -1);
            EXPECT_INT(r->log_start_offset, 0);
            r = test_produce(c, "orders", p, &batch);
            EXPECT_INT(r->base_offset, 3 + p);
        }
        for (int32_t p = 0; p < 4; p++) {
            struct fetch_response_responses_partitions *r = test_fetch(c, "orders", p, 0);
            EXPECT_INT(r->error_code, KAFKA_NONE);
            EXPECT_INT(r->high_watermark, 2 * (3 + p));
            EXPECT_INT(test_count_records(r->records.bytes, 0), 2 * (3 + p));
        }
        test_broker_free(b);
    }
}

TEST(every_version_and_codec_is_accepted)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    int64_t expected = 0;
    for (int16_t version = 3; version <= 11; version++) {
        for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
            if (codec == CODEC_ZSTD && version < 7)
                continue;
            struct test_batch batch = {.count = 5, .codec = codec};
            struct produce_response_responses_partition_responses *r =
                test_produce_bytes(c, version, "orders", 0, test_make_batch(b, &batch));
            EXPECT_INT(r->error_code, KAFKA_NONE);
            EXPECT_INT(r->base_offset, expected);
            expected += 5;
        }
    }
    EXPECT_INT(test_count_records(test_fetch(c, "orders", 0, 0)->records.bytes, 0), expected);
    test_broker_free(b);
}

TEST(batches_of_one_request_go_to_all_shards_and_one_bad_batch_fails_alone)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 8, NULL);
        struct test_batch batch = {.count = 2};
        struct produce_request *request = request_of(b, "orders", 0, BYTES_NULL, -1);
        struct produce_request_topic_data *data = &request->topic_data[0];
        data->partition_data =
            schema_array(&produce_request_topic_data_partition_data_schema, 9, test_arena(b));
        data->partition_data_count = 9; /* one more than exist */
        for (int32_t p = 0; p < 9; p++) {
            data->partition_data[p].index = p;
            data->partition_data[p].records.bytes = test_make_batch(b, &batch);
        }
        ((uint8_t *)(uintptr_t)data->partition_data[5].records.bytes.data)[30] ^= 1;
        struct produce_response *r = test_call(c, API_PRODUCE, 9, request);
        for (int32_t p = 0; p < 9; p++) {
            int expected = p == 5   ? KAFKA_CORRUPT_MESSAGE
                           : p == 8 ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                                    : KAFKA_NONE;
            EXPECT_INT(r->responses[0].partition_responses[p].index, p);
            EXPECT_INT(r->responses[0].partition_responses[p].error_code, expected);
        }
        for (int32_t p = 0; p < 8; p++)
            EXPECT_INT(test_fetch(c, "orders", p, 0)->high_watermark, p == 5 ? 0 : 2);
        test_broker_free(b);
    }
}

TEST(invalid_batches_get_kafkas_error)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, "max.message.bytes=2000", NULL);
    test_create_topic(c, "small", 1, "segment.bytes=1048576", "max.message.bytes=4000000", NULL);
    test_create_topic(c, "state", 1, "cleanup.policy=compact", NULL);
    struct bytes good = test_make_batch(b, &(struct test_batch){.count = 1});
    struct buffer two;
    buffer_init(&two, 1 << 20);
    buffer_append_bytes(&two, good);
    buffer_append_bytes(&two, good);
    struct bytes old = arena_copy(test_arena(b), good);
    ((uint8_t *)(uintptr_t)old.data)[16] = 1;
    struct {
        const char *topic;
        struct bytes records;
        int error;
    } cases[] = {
        {"nobody", good, KAFKA_UNKNOWN_TOPIC_OR_PARTITION},
        {"__consumer_offsets", good, KAFKA_INVALID_TOPIC_EXCEPTION},
        {"orders", buffer_view(&two), KAFKA_INVALID_RECORD},
        {"orders", BYTES_LITERAL(""), KAFKA_INVALID_RECORD},
        {"orders", BYTES_NULL, KAFKA_INVALID_RECORD},
        {"orders", old, KAFKA_INVALID_RECORD},
        {"orders", bytes_of(good.data, good.size - 1), KAFKA_CORRUPT_MESSAGE},
        {"orders", test_make_batch(b, &(struct test_batch){.count = 1, .value_size = 3000}),
         KAFKA_MESSAGE_TOO_LARGE},
        {"small", test_make_batch(b, &(struct test_batch){.count = 1, .value_size = 2000000}),
         KAFKA_RECORD_LIST_TOO_LARGE},
        {"state", test_make_batch(b, &(struct test_batch){.count = 1, .keyless = true}),
         KAFKA_INVALID_RECORD},
        {"orders", test_make_batch(b, &(struct test_batch){.count = 1, .timestamp = 1800000000000}),
         KAFKA_INVALID_TIMESTAMP},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct produce_response_responses_partition_responses *r =
            test_produce_bytes(c, 9, cases[i].topic, 0, cases[i].records);
        EXPECT_INT(r->error_code, cases[i].error);
        EXPECT_INT(r->base_offset, -1);
    }
    EXPECT_INT(test_fetch(c, "orders", 0, 0)->high_watermark, 0);
    buffer_free(&two);
    test_broker_free(b);
}

/* Clients report to their caller which records were invalid, and which only were in the same
 * batch. */
TEST(every_invalid_record_is_named)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "state", 1, "cleanup.policy=compact", NULL);
    for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        struct buffer out;
        struct batch_builder builder;
        buffer_init(&out, 1 << 20);
        batch_builder_init(&builder, &out, (enum codec)codec);
        for (int i = 0; i < 5; i++)
            batch_builder_add(&builder, 1700000000000, i % 2 ? BYTES_NULL : BYTES_LITERAL("key"),
                              BYTES_LITERAL("value"), BYTES_NULL, 0);
        struct produce_response_responses_partition_responses *r =
            test_produce_bytes(c, 8, "state", 0, batch_builder_finish(&builder));
        EXPECT_INT(r->error_code, KAFKA_INVALID_RECORD);
        EXPECT(r->error_message.size > 0);
        EXPECT_INT(r->record_errors_count, 2);
        EXPECT_INT(r->record_errors[0].batch_index, 1);
        EXPECT_INT(r->record_errors[1].batch_index, 3);
        EXPECT(r->record_errors[1].batch_index_error_message.size > 0);
        buffer_free(&out);
    }
    test_broker_free(b);
}

TEST(at_most_a_thousand_invalid_records_of_a_batch_are_named)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "state", 1, "cleanup.policy=compact", NULL);
    struct bytes batch = test_make_batch(b, &(struct test_batch){.count = 1500, .keyless = true});
    EXPECT_INT(test_produce_bytes(c, 8, "state", 0, batch)->record_errors_count, 1000);
    test_broker_free(b);
}

TEST(zstd_needs_version_7)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    struct bytes batch = test_make_batch(b, &(struct test_batch){.count = 1, .codec = CODEC_ZSTD});
    EXPECT_INT(test_produce_bytes(c, 6, "orders", 0, batch)->error_code,
               KAFKA_UNSUPPORTED_COMPRESSION_TYPE);
    test_broker_free(b);
}

TEST(acks_other_than_0_1_and_all_are_refused)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    struct bytes batch = test_make_batch(b, &(struct test_batch){.count = 1});
    EXPECT_INT(
        part_of(test_call(c, API_PRODUCE, 9, request_of(b, "orders", 0, batch, 2)))->error_code,
        KAFKA_INVALID_REQUIRED_ACKS);
    EXPECT_INT(
        part_of(test_call(c, API_PRODUCE, 9, request_of(b, "orders", 0, batch, 1)))->error_code,
        KAFKA_NONE);
    test_broker_free(b);
}

TEST(acks_0_gets_no_answer_and_an_error_closes_the_connection)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 1), *other = test_client_open(b, 0);
        test_create_topic(other, "orders", 2, NULL);
        struct bytes batch = test_make_batch(b, &(struct test_batch){.count = 4});
        test_send(c, API_PRODUCE, 7, request_of(b, "orders", 1, batch, 0));
        test_settle(b);
        EXPECT(!test_has_response(c));
        EXPECT(!test_client_is_closed(c));
        EXPECT_INT(test_fetch(other, "orders", 1, 0)->high_watermark, 4);
        test_send(c, API_PRODUCE, 7, request_of(b, "nobody", 0, batch, 0));
        test_settle(b);
        EXPECT(!test_has_response(c));
        EXPECT(test_client_is_closed(c));
        test_broker_free(b);
    }
}

TEST(versions_below_3_close_the_connection)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    struct produce_request *request = request_of(b, "orders", 0, BYTES_LITERAL("x"), 1);
    test_send(c, API_PRODUCE, 2, request);
    test_settle(b);
    EXPECT(test_client_is_closed(c));
    test_broker_free(b);
}

TEST(no_record_is_acknowledged_or_visible_before_it_is_durable)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 1), *reader = test_client_open(b, 0);
        test_create_topic(reader, "orders", 1, NULL);
        struct bytes batch = test_make_batch(b, &(struct test_batch){.count = 1});
        test_hold_journal(b, true);
        test_send(c, API_PRODUCE, 9, request_of(b, "orders", 0, batch, 1));
        test_settle(b);
        EXPECT(!test_has_response(c));
        EXPECT_INT(test_fetch(reader, "orders", 0, 0)->high_watermark, 0);
        test_hold_journal(b, false);
        test_settle(b);
        EXPECT_INT(part_of(test_receive(c, API_PRODUCE, 9))->error_code, KAFKA_NONE);
        EXPECT_INT(test_fetch(reader, "orders", 0, 0)->high_watermark, 1);
        test_broker_free(b);
    }
}

TEST(a_topic_with_flush_messages_is_acknowledged_before_the_sync)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 1);
        test_create_topic(c, "fast", 1, "flush.messages=10000", NULL);
        test_create_topic(c, "safe", 1, "flush.messages=1", NULL);
        struct bytes batch = test_make_batch(b, &(struct test_batch){.count = 1});
        test_hold_journal(b, true);
        EXPECT_INT(test_produce_bytes(c, 9, "fast", 0, batch)->error_code, KAFKA_NONE);
        test_send(c, API_PRODUCE, 9, request_of(b, "safe", 0, batch, 1));
        test_settle(b);
        EXPECT(!test_has_response(c));
        test_hold_journal(b, false);
        test_settle(b);
        EXPECT(test_has_response(c));
        test_broker_free(b);
    }
}

TEST(log_append_time_is_stamped_and_answered)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "late", 1, "message.timestamp.type=LogAppendTime", NULL);
    struct test_batch batch = {.count = 2, .timestamp = 1000};
    struct produce_response_responses_partition_responses *r = test_produce(c, "late", 0, &batch);
    EXPECT_INT(r->log_append_time_ms, 1700000000000);
    struct batch_header h;
    struct bytes records = test_fetch(c, "late", 0, 0)->records.bytes;
    EXPECT(batch_header_read(records, &h));
    EXPECT(h.attributes & BATCH_LOG_APPEND_TIME);
    EXPECT_INT(h.max_timestamp, 1700000000000);
    EXPECT(batch_crc_is_right(records));
    test_broker_free(b);
}

TEST(a_topic_with_its_own_codec_stores_everything_in_it)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    struct {
        const char *topic, *config;
        int codec;
    } cases[] = {{"plain", "compression.type=uncompressed", CODEC_NONE},
                 {"gzip", "compression.type=gzip", CODEC_GZIP},
                 {"snappy", "compression.type=snappy", CODEC_SNAPPY},
                 {"lz4", "compression.type=lz4", CODEC_LZ4},
                 {"zstd", "compression.type=zstd", CODEC_ZSTD}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_create_topic(c, cases[i].topic, 1, cases[i].config, NULL);
        for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
            struct test_batch batch = {.count = 7,
                                       .codec = codec,
                                       .idempotent = true,
                                       .producer_id = 3,
                                       .sequence = codec * 7};
            EXPECT_INT(test_produce(c, cases[i].topic, 0, &batch)->error_code, KAFKA_NONE);
        }
        struct bytes records = test_fetch(c, cases[i].topic, 0, 0)->records.bytes;
        EXPECT_INT(test_count_records(records, 0), 7 * CODEC_COUNT);
        for (struct batch_header h; batch_header_read(records, &h);) {
            EXPECT_INT(h.attributes & BATCH_CODEC_MASK, cases[i].codec);
            EXPECT_INT(h.producer_id, 3);
            records = bytes_from(records, batch_size(records));
        }
    }
    test_broker_free(b);
}

TEST(idempotent_batches_are_appended_once_and_in_order)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 1);
        test_create_topic(c, "orders", 1, NULL);
        struct test_batch batch = {.count = 3, .idempotent = true, .producer_id = 77, .epoch = 1};
        EXPECT_INT(test_produce(c, "orders", 0, &batch)->base_offset, 0);
        batch.sequence = 3;
        EXPECT_INT(test_produce(c, "orders", 0, &batch)->base_offset, 3);
        batch.sequence = 0;
        struct produce_response_responses_partition_responses *again =
            test_produce(c, "orders", 0, &batch);
        EXPECT_INT(again->error_code, KAFKA_NONE);
        EXPECT_INT(again->base_offset, 0);
        batch.sequence = 9;
        EXPECT_INT(test_produce(c, "orders", 0, &batch)->error_code,
                   KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
        batch.sequence = 6;
        batch.epoch = 0;
        EXPECT_INT(test_produce(c, "orders", 0, &batch)->error_code, KAFKA_INVALID_PRODUCER_EPOCH);
        EXPECT_INT(test_fetch(c, "orders", 0, 0)->high_watermark, 6);
        test_broker_restart(b);
        c = test_client_open(b, 0);
        batch.epoch = 1;
        batch.sequence = 3;
        EXPECT_INT(test_produce(c, "orders", 0, &batch)->base_offset, 3);
        batch.sequence = 6;
        EXPECT_INT(test_produce(c, "orders", 0, &batch)->base_offset, 6);
        test_broker_free(b);
    }
}

TEST(a_duplicate_of_a_batch_that_is_not_durable_yet_waits_for_it)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 1), *retry = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        struct test_batch batch = {.count = 3, .idempotent = true, .producer_id = 5};
        struct bytes records = test_make_batch(b, &batch);
        test_hold_journal(b, true);
        test_send(c, API_PRODUCE, 9, request_of(b, "orders", 0, records, -1));
        test_settle(b);
        test_send(retry, API_PRODUCE, 9, request_of(b, "orders", 0, records, -1));
        test_settle(b);
        EXPECT(!test_has_response(c));
        EXPECT(!test_has_response(retry));
        test_hold_journal(b, false);
        test_settle(b);
        EXPECT_INT(part_of(test_receive(c, API_PRODUCE, 9))->base_offset, 0);
        EXPECT_INT(part_of(test_receive(retry, API_PRODUCE, 9))->base_offset, 0);
        EXPECT_INT(test_fetch(c, "orders", 0, 0)->high_watermark, 3);
        test_broker_free(b);
    }
}

TEST(pipelined_requests_are_answered_in_order)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 4, NULL);
        struct bytes batch = test_make_batch(b, &(struct test_batch){.count = 1});
        for (int i = 0; i < 40; i++)
            test_send(c, API_PRODUCE, 9, request_of(b, "orders", i % 4, batch, -1));
        test_settle(b);
        for (int i = 0; i < 40; i++) {
            const struct produce_response *r = test_receive(c, API_PRODUCE, 9);
            EXPECT_INT(part_of(r)->index, i % 4);
            EXPECT_INT(part_of(r)->base_offset, i / 4);
        }
        test_broker_free(b);
    }
}

TEST(a_transactional_batch_is_refused)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    struct batch_builder builder;
    struct buffer out;
    test_create_topic(c, "orders", 1, NULL);
    buffer_init(&out, 1 << 16);
    batch_builder_init(&builder, &out, CODEC_NONE);
    builder.producer_id = 1;
    builder.producer_epoch = 0;
    builder.base_sequence = 0;
    builder.attributes = BATCH_TRANSACTIONAL;
    batch_builder_add(&builder, 1700000000000, BYTES_NULL, BYTES_LITERAL("x"), BYTES_NULL, 0);
    EXPECT_INT(test_produce_bytes(c, 9, "orders", 0, batch_builder_finish(&builder))->error_code,
               KAFKA_INVALID_TXN_STATE);
    buffer_free(&out);
    test_broker_free(b);
}

TEST(on_a_full_disk_only_records_are_refused)
{
    struct test_broker *b =
        test_broker_start(2, "tidemill.min.free.bytes=4611686018427387904", NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    test_advance(b, 5000);
    test_advance(b, 5000);
    EXPECT_INT(test_produce(c, "orders", 0, &(struct test_batch){.count = 1})->error_code,
               KAFKA_KAFKA_STORAGE_ERROR);
    EXPECT_INT(test_fetch(c, "orders", 0, 0)->error_code, KAFKA_NONE);
    test_create_topic(c, "other", 1, NULL);
    test_broker_free(b);
}

TEST(acks_all_needs_the_replicas_that_the_topic_requires)
{
    struct bytes batch;
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, "min.insync.replicas=2", NULL);
    batch = test_make_batch(b, &(struct test_batch){.count = 1});
    EXPECT_INT(test_produce_bytes(c, 9, "orders", 0, batch)->error_code, KAFKA_NOT_ENOUGH_REPLICAS);
    EXPECT_INT(
        part_of(test_call(c, API_PRODUCE, 9, request_of(b, "orders", 0, batch, 1)))->error_code,
        KAFKA_NONE);
    test_broker_free(b);
    b = test_broker_start(1, "tidemill.clamp.replication.factor=true", NULL);
    c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, "min.insync.replicas=2", NULL);
    batch = test_make_batch(b, &(struct test_batch){.count = 1});
    EXPECT_INT(test_produce_bytes(c, 9, "orders", 0, batch)->error_code, KAFKA_NONE);
    test_broker_free(b);
}
