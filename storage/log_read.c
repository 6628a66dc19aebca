/* Reading: at once from the tail, with a job from the files. */
#include "storage/log_internal.h"

#include <stdlib.h>

/* Of a piece that holds no more than one read wants: the batch may begin after the place that the
 * index gives, and the piece begins and ends at a block. */
enum { EXACT_MORE = 16 << 10 };

static void read_ahead(struct log *log, const struct read_piece *piece);

enum error log_read(struct log *log, int64_t offset, int64_t end_offset, size_t max_bytes,
                    bool at_least_one, struct log_slice **out)
{
    *out = NULL;
    if (offset < log->start_offset || offset > log->next_offset)
        return ERR_OUT_OF_RANGE;
    if (offset == log->next_offset || offset >= end_offset)
        return ERR_OK;
    if (!tail_contains(&log->tail, offset)) {
        const struct read_piece *last;
        if (!log_cold_read(log, offset, end_offset, max_bytes, at_least_one, out, &last))
            return ERR_BUSY;
        if (last)
            read_ahead(log, last);
        return ERR_OK;
    }
    *out = tail_read(&log->tail, offset, end_offset, max_bytes, at_least_one);
    return ERR_OK;
}

struct read_plan {
    struct job_plan plan;
    struct executor *executor;
    int64_t offset;             /* the requested one, or the end of the hole that contains it */
    struct segment_table table; /* empty: the tail gave the answer */
    int64_t hint_position;      /* of the offset, or -1 */
    struct table_entry *entry;  /* the segment that was read, or NULL */
    struct read_hint next;
    int64_t bad_byte;         /* of the entry's file, with ERR_CORRUPT */
    bool sequential;          /* the reader continues where a read ended */
    size_t reserved;          /* for a piece */
    size_t piece_size;        /* 0: read through the page cache */
    bool ahead;               /* no reader waits: only the piece matters */
    bool cached;              /* there is no piece, because the page cache has the bytes */
    struct read_piece *piece; /* that was read, or NULL */
    int64_t piece_ns;         /* the time that this took */
};

/* A slice with one piece of a file. */
static struct log_slice *file_slice(struct segment_file *file, int64_t position, size_t size,
                                    int64_t first_offset, int64_t next_offset)
{
    struct slice_piece piece = {.file = segment_file_ref(file), .position = position, .size = size};
    return log_slice_create(&piece, 1, first_offset, next_offset);
}

/* Moves to the batch that contains `offset`, or the first one after it. False: there is none, or an
 * error. */
static bool find_batch(struct segment_scan *scan, int64_t offset)
{
    while (segment_scan_next(scan)) {
        if (scan->next_offset > offset)
            return true;
    }
    return false;
}

/* Collects batches, starting with the present one, as far as the limits allow. Comparing every
 * checksum also reads the pages into memory. A damaged batch after sound ones ends the range. */
static enum error collect(struct log_read_job *job, struct segment_scan *scan,
                          struct read_plan *plan)
{
    int64_t position = scan->batch_position, first_offset = scan->header.base_offset;
    int64_t next_offset = first_offset;
    size_t size = 0;
    enum error error = ERR_OK;
    do {
        bool fits = scan->batch_size <= job->max_bytes && size <= job->max_bytes - scan->batch_size;
        bool wanted =
            scan->next_offset <= job->end_offset && (fits || (size == 0 && job->at_least_one));
        if (wanted || size == 0) /* a first batch that is too large may have a wrong header */
            error = segment_scan_check(scan);
        plan->bad_byte = scan->batch_position;
        if (error != ERR_OK || !wanted)
            break;
        size += scan->batch_size;
        next_offset = scan->next_offset;
    } while (segment_scan_next(scan));
    if (size == 0)
        return error;
    plan->next =
        (struct read_hint){next_offset, plan->entry->view.base_offset, position + (int64_t)size};
    job->slice = file_slice(scan->file, position, size, first_offset, next_offset);
    return ERR_OK;
}

/* Reads a piece, and makes a slice of its first batches. False: there is no piece. */
static bool read_piece(struct log_read_job *job, struct read_plan *plan, struct segment_place place)
{
    struct piece_range range;
    struct read_pool *pool = job->log->read_pool;
    if (plan->piece_size == 0)
        return false;
    struct clock *clock = job->log->env->clock;
    int64_t began_ns = clock->monotonic_ns(clock);
    plan->piece = read_piece_read(read_pool_memory(pool), &plan->entry->view, place, plan->offset,
                                  plan->piece_size, &plan->cached);
    plan->piece_ns = clock->monotonic_ns(clock) - began_ns;
    if (plan->piece == NULL)
        return false;
    if (!read_piece_find(plan->piece, plan->offset, job->end_offset, job->max_bytes,
                         job->at_least_one, &range))
        return true;
    if (!plan->ahead)
        plan->piece->read_to = range.next_offset;
    plan->next = (struct read_hint){range.next_offset, plan->piece->segment_base,
                                    read_piece_end(plan->piece, &range)};
    struct slice_piece memory = read_piece_memory(plan->piece, &range);
    job->slice = log_slice_create(&memory, 1, range.first_offset, range.next_offset);
    return true;
}

