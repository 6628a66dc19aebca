/* Bytes with a reference count, so that a network frame, the tail of a log and a reply can all hold
 * the same memory. A buffer with more than one holder is immutable, except for the fields that a
 * log sets in a batch before others can see the batch. The count is atomic, because references may
 * cross shards. */
#ifndef BASE_SHARED_BUFFER_H
#define BASE_SHARED_BUFFER_H

#include "base/block_pool.h"
#include "base/bytes.h"

#include <stdatomic.h>

struct shared_buffer {
    atomic_int references;
    size_t size;
    struct slab *slab; /* NULL: memory of its own */
    uint8_t *data;     /* after this struct */
};

enum { BUFFER_PHASES = 4096, BUFFER_ANYWHERE = -1 };

/* Makes a buffer with one reference. Its content is not initialised. NULL if there is no memory
 * left (clients choose the sizes). */
struct shared_buffer *shared_buffer_create(size_t size);
/* The same, from the pool unless it is very small or very large. In the pool its data begins at an
 * address that is `phase` modulo BUFFER_PHASES, unless `phase` is BUFFER_ANYWHERE. */
struct shared_buffer *shared_buffer_create_in(struct block_pool *pool, size_t size, int phase);
struct shared_buffer *shared_buffer_ref(struct shared_buffer *b);
void shared_buffer_unref(struct shared_buffer *b); /* NULL is fine */

#endif
