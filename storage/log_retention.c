/* Retention by time and size: chooses segments, and removes them. */
#include "storage/deleted_files.h"
#include "storage/log_internal.h"

#include <stdlib.h>

/* A segment whose timestamps are in doubt does not expire. */
static bool is_expired(const struct log *log, const struct segment *segment, int64_t wall_ms)
{
    int64_t age;
    if (segment->next_offset <= log->start_offset)
        return true; /* below the start already */
    if (log->config.retention_ms < 0 || !segment->known || segment->damaged)
        return false;
    if (segment->size == 0)
        return true;                        /* a cleaner has removed everything: see may_go */
    if (segment->summary.max_timestamp < 0) /* only the empty batch of a repair has no record */
        return segment->size == BATCH_HEADER_SIZE;
    return !__builtin_sub_overflow(wall_ms, segment->summary.max_timestamp, &age) &&
           age > log->config.retention_ms;
}

enum { IMPOSSIBLE_AFTER_MS = 24 * 3600 * 1000 };

static bool is_impossible(const struct log *log, const struct segment *segment)
{
    return segment->known && !segment->damaged && segment->next_offset > log->start_offset &&
           segment->size > 0 && segment->summary.max_timestamp > log->possible_ms;
}

static bool may_go(const struct log *log, const struct segment *segment)
{
    bool empty = segment->size == 0 && !log_is_sparse(log, segment);
    return !empty && segment->next_offset <= log->durable_offset;
}

static void note_possible(struct log *log, int64_t wall_ms)
{
    if (__builtin_add_overflow(wall_ms, log->config.timestamp_after_max_ms, &log->possible_ms) ||
        __builtin_add_overflow(log->possible_ms, IMPOSSIBLE_AFTER_MS, &log->possible_ms))
        log->possible_ms = INT64_MAX;
}

/* Segments from the front. */
static size_t count_expired(const struct log *log, int64_t wall_ms)
{
    size_t expired = 0;
    for (size_t i = 0; i < log->segment_count && may_go(log, &log->segments[i]); i++) {
        if (is_impossible(log, &log->segments[i]))
            continue; /* as old as the next one */
        if (!is_expired(log, &log->segments[i], wall_ms))
            break;
        expired = i + 1;
    }
    return expired;
}

int64_t log_retention_start(struct log *log, int64_t wall_ms)
{
    if (!log->config.delete_enabled || !log->loaded)
        return log->start_offset;
    note_possible(log, wall_ms);
    size_t i = count_expired(log, wall_ms);
    int64_t kept_bytes = log->size_bytes;
    for (size_t gone = 0; gone < i; gone++)
        kept_bytes -= log->segments[gone].size;
    for (; i < log->segment_count && may_go(log, &log->segments[i]); i++) {
        int64_t left = kept_bytes - log->segments[i].size;
        if (log->config.retention_bytes < 0 || left < log->config.retention_bytes)
            break;
        kept_bytes = left;
    }
    int64_t start = i < log->segment_count ? log->segments[i].base_offset : log->next_offset;
    return MAX(start, log->start_offset);
}

int64_t log_guarded_start(const struct log *log, int64_t start, int64_t unread, int64_t max_bytes)
{
    int64_t kept_bytes = 0, guarded = start;
    for (size_t i = log->segment_count; i-- > 0;) {
        const struct segment *segment = &log->segments[i];
        if (segment->base_offset >= start)
            continue;
        kept_bytes += segment->size;
        if (segment->next_offset <= unread || kept_bytes > max_bytes)
            break;
        guarded = segment->base_offset;
    }
    return MAX(guarded, log->start_offset);
}

void log_set_start(struct log *log, int64_t offset)
{
    ASSERT(offset <= log->next_offset);
    if (offset <= log->start_offset)
        return;
    log->start_offset = offset;
    if (offset == log->next_offset && log_active(log)->size > 0)
        log_roll(log);
}

/* --- removing files --- */

struct log_delete {
    struct log *log;
    int64_t *base_offsets;
    size_t count;
    bool only_rename;
    struct log_swap *swap; /* gives the names of this swap instead; NULL: unlinks segments */
    enum error result;
};

static struct log_delete *begin(struct log *log, size_t count, struct log_swap *swap)
{
    struct log_delete *d = xcalloc(1, sizeof *d);
    d->log = log;
    d->base_offsets = xcalloc(count + 1, sizeof d->base_offsets[0]);
    d->count = count;
    d->only_rename = log->config.file_delete_delay_ms > 0;
    d->swap = swap;
    log->jobs++;
    return d;
}

static struct log_delete *begin_names(struct log *log)
{
    if (log->naming || log->old_readers > 0)
        return NULL;
    log->naming = true;
    return begin(log, 0, log->swap);
}

static size_t count_dead(const struct log *log)
{
    size_t count = 0;
    while (count + 1 < log->segment_count) {
        const struct segment *segment = &log->segments[count];
        if (segment->next_offset > log->start_offset || !segment->created ||
            segment->flushed_size < segment->size)
            break;
        count++;
    }
    return count;
}

struct log_delete *log_delete_begin(struct log *log)
{
    if (log->swap)
        return begin_names(log); /* also during a flush, which does not touch these files */
    if (!log->loaded || log->flushing)
        return NULL;
    size_t count = count_dead(log);
    if (count == 0)
        return NULL;
    struct log_delete *d = begin(log, count, NULL);
    log_cold_drop(log);
    for (size_t i = 0; i < count; i++) {
        d->base_offsets[i] = log->segments[i].base_offset;
        log->size_bytes -= log->segments[i].size;
        log_forget_file(&log->segments[i]);
    }
    log->segment_count -= count;
    memmove(log->segments, log->segments + count, log->segment_count * sizeof log->segments[0]);
    return d;
}

enum error log_delete_run(struct log_delete *d)
{
    struct io *io = d->log->env->io;
    if (d->swap)
        return d->result = log_swap_run(io, d->log->directory, d->swap);
    for (size_t i = 0; i < d->count; i++) {
        enum error error = d->only_rename
                               ? deleted_files_rename(io, d->log->directory, d->base_offsets[i])
                               : segment_unlink(io, d->log->directory, d->base_offsets[i]);
        if (error != ERR_OK)
            d->result = error;
    }
    return d->result;
}

size_t log_delete_renamed(const struct log_delete *d, int64_t **base_offsets)
{
    size_t count = d->only_rename ? d->count : 0;
    if (count == 0)
        return 0;
    *base_offsets = xcalloc(count, sizeof **base_offsets);
    memcpy(*base_offsets, d->base_offsets, count * sizeof **base_offsets);
    return count;
}

void log_delete_end(struct log_delete *d)
{
    struct log *log = d->log;
    log->jobs--;
    if (d->swap)
        log->naming = false;
    if (d->swap && d->result == ERR_OK)
        log_swap_done(log);
    free(d->base_offsets);
    free(d);
}
