/* The files of a LevelDB directory, looked at before LevelDB opens them.
 *
 * LevelDB forgives too much. Where a log or the MANIFEST is damaged it goes on behind the damage: a
 * wrong size in a file's last block, or zeros where a record should begin, end that block even with
 * paranoid checks, and without these every damage does. A log that is gone is not missed. */
#ifndef STORAGE_KV_FILES_H
#define STORAGE_KV_FILES_H

#include "base/error.h"
#include "storage/io.h"

/* The torn end of the newest log, as a power cut leaves it; file is empty when there is none. */
struct kv_torn_end {
    char file[32];
    int64_t at;
};

/* Reads and changes nothing. ERR_NOT_FOUND: there is no file CURRENT. ERR_CORRUPT: something that
 * was durable is damaged or missing, anywhere but in the tables; `message` names file and byte, and
 * what to do. */
MUST_USE enum error kv_files_check(struct io *io, const char *directory, struct kv_torn_end *torn,
                                   struct message *message);

#endif
