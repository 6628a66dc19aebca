#include "protocol/consumer_protocol.h"

#include "tests/harness/harness.h"

#include <stdlib.h>

/* The Java client's bytes for one subscription: each version extends the previous one. */
#define TOPICS "\0\0\0\2\0\6clicks\0\6orders\0\0\0\3\1\2\3"
#define OWNED "\0\0\0\2\0\6clicks\0\0\0\1\0\0\0\3\0\6orders\0\0\0\2\0\0\0\0\0\0\0\7"
static const struct bytes subscriptions[] = {
    BYTES_LITERAL("\0\0" TOPICS),
    BYTES_LITERAL("\0\1" TOPICS OWNED),
    BYTES_LITERAL("\0\2" TOPICS OWNED "\0\0\0\x2a"),
    BYTES_LITERAL("\0\3" TOPICS OWNED "\0\0\0\x2a\0\6rack-1"),
};
static const struct bytes assignment = BYTES_LITERAL(
    "\0\1\0\0\0\2\0\6orders\0\0\0\2\0\0\0\0\0\0\0\7\0\6clicks\0\0\0\1\0\0\0\3\0\0\0\1\t");

TEST(a_subscription_of_each_version_is_read)
{
    for (int version = 0; version <= 3; version++) {
        struct arena arena;
        arena_init(&arena, 4096);
        struct consumer_subscription s;
        EXPECT_INT(consumer_subscription_decode(subscriptions[version], &arena, &s), ERR_OK);
        EXPECT_INT(s.version, version);
        EXPECT_INT(s.topic_count, 2);
        EXPECT_BYTES(s.topics[0], BYTES_LITERAL("clicks"));
        EXPECT_BYTES(s.topics[1], BYTES_LITERAL("orders"));
        EXPECT_BYTES(s.user_data, BYTES_LITERAL("\1\2\3"));
        EXPECT_INT(s.owned_count, version >= 1 ? 2 : 0);
        if (version >= 1) {
            EXPECT_BYTES(s.owned[1].topic, BYTES_LITERAL("orders"));
            EXPECT_INT(s.owned[1].count, 2);
            EXPECT_INT(s.owned[1].partitions[1], 7);
        }
        EXPECT_INT(s.generation_id, version >= 2 ? 42 : -1);
        EXPECT_BYTES(s.rack, bytes_string(version >= 3 ? "rack-1" : NULL));
        arena_free(&arena);
    }
}

TEST(a_newer_version_is_read_as_far_as_it_is_known)
{
    struct arena arena;
    arena_init(&arena, 4096);
    struct consumer_subscription s;
    struct bytes newer = BYTES_LITERAL("\0\x09" TOPICS OWNED "\0\0\0\x2a\0\6rack-1 and more");
    EXPECT_INT(consumer_subscription_decode(newer, &arena, &s), ERR_OK);
    EXPECT_BYTES(s.rack, BYTES_LITERAL("rack-1"));
    arena_free(&arena);
}

TEST(the_encoder_writes_the_same_bytes_as_the_java_client)
{
    struct arena arena;
    arena_init(&arena, 4096);
    struct buffer out;
    buffer_init(&out, 4096);
    struct consumer_subscription s;
    for (int version = 0; version <= 1; version++) {
        EXPECT_INT(consumer_subscription_decode(subscriptions[version], &arena, &s), ERR_OK);
        buffer_clear(&out);
        consumer_subscription_encode(&s, &out);
        EXPECT_BYTES(buffer_view(&out), subscriptions[version]);
    }
    struct consumer_assignment a;
    EXPECT_INT(consumer_assignment_decode(assignment, &arena, &a), ERR_OK);
    EXPECT_INT(a.topic_count, 2);
    EXPECT_BYTES(a.user_data, BYTES_LITERAL("\t"));
    buffer_clear(&out);
    consumer_assignment_encode(&a, &out);
    EXPECT_BYTES(buffer_view(&out), assignment);
    buffer_free(&out);
    arena_free(&arena);
}

TEST(a_message_truncated_anywhere_is_invalid)
{
    for (size_t i = 0; i < COUNT_OF(subscriptions); i++) {
        for (size_t size = 0; size < subscriptions[i].size; size++) {
            struct arena arena;
            arena_init(&arena, 4096);
            uint8_t *cut = xmalloc(size + 1);
            memcpy(cut, subscriptions[i].data, size);
            struct consumer_subscription s;
            EXPECT_INT(consumer_subscription_decode(bytes_of(cut, size), &arena, &s), ERR_INVALID);
            free(cut);
            arena_free(&arena);
        }
    }
}

TEST(a_count_that_exceeds_the_bytes_allocates_nothing)
{
    struct arena arena;
    arena_init(&arena, 1 << 30);
    struct consumer_subscription s;
    struct consumer_assignment a;
    EXPECT_INT(consumer_subscription_decode(BYTES_LITERAL("\0\0\x7f\xff\xff\xff\0\0"), &arena, &s),
               ERR_INVALID);
    EXPECT_INT(consumer_assignment_decode(BYTES_LITERAL("\0\0\xff\xff\xff\xff\0\0"), &arena, &a),
               ERR_INVALID);
    EXPECT(arena.used < 64);
    arena_free(&arena);
}

TEST(null_user_data_stays_null)
{
    struct arena arena;
    arena_init(&arena, 4096);
    struct consumer_assignment a;
    EXPECT_INT(
        consumer_assignment_decode(BYTES_LITERAL("\0\0\0\0\0\0\xff\xff\xff\xff"), &arena, &a),
        ERR_OK);
    EXPECT_INT(a.topic_count, 0);
    EXPECT(bytes_is_null(a.user_data));
    arena_free(&arena);
}
