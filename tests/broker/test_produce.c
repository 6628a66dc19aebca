#include "tests/broker/support_broker.h"

#include "protocol/record_batch.h"

TEST(what_was_produced_is_read_back)
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
