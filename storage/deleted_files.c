#include "storage/deleted_files.h"

#include "storage/segment_file.h"

#include <stdio.h>
#include <stdlib.h>

static const char SUFFIX[] = ".deleted";

char *deleted_directory(const char *directory)
{
    size_t size = strlen(directory) + sizeof SUFFIX;
    char *path = xmalloc(size);
    snprintf(path, size, "%s%s", directory, SUFFIX);
    return path;
}

static enum error rename_part(struct io *io, const char *path)
{
    char *to = deleted_directory(path);
    enum error error = io->ops->rename(io, path, to);
    free(to);
    return error;
}

static enum error unlink_part(struct io *io, const char *path)
{
    char *renamed = deleted_directory(path);
    enum error error = io->ops->unlink(io, renamed);
    free(renamed);
    return error;
}

/* Does the same with all files of a segment, the .log last. */
static enum error each_part(struct io *io, const char *directory, int64_t base_offset,
                            enum error (*act)(struct io *io, const char *path))
{
    enum error result = ERR_OK;
    for (int part = SEGMENT_PARTS; part-- > 0;) {
        char *path = segment_path(directory, base_offset, (enum segment_part)part);
        enum error error = act(io, path);
        free(path);
        if (error != ERR_OK && error != ERR_NOT_FOUND)
            result = error;
    }
    return result;
}

enum error deleted_files_rename(struct io *io, const char *directory, int64_t base_offset)
{
    return each_part(io, directory, base_offset, rename_part);
}

enum error deleted_files_unlink(struct io *io, const char *directory, int64_t base_offset)
{
    return each_part(io, directory, base_offset, unlink_part);
}

struct renamed {
    int64_t *bases;
    size_t count, capacity;
};

/* Whether the name is that of a renamed file. */
static bool parse(const char *name, int64_t *base_offset)
{
    char own[64];
    size_t size = strlen(name), suffix = sizeof SUFFIX - 1;
    enum segment_part part;
    if (size <= suffix || size >= sizeof own || strcmp(name + size - suffix, SUFFIX) != 0)
        return false;
    memcpy(own, name, size - suffix);
    own[size - suffix] = '\0';
    return segment_name_parse(own, base_offset, &part);
}

static void note(void *context, const char *name)
{
    struct renamed *r = context;
    int64_t base_offset;
    if (!parse(name, &base_offset))
        return;
    if (r->count == r->capacity) {
        r->capacity = MAX(r->capacity * 2, (size_t)16);
        r->bases = xrealloc(r->bases, r->capacity * sizeof r->bases[0]);
    }
    r->bases[r->count++] = base_offset;
}

enum error deleted_files_unlink_all(struct io *io, const char *directory)
{
    struct renamed r = {0};
    enum error result = io->ops->list(io, directory, note, &r);
    for (size_t i = 0; i < r.count; i++) {
        enum error error = deleted_files_unlink(io, directory, r.bases[i]);
        if (error != ERR_OK)
            result = error;
    }
    free(r.bases);
    return result == ERR_NOT_FOUND ? ERR_OK : result;
}
