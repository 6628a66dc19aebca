/* A task's step becomes one entry of the shard's journal: output batches for this shard's logs,
 * parcels for other shards, state rows, the cursor. If an output topic does not exist yet, the step
 * and its task wait for it. */
#include "broker/runner/runner_internal.h"

#include "base/units.h"
#include "broker/topics/ensure_topic.h"
#include "protocol/record_batch.h"

#include <stdlib.h>

struct pending_output {
    struct bytes topic; /* owned */
    int32_t partition;
    /* Used to create a missing topic. A copy, because the definition may change while the step
     * waits. */
    int32_t partitions_if_new;
    bool is_dead_letter;
    struct shared_buffer *batch;
    struct parcel *parcel; /* for another shard */
};

struct pending_step {
    struct commit commit;
    struct runner_task *task;
    struct pending_output *outputs;
    size_t output_count;
    struct step_change *changes; /* owned; only while the step waits */
    size_t change_count;
    int64_t cursor;
    uint64_t sequence;
};

static struct runner_task *of(struct host *h)
{
    return CONTAINER_OF(h, struct runner_task, host);
}

static void free_step(struct pending_step *step)
{
    for (size_t i = 0; i < step->output_count; i++) {
        free((void *)(uintptr_t)step->outputs[i].topic.data);
        shared_buffer_unref(step->outputs[i].batch);
    }
    for (size_t i = 0; i < step->change_count; i++) {
        free((void *)(uintptr_t)step->changes[i].key.data);
        free((void *)(uintptr_t)step->changes[i].value.data);
    }
    free(step->outputs);
    free(step->changes);
    free(step);
}

void runner_commit_free_waiting(struct runner_task *task)
{
    if (task->waiting)
        free_step(task->waiting);
    task->waiting = NULL;
}

void runner_commit_each_waiting_key(struct runner_task *task,
                                    void (*each)(void *context, struct bytes key), void *context)
{
    for (size_t i = 0; task->waiting && i < task->waiting->change_count; i++)
        each(context, task->waiting->changes[i].key);
}

static bool is_dead_letter_topic(const struct runner_task *task, struct bytes name)
{
    struct bytes topic;
    bool is_dead_letter;
    for (size_t i = 0; topology_output(task->host.topology, i, &topic, &is_dead_letter); i++) {
        if (bytes_equal(topic, name))
            return is_dead_letter;
    }
    return false;
}

static struct pending_output copy_output(const struct runner_task *task,
                                         const struct step_output *from)
{
    struct shared_buffer *batch = shared_buffer_create(from->batch.size);
    ASSERT(batch != NULL); /* our own batch, bounded by the step's size */
    memcpy(batch->data, from->batch.data, from->batch.size);
    return (struct pending_output){
        .topic = bytes_copy(from->topic),
        .partition = from->partition,
        .partitions_if_new = topology_output_partitions(task->host.topology, from->topic),
        .is_dead_letter = is_dead_letter_topic(task, from->topic),
        .batch = batch,
    };
}

static struct pending_step *copy_step(struct runner_task *task, const struct step *step)
{
    struct pending_step *p = xcalloc(1, sizeof *p);
    p->task = task;
    p->cursor = step->cursors[0].offset;
    p->sequence = step->sequence;
    p->output_count = step->output_count;
    p->outputs = xcalloc(step->output_count + 1, sizeof *p->outputs);
    for (size_t i = 0; i < step->output_count; i++)
        p->outputs[i] = copy_output(task, &step->outputs[i]);
    return p;
}

static void copy_changes(struct pending_step *p, const struct step *step)
{
    p->change_count = step->change_count;
    p->changes = xcalloc(step->change_count + 1, sizeof *p->changes);
    for (size_t i = 0; i < step->change_count; i++)
        p->changes[i] = (struct step_change){bytes_copy(step->changes[i].key),
                                             bytes_copy(step->changes[i].value)};
}

/* --- committing --- */

static void step_durable(struct commit *commit, enum error result)
{
    struct pending_step *step = CONTAINER_OF(commit, struct pending_step, commit);
    struct runner_task *task = step->task;
    for (size_t i = 0; i < step->output_count; i++) {
        struct parcel *parcel = step->outputs[i].parcel;
        if (parcel && result == ERR_OK)
            parcel_send(parcel);
        else if (parcel)
            parcel_drop(parcel);
    }
    free_step(step);
    host_step_done(&task->host, result);
}

/* The topic of the output. NULL if it, or its partition on this shard, does not exist. */
static struct topic *destination(const struct shard *shard, const struct pending_output *output,
                                 int32_t *index, struct partition **local)
{
    struct topic *topic = catalog_by_name(shard->catalog, output->topic);
    *local = NULL;
    if (topic == NULL)
        return NULL;
    *index = output->partition % topic->partitions;
    struct shard *any = (struct shard *)(uintptr_t)shard;
    if (shard_for_partition(any, topic->id, *index) != shard)
        return topic;
    *local = partition_find(any, topic->id, *index);
    return *local ? topic : NULL;
}

