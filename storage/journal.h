/* The files of a shard's journal: <data>/shard-<n>/journal-<sequence>.log, a ring.
 *
 *   full (oldest first) -> current -> spares          recycle: full -> rename -> spare
 *
 * Each file has journal_file_bytes and is recycled: the fastest durable write is a direct write to
 * blocks that were written before. The blocks of a new file are reserved, not zeroed. A spare is
 * prepared before the current file is full, so that a full disk does not stop the journal at once.
 * A file's name and size are durable before its first unit is written. Until it has its size, it is
 * named .new.
 *
 * The struct belongs to the shard. Functions that block say so. They touch only the journal_file,
 * and the fields of `journal` that never change (env, directory, file_bytes). */
#ifndef STORAGE_JOURNAL_H
#define STORAGE_JOURNAL_H

#include "base/env.h"
#include "storage/journal_format.h"

struct journal_file {
    struct list_node node;
    uint64_t sequence, old_sequence; /* old_sequence: before it is renamed */
    lsn_t end;                       /* of its last unit; set when the file is full */
    struct io_file *file;
    bool direct; /* a write is durable when it returns; else each write is synced */
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

/* Blocks. Makes the directory if needed and takes over the files of an earlier run, whose content
 * is dead. Afterwards one file is ready. */
MUST_USE enum error journal_open(struct journal *j, struct env *env, const char *directory,
                                 int64_t file_bytes, size_t spares_max, struct message *message);
void journal_close(struct journal *j);

/* The place of the next unit, of `size` padded bytes. Moves to the next file if the unit does not
 * fit in the current one. False: there is no spare, prepare one. */
struct journal_place {
    struct journal_file *file;
    int64_t position;
    lsn_t lsn;
};
bool journal_place(struct journal *j, size_t size, struct journal_place *out);
/* The sequence of the file that will follow the current one, or 0. */
uint64_t journal_next(const struct journal *j);
/* Blocks: makes a unit durable. Every part consists of whole, aligned blocks. */
MUST_USE enum error journal_write(const struct journal *j, struct journal_file *file,
                                  const struct iovec *parts, int count, int64_t position);

/* A new file, not on disk yet. Call journal_prepare (blocks) next, then journal_add_spare if it
 * succeeded, else journal_file_free. With `in_time` no unit waits for the file: it is filled with
 * zeros, so that the later writes are faster. */
struct journal_file *journal_file_create(struct journal *j);
MUST_USE enum error journal_prepare(const struct journal *j, struct journal_file *file,
                                    bool in_time);
void journal_add_spare(struct journal *j, struct journal_file *file);
void journal_file_free(const struct journal *j, struct journal_file *file);

/* journal_take_dead moves the files that a checkpoint up to `lsn` makes dead to `out` and chooses
 * their next names. journal_recycle (blocks) renames them, and removes those beyond spares_max.
 * journal_recycled then takes them back as spares. If the checkpoint failed, journal_keep undoes
 * journal_take_dead. */
void journal_take_dead(struct journal *j, lsn_t lsn, struct list *out);
MUST_USE enum error journal_recycle(const struct journal *j, struct list *files);
void journal_recycled(struct journal *j, struct list *files);
void journal_keep(struct journal *j, struct list *files);

/* "journal-00000000000000000007.log"; false for other names. */
bool journal_parse_name(const char *name, uint64_t *sequence);
/* Whether it is the name of a file that was still being prepared. */
#define JOURNAL_NEW ".new"
bool journal_name_is_unfinished(const char *name);
/* The path of a file; the caller frees it. */
char *journal_path(const char *directory, uint64_t sequence);
/* <data>/shard-<n>; the caller frees it. */
char *journal_directory(const char *data_directory, int shard);

#endif
