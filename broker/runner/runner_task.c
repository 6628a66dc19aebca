/* The owner's part in the life of a task: the host's ops, and how a task is made and ended. */
#include "broker/runner/runner_internal.h"

#include <stdlib.h>

static struct runner_task *of(const struct host *h)
{
    return CONTAINER_OF(h, struct runner_task, host);
}

/* --- beginning --- */

/* Stores the offset at once: start=latest must not mean a later offset after a crash. */
void runner_task_found(struct runner_task *task, int64_t offset)
{
    struct store *store = task->runner->shard->store;
    host_placed(&task->host, &offset);
    store_begin(store);
    runner_rows_put_cursor(task, offset);
    store_commit(store, NULL);
}

static void place(struct host *h, enum chain_start start, int64_t time_ms)
{
    struct runner_task *task = of(h);
    struct log *log = task->partition->log;
    switch (start) {
    case START_EARLIEST:
        runner_task_found(task, log_start_offset(log));
        break;
    case START_LATEST:
        runner_task_found(task, partition_visible_end(task->partition, READ_COMMITTED));
        break;
    case START_TIME:
        runner_input_seek(task, time_ms);
        break;
    }
}

/* --- working --- */

static void wake(struct host *h, enum host_wake when)
{
    if (when == HOST_WAKE_NOW)
        runner_make_ready(of(h));
    else
        runner_make_ready_later(of(h));
}

static void say_retry(struct host *h, const char *what, enum error reason)
{
    const struct runner_task *task = of(h);
    trace_log(task->runner->shard->env->trace, TRACE_WARN, what,
              F_BYTES("topic", task->topic->name), F_INT("partition", task->partition->index),
              F_BYTES("processor", chain_name(h->chain)), F_STRING("reason", error_text(reason)),
              F_INT("again_in_ms", TICK_MS));
}

/* A failing task stops alone; the others continue. */
static void say_stopped(struct host *h, const char *reason)
{
    const struct runner_task *task = of(h);
    trace_log(task->runner->shard->env->trace, TRACE_ERROR, "processor stopped",
              F_BYTES("topic", task->topic->name), F_INT("partition", task->partition->index),
              F_BYTES("processor", chain_name(h->chain)), F_STRING("reason", reason),
              F_INT("offset", task_cursor(h->task, 0)));
}

/* --- ending --- */

void runner_task_end(struct runner_task *task)
{
    ASSERT(list_contains(&task->in_partition));
    runner_rows_delete(task);
    list_remove(&task->in_partition);
    list_remove(&task->in_queue);
    runner_commit_free_waiting(task);
    host_close(&task->host);
}

void runner_task_free(struct runner_task *task)
{
    ASSERT(!task->reading && !task->ensuring);
    list_remove(&task->in_partition);
    list_remove(&task->in_runner);
    list_remove(&task->in_queue);
    runner_input_drop(task);
    batch_input_free(&task->batch_input);
    runner_commit_free_waiting(task);
    host_free(&task->host);
    topic_unref(task->topic);
    buffer_free(&task->unread);
    free((void *)(uintptr_t)task->prefix.data);
    free((void *)(uintptr_t)task->source.data);
    free(task);
}

static void closed(struct host *h)
{
    struct runner_task *task = of(h);
    if (!task->runner->shard->stopping)
        parcels_forget_source(task->runner->shard, task->source);
    runner_task_free(task);
}

/* Begins a new task under the same name. The old task's parcels keep the old incarnation. */
static void begin_anew(struct host *h, struct topology *topology, const struct chain *chain)
{
    struct runner_task *task = of(h);
    struct runner *runner = task->runner;
    struct partition *partition = task->partition;
    runner_task_end(task);
    runner_task_open(runner, partition, topology, chain);
}

/* --- making --- */

struct runner_task *runner_task_find(struct partition *partition, struct bytes name)
{
    LIST_FOR_EACH (node, &partition->tasks) {
        struct runner_task *task = CONTAINER_OF(node, struct runner_task, in_partition);
        if (bytes_equal(chain_name(task->host.chain), name))
            return task;
    }
    return NULL;
}

static const struct host_ops ops = {
    .place = place,
    .commit = runner_commit_step,
    .commit_again = runner_commit_again,
    .partitions = runner_commit_partitions,
    .max_batch_bytes = runner_commit_max_batch_bytes,
    .needs_keys = runner_commit_needs_keys,
    .wake = wake,
    .say_retry = say_retry,
    .say_stopped = say_stopped,
    .begin_anew = begin_anew,
    .closed = closed,
};

struct runner_task *runner_task_create(struct runner *runner, struct partition *partition,
                                       struct topology *topology, const struct chain *chain)
{
    ASSERT(runner_task_find(partition, chain_name(chain)) == NULL);
    struct runner_task *task = xcalloc(1, sizeof *task);
    struct host_setup setup = {
        .ops = &ops,
        .topology = topology,
        .chain = chain,
        .partition = partition->index,
        .inputs = &task->input,
        .input_count = 1,
        .max_in_flight = STEPS_IN_FLIGHT,
    };
    task->runner = runner;
    task->partition = partition;
    task->topic = topic_ref(partition->topic);
    task->incarnation = random_u64(runner->shard->env->random);
    buffer_init(&task->unread, SIZE_MAX / 2);
    runner_input_init(task);
    host_init(&task->host, &setup, runner->shard->now_ms);
    runner_rows_name(task);
    list_append(&partition->tasks, &task->in_partition);
    list_append(&runner->tasks, &task->in_runner);
    return task;
}

void runner_task_open(struct runner *runner, struct partition *partition, struct topology *topology,
                      const struct chain *chain)
{
    struct host *h = &runner_task_create(runner, partition, topology, chain)->host;
    host_start(h);
    host_place(h);
}
