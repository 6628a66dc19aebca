#include "storage/log_replace.h"

#include "storage/log_internal.h"
#include "storage/swap_list.h"

#include <stdlib.h>

struct new_segments {
    struct segment *at;
    size_t count;
    char *list_path; /* or NULL */
};

struct log_swap {
    int64_t *old_bases, *new_bases;
    size_t old_count, new_count;
    int64_t end_offset;
    char *list_path; /* or NULL */
    bool listed;     /* the worker's, as the next one */
    size_t renamed;  /* files of the new segments that have their names */
};

/* --- opening --- */

void new_segments_free(struct new_segments *n)
{
    if (n == NULL)
        return;
    for (size_t i = 0; i < n->count; i++)
        log_forget_file(&n->at[i]);
    free(n->at);
    free(n->list_path);
    free(n);
}

void new_segments_list_in(struct new_segments *n, const char *list_path)
{
    n->list_path = xstrdup(list_path);
}

/* Readers ignore a wrong index, but then they search slowly. */
static bool indexes_are_whole(const struct segment_file *file, const struct segment_summary *s)
{
    int64_t offsets, times;
    const struct io_ops *ops = file->io->ops;
    return ops->size(file->io, file->indexes[SEGMENT_INDEX], &offsets) == ERR_OK &&
           ops->size(file->io, file->indexes[SEGMENT_TIME_INDEX], &times) == ERR_OK &&
           s->index_bytes == offsets && s->time_index_bytes == times;
}

static enum error open_new(struct env *env, const char *directory, struct segment *segment)
{
    struct io *io = env->io;
    enum error error = segment_file_open_swap(io, directory, segment->base_offset, &segment->held);
    if (error == ERR_OK)
        error = io->ops->size(io, segment->held->file, &segment->size);
    if (error != ERR_OK)
        return error;
    struct segment_view view = {.directory = directory,
                                .base_offset = segment->base_offset,
                                .next_offset = segment->next_offset,
                                .size = segment->size,
                                .file = segment->held,
                                .sparse = true};
    error = segment_summarize(&view, &segment->summary);
    if (error == ERR_OK && !indexes_are_whole(segment->held, &segment->summary))
        error = ERR_CORRUPT;
    segment->flushed_size = segment->size;
    segment->flushed = segment->summary;
    segment->index_entries = segment->summary.index_bytes / 8;
    return error;
}

enum error new_segments_open(struct env *env, const char *directory, const int64_t *base_offsets,
                             size_t count, int64_t end_offset, struct new_segments **out)
{
    ASSERT(count > 0);
    struct new_segments *n = xcalloc(1, sizeof *n);
    n->at = xcalloc(count, sizeof n->at[0]);
    n->count = count;
    enum error error = ERR_OK;
    for (size_t i = 0; i < count && error == ERR_OK; i++) {
        n->at[i] = (struct segment){
            .base_offset = base_offsets[i],
            .next_offset = i + 1 < count ? base_offsets[i + 1] : end_offset,
            .created = true,
            .known = true,
            .completed = true,
            .unnamed = true,
        };
        ASSERT(n->at[i].base_offset < n->at[i].next_offset);
        error = open_new(env, directory, &n->at[i]);
    }
    if (error == ERR_OK)
        *out = n;
    else
        new_segments_free(n);
    return error;
}

/* --- the swap --- */

static bool may_be_replaced(const struct log *log, const struct segment *segment)
{
    return segment != log_active(log) && segment->completed && segment->known &&
           !segment->damaged && segment->flushed_size == segment->size &&
           log_is_sparse(log, segment);
}

/* Counts the old segments that have exactly the offsets of the new ones. 0: there are none. */
static size_t find_old(const struct log *log, const struct new_segments *n, size_t *first)
{
    const struct segment *segment = log_segment_at(log, n->at[0].base_offset);
    int64_t end = n->at[n->count - 1].next_offset;
    size_t count = 0;
    if (segment == NULL)
        return 0;
    *first = (size_t)(segment - log->segments);
    for (; may_be_replaced(log, &segment[count]); count++) {
        if (segment[count].next_offset == end)
            return count + 1;
    }
    return 0;
}

static int64_t *bases_of(const struct segment *segments, size_t count)
{
    int64_t *bases = xcalloc(count, sizeof *bases);
    for (size_t i = 0; i < count; i++)
        bases[i] = segments[i].base_offset;
    return bases;
}

static void remember_swap(struct log *log, const struct segment *old, size_t old_count,
                          struct new_segments *n)
{
    struct log_swap *swap = xcalloc(1, sizeof *swap);
    *swap = (struct log_swap){.old_bases = bases_of(old, old_count),
                              .new_bases = bases_of(n->at, n->count),
                              .old_count = old_count,
                              .new_count = n->count,
                              .end_offset = n->at[n->count - 1].next_offset,
                              .list_path = n->list_path};
    n->list_path = NULL;
    log->swap = swap;
    log->generation++;
    ASSERT(log->old_readers == 0); /* the last swap has waited for its old readers */
    log->old_readers = log->readers;
}

