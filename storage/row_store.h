/* Keeps two copies of all rows, so that damage to one of them loses nothing.
 *
 * The driver stands before another one, such as LevelDB. It writes each change first to a row file
 * (row_file.h) in the directory `rows` beside the store, and then to the store, with a row that
 * names this commit. An open compares the copies. A copy that is damaged, missing or older is
 * written again from the other one, if that one proves itself sound. If neither does, the open
 * changes no row, and its message names both files.
 *
 * A write that fails with ERR_NO_SPACE may be durable. Later writes continue behind it. */
#ifndef STORAGE_ROW_STORE_H
#define STORAGE_ROW_STORE_H

#include "base/env.h"
#include "protocol/reader.h"
#include "storage/kv.h"

/* The row of the store that names its last commit. */
struct commit_row {
    bool found;
    uint64_t commit;
    uint32_t mark; /* the checksum of its record in the row file */
    struct uuid identity;
};

struct row_store_driver {
    struct kv_driver driver;
    struct kv_driver *inner;
    struct env *env;
    /* A new row file begins when the writes in the present one are larger than this and than its
     * snapshot. */
    int64_t generation_bytes;
};

/* `env` outlives the driver; its kv may be set to the driver. */
void row_store_init(struct row_store_driver *d, struct env *env, struct kv_driver *inner);
/* ERR_CORRUPT: the value of the row is malformed, or of a newer version. */
MUST_USE enum error row_store_decode_commit(struct bytes value, struct commit_row *out);

#endif
