#include "base/crc32c.h"
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
