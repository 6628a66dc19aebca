/* Reading: from the tail at once, from the files by a job. */
#include "storage/log_internal.h"

#include <stdlib.h>

enum error log_read(struct log *log, int64_t offset, int64_t end_offset, size_t max_bytes,
                    bool at_least_one, struct log_slice **out)
{
    *out = NULL;
    if (offset < log->start_offset || offset > log->next_offset)
        return ERR_OUT_OF_RANGE;
    if (offset == log->next_offset || offset >= end_offset)
        return ERR_OK;
    if (!tail_contains(&log->tail, offset))
        return ERR_BUSY;
    *out = tail_read(&log->tail, offset, end_offset, max_bytes, at_least_one);
    return ERR_OK;
}

struct read_plan {
    struct job_plan plan;
    struct segment_table table; /* empty: the answer was there at once */
    int64_t hint_position;      /* where the offset is, or -1 */
    struct table_entry *entry;  /* where it was found */
    struct read_hint next;
};

/* A slice of one piece of a file. */
static struct log_slice *file_slice(struct segment_file *file, int64_t position, size_t size,
                                    int64_t first_offset, int64_t next_offset)
{
    struct log_slice *s = xmalloc(sizeof *s + sizeof s->pieces[0]);
    *s = (struct log_slice){
        .size = size,
        .first_offset = first_offset,
        .next_offset = next_offset,
        .piece_count = 1,
    };
    atomic_init(&s->references, 1);
    s->pieces[0] =
        (struct slice_piece){.file = segment_file_ref(file), .position = position, .size = size};
    return s;
}

/* Stands on the batch that contains `offset`. */
static enum error find_batch(struct segment_scan *scan, int64_t offset)
{
    while (segment_scan_next(scan)) {
        if (scan->next_offset > offset)
            return ERR_OK;
    }
    return scan->error != ERR_OK ? scan->error : ERR_CORRUPT;
}

/* Goes through the batches from the present one on as far as the limits allow. Every checksum is
 * compared, which also brings the pages in. A damaged batch behind sound ones ends the range. */
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
        if (wanted || size == 0) /* the first one's header is not believed unchecked */
            error = segment_scan_check(scan);
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

static enum error read_files(struct log_read_job *job, struct read_plan *plan)
{
    struct io *io = job->log->env->io;
    enum error error = segment_table_load(job->log->env, job->log->directory, &plan->table);
    if (error != ERR_OK)
        return error;
    plan->entry = segment_table_find(&plan->table, job->offset);
    if (plan->entry == NULL)
        return ERR_CORRUPT; /* a segment is missing */
    error = table_entry_open(io, plan->entry);
    if (error != ERR_OK)
        return error;
    struct segment_view *view = &plan->entry->view;
    struct segment_place place = {plan->hint_position, job->offset};
    if (plan->hint_position < 0)
        error = segment_locate(view, job->offset, &place);
    if (error != ERR_OK)
        return error;
    struct segment_scan scan;
    segment_scan_init(&scan, view, place);
    error = find_batch(&scan, job->offset);
    if (error == ERR_OK)
        error = collect(job, &scan, plan);
    segment_scan_free(&scan);
    return error;
}

static void run_read(struct job *job)
{
    struct log_read_job *read = CONTAINER_OF(job, struct log_read_job, job);
    struct read_plan *plan = read->plan;
    if (plan->table.entries)
        read->result = read_files(read, plan);
}

static void remember(struct log *log, const struct read_hint *hint)
{
    log->hints[log->next_hint++ % READ_HINTS] = *hint;
}

static void read_done(struct job *job)
{
    struct log_read_job *read = CONTAINER_OF(job, struct log_read_job, job);
    struct read_plan *plan = read->plan;
    struct log *log = read->log;
    segment_table_install(log, &plan->table);
    if (read->result != ERR_OK && read->offset < log->start_offset)
        read->result = ERR_OUT_OF_RANGE; /* deleted meanwhile */
    if (read->slice && plan->entry) {
        struct segment *segment = log_segment_at(log, plan->entry->view.base_offset);
        if (segment)
            log_cache_file(log, segment, plan->entry->view.file);
        remember(log, &plan->next);
    }
    segment_table_free(&plan->table);
    job_plan_end(&plan->plan, job);
    free(plan);
    job->done(job);
}

/* A hint is for the place just behind what a reader got, in the same segment. */
static int64_t hint_for(const struct log *log, int64_t offset)
{
    int64_t segment_base = log_find_segment(log, offset)->base_offset;
    for (int i = 0; i < READ_HINTS; i++) {
        if (log->hints[i].offset == offset && log->hints[i].segment_base == segment_base)
            return log->hints[i].position;
    }
    return -1;
}

void log_read_submit(struct executor *executor, struct log_read_job *job)
{
    struct log *log = job->log;
    struct read_plan *plan = xcalloc(1, sizeof *plan);
    job->plan = plan;
    job->result =
        log_read(log, job->offset, job->end_offset, job->max_bytes, job->at_least_one, &job->slice);
    if (job->result == ERR_BUSY) {
        job->result = ERR_OK;
        segment_table_take_one(log, job->offset, &plan->table);
        plan->hint_position = hint_for(log, job->offset);
    }
    job_plan_begin(&plan->plan, log, &job->job, run_read, read_done);
    executor->submit(executor, &job->job);
}
