#include "storage/log.h"

#include "storage/log_internal.h"
#include "storage/time_index.h"

#include <stdlib.h>

static void add_segment(struct log *log, int64_t base_offset)
{
    if (log->segment_count == log->segment_capacity) {
        log->segment_capacity = log->segment_capacity ? log->segment_capacity * 2 : 1;
        log->segments = xrealloc(log->segments, log->segment_capacity * sizeof log->segments[0]);
    }
    struct segment *segment = &log->segments[log->segment_count++];
    *segment = (struct segment){
        .base_offset = base_offset,
        .next_offset = base_offset,
        .known = true,
    };
    segment_summary_init(&segment->summary);
    segment_summary_init(&segment->flushed);
}

struct segment *log_add_segment(struct log *log, size_t index, int64_t base_offset)
{
    add_segment(log, base_offset);
    struct segment added = *log_active(log);
    size_t behind = log->segment_count - 1 - (index + 1);
    memmove(&log->segments[index + 2], &log->segments[index + 1], behind * sizeof added);
    log->segments[index + 1] = added;
    return &log->segments[index + 1];
}

struct log *log_open(struct env *env, const char *directory, const struct log_config *config,
                     const struct log_state *state)
{
    ASSERT(state->log_start_offset <= state->next_offset);
    ASSERT(state->active_base <= state->next_offset);
    ASSERT(state->first_dirty_offset <= state->active_base);
    ASSERT(state->cleaned_offset <= state->first_dirty_offset);
    struct log *log = xcalloc(1, sizeof *log);
    log->possible_ms = INT64_MAX;
    log->env = env;
    log->directory = xstrdup(directory);
    log->start_offset = state->log_start_offset;
    log->next_offset = log->durable_offset = log->flushed_offset = state->next_offset;
    log->first_dirty_offset = state->first_dirty_offset;
    log->cleaned_offset = state->cleaned_offset;
    log->size_bytes = state->active_size;
    log->producers = producer_states_create();
    log_configure(log, config);
    add_segment(log, state->active_base);
    struct segment *active = log_active(log);
    active->next_offset = state->next_offset;
    active->size = active->flushed_size = state->active_size;
    active->created = state->active_size > 0;
    active->known = state->active_size == 0;
    log->directory_made = active->created;
    log->loaded = state->next_offset == 0; /* nothing was ever appended */
    for (int i = 0; i < READ_HINTS; i++)
        log->hints[i].offset = -1;
    return log;
}

void log_close(struct log *log)
{
    if (log == NULL)
        return;
    ASSERT(log->jobs == 0);
    for (size_t i = 0; i < log->segment_count; i++)
        log_forget_file(&log->segments[i]);
    free(log->segments);
    log_swap_free(log->swap);
    log_cold_free(log);
    tail_free(&log->tail);
    producer_states_free(log->producers);
    free(log->reported);
    free(log->directory);
    free(log);
}

void log_set_read_pool(struct log *log, struct read_pool *pool)
{
    log->read_pool = pool;
}

void log_configure(struct log *log, const struct log_config *config)
{
    log->config = *config;
    /* Positions are 32 bits in the index. */
    log->config.segment_bytes = MIN(config->segment_bytes, (int64_t)INT32_MAX);
}

int64_t log_delete_delay_ms(const struct log *log)
{
    return log->config.file_delete_delay_ms;
}

struct log_state log_state(const struct log *log)
{
    const struct segment *active = log_active(log);
    return (struct log_state){
        .log_start_offset = log->start_offset,
        .next_offset = log->next_offset,
        .active_base = active->base_offset,
        .active_size = active->size,
        .first_dirty_offset = log->first_dirty_offset,
        .cleaned_offset = log->cleaned_offset,
    };
}

int64_t log_start_offset(const struct log *log)
{
    return log->start_offset;
}

int64_t log_next_offset(const struct log *log)
{
    return log->next_offset;
}

int64_t log_durable_offset(const struct log *log)
{
    return log->durable_offset;
}

int64_t log_flushed_offset(const struct log *log)
{
    return log->flushed_offset;
}

int64_t log_size_bytes(const struct log *log)
{
    return log->size_bytes;
}

void log_set_first_dirty(struct log *log, int64_t offset)
{
    ASSERT(offset <= log_active(log)->base_offset);
    log->first_dirty_offset = MAX(log->first_dirty_offset, offset);
}

struct producer_states *log_producers(struct log *log)
{
    return log->producers;
}

void log_set_owner(struct log *log, void *owner)
{
    log->owner = owner;
}

void *log_owner(const struct log *log)
{
    return log->owner;
}

bool log_busy(const struct log *log)
{
    return log->jobs > 0;
}

void log_set_durable(struct log *log, int64_t offset)
{
    ASSERT(offset <= log->next_offset);
    log->durable_offset = MAX(log->durable_offset, offset);
}

/* --- segments --- */

void log_roll(struct log *log)
{
    ASSERT(log_active(log)->size > 0);
    add_segment(log, log->next_offset);
}

