/* Writes many bytes to the end of a segment around the page cache.
 *
 * Whole blocks go to the disk directly: from where they are, when they lie in memory as they will
 * in the file (modulo the block), else gathered in one aligned buffer. The bytes before the first
 * and behind the last whole block go through the page cache as any write does, so that the file
 * ends exactly with the last byte. Where direct I/O is refused everything goes through the cache.
 * Nothing is durable before the file is synced.
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
    int64_t position;                         /* of the first byte that waits */
    size_t waiting;                           /* bytes */
    struct iovec parts[SEGMENT_WRITER_PARTS]; /* where they are */
    int count;
    uint8_t *buffer; /* used up to `to`, which is the next byte's position modulo the block */
    size_t to;
};

/* Bytes will follow each other from `position` on. Keeps no reference to `file`: it must stay open
 * until the end. */
MUST_USE enum error segment_writer_open(struct segment_writer *w, struct segment_file *file,
                                        const char *directory, int64_t base_offset,
                                        int64_t position);
/* The bytes stay where they are until the end. */
MUST_USE enum error segment_writer_add(struct segment_writer *w, struct bytes bytes);
MUST_USE enum error segment_writer_end(struct segment_writer *w);
void segment_writer_close(struct segment_writer *w);

#endif
