/* The source of randomness: the system in a broker, a seed in a simulation. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
    void (*fill)(struct random *random, void *out, size_t size);
};

/* The system's generator; may be used from any thread. */
struct random *random_system(void);

/* A small seeded generator (xoshiro256**), for one thread at a time. Not for secrets. */
struct random_seeded {
    struct random random;
    uint64_t state[4];
};
void random_seeded_init(struct random_seeded *r, uint64_t seed);

uint64_t random_u64(struct random *random);
/* Uniform in [0, bound), bound > 0. */
uint64_t random_below(struct random *random, uint64_t bound);

/* Sixteen random bytes that form a version 4 UUID (RFC 9562), never all zero. */
void random_uuid(struct random *random, uint8_t out[16]);

#endif
