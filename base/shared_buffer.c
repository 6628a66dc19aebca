#include "base/shared_buffer.h"

#include "base/compiler.h"

#include <stdlib.h>

struct shared_buffer *shared_buffer_create(size_t size)
{
    struct shared_buffer *b = malloc(sizeof *b + size);
    if (b == NULL)
        return NULL;
    atomic_init(&b->references, 1);
    b->size = size;
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
    if (before == 1)
        free(b);
}