static void append_output(struct shard *shard, struct pending_step *step, size_t at)
{
    struct pending_output *output = &step->outputs[at];
    struct partition *local;
    int32_t index;
    struct topic *topic = destination(shard, output, &index, &local);
    if (local == NULL) {
        output->parcel = parcel_create(step->task, step->sequence, (uint32_t)at, topic, index,
                                       shared_buffer_ref(output->batch));
        parcel_store(output->parcel);
        return;
    }
    if (local->settings.timestamp_type == 1)
        batch_stamp_append_time(output->batch->data, shard->stamp_ms);
    partition_append(shard, local, output->batch, output->batch->data, output->batch->size);
}

static void commit_step(struct pending_step *step, const struct step_change *changes,
                        size_t change_count)
{
    struct runner_task *task = step->task;
    struct shard *shard = task->runner->shard;
    store_begin(shard->store);
    for (size_t i = 0; i < step->output_count; i++)
        append_output(shard, step, i);
    for (size_t i = 0; i < change_count; i++)
        runner_rows_put_state(task, &changes[i]);
    runner_rows_put_cursor(task, step->cursor);
    step->commit.done = step_durable;
    store_commit(shard->store, &step->commit);
}

/* --- output topics that do not exist yet --- */

static const struct pending_output *missing_output(const struct pending_step *step)
{
    struct partition *local;
    int32_t index;
    for (size_t i = 0; i < step->output_count; i++) {
        if (destination(step->task->runner->shard, &step->outputs[i], &index, &local) == NULL)
            return &step->outputs[i];
    }
    return NULL;
}

static void try_waiting(struct runner_task *task);

static void topic_created(void *context, struct shard *shard, enum error error)
{
    struct runner_task *task = context;
    task->ensuring = false;
    if (error)
        host_try_later(&task->host, "an output topic cannot be created", error);
    else if (!shard->stopping)
        try_waiting(task);
    host_release(&task->host);
}

static void create_topic(struct runner_task *task, const struct pending_output *output)
{
    static const struct topic_config dead_letter_configs[] = {
        {BYTES_LITERAL("message.timestamp.type"), BYTES_LITERAL("LogAppendTime")},
        {BYTES_LITERAL("cleanup.policy"), BYTES_LITERAL("delete")}, /* some have no key */
    };
    task->ensuring = true;
    host_hold(&task->host);
    ensure_topic(task->runner->shard, output->topic, output->partitions_if_new, dead_letter_configs,
                 output->is_dead_letter ? COUNT_OF(dead_letter_configs) : 0, topic_created, task);
}

static void try_waiting(struct runner_task *task)
{
    struct pending_step *step = task->waiting;
    if (task->host.state != HOST_BLOCKED || task->ensuring)
        return;
    const struct pending_output *missing = missing_output(step);
    if (missing) {
        create_topic(task, missing);
        return;
    }
    task->waiting = NULL;
    host_step_taken(&task->host);
    commit_step(step, step->changes, step->change_count);
}

void runner_commit_again(struct host *h)
{
    try_waiting(of(h));
}

enum host_commit runner_commit_step(struct host *h, const struct step *step)
{
    struct runner_task *task = of(h);
    ASSERT(task->waiting == NULL);
    struct pending_step *copy = copy_step(task, step);
    const struct pending_output *missing = missing_output(copy);
    if (missing == NULL) {
        commit_step(copy, step->changes, step->change_count);
        return HOST_COMMITTED;
    }
    copy_changes(copy, step);
    task->waiting = copy;
    create_topic(task, missing);
    return HOST_COMMIT_WAITS;
}

int32_t runner_commit_partitions(struct host *h, struct bytes topic)
{
    const struct runner_task *task = of(h);
    struct topic *found = catalog_by_name(task->runner->shard->catalog, topic);
    return found ? found->partitions : topology_output_partitions(h->topology, topic);
}

size_t runner_commit_max_batch_bytes(struct host *h, struct bytes topic)
{
    const struct runner_task *task = of(h);
    const struct shard *shard = task->runner->shard;
    struct topic *found = catalog_by_name(shard->catalog, topic);
    struct bytes text =
        found ? topic_config_get(found, BYTES_LITERAL("max.message.bytes")) : BYTES_NULL;
    int64_t bytes = shard->live->now.message_max_bytes;
    if (!bytes_is_null(text) && !parse_i64(text, &bytes))
        bytes = shard->live->now.message_max_bytes;
    return (size_t)bytes;
}

/* A topic that does not exist yet is created without cleanup.policy, so it has the broker's. */
bool runner_commit_needs_keys(struct host *h, struct bytes topic)
{
    const struct shard *shard = of(h)->runner->shard;
    struct topic *found = catalog_by_name(shard->catalog, topic);
    return topic_is_compacted(found, &shard->live->now);
}
