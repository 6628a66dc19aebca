#include "base/crypto.h"
#include "tests/harness/harness.h"

#include <stdio.h>

static const char *hex(const uint8_t digest[SHA256_SIZE])
{
    static char text[SHA256_SIZE * 2 + 1];
    for (size_t i = 0; i < SHA256_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return text;
}

/* The examples of FIPS 180-4. */
TEST(sha256_gives_the_published_digests)
{
    uint8_t out[SHA256_SIZE];
    sha256(BYTES_LITERAL("abc"), out);
    EXPECT_STRING(hex(out), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256(BYTES_NULL, out);
    EXPECT_STRING(hex(out), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* Test cases 2 and 6 of RFC 4231: a short key, and one longer than a block. */
TEST(hmac_sha256_gives_the_published_codes)
{
    uint8_t out[SHA256_SIZE], key[131];
    hmac_sha256(BYTES_LITERAL("Jefe"), BYTES_LITERAL("what do ya want for nothing?"), out);
    EXPECT_STRING(hex(out), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    hmac_sha256(bytes_of(key, sizeof key),
                BYTES_LITERAL("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    EXPECT_STRING(hex(out), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}
