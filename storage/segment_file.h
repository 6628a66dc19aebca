/* A segment's files: their names, open files, and the view that readers have of a segment. Format:
 * docs/on-disk-format.md. */
#ifndef STORAGE_SEGMENT_FILE_H
#define STORAGE_SEGMENT_FILE_H

#include "base/list.h"
#include "storage/io.h"

#include <stdatomic.h>

enum segment_part { SEGMENT_LOG, SEGMENT_INDEX, SEGMENT_TIME_INDEX, SEGMENT_PARTS };

/* "<directory>/00000000000000000042.log"; the caller frees it. */
char *segment_path(const char *directory, int64_t base_offset, enum segment_part part);
/* The same with .swap at the end: the file is not part of a segment yet (log_replace.h). */
char *segment_swap_path(const char *directory, int64_t base_offset, enum segment_part part);
/* Whether a name in a log's directory is that of a segment's file. */
bool segment_name_parse(const char *name, int64_t *base_offset, enum segment_part *part);

/* Removes the files of a segment, the .log last: by the .log a later opening finds the segment.
 * Missing files are fine. */
MUST_USE enum error segment_unlink(struct io *io, const char *directory, int64_t base_offset);

/* The open .log file. Reference counted (atomic): jobs, slices and the cache of open files hold
 * references, and the last one closes it. It stays readable after it was unlinked. */
struct segment_file {
    atomic_int references;
    atomic_int memos;        /* and one more while it is open; the last one frees the memory */
    struct list_node cached; /* in the cache, which holds a reference; under the cache's mutex */
    bool writable;
    struct io *io;
    struct io_file *file;
    /* Only of a segment that was opened before its files had their names. Otherwise NULL: a search
     * opens the index by name. */
    struct io_file *indexes[SEGMENT_PARTS];
};
MUST_USE enum error segment_file_open(struct io *io, const char *directory, int64_t base_offset,
                                      int flags, struct segment_file **out);
/* Opens the three files of segment_swap_path for reading. ERR_NOT_FOUND: one is missing. */
MUST_USE enum error segment_file_open_swap(struct io *io, const char *directory,
                                           int64_t base_offset, struct segment_file **out);
struct segment_file *segment_file_ref(struct segment_file *f);
void segment_file_unref(struct segment_file *f); /* NULL is fine */

/* The cache of open files is one for the whole process, as the limit of descriptors is. A memo
 * names a file without a reference. The cache keeps the file open until others need its descriptor:
 * then the file that was used longest ago is closed. A file in use stays open, and is closed as
 * soon as it is free. All threads may use the cache; a memo has one owner. */
struct segment_file_memo {
    struct segment_file *file; /* or NULL */
};
/* Puts a file that the caller has a reference to into the cache and the memo. */
void segment_file_remember(struct segment_file_memo *memo, struct segment_file *f);
void segment_file_copy_memo(struct segment_file_memo *to, const struct segment_file_memo *from);
/* A reference. NULL: the memo is empty, or the file was closed. */
MUST_USE struct segment_file *segment_file_recall(const struct segment_file_memo *memo);
/* The last memo of a file takes it out of the cache. */
void segment_file_forget(struct segment_file_memo *memo);
/* The number of descriptors that segments may hold. When that many are in use, opening a file for
 * reading gives ERR_NO_FILES. Files for writing are opened all the same: a flush needs few at a
 * time. Call it before threads start. */
void segment_file_set_limit(int descriptors);
struct segment_file_counts {
    int open, limit; /* descriptors */
    int cached;      /* files */
};
struct segment_file_counts segment_file_count(void);

/* Reads exactly `size` bytes. ERR_CORRUPT: there are fewer. */
MUST_USE enum error segment_file_read(struct io *io, struct segment_file *file, void *data,
                                      size_t size, int64_t position);
/* For sendfile; -1 when the file has no descriptor. */
int segment_file_descriptor(struct io *io, struct segment_file *file);

/* A segment as readers see it: its file and its bounds. */
struct segment_view {
    const char *directory;
    int64_t base_offset, next_offset; /* offsets [base, next) */
    int64_t size;                     /* bytes in the file that belong to it */
    struct segment_file *file;
    bool sparse; /* a cleaner may have left holes */
};

#endif
