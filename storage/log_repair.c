/* Puts a log's files in order before it is opened. Blocks. Nobody else uses the files. */
#include "storage/log_internal.h"
#include "storage/offset_index.h"
#include "storage/time_index.h"

#include <stdlib.h>

enum { INDEX_FILE_MAX = 64 << 20 }; /* a larger file is not an index of the broker */

/* The segment files in a directory, sorted by base offset and part. */
struct listed_file {
    int64_t base_offset;
    enum segment_part part;
};
struct segment_listing {
    struct listed_file *at;
    size_t count, capacity;
};

static void note_file(void *context, const char *name)
{
    struct segment_listing *found = context;
    struct listed_file file;
    if (!segment_name_parse(name, &file.base_offset, &file.part))
        return;
    if (found->count == found->capacity) {
        found->capacity = found->capacity ? found->capacity * 2 : 16;
        found->at = xrealloc(found->at, found->capacity * sizeof found->at[0]);
    }
    found->at[found->count++] = file;
}

static int compare_files(const void *a, const void *b)
{
    const struct listed_file *left = a, *right = b;
    if (left->base_offset != right->base_offset)
        return left->base_offset < right->base_offset ? -1 : 1;
    return (int)left->part - (int)right->part;
}

static enum error find_files(struct io *io, const char *directory, struct segment_listing *found)
{
    *found = (struct segment_listing){0};
    enum error error = io->ops->list(io, directory, note_file, found);
    if (error == ERR_OK && found->count > 0)
        qsort(found->at, found->count, sizeof found->at[0], compare_files);
    return error == ERR_NOT_FOUND ? ERR_OK : error;
}

/* --- cutting --- */

static enum error remove_file(struct io *io, const char *directory, const struct listed_file *file)
{
    char *path = segment_path(directory, file->base_offset, file->part);
    enum error error = io->ops->unlink(io, path);
    free(path);
    return error == ERR_NOT_FOUND ? ERR_OK : error;
}

/* Empties a file that the next flush would otherwise create again. Some file systems create files
 * slowly just after others were removed, and there may be thousands. */
static enum error empty_file(struct io *io, const char *directory, const struct listed_file *file)
{
    char *path = segment_path(directory, file->base_offset, file->part);
    struct io_file *open;
    enum error error = io->ops->open(io, path, IO_READ | IO_WRITE, &open);
    free(path);
    if (error != ERR_OK)
        return error == ERR_NOT_FOUND ? ERR_OK : error;
    error = io->ops->truncate(io, open, 0);
    io->ops->close(io, open);
    return error;
}

/* The active segment's size; -1: it is missing. */
static enum error active_size(struct io *io, const char *path, int64_t *out)
{
    struct io_file *file;
    *out = -1;
    enum error error = io->ops->open(io, path, IO_READ, &file);
    if (error != ERR_OK)
        return error == ERR_NOT_FOUND ? ERR_OK : error;
    error = io->ops->size(io, file, out);
    io->ops->close(io, file);
    return error;
}

enum error log_check_files(struct env *env, const char *directory, struct log_state *state,
                           struct message *message)
{
    if (state->active_size == 0)
        return ERR_OK;
    char *path = segment_path(directory, state->active_base, SEGMENT_LOG);
    int64_t size;
    enum error error = active_size(env->io, path, &size);
    if (error == ERR_OK && size < state->active_size) {
        message_set(
            message,
            "%s: damaged at byte %lld: %lld bytes were durable; the file was truncated, replaced "
            "or removed. Stop the broker and restore the file from a copy, or delete the topic",
            path, (long long)MAX(size, 0), (long long)state->active_size);
        state->active_base = state->next_offset;
        state->active_size = 0;
        error = ERR_CORRUPT;
    }
    free(path);
    return error;
}

static enum error cut_active(struct io *io, const char *directory, const struct log_state *state)
{
    char *path = segment_path(directory, state->active_base, SEGMENT_LOG);
    struct io_file *file;
    enum error error = io->ops->open(io, path, IO_READ | IO_WRITE, &file);
    free(path);
    if (error != ERR_OK)
        return error;
    int64_t size;
    error = io->ops->size(io, file, &size);
    if (error == ERR_OK && size > state->active_size)
        error = io->ops->truncate(io, file, state->active_size);
    io->ops->close(io, file);
    return error;
}

