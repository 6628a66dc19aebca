#include "broker/runner/runner_internal.h"

#include "storage/log_slice.h"

static struct runner_task *of(const struct batch_source *source)
{
    return CONTAINER_OF(source, struct runner_task, batches);
}

/* The offset, or the log's start if retention has removed the offset, or the end of a hole. */
static int64_t first_from(const struct runner_task *task, int64_t offset)
{
    int64_t first = MAX(offset, log_start_offset(task->partition->log));
    return first >= task->hole_from && first < task->hole_end ? task->hole_end : first;
}

static bool is_at_end(const struct batch_source *source, int64_t offset)
{
    const struct runner_task *task = of(source);
    return first_from(task, offset) >= partition_visible_end(task->partition, READ_COMMITTED);
}

void runner_input_drop(struct runner_task *task)
{
    log_slice_unref(task->slice);
    shared_buffer_unref(task->copy);
    task->slice = NULL;
    task->copy = NULL;
    task->piece = task->at = 0;
}

static bool has_file_pieces(const struct log_slice *slice)
{
    for (size_t i = 0; i < slice->piece_count; i++) {
        if (slice->pieces[i].file)
            return true;
    }
    return false;
}

static void begin_job(struct runner_task *task)
{
    ASSERT(!task->reading);
    task->reading = true;
    host_hold(&task->host);
    partition_hold(task->partition);
}

static void end_job(struct runner_task *task)
{
    task->reading = false;
    partition_release(task->runner->shard, task->partition);
    host_wake(&task->host);
    host_release(&task->host);
}

/* Damage is permanent; other errors may be temporary. */
static void read_failed(struct runner_task *task, enum error error)
{
    if (error == ERR_CORRUPT)
        host_stop(&task->host, "the input is damaged");
    else
        host_try_later(&task->host, "a processor's input cannot be read", error);
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
    struct runner_task *task = CONTAINER_OF(job, struct runner_task, copy_job);
    task->copy_result = log_slice_copy(task->runner->shard->env->io, task->slice, task->copy->data);
    if (task->copy_result == ERR_OK)
        task->copy_result = check_batches(bytes_of(task->copy->data, task->copy->size));
}

static void copy_done(struct job *job)
{
    struct runner_task *task = CONTAINER_OF(job, struct runner_task, copy_job);
    if (task->copy_result) {
        runner_input_drop(task);
        read_failed(task, task->copy_result);
    }
    end_job(task);
}

static void start_copy(struct runner_task *task)
{
    task->copy = shared_buffer_create(task->slice->size);
    if (task->copy == NULL) {
        runner_input_drop(task);
        read_failed(task, ERR_NO_MEMORY);
        return;
    }
    task->copy_job = (struct job){.run = copy_run, .done = copy_done};
    begin_job(task);
    struct executor *executor = task->runner->shard->reader;
    executor->submit(executor, &task->copy_job);
}

static void take_slice(struct runner_task *task, struct log_slice *slice)
{
    ASSERT(task->slice == NULL && task->copy == NULL);
    task->slice = slice;
    task->piece = task->at = 0;
    if (slice && has_file_pieces(slice))
        start_copy(task);
}

/* A range that a read has found to be empty stays so: appends come after it. */
static void note_hole(struct runner_task *task)
{
    if (task->read.result != ERR_OK || task->read.slice)
        return;
    task->hole_from = task->read.offset;
    task->hole_end = task->read.end_offset;
}

static void read_done(struct job *job)
{
    struct runner_task *task = CONTAINER_OF(job, struct runner_task, read.job);
    bool is_wanted =
        task->read.result == ERR_OK && !host_is_over(&task->host) && !task->runner->shard->stopping;
    task->reading = false;
    partition_report_damage(task->runner->shard, task->partition, &task->read);
    note_hole(task);
    if (is_wanted)
        take_slice(task, task->read.slice);
    else
        log_slice_unref(task->read.slice);
    if (task->read.result != ERR_OK && task->read.result != ERR_OUT_OF_RANGE)
        read_failed(task, task->read.result); /* out of range: the log's start moved meanwhile */
    if (task->reading) {                      /* the copy has the bytes now */
        partition_release(task->runner->shard, task->partition);
        host_release(&task->host);
    } else {
        end_job(task);
    }
}

static void start_read(struct runner_task *task, int64_t offset)
{
    task->read =
        (struct log_read_job){.job = {.done = read_done},
                              .log = task->partition->log,
                              .offset = offset,
                              .end_offset = partition_visible_end(task->partition, READ_COMMITTED),
                              .max_bytes = SLICE_BYTES,
                              .at_least_one = true};
    begin_job(task);
    log_read_submit(task->runner->shard->reader, &task->read);
}