/* Reads from the segment that contains plan->offset. If there is only a hole up to the segment's
 * end, moves the offset to the start of the next one. */
static enum error read_segment(struct log_read_job *job, struct read_plan *plan)
{
    struct segment_view *view = &plan->entry->view;
    struct segment_place place = {plan->hint_position, plan->offset};
    if (view->sparse && view->size == 0) {
        plan->offset = view->next_offset;
        return ERR_OK;
    }
    plan->bad_byte = -1;
    enum error error = table_entry_open(job->log->env->io, plan->entry);
    if (error == ERR_OK && plan->hint_position < 0)
        error = segment_locate(view, plan->offset, &place);
    if (error != ERR_OK)
        return error;
    if (read_piece(job, plan, place) || plan->ahead)
        return ERR_OK;
    struct segment_scan scan;
    segment_scan_init(&scan, view, place);
    if (find_batch(&scan, plan->offset)) {
        error = collect(job, &scan, plan);
    } else if (scan.error == ERR_OK && view->sparse) {
        plan->offset = view->next_offset;
    } else {
        error = scan.error != ERR_OK ? scan.error : ERR_CORRUPT;
        plan->bad_byte = scan.position;
    }
    segment_scan_free(&scan);
    return error;
}

/* Continues in the next segments of the table while it finds only holes. */
static enum error read_files(struct log_read_job *job, struct read_plan *plan)
{
    enum error error = segment_table_load(job->log->env, job->log->directory, &plan->table);
    plan->entry = error == ERR_OK ? segment_table_find(&plan->table, plan->offset) : NULL;
    if (error == ERR_OK && plan->entry == NULL)
        return ERR_CORRUPT; /* a segment is missing */
    while (error == ERR_OK && plan->entry) {
        int64_t offset = plan->offset;
        error = read_segment(job, plan);
        if (plan->offset == offset)
            break;
        plan->hint_position = -1;
        plan->entry = segment_table_find(&plan->table, plan->offset);
    }
    return error;
}

static void run_read(struct job *job)
{
    struct log_read_job *read = CONTAINER_OF(job, struct log_read_job, job);
    struct read_plan *plan = read->plan;
    if (plan->table.entries)
        read->result = read_files(read, plan);
}

static void note_damage(struct log_read_job *read, const struct read_plan *plan)
{
    int64_t segment_base = plan->entry->view.base_offset;
    read->damage = (struct log_damage){
        .is_new = log_damage_report(read->log, segment_base, plan->bad_byte),
        .segment_base = segment_base,
        .byte = plan->bad_byte,
    };
}

/* Gives the log what the job found out about its files. */
static void keep_results(struct log_read_job *read, struct read_plan *plan)
{
    struct log *log = read->log;
    bool is_old = job_plan_is_old(&plan->plan);
    struct segment *segment =
        plan->entry && !is_old ? log_segment_at(log, plan->entry->view.base_offset) : NULL;
    if (read->slice && segment)
        log_cache_file(log, segment, plan->entry->view.file);
    if (read->slice && plan->entry && !is_old && !plan->ahead)
        log_cold_remember(log, plan->offset, &plan->next);
    if (plan->piece_size == 0)
        return;
    if (plan->piece)
        read_pool_note_speed(log->read_pool, plan->piece->batches.size, plan->piece_ns);
    if (plan->piece && segment && plan->piece->next_offset > log->start_offset) {
        if (log_cold_add(log, plan->piece, plan->reserved) && plan->sequential)
            read_ahead(log, plan->piece);
        return;
    }
    log_cold_no_piece(log, plan->reserved, plan->piece == NULL && !plan->cached);
    read_piece_free(plan->piece);
}

static void start_read(struct executor *executor, struct log_read_job *job, int64_t offset);

