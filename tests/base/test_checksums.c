#include "base/crc32c.h"
#include "base/keyed_hash.h"
#include "base/murmur2.h"
#include "base/random.h"
#include "tests/harness/harness.h"

#include <stdlib.h>

TEST(crc32c_gives_the_values_of_rfc_3720)
{
    uint8_t zeros[32] = {0}, ones[32], rising[32];
    for (int i = 0; i < 32; i++) {
        ones[i] = 0xff;
        rising[i] = (uint8_t)i;
    }
    EXPECT_INT(crc32c(0, zeros, 32), 0x8a9136aau);
    EXPECT_INT(crc32c(0, ones, 32), 0x62a8ab43u);
    EXPECT_INT(crc32c(0, rising, 32), 0x46dd794eu);
    EXPECT_INT(crc32c(0, "123456789", 9), 0xe3069283u);
}

/* One bit at a time: slow and simple. */
static uint32_t reference(const uint8_t *p, size_t size)
{
    uint32_t c = 0xffffffffu;
    for (; size > 0; size--) {
        c ^= *p++;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
    }
    return ~c;
}

TEST(crc32c_of_any_length_and_in_any_pieces_equals_the_plain_computation)
{
    enum { SIZE = 8000 };
    uint8_t *data = malloc(SIZE);
    struct random_seeded random;
    random_seeded_init(&random, test_seed());
    random.random.fill(&random.random, data, SIZE);
    for (int round = 0; round < 200; round++) {
        size_t start = random_below(&random.random, 64);
        size_t size = random_below(&random.random, SIZE - 64);
        size_t cut = random_below(&random.random, size + 1);
        uint32_t expected = reference(data + start, size);
        EXPECT_INT(crc32c(0, data + start, size), expected);
        EXPECT_INT(crc32c(crc32c(0, data + start, cut), data + start + cut, size - cut), expected);
    }
    free(data);
}

/* Values of the Java client's own test of its partitioner. */
TEST(murmur2_agrees_with_kafkas_clients)
{
    EXPECT_INT((int32_t)murmur2(BYTES_LITERAL("21")), -973932308);
    EXPECT_INT((int32_t)murmur2(BYTES_LITERAL("foobar")), -790332482);
    EXPECT_INT((int32_t)murmur2(BYTES_LITERAL("a-little-bit-long-string")), -985981536);
    EXPECT_INT((int32_t)murmur2(BYTES_LITERAL("a-little-bit-longer-string")), -1486304829);
    EXPECT_INT((int32_t)murmur2(BYTES_LITERAL("abc")), 479470107);
}

/* The values of the openssl program (mac SIPHASH) for the key 00..0f and the data 00, 01, ... */
TEST(a_keyed_hash_is_siphash_with_128_bits)
{
    static const struct {
        size_t size;
        uint64_t first, second; /* big-endian */
    } cases[] = {{0, 0xa3817f04ba25a8e6, 0x6df67214c7550293},
                 {1, 0xda87c1d86b99af44, 0x347659119b22fc45},
                 {7, 0xa1f1ebbed8dbc153, 0xc0b84aa61ff08239},
                 {8, 0x3b62a9ba6258f561, 0x0f83e264f31497b4},
                 {15, 0x5493e99933b0a811, 0x7e08ec0f97cfc3d9}};
    uint8_t key[KEYED_HASH_KEY_SIZE];
    for (uint8_t i = 0; i < KEYED_HASH_KEY_SIZE; i++)
        key[i] = i;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct keyed_hash hash = keyed_hash(key, bytes_of(key, cases[i].size));
        EXPECT_INT(__builtin_bswap64(hash.low), cases[i].first);
        EXPECT_INT(__builtin_bswap64(hash.high), cases[i].second);
    }
}
