/* Digests and message authentication codes, for long identities and for masking.
 *
 * Pure folders use the cryptographic library only through this module. It has no state. */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include "base/bytes.h"

enum { SHA256_SIZE = 32 };

/* SHA-256 of the view; null counts as empty. */
void sha256(struct bytes data, uint8_t out[SHA256_SIZE]);

#endif
