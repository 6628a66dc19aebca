/* A segment's index file: entries of one size, in rising order. A search reads single entries, not
 * the whole file. offset_index.h and time_index.h describe the entries. */
#ifndef STORAGE_INDEX_FILE_H
#define STORAGE_INDEX_FILE_H

#include "storage/segment_file.h"

enum { INDEX_ENTRY_MAX = 12 };

struct index_file {
    struct io *io;
    struct io_file *file; /* NULL: there is none */
    bool borrowed;        /* from the view's file: stays open */
    size_t entry_size;
    int64_t count; /* whole entries */
};

/* A missing file is an empty index. */
MUST_USE enum error index_file_open(const struct segment_view *view, enum segment_part part,
                                    size_t entry_size, struct index_file *out);
void index_file_close(struct index_file *index);
MUST_USE enum error index_file_entry(struct index_file *index, int64_t at, uint8_t *entry);
/* The last entry whose key is at most `key`, by bisection. *at is -1 if there is none. */
MUST_USE enum error index_file_floor(struct index_file *index, int64_t key,
                                     int64_t (*key_of)(const uint8_t *entry), uint8_t *entry,
                                     int64_t *at);

#endif
