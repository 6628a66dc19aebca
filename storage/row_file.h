/* A row file: the broker's own copy of all rows beside the key-value store.
 *
 * <data>/rows/rows-<generation, 20 digits>.log has a first record, a snapshot of all rows, and one
 * record for each write after the snapshot (row_record.h). Each write is numbered (its commit) and
 * synced before the next one, so only the last record can be torn. A file gets its name when its
 * snapshot is durable. Damage to anything but the last record is never taken for a torn end. */
#ifndef STORAGE_ROW_FILE_H
#define STORAGE_ROW_FILE_H

#include "storage/io.h"
#include "storage/row_record.h"

enum { ROW_FILE_FORMAT = 1, ROW_FILE_NAME_SIZE = 32 };

/* The content of a file, as far as it was read. */
struct row_file {
    struct uuid identity; /* of the data directory */
    uint64_t generation;
    uint64_t snapshot_commit, commit;
    uint32_t snapshot_mark, mark; /* the checksum of the record of that commit */
    uint32_t chain;               /* the checksum of the last record */
    uint64_t rows;                /* in the snapshot */
    int64_t snapshot_end, size;   /* up to here all records are whole */
    int64_t last_record;          /* where the last whole one begins; set by row_file_check */
};

enum row_file_state {
    ROW_FILE_WHOLE,
    ROW_FILE_TORN, /* the last record is not whole; it is a write, and no later one was found */
    ROW_FILE_DAMAGED,
};

struct row_file_report {
    struct row_file file;
    enum row_file_state state;
    bool knows_identity; /* the first record is whole */
    int64_t bad;         /* the position of the first record that is not whole */
    uint64_t proved;     /* the largest commit of a whole record, also after a bad one */
};

/* "rows-<generation>.log" */
void row_file_name(uint64_t generation, char out[ROW_FILE_NAME_SIZE]);
/* Also of a name with something after it (".new", ".damaged"); *rest is what follows. */
bool row_file_parse_name(const char *name, uint64_t *generation, const char **rest);

/* Reads the whole file. Calls `each` for each whole record of kind ROW_RECORD_CHANGES before a bad
 * one, in order. ERR_UNSUPPORTED: a newer format. Damage is no error, but a state. */
MUST_USE enum error row_file_check(struct io *io, const char *path, uint64_t generation,
                                   enum error (*each)(void *context,
                                                      const struct row_record *record),
                                   void *context, struct row_file_report *out);
/* Writes the last whole record again and syncs it. If its sync failed in an earlier process, it may
 * be in the page cache alone, where another sync finds nothing to do. `out` is the checked file,
 * open for reading and writing. */
MUST_USE enum error row_file_make_durable(struct io *io, struct io_file *out,
                                          const struct row_file *file);
/* Calls `each` for the records from `position` on, up to the size in `file`. The file was checked,
 * so a record that is not whole is ERR_IO. */
MUST_USE enum error
row_file_replay(struct io *io, const char *path, const struct row_file *file, int64_t position,
                enum error (*each)(void *context, const struct row_record *record), void *context);

/* Writes the rows of `kv` except `hidden` as the snapshot of a new generation, syncs it and gives
 * it its name. `file` has identity, generation, commit and mark, and gets the rest. *out is open
 * for appends. ERR_IO: the file may have its name. After any other error it does not. */
MUST_USE enum error row_file_create(struct io *io, const char *directory, struct kv *kv,
                                    struct bytes hidden, struct row_file *file,
                                    struct io_file **out);

/* All rows of a checked file in key order: the snapshot with the changes over it. */
struct row_cursor;
/* `changes` are sorted by key and distinct. They live longer than the cursor. */
MUST_USE enum error row_cursor_open(struct io *io, const char *path, const struct row_file *file,
                                    const struct kv_change *changes, size_t count,
                                    struct row_cursor **out);
/* Sets `out` to the next row. A null key is the end. The views are valid until the next call. */
MUST_USE enum error row_cursor_next(struct row_cursor *cursor, struct kv_change *out);
void row_cursor_close(struct row_cursor *cursor); /* NULL is fine */

#endif
