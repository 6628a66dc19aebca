/* A task's step becomes one entry of the shard's journal: output batches for this shard's logs,
 * parcels for other shards, state rows, the cursor. A step whose output topic does not exist yet
 * waits for it; the task waits with it. */
#include "broker/runner/runner_internal.h"

#include "base/units.h"
#include "broker/topics/ensure_topic.h"
#include "protocol/record_batch.h"

#include <stdlib.h>

struct pending_output {
    struct bytes topic; /* owned */
    int32_t partition;
    /* How the topic is made if it does not exist; the definition may change while the step waits.
     */
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
    struct step_change *changes; /* owned; only while it waits */
    size_t change_count;
    int64_t cursor;
    uint64_t sequence;
};

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
    for (size_t i = 0; topology_output(task->topology, i, &topic, &is_dead_letter); i++) {
        if (bytes_equal(topic, name))
            return is_dead_letter;
    }
    return false;
}

static struct pending_output copy_output(const struct runner_task *task,
                                         const struct step_output *from)
{
    struct shared_buffer *batch = shared_buffer_create(from->batch.size);
    ASSERT(batch != NULL); /* a batch of ours, bounded by the step's size */
    memcpy(batch->data, from->batch.data, from->batch.size);
    return (struct pending_output){
        .topic = bytes_copy(from->topic),
        .partition = from->partition,
        .partitions_if_new = topology_output_partitions(task->topology, from->topic),
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
    task->steps_in_flight--;
    if (task->closing)
        runner_task_release(task);
    else
        runner_make_ready(task);
}

/* Where the output goes: NULL when its topic, or its partition of this shard, is not there. */
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
        batch_stamp_append_time(output->batch->data, shard->wall_ms);
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
    task->steps_in_flight++;
    task->complained = false;
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

static void topic_created(void *context, struct shard *shard, enum error error)
{
    struct runner_task *task = context;
    task->ensuring = false;
    if (task->closing)
        runner_task_release(task);
    else if (error)
        runner_try_later(task, "an output topic cannot be created", error);
    else if (!shard->stopping)
        runner_commit_waiting(task);
}

void runner_commit_waiting(struct runner_task *task)
{
    struct pending_step *step = task->waiting;
    const struct pending_output *missing = missing_output(step);
    if (missing == NULL) {
        task->waiting = NULL;
        commit_step(step, step->changes, step->change_count);
        runner_make_ready(task);
        return;
    }
    static const struct topic_config dead_letter_configs[] = {
        {BYTES_LITERAL("message.timestamp.type"), BYTES_LITERAL("LogAppendTime")}};
    task->ensuring = true;
    ensure_topic(task->runner->shard, missing->topic, missing->partitions_if_new,
                 dead_letter_configs, missing->is_dead_letter ? COUNT_OF(dead_letter_configs) : 0,
                 topic_created, task);
}

static void commit(struct task_commit *commit_interface, const struct step *step)
{
    struct runner_task *task = CONTAINER_OF(commit_interface, struct runner_task, commit);
    ASSERT(task->waiting == NULL);
    struct pending_step *copy = copy_step(task, step);
    if (missing_output(copy) == NULL) {
        commit_step(copy, step->changes, step->change_count);
        return;
    }
    copy_changes(copy, step);
    task->waiting = copy;
    runner_commit_waiting(task);
}

static int32_t partitions(struct task_commit *commit_interface, struct bytes topic)
{
    struct runner_task *task = CONTAINER_OF(commit_interface, struct runner_task, commit);
    struct topic *found = catalog_by_name(task->runner->shard->catalog, topic);
    return found ? found->partitions : topology_output_partitions(task->topology, topic);
}

static size_t max_batch_bytes(struct task_commit *commit_interface, struct bytes topic)
{
    struct runner_task *task = CONTAINER_OF(commit_interface, struct runner_task, commit);
    const struct shard *shard = task->runner->shard;
    struct topic *found = catalog_by_name(shard->catalog, topic);
    struct bytes text =
        found ? topic_config_get(found, BYTES_LITERAL("max.message.bytes")) : BYTES_NULL;
    int64_t bytes = shard->live->now.message_max_bytes;
    if (!bytes_is_null(text) && !parse_i64(text, &bytes))
        bytes = shard->live->now.message_max_bytes;
    return (size_t)bytes;
}

void runner_commit_init(struct runner_task *task)
{
    task->commit = (struct task_commit){
        .commit = commit, .partitions = partitions, .max_batch_bytes = max_batch_bytes};
}
