/* Parcels from other shards: each is appended once, in order. The last applied parcel is known per
 * source and destination; see runner_outbox.c. */
#include "broker/runner/runner_internal.h"

#include <stdlib.h>

struct applied {
    struct bytes key; /* the row's key, owned */
    uint64_t sequence;
    uint32_t index;
};

/* 'X' 'a' */
enum { KIND_SIZE = 2 };

/* The entry for this stream of parcels, made on first use. */
static struct applied *applied_of(struct runner *runner, const struct parcel *p)
{
    struct buffer *key = &runner->key;
    buffer_clear(key);
    buffer_append_u8(key, ROW_OUTBOX);
    buffer_append_u8(key, OUTBOX_APPLIED);
    buffer_append_bytes(key, p->source);
    buffer_append(key, p->topic_id.bytes, sizeof p->topic_id.bytes);
    buffer_append_be32(key, (uint32_t)p->partition);
    struct applied *a = map_get(&runner->applied, buffer_view(key));
    if (a == NULL) {
        a = xcalloc(1, sizeof *a);
        a->key = bytes_copy(buffer_view(key));
        map_put(&runner->applied, a->key, a);
    }
    return a;
}

static bool is_applied(const struct applied *a, const struct parcel *p)
{
    if (a->sequence != p->sequence)
        return a->sequence > p->sequence; /* steps count from 1 */
    return a->index >= p->index;
}

static void parcel_durable(struct commit *commit, enum error result)
{
    struct parcel *p = CONTAINER_OF(commit, struct parcel, commit);
    p->taken = result == ERR_OK;
    parcel_send_home(p);
}

static void append_parcel(struct shard *shard, struct partition *partition, struct applied *a,
                          struct parcel *p)
{
    uint8_t number[PARCEL_NUMBER_SIZE];
    a->sequence = p->sequence;
    a->index = p->index;
    store_be64(number, p->sequence);
    store_be32(number + 8, p->index);
    if (partition->settings.timestamp_type == 1)
        batch_stamp_append_time(p->batch->data, shard->stamp_ms);
    store_begin(shard->store);
    partition_append(shard, partition, p->batch, p->batch->data, p->batch->size);
    store_put(shard->store, a->key, bytes_of(number, sizeof number));
    p->commit.done = parcel_durable;
    store_commit(shard->store, &p->commit);
}

/* False: the parcel must wait, because the sender has a newer catalog than this shard. */
static bool try_parcel(struct shard *shard, struct parcel *p)
{
    struct partition *partition = partition_find(shard, p->topic_id, p->partition);
    if (shard->stopping) {
        parcel_send_home(p);
        return true;
    }
    if (partition == NULL && shard->catalog_version < p->catalog_version)
        return false;
    struct applied *a = partition ? applied_of(shard->runner, p) : NULL;
    if (partition && !is_applied(a, p)) {
        append_parcel(shard, partition, a, p);
        return true;
    }
    p->taken = true; /* its topic was deleted, or it was applied before */
    parcel_send_home(p);
    return true;
}

void parcel_apply(struct mail *mail, struct shard *shard)
{
    struct parcel *p = CONTAINER_OF(mail, struct parcel, mail);
    ASSERT(p->target == shard && !p->taken);
    parcels_try_early(shard->runner);
    if (!try_parcel(shard, p))
        list_append(&shard->runner->early, &p->early);
}

void parcels_try_early(struct runner *runner)
{
    LIST_FOR_EACH_SAFE (node, &runner->early) {
        struct parcel *p = CONTAINER_OF(node, struct parcel, early);
        list_remove(&p->early);
        if (!try_parcel(runner->shard, p))
            list_insert_before(node_next, &p->early);
    }
}

/* --- forgetting --- */

struct forget {
    struct shard *home, *shard;
    struct bytes source; /* null: any; else owned */
    uint8_t destination[PARCEL_DESTINATION_SIZE];
};

static struct bytes source_of(struct bytes key)
{
    return bytes_of(key.data + KIND_SIZE, key.size - KIND_SIZE - PARCEL_DESTINATION_SIZE);
}

static const uint8_t *destination_of(struct bytes key)
{
    return key.data + key.size - PARCEL_DESTINATION_SIZE;
}

static void free_applied(struct applied *a)
{
    free((void *)(uintptr_t)a->key.data);
    free(a);
}

static bool forget_if(void *context, void *value)
{
    struct forget *f = context;
    struct applied *a = value;
    bool matches = bytes_is_null(f->source)
                       ? memcmp(destination_of(a->key), f->destination, sizeof f->destination) == 0
                       : bytes_equal(source_of(a->key), f->source);
    if (!matches)
        return false;
    store_delete(f->shard->store, a->key);
    free_applied(a);
    return true;
}

