/* Writes many bytes to the end of a segment, past the page cache.
 *
 * Whole blocks are written with direct I/O. If their addresses in memory are aligned as their
 * positions in the file are (modulo the block), they are not copied. Otherwise they are gathered in
 * one aligned buffer. The bytes before the first and after the last whole block go through the page
 * cache, so that the file ends exactly with the last byte. If direct I/O is refused, all bytes go
 * through the page cache. Nothing is durable before the file is synced.
 *
 *   segment_writer_open -> segment_writer_add* -> segment_writer_end -> segment_writer_close
 *
 * For disk workers. After an error any part may have been written; close is still called. */
#ifndef STORAGE_SEGMENT_WRITER_H
#define STORAGE_SEGMENT_WRITER_H

#include "storage/segment.h"

enum { SEGMENT_WRITER_PARTS = 64 };

struct segment_writer {
    struct io *io;
    struct io_file *cached, *direct;          /* direct: NULL when refused */
    int64_t position;                         /* of the first byte that is not written yet */
    size_t waiting;                           /* bytes that are not written yet */
    struct iovec parts[SEGMENT_WRITER_PARTS]; /* these bytes */
    int count;
    uint8_t *buffer; /* used up to `to`; `to` and the position of the next byte are equal modulo the
                        block */
    size_t to;
};

/* The bytes go to `position` and after. Keeps no reference to `file`, which must stay open until
 * the end. */
MUST_USE enum error segment_writer_open(struct segment_writer *w, struct segment_file *file,
                                        const char *directory, int64_t base_offset,
                                        int64_t position);
/* The bytes must stay unchanged in memory until the end. */
MUST_USE enum error segment_writer_add(struct segment_writer *w, struct bytes bytes);
MUST_USE enum error segment_writer_end(struct segment_writer *w);
void segment_writer_close(struct segment_writer *w);

#endif
