#include "storage/io.h"

#include <stdio.h>
#include <stdlib.h>

enum { READ_CHUNK = 64 << 10, PATH_DEPTH_MAX = 16 };

enum error io_write(struct io *io, struct io_file *file, const void *data, size_t size,
                    int64_t position)
{
    struct iovec part = {(void *)(uintptr_t)data, size};
    return io->ops->write(io, file, &part, 1, position);
}

/* The kernel reports a failed writeback once, to one caller, and takes the lost pages for clean. So
 * a later sync, perhaps of another shard, would succeed and prove nothing. */
static enum error judge_sync(struct io *io, enum error error)
{
    if (error == ERR_NO_FILES || error == ERR_NOT_FOUND)
        return error; /* there was no sync */
    if (error != ERR_OK)
        atomic_store(&io->sync_failed, true);
    return io_sync_failed(io) ? ERR_IO : ERR_OK;
}

enum error io_sync(struct io *io, struct io_file *file)
{
    bool failed = io_sync_failed(io);
    return failed ? ERR_IO : judge_sync(io, io->ops->sync(io, file));
}

enum error io_sync_directory(struct io *io, const char *path)
{
    bool failed = io_sync_failed(io);
    return failed ? ERR_IO : judge_sync(io, io->ops->sync_directory(io, path));
}

enum error io_sync_all(struct io *io, const char *path)
{
    bool failed = io_sync_failed(io);
    return failed ? ERR_IO : judge_sync(io, io->ops->sync_all(io, path));
}

static enum error read_to_end(struct io *io, struct io_file *file, struct buffer *out)
{
    for (int64_t position = 0;;) {
        uint8_t *at = buffer_reserve(out, MIN((size_t)READ_CHUNK, out->max - out->size));
        size_t room = MIN((size_t)READ_CHUNK, out->max - out->size), got = 0;
        if (at == NULL)
            return ERR_TOO_LARGE;
        if (room == 0) {
            uint8_t more;
            enum error error = io->ops->read(io, file, &more, 1, position, &got);
            return error != ERR_OK ? error : got == 0 ? ERR_OK : ERR_TOO_LARGE;
        }
        enum error error = io->ops->read(io, file, at, room, position, &got);
        if (error != ERR_OK)
            return error;
        out->size += got;
        position += (int64_t)got;
        if (got < room)
            return ERR_OK;
    }
}

enum error io_read_file(struct io *io, const char *path, struct buffer *out)
{
    struct io_file *file;
    enum error error = io->ops->open(io, path, IO_READ, &file);
    if (error != ERR_OK)
        return error;
    error = read_to_end(io, file, out);
    io->ops->close(io, file);
    return error;
}

/* The path up to its last slash; "." when there is none. The caller frees it. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return xstrdup(".");
    return xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static char *join(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = xmalloc(size);
    snprintf(path, size, "%s/%s", directory, name);
    return path;
}

static enum error write_new_file(struct io *io, const char *path, struct bytes content)
{
    struct io_file *file;
    enum error error = io->ops->open(io, path, IO_READ | IO_WRITE | IO_CREATE, &file);
    if (error != ERR_OK)
        return error;
    error = io->ops->truncate(io, file, 0);
    if (error == ERR_OK)
        error = io_write(io, file, content.data, content.size, 0);
    if (error == ERR_OK)
        error = io_sync(io, file);
    io->ops->close(io, file);
    return error;
}

enum error io_replace_file(struct io *io, const char *path, struct bytes content)
{
    size_t size = strlen(path) + sizeof ".new";
    char *fresh = xmalloc(size);
    snprintf(fresh, size, "%s.new", path);
    char *parent = parent_of(path);
    enum error error = write_new_file(io, fresh, content);
    if (error == ERR_OK)
        error = io->ops->rename(io, fresh, path);
    if (error == ERR_OK)
        error = io_sync_directory(io, parent);
    free(parent);
    free(fresh);
    return error;
}

static enum error make_directories(struct io *io, const char *path, int levels, int *made)
{
    enum error error = io->ops->make_directory(io, path);
    if (error == ERR_OK)
        ++*made;
    if (error != ERR_NOT_FOUND || levels <= 1 || strrchr(path, '/') == NULL)
        return error;
    char *parent = parent_of(path);
    error = make_directories(io, parent, levels - 1, made);
    free(parent);
    if (error == ERR_OK)
        error = io->ops->make_directory(io, path);
    if (error == ERR_OK)
        ++*made;
    return error;
}

enum error io_make_directories(struct io *io, const char *path, int levels, int *made)
{
    *made = 0;
    return make_directories(io, path, levels, made);
}

enum error io_sync_parents(struct io *io, const char *path, int levels)
{
    char *at = xstrdup(path);
    enum error error = ERR_OK;
    for (int i = 0; i < levels && error == ERR_OK; i++) {
        char *parent = parent_of(at);
        free(at);
        at = parent;
        error = io_sync_directory(io, at);
    }
    free(at);
    return error;
}

enum error io_make_path(struct io *io, const char *path)
{
    int made;
    enum error error = io_make_directories(io, path, PATH_DEPTH_MAX, &made);
    return error == ERR_OK ? io_sync_parents(io, path, made) : error;
}

struct directory_names {
    char **at;
    size_t count, capacity;
};

static void collect_name(void *context, const char *name)
{
    struct directory_names *names = context;
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? names->capacity * 2 : 16;
        names->at = xrealloc(names->at, names->capacity * sizeof *names->at);
    }
    names->at[names->count++] = xstrdup(name);
}

static enum error remove_tree(struct io *io, const char *path, int depth);

static enum error remove_entry(struct io *io, const char *path, int depth)
{
    enum error error = io->ops->unlink(io, path);
    if (error == ERR_INVALID && depth < PATH_DEPTH_MAX)
        error = remove_tree(io, path, depth + 1);
    return error == ERR_NOT_FOUND ? ERR_OK : error;
}

static enum error remove_tree(struct io *io, const char *path, int depth)
{
    struct directory_names names = {0};
    enum error error = io->ops->list(io, path, collect_name, &names);
    for (size_t i = 0; i < names.count; i++) {
        char *entry = join(path, names.at[i]);
        if (error == ERR_OK)
            error = remove_entry(io, entry, depth);
        free(entry);
        free(names.at[i]);
    }
    free(names.at);
    return error == ERR_OK ? io->ops->remove_directory(io, path) : error;
}

enum error io_remove_tree(struct io *io, const char *path)
{
    enum error error = remove_tree(io, path, 0);
    return error == ERR_NOT_FOUND ? ERR_OK : error;
}

char *io_path(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = xmalloc(size);
    snprintf(path, size, "%s/%s", directory, name);
    return path;
}
