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

/* The topology was checked when it was set, but another release of the program may refuse it. */
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

/* --- coming and going --- */

void runner_partition_opened(struct shard *shard, struct partition *partition)
{
    struct runner *runner = shard->runner;
    struct topology *topology;
    if (!runner->loaded || shard->stopping)
        return;
    if (!runner_topology(runner, partition->topic, &topology))
        return;
    for (size_t i = 0; topology && i < topology_chain_count(topology); i++)
        runner_task_open(runner, partition, topology, topology_chain(topology, i));
}

void runner_partition_closed(struct shard *shard, struct partition *partition)
{
    LIST_FOR_EACH_SAFE (node, &partition->tasks) {
        struct runner_task *task = CONTAINER_OF(node, struct runner_task, in_partition);
        if (!shard->stopping)
            runner_task_end(task);
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

static void change_task(struct runner_task *task, struct topology *topology)
{
    const struct chain *chain = find_chain(topology, chain_name(task->host.chain));
    if (chain == NULL) {
        runner_task_end(task);
        return;
    }
    topic_unref(task->topic);
    task->topic = topic_ref(task->partition->topic);
    host_change(&task->host, topology, chain);
}

void runner_partition_changed(struct shard *shard, struct partition *partition)
{
    struct runner *runner = shard->runner;
    struct list_node *first = list_first(&partition->tasks);
    const struct topic *before =
        first ? CONTAINER_OF(first, struct runner_task, in_partition)->topic : NULL;
    struct topology *topology;
    if (!runner->loaded || shard->stopping ||
        (before ? same_processors(before, partition->topic) : !has_processors(partition->topic)))
        return;
    if (!runner_topology(runner, partition->topic, &topology))
        return; /* running tasks continue unchanged */
    LIST_FOR_EACH_SAFE (node, &partition->tasks)
        change_task(CONTAINER_OF(node, struct runner_task, in_partition), topology);
    for (size_t i = 0; topology && i < topology_chain_count(topology); i++) {
        const struct chain *chain = topology_chain(topology, i);
        if (runner_task_find(partition, chain_name(chain)) == NULL)
            runner_task_open(runner, partition, topology, chain);
    }
}

void runner_partition_moved(struct shard *shard, struct partition *partition)
{
    (void)shard;
    LIST_FOR_EACH (node, &partition->tasks)
        host_wake(&CONTAINER_OF(node, struct runner_task, in_partition)->host);
}
