/* ListOffsets by timestamp, on a disk worker: files first, then the newest batches of the tail. */
#include "storage/log_internal.h"

#include <stdlib.h>

/* Two are enough: the log's start may cut off the part of the first batch that has the timestamp.
 */
enum { TAIL_CANDIDATES = 4 };
/* The most bytes of a batch's records when they are decompressed. */
enum { UNCOMPRESSED_MAX = 256 << 20 };

struct time_plan {
    struct job_plan plan;
    struct executor *executor;
    struct segment_table table;
    int64_t start_offset;
    struct tail_batch tail[TAIL_CANDIDATES]; /* unflushed ones, each with a reference */
    int tail_count;
};

/* The search in a batch. */
struct time_query {
    int64_t timestamp, start_offset, end_offset;
    bool exact; /* only this timestamp, not a later one */
};

/* The first matching record of a whole batch. *offset stays -1 if there is none. */
static enum error search_batch(struct bytes batch, const struct time_query *query, int64_t *offset,
                               int64_t *timestamp)
{
    struct arena arena;
    struct record_iterator records;
    struct record record;
    arena_init(&arena, UNCOMPRESSED_MAX + (1 << 20));
    enum error error = records_open(batch, &arena, UNCOMPRESSED_MAX, &records);
    while (error == ERR_OK && records_next(&records, &record)) {
        if (record.offset < query->start_offset || record.offset >= query->end_offset)
            continue;
        if (query->exact ? record.timestamp == query->timestamp
                         : record.timestamp >= query->timestamp) {
            *offset = record.offset;
            *timestamp = record.timestamp;
            break;
        }
    }
    if (error == ERR_OK && records.failed)
        error = ERR_CORRUPT;
    arena_free(&arena);
    return error;
}

static enum error search_present_batch(struct segment_scan *scan, const struct time_query *query,
                                       struct log_time_job *job)
{
    struct buffer batch;
    buffer_init(&batch, scan->batch_size);
    enum error error = segment_scan_read(scan, &batch);
    if (error == ERR_OK)
        error = search_batch(buffer_view(&batch), query, &job->offset, &job->found_timestamp);
    buffer_free(&batch);
    return error;
}

/* --- the first record at or after a timestamp --- */

static enum error search_segment(struct table_entry *entry, const struct time_query *query,
                                 struct log_time_job *job)
{
    struct segment_place place;
    enum error error = table_entry_open(job->log->env->io, entry);
    if (error == ERR_OK)
        error = segment_locate_time(&entry->view, query->timestamp, &place);
    if (error != ERR_OK)
        return error;
    struct segment_scan scan;
    segment_scan_init(&scan, &entry->view, place);
    while (error == ERR_OK && job->offset < 0 && segment_scan_next(&scan)) {
        if (scan.next_offset > query->end_offset)
            break;
        if (scan.header.max_timestamp >= query->timestamp && scan.next_offset > query->start_offset)
            error = search_present_batch(&scan, query, job);
    }
    if (error == ERR_OK)
        error = scan.error;
    segment_scan_free(&scan);
    return error;
}

static enum error search_tail(const struct time_plan *plan, const struct time_query *query,
                              struct log_time_job *job)
{
    enum error error = ERR_OK;
    for (int i = 0; i < plan->tail_count && error == ERR_OK && job->offset < 0; i++)
        error = search_batch(bytes_of(plan->tail[i].at, plan->tail[i].size), query, &job->offset,
                             &job->found_timestamp);
    return error;
}

/* Whether a segment has offsets in the requested range. */
static bool overlaps(const struct segment_view *view, const struct time_query *query)
{
    return view->next_offset > query->start_offset && view->base_offset < query->end_offset;
}

static enum error find_first(struct log_time_job *job, struct time_plan *plan)
{
    struct time_query query = {job->timestamp, plan->start_offset, job->end_offset, false};
    for (size_t i = 0; i < plan->table.count && job->offset < 0; i++) {
        struct table_entry *entry = &plan->table.entries[i];
        bool sure = entry->known && !entry->damaged;
        if (!overlaps(&entry->view, &query) ||
            (sure && entry->summary.max_timestamp < job->timestamp))
            continue;
        enum error error = search_segment(entry, &query, job);
        if (error != ERR_OK)
            return error;
    }
    return search_tail(plan, &query, job);
}

/* --- the record with the largest timestamp --- */

/* The first batch with the largest timestamp. */
struct time_peak {
    struct table_entry *entry;      /* its segment, or NULL */
    const struct tail_batch *batch; /* in the tail, or NULL */
    int64_t timestamp, batch_offset;
};

/* The largest timestamp of a batch's records from the log's start on. The header's one may belong
 * to a deleted record. */
