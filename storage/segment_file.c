#include "storage/segment_file.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_DIGITS = 20 };

static const char *const suffixes[SEGMENT_PARTS] = {
    [SEGMENT_LOG] = ".log",
    [SEGMENT_INDEX] = ".index",
    [SEGMENT_TIME_INDEX] = ".timeindex",
};

char *segment_path(const char *directory, int64_t base_offset, enum segment_part part)
{
    size_t size = strlen(directory) + 1 + NAME_DIGITS + sizeof ".timeindex";
    char *path = xmalloc(size);
    snprintf(path, size, "%s/%0*lld%s", directory, NAME_DIGITS, (long long)base_offset,
             suffixes[part]);
    return path;
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
    f->io->ops->close(f->io, f->file);
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
