#include "base/crypto.h"

#include "base/compiler.h"

#include <openssl/evp.h>

void sha256(struct bytes data, uint8_t out[SHA256_SIZE])
{
    unsigned size = 0;
    ASSERT(EVP_Digest(data.data, data.size, out, &size, EVP_sha256(), NULL) == 1);
    ASSERT(size == SHA256_SIZE);
}
