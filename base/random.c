#include "base/random.h"

#include "base/compiler.h"

#include <string.h>
#include <sys/random.h>

static void system_fill(struct random *random, void *out, size_t size)
{
    (void)random;
    uint8_t *at = out;
    while (size > 0) {
        ssize_t got = getrandom(at, MIN(size, (size_t)256), 0);
        ASSERT(got > 0); /* up to 256 bytes are never interrupted (getrandom(2)) */
        at += got;
        size -= (size_t)got;
    }
}

struct random *random_system(void)
{
    static struct random random = {system_fill};
    return &random;
}

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static uint64_t seeded_next(struct random_seeded *r)
{
    uint64_t *s = r->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

static void seeded_fill(struct random *random, void *out, size_t size)
{
    struct random_seeded *r = CONTAINER_OF(random, struct random_seeded, random);
    uint8_t *at = out;
    while (size > 0) {
        uint64_t v = seeded_next(r);
        size_t part = MIN(size, sizeof v);
        memcpy(at, &v, part);
        at += part;
        size -= part;
    }
}

void random_seeded_init(struct random_seeded *r, uint64_t seed)
{
    r->random.fill = seeded_fill;
    for (int i = 0; i < 4; i++) { /* splitmix64, so that near seeds give far streams */
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        r->state[i] = z ^ (z >> 31);
    }
}

uint64_t random_u64(struct random *random)
{
    uint64_t v;
    random->fill(random, &v, sizeof v);
    return v;
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    ASSERT(bound > 0);
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound, v;
    do
        v = random_u64(random);
    while (v >= limit);
    return v % bound;
}

void random_uuid(struct random *random, uint8_t out[16])
{
    random->fill(random, out, 16);
    out[6] = (uint8_t)((out[6] & 0x0f) | 0x40);
    out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}
