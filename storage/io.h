/* Files and directories for the storage folder.
 *
 * io_posix.c uses the kernel's files. tests/simulation has a simulated disk that tears and loses
 * writes, is full, and fails. Calls block. They are made on disk workers and at start-up; any other
 * caller says why. Errors: ERR_NO_SPACE, ERR_NO_FILES (no descriptor is left: nothing was done, and
 * a later attempt may succeed), ERR_NOT_FOUND, ERR_EXISTS, ERR_IO (any other refusal; the
 * implementation has logged it), ERR_UNSUPPORTED (no direct I/O on this file system). */
#ifndef STORAGE_IO_H
#define STORAGE_IO_H

#include "base/error.h"

#include <stdatomic.h>
#include <sys/uio.h>

enum io_flags {
    IO_READ = 1,
    IO_WRITE = 2,
    IO_CREATE = 4, /* create when absent; the directory must be synced to make the name durable */
    IO_DIRECT = 8, /* O_DIRECT|O_DSYNC: aligned writes that are durable when the call returns */
    IO_UNCACHED = 16, /* O_DIRECT: aligned writes past the page cache, durable after a sync */
};

enum { IO_ALIGNMENT = 4096 }; /* of address, position and size with IO_DIRECT and IO_UNCACHED */

struct trace;
struct io_file; /* opaque; the implementation defines it */
struct io;

struct io_ops {
    enum error (*open)(struct io *io, const char *path, int flags, struct io_file **out);
    void (*close)(struct io *io, struct io_file *file);
    /* Reads `size` bytes, or fewer at the end of the file; *got is their number. A file of
     * open_again: ERR_UNSUPPORTED if the file system refuses direct I/O only now. */
    enum error (*read)(struct io *io, struct io_file *file, void *data, size_t size,
                       int64_t position, size_t *got);
    /* Writes everything or fails; after an error any part may have been written. */
    enum error (*write)(struct io *io, struct io_file *file, const struct iovec *parts, int count,
                        int64_t position);
    /* fdatasync. Not to be called but by io_sync. */
    enum error (*sync)(struct io *io, struct io_file *file);
    enum error (*truncate)(struct io *io, struct io_file *file, int64_t size);
    enum error (*size)(struct io *io, struct io_file *file, int64_t *out);
    /* Reserves blocks, so that later writes below `size` cannot meet a full disk. A shorter file
     * grows to `size` with zeros. */
    enum error (*reserve)(struct io *io, struct io_file *file, int64_t size);
    enum error (*rename)(struct io *io, const char *from, const char *to);
    enum error (*unlink)(struct io *io, const char *path);           /* a directory: ERR_INVALID */
    enum error (*make_directory)(struct io *io, const char *path);   /* ERR_OK when it exists */
    enum error (*remove_directory)(struct io *io, const char *path); /* must be empty */
    enum error (*sync_directory)(struct io *io, const char *path);   /* see io_sync_directory */
    /* Makes everything of the file system that holds `path` durable (syncfs); see io_sync_all. */
    enum error (*sync_all)(struct io *io, const char *path);
    /* Calls `each` for every name but . and .. */
    enum error (*list)(struct io *io, const char *path,
                       void (*each)(void *context, const char *name), void *context);
    /* Takes an exclusive lock that ends with the process. ERR_BUSY: another process holds it. */
    enum error (*lock)(struct io *io, const char *path);
    /* ERR_MOVED: the directory at `path` is none that holds a lock. It was moved, replaced or
     * removed. Open files are still those of the old one. ERR_OK when nothing is locked. */
    enum error (*check_place)(struct io *io, const char *path);
    enum error (*free_bytes)(struct io *io, const char *path, int64_t *out);
    /* Whether the open file still has the path that it was opened with. */
    bool (*has_name)(struct io *io, struct io_file *file);
    enum error (*total_bytes)(struct io *io, const char *path, int64_t *out); /* of its disk */
    /* Opens the same file again, also if it has another name now or none, for aligned reads past
     * the page cache. ERR_UNSUPPORTED, ERR_NOT_FOUND: the system has no way to do so. */
    enum error (*open_again)(struct io *io, struct io_file *file, struct io_file **out);
    /* Whether the page cache has at least half of a range, which begins aligned. */
    bool (*is_cached)(struct io *io, struct io_file *file, int64_t position, size_t size);
    /* The kernel's descriptor for sendfile, or -1 (the data must then be read). */
    int (*descriptor)(struct io *io, struct io_file *file);
};

struct io {
    const struct io_ops *ops;
    atomic_bool sync_failed; /* any sync of this process */
};

/* The kernel's files. May be used from any thread. */
struct io *io_posix(void);
/* Refusals are logged there with path and reason. Call it before threads start. Without it nothing
 * is logged. */
void io_posix_set_trace(struct trace *trace);

/* Whether nothing was done and a later attempt may succeed. */
static inline bool io_error_passes(enum error error)
{
    return error == ERR_NO_SPACE || error == ERR_NO_FILES;
}

static inline bool io_sync_failed(struct io *io)
{
    return atomic_load(&io->sync_failed);
}

/* One buffer; see io_ops.write. */
MUST_USE enum error io_write(struct io *io, struct io_file *file, const void *data, size_t size,
                             int64_t position);
/* Appends a whole small file to a buffer. ERR_TOO_LARGE: more than the buffer's maximum. */
MUST_USE enum error io_read_file(struct io *io, const char *path, struct buffer *out);
/* Sync a file, a directory, or the file system that holds `path`. A failed sync is final: it and
 * all later ones, of any shard, give ERR_IO. Without an attempt nothing has failed: ERR_NO_FILES,
 * ERR_NOT_FOUND. */
MUST_USE enum error io_sync(struct io *io, struct io_file *file);
MUST_USE enum error io_sync_directory(struct io *io, const char *path);
MUST_USE enum error io_sync_all(struct io *io, const char *path);
/* Writes a new file (path with .new), syncs it, renames it over `path` and syncs the directory. */
MUST_USE enum error io_replace_file(struct io *io, const char *path, struct bytes content);
/* Makes a directory and the missing ones above it. Their names are durable on return. */
MUST_USE enum error io_make_path(struct io *io, const char *path);
/* The same without syncing, and at most `levels` of them; *made is their number. Their names are
 * durable after io_sync_parents(io, path, made) or sync_all. ERR_NOT_FOUND: more are missing. */
MUST_USE enum error io_make_directories(struct io *io, const char *path, int levels, int *made);
/* Syncs the `levels` directories above a path. */
MUST_USE enum error io_sync_parents(struct io *io, const char *path, int levels);
/* Removes a directory and everything in it; ERR_OK when there is none. */
MUST_USE enum error io_remove_tree(struct io *io, const char *path);

/* "<directory>/<name>"; the caller frees it. */
char *io_path(const char *directory, const char *name);

#endif
