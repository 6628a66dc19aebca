#include "storage/producer_state.h"

#include "base/list.h"
#include "base/map.h"
#include "protocol/reader.h"

#include <stdlib.h>

enum { ROW_VERSION = 1 };

struct producer_batch {
    int32_t first_sequence, last_sequence;
    int64_t base_offset, timestamp;
};

struct producer {
    uint64_t id;
    int16_t epoch;
    int8_t count;    /* of batches, oldest first */
    bool expired;    /* forgotten; stays until producer_states_changed reports it */
    int64_t last_ms; /* steady time, or PRODUCER_TIME_UNKNOWN */
    struct producer_batch batches[PRODUCER_BATCHES];
    struct list_node changed;
    struct list_node by_time; /* in producer_states.by_time, unless it expired */
};

struct producer_states {
    struct map producers; /* by id */
    struct list changed;
    struct list by_time; /* unknown times first, then the oldest */
    size_t expired;
};

struct producer_states *producer_states_create(void)
{
    struct producer_states *p = xcalloc(1, sizeof *p);
    list_init(&p->changed);
    list_init(&p->by_time);
    return p;
}

void producer_states_free(struct producer_states *p)
{
    if (p == NULL)
        return;
    size_t at = 0;
    for (struct producer *producer; (producer = map_next(&p->producers, &at));)
        free(producer);
    map_free(&p->producers);
    free(p);
}

static struct producer *find(const struct producer_states *p, int64_t producer_id)
{
    uint64_t id = (uint64_t)producer_id;
    return map_get(&p->producers, map_key_u64(&id));
}

static struct producer *find_or_add(struct producer_states *p, int64_t producer_id)
{
    struct producer *producer = find(p, producer_id);
    if (producer)
        return producer;
    producer = xcalloc(1, sizeof *producer);
    producer->id = (uint64_t)producer_id;
    producer->epoch = -1;
    map_put(&p->producers, map_key_u64(&producer->id), producer);
    return producer;
}

/* Sequences count from 0 to INT32_MAX and then from 0 again. */
static int32_t sequence_after(int32_t sequence, int32_t steps)
{
    return (int32_t)(((uint32_t)sequence + (uint32_t)steps) & INT32_MAX);
}

static const struct producer_batch *find_duplicate(const struct producer *producer,
                                                   const struct batch_header *batch)
{
    int32_t last = sequence_after(batch->base_sequence, batch->last_offset_delta);
    for (int i = 0; i < producer->count; i++) {
        const struct producer_batch *known = &producer->batches[i];
        if (known->first_sequence == batch->base_sequence && known->last_sequence == last)
            return known;
    }
    return NULL;
}

enum producer_check producer_check(const struct producer_states *p,
                                   const struct batch_header *batch, int64_t *original_offset,
                                   int64_t *original_timestamp)
{
    const struct producer *producer = find(p, batch->producer_id);
    if (producer == NULL || producer->expired)
        return PRODUCER_NEW;
    if (batch->producer_epoch < producer->epoch)
        return PRODUCER_FENCED;
    if (batch->producer_epoch > producer->epoch || producer->count == 0)
        return batch->base_sequence == 0 ? PRODUCER_NEW : PRODUCER_OUT_OF_ORDER;
    const struct producer_batch *original = find_duplicate(producer, batch);
    if (original) {
        *original_offset = original->base_offset;
        *original_timestamp = original->timestamp;
        return PRODUCER_DUPLICATE;
    }
    int32_t last = producer->batches[producer->count - 1].last_sequence;
    return batch->base_sequence == sequence_after(last, 1) ? PRODUCER_NEW : PRODUCER_OUT_OF_ORDER;
}

static void mark_changed(struct producer_states *p, struct producer *producer)
{
    if (!list_contains(&producer->changed))
        list_append(&p->changed, &producer->changed);
}

/* Times never decrease while the broker runs. After a crash they may repeat up to a minute, and
 * then a producer expires so much later. */
static void set_time(struct producer_states *p, struct producer *producer, int64_t steady_ms)
{
    producer->last_ms = steady_ms;
    list_remove(&producer->by_time);
    if (steady_ms < 0)
        list_prepend(&p->by_time, &producer->by_time);
    else
        list_append(&p->by_time, &producer->by_time);
}

void producer_appended(struct producer_states *p, const struct batch_header *batch,
                       int64_t steady_ms)
{
    ASSERT(batch->producer_id >= 0);
    struct producer *producer = find_or_add(p, batch->producer_id);
    if (producer->expired || producer->epoch != batch->producer_epoch)
        producer->count = 0;
    p->expired -= producer->expired;
    producer->expired = false;
    producer->epoch = batch->producer_epoch;
    set_time(p, producer, steady_ms);
    mark_changed(p, producer);
    if (batch->attributes & BATCH_CONTROL)
        return; /* a transaction marker has no sequence */
    if (producer->count == PRODUCER_BATCHES) {
        memmove(producer->batches, producer->batches + 1,
                (PRODUCER_BATCHES - 1) * sizeof producer->batches[0]);
        producer->count--;
    }
    producer->batches[producer->count++] = (struct producer_batch){
        .first_sequence = batch->base_sequence,
        .last_sequence = sequence_after(batch->base_sequence, batch->last_offset_delta),
        .base_offset = batch->base_offset,
        .timestamp = batch->max_timestamp,
    };
}