static void forget_on(void *context, struct shard *shard)
{
    struct forget *f = context;
    if (shard->stopping || shard->runner->applied.count == 0)
        return;
    f->shard = shard;
    store_begin(shard->store);
    map_remove_if(&shard->runner->applied, forget_if, f);
    store_commit(shard->store, NULL);
}

static void forgotten(void *context, struct shard *home)
{
    (void)home;
    struct forget *f = context;
    free((void *)(uintptr_t)f->source.data);
    free(f);
}

void parcels_forget_partition(struct runner *runner, struct uuid topic_id, int32_t partition)
{
    struct forget f = {.source = BYTES_NULL};
    memcpy(f.destination, topic_id.bytes, sizeof topic_id.bytes);
    store_be32(f.destination + sizeof topic_id.bytes, (uint32_t)partition);
    forget_on(&f, runner->shard);
}

void parcels_forget_source(struct shard *home, struct bytes source)
{
    struct forget *f = xcalloc(1, sizeof *f);
    f->source = bytes_copy(source);
    shard_broadcast(home, forget_on, forgotten, f);
}

/* --- start --- */

struct loading {
    struct runner *runner;
    struct bytes source; /* of the last row, owned */
    bool is_alive;       /* the source may still send, also parcels again */
};

static enum error note_any(void *context, struct bytes key, struct bytes value)
{
    (void)key;
    (void)value;
    *(bool *)context = true;
    return ERR_OK;
}

struct cursor_look {
    uint64_t incarnation;
    bool found;
};

static enum error note_cursor(void *context, struct bytes key, struct bytes value)
{
    (void)key;
    struct cursor_look *look = context;
    look->found |= value.size >= 16 && load_be64(value.data + 8) == look->incarnation;
    return ERR_OK;
}

static enum error look_at_source(struct loading *l, struct bytes source)
{
    struct store *store = l->runner->shard->store;
    struct buffer key;
    struct cursor_look look = {.incarnation = load_be64(source.data + source.size - 8)};
    free((void *)(uintptr_t)l->source.data);
    l->source = bytes_copy(source);
    buffer_init(&key, ROW_KEY_MAX);
    buffer_append(&key, source.data, source.size - 8);
    buffer_append_u8(&key, RUNNER_ROW_CURSOR);
    enum error error = store_scan(store, buffer_view(&key), note_cursor, &look);
    buffer_clear(&key);
    buffer_append_u8(&key, ROW_OUTBOX);
    buffer_append_u8(&key, OUTBOX_SENT);
    buffer_append_bytes(&key, source);
    l->is_alive = look.found;
    if (error == ERR_OK)
        error = store_scan(store, buffer_view(&key), note_any, &l->is_alive);
    buffer_free(&key);
    return error;
}

static enum error load_applied(void *context, struct bytes key, struct bytes value)
{
    struct loading *l = context;
    struct shard *shard = l->runner->shard;
    if (key.size < KIND_SIZE + 8 + PARCEL_DESTINATION_SIZE || value.size != PARCEL_NUMBER_SIZE)
        return ERR_CORRUPT;
    struct uuid topic_id;
    const uint8_t *destination = destination_of(key);
    memcpy(topic_id.bytes, destination, sizeof topic_id.bytes);
    int32_t partition = (int32_t)load_be32(destination + sizeof topic_id.bytes);
    if (shard_for_partition(shard, topic_id, partition) != shard)
        return ERR_OK;
    struct bytes source = source_of(key);
    enum error error = bytes_equal(source, l->source) ? ERR_OK : look_at_source(l, source);
    if (error)
        return error;
    if (!l->is_alive || partition_find(shard, topic_id, partition) == NULL) {
        key_list_add(&l->runner->garbage, key);
        return ERR_OK;
    }
    struct applied *a = xcalloc(1, sizeof *a);
    a->key = bytes_copy(key);
    a->sequence = load_be64(value.data);
    a->index = load_be32(value.data + 8);
    map_put(&l->runner->applied, a->key, a);
    return ERR_OK;
}

enum error parcels_load(struct runner *runner)
{
    static const uint8_t prefix[] = {ROW_OUTBOX, OUTBOX_APPLIED};
    struct loading l = {.runner = runner};
    enum error error =
        store_scan(runner->shard->store, bytes_of(prefix, sizeof prefix), load_applied, &l);
    free((void *)(uintptr_t)l.source.data);
    return error;
}

static bool drop_applied(void *context, void *value)
{
    (void)context;
    free_applied(value);
    return true;
}

void parcels_free(struct runner *runner)
{
    ASSERT(list_is_empty(&runner->early) && runner->parcel_bytes == 0);
    map_remove_if(&runner->applied, drop_applied, NULL);
    map_free(&runner->applied);
}
