#include "storage/segment_file.h"
#include "tests/broker/support_broker.h"

#include "protocol/record_batch.h"

static const struct list_offsets_response_topics_partitions *
list_isolated(struct test_client *c, int16_t version, const char *topic, int32_t partition,
              int64_t timestamp, int8_t isolation_level)
{
    struct list_offsets_request request;
    struct list_offsets_request_topics_partitions p = {
        .partition_index = partition, .current_leader_epoch = -1, .timestamp = timestamp};
    struct list_offsets_request_topics t = {
        .name = bytes_string(topic), .partitions = &p, .partitions_count = 1};
    schema_defaults(&list_offsets_request_schema, &request);
    request.replica_id = -1;
    request.isolation_level = isolation_level;
    request.topics = &t;
    request.topics_count = 1;
    struct list_offsets_response *r = test_call(c, API_LIST_OFFSETS, version, &request);
    EXPECT_INT(r->topics_count, 1);
    EXPECT_INT(r->topics[0].partitions_count, 1);
    EXPECT_INT(r->topics[0].partitions[0].partition_index, partition);
    return &r->topics[0].partitions[0];
}

static const struct list_offsets_response_topics_partitions *
list(struct test_client *c, int16_t version, const char *topic, int32_t partition,
     int64_t timestamp)
{
    return list_isolated(c, version, topic, partition, timestamp, 0);
}

TEST(start_and_end_are_given_in_every_version)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 1);
        test_create_topic(c, "orders", 4, NULL);
        test_produce(c, "orders", 3, &(struct test_batch){.count = 7});
        for (int16_t version = 1; version <= 10; version++) {
            EXPECT_INT(list(c, version, "orders", 3, -1)->offset, 7);
            EXPECT_INT(list(c, version, "orders", 3, -1)->timestamp, -1);
            EXPECT_INT(list(c, version, "orders", 3, -2)->offset, 0);
            EXPECT_INT(list(c, version, "orders", 2, -1)->offset, 0);
        }
        EXPECT_INT(list(c, 4, "orders", 3, -1)->leader_epoch, 0);
        test_broker_free(b);
    }
}

/* flush.messages lets the producer go on before they are durable. */
TEST(records_that_are_not_durable_move_no_end_and_have_no_time)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, "flush.messages=1000", NULL);
    test_produce(c, "orders", 0, &(struct test_batch){.count = 5, .timestamp = 1000});
    test_settle(b);
    test_hold_journal(b, true);
    test_produce(c, "orders", 0, &(struct test_batch){.count = 5, .timestamp = 9000});
    EXPECT_INT(list(c, 7, "orders", 0, -1)->offset, 5);
    EXPECT_INT(list(c, 7, "orders", 0, 9000)->offset, -1);
    test_hold_journal(b, false);
    test_settle(b);
    EXPECT_INT(list(c, 7, "orders", 0, -1)->offset, 10);
    EXPECT_INT(list(c, 7, "orders", 0, 9000)->offset, 5);
    test_broker_free(b);
}

TEST(a_time_gives_the_first_record_at_or_after_it)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        int64_t times[] = {1000, 2000, 5000, 4000};
        for (size_t i = 0; i < COUNT_OF(times); i++)
            test_produce(c, "orders", 0,
                         &(struct test_batch){.count = 1,
                                              .timestamp = times[i],
                                              .codec = i % 2 ? CODEC_LZ4 : CODEC_NONE});
        struct {
            int64_t asked, offset, timestamp;
        } cases[] = {{0, 0, 1000},    {1000, 0, 1000}, {1001, 1, 2000}, {2001, 2, 5000},
                     {5000, 2, 5000}, {5001, -1, -1},  {-3, 2, 5000},   {-2, 0, -1}};
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            const struct list_offsets_response_topics_partitions *r =
                list(c, 7, "orders", 0, cases[i].asked);
            EXPECT_INT(r->error_code, KAFKA_NONE);
            EXPECT_INT(r->offset, cases[i].offset);
            EXPECT_INT(r->timestamp, cases[i].timestamp);
        }
        test_broker_free(b);
    }
}

TEST(a_search_without_a_descriptor_gets_an_error_that_clients_retry)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    test_produce(c, "orders", 0, &(struct test_batch){.count = 1, .timestamp = 1000});
    test_broker_restart(b);
    c = test_client_open(b, 0);
    segment_file_set_limit(0);
    EXPECT_INT(list(c, 4, "orders", 0, 1000)->error_code, KAFKA_LEADER_NOT_AVAILABLE);
    EXPECT_INT(list(c, 5, "orders", 0, 1000)->error_code, KAFKA_OFFSET_NOT_AVAILABLE);
    EXPECT_INT(list(c, 5, "orders", 0, -1)->offset, 1); /* needs no file */
    segment_file_set_limit(INT32_MAX);
    EXPECT_INT(list(c, 5, "orders", 0, 1000)->offset, 0);
    test_broker_free(b);
}