static void seek_done(struct job *job)
{
    struct runner_task *task = CONTAINER_OF(job, struct runner_task, seek.job);
    const struct log_time_job *seek = &task->seek;
    if (seek->result != ERR_OK)
        read_failed(task, seek->result);
    else if (task->host.state == HOST_PLACING && !task->runner->shard->stopping)
        runner_task_found(task, seek->offset < 0 ? seek->end_offset : seek->offset);
    end_job(task);
}

void runner_input_seek(struct runner_task *task, int64_t timestamp)
{
    task->seek =
        (struct log_time_job){.job = {.done = seek_done},
                              .log = task->partition->log,
                              .timestamp = timestamp,
                              .end_offset = partition_visible_end(task->partition, READ_COMMITTED)};
    begin_job(task);
    log_time_submit(task->runner->shard->reader, &task->seek);
}

/* Retention waits for an active task only, and not without limit: runner_guard.c. */
static void say_skipped(const struct runner_task *task, int64_t from, int64_t to)
{
    trace_log(task->runner->shard->env->trace, TRACE_WARN,
              "records were deleted before a processor read them",
              F_BYTES("topic", task->topic->name), F_INT("partition", task->partition->index),
              F_BYTES("processor", chain_name(task->host.chain)), F_INT("from_offset", from),
              F_INT("to_offset", to));
}

/* INPUT_RECORD: there is a slice. */
static enum input_status read_more(struct runner_task *task, int64_t from, struct message *message)
{
    struct log *log = task->partition->log;
    struct log_slice *slice = NULL;
    if (is_at_end(&task->batches, from))
        return INPUT_AT_END;
    int64_t start = log_start_offset(log);
    if (from < start) { /* perhaps into the middle of a batch */
        say_skipped(task, from, start);
        task->input->position = start;
        return INPUT_SKIPPED;
    }
    int64_t offset = first_from(task, from);
    enum error error = log_read(log, offset, partition_visible_end(task->partition, READ_COMMITTED),
                                SLICE_BYTES, true, &slice);
    if (error == ERR_CORRUPT) {
        message_set(message, "the input is damaged");
        return INPUT_FAILED;
    }
    if (error == ERR_BUSY)
        start_read(task, offset);
    else if (error == ERR_OK)
        take_slice(task, slice);
    else
        read_failed(task, error);
    return task->slice && !task->reading ? INPUT_RECORD : INPUT_WAITING;
}

static struct bytes rest_of_slice(const struct runner_task *task)
{
    if (task->copy)
        return bytes_of(task->copy->data + task->at, task->copy->size - task->at);
    if (task->piece == task->slice->piece_count)
        return BYTES_NULL;
    const struct slice_piece *piece = &task->slice->pieces[task->piece];
    ASSERT(piece->file == NULL && task->at < piece->size);
    return bytes_of(piece->at + task->at, piece->size - task->at);
}

/* Moves past `size` bytes of the slice; releases the slice at its end. */
static void move(struct runner_task *task, size_t size)
{
    task->at += size;
    if (task->copy) {
        if (task->at == task->copy->size)
            runner_input_drop(task);
        return;
    }
    if (task->at < task->slice->pieces[task->piece].size)
        return;
    task->at = 0;
    if (++task->piece == task->slice->piece_count)
        runner_input_drop(task);
}

static enum input_status find(struct batch_source *source, int64_t offset, struct bytes *batch,
                              struct message *message)
{
    struct runner_task *task = of(source);
    while (!task->reading) {
        enum input_status status = task->slice ? INPUT_RECORD : read_more(task, offset, message);
        if (status != INPUT_RECORD)
            return status;
        struct bytes rest = rest_of_slice(task);
        size_t size = batch_size(rest);
        struct batch_header header;
        if (size == 0 || size > rest.size || !batch_header_read(rest, &header)) {
            message_set(message, "the input is damaged");
            return INPUT_FAILED;
        }
        if (batch_last_offset(&header) >= offset) {
            *batch = bytes_of(rest.data, size);
            return INPUT_RECORD;
        }
        move(task, size);
    }
    return INPUT_WAITING;
}

static void forget(struct batch_source *source, int64_t offset)
{
    (void)offset;
    runner_input_drop(of(source));
}

void runner_input_init(struct runner_task *task)
{
    task->batches = (struct batch_source){.find = find, .seek = forget, .is_at_end = is_at_end};
    batch_input_init(&task->batch_input, &task->batches);
    task->input = &task->batch_input.input;
}
