#include "storage/index_file.h"

#include <stdlib.h>

/* A range of this size is read at once instead of being halved. */
enum { BISECTION_ENDS = 128 };

/* *file is NULL if there is none. */
static enum error open_by_name(const struct segment_view *view, enum segment_part part,
                               struct io_file **file)
{
    struct io *io = view->file->io;
    char *path = segment_path(view->directory, view->base_offset, part);
    enum error error = io->ops->open(io, path, IO_READ, file);
    free(path);
    if (error != ERR_OK)
        *file = NULL;
    return error == ERR_NOT_FOUND ? ERR_OK : error;
}

enum error index_file_open(const struct segment_view *view, enum segment_part part,
                           size_t entry_size, struct index_file *out)
{
    *out = (struct index_file){.io = view->file->io,
                               .entry_size = entry_size,
                               .file = view->file->indexes[part],
                               .borrowed = view->file->indexes[part] != NULL};
    enum error error = out->borrowed ? ERR_OK : open_by_name(view, part, &out->file);
    if (error != ERR_OK || out->file == NULL)
        return error;
    int64_t size;
    error = out->io->ops->size(out->io, out->file, &size);
    if (error != ERR_OK)
        index_file_close(out);
    else
        out->count = size / (int64_t)entry_size;
    return error;
}

void index_file_close(struct index_file *index)
{
    if (index->file && !index->borrowed)
        index->io->ops->close(index->io, index->file);
    index->file = NULL;
    index->count = 0;
}

static enum error read_entries(struct index_file *index, int64_t at, int64_t count, uint8_t *out)
{
    size_t size = (size_t)count * index->entry_size, got;
    enum error error = index->io->ops->read(index->io, index->file, out, size,
                                            at * (int64_t)index->entry_size, &got);
    if (error != ERR_OK)
        return error;
    return got == size ? ERR_OK : ERR_CORRUPT;
}

enum error index_file_entry(struct index_file *index, int64_t at, uint8_t *entry)
{
    ASSERT(at >= 0 && at < index->count);
    return read_entries(index, at, 1, entry);
}

enum error index_file_floor(struct index_file *index, int64_t key,
                            int64_t (*key_of)(const uint8_t *entry), uint8_t *entry, int64_t *at)
{
    int64_t low = 0, high = index->count; /* keys below `low` are <= key, from `high` on > key */
    uint8_t block[BISECTION_ENDS * INDEX_ENTRY_MAX];
    *at = -1;
    while (high - low > BISECTION_ENDS) {
        int64_t middle = low + (high - low) / 2;
        enum error error = read_entries(index, middle, 1, block);
        if (error != ERR_OK)
            return error;
        if (key_of(block) <= key) {
            memcpy(entry, block, index->entry_size);
            *at = middle;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    enum error error = high > low ? read_entries(index, low, high - low, block) : ERR_OK;
    for (int64_t i = 0; error == ERR_OK && i < high - low; i++) {
        const uint8_t *candidate = block + (size_t)i * index->entry_size;
        if (key_of(candidate) > key)
            break;
        memcpy(entry, candidate, index->entry_size);
        *at = low + i;
    }
    return error;
}
