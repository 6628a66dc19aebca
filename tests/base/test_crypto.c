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
