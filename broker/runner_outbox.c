/* Outputs for another shard. A parcel is stored as a row with the step that made it; once that is
 * durable it is mailed to the shard of its partition, which appends it and notes its number in one
 * entry, and then tells the sender, who deletes the row. After a crash rows are sent again; what
 * was applied already is known by its number and only acknowledged.
 *
 *   sent     'X' 's' | run's source | step be64 | index be32  ->  topic id, partition be32, batch
 *   applied  'X' 'a' | run's source | topic id | partition be32  ->  step be64 | index be32 */
#include "broker/runner_internal.h"

#include "protocol/record_batch.h"
#include "storage/recovery.h"

#include <stdlib.h>

struct parcel {
    struct mail mail;
    struct commit commit;
    struct shard *home, *target;
    struct bytes prefix; /* owned */
    uint64_t sequence;
    uint32_t index;
    struct uuid topic_id;
    int32_t partition;
    struct shared_buffer *batch;
};

struct applied {
    struct bytes key; /* the row's key, owned */
    uint64_t sequence;
    uint32_t index;
};

enum { NUMBER_SIZE = 12, DESTINATION_SIZE = 20 };

static struct parcel *make_parcel(struct shard *home, struct bytes prefix, uint64_t sequence,
                                  uint32_t index, struct uuid topic_id, int32_t partition,
                                  struct shared_buffer *batch)
{
    struct parcel *p = xcalloc(1, sizeof *p);
    p->home = home;
    p->prefix = bytes_copy(prefix);
    p->sequence = sequence;
    p->index = index;
    p->topic_id = topic_id;
    p->partition = partition;
    p->batch = batch;
    return p;
}

struct parcel *parcel_create(struct run *run, uint64_t sequence, uint32_t index,
                             struct topic *topic, int32_t partition, struct shared_buffer *batch)
{
    return make_parcel(run->runner->shard, run->source, sequence, index, topic->id, partition,
                       batch);
}

static void free_parcel(struct parcel *p)
{
    free((void *)(uintptr_t)p->prefix.data);
    shared_buffer_unref(p->batch);
    free(p);
}

static void append_number(struct buffer *out, uint64_t sequence, uint32_t index)
{
    buffer_append_be64(out, sequence);
    buffer_append_be32(out, index);
}

static void append_destination(struct buffer *out, const struct parcel *p)
{
    buffer_append(out, p->topic_id.bytes, sizeof p->topic_id.bytes);
    buffer_append_be32(out, (uint32_t)p->partition);
}

static void append_row_start(struct buffer *out, enum outbox_row kind, struct bytes prefix)
{
    buffer_append_u8(out, ROW_OUTBOX);
    buffer_append_u8(out, (uint8_t)kind);
    buffer_append_bytes(out, prefix);
}

void parcel_store(struct parcel *p, struct shard *shard)
{
    struct buffer key, value;
    buffer_init(&key, 2048);
    buffer_init(&value, SIZE_MAX / 2);
    append_row_start(&key, OUTBOX_SENT, p->prefix);
    append_number(&key, p->sequence, p->index);
    append_destination(&value, p);
    buffer_append(&value, p->batch->data, p->batch->size);
    store_put(shard->store, buffer_view(&key), buffer_view(&value));
    buffer_free(&key);
    buffer_free(&value);
}

/* Home again: the row is not needed any more. */
static void parcel_home(struct mail *mail, struct shard *home)
{
    struct parcel *p = CONTAINER_OF(mail, struct parcel, mail);
    struct buffer key;
    buffer_init(&key, 2048);
    append_row_start(&key, OUTBOX_SENT, p->prefix);
    append_number(&key, p->sequence, p->index);
    store_begin(home->store);
    store_delete(home->store, buffer_view(&key));
    store_commit(home->store, NULL);
    buffer_free(&key);
    free_parcel(p);
}

static void send_home(struct parcel *p)
{
    p->mail.deliver = parcel_home;
    shard_post(p->home, &p->mail);
}

static void parcel_durable(struct commit *commit, enum error result)
{
    struct parcel *p = CONTAINER_OF(commit, struct parcel, commit);
    if (result == ERR_OK)
        send_home(p);
    else
        free_parcel(p);
}

