/* Reads the rows of a LevelDB directory without LevelDB.
 *
 * LevelDB writes when it opens a directory, and refuses a damaged one. This reader changes nothing.
 * It compares every checksum: of the logs' fragments, of the tables' blocks, and of the rows
 * themselves. It tells each fault and goes on with what is whole. */
#ifndef STORAGE_KV_SALVAGE_H
#define STORAGE_KV_SALVAGE_H

#include "storage/io.h"
#include "storage/store_rows.h"

enum kv_salvage_kind {
    KV_SALVAGE_TORN,    /* the end of the newest log, as a power cut leaves it: no fault */
    KV_SALVAGE_DAMAGED, /* bytes that were durable are wrong */
    KV_SALVAGE_MISSING, /* a file that is needed */
};

struct kv_salvage {
    /* The first letters of the rows to keep; NULL: all. The others are only checked: the state of
     * processors may be larger than the memory. */
    const char *kinds;
    struct row_changes rows; /* those that were found; the caller frees them */
    /* Keeps a digest of each other row's value in `rest`, which the caller frees. */
    bool keeps_digests;
    struct row_changes rest;
    int files, blocks; /* that were read: blocks of tables, and writes in logs */
    int faults;        /* without a torn end */
    /* Called for each finding. `at` is -1 if no byte can be named. */
    void (*found)(void *context, enum kv_salvage_kind kind, const char *file, int64_t at,
                  const char *what);
    void *context;
};

/* The caller sets kinds, found and context; the rest is zero. An error is one of reading the
 * directory; damage is none. */
MUST_USE enum error kv_salvage_run(struct kv_salvage *s, struct io *io, const char *directory);

enum { KV_DIGEST_SIZE = 12 };
/* Equal values have equal digests. */
struct bytes kv_salvage_digest(struct bytes value, uint8_t out[KV_DIGEST_SIZE]);

#endif
