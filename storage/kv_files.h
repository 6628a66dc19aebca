/* Checks the files of a LevelDB directory before LevelDB opens them.
 *
 * LevelDB accepts too much. After damage in a log or in the MANIFEST it may skip the rest of the
 * block and continue. With paranoid checks it does so for a wrong size in a file's last block and
 * for zeros where a record should begin, without them for every damage. It does not detect a
 * missing log. */
#ifndef STORAGE_KV_FILES_H
#define STORAGE_KV_FILES_H

#include "base/error.h"
#include "storage/io.h"

/* The torn end of the newest log, as a power cut leaves it. `file` is empty if there is none. */
struct kv_torn_end {
    char file[32];
    int64_t at;
};

/* Only reads. ERR_NOT_FOUND: there is no file CURRENT. ERR_CORRUPT: durable data is damaged or
 * missing; `message` names file and byte. Of the tables only that the disk can
 * read them. */
MUST_USE enum error kv_files_check(struct io *io, const char *directory, struct kv_torn_end *torn,
                                   struct message *message);

#endif
