/* Shared by the files of the row store: row_store.c (the driver and its lock), row_store_write.c,
 * row_store_open.c (which copy is sound), row_store_repair.c (from the row file to the store). */
#ifndef STORAGE_ROW_STORE_INTERNAL_H
#define STORAGE_ROW_STORE_INTERNAL_H

#include "storage/row_file.h"
#include "storage/row_store.h"
#include "storage/store_rows.h"

enum { COMMIT_ROW_SIZE = 29 };

struct row_store {
    struct kv kv;
    struct row_store_driver *driver;
    struct env *env;
    struct kv *inner;
    char *kv_path, *directory; /* <data>/kv, <data>/rows */
    struct io_file *file;      /* the row file */
    char *path;
    struct row_file at;
    bool torn;               /* the file may end with an incomplete record */
    bool failed;             /* a sync failed: nothing can be proved any more */
    uint64_t inner_commit;   /* of the store; below at.commit after a write that failed */
    int64_t inner_size;      /* the row file's size at that commit */
    int64_t next_generation; /* its size at which a new generation is tried */
    bool damage_reported;
};

extern const struct bytes row_store_commit_key;

/* row_store_write.c */
MUST_USE enum error row_store_write(struct row_store *s, const struct kv_change *changes,
                                    size_t count);
/* Writes changes to the store together with its commit row. */
MUST_USE enum error row_store_write_inner(struct row_store *s, const struct kv_change *changes,
                                          size_t count, uint64_t commit, uint32_t mark);
/* Writes the commits of the row file that the store does not have to the store. */
MUST_USE enum error row_store_catch_up(struct row_store *s);
/* Writes all rows of the store to a new row file and makes it the present one. s->at has the
 * identity, the number of the file before, and the commit. */
MUST_USE enum error row_store_begin_generation(struct row_store *s);
/* The next generation begins when the writes behind `from` exceed the limit. */
void row_store_plan_generation(struct row_store *s, int64_t from);
/* Removes an incomplete end of the row file. */
MUST_USE enum error row_store_cut(struct row_store *s);

/* row_store_open.c */
MUST_USE enum error row_store_open(struct row_store *s, enum kv_open how, struct message *message);
MUST_USE enum error row_store_read_commit(struct row_store *s, struct commit_row *out);

/* row_store_repair.c. The row file is sound, and s->inner is open. `changes` are those of the file
 * behind its snapshot. */
MUST_USE enum error row_store_repair(struct row_store *s, const struct commit_row *commit,
                                     const struct row_changes *changes, const char *note,
                                     struct message *message);
/* Sets the store aside and writes a new one. s->inner may be NULL. */
MUST_USE enum error row_store_rebuild(struct row_store *s, const struct row_changes *changes,
                                      const char *reason, struct message *message);

#endif
