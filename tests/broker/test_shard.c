#include "tests/broker/support_broker.h"

static void knock(struct test_client *c)
{
    struct api_versions_request request;
    schema_defaults(&api_versions_request_schema, &request);
    test_call(c, API_API_VERSIONS, 0, &request);
}

/* The time until an idle client's connection is closed. */
static int64_t silence_allowed_ms(const char *flag)
{
    struct test_broker *b = test_broker_start(1, flag, NULL);
    struct test_client *c = test_client_open(b, 0);
    int64_t ms = 0;
    knock(c);
    for (; !test_client_is_closed(c) && ms < 1000000; ms += 10)
        test_advance(b, 10);
    test_broker_free(b);
    return ms;
}

TEST(idle_connections_are_closed_at_most_a_quarter_of_their_limit_or_five_seconds_late)
{
    int64_t ms = silence_allowed_ms("connections.max.idle.ms=1000");
    EXPECT(ms > 1000 && ms <= 1260);
    ms = silence_allowed_ms("connections.max.idle.ms=60000");
    EXPECT(ms > 60000 && ms <= 65010);
    ms = silence_allowed_ms("connections.max.idle.ms=0");
    EXPECT(ms > 0 && ms <= 60);
}

TEST(a_client_with_occasional_requests_is_not_idle)
{
    struct test_broker *b = test_broker_start(1, "connections.max.idle.ms=1000", NULL);
    struct test_client *c = test_client_open(b, 0);
    for (int i = 0; i < 20; i++) {
        test_advance(b, 900);
        knock(c);
    }
    EXPECT(!test_client_is_closed(c));
    test_broker_free(b);
}

TEST(memory_of_frames_is_freed_when_it_is_not_needed_for_a_while)
{
    struct test_broker *b = test_broker_start(1, "tidemill.tail.cache.bytes=0", NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "large", 1, NULL);
    test_produce(c, "large", 0, &(struct test_batch){.count = 1, .value_size = 200000});
    EXPECT(block_pool_bytes(test_shard(b, 0)->frames) > 0);
    for (int i = 0; i < 4; i++)
        test_advance(b, 5000);
    EXPECT_INT(block_pool_bytes(test_shard(b, 0)->frames), 0);
    test_broker_free(b);
}
