#include "storage/segment_file.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_DIGITS = 20 };

static const char *const suffixes[SEGMENT_PARTS] = {
    [SEGMENT_LOG] = ".log",
    [SEGMENT_INDEX] = ".index",
    [SEGMENT_TIME_INDEX] = ".timeindex",
};

static char *path_of(const char *directory, int64_t base_offset, enum segment_part part,
                     const char *behind)
{
    size_t size = strlen(directory) + 1 + NAME_DIGITS + sizeof ".timeindex" + strlen(behind);
    char *path = xmalloc(size);
    snprintf(path, size, "%s/%0*lld%s%s", directory, NAME_DIGITS, (long long)base_offset,
             suffixes[part], behind);
    return path;
}

char *segment_path(const char *directory, int64_t base_offset, enum segment_part part)
{
    return path_of(directory, base_offset, part, "");
}

char *segment_swap_path(const char *directory, int64_t base_offset, enum segment_part part)
{
    return path_of(directory, base_offset, part, ".swap");
}

bool segment_name_parse(const char *name, int64_t *base_offset, enum segment_part *part)
{
    int64_t value = 0;
    for (int i = 0; i < NAME_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, name[i] - '0', &value))
            return false;
    }
    for (int i = 0; i < SEGMENT_PARTS; i++) {
        if (strcmp(name + NAME_DIGITS, suffixes[i]) == 0) {
            *base_offset = value;
            *part = (enum segment_part)i;
            return true;
        }
    }
    return false;
}

enum error segment_unlink(struct io *io, const char *directory, int64_t base_offset)
{
    enum error result = ERR_OK;
    for (int part = SEGMENT_PARTS; part-- > 0;) {
        char *path = segment_path(directory, base_offset, (enum segment_part)part);
        enum error error = io->ops->unlink(io, path);
        free(path);
        if (error != ERR_OK && error != ERR_NOT_FOUND)
            result = error;
    }
    return result;
}

enum error segment_file_open(struct io *io, const char *directory, int64_t base_offset, int flags,
                             struct segment_file **out)
{
    char *path = segment_path(directory, base_offset, SEGMENT_LOG);
    struct io_file *file;
    enum error error = io->ops->open(io, path, flags, &file);
    free(path);
    if (error != ERR_OK)
        return error;
    struct segment_file *f = xmalloc(sizeof *f);
    *f = (struct segment_file){.writable = (flags & IO_WRITE) != 0, .io = io, .file = file};
    atomic_init(&f->references, 1);
    *out = f;
    return ERR_OK;
}

enum error segment_file_open_swap(struct io *io, const char *directory, int64_t base_offset,
                                  struct segment_file **out)
{
    struct io_file *files[SEGMENT_PARTS] = {NULL};
    enum error error = ERR_OK;
    for (int part = 0; part < SEGMENT_PARTS && error == ERR_OK; part++) {
        char *path = segment_swap_path(directory, base_offset, (enum segment_part)part);
        error = io->ops->open(io, path, IO_READ, &files[part]);
        if (error != ERR_OK)
            files[part] = NULL;
        free(path);
    }
    struct segment_file *f = xcalloc(1, sizeof *f);
    *f = (struct segment_file){.io = io, .file = files[SEGMENT_LOG]};
    for (int part = SEGMENT_INDEX; part < SEGMENT_PARTS; part++)
        f->indexes[part] = files[part];
    atomic_init(&f->references, 1);
    if (error == ERR_OK)
        *out = f;
    else
        segment_file_unref(f);
    return error;
}

struct segment_file *segment_file_ref(struct segment_file *f)
{
    atomic_fetch_add_explicit(&f->references, 1, memory_order_relaxed);
    return f;
}

void segment_file_unref(struct segment_file *f)
{
    if (f == NULL)
        return;
    int before = atomic_fetch_sub_explicit(&f->references, 1, memory_order_acq_rel);
    ASSERT(before >= 1);
    if (before > 1)
        return;
    if (f->file)
        f->io->ops->close(f->io, f->file);
    for (int part = 0; part < SEGMENT_PARTS; part++) {
        if (f->indexes[part])
            f->io->ops->close(f->io, f->indexes[part]);
    }
    free(f);
}

int segment_file_descriptor(struct io *io, struct segment_file *file)
{
    return io->ops->descriptor(io, file->file);
}

enum error segment_file_read(struct io *io, struct segment_file *file, void *data, size_t size,
                             int64_t position)
{
    size_t got;
    enum error error = io->ops->read(io, file->file, data, size, position, &got);
    if (error != ERR_OK)
        return error;
    return got == size ? ERR_OK : ERR_CORRUPT;
}
