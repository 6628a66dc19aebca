/* The files of a shard's journal: <data>/shard-<n>/journal-<sequence>.log, a ring.
 *
 *   full (oldest first) -> current -> spares          recycle: full -> rename -> spare
 *
 * Files have journal_file_bytes and are used again and again: overwriting blocks that were written
 * before with direct I/O is the fastest durable write there is. A new file's blocks are reserved,
 * not zeroed. A spare is ready before the current file is full, so that a full disk does not stop
 * the journal at once. A file gets its name, and the name is durable, before its first unit.
 *
 * The struct belongs to the shard. Functions that block say so; they touch the journal_file only,
 * and `journal` only for what never changes (env, directory, file_bytes). */
#ifndef STORAGE_JOURNAL_H
#define STORAGE_JOURNAL_H

#include "base/env.h"
#include "storage/journal_format.h"

struct journal_file {
    struct list_node node;
    uint64_t sequence, old_sequence; /* old_sequence: before it is renamed */
    lsn_t end;                       /* behind its last unit; once it is full */
    struct io_file *file;
    bool direct; /* durable when a write returns; else each write is synced */
};

struct journal {
    struct env *env;
    char *directory;
    int64_t file_bytes;
    size_t spares_max;
    uint64_t next_sequence;
    bool direct; /* whether new files are tried with direct I/O */
    struct journal_file *current;
    int64_t position; /* in the current file, of the next unit */
    lsn_t lsn;        /* of the next unit */
    struct list full, spares;
    size_t spare_count;
};

/* Blocks. Makes the directory if needed and takes over what files an earlier run left in it (their
 * content is dead). One file is ready afterwards. */
MUST_USE enum error journal_open(struct journal *j, struct env *env, const char *directory,
                                 int64_t file_bytes, size_t spares_max, struct message *message);
void journal_close(struct journal *j);

/* Where a unit of `size` padded bytes goes. Moves to the next file when the current one is too
 * full; false when there is no spare (then prepare one). */
struct journal_place {
    struct journal_file *file;
    int64_t position;
    lsn_t lsn;
};
bool journal_place(struct journal *j, size_t size, struct journal_place *out);
/* The sequence of the file that will follow the current one, or 0. */
uint64_t journal_next(const struct journal *j);
/* Blocks: makes a unit durable. Every part is of whole, aligned blocks. */
MUST_USE enum error journal_write(const struct journal *j, struct journal_file *file,
                                  const struct iovec *parts, int count, int64_t position);

/* A new file, not on disk yet; then journal_prepare (blocks) and, when that went well,
 * journal_add_spare; else journal_file_free. */
struct journal_file *journal_file_create(struct journal *j);
MUST_USE enum error journal_prepare(const struct journal *j, struct journal_file *file);
void journal_add_spare(struct journal *j, struct journal_file *file);
void journal_file_free(const struct journal *j, struct journal_file *file);

/* Files that a checkpoint up to `lsn` will make dead are moved to `out` and get their next name.
 * journal_recycle (blocks) renames them; those beyond spares_max are removed instead. Afterwards
 * journal_recycled takes them back as spares; if the checkpoint failed, journal_keep undoes it. */
void journal_take_dead(struct journal *j, lsn_t lsn, struct list *out);
MUST_USE enum error journal_recycle(const struct journal *j, struct list *files);
void journal_recycled(struct journal *j, struct list *files);
void journal_keep(struct journal *j, struct list *files);

/* "journal-00000000000000000007.log"; false for other names. */
bool journal_parse_name(const char *name, uint64_t *sequence);
/* The path of a file; the caller frees it. */
char *journal_path(const char *directory, uint64_t sequence);
/* <data>/shard-<n>; the caller frees it. */
char *journal_directory(const char *data_directory, int shard);

#endif
