/* Flushing: writes the tail to the segments. The shard makes the plan, a worker writes it, and the
 * shard takes the results. log_internal.h says what a job may touch. */
#include "storage/leader_epoch_file.h"
#include "storage/log_internal.h"
#include "storage/offset_index.h"
#include "storage/segment_writer.h"
#include "storage/time_index.h"

#include <limits.h>
#include <stdlib.h>

enum {
    UNCACHED_MIN = 256 << 10,
    LOG_LEVELS = 3, /* topics, topic and partition; the data directory is never made again */
};

struct flush_segment {
    int64_t base_offset, next_offset; /* next_offset: of the file, before the flush */
    int64_t position;                 /* bytes in the file before the flush */
    struct segment_file_memo memo;    /* of the writable file */
    struct segment_file *file;        /* while it is written, or NULL */
    bool create, complete, lost;      /* lost: its file vanished */
    bool names;                       /* the flush may have created files */
    bool known, damaged;              /* whether `before` is */
    struct segment_summary before;    /* of the file, before the flush */
    struct segment_summary flushed;   /* and after it */
    size_t first_batch, batch_count;  /* in the plan's batches */
    int64_t size;                     /* bytes to write */
};

struct log_flush {
    struct log *log;
    struct io *io;
    const char *directory;
    bool make_directory;
    int64_t end_offset; /* the flushed offset when everything is written */
    int64_t size;
    struct flush_segment *segments;
    size_t segment_count;
    struct tail_batch *batches; /* their memory stays: unflushed batches are not dropped */
    size_t batch_count;
};

/* --- on the shard --- */

static void plan_batches(struct log *log, struct log_flush *flush)
{
    size_t from = tail_find(&log->tail, log->flushed_offset);
    size_t end = from;
    while (end < log->tail.count && tail_at(&log->tail, end)->next_offset <= log->durable_offset)
        end++;
    flush->batch_count = end - from;
    flush->batches = xcalloc(flush->batch_count + 1, sizeof flush->batches[0]);
    flush->end_offset = log->flushed_offset;
    for (size_t i = 0; i < flush->batch_count; i++) {
        flush->batches[i] = *tail_at(&log->tail, from + i);
        flush->end_offset = flush->batches[i].next_offset;
        flush->size += (int64_t)flush->batches[i].size;
    }
}

/* Takes a segment into the plan if it has batches to flush, or if only the last entries of its
 * indexes are missing. Returns the first batch after it. */
static size_t plan_segment(struct log *log, struct segment *segment, size_t batch,
                           struct log_flush *flush)
{
    struct flush_segment plan = {
        .base_offset = segment->base_offset,
        .next_offset = MIN(segment->next_offset, log->flushed_offset),
        .position = segment->flushed_size,
        .create = !segment->created,
        .known = segment->known,
        .damaged = segment->damaged,
        .before = segment->flushed,
        .first_batch = batch,
    };
    while (batch < flush->batch_count && flush->batches[batch].segment_base == segment->base_offset)
        plan.size += (int64_t)flush->batches[batch++].size;
    plan.batch_count = batch - plan.first_batch;
    plan.complete = segment != log_active(log) && !segment->completed &&
                    plan.position + plan.size == segment->size;
    if (plan.batch_count == 0 && !plan.complete)
        return batch;
    if (segment->memo.file && segment->memo.file->writable)
        segment_file_copy_memo(&plan.memo, &segment->memo);
    flush->segments[flush->segment_count++] = plan;
    return batch;
}

struct log_flush *log_flush_begin(struct log *log)
{
    if (log->flushing)
        return NULL;
    struct log_flush *flush = xcalloc(1, sizeof *flush);
    flush->log = log;
    flush->io = log->env->io;
    flush->directory = log->directory;
    flush->make_directory = !log->directory_made;
    plan_batches(log, flush);
    flush->segments = xcalloc(log->segment_count, sizeof flush->segments[0]);
    size_t batch = 0;
    for (size_t i = 0; i < log->segment_count; i++)
        batch = plan_segment(log, &log->segments[i], batch, flush);
    ASSERT(batch == flush->batch_count);
    if (flush->segment_count == 0) {
        free(flush->segments);
        free(flush->batches);
        free(flush);
        return NULL;
    }
    log->flushing = true;
    log->jobs++;
    return flush;
}

static void take_results(struct log *log, const struct flush_segment *plan)
{
    struct segment *segment = log_segment_at(log, plan->base_offset);
    ASSERT(segment != NULL && segment->flushed_size == plan->position);
    segment_learn(segment, &plan->before);
    segment->flushed = plan->flushed;
    segment->flushed_size += plan->size;
    segment->damaged = plan->damaged;
    segment->created = true;
    segment->completed = segment->completed || plan->complete;
    struct segment_file *file = segment_file_recall(&plan->memo);
    log_cache_file(log, segment, file);
    segment_file_unref(file);
}