void log_cache_file(struct log *log, struct segment *segment, struct segment_file *file)
{
    segment->used_ms = clock_monotonic_ms(log->env->clock);
    if (file == NULL || segment->held)
        return;
    struct segment_file *known = file->writable ? NULL : segment_file_recall(&segment->memo);
    if (known == NULL || !known->writable)
        segment_file_remember(&segment->memo, file);
    segment_file_unref(known);
}

void log_close_idle_files(struct log *log, int64_t since_ms)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        struct segment *segment = &log->segments[i];
        if (segment->memo.file && segment->used_ms < since_ms)
            segment_file_forget(&segment->memo);
    }
}

/* --- appending --- */

/* Whether a batch is more than segment_ms younger than the segment's first one. Timestamps come
 * from clients, so the difference may overflow. A negative one means none. */
static bool is_too_old(const struct segment *segment, const struct batch_header *batch,
                       int64_t segment_ms)
{
    int64_t first = segment->summary.first_timestamp, age;
    if (first < 0 || batch->max_timestamp < 0)
        return false;
    return !__builtin_sub_overflow(batch->max_timestamp, first, &age) && age > segment_ms;
}

static bool must_roll(const struct log *log, const struct batch_header *batch, size_t size)
{
    const struct segment *active = log_active(log);
    const struct log_config *config = &log->config;
    int64_t last_offset = log->next_offset + batch->last_offset_delta;
    if (active->size == 0)
        return false;
    return active->size + (int64_t)size > config->segment_bytes ||
           is_too_old(active, batch, config->segment_ms) ||
           (active->summary.max_timestamp > log->possible_ms &&
            batch->max_timestamp <= log->possible_ms) ||
           active->index_entries + 1 >= config->segment_index_bytes / TIME_INDEX_ENTRY ||
           last_offset - active->base_offset > INT32_MAX;
}

static void append(struct log *log, struct shared_buffer *buffer, const uint8_t *at, size_t size,
                   const struct batch_header *batch, int64_t steady_ms)
{
    if (must_roll(log, batch, size))
        log_roll(log);
    struct segment *active = log_active(log);
    bool indexed = active->bytes_since_index > log->config.index_interval_bytes;
    struct tail_batch entry = {
        .buffer = shared_buffer_ref(buffer),
        .at = at,
        .size = size,
        .base_offset = batch->base_offset,
        .next_offset = batch_last_offset(batch) + 1,
        .max_timestamp = batch->max_timestamp,
        .segment_base = active->base_offset,
        .position = active->size,
        .indexed = indexed && active->size > 0,
    };
    tail_push(&log->tail, &entry);
    if (entry.indexed) {
        active->index_entries++;
        active->bytes_since_index = 0;
    }
    active->bytes_since_index += (int64_t)size;
    active->size += (int64_t)size;
    active->next_offset = log->next_offset = entry.next_offset;
    segment_summary_add(&active->summary, batch->max_timestamp, batch_last_offset(batch));
    log->size_bytes += (int64_t)size;
    log->unflushed_bytes += (int64_t)size;
    if (batch->producer_id >= 0)
        producer_appended(log->producers, batch, steady_ms);
}

int64_t log_append(struct log *log, struct shared_buffer *buffer, uint8_t *batch, size_t size,
                   int64_t steady_ms)
{
    struct batch_header header;
    batch_stamp(batch, log->next_offset, SEGMENT_LEADER_EPOCH);
    bool whole = batch_header_read(bytes_of(batch, size), &header);
    ASSERT(whole && (size_t)header.batch_length + BATCH_OVERHEAD == size);
    ASSERT(header.last_offset_delta >= 0);
    append(log, buffer, batch, size, &header, steady_ms);
    return header.base_offset;
}

enum error log_append_recovered(struct log *log, struct shared_buffer *buffer, const uint8_t *batch,
                                size_t size)
{
    struct batch_header header;
    struct bytes view = bytes_of(batch, size);
    if (!batch_header_read(view, &header) || batch_size(view) != size ||
        header.last_offset_delta < 0 || header.base_offset != log->next_offset)
        return ERR_CORRUPT;
    append(log, buffer, batch, size, &header, PRODUCER_TIME_UNKNOWN);
    return ERR_OK;
}

/* --- the tail's size --- */

int64_t log_unflushed_bytes(const struct log *log)
{
    return log->unflushed_bytes;
}

size_t log_tail_bytes(const struct log *log)
{
    return log->tail.bytes;
}

size_t log_trim_tail(struct log *log, size_t keep)
{
    size_t before = log->tail.bytes;
    while (log->tail.count > 0 && log->tail.bytes > keep &&
           tail_at(&log->tail, 0)->next_offset <= log->flushed_offset)
        tail_drop_first(&log->tail);
    return before - log->tail.bytes;
}

/* --- jobs --- */

void job_plan_begin(struct job_plan *plan, struct log *log, struct job *job,
                    void (*run)(struct job *job), void (*done)(struct job *job))
{
    plan->log = log;
    plan->owner_done = job->done;
    plan->generation = log->generation;
    job->run = run;
    job->done = done;
    log->jobs++;
    log->readers++;
}

void job_plan_end(struct job_plan *plan, struct job *job)
{
    plan->log->jobs--;
    plan->log->readers--;
    plan->log->old_readers -= job_plan_is_old(plan);
    job->done = plan->owner_done;
}
