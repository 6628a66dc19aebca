/* Bytes with a count of references, so that a network frame, the tail of a log and a reply on its
 * way out can all hold the same memory. Immutable once more than one holds it, except for the
 * fields that a log stamps into a batch before anybody else can see it. The count is atomic:
 * references may cross shards. */
#ifndef BASE_SHARED_BUFFER_H
#define BASE_SHARED_BUFFER_H

#include "base/block_pool.h"
#include "base/bytes.h"

#include <stdatomic.h>

struct shared_buffer {
    atomic_int references;
    size_t size;
    struct slab *slab; /* NULL: memory of its own */
    uint8_t *data;     /* behind this struct */
};

enum { BUFFER_PHASES = 4096, BUFFER_ANYWHERE = -1 };

/* One reference, content not initialised. NULL when memory is out (sizes here come from clients).
 */
struct shared_buffer *shared_buffer_create(size_t size);
/* The same, from the pool unless it is very small or very large; then its data begins at an address
 * that is `phase` modulo BUFFER_PHASES, unless that is BUFFER_ANYWHERE. */
struct shared_buffer *shared_buffer_create_in(struct block_pool *pool, size_t size, int phase);
struct shared_buffer *shared_buffer_ref(struct shared_buffer *b);
void shared_buffer_unref(struct shared_buffer *b); /* NULL is fine */

#endif
