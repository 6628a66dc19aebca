/* The new segments that a cleaner writes: consecutive batches, and the index entries that appends
 * would have made. For one thread, which may block. */
#ifndef STORAGE_CLEAN_OUTPUT_H
#define STORAGE_CLEAN_OUTPUT_H

#include "storage/segment.h"

struct clean_output_config {
    int64_t segment_bytes; /* more starts another segment: positions have 32 bits */
    int64_t index_interval_bytes;
    size_t buffer_bytes;
    int64_t min_free_bytes; /* it leaves at least as many on the disk: ERR_NO_SPACE */
};
struct clean_output;

/* The first segment has this base offset, also if it stays empty. Makes no file yet. */
struct clean_output *clean_output_create(struct io *io, const char *directory, int64_t base_offset,
                                         const struct clean_output_config *config);
void clean_output_free(struct clean_output *o); /* NULL is fine; files stay */
/* *written is the number of bytes that it has written to the file. */
MUST_USE enum error clean_output_add(struct clean_output *o, struct bytes batch, size_t *written);
/* Writes what is left and makes all files durable, with their names. */
MUST_USE enum error clean_output_end(struct clean_output *o, size_t *written);
/* The base offsets of the segments. */
const int64_t *clean_output_bases(const struct clean_output *o, size_t *count);

#endif
