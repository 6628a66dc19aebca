/* <data>/tidemill.meta: the format of a data directory and its number of starts. It is a text file
 * of key=value lines. The last line is a checksum over the lines before it. */
#ifndef STORAGE_DATA_META_H
#define STORAGE_DATA_META_H

#include "base/env.h"
#include "storage/io.h"

/* 1: the key-value store has the only copy of the rows. 2: row files have a second one. */
enum { DATA_FORMAT = 2, DATA_FORMAT_WITHOUT_ROW_FILES = 1 };

struct data_meta {
    int format;
    uint64_t starts; /* the key-value store must know at least as many */
};

/* ERR_NOT_FOUND: there is no file. ERR_UNSUPPORTED: a newer format. */
MUST_USE enum error data_meta_read(struct io *io, const char *data_directory, struct data_meta *out,
                                   struct message *message);
MUST_USE enum error data_meta_write(struct io *io, const char *data_directory,
                                    const struct data_meta *meta, struct message *message);

#endif
