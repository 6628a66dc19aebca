#include "broker/runner/runner_internal.h"

#include <stdlib.h>

/* --- topologies --- */

static bool has_processors(const struct topic *topic)
{
    for (size_t i = 0; i < topic->config_count; i++) {
        if (topology_is_processor_key(topic->configs[i].name))
            return true;
    }
    return false;
}

/* It was checked when it was set; another release of the program may still refuse it. */
static void parse_topology(struct runner *runner, struct topic *topic)
{
    struct config_pair *pairs = xcalloc(topic->config_count + 1, sizeof *pairs);
    for (size_t i = 0; i < topic->config_count; i++)
        pairs[i] = (struct config_pair){topic->configs[i].name, topic->configs[i].value};
    struct topology_topic name = {topic->name, topic->partitions};
    struct message message = {""};
    topology_unref(runner->parsed);
    topic_unref(runner->parsed_topic);
    runner->parsed = NULL;
    runner->parsed_topic = topic_ref(topic);
    runner->parsed_fails = topology_parse(&name, pairs, topic->config_count, &runner->parsed,
                                          &message, NULL) != ERR_OK;
    if (runner->parsed_fails)
        trace_log(runner->shard->env->trace, TRACE_ERROR, "processors cannot run",
                  F_BYTES("topic", topic->name), F_STRING("reason", message.text));
    free(pairs);
}

bool runner_topology(struct runner *runner, struct topic *topic, struct topology **out)
{
    *out = NULL;
    if (!has_processors(topic))
        return true;
    if (runner->parsed_topic != topic)
        parse_topology(runner, topic);
    *out = runner->parsed;
    return !runner->parsed_fails;
}

static const struct chain *find_chain(const struct topology *topology, struct bytes name)
{
    for (size_t i = 0; topology && i < topology_chain_count(topology); i++) {
        if (bytes_equal(chain_name(topology_chain(topology, i)), name))
            return topology_chain(topology, i);
    }
    return NULL;
}

/* --- making --- */

struct runner_task *runner_task_find(struct partition *partition, struct bytes name)
{
    LIST_FOR_EACH (node, &partition->tasks) {
        struct runner_task *task = CONTAINER_OF(node, struct runner_task, in_partition);
        if (bytes_equal(chain_name(task->chain), name))
            return task;
    }
    return NULL;
}

struct runner_task *runner_task_create(struct runner *runner, struct partition *partition,
                                       struct topology *topology, const struct chain *chain)
{
    struct runner_task *task = xcalloc(1, sizeof *task);
    task->runner = runner;
    task->partition = partition;
    task->topic = topic_ref(partition->topic);
    task->topology = topology_ref(topology);
    task->chain = chain;
    task->incarnation = random_u64(runner->shard->env->random);
    task->idle_since_ms = runner->shard->now_ms;
    task->slice_records = SLICE_RECORDS_FIRST;
    task->task = task_create(chain, topology, partition->index, 1);
    runner_input_init(task);
    buffer_init(&task->unread, SIZE_MAX / 2);
    runner_rows_name(task);
    runner_commit_init(task);
    list_append(&partition->tasks, &task->in_partition);
    list_append(&runner->tasks, &task->in_runner);
    return task;
}

/* Stored at once: start=latest must not mean a later offset after a crash. */
static void place_at(struct runner_task *task, int64_t offset)
{
    struct store *store = task->runner->shard->store;
    task_place(task->task, 0, offset);
    input_seek(&task->input.input, offset);
    task->placed = true;
    store_begin(store);
    runner_rows_put_cursor(task, offset);
    store_commit(store, NULL);
    runner_make_ready(task);
}

void runner_task_place(struct runner_task *task)
{
    struct log *log = task->partition->log;
    int64_t timestamp;
    switch (chain_start(task->chain, &timestamp)) {
    case START_EARLIEST:
        place_at(task, log_start_offset(log));
        return;
    case START_LATEST:
        place_at(task, partition_visible_end(task->partition, READ_COMMITTED));
        return;
    case START_TIME:
        break;
    }
    if (task->seek.log == NULL) {
        runner_input_seek(task, timestamp);
        return;
    }
    int64_t found = task->seek.offset;
    place_at(task, found < 0 ? task->seek.end_offset : found);
}

static void open_chain(struct runner *runner, struct partition *partition,
                       struct topology *topology, const struct chain *chain)
{
    runner_task_place(runner_task_create(runner, partition, topology, chain));
}

void runner_partition_opened(struct shard *shard, struct partition *partition)
{
    struct runner *runner = shard->runner;
    struct topology *topology;
    if (!runner->loaded || shard->stopping)
        return;
    if (!runner_topology(runner, partition->topic, &topology))
        return;
    for (size_t i = 0; topology && i < topology_chain_count(topology); i++)
        open_chain(runner, partition, topology, topology_chain(topology, i));
}

/* --- ending --- */

static void drop_next(struct runner_task *task)
{
    topology_unref(task->next_topology);
    topic_unref(task->next_topic);
    task->next_topology = NULL;
    task->next_topic = NULL;
}

void runner_task_free(struct runner_task *task)
{
    list_remove(&task->in_partition);
    list_remove(&task->in_runner);
    list_remove(&task->in_queue);
    runner_input_drop(task);
    batch_input_free(&task->input);
    runner_commit_free_waiting(task);
    drop_next(task);
    task_free(task->task);
    topology_unref(task->topology);
    topic_unref(task->topic);
    buffer_free(&task->unread);
    free((void *)(uintptr_t)task->prefix.data);
    free((void *)(uintptr_t)task->source.data);
    free(task);
}