/* The entry for this stream of parcels, made on first use. */
static struct applied *applied_of(struct runner *runner, const struct parcel *p)
{
    struct buffer key;
    buffer_init(&key, 2048);
    append_row_start(&key, OUTBOX_APPLIED, p->prefix);
    append_destination(&key, p);
    struct applied *a = map_get(&runner->applied, buffer_view(&key));
    if (a == NULL) {
        a = xcalloc(1, sizeof *a);
        a->key = bytes_copy(buffer_view(&key));
        map_put(&runner->applied, a->key, a);
    }
    buffer_free(&key);
    return a;
}

static bool is_applied(const struct applied *a, const struct parcel *p)
{
    if (a->sequence != p->sequence)
        return a->sequence > p->sequence;
    return a->sequence > 0 && a->index >= p->index;
}

static void parcel_apply(struct mail *mail, struct shard *shard)
{
    struct parcel *p = CONTAINER_OF(mail, struct parcel, mail);
    struct partition *partition = partition_find(shard, p->topic_id, p->partition);
    struct applied *a = applied_of(shard->runner, p);
    if (partition == NULL || is_applied(a, p)) {
        send_home(p); /* its topic was deleted, or it came before */
        return;
    }
    a->sequence = p->sequence;
    a->index = p->index;
    uint8_t number[NUMBER_SIZE];
    store_be64(number, p->sequence);
    store_be32(number + 8, p->index);
    if (partition->settings.timestamp_type == 1)
        batch_stamp_append_time(p->batch->data, shard->wall_ms);
    store_begin(shard->store);
    partition_append(shard, partition, p->batch, p->batch->data, p->batch->size);
    store_put(shard->store, a->key, bytes_of(number, sizeof number));
    p->commit.done = parcel_durable;
    store_commit(shard->store, &p->commit);
}

void parcel_send(struct parcel *p, struct shard *shard)
{
    p->target = shard_for_partition(shard, p->topic_id, p->partition);
    p->mail.deliver = parcel_apply;
    shard_post(p->target, &p->mail);
}

/* --- start --- */

static enum error load_sent(void *context, struct bytes key, struct bytes value)
{
    struct runner *runner = context;
    struct shard *shard = runner->shard;
    /* 'X' 's' 'S' topic id partition ... number */
    if (key.size < 3 + DESTINATION_SIZE + 1 + NUMBER_SIZE || value.size < DESTINATION_SIZE)
        return ERR_CORRUPT;
    struct bytes prefix = bytes_of(key.data + 2, key.size - 2 - NUMBER_SIZE);
    struct uuid source;
    memcpy(source.bytes, prefix.data + 1, sizeof source.bytes);
    int32_t source_partition = (int32_t)load_be32(prefix.data + 1 + sizeof source.bytes);
    if (shard_for_partition(shard, source, source_partition) != shard)
        return ERR_OK;
    struct shared_buffer *batch = shared_buffer_create(value.size - DESTINATION_SIZE);
    if (batch == NULL)
        return ERR_NO_MEMORY;
    memcpy(batch->data, value.data + DESTINATION_SIZE, batch->size);
    struct uuid topic_id;
    memcpy(topic_id.bytes, value.data, sizeof topic_id.bytes);
    const uint8_t *number = key.data + key.size - NUMBER_SIZE;
    parcel_send(make_parcel(shard, prefix, load_be64(number), load_be32(number + 8), topic_id,
                            (int32_t)load_be32(value.data + sizeof topic_id.bytes), batch),
                shard);
    return ERR_OK;
}

static enum error load_applied(void *context, struct bytes key, struct bytes value)
{
    struct runner *runner = context;
    if (key.size < 2 + DESTINATION_SIZE || value.size != NUMBER_SIZE)
        return ERR_CORRUPT;
    struct applied *a = xcalloc(1, sizeof *a);
    a->key = bytes_copy(key);
    a->sequence = load_be64(value.data);
    a->index = load_be32(value.data + 8);
    map_put(&runner->applied, a->key, a);
    return ERR_OK;
}

enum error outbox_load(struct runner *runner)
{
    static const uint8_t applied[] = {ROW_OUTBOX, OUTBOX_APPLIED},
                         sent[] = {ROW_OUTBOX, OUTBOX_SENT};
    struct store *store = runner->shard->store;
    enum error error = store_scan(store, bytes_of(applied, 2), load_applied, runner);
    return error ? error : store_scan(store, bytes_of(sent, 2), load_sent, runner);
}

static bool drop(void *context, void *value)
{
    (void)context;
    struct applied *a = value;
    free((void *)(uintptr_t)a->key.data);
    free(a);
    return true;
}

void runner_outbox_free(struct runner *runner)
{
    map_remove_if(&runner->applied, drop, NULL);
    map_free(&runner->applied);
}