TEST(either_isolation_level_sees_the_same_end_and_the_same_times)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 1);
        test_create_topic(c, "orders", 1, NULL);
        test_produce(c, "orders", 0, &(struct test_batch){.count = 1, .timestamp = 1000});
        test_produce(c, "orders", 0, &(struct test_batch){.count = 1, .timestamp = 2000});
        for (int8_t level = 0; level <= 1; level++) {
            EXPECT_INT(list_isolated(c, 2, "orders", 0, -1, level)->offset, 2);
            EXPECT_INT(list_isolated(c, 7, "orders", 0, 1001, level)->offset, 1);
            EXPECT_INT(list_isolated(c, 7, "orders", 0, -3, level)->offset, 1);
            EXPECT_INT(list_isolated(c, 7, "orders", 0, 2001, level)->offset, -1);
        }
        test_broker_free(b);
    }
}

TEST(an_empty_log_has_no_record_for_any_time)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    EXPECT_INT(list(c, 7, "orders", 0, 0)->offset, -1);
    EXPECT_INT(list(c, 7, "orders", 0, -3)->offset, -1);
    EXPECT_INT(list(c, 7, "orders", 0, -3)->error_code, KAFKA_NONE);
    test_broker_free(b);
}

TEST(special_times_need_their_version)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    EXPECT_INT(list(c, 6, "orders", 0, -3)->error_code, KAFKA_UNSUPPORTED_VERSION);
    EXPECT_INT(list(c, 7, "orders", 0, -4)->error_code, KAFKA_UNSUPPORTED_VERSION);
    EXPECT_INT(list(c, 8, "orders", 0, -4)->offset, 0);
    EXPECT_INT(list(c, 8, "orders", 0, -5)->error_code, KAFKA_UNSUPPORTED_VERSION);
    EXPECT_INT(list(c, 9, "orders", 0, -5)->error_code, KAFKA_NONE);
    EXPECT_INT(list(c, 9, "orders", 0, -5)->offset, -1);
    EXPECT_INT(list(c, 10, "orders", 0, -6)->error_code, KAFKA_UNSUPPORTED_VERSION);
    test_broker_free(b);
}

TEST(unknown_partitions_and_repeated_ones_are_refused)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 2, NULL);
        EXPECT_INT(list(c, 5, "nobody", 0, -1)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        EXPECT_INT(list(c, 5, "orders", 2, -1)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        struct list_offsets_request request;
        struct list_offsets_request_topics_partitions p[3] = {
            {0, -1, -1}, {1, -1, -1}, {0, -1, -2}};
        struct list_offsets_request_topics t = {
            .name = BYTES_LITERAL("orders"), .partitions = p, .partitions_count = 3};
        schema_defaults(&list_offsets_request_schema, &request);
        request.topics = &t;
        request.topics_count = 1;
        struct list_offsets_response *r = test_call(c, API_LIST_OFFSETS, 5, &request);
        EXPECT_INT(r->topics[0].partitions[0].error_code, KAFKA_INVALID_REQUEST);
        EXPECT_INT(r->topics[0].partitions[1].error_code, KAFKA_NONE);
        EXPECT_INT(r->topics[0].partitions[2].error_code, KAFKA_INVALID_REQUEST);
        test_broker_free(b);
    }
}

TEST(the_leader_epoch_ends_where_the_log_ends)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 1);
        test_create_topic(c, "orders", 2, NULL);
        test_produce(c, "orders", 1, &(struct test_batch){.count = 5});
        struct offset_for_leader_epoch_request_topics_partitions p[] = {
            {.partition = 1, .current_leader_epoch = -1, .leader_epoch = 0},
            {.partition = 1, .current_leader_epoch = 0, .leader_epoch = 3},
            {.partition = 1, .current_leader_epoch = 7, .leader_epoch = 0},
            {.partition = 2, .current_leader_epoch = -1, .leader_epoch = 0},
        };
        struct offset_for_leader_epoch_request_topics t = {
            .topic = BYTES_LITERAL("orders"), .partitions = p, .partitions_count = 4};
        struct offset_for_leader_epoch_request request;
        schema_defaults(&offset_for_leader_epoch_request_schema, &request);
        request.topics = &t;
        request.topics_count = 1;
        for (int16_t version = 2; version <= 4; version++) {
            struct offset_for_leader_epoch_response *r =
                test_call(c, API_OFFSET_FOR_LEADER_EPOCH, version, &request);
            const struct offset_for_leader_epoch_response_topics_partitions *out =
                r->topics[0].partitions;
            EXPECT_INT(out[0].error_code, KAFKA_NONE);
            EXPECT_INT(out[0].leader_epoch, 0);
            EXPECT_INT(out[0].end_offset, 5);
            EXPECT_INT(out[1].error_code, KAFKA_NONE);
            EXPECT_INT(out[1].end_offset, -1);
            EXPECT_INT(out[1].leader_epoch, -1);
            EXPECT_INT(out[2].error_code, KAFKA_UNKNOWN_LEADER_EPOCH);
            EXPECT_INT(out[3].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        }
        test_broker_free(b);
    }
}