static void continue_without(struct log *log, const struct flush_segment *plan)
{
    if (plan->create) /* only its directory was missing */
        return;
    char *path = segment_path(log->directory, plan->base_offset, SEGMENT_LOG);
    trace_log(log->env->trace, TRACE_ERROR,
              "a segment file vanished: the partition continues in a new one",
              F_STRING("file", path), F_INT("from_offset", plan->base_offset),
              F_INT("to_offset", plan->next_offset));
    free(path);
    log_close_lost(log, plan->base_offset);
}

void log_flush_end(struct log_flush *flush, enum error result)
{
    struct log *log = flush->log;
    for (size_t i = 0; i < flush->segment_count; i++) {
        if (flush->segments[i].lost)
            continue_without(log, &flush->segments[i]);
    }
    for (size_t i = 0; i < flush->segment_count; i++) {
        if (result == ERR_OK)
            take_results(log, &flush->segments[i]);
        segment_file_forget(&flush->segments[i].memo);
    }
    if (result == ERR_OK) {
        log->directory_made = true;
        log->flushed_offset = flush->end_offset;
        log->unflushed_bytes -= flush->size;
    }
    if (result == ERR_NOT_FOUND)
        log->directory_made = false; /* it may be gone, too */
    log->flushing = false;
    log->jobs--;
    free(flush->segments);
    free(flush->batches);
    free(flush);
}

/* --- on the worker --- */

/* Summarizes a file that existed when the log was opened. Damage is not a reason to stop: appends
 * continue after it. */
static enum error learn(struct log_flush *flush, struct flush_segment *plan)
{
    if (plan->known)
        return ERR_OK;
    struct segment_view view = {.directory = flush->directory,
                                .base_offset = plan->base_offset,
                                .next_offset = plan->next_offset,
                                .size = plan->position,
                                .file = plan->file};
    enum error error = segment_summarize(&view, &plan->before);
    if (error != ERR_CORRUPT)
        return error;
    plan->damaged = true;
    return ERR_OK;
}

static enum error cut_file(struct io *io, struct io_file *file, int64_t to)
{
    int64_t size;
    enum error error = io->ops->size(io, file, &size);
    return error == ERR_OK && size > to ? io->ops->truncate(io, file, to) : error;
}

static enum error open_file(struct log_flush *flush, struct flush_segment *plan)
{
    plan->file = segment_file_recall(&plan->memo);
    if (plan->file)
        return ERR_OK;
    int flags = IO_READ | IO_WRITE | (plan->create ? IO_CREATE : 0);
    enum error error =
        segment_file_open(flush->io, flush->directory, plan->base_offset, flags, &plan->file);
    return error;
}

/* Large writes bypass the page cache: filling pages that nobody reads soon costs more time than the
 * disk write. */
static enum error write_uncached(struct log_flush *flush, const struct flush_segment *plan)
{
    struct segment_writer writer;
    enum error error = segment_writer_open(&writer, plan->file, flush->directory, plan->base_offset,
                                           plan->position);
    for (size_t i = 0; i < plan->batch_count && error == ERR_OK; i++) {
        const struct tail_batch *batch = &flush->batches[plan->first_batch + i];
        error = segment_writer_add(&writer, bytes_of(batch->at, batch->size));
    }
    if (error == ERR_OK)
        error = segment_writer_end(&writer);
    segment_writer_close(&writer);
    return error;
}

static enum error write_cached(struct log_flush *flush, const struct flush_segment *plan)
{
    struct iovec parts[MIN(IOV_MAX, 1024)];
    const struct tail_batch *batches = flush->batches + plan->first_batch;
    int64_t position = plan->position;
    for (size_t done = 0; done < plan->batch_count;) {
        int count = 0;
        int64_t size = 0;
        while (done < plan->batch_count && count < (int)COUNT_OF(parts)) {
            const struct tail_batch *batch = &batches[done++];
            ASSERT(batch->position == position + size);
            parts[count++] = (struct iovec){(void *)(uintptr_t)batch->at, batch->size};
            size += (int64_t)batch->size;
        }
        enum error error =
            flush->io->ops->write(flush->io, plan->file->file, parts, count, position);
        if (error != ERR_OK)
            return error;
        position += size;
    }
    return ERR_OK;
}

/* The first flush of a file may find bytes that a failed attempt or a crash left. They are cut
 * after the write: some file systems are slow with a file that was truncated first, because they
 * allocate its blocks again and write them out when it is closed. */
static enum error write_batches(struct log_flush *flush, const struct flush_segment *plan)
{
    enum error error =
        plan->size >= UNCACHED_MIN ? write_uncached(flush, plan) : write_cached(flush, plan);
    if (error == ERR_OK && (plan->create || !plan->known))
        error = cut_file(flush->io, plan->file->file, plan->position + plan->size);
    return error;
}

/* Adds a time entry for the largest timestamp so far, unless the last entry has it. */
static void add_time_entry(struct flush_segment *plan, struct buffer *times)
{
    struct segment_summary *s = &plan->flushed;
    if (s->max_timestamp <= s->time_index_last)
        return;
    s->time_index_last = s->max_timestamp;
    time_index_append(times, plan->base_offset,
                      (struct time_index_entry){s->max_timestamp, s->max_timestamp_offset});
}