/* The hints are positions in the old files. */
static void forget_hints(struct log *log, int64_t from, int64_t end)
{
    for (int i = 0; i < READ_HINTS; i++) {
        if (log->hints[i].segment_base >= from && log->hints[i].segment_base < end)
            log->hints[i].offset = -1;
    }
}

/* Otherwise readers would still get what the cleaner has dropped. Closed segments are flushed. */
static void forget_tail(struct log *log, int64_t end)
{
    while (log->tail.count > 0 && tail_at(&log->tail, 0)->next_offset <= end)
        tail_drop_first(&log->tail);
}

static void put_in_place(struct log *log, size_t first, size_t old_count,
                         const struct new_segments *n)
{
    size_t count = log->segment_count - old_count + n->count;
    struct segment *segments = xcalloc(count, sizeof *segments);
    size_t behind = log->segment_count - first - old_count;
    memcpy(segments, log->segments, first * sizeof *segments);
    memcpy(segments + first, n->at, n->count * sizeof *segments);
    memcpy(segments + first + n->count, log->segments + first + old_count,
           behind * sizeof *segments);
    for (size_t i = 0; i < old_count; i++) {
        log->size_bytes -= log->segments[first + i].size;
        log_forget_file(&log->segments[first + i]);
    }
    for (size_t i = 0; i < n->count; i++)
        log->size_bytes += n->at[i].size;
    free(log->segments);
    log->segments = segments;
    log->segment_count = log->segment_capacity = count;
}

enum error log_replace_segments(struct log *log, struct new_segments *n)
{
    size_t first = 0;
    if (!log->loaded || log->swap)
        return ERR_BUSY;
    size_t old_count = find_old(log, n, &first);
    if (old_count == 0)
        return ERR_NOT_FOUND;
    remember_swap(log, &log->segments[first], old_count, n);
    forget_hints(log, n->at[0].base_offset, n->at[n->count - 1].next_offset);
    log_cold_drop(log);
    forget_tail(log, n->at[n->count - 1].next_offset);
    put_in_place(log, first, old_count, n);
    free(n->at);
    free(n);
    return ERR_OK;
}

/* --- the names --- */

void log_swap_free(struct log_swap *swap)
{
    if (swap == NULL)
        return;
    free(swap->old_bases);
    free(swap->new_bases);
    free(swap->list_path);
    free(swap);
}

static bool name_is_used(const struct log_swap *swap, int64_t base_offset)
{
    for (size_t i = 0; i < swap->new_count; i++) {
        if (swap->new_bases[i] == base_offset)
            return true;
    }
    return false;
}

static enum error remove_old(struct io *io, const char *directory, const struct log_swap *swap)
{
    enum error error = ERR_OK;
    for (size_t i = 0; i < swap->old_count && error == ERR_OK; i++) {
        if (!name_is_used(swap, swap->old_bases[i]))
            error = segment_unlink(io, directory, swap->old_bases[i]);
    }
    return error;
}

static enum error rename_part(struct io *io, const char *directory, int64_t base_offset,
                              enum segment_part part)
{
    char *from = segment_swap_path(directory, base_offset, part);
    char *to = segment_path(directory, base_offset, part);
    enum error error = io->ops->rename(io, from, to);
    free(from);
    free(to);
    return error;
}

static enum error rename_new(struct io *io, const char *directory, struct log_swap *swap)
{
    enum error error = ERR_OK;
    size_t files = swap->new_count * SEGMENT_PARTS;
    while (swap->renamed < files && error == ERR_OK) {
        size_t at = files - 1 - swap->renamed;
        error = rename_part(io, directory, swap->new_bases[at / SEGMENT_PARTS],
                            (enum segment_part)(at % SEGMENT_PARTS));
        swap->renamed += error == ERR_OK;
    }
    return error;
}

/* From here on a start finishes the swap. */
static enum error write_list(struct io *io, struct log_swap *swap)
{
    struct swap_list list = {swap->new_bases, swap->new_count, swap->end_offset};
    if (swap->list_path == NULL || swap->listed)
        return ERR_OK;
    enum error error = swap_list_write(io, swap->list_path, &list);
    swap->listed = error == ERR_OK;
    return error;
}

enum error log_swap_run(struct io *io, const char *directory, struct log_swap *swap)
{
    enum error error = write_list(io, swap);
    if (error == ERR_OK)
        error = remove_old(io, directory, swap);
    if (error == ERR_OK)
        error = io_sync_directory(io, directory);
    if (error == ERR_OK)
        error = rename_new(io, directory, swap);
    if (error == ERR_OK)
        error = io_sync_directory(io, directory);
    return error == ERR_OK && swap->list_path ? swap_list_remove(io, swap->list_path) : error;
}

/* The files have their names, so the cache may close them. */
static void give_up(struct segment *segment)
{
    if (segment->held)
        segment_file_remember(&segment->memo, segment->held);
    segment_file_unref(segment->held);
    segment->held = NULL;
    segment->unnamed = false;
}

void log_swap_done(struct log *log)
{
    for (size_t i = 0; i < log->segment_count; i++)
        give_up(&log->segments[i]);
    log_swap_free(log->swap);
    log->swap = NULL;
}