static enum error cut_batch_peak(struct bytes batch, int64_t start_offset, int64_t *timestamp)
{
    struct arena arena;
    struct record_iterator records;
    struct record record;
    arena_init(&arena, UNCOMPRESSED_MAX + (1 << 20));
    enum error error = records_open(batch, &arena, UNCOMPRESSED_MAX, &records);
    *timestamp = SEGMENT_NO_TIMESTAMP;
    while (error == ERR_OK && records_next(&records, &record)) {
        if (record.offset >= start_offset)
            *timestamp = MAX(*timestamp, record.timestamp);
    }
    if (error == ERR_OK && records.failed)
        error = ERR_CORRUPT;
    arena_free(&arena);
    return error;
}

static void raise_peak(struct time_peak *peak, struct table_entry *entry, int64_t timestamp,
                       int64_t batch_offset)
{
    if (timestamp > peak->timestamp)
        *peak = (struct time_peak){
            .entry = entry, .timestamp = timestamp, .batch_offset = batch_offset};
}

static enum error scanned_peak(struct segment_scan *scan, const struct time_query *query,
                               int64_t *timestamp)
{
    *timestamp = scan->header.max_timestamp;
    if (scan->header.base_offset >= query->start_offset)
        return ERR_OK;
    struct buffer batch;
    buffer_init(&batch, scan->batch_size);
    enum error error = segment_scan_read(scan, &batch);
    if (error == ERR_OK)
        error = cut_batch_peak(buffer_view(&batch), query->start_offset, timestamp);
    buffer_free(&batch);
    return error;
}

/* For a segment that is only partly in the range, or whose summary is not enough. */
static enum error scan_peak(struct table_entry *entry, const struct time_query *query,
                            struct io *io, struct time_peak *peak)
{
    struct segment_place place;
    enum error error = table_entry_open(io, entry);
    if (error == ERR_OK)
        error = segment_locate(&entry->view, query->start_offset, &place);
    if (error != ERR_OK)
        return error;
    struct segment_scan scan;
    segment_scan_init(&scan, &entry->view, place);
    while (error == ERR_OK && segment_scan_next(&scan) && scan.next_offset <= query->end_offset) {
        int64_t timestamp;
        if (scan.next_offset <= query->start_offset || scan.header.record_count == 0)
            continue;
        error = scanned_peak(&scan, query, &timestamp);
        if (error == ERR_OK)
            raise_peak(peak, entry, timestamp, scan.next_offset - 1);
    }
    if (error == ERR_OK)
        error = scan.error;
    segment_scan_free(&scan);
    return error;
}

/* Whether the batch that the summary names has records. A cleaner may keep empty batches. */
static enum error has_peak_records(struct table_entry *entry, struct io *io, bool *has)
{
    struct segment_place place;
    int64_t offset = entry->summary.max_timestamp_offset;
    enum error error = table_entry_open(io, entry);
    if (error == ERR_OK)
        error = segment_locate(&entry->view, offset, &place);
    if (error != ERR_OK)
        return error;
    struct segment_scan scan;
    segment_scan_init(&scan, &entry->view, place);
    while (segment_scan_next(&scan) && scan.next_offset <= offset)
        continue;
    *has = scan.next_offset > offset && scan.header.record_count > 0;
    error = scan.error;
    segment_scan_free(&scan);
    return error;
}

/* Compares the part of a segment that is in the range with the peak. */
static enum error look_at_peak(struct table_entry *entry, const struct time_query *query,
                               struct io *io, struct time_peak *peak)
{
    const struct segment_view *view = &entry->view;
    bool inside =
        view->base_offset >= query->start_offset && view->next_offset <= query->end_offset;
    bool sure = entry->known && !entry->damaged && inside;
    enum error error = ERR_OK;
    if (sure && entry->summary.max_timestamp <= peak->timestamp)
        return ERR_OK;
    if (sure && view->sparse)
        error = has_peak_records(entry, io, &sure);
    if (error != ERR_OK)
        return error;
    if (!sure)
        return overlaps(view, query) ? scan_peak(entry, query, io, peak) : ERR_OK;
    raise_peak(peak, entry, entry->summary.max_timestamp, entry->summary.max_timestamp_offset);
    return ERR_OK;
}

static enum error search_peak(struct table_entry *entry, const struct time_peak *peak,
                              const struct time_query *query, struct log_time_job *job)
{
    struct segment_place place;
    enum error error = table_entry_open(job->log->env->io, entry);
    if (error == ERR_OK)
        error = segment_locate(&entry->view, peak->batch_offset, &place);
    if (error != ERR_OK)
        return error;
    struct segment_scan scan;
    segment_scan_init(&scan, &entry->view, place);
    while (segment_scan_next(&scan) && scan.next_offset <= peak->batch_offset)
        continue;
    error = scan.error != ERR_OK ? scan.error : search_present_batch(&scan, query, job);
    segment_scan_free(&scan);
    return error;
}

