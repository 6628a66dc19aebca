#include "broker/runner/runner_internal.h"

#include "storage/log_slice.h"

static int64_t next_offset(const struct run *run)
{
    return MAX(task_cursor(run->task), log_start_offset(run->partition->log));
}

static int64_t end_offset(const struct run *run)
{
    return partition_visible_end(run->partition, READ_COMMITTED);
}

bool run_has_input(const struct run *run)
{
    return next_offset(run) < end_offset(run);
}

void run_drop_input(struct run *run)
{
    log_slice_unref(run->slice);
    shared_buffer_unref(run->copy);
    run->slice = NULL;
    run->copy = NULL;
    run->piece = run->at = 0;
}

static bool has_file_pieces(const struct log_slice *slice)
{
    for (size_t i = 0; i < slice->piece_count; i++) {
        if (slice->pieces[i].file)
            return true;
    }
    return false;
}

static void begin_job(struct run *run)
{
    run->reading = true;
    partition_hold(run->partition);
}

static void end_job(struct run *run)
{
    run->reading = false;
    partition_release(run->runner->shard, run->partition);
    if (run->closing)
        run_release(run);
    else
        run_make_ready(run);
}

/* Damage stays; anything else may pass. */
static void read_failed(struct run *run, enum error error)
{
    if (run->closing)
        return;
    if (error == ERR_CORRUPT)
        run_stop(run, "the input is damaged");
    else
        run_try_later(run, "a processor's input cannot be read", error);
}

/* --- files are read on a disk worker, never here --- */

static enum error check_batches(struct bytes batches)
{
    while (batches.size > 0) {
        size_t size = batch_size(batches);
        if (size == 0 || size > batches.size || !batch_crc_is_right(bytes_of(batches.data, size)))
            return ERR_CORRUPT;
        batches = bytes_from(batches, size);
    }
    return ERR_OK;
}

static void copy_run(struct job *job)
{
    struct run *run = CONTAINER_OF(job, struct run, copy_job);
    run->copy_result = log_slice_copy(run->runner->shard->env->io, run->slice, run->copy->data);
    if (run->copy_result == ERR_OK)
        run->copy_result = check_batches(bytes_of(run->copy->data, run->copy->size));
}

static void copy_done(struct job *job)
{
    struct run *run = CONTAINER_OF(job, struct run, copy_job);
    if (run->copy_result) {
        run_drop_input(run);
        read_failed(run, run->copy_result);
    }
    end_job(run);
}

static void start_copy(struct run *run)
{
    run->copy = shared_buffer_create(run->slice->size);
    if (run->copy == NULL) {
        run_drop_input(run);
        read_failed(run, ERR_NO_MEMORY);
        return;
    }
    run->copy_job = (struct job){.run = copy_run, .done = copy_done};
    begin_job(run);
    struct executor *executor = run->runner->shard->reader;
    executor->submit(executor, &run->copy_job);
}

static void take_slice(struct run *run, struct log_slice *slice)
{
    run->slice = slice;
    run->piece = run->at = 0;
    if (slice && has_file_pieces(slice))
        start_copy(run);
}

static void read_done(struct job *job)
{
    struct run *run = CONTAINER_OF(job, struct run, read.job);
    bool is_wanted = run->read.result == ERR_OK && !run->closing && !run->runner->shard->stopping;
    run->reading = false;
    if (is_wanted)
        take_slice(run, run->read.slice);
    else
        log_slice_unref(run->read.slice);
    if (run->read.result != ERR_OK && run->read.result != ERR_OUT_OF_RANGE)
        read_failed(run, run->read.result); /* out of range: the log's start moved meanwhile */
    if (run->reading)
        partition_release(run->runner->shard, run->partition); /* the copy holds it now */
    else
        end_job(run);
}

static void start_read(struct run *run, int64_t offset)
{
    run->read = (struct log_read_job){.job = {.done = read_done},
                                      .log = run->partition->log,
                                      .offset = offset,
                                      .end_offset = end_offset(run),
                                      .max_bytes = SLICE_BYTES,
                                      .at_least_one = true};
    begin_job(run);
    log_read_submit(run->runner->shard->reader, &run->read);
}

static void seek_done(struct job *job)
{
    struct run *run = CONTAINER_OF(job, struct run, seek.job);
    if (run->seek.result != ERR_OK) {
        run->seek.log = NULL;
        read_failed(run, run->seek.result);
    } else if (!run->closing && !run->runner->shard->stopping) {
        run_place(run);
    }
    end_job(run);
}

void run_seek(struct run *run, int64_t timestamp)
{
    run->seek = (struct log_time_job){.job = {.done = seek_done},
                                      .log = run->partition->log,
                                      .timestamp = timestamp,
                                      .end_offset = end_offset(run)};
    begin_job(run);
    log_time_submit(run->runner->shard->reader, &run->seek);
}

/* Retention does not wait for processors. */
static void say_skipped(const struct run *run, int64_t offset)
{
    if (task_cursor(run->task) + task_is_pending(run->task) < offset)
        trace_log(run->runner->shard->env->trace, TRACE_WARN,
                  "records were deleted before a processor read them",
                  F_BYTES("topic", run->topic->name), F_INT("partition", run->partition->index),
                  F_BYTES("processor", chain_name(run->chain)),
                  F_INT("from_offset", task_cursor(run->task)), F_INT("to_offset", offset));
}

static void read_more(struct run *run)
{
    struct log *log = run->partition->log;
    struct log_slice *slice = NULL;
    int64_t offset = next_offset(run);
    say_skipped(run, offset);
    enum error error = log_read(log, offset, end_offset(run), SLICE_BYTES, true, &slice);
    if (error == ERR_BUSY)
        start_read(run, offset);
    else if (error == ERR_OK)
        take_slice(run, slice);
    else
        read_failed(run, error);
}

static struct bytes rest_of_slice(const struct run *run)
{
    if (run->copy)
        return bytes_of(run->copy->data + run->at, run->copy->size - run->at);
    if (run->piece == run->slice->piece_count)
        return BYTES_NULL;
    const struct slice_piece *piece = &run->slice->pieces[run->piece];
    return bytes_of(piece->at + run->at, piece->size - run->at);
}

/* Moves over `size` bytes of the slice; lets the slice go at its end. */
static void move(struct run *run, size_t size)
{
    run->at += size;
    if (run->copy) {
        if (run->at == run->copy->size)
            run_drop_input(run);
        return;
    }
    if (run->at < run->slice->pieces[run->piece].size)
        return;
    run->at = 0;
    if (++run->piece == run->slice->piece_count)
        run_drop_input(run);
}

bool run_next_batch(struct run *run, struct bytes *batch)
{
    while (!run->reading && !run->failed) {
        if (run->slice == NULL) {
            if (!run_has_input(run))
                return false;
            read_more(run);
            if (run->slice == NULL || run->reading)
                return false;
        }
        struct bytes rest = rest_of_slice(run);
        size_t size = batch_size(rest);
        struct batch_header header;
        if (size == 0 || size > rest.size || !batch_header_read(rest, &header)) {
            run_stop(run, "the input is damaged");
            return false;
        }
        if (batch_last_offset(&header) < task_cursor(run->task)) {
            move(run, size);
            continue;
        }
        run->complained = false;
        *batch = bytes_of(rest.data, size);
        return true;
    }
    return false;
}

void run_batch_done(struct run *run, struct bytes batch)
{
    move(run, batch.size);
}
