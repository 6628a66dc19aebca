#include "broker/runner/runner_internal.h"

#include <stdlib.h>

/* --- queues --- */

void runner_make_ready(struct runner_task *task)
{
    if (!list_contains(&task->in_queue))
        list_append(&task->runner->ready, &task->in_queue);
}

void runner_make_ready_later(struct runner_task *task)
{
    list_remove(&task->in_queue);
    list_append(&task->runner->later, &task->in_queue);
}

/* --- working --- */

/* Processes as many records as its time allows. True while more can be done now. */
static bool run_slice(struct runner_task *task)
{
    const struct shard *shard = task->runner->shard;
    struct host_slice slice = {
        .now_ms = shard->now_ms,
        .record_clock = {shard->wall_ms, shard->steady_ms},
        .max_records = SLICE_RECORDS_MAX,
        .clock = shard->env->clock,
        .budget_ns = SLICE_BUDGET_NS,
    };
    return !task->reading && host_run(&task->host, &slice);
}

/* Tasks pause while the journal has a backlog, the disk is full, or other shards have not taken
 * their parcels. An event or the next tick makes them continue. */
static bool may_work(const struct runner *runner)
{
    const struct shard *shard = runner->shard;
    return !shard->stopping && store_accepts(shard->store) && !store_is_full(shard->store) &&
           runner->parcel_bytes < PARCEL_BYTES_MAX;
}

bool runner_turn(struct shard *shard)
{
    struct runner *runner = shard->runner;
    struct clock *clock = shard->env->clock;
    parcels_try_early(runner);
    if (list_is_empty(&runner->ready))
        return false;
    int64_t end_ns = clock->monotonic_ns(clock) + TURN_BUDGET_NS;
    while (!list_is_empty(&runner->ready) && may_work(runner)) {
        struct runner_task *task =
            CONTAINER_OF(list_pop(&runner->ready), struct runner_task, in_queue);
        if (run_slice(task))
            runner_make_ready(task);
        if (clock->monotonic_ns(clock) >= end_ns)
            break;
    }
    return !list_is_empty(&runner->ready) && may_work(runner);
}

static void tick(struct timer *timer, int64_t now_ms)
{
    struct runner *runner = CONTAINER_OF(timer, struct runner, tick);
    list_take_all(&runner->ready, &runner->later);
    runner_lift_idle(runner);
    timers_set(&runner->shard->timers, timer, now_ms + TICK_MS);
}

/* --- the runner --- */

struct runner *runner_create(struct shard *shard)
{
    struct runner *runner = xcalloc(1, sizeof *runner);
    runner->shard = shard;
    list_init(&runner->tasks);
    list_init(&runner->ready);
    list_init(&runner->later);
    list_init(&runner->early);
    buffer_init(&runner->garbage, SIZE_MAX / 2);
    buffer_init(&runner->key, ROW_KEY_MAX);
    runner->tick.fire = tick;
    return runner;
}

static enum error found(void *context, struct bytes key, struct bytes value)
{
    (void)key;
    (void)value;
    *(bool *)context = true;
    return ERR_CLOSED; /* enough */
}

static bool has_task_rows(struct shard *shard)
{
    uint8_t prefix = ROW_TASK;
    bool any = false;
    enum error error = store_scan(shard->store, bytes_of(&prefix, 1), found, &any);
    return any || error != ERR_OK;
}

/* Loads topic by topic, so that each topology is parsed once. A partition without processors may
 * still have rows, of tasks that were deleted just before the last run ended. */
static enum error load_topic(struct runner *runner, struct topic *topic, bool has_rows)
{
    struct topology *topology;
    if (!runner_topology(runner, topic, &topology) || (topology == NULL && !has_rows))
        return ERR_OK;
    enum error error = ERR_OK;
    for (int32_t i = 0; i < topic->partitions && error == ERR_OK; i++) {
        struct partition *partition = partition_find(runner->shard, topic->id, i);
        if (partition)
            error = runner_rows_load(runner, partition, topology);
    }
    return error;
}

enum error runner_load(struct runner *runner, struct message *message)
{
    struct shard *shard = runner->shard;
    bool has_rows = has_task_rows(shard);
    enum error error = ERR_OK;
    for (size_t i = 0; i < catalog_count(shard->catalog) && error == ERR_OK; i++)
        error = load_topic(runner, catalog_at(shard->catalog, i), has_rows);
    if (error == ERR_OK)
        error = parcels_load(runner);
    if (error == ERR_OK)
        error = outbox_load(runner);
    if (error)
        message_set(message, "the rows of processors cannot be read: %s", error_text(error));
    runner->loaded = true;
    return error;
}

void runner_start(struct runner *runner)
{
    struct shard *shard = runner->shard;
    if (runner->garbage.size > 0) {
        store_begin(shard->store);
        key_list_delete(&runner->garbage, shard->store);
        store_commit(shard->store, NULL);
        buffer_free(&runner->garbage);
    }
    LIST_FOR_EACH (node, &runner->tasks) {
        struct runner_task *task = CONTAINER_OF(node, struct runner_task, in_runner);
        if (task->host.state == HOST_UNPLACED)
            host_place(&task->host);
    }
    timers_set(&shard->timers, &runner->tick, shard->now_ms + TICK_MS);
}

void runner_free(struct runner *runner)
{
    if (runner == NULL)
        return;
    timers_cancel(&runner->shard->timers, &runner->tick);
    for (struct list_node *node; (node = list_first(&runner->tasks));)
        runner_task_free(CONTAINER_OF(node, struct runner_task, in_runner));
    parcels_free(runner);
    topology_unref(runner->parsed);
    topic_unref(runner->parsed_topic);
    buffer_free(&runner->garbage);
    buffer_free(&runner->key);
    free(runner);
}