static enum error look_at_tail(const struct tail_batch *batch, const struct time_query *query,
                               struct time_peak *peak)
{
    int64_t timestamp = batch->max_timestamp;
    enum error error = ERR_OK;
    if (batch->base_offset < query->start_offset)
        error = cut_batch_peak(bytes_of(batch->at, batch->size), query->start_offset, &timestamp);
    if (error == ERR_OK && timestamp > peak->timestamp)
        *peak = (struct time_peak){.batch = batch, .timestamp = timestamp};
    return error;
}

static enum error find_peak(struct log_time_job *job, struct time_plan *plan)
{
    struct time_query query = {0, plan->start_offset, job->end_offset, true};
    struct time_peak peak = {.timestamp = SEGMENT_NO_TIMESTAMP, .batch_offset = -1};
    enum error error = ERR_OK;
    for (size_t i = 0; i < plan->table.count && error == ERR_OK; i++)
        error = look_at_peak(&plan->table.entries[i], &query, job->log->env->io, &peak);
    for (int i = 0; i < plan->tail_count && error == ERR_OK; i++)
        error = look_at_tail(&plan->tail[i], &query, &peak);
    if (error != ERR_OK)
        return error;
    query.timestamp = peak.timestamp;
    if (peak.batch)
        return search_batch(bytes_of(peak.batch->at, peak.batch->size), &query, &job->offset,
                            &job->found_timestamp);
    return peak.entry ? search_peak(peak.entry, &peak, &query, job) : ERR_OK;
}

/* --- the job --- */

static void run_time(struct job *job)
{
    struct log_time_job *time = CONTAINER_OF(job, struct log_time_job, job);
    struct time_plan *plan = time->plan;
    time->result = segment_table_load(time->log->env, time->log->directory, &plan->table);
    if (time->result == ERR_OK)
        time->result =
            time->timestamp == LOG_MAX_TIMESTAMP ? find_peak(time, plan) : find_first(time, plan);
}

static void time_done(struct job *job)
{
    struct log_time_job *time = CONTAINER_OF(job, struct log_time_job, job);
    struct time_plan *plan = time->plan;
    segment_table_install(time->log, &plan->table);
    segment_table_free(&plan->table);
    for (int i = 0; i < plan->tail_count; i++)
        shared_buffer_unref(plan->tail[i].buffer);
    job_plan_end(&plan->plan, job);
    /* A segment that was deleted meanwhile is not damage: search the remaining ones. */
    struct executor *again = time->result != ERR_OK && plan->start_offset < time->log->start_offset
                                 ? plan->executor
                                 : NULL;
    free(plan);
    if (again)
        log_time_submit(again, time);
    else
        job->done(job);
}

static void keep_candidate(struct time_plan *plan, const struct tail_batch *batch, int at)
{
    if (at < plan->tail_count)
        shared_buffer_unref(plan->tail[at].buffer);
    else
        plan->tail_count = at + 1;
    plan->tail[at] = *batch;
    shared_buffer_ref(batch->buffer);
}

/* Keeps the first one with the largest timestamp. A batch that the log's start cuts is kept apart,
 * in the first place: the largest timestamp of the rest of it is not known yet. */
static void keep_peak(struct time_plan *plan, const struct tail_batch *batch)
{
    bool is_cut = batch->base_offset < plan->start_offset;
    int at = plan->tail_count > 0 && plan->tail[0].base_offset < plan->start_offset ? 1 : 0;
    if (is_cut || at == plan->tail_count || batch->max_timestamp > plan->tail[at].max_timestamp)
        keep_candidate(plan, batch, is_cut ? 0 : at);
}

/* Keeps the unflushed batches that may contain the answer: the first few with the timestamp or a
 * later one, or those of keep_peak. */
static void take_candidates(struct log_time_job *job, struct time_plan *plan)
{
    const struct log *log = job->log;
    bool peak = job->timestamp == LOG_MAX_TIMESTAMP;
    size_t from = tail_find(&log->tail, MAX(log->flushed_offset, log->start_offset));
    for (size_t i = from; i < log->tail.count; i++) {
        const struct tail_batch *batch = tail_at(&log->tail, i);
        if (batch->next_offset > job->end_offset)
            break;
        if (peak) {
            keep_peak(plan, batch);
        } else if (batch->max_timestamp >= job->timestamp && plan->tail_count < TAIL_CANDIDATES) {
            keep_candidate(plan, batch, plan->tail_count);
        }
    }
}

void log_time_submit(struct executor *executor, struct log_time_job *job)
{
    struct time_plan *plan = xcalloc(1, sizeof *plan);
    job->plan = plan;
    job->result = ERR_OK;
    job->offset = job->found_timestamp = -1;
    plan->executor = executor;
    plan->start_offset = job->log->start_offset;
    segment_table_take(job->log, &plan->table);
    take_candidates(job, plan);
    job_plan_begin(&plan->plan, job->log, &job->job, run_time, time_done);
    executor->submit(executor, &job->job);
}