enum error log_first_segment(struct env *env, const char *directory, int64_t *base_offset)
{
    struct segment_listing found;
    enum error error = find_files(env->io, directory, &found);
    for (size_t i = 0; i < found.count && error == ERR_OK; i++) {
        if (found.at[i].part != SEGMENT_LOG)
            continue;
        *base_offset = found.at[i].base_offset;
        break;
    }
    free(found.at);
    return error;
}

/* Whether an index entry is for a batch that stays. */
static bool offset_entry_stays(const uint8_t *entry, const struct log_state *state)
{
    struct offset_index_entry e = offset_index_decode(entry, state->active_base);
    return e.offset < state->next_offset && e.position < state->active_size;
}

static bool time_entry_stays(const uint8_t *entry, const struct log_state *state)
{
    return time_index_decode(entry, state->active_base).offset < state->next_offset;
}

/* Cuts an index file after its last entry that stays. A missing file is rebuilt later. */
static enum error cut_index(struct io *io, const char *directory, const struct log_state *state,
                            enum segment_part part, size_t entry_size,
                            bool (*stays)(const uint8_t *entry, const struct log_state *state))
{
    char *path = segment_path(directory, state->active_base, part);
    struct buffer entries;
    struct io_file *file = NULL;
    buffer_init(&entries, INDEX_FILE_MAX);
    enum error error = io_read_file(io, path, &entries);
    bool foreign = error == ERR_TOO_LARGE;
    if (foreign) { /* emptied: it is rebuilt later */
        buffer_clear(&entries);
        error = ERR_OK;
    }
    size_t kept = entries.size - entries.size % entry_size;
    while (kept > 0 && !stays(entries.data + kept - entry_size, state))
        kept -= entry_size;
    if (error == ERR_OK && (foreign || kept < entries.size))
        error = io->ops->open(io, path, IO_READ | IO_WRITE, &file);
    if (error == ERR_OK && file)
        error = io->ops->truncate(io, file, (int64_t)kept);
    if (file)
        io->ops->close(io, file);
    buffer_free(&entries);
    free(path);
    return error == ERR_NOT_FOUND ? ERR_OK : error;
}

/* Removes later segments, and indexes whose segment is gone (.log comes first in the order).
 * Empties the files of an empty active segment. */
static enum error remove_beyond(struct io *io, const char *directory, const struct log_state *state,
                                const struct segment_listing *found, bool for_redo)
{
    int64_t end = state->active_base + (state->active_size > 0 ? 1 : 0);
    int64_t last_log = -1;
    enum error error = ERR_OK;
    for (size_t i = 0; i < found->count && error == ERR_OK; i++) {
        const struct listed_file *file = &found->at[i];
        if (file->part == SEGMENT_LOG)
            last_log = file->base_offset;
        if (file->base_offset < end && file->base_offset == last_log)
            continue;
        bool again = file->base_offset == state->active_base && state->active_size == 0;
        if (again && for_redo)
            continue;
        error = again ? empty_file(io, directory, file) : remove_file(io, directory, file);
    }
    return error;
}

static enum error cut_files(struct env *env, const char *directory, const struct log_state *state,
                            bool for_redo)
{
    struct io *io = env->io;
    struct segment_listing found;
    enum error error = find_files(io, directory, &found);
    if (error == ERR_OK)
        error = remove_beyond(io, directory, state, &found, for_redo);
    free(found.at);
    if (error != ERR_OK || state->active_size == 0)
        return error;
    if (!for_redo)
        error = cut_active(io, directory, state);
    if (error == ERR_OK)
        error =
            cut_index(io, directory, state, SEGMENT_INDEX, OFFSET_INDEX_ENTRY, offset_entry_stays);
    if (error == ERR_OK)
        error =
            cut_index(io, directory, state, SEGMENT_TIME_INDEX, TIME_INDEX_ENTRY, time_entry_stays);
    return error;
}

enum error log_cut_files(struct env *env, const char *directory, const struct log_state *state)
{
    return cut_files(env, directory, state, false);
}

enum error log_cut_files_for_redo(struct env *env, const char *directory,
                                  const struct log_state *state)
{
    return cut_files(env, directory, state, true);
}
