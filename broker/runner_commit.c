/* A task's step becomes one entry of the shard's journal: output batches for this shard's logs,
 * parcels for other shards, state rows, the cursor. A step whose output topic does not exist yet
 * waits for it; the task waits with it. */
#include "broker/runner_internal.h"

#include "broker/ensure_topic.h"
#include "protocol/record_batch.h"

#include <stdlib.h>

struct pending_output {
    struct bytes topic; /* owned */
    int32_t partition;
    struct shared_buffer *batch;
    struct parcel *parcel; /* for another shard */
};

struct pending_step {
    struct commit commit;
    struct run *run;
    struct pending_output *outputs;
    size_t output_count;
    struct step_change *changes; /* owned */
    size_t change_count;
    int64_t cursor;
    uint64_t sequence;
};

struct bytes run_prefix(struct uuid topic_id, int32_t partition, struct bytes chain_name)
{
    struct buffer key;
    buffer_init(&key, 1024);
    buffer_append_u8(&key, ROW_TASK);
    buffer_append(&key, topic_id.bytes, sizeof topic_id.bytes);
    buffer_append_be32(&key, (uint32_t)partition);
    buffer_append_bytes(&key, chain_name);
    buffer_append_u8(&key, 0);
    return buffer_view(&key);
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

static struct pending_step *copy_step(struct run *run, const struct step *step)
{
    struct pending_step *p = xcalloc(1, sizeof *p);
    p->run = run;
    p->cursor = step->cursor;
    p->sequence = step->sequence;
    p->output_count = step->output_count;
    p->outputs = xcalloc(step->output_count + 1, sizeof *p->outputs);
    for (size_t i = 0; i < step->output_count; i++) {
        const struct step_output *from = &step->outputs[i];
        struct shared_buffer *batch = shared_buffer_create(from->batch.size);
        ASSERT(batch != NULL); /* a batch of ours, bounded by the step's size */
        memcpy(batch->data, from->batch.data, from->batch.size);
        p->outputs[i] =
            (struct pending_output){bytes_copy(from->topic), from->partition, batch, NULL};
    }
    p->change_count = step->change_count;
    p->changes = xcalloc(step->change_count + 1, sizeof *p->changes);
    for (size_t i = 0; i < step->change_count; i++)
        p->changes[i] = (struct step_change){bytes_copy(step->changes[i].key),
                                             bytes_copy(step->changes[i].value)};
    return p;
}

static void step_durable(struct commit *commit, enum error result)
{
    struct pending_step *step = CONTAINER_OF(commit, struct pending_step, commit);
    struct run *run = step->run;
    struct shard *shard = run->runner->shard;
    for (size_t i = 0; i < step->output_count; i++) {
        if (step->outputs[i].parcel && result == ERR_OK)
            parcel_send(step->outputs[i].parcel, shard);
    }
    free_step(step);
    run->steps_in_flight--;
    if (run->closing)
        run_release(run);
    else
        run_make_ready(run);
}

static void append_output(struct shard *shard, struct pending_step *step, size_t at)
{
    struct pending_output *output = &step->outputs[at];
    struct topic *topic = catalog_by_name(shard->catalog, output->topic);
    int32_t index = output->partition % topic->partitions;
    if (shard_for_partition(shard, topic->id, index) != shard) {
        output->parcel = parcel_create(step->run, step->sequence, (uint32_t)at, topic, index,
                                       shared_buffer_ref(output->batch));
        parcel_store(output->parcel, shard);
        return;
    }
    struct partition *partition = partition_find(shard, topic->id, index);
    if (partition->settings.timestamp_type == 1)
        batch_stamp_append_time(output->batch->data, shard->wall_ms);
    partition_append(shard, partition, output->batch, output->batch->data, output->batch->size);
}

static void put_row(struct run *run, enum run_row kind, struct bytes key, struct bytes value)
{
    struct shard *shard = run->runner->shard;
    uint8_t *row = arena_alloc(&shard->scratch, run->prefix.size + 1 + key.size);
    ASSERT(row != NULL);
    memcpy(row, run->prefix.data, run->prefix.size);
    row[run->prefix.size] = (uint8_t)kind;
    if (key.size)
        memcpy(row + run->prefix.size + 1, key.data, key.size);
    struct bytes whole = bytes_of(row, run->prefix.size + 1 + key.size);
    if (bytes_is_null(value))
        store_delete(shard->store, whole);
    else
        store_put(shard->store, whole, value);
}

static void commit_step(struct pending_step *step)
{
    struct run *run = step->run;
    struct shard *shard = run->runner->shard;
    store_begin(shard->store);
    for (size_t i = 0; i < step->output_count; i++)
        append_output(shard, step, i);
    for (size_t i = 0; i < step->change_count; i++)
        put_row(run, RUN_ROW_STATE, step->changes[i].key, step->changes[i].value);
    uint8_t cursor[16];
    store_be64(cursor, (uint64_t)step->cursor);
    store_be64(cursor + 8, run->incarnation);
    put_row(run, RUN_ROW_CURSOR, BYTES_LITERAL(""), bytes_of(cursor, sizeof cursor));
    step->commit.done = step_durable;
    run->steps_in_flight++;
    store_commit(shard->store, &step->commit);
}

/* --- output topics that do not exist yet --- */

static bool is_dead_letter_topic(const struct run *run, struct bytes name)
{
    struct bytes topic;
    bool is_dead_letter;
    for (size_t i = 0; topology_output(run->topology, i, &topic, &is_dead_letter); i++) {
        if (bytes_equal(topic, name))
            return is_dead_letter;
    }
    return false;
}

static struct bytes missing_topic(const struct pending_step *step)
{
    for (size_t i = 0; i < step->output_count; i++) {
        if (catalog_by_name(step->run->runner->shard->catalog, step->outputs[i].topic) == NULL)
            return step->outputs[i].topic;
    }
    return BYTES_NULL;
}

static void topic_created(void *context, struct shard *shard, enum error error)
{
    (void)shard;
    struct run *run = context;
    if (run->closing) {
        free_step(run->waiting);
        run->waiting = NULL;
        run_release(run);
        return;
    }
    if (error) {
        runner_run_fail(run, "an output topic cannot be created");
        return;
    }
    run_commit_waiting(run);
}

void run_commit_waiting(struct run *run)
{
    struct pending_step *step = run->waiting;
    struct bytes name = missing_topic(step);
    if (bytes_is_null(name)) {
        run->waiting = NULL;
        commit_step(step);
        run_make_ready(run);
        return;
    }
    static const struct topic_config dead_letter_configs[] = {
        {BYTES_LITERAL("message.timestamp.type"), BYTES_LITERAL("LogAppendTime")}};
    bool is_dead_letter = is_dead_letter_topic(run, name);
    ensure_topic(run->runner->shard, name, run->topic->partitions, dead_letter_configs,
                 is_dead_letter ? COUNT_OF(dead_letter_configs) : 0, topic_created, run);
}

static void commit(struct task_commit *commit_interface, const struct step *step)
{
    struct run *run = CONTAINER_OF(commit_interface, struct run, commit);
    ASSERT(run->waiting == NULL);
    struct pending_step *copy = copy_step(run, step);
    if (bytes_is_null(missing_topic(copy))) {
        commit_step(copy);
        return;
    }
    run->waiting = copy;
    run_commit_waiting(run);
}

static int32_t partitions(struct task_commit *commit_interface, struct bytes topic)
{
    struct run *run = CONTAINER_OF(commit_interface, struct run, commit);
    struct topic *found = catalog_by_name(run->runner->shard->catalog, topic);
    return found ? found->partitions : run->topic->partitions;
}

void run_commit_init(struct run *run)
{
    run->commit = (struct task_commit){.commit = commit, .partitions = partitions};
}
