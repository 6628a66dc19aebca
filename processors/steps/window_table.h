/* The open windows of an aggregate: keys, their slices, and which window closes next.
 *
 * A key is one value of group-by. It has a slice for every interval in which it had records (see
 * window.h), each with a row of accumulators, and knows the end of its next window that is still to
 * be emitted. A heap orders keys by (that end, their bytes), which is the order in which panes are
 * emitted: advancing the watermark costs nothing for keys that have nothing to say. */
#ifndef PROCESSORS_STEPS_WINDOW_TABLE_H
#define PROCESSORS_STEPS_WINDOW_TABLE_H

#include "base/list.h"
#include "base/map.h"
#include "processors/steps/select.h"
#include "processors/time/window.h"

/* No window ends here. */
#define END_NONE INT64_MIN

/* What a slice, or a window, knows besides its accumulators. */
struct extent {
    int64_t max_time;                  /* largest event time */
    int64_t first_offset, last_offset; /* of the records in it */
    uint64_t absent;                   /* bit i: aggregate i was added later and has no value */
};

struct slice {
    int64_t start;
    struct slice *previous, *next; /* of the key, by start */
    struct window_key *key;
    struct list_node dirty; /* changed since the last commit */
    bool is_stored;         /* a commit has written it */
    struct extent extent;
    _Alignas(8) uint8_t row[];
};

struct window_key {
    int64_t next_end; /* of the window to be emitted next */
    size_t heap_at;   /* place in the heap */
    struct slice *first, *last;
    uint32_t key_size;
    uint8_t key[];
};

static inline struct bytes window_key_bytes(const struct window_key *k)
{
    return bytes_of(k->key, k->key_size);
}

struct due {
    int64_t end;
    uint64_t prefix; /* of the key, so that most comparisons need not look at them */
    struct window_key *key;
};

struct window_table {
    const struct window *window;
    const struct select *select;
    struct map keys; /* bytes -> struct window_key */
    struct due *heap;
    size_t heap_count, heap_capacity;
    struct list dirty;
    void *free_slices;
    size_t slice_count, memory; /* memory: bytes, about */
};

void window_table_init(struct window_table *t, const struct window *window,
                       const struct select *select);
void window_table_free(struct window_table *t);

/* The key with these bytes, made if absent. A key without slices must be dropped again. */
struct window_key *window_table_key(struct window_table *t, struct bytes key);
/* The key's slice that starts at `start`, made if absent (empty, with no extent: last_offset is
 * -1). */
struct slice *window_table_slice(struct window_table *t, struct window_key *k, int64_t start);
/* The same, but NULL if there is none. */
struct slice *window_table_find(const struct window_table *t, struct bytes key, int64_t start);
/* Returns whether it was not dirty already. */
bool window_table_mark_dirty(struct window_table *t, struct slice *s);

/* Says that the window ending at `end` is to be emitted: the key's next end becomes the smaller
 * of both. */
void window_table_schedule(struct window_table *t, struct window_key *k, int64_t end);
/* The key whose window is to be emitted next, or NULL. */
struct window_key *window_table_next(const struct window_table *t);

/* After the window that ends at k->next_end was emitted: drops slices that are in no later window
 * (`dropped` is called for each, before), and schedules the next one or drops the key. */
void window_table_emitted(struct window_table *t, struct window_key *k,
                          void (*dropped)(void *context, struct slice *s), void *context);

/* Adds up the accumulators of the slices of the window ending at `end` into `row` (cleared before)
 * and `extent`. */
void window_table_merge(const struct window_table *t, const struct window_key *k, int64_t end,
                        uint8_t *row, struct extent *extent);

/* Rows: all accumulators of one slice. */
void window_row_clear(const struct select *select, uint8_t *row);
void window_row_free(const struct select *select, uint8_t *row);
void window_extent_add(struct extent *to, const struct extent *from);

#endif