static void read_done(struct job *job)
{
    struct log_read_job *read = CONTAINER_OF(job, struct log_read_job, job);
    struct read_plan *plan = read->plan;
    struct log *log = read->log;
    segment_table_install(log, &plan->table);
    if (read->result != ERR_OK && read->offset < log->start_offset)
        read->result = ERR_OUT_OF_RANGE; /* deleted meanwhile */
    if (read->result == ERR_CORRUPT && plan->entry && !plan->ahead)
        note_damage(read, plan);
    keep_results(read, plan);
    bool in_hole = read->result == ERR_OK && plan->table.entries && plan->entry == NULL;
    struct executor *executor = plan->executor;
    int64_t offset = plan->offset;
    bool goes_on = in_hole && !plan->ahead;
    segment_table_free(&plan->table);
    job_plan_end(&plan->plan, job);
    free(plan);
    if (goes_on) /* at the end of this job's segments */
        start_read(executor, read, offset);
    else
        job->done(job);
}

/* A hint is the position after the last batch that a reader got. -1: no reader got the batches
 * before the offset. */
static int64_t hint_for(const struct log *log, int64_t offset, bool *sequential)
{
    int64_t segment_base = log_find_segment(log, offset)->base_offset;
    for (int i = 0; i < READ_HINTS; i++) {
        if (log->hints[i].offset != offset)
            continue;
        *sequential = true;
        if (log->hints[i].segment_base == segment_base)
            return log->hints[i].position;
    }
    return offset == segment_base ? 0 : -1;
}

static void prepare_files(struct log *log, struct log_read_job *job, int64_t offset)
{
    struct read_plan *plan = job->plan;
    segment_table_take_one(log, offset, &plan->table);
    plan->hint_position = hint_for(log, offset, &plan->sequential);
    plan->reserved = log_cold_reserve(log, offset);
    plan->piece_size =
        plan->sequential ? plan->reserved : MIN(plan->reserved, job->max_bytes + EXACT_MORE);
}

static struct read_plan *make_plan(struct executor *executor, struct log_read_job *job,
                                   int64_t offset)
{
    struct read_plan *plan = xcalloc(1, sizeof *plan);
    job->plan = plan;
    plan->executor = executor;
    plan->offset = offset;
    return plan;
}

static void submit(struct log_read_job *job)
{
    struct executor *executor = job->plan->executor;
    job_plan_begin(&job->plan->plan, job->log, &job->job, run_read, read_done);
    executor->submit(executor, &job->job);
}

static void start_read(struct executor *executor, struct log_read_job *job, int64_t offset)
{
    make_plan(executor, job, offset);
    job->result =
        log_read(job->log, offset, job->end_offset, job->max_bytes, job->at_least_one, &job->slice);
    if (job->result == ERR_BUSY) {
        job->result = ERR_OK;
        prepare_files(job->log, job, offset);
    }
    submit(job);
}

void log_read_submit(struct executor *executor, struct log_read_job *job)
{
    job->executor = executor;
    if (log_cold_wait(job->log, job))
        job->log->jobs++;
    else
        start_read(executor, job, job->offset);
}

/* --- ahead of a reader --- */

/* The owner of another job may close the log in its done(), but not while this job's has not come.
 */
static void read_after_waiting(struct log_read_job *job)
{
    job->result = log_read(job->log, job->offset, job->end_offset, job->max_bytes,
                           job->at_least_one, &job->slice);
    job->log->jobs--;
    if (job->result == ERR_BUSY)
        start_read(job->executor, job, job->offset);
    else
        job->job.done(&job->job);
}

static void ahead_done(struct job *job)
{
    struct log_read_job *read = CONTAINER_OF(job, struct log_read_job, job);
    struct list waiting;
    list_init(&waiting);
    log_cold_end_ahead(read->log, &waiting);
    log_slice_unref(read->slice);
    free(read);
    for (struct list_node *node; (node = list_pop(&waiting));)
        read_after_waiting(
            CONTAINER_OF(CONTAINER_OF(node, struct job, node), struct log_read_job, job));
}

/* Starts a job that makes a piece of what follows, if that is wanted. No reader waits for it, so
 * its errors are nobody's: a reader that comes there reads again. */
static void read_ahead(struct log *log, const struct read_piece *piece)
{
    struct read_hint from;
    size_t size = log_cold_begin_ahead(log, piece, &from);
    if (size == 0)
        return;
    int64_t offset = from.offset;
    struct log_read_job *read = xcalloc(1, sizeof *read);
    *read = (struct log_read_job){.job.done = ahead_done,
                                  .log = log,
                                  .offset = offset,
                                  .end_offset = log->flushed_offset,
                                  .max_bytes = SIZE_MAX};
    struct read_plan *plan = make_plan(read_pool_worker(log->read_pool), read, offset);
    plan->ahead = true;
    plan->piece_size = plan->reserved = size;
    segment_table_take_one(log, offset, &plan->table);
    bool same = log_find_segment(log, offset)->base_offset == from.segment_base;
    plan->hint_position = same ? from.position : 0;
    submit(read);
}
