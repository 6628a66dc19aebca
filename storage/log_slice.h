/* A range of a log, ready to be sent: whole batches, as pieces of memory (the hot tail) or of
 * segment files. Immutable and reference counted. May be sent to another shard. */
#ifndef STORAGE_LOG_SLICE_H
#define STORAGE_LOG_SLICE_H

#include "base/shared_buffer.h"
#include "storage/segment_file.h"

struct slice_piece {
    struct shared_buffer *buffer; /* memory: from `at`, or NULL */
    const uint8_t *at;
    struct segment_file *file; /* file: from `position`, or NULL */
    int64_t position;
    size_t size;
};

struct log_slice {
    atomic_int references;
    size_t size;                       /* of all pieces */
    int64_t first_offset, next_offset; /* base offset of the first batch; offset after the last */
    size_t piece_count;
    struct slice_piece pieces[];
};

/* A slice of pieces. Takes over their references. */
struct log_slice *log_slice_create(const struct slice_piece *pieces, size_t count,
                                   int64_t first_offset, int64_t next_offset);
void log_slice_unref(struct log_slice *s); /* NULL is fine */
/* Copies the whole slice to `out`, which has room for its size. Reads files, so it blocks. */
MUST_USE enum error log_slice_copy(struct io *io, const struct log_slice *s, uint8_t *out);

#endif
