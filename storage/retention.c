/* Which segments time and size give up, and removing them. */
#include "storage/log_internal.h"

#include <stdlib.h>

/* Nothing is given up on doubt: not a segment whose timestamps are not known for sure. */
static bool is_expired(const struct log *log, const struct segment *segment, int64_t wall_ms)
{
    int64_t age;
    if (segment->next_offset <= log->start_offset)
        return true; /* given up already */
    if (log->config.retention_ms < 0 || !segment->known || segment->damaged)
        return false;
    if (segment->size == 0)
        return true; /* a cleaner has left nothing: see may_go */
    if (segment->summary.max_timestamp < 0)
        return false;
    return !__builtin_sub_overflow(wall_ms, segment->summary.max_timestamp, &age) &&
           age > log->config.retention_ms;
}

static bool may_go(const struct log *log, const struct segment *segment)
{
    bool empty = segment->size == 0 && !log_is_sparse(log, segment);
    return !empty && segment->next_offset <= log->durable_offset;
}

int64_t log_retention_start(struct log *log, int64_t wall_ms)
{
    if (!log->config.delete_enabled || !log->loaded)
        return log->start_offset;
    int64_t kept_bytes = log->size_bytes;
    size_t i = 0;
    for (; i < log->segment_count && may_go(log, &log->segments[i]); i++) {
        if (!is_expired(log, &log->segments[i], wall_ms))
            break;
        kept_bytes -= log->segments[i].size;
    }
    for (; i < log->segment_count && may_go(log, &log->segments[i]); i++) {
        int64_t left = kept_bytes - log->segments[i].size;
        if (log->config.retention_bytes < 0 || left < log->config.retention_bytes)
            break;
        kept_bytes = left;
    }
    int64_t start = i < log->segment_count ? log->segments[i].base_offset : log->next_offset;
    return MAX(start, log->start_offset);
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
};

struct log_delete *log_delete_begin(struct log *log)
{
    if (!log->loaded || log->flushing)
        return NULL;
    size_t count = 0;
    while (count + 1 < log->segment_count) {
        const struct segment *segment = &log->segments[count];
        if (segment->next_offset > log->start_offset || !segment->created ||
            segment->flushed_size < segment->size)
            break;
        count++;
    }
    if (count == 0)
        return NULL;
    struct log_delete *d = xcalloc(1, sizeof *d);
    d->log = log;
    d->base_offsets = xcalloc(count, sizeof d->base_offsets[0]);
    d->count = count;
    for (size_t i = 0; i < count; i++) {
        d->base_offsets[i] = log->segments[i].base_offset;
        log->size_bytes -= log->segments[i].size;
        segment_file_unref(log->segments[i].file);
    }
    log->segment_count -= count;
    memmove(log->segments, log->segments + count, log->segment_count * sizeof log->segments[0]);
    log->jobs++;
    return d;
}

enum error log_delete_run(struct log_delete *d)
{
    struct io *io = d->log->env->io;
    enum error result = ERR_OK;
    for (size_t i = 0; i < d->count; i++) {
        /* The .log file last: it is what a later opening finds the segment by. */
        for (int part = SEGMENT_PARTS; part-- > 0;) {
            char *path =
                segment_path(d->log->directory, d->base_offsets[i], (enum segment_part)part);
            enum error error = io->ops->unlink(io, path);
            free(path);
            if (error != ERR_OK && error != ERR_NOT_FOUND)
                result = error;
        }
    }
    return result;
}

void log_delete_end(struct log_delete *d)
{
    d->log->jobs--;
    free(d->base_offsets);
    free(d);
}
