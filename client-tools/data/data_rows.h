/* The two copies of the rows of a stopped data directory: LevelDB in kv/ and the row file in rows/.
 *
 * Compares them as a start does (storage/row_store.h), without LevelDB, and changes nothing. */
#ifndef CLIENT_TOOLS_DATA_DATA_ROWS_H
#define CLIENT_TOOLS_DATA_DATA_ROWS_H

#include "base/arena.h"
#include "client-tools/data/data_finding.h"
#include "storage/row_file.h"
#include "storage/store_rows.h"

/* The state of the two copies of the rows. */
enum data_copies {
    COPIES_SOUND,        /* both have the same rows */
    COPIES_ONLY_KV,      /* the data format has no row files */
    COPIES_KV_DAMAGED,   /* kv is damaged, old or missing: a start writes it from the row file */
    COPIES_FILE_DAMAGED, /* the row file is: a start writes it from kv */
    COPIES_LOST,         /* neither proves itself sound: a broker does not start */
};

struct data_rows {
    /* The first letters of the rows to keep; NULL: all. */
    const char *kinds;
    bool is_alone; /* the data format has no row files */
    /* The result of data_rows_read. The rows are those that a start would use. If no copy is sound,
     * they are all that can still be read. */
    struct row_changes rows;
    enum data_copies copies;
    bool kv_may_go; /* the row file is whole to its end */
    int64_t kv_blocks, row_writes;
};

/* Tells each fault. An error is one of the disk; damage is none. */
MUST_USE enum error data_rows_read(struct data_rows *rows, struct env *env, const char *directory,
                                   struct arena *arena, const struct data_findings *findings);

/* Calls `each` for every record of a row file that is whole, also behind damage, and for the bytes
 * between them (record NULL). */
MUST_USE enum error data_rows_walk(struct io *io, const char *path,
                                   void (*each)(void *context, int64_t position, size_t size,
                                                const struct row_record *record),
                                   void *context);

#endif
