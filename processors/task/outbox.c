#include "processors/task/outbox.h"

#include "base/compiler.h"
#include "base/murmur2.h"

#include <stdlib.h>

/* A step is committed at 1 MiB, but its last record may add as much as a record can have. */
static const size_t MAX_STAGED_BYTES = (size_t)2 << 30;
enum {
    RECORD_OVERHEAD = 12, /* lengths and deltas of one record in a batch, typically */
    RECORD_SIZE_MAX = 48, /* the same, at most */
};

struct route route_by_key(int topic, struct bytes key)
{
    return (struct route){.topic = topic, .by_hash = true, .number = murmur2(key)};
}

struct route route_to(int topic, int32_t partition)
{
    return (struct route){.topic = topic, .number = (uint32_t)partition};
}

void outbox_init(struct outbox *o)
{
    *o = (struct outbox){.count = 0};
    buffer_init(&o->bytes, MAX_STAGED_BYTES);
    buffer_init(&o->batches, MAX_STAGED_BYTES);
}

void outbox_free(struct outbox *o)
{
    buffer_free(&o->bytes);
    buffer_free(&o->batches);
    free(o->records);
    free(o->outputs);
    outbox_init(o);
}

void outbox_clear(struct outbox *o)
{
    buffer_clear(&o->bytes);
    buffer_clear(&o->batches);
    free(o->outputs);
    o->outputs = NULL;
    o->count = o->output_count = 0;
}

size_t outbox_size(const struct outbox *o)
{
    return o->bytes.size + o->count * RECORD_OVERHEAD;
}

void outbox_add(struct outbox *o, struct route route, const struct record *record)
{
    if (o->count == o->capacity) {
        o->capacity = o->capacity ? o->capacity * 2 : 64;
        o->records = xrealloc(o->records, o->capacity * sizeof *o->records);
    }
    o->records[o->count++] = (struct staged_record){
        .route = route,
        .timestamp = record->timestamp,
        .at = o->bytes.size,
        .key_size = record->key.size,
        .value_size = record->value.size,
        .headers_size = record->headers.size,
        .header_count = record->header_count,
        .null_key = bytes_is_null(record->key),
        .null_value = bytes_is_null(record->value),
    };
    buffer_append_bytes(&o->bytes, record->key);
    buffer_append_bytes(&o->bytes, record->value);
    buffer_append_bytes(&o->bytes, record->headers);
    ASSERT(!o->bytes.overflowed);
}

/* One batch under construction. */
struct batch_slot {
    int topic;
    int32_t partition;
    struct batch_builder builder;
    size_t at; /* of the finished batch in `batches` */
};

/* Finds the slot of a topic's partition. */
struct slot_table {
    struct batch_slot *slots;
    size_t count, capacity;
    int32_t **places; /* per topic and partition: one more than the last slot's index */
    int32_t *partitions;
    size_t *limits; /* per topic: largest bytes of a batch */
};

static struct batch_slot *add_slot(struct slot_table *t, struct outbox *o, int topic,
                                   int32_t partition)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity ? t->capacity * 2 : 8;
        t->slots = xrealloc(t->slots, t->capacity * sizeof *t->slots);
    }
    struct batch_slot *slot = &t->slots[t->count++];
    *slot = (struct batch_slot){.topic = topic, .partition = partition};
    batch_builder_init(&slot->builder, &o->batches, CODEC_NONE);
    t->places[topic][partition] = (int32_t)t->count;
    return slot;
}

static size_t staged_size(const struct staged_record *r)
{
    return r->key_size + r->value_size + r->headers_size + RECORD_SIZE_MAX;
}

static struct batch_slot *slot_of(struct slot_table *t, struct outbox *o, int32_t partition,
                                  const struct staged_record *r)
{
    int topic = r->route.topic;
    int32_t place = t->places[topic][partition];
    if (place == 0)
        return add_slot(t, o, topic, partition);
    struct batch_slot *slot = &t->slots[place - 1];
    if (batch_builder_size(&slot->builder) + staged_size(r) <= t->limits[topic])
        return slot;
    return add_slot(t, o, topic, partition);
}

static int32_t partition_of(struct slot_table *t, const struct route *route, struct bytes topic,
                            struct task_commit *commit)
{
    int32_t *partitions = &t->partitions[route->topic];
    if (*partitions == 0) {
        *partitions = commit->partitions(commit, topic);
        ASSERT(*partitions > 0);
        t->places[route->topic] = xcalloc((size_t)*partitions, sizeof(int32_t));
        t->limits[route->topic] =
            commit->max_batch_bytes ? commit->max_batch_bytes(commit, topic) : SIZE_MAX;
    }
    uint32_t number = route->by_hash ? route->number & 0x7fffffffu : route->number;
    return (int32_t)(number % (uint32_t)*partitions);
}

static void add_to_batch(struct batch_slot *slot, const struct outbox *o,
                         const struct staged_record *r)
{
    const uint8_t *at = buffer_view(&o->bytes).data + r->at;
    struct bytes key = r->null_key ? BYTES_NULL : bytes_of(at, r->key_size);
    at += r->key_size;
    struct bytes value = r->null_value ? BYTES_NULL : bytes_of(at, r->value_size);
    at += r->value_size;
    batch_builder_add(&slot->builder, r->timestamp, key, value, bytes_of(at, r->headers_size),
                      r->header_count);
}

static void finish_batches(struct outbox *o, struct slot_table *t, const struct bytes *topics)
{
    o->outputs = xcalloc(t->count, sizeof *o->outputs);
    for (size_t i = 0; i < t->count; i++) {
        t->slots[i].at = o->batches.size;
        o->outputs[i] = (struct step_output){
            .topic = topics[t->slots[i].topic],
            .partition = t->slots[i].partition,
            .record_count = t->slots[i].builder.count,
        };
        o->outputs[i].batch = batch_builder_finish(&t->slots[i].builder);
    }
    ASSERT(!o->batches.overflowed);
    for (size_t i = 0; i < t->count; i++) /* the buffer may have moved while it grew */
        o->outputs[i].batch.data = o->batches.data + t->slots[i].at;
    o->output_count = t->count;
}

void outbox_build(struct outbox *o, const struct bytes *topics, size_t topic_count,
                  struct task_commit *commit)
{
    if (o->count == 0)
        return;
    struct slot_table t = {
        .places = xcalloc(topic_count, sizeof *t.places),
        .partitions = xcalloc(topic_count, sizeof *t.partitions),
        .limits = xcalloc(topic_count, sizeof *t.limits),
    };
    for (size_t i = 0; i < o->count; i++) {
        const struct staged_record *r = &o->records[i];
        int32_t partition = partition_of(&t, &r->route, topics[r->route.topic], commit);
        add_to_batch(slot_of(&t, o, partition, r), o, r);
    }
    finish_batches(o, &t, topics);
    for (size_t i = 0; i < topic_count; i++)
        free(t.places[i]);
    free(t.places);
    free(t.partitions);
    free(t.limits);
    free(t.slots);
}