void runner_task_release(struct runner_task *task)
{
    if (!task->closing || task->reading || task->ensuring || task->steps_in_flight > 0 ||
        task->parcels_out > 0)
        return;
    if (!task->runner->shard->stopping)
        parcels_forget_source(task->runner->shard, task->source);
    runner_task_free(task);
}

/* The task is over, and nothing of it remains. */
static void end_task(struct runner_task *task)
{
    runner_rows_delete(task);
    list_remove(&task->in_partition);
    list_remove(&task->in_queue);
    task->closing = true;
    runner_commit_free_waiting(task);
    runner_task_release(task);
}

void runner_partition_closed(struct shard *shard, struct partition *partition)
{
    LIST_FOR_EACH_SAFE (node, &partition->tasks) {
        struct runner_task *task = CONTAINER_OF(node, struct runner_task, in_partition);
        if (!shard->stopping)
            end_task(task);
        else
            list_remove(&task->in_partition);
    }
    if (!shard->stopping)
        parcels_forget_partition(shard->runner, partition->topic->id, partition->index);
}

/* --- changing --- */

static bool same_processors(const struct topic *a, const struct topic *b)
{
    size_t i = 0, j = 0;
    for (;; i++, j++) {
        while (i < a->config_count && !topology_is_processor_key(a->configs[i].name))
            i++;
        while (j < b->config_count && !topology_is_processor_key(b->configs[j].name))
            j++;
        if (i == a->config_count || j == b->config_count)
            return i == a->config_count && j == b->config_count && a->partitions == b->partitions;
        if (!bytes_equal(a->configs[i].name, b->configs[j].name) ||
            !bytes_equal(a->configs[i].value, b->configs[j].value))
            return false;
    }
}

/* Adopts the next definition without a new task. */
static void adopt(struct runner_task *task, const struct chain *chain)
{
    topology_unref(task->topology);
    topic_unref(task->topic);
    task->topology = topology_ref(task->next_topology);
    task->topic = topic_ref(task->next_topic);
    task->chain = chain;
    drop_next(task);
}

/* The state goes on in a task of the new definition; the step that is open is committed first. */
static void replace_task(struct runner_task *task, const struct chain *chain)
{
    struct message message = {""};
    struct task *next = NULL;
    runner_flush(task, true);
    if (task->waiting)
        return; /* and here again when it is committed */
    enum error error = task_take_over(task->task, chain, task->next_topology, &next, &message);
    adopt(task, chain);
    if (error) {
        task->broken = true;
        runner_stop(task, message.text);
        return;
    }
    task_free(task->task);
    task->task = next;
    task->failed = false;
    input_seek(&task->input.input, task_position(task->task, 0));
    runner_make_ready(task);
}

static void begin_anew(struct runner_task *task, const struct chain *chain)
{
    struct runner *runner = task->runner;
    struct partition *partition = task->partition;
    struct topology *topology = topology_ref(task->next_topology);
    if (!task->broken)
        runner_flush(task, true);
    if (!task->waiting) {
        end_task(task);
        open_chain(runner, partition, topology, chain);
    }
    topology_unref(topology);
}

void runner_task_take_over(struct runner_task *task)
{
    const struct chain *chain = find_chain(task->next_topology, chain_name(task->chain));
    if (chain_state_version(chain) != chain_state_version(task->chain))
        begin_anew(task, chain);
    else if (task->broken)
        drop_next(task); /* what it could not read it still cannot */
    else
        replace_task(task, chain);
}

static void change_task(struct runner_task *task, struct topology *topology)
{
    struct topic *topic = task->partition->topic;
    drop_next(task);
    if (find_chain(topology, chain_name(task->chain)) == NULL) {
        end_task(task);
        return;
    }
    task->next_topic = topic_ref(topic);
    task->next_topology = topology_ref(topology);
    runner_make_ready(task);
}

void runner_partition_changed(struct shard *shard, struct partition *partition)
{
    struct runner *runner = shard->runner;
    struct list_node *first = list_first(&partition->tasks);
    struct runner_task *one = first ? CONTAINER_OF(first, struct runner_task, in_partition) : NULL;
    const struct topic *before = !one ? NULL : one->next_topic ? one->next_topic : one->topic;
    struct topology *topology;
    if (!runner->loaded || shard->stopping ||
        (before ? same_processors(before, partition->topic) : !has_processors(partition->topic)))
        return;
    if (!runner_topology(runner, partition->topic, &topology))
        return; /* those that run go on as they are */
    LIST_FOR_EACH_SAFE (node, &partition->tasks)
        change_task(CONTAINER_OF(node, struct runner_task, in_partition), topology);
    for (size_t i = 0; topology && i < topology_chain_count(topology); i++) {
        const struct chain *chain = topology_chain(topology, i);
        if (runner_task_find(partition, chain_name(chain)) == NULL)
            open_chain(runner, partition, topology, chain);
    }
}

void runner_partition_moved(struct shard *shard, struct partition *partition)
{
    (void)shard;
    LIST_FOR_EACH (node, &partition->tasks)
        runner_make_ready(CONTAINER_OF(node, struct runner_task, in_partition));
}
