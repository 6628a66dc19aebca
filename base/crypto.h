/* Digests and message authentication, for identities that are long and for masking.
 *
 * The only door to the cryptographic library from the pure folders. Nothing here keeps state. */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include "base/bytes.h"

enum { SHA256_SIZE = 32 };

/* SHA-256 of the view; null counts as empty. */
void sha256(struct bytes data, uint8_t out[SHA256_SIZE]);

#endif
