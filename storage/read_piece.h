/* A piece of a segment in memory, for readers that are behind the tail.
 *
 * A disk worker reads it past the page cache: filling fresh pages of the cache costs more time than
 * all else that a read does. A piece has whole batches with right checksums, and never changes. It
 * belongs to one log, which drops it when the segment is replaced or deleted. Bytes of a segment
 * that a flush has written stay as they are, so a piece is never old. */
#ifndef STORAGE_READ_PIECE_H
#define STORAGE_READ_PIECE_H

#include "base/shared_buffer.h"
#include "storage/log_slice.h"
#include "storage/segment.h"

/* The largest piece, whose buffer is one block of the pool. */
enum { READ_PIECE_MAX = BLOCK_MAX - 2 * IO_ALIGNMENT, PIECE_MARKS = 32 };

struct read_piece {
    struct list_node in_pool, in_log;
    struct shared_buffer *buffer;
    struct bytes batches;              /* in the buffer */
    int64_t first_offset, next_offset; /* of the batches, and of the holes between them */
    int64_t segment_base, position;    /* of the first batch in the file */
    int64_t read_to;                   /* the offset after the last batch that a reader got */
    int64_t used_ms;                   /* monotonic */
    int mark_count;
    struct piece_mark { /* places of some batches, so that a reader finds its own soon */
        int64_t offset;
        size_t at;
    } marks[PIECE_MARKS];
};

/* On a disk worker: reads at most `size` bytes of a segment whose file is open, from `place` on,
 * and keeps the batches from the one with `offset` on. The memory is from the pool. NULL: there is
 * no such piece, because the page cache has most of these bytes (*cached), the batch does not fit,
 * it is damaged, or the read failed. The reader then reads through the page cache and finds out. */
MUST_USE struct read_piece *read_piece_read(struct block_pool *pool,
                                            const struct segment_view *view,
                                            struct segment_place place, int64_t offset, size_t size,
                                            bool *cached);
/* Also takes it out of its lists. NULL is fine. */
void read_piece_free(struct read_piece *piece);

/* Some batches of a piece. */
struct piece_range {
    size_t from, size;
    int64_t first_offset, next_offset; /* base offset of the first batch; offset after the last */
};
/* The batches from `offset` on whose last offset is below end_offset, at most max_bytes; with
 * `at_least_one` the first one may be larger. False: there are none. */
bool read_piece_find(const struct read_piece *piece, int64_t offset, int64_t end_offset,
                     size_t max_bytes, bool at_least_one, struct piece_range *out);
/* The range as a piece of a slice, with a reference of its own. */
struct slice_piece read_piece_memory(const struct read_piece *piece,
                                     const struct piece_range *range);
/* Where the range ends in the file. */
static inline int64_t read_piece_end(const struct read_piece *piece,
                                     const struct piece_range *range)
{
    return piece->position + (int64_t)(range->from + range->size);
}
static inline bool read_piece_contains(const struct read_piece *piece, int64_t offset)
{
    return piece->first_offset <= offset && offset < piece->next_offset;
}

#endif
