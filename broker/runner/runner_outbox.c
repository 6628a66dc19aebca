/* Outputs for another shard. A parcel is stored as a row with the step that made it. When the step
 * is durable, the parcel is mailed to the shard of its partition. That shard appends it and notes
 * its number in one entry, and then sends it home, where the row is deleted. After a crash the
 * parcels of all rows are sent again. A shard knows by the number that it applied a parcel already,
 * and only sends it home.
 *
 *   sent     'X' 's' | source | step be64 | index be32  ->  topic id, partition be32, batch
 *   applied  'X' 'a' | source | topic id | partition be32  ->  step be64 | index be32
 *
 * The source is the prefix of the task's rows with its incarnation. It has one applied row per
 * destination, which is deleted with the task or the destination. */
#include "broker/runner/runner_internal.h"

#include <stdlib.h>

static struct parcel *make_parcel(struct shard *home, struct bytes source, const uint8_t *number,
                                  struct shared_buffer *batch)
{
    struct parcel *p = xcalloc(1, sizeof *p);
    p->home = home;
    p->source = bytes_copy(source);
    p->sequence = load_be64(number);
    p->index = load_be32(number + 8);
    p->batch = batch;
    p->catalog_version = home->catalog_version;
    home->runner->parcel_bytes += batch->size;
    return p;
}

struct parcel *parcel_create(struct runner_task *task, uint64_t sequence, uint32_t index,
                             struct topic *topic, int32_t partition, struct shared_buffer *batch)
{
    uint8_t number[PARCEL_NUMBER_SIZE];
    store_be64(number, sequence);
    store_be32(number + 8, index);
    struct parcel *p = make_parcel(task->runner->shard, task->source, number, batch);
    p->topic_id = topic->id;
    p->partition = partition;
    p->task = task;
    host_hold(&task->host);
    return p;
}

/* At home: nothing waits for it any more. */
static void free_parcel(struct parcel *p)
{
    struct runner_task *task = p->task;
    ASSERT(!list_contains(&p->early) && p->home->runner->parcel_bytes >= p->batch->size);
    p->home->runner->parcel_bytes -= p->batch->size;
    shared_buffer_unref(p->batch);
    free((void *)(uintptr_t)p->source.data);
    free(p);
    if (task)
        host_release(&task->host);
}

void parcel_drop(struct parcel *p)
{
    free_parcel(p);
}

static struct bytes sent_key(struct runner *runner, const struct parcel *p)
{
    struct buffer *key = &runner->key;
    buffer_clear(key);
    buffer_append_u8(key, ROW_OUTBOX);
    buffer_append_u8(key, OUTBOX_SENT);
    buffer_append_bytes(key, p->source);
    buffer_append_be64(key, p->sequence);
    buffer_append_be32(key, p->index);
    return buffer_view(key);
}

void parcel_store(struct parcel *p)
{
    struct buffer value;
    buffer_init(&value, SIZE_MAX / 2);
    buffer_append(&value, p->topic_id.bytes, sizeof p->topic_id.bytes);
    buffer_append_be32(&value, (uint32_t)p->partition);
    buffer_append(&value, p->batch->data, p->batch->size);
    store_put(p->home->store, sent_key(p->home->runner, p), buffer_view(&value));
    buffer_free(&value);
}

void parcel_send(struct parcel *p)
{
    p->target = shard_for_partition(p->home, p->topic_id, p->partition);
    p->mail.deliver = parcel_apply;
    shard_post(p->target, &p->mail);
}

/* --- home again --- */

static void row_deleted(struct commit *commit, enum error result)
{
    (void)result;
    free_parcel(CONTAINER_OF(commit, struct parcel, commit));
}

static void parcel_home(struct mail *mail, struct shard *home)
{
    struct parcel *p = CONTAINER_OF(mail, struct parcel, mail);
    if (!p->taken || home->stopping) {
        free_parcel(p); /* the next start sends it again */
        return;
    }
    store_begin(home->store);
    store_delete(home->store, sent_key(home->runner, p));
    p->commit.done = row_deleted;
    store_commit(home->store, &p->commit);
}

void parcel_send_home(struct parcel *p)
{
    p->mail.deliver = parcel_home;
    shard_post(p->home, &p->mail);
}

/* --- start --- */

static struct runner_task *task_of_source(struct runner *runner, struct bytes source)
{
    LIST_FOR_EACH (node, &runner->tasks) {
        struct runner_task *task = CONTAINER_OF(node, struct runner_task, in_runner);
        if (bytes_equal(task->source, source))
            return task;
    }
    return NULL;
}

/* Sends it again if this shard owns the source's partition now. */
static enum error load_sent(void *context, struct bytes key, struct bytes value)
{
    struct runner *runner = context;
    struct shard *shard = runner->shard;
    struct reader r = reader_of(bytes_from(key, 3)); /* 'X' 's' 'S' */
    struct uuid topic_id = read_uuid(&r);
    int32_t partition = read_i32(&r);
    if (r.failed || reader_left(&r) < PARCEL_NUMBER_SIZE || value.size <= PARCEL_DESTINATION_SIZE)
        return ERR_CORRUPT;
    if (shard_for_partition(shard, topic_id, partition) != shard)
        return ERR_OK;
    struct shared_buffer *batch = shared_buffer_create(value.size - PARCEL_DESTINATION_SIZE);
    if (batch == NULL)
        return ERR_NO_MEMORY;
    memcpy(batch->data, value.data + PARCEL_DESTINATION_SIZE, batch->size);
    size_t source_end = key.size - PARCEL_NUMBER_SIZE;
    struct bytes source = bytes_of(key.data + 2, source_end - 2);
    struct parcel *p = make_parcel(shard, source, key.data + source_end, batch);
    memcpy(p->topic_id.bytes, value.data, sizeof p->topic_id.bytes);
    p->partition = (int32_t)load_be32(value.data + sizeof p->topic_id.bytes);
    p->task = task_of_source(runner, source);
    if (p->task)
        host_hold(&p->task->host);
    parcel_send(p);
    return ERR_OK;
}

enum error outbox_load(struct runner *runner)
{
    static const uint8_t prefix[] = {ROW_OUTBOX, OUTBOX_SENT, ROW_TASK};
    return store_scan(runner->shard->store, bytes_of(prefix, sizeof prefix), load_sent, runner);
}
