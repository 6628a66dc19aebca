/* The open windows of an aggregate: keys, their slices, and the window that closes next.
 *
 * A key is one value of group-by. It has a slice for every interval in which it had records (see
 * window.h), each with accumulators, and the end of its next window to emit. A heap orders keys by
 * (this end, their bytes), which is the order in which panes are emitted. So a higher watermark
 * costs nothing for keys without a complete window. */
#ifndef PROCESSORS_STEPS_WINDOW_TABLE_H
#define PROCESSORS_STEPS_WINDOW_TABLE_H

#include "base/list.h"
#include "base/map.h"
#include "processors/steps/select.h"
#include "processors/time/window.h"

/* No window ends here. */
#define END_NONE INT64_MIN

/* The data of a slice, or of a window, besides its accumulators. */
struct extent {
    int64_t max_time;                  /* largest event time */
    int64_t first_offset, last_offset; /* of the records in it */
    uint64_t absent;                   /* bit i: aggregate i was added later and has no value */
};

struct slice {
    int64_t start;
    struct slice *previous, *next; /* of the key, by start */
    struct window_key *key;
    struct list_node dirty; /* linked while it has changes since the last commit */
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
    uint64_t prefix; /* of the key, so that most comparisons need not read the keys */
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

/* The key with these bytes, made if absent. The caller must drop a key without slices again. */
struct window_key *window_table_key(struct window_table *t, struct bytes key);
/* The key's slice that starts at `start`, made if absent (empty, with no extent: last_offset is
 * -1). */
struct slice *window_table_slice(struct window_table *t, struct window_key *k, int64_t start);
/* The same, but NULL if there is none. */
struct slice *window_table_find(const struct window_table *t, struct bytes key, int64_t start);
/* Returns whether the slice was clean before. */
bool window_table_mark_dirty(struct window_table *t, struct slice *s);

/* Schedules the window that ends at `end`: the key's next end becomes the smaller of both. */
void window_table_schedule(struct window_table *t, struct window_key *k, int64_t end);
/* The key with the next window to emit, or NULL. */
struct window_key *window_table_next(const struct window_table *t);

/* Called after the window that ends at k->next_end was emitted. Drops the slices that are in no
 * later window (calls `dropped` before each), and schedules the next window or drops the key. */
void window_table_emitted(struct window_table *t, struct window_key *k,
                          void (*dropped)(void *context, struct slice *s), void *context);

/* Merges the accumulators of the slices of the window that ends at `end` into `row` (cleared
 * before) and `extent`. */
void window_table_merge(const struct window_table *t, const struct window_key *k, int64_t end,
                        uint8_t *row, struct extent *extent);

/* Rows: all accumulators of one slice. */
void window_row_clear(const struct select *select, uint8_t *row);
void window_row_free(const struct select *select, uint8_t *row);
void window_extent_add(struct extent *to, const struct extent *from);

#endif
