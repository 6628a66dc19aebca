#include "base/crypto.h"

#include "base/compiler.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

void sha256(struct bytes data, uint8_t out[SHA256_SIZE])
{
    unsigned size = 0;
    ASSERT(EVP_Digest(data.data, data.size, out, &size, EVP_sha256(), NULL) == 1);
    ASSERT(size == SHA256_SIZE);
}

void hmac_sha256(struct bytes key, struct bytes data, uint8_t out[SHA256_SIZE])
{
    unsigned size = 0;
    const void *key_data = key.size ? (const void *)key.data : "";
    ASSERT(HMAC(EVP_sha256(), key_data, (int)key.size, data.data, data.size, out, &size) != NULL);
    ASSERT(size == SHA256_SIZE);
}