static void make_entries(struct log_flush *flush, struct flush_segment *plan,
                         struct buffer *offsets, struct buffer *times)
{
    plan->flushed = plan->before;
    for (size_t i = 0; i < plan->batch_count; i++) {
        const struct tail_batch *batch = &flush->batches[plan->first_batch + i];
        segment_summary_add(&plan->flushed, batch->max_timestamp, batch->next_offset - 1);
        if (!batch->indexed)
            continue;
        offset_index_append(offsets, plan->base_offset,
                            (struct offset_index_entry){batch->next_offset - 1, batch->position});
        add_time_entry(plan, times);
    }
    if (plan->complete)
        add_time_entry(plan, times);
    ASSERT(!offsets->overflowed && !times->overflowed);
    plan->flushed.index_bytes += (int64_t)offsets->size;
    plan->flushed.time_index_bytes += (int64_t)times->size;
}

static enum error write_index_file(struct io *io, struct io_file *file, struct bytes entries,
                                   int64_t position)
{
    enum error error = ERR_OK;
    if (entries.size > 0)
        error = io_write(io, file, entries.data, entries.size, position);
    return error == ERR_OK ? cut_file(io, file, position + (int64_t)entries.size) : error;
}

/* Most segments of small partitions never get an entry while they are active. So an index file is
 * created with its first entry, or when the segment is closed or large. The first flush cuts what a
 * crash left behind the entries. */
static bool index_is_due(const struct flush_segment *plan, struct bytes entries)
{
    return entries.size > 0 || plan->complete || (plan->create && plan->size >= UNCACHED_MIN);
}

static enum error write_index(struct log_flush *flush, struct flush_segment *plan,
                              enum segment_part part, struct bytes entries, int64_t position,
                              bool sync)
{
    bool due = index_is_due(plan, entries);
    if (!due && !plan->create && plan->known)
        return ERR_OK;
    plan->names |= due && position == 0;
    struct io *io = flush->io;
    char *path = segment_path(flush->directory, plan->base_offset, part);
    struct io_file *file;
    enum error error = io->ops->open(io, path, IO_READ | IO_WRITE | (due ? IO_CREATE : 0), &file);
    free(path);
    if (error != ERR_OK)
        return error == ERR_NOT_FOUND && !due ? ERR_OK : error;
    error = write_index_file(io, file, entries, position);
    if (error == ERR_OK && sync)
        error = io_sync(io, file);
    io->ops->close(io, file);
    return error;
}

/* There may be many logs to flush, so the file does not stay in use until the flush ends. */
static void release_file(struct flush_segment *plan)
{
    if (plan->file)
        segment_file_remember(&plan->memo, plan->file);
    segment_file_unref(plan->file);
    plan->file = NULL;
}

static enum error flush_segment(struct log_flush *flush, struct flush_segment *plan, bool sync)
{
    struct buffer offsets, times;
    buffer_init(&offsets, (plan->batch_count + 1) * OFFSET_INDEX_ENTRY);
    buffer_init(&times, (plan->batch_count + 1) * TIME_INDEX_ENTRY);
    enum error error = open_file(flush, plan);
    if (error == ERR_OK)
        error = learn(flush, plan);
    if (error == ERR_OK)
        error = write_batches(flush, plan);
    if (error == ERR_OK && sync && plan->batch_count > 0)
        error = io_sync(flush->io, plan->file->file);
    if (error == ERR_OK) {
        make_entries(flush, plan, &offsets, &times);
        error = write_index(flush, plan, SEGMENT_INDEX, buffer_view(&offsets),
                            plan->before.index_bytes, sync);
    }
    if (error == ERR_OK)
        error = write_index(flush, plan, SEGMENT_TIME_INDEX, buffer_view(&times),
                            plan->before.time_index_bytes, sync);
    /* The content of a file that was removed is gone when the file is closed. */
    if (error == ERR_OK && !flush->io->ops->has_name(flush->io, plan->file->file))
        error = ERR_NOT_FOUND;
    release_file(plan);
    buffer_free(&offsets);
    buffer_free(&times);
    return error;
}

enum error log_flush_run(struct log_flush *flush, bool sync)
{
    struct io *io = flush->io;
    bool created = false;
    int made = 0;
    enum error error = ERR_OK;
    if (flush->make_directory)
        error = io_make_directories(io, flush->directory, LOG_LEVELS, &made);
    for (size_t i = 0; i < flush->segment_count && error == ERR_OK; i++) {
        error = flush_segment(flush, &flush->segments[i], sync);
        flush->segments[i].lost = error == ERR_NOT_FOUND;
        created |= flush->segments[i].create || flush->segments[i].names;
    }
    if (error == ERR_OK && created)
        error = leader_epoch_file_write(io, flush->directory, sync);
    if (error == ERR_OK && sync && created)
        error = io_sync_directory(io, flush->directory);
    if (error == ERR_OK && sync && made > 0)
        error = io_sync_parents(io, flush->directory, made);
    return error;
}
