#include "base/keyed_hash.h"

enum { ROUNDS = 2, LAST_ROUNDS = 4 };

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static uint64_t load_le64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

static inline struct state mix(struct state s, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        s.v0 += s.v1;
        s.v2 += s.v3;
        s.v1 = rotate(s.v1, 13) ^ s.v0;
        s.v3 = rotate(s.v3, 16) ^ s.v2;
        s.v0 = rotate(s.v0, 32) + s.v3;
        s.v2 += s.v1;
        s.v3 = rotate(s.v3, 21) ^ s.v0;
        s.v1 = rotate(s.v1, 17) ^ s.v2;
        s.v2 = rotate(s.v2, 32);
    }
    return s;
}

static inline struct state take_word(struct state s, uint64_t word)
{
    s.v3 ^= word;
    s = mix(s, ROUNDS);
    s.v0 ^= word;
    return s;
}

struct keyed_hash keyed_hash(const uint8_t key[KEYED_HASH_KEY_SIZE], struct bytes data)
{
    uint64_t k0 = load_le64(key), k1 = load_le64(key + 8);
    struct state s = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ 0xee,
                      k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
    size_t at = 0;
    for (; at + 8 <= data.size; at += 8)
        s = take_word(s, load_le64(data.data + at));
    uint64_t last = (uint64_t)data.size << 56;
    for (size_t i = at; i < data.size; i++)
        last |= (uint64_t)data.data[i] << 8 * (i - at);
    s = take_word(s, last);
    s.v2 ^= 0xee;
    s = mix(s, LAST_ROUNDS);
    uint64_t low = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    s.v1 ^= 0xdd;
    s = mix(s, LAST_ROUNDS);
    return (struct keyed_hash){low, s.v0 ^ s.v1 ^ s.v2 ^ s.v3};
}
