#include "storage/log_internal.h"

#include <stdlib.h>

/* A limit for the list of pieces: a reader gets the rest with its next read. */
enum { SLICE_PIECES_MAX = 1024 };

struct tail_batch *tail_at(const struct tail *t, size_t index)
{
    return &t->slots[(t->first + index) & (t->capacity - 1)];
}

static void grow(struct tail *t)
{
    size_t capacity = t->capacity ? t->capacity * 2 : 16;
    struct tail_batch *slots = xmalloc(capacity * sizeof *slots);
    for (size_t i = 0; i < t->count; i++)
        slots[i] = *tail_at(t, i);
    free(t->slots);
    t->slots = slots;
    t->first = 0;
    t->capacity = capacity;
}

void tail_push(struct tail *t, const struct tail_batch *batch)
{
    ASSERT(t->count == 0 || tail_at(t, t->count - 1)->next_offset == batch->base_offset);
    if (t->count == t->capacity)
        grow(t);
    t->count++;
    *tail_at(t, t->count - 1) = *batch;
    t->bytes += batch->size;
}

void tail_drop_first(struct tail *t)
{
    struct tail_batch *batch = tail_at(t, 0);
    t->bytes -= batch->size;
    shared_buffer_unref(batch->buffer);
    t->first = (t->first + 1) & (t->capacity - 1);
    t->count--;
    if (t->count == 0) { /* an idle log keeps no memory */
        free(t->slots);
        *t = (struct tail){0};
    }
}

void tail_free(struct tail *t)
{
    while (t->count > 0)
        tail_drop_first(t);
}

bool tail_contains(const struct tail *t, int64_t offset)
{
    return t->count > 0 && offset >= tail_at(t, 0)->base_offset &&
           offset < tail_at(t, t->count - 1)->next_offset;
}

size_t tail_find(const struct tail *t, int64_t offset)
{
    if (!tail_contains(t, offset))
        return t->count;
    size_t low = 0, high = t->count; /* the first batch that ends after `offset` */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tail_at(t, middle)->next_offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How many batches from `from` on fit, and their number of pieces and bytes. */
static size_t measure(const struct tail *t, size_t from, int64_t end_offset, size_t max_bytes,
                      bool at_least_one, size_t *pieces, size_t *bytes)
{
    size_t count = 0;
    const uint8_t *end = NULL;
    *pieces = *bytes = 0;
    for (; from + count < t->count; count++) {
        const struct tail_batch *batch = tail_at(t, from + count);
        bool fits = batch->size <= max_bytes && *bytes <= max_bytes - batch->size;
        if (batch->next_offset > end_offset || !(fits || (count == 0 && at_least_one)))
            break;
        if (batch->at != end && *pieces == SLICE_PIECES_MAX)
            break;
        *pieces += batch->at != end;
        *bytes += batch->size;
        end = batch->at + batch->size;
    }
    return count;
}

struct log_slice *tail_read(const struct tail *t, int64_t offset, int64_t end_offset,
                            size_t max_bytes, bool at_least_one)
{
    size_t from = tail_find(t, offset), pieces, bytes;
    size_t count = measure(t, from, end_offset, max_bytes, at_least_one, &pieces, &bytes);
    if (count == 0)
        return NULL;
    struct log_slice *s = xmalloc(sizeof *s + pieces * sizeof s->pieces[0]);
    *s = (struct log_slice){
        .size = bytes,
        .first_offset = tail_at(t, from)->base_offset,
        .next_offset = tail_at(t, from + count - 1)->next_offset,
    };
    atomic_init(&s->references, 1);
    const uint8_t *end = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct tail_batch *batch = tail_at(t, from + i);
        if (batch->at == end) { /* adjacent to the last one, in the same buffer */
            s->pieces[s->piece_count - 1].size += batch->size;
        } else {
            s->pieces[s->piece_count++] = (struct slice_piece){
                .buffer = shared_buffer_ref(batch->buffer), .at = batch->at, .size = batch->size};
        }
        end = batch->at + batch->size;
    }
    ASSERT(s->piece_count == pieces);
    return s;
}
