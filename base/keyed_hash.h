/* SipHash-2-4 with 128 bits (Aumasson, Bernstein): a hash with a secret key.
 *
 * Somebody who chooses the data but does not know the key cannot make two hashes equal. For n
 * different inputs the chance that two are equal is about n^2 / 2^129. */
#ifndef BASE_KEYED_HASH_H
#define BASE_KEYED_HASH_H

#include "base/bytes.h"

enum { KEYED_HASH_SIZE = 16, KEYED_HASH_KEY_SIZE = 16 };

struct keyed_hash {
    uint64_t low, high;
};
struct keyed_hash keyed_hash(const uint8_t key[KEYED_HASH_KEY_SIZE], struct bytes data);

#endif