static void append_row(const struct producer *producer, struct buffer *row)
{
    buffer_append_u8(row, ROW_VERSION);
    buffer_append_be16(row, (uint16_t)producer->epoch);
    buffer_append_be64(row, (uint64_t)producer->last_ms);
    buffer_append_u8(row, (uint8_t)producer->count);
    for (int i = 0; i < producer->count; i++) {
        const struct producer_batch *batch = &producer->batches[i];
        buffer_append_be32(row, (uint32_t)batch->first_sequence);
        buffer_append_be32(row, (uint32_t)batch->last_sequence);
        buffer_append_be64(row, (uint64_t)batch->base_offset);
        buffer_append_be64(row, (uint64_t)batch->timestamp);
    }
}

void producer_states_changed(struct producer_states *p,
                             void (*each)(void *context, int64_t producer_id, struct bytes row),
                             void *context)
{
    struct buffer row;
    buffer_init(&row, 1024);
    for (struct list_node *node; (node = list_pop(&p->changed));) {
        struct producer *producer = CONTAINER_OF(node, struct producer, changed);
        if (producer->expired) {
            each(context, (int64_t)producer->id, BYTES_NULL);
            map_remove(&p->producers, map_key_u64(&producer->id));
            p->expired--;
            free(producer);
            continue;
        }
        buffer_clear(&row);
        append_row(producer, &row);
        ASSERT(!row.overflowed);
        each(context, (int64_t)producer->id, buffer_view(&row));
    }
    buffer_free(&row);
}

enum error producer_states_load(struct producer_states *p, int64_t producer_id, struct bytes row)
{
    struct reader r = reader_of(row);
    struct producer loaded = {0};
    int8_t version = read_i8(&r);
    loaded.epoch = read_i16(&r);
    loaded.last_ms = read_i64(&r);
    loaded.count = read_i8(&r);
    if (r.failed || version != ROW_VERSION || producer_id < 0 || loaded.count < 0 ||
        loaded.count > PRODUCER_BATCHES)
        return ERR_CORRUPT;
    for (int i = 0; i < loaded.count; i++) {
        loaded.batches[i].first_sequence = read_i32(&r);
        loaded.batches[i].last_sequence = read_i32(&r);
        loaded.batches[i].base_offset = read_i64(&r);
        loaded.batches[i].timestamp = read_i64(&r);
    }
    if (r.failed || reader_left(&r) != 0)
        return ERR_CORRUPT;
    struct producer *producer = find_or_add(p, producer_id);
    producer->epoch = loaded.epoch;
    set_time(p, producer, loaded.last_ms);
    producer->count = loaded.count;
    memcpy(producer->batches, loaded.batches, sizeof loaded.batches);
    return ERR_OK;
}

static int older_first(const void *left, const void *right)
{
    const struct producer *a = *(struct producer *const *)left,
                          *b = *(struct producer *const *)right;
    return (a->last_ms > b->last_ms) - (a->last_ms < b->last_ms);
}

void producer_states_loaded(struct producer_states *p)
{
    size_t count = 0;
    struct producer **all = xcalloc(p->producers.count + 1, sizeof(struct producer *));
    for (struct list_node *node; (node = list_pop(&p->by_time));)
        all[count++] = CONTAINER_OF(node, struct producer, by_time);
    qsort(all, count, sizeof *all, older_first);
    for (size_t i = 0; i < count; i++)
        list_append(&p->by_time, &all[i]->by_time);
    free(all);
}

static void forget(struct producer_states *p, struct producer *producer)
{
    list_remove(&producer->by_time);
    producer->expired = true;
    p->expired++;
    mark_changed(p, producer);
}

bool producer_states_expire(struct producer_states *p, int64_t steady_ms, int64_t expiration_ms,
                            size_t *budget)
{
    for (struct list_node *node; (node = list_first(&p->by_time)); --*budget) {
        struct producer *producer = CONTAINER_OF(node, struct producer, by_time);
        if (producer->last_ms >= 0 && steady_ms - producer->last_ms <= expiration_ms)
            return true;
        if (*budget == 0)
            return false;
        if (producer->last_ms < 0) {
            set_time(p, producer, steady_ms);
            mark_changed(p, producer);
        } else {
            forget(p, producer);
        }
    }
    return true;
}

void producer_states_each(const struct producer_states *p,
                          void (*each)(void *context, int64_t producer_id, int16_t epoch,
                                       int64_t last_offset),
                          void *context)
{
    size_t at = 0;
    for (const struct producer *producer; (producer = map_next(&p->producers, &at));) {
        int64_t last_offset = -1;
        if (producer->count > 0) {
            const struct producer_batch *last = &producer->batches[producer->count - 1];
            uint32_t delta = (uint32_t)last->last_sequence - (uint32_t)last->first_sequence;
            last_offset = last->base_offset + (int64_t)(delta & INT32_MAX);
        }
        if (!producer->expired)
            each(context, (int64_t)producer->id, producer->epoch, last_offset);
    }
}

size_t producer_states_count(const struct producer_states *p)
{
    return p->producers.count - p->expired;
}
