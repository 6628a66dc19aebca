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

struct run *run_find(struct partition *partition, struct bytes name)
{
    LIST_FOR_EACH (node, &partition->tasks) {
        struct run *run = CONTAINER_OF(node, struct run, in_partition);
        if (bytes_equal(chain_name(run->chain), name))
            return run;
    }
    return NULL;
}

struct run *run_create(struct runner *runner, struct partition *partition,
                       struct topology *topology, const struct chain *chain)
{
    struct run *run = xcalloc(1, sizeof *run);
    run->runner = runner;
    run->partition = partition;
    run->topic = topic_ref(partition->topic);
    run->topology = topology_ref(topology);
    run->chain = chain;
    run->incarnation = random_u64(runner->shard->env->random);
    run->idle_since_ms = runner->shard->now_ms;
    run->slice_records = SLICE_RECORDS_FIRST;
    run->task = task_create(chain, topology, partition->index, 0);
    buffer_init(&run->unread, SIZE_MAX / 2);
    run_name(run);
    run_commit_init(run);
    list_append(&partition->tasks, &run->in_partition);
    list_append(&runner->runs, &run->in_runner);
    return run;
}

/* Stored at once: start=latest must not mean a later offset after a crash. */
static void place_at(struct run *run, int64_t offset)
{
    struct store *store = run->runner->shard->store;
    task_free(run->task);
    run->task = task_create(run->chain, run->topology, run->partition->index, offset);
    run->placed = true;
    store_begin(store);
    run_put_cursor(run, offset);
    store_commit(store, NULL);
    run_make_ready(run);
}

void run_place(struct run *run)
{
    struct log *log = run->partition->log;
    int64_t timestamp;
    switch (chain_start(run->chain, &timestamp)) {
    case START_EARLIEST:
        place_at(run, log_start_offset(log));
        return;
    case START_LATEST:
        place_at(run, partition_visible_end(run->partition, READ_COMMITTED));
        return;
    case START_TIME:
        break;
    }
    if (run->seek.log == NULL) {
        run_seek(run, timestamp);
        return;
    }
    int64_t found = run->seek.offset;
    place_at(run, found < 0 ? run->seek.end_offset : found);
}

static void open_chain(struct runner *runner, struct partition *partition,
                       struct topology *topology, const struct chain *chain)
{
    run_place(run_create(runner, partition, topology, chain));
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

static void drop_next(struct run *run)
{
    topology_unref(run->next_topology);
    topic_unref(run->next_topic);
    run->next_topology = NULL;
    run->next_topic = NULL;
}

void run_free(struct run *run)
{
    list_remove(&run->in_partition);
    list_remove(&run->in_runner);
    list_remove(&run->in_queue);
    run_drop_input(run);
    run_free_waiting(run);
    drop_next(run);
    task_free(run->task);
    topology_unref(run->topology);
    topic_unref(run->topic);
    buffer_free(&run->unread);
    free((void *)(uintptr_t)run->prefix.data);
    free((void *)(uintptr_t)run->source.data);
    free(run);
}

void run_release(struct run *run)
{
    if (!run->closing || run->reading || run->ensuring || run->steps_in_flight > 0 ||
        run->parcels_out > 0)
        return;
    if (!run->runner->shard->stopping)
        parcels_forget_source(run->runner->shard, run->source);
    run_free(run);
}

/* The task is over, and nothing of it remains. */
static void end_run(struct run *run)
{
    run_delete_rows(run);
    list_remove(&run->in_partition);
    list_remove(&run->in_queue);
    run->closing = true;
    run_free_waiting(run);
    run_release(run);
}

void runner_partition_closed(struct shard *shard, struct partition *partition)
{
    LIST_FOR_EACH_SAFE (node, &partition->tasks) {
        struct run *run = CONTAINER_OF(node, struct run, in_partition);
        if (!shard->stopping)
            end_run(run);
        else
            list_remove(&run->in_partition);
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
static void adopt(struct run *run, const struct chain *chain)
{
    topology_unref(run->topology);
    topic_unref(run->topic);
    run->topology = topology_ref(run->next_topology);
    run->topic = topic_ref(run->next_topic);
    run->chain = chain;
    drop_next(run);
}

/* The state goes on in a task of the new definition; the step that is open is committed first. */
static void replace_task(struct run *run, const struct chain *chain)
{
    struct message message = {""};
    struct task *task = NULL;
    run_flush(run, true);
    if (run->waiting)
        return; /* and here again when it is committed */
    enum error error = task_take_over(run->task, chain, run->next_topology, &task, &message);
    adopt(run, chain);
    if (error) {
        run->broken = true;
        run_stop(run, message.text);
        return;
    }
    task_free(run->task);
    run->task = task;
    run->failed = false;
    run_drop_input(run);
    run_make_ready(run);
}

static void begin_anew(struct run *run, const struct chain *chain)
{
    struct runner *runner = run->runner;
    struct partition *partition = run->partition;
    struct topology *topology = topology_ref(run->next_topology);
    if (!run->broken)
        run_flush(run, true);
    if (!run->waiting) {
        end_run(run);
        open_chain(runner, partition, topology, chain);
    }
    topology_unref(topology);
}

void run_take_over(struct run *run)
{
    const struct chain *chain = find_chain(run->next_topology, chain_name(run->chain));
    if (chain_state_version(chain) != chain_state_version(run->chain))
        begin_anew(run, chain);
    else if (run->broken)
        drop_next(run); /* what it could not read it still cannot */
    else
        replace_task(run, chain);
}

static void change_run(struct run *run, struct topology *topology)
{
    struct topic *topic = run->partition->topic;
    drop_next(run);
    if (find_chain(topology, chain_name(run->chain)) == NULL) {
        end_run(run);
        return;
    }
    run->next_topic = topic_ref(topic);
    run->next_topology = topology_ref(topology);
    run_make_ready(run);
}

void runner_partition_changed(struct shard *shard, struct partition *partition)
{
    struct runner *runner = shard->runner;
    struct list_node *first = list_first(&partition->tasks);
    struct run *one = first ? CONTAINER_OF(first, struct run, in_partition) : NULL;
    const struct topic *before = !one ? NULL : one->next_topic ? one->next_topic : one->topic;
    struct topology *topology;
    if (!runner->loaded || shard->stopping ||
        (before ? same_processors(before, partition->topic) : !has_processors(partition->topic)))
        return;
    if (!runner_topology(runner, partition->topic, &topology))
        return; /* those that run go on as they are */
    LIST_FOR_EACH_SAFE (node, &partition->tasks)
        change_run(CONTAINER_OF(node, struct run, in_partition), topology);
    for (size_t i = 0; topology && i < topology_chain_count(topology); i++) {
        const struct chain *chain = topology_chain(topology, i);
        if (run_find(partition, chain_name(chain)) == NULL)
            open_chain(runner, partition, topology, chain);
    }
}

void runner_partition_moved(struct shard *shard, struct partition *partition)
{
    (void)shard;
    LIST_FOR_EACH (node, &partition->tasks)
        run_make_ready(CONTAINER_OF(node, struct run, in_partition));
}
