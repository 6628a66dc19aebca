#include "base/shared_buffer.h"

#include "base/compiler.h"

#include <stdlib.h>

static struct shared_buffer *init(struct shared_buffer *b, size_t size, struct slab *slab)
{
    if (b == NULL)
        return NULL;
    atomic_init(&b->references, 1);
    b->size = size;
    b->slab = slab;
    b->data = (uint8_t *)(b + 1);
    return b;
}

struct shared_buffer *shared_buffer_create(size_t size)
{
    return init(malloc(sizeof(struct shared_buffer) + size), size, NULL);
}

struct shared_buffer *shared_buffer_create_in(struct block_pool *pool, size_t size, int phase)
{
    size_t whole = sizeof(struct shared_buffer) + size;
    if (phase != BUFFER_ANYWHERE)
        whole += BUFFER_PHASES - 1;
    if (whole < BLOCK_MIN || whole > BLOCK_MAX)
        return shared_buffer_create(size);
    struct slab *slab;
    struct shared_buffer *b = block_take(pool, whole, &slab);
    if (b == NULL)
        return shared_buffer_create(size); /* needs less memory than a slab */
    init(b, size, slab);
    if (phase != BUFFER_ANYWHERE)
        b->data += ((size_t)phase - (uintptr_t)b->data) % BUFFER_PHASES;
    return b;
}

struct shared_buffer *shared_buffer_ref(struct shared_buffer *b)
{
    atomic_fetch_add_explicit(&b->references, 1, memory_order_relaxed);
    return b;
}

void shared_buffer_unref(struct shared_buffer *b)
{
    if (b == NULL)
        return;
    int before = atomic_fetch_sub_explicit(&b->references, 1, memory_order_acq_rel);
    ASSERT(before >= 1);
    if (before > 1)
        return;
    if (b->slab)
        block_give(b->slab, b);
    else
        free(b);
}
