#include "tests/simulation/support_facts.h"

#include <stdio.h>
#include <stdlib.h>

enum { YOUNG_MS = 3600 * 1000 }; /* longer than any run */

void facts_init(struct facts *f, struct machine *machine)
{
    memset(f, 0, sizeof *f);
    f->machine = machine;
    f->chronicle = machine->chronicle;
}

static void free_bytes(struct bytes b)
{
    free((void *)(uintptr_t)b.data);
}

static void free_partition(struct fact_partition *p)
{
    for (size_t i = 0; p->kept && i < p->capacity; i++) {
        free_bytes(p->kept[i].key);
        free_bytes(p->kept[i].value);
        free_bytes(p->kept[i].headers);
    }
    free(p->kept);
    free(p->marks);
    free(p->batches);
    free(p->contents);
}

void facts_free(struct facts *f)
{
    for (int t = 0; t < f->topic_count; t++) {
        for (int p = 0; p < FACT_PARTITIONS; p++)
            free_partition(&f->topics[t].partitions[p]);
    }
    for (int p = 0; p < FACT_PRODUCERS; p++) {
        for (size_t i = 0; i < f->batch_count[p]; i++)
            free(f->batches[p][i]);
        free(f->batches[p]);
    }
    for (int g = 0; g < f->group_count; g++) {
        free(f->groups[g].generations);
        for (int p = 0; p < FACT_PARTITIONS; p++)
            free(f->groups[g].commits[p]);
    }
}

/* --- topics --- */

struct fact_topic *facts_add_topic(struct facts *f, const char *name, int32_t partitions)
{
    ASSERT(f->topic_count < FACT_TOPICS && partitions <= FACT_PARTITIONS);
    struct fact_topic *t = &f->topics[f->topic_count++];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->partition_count = t->asked_count = partitions;
    for (int32_t i = 0; i < FACT_PARTITIONS; i++)
        t->partitions[i] = (struct fact_partition){.topic = t, .index = i};
    return t;
}

struct fact_topic *facts_topic(struct facts *f, const char *name)
{
    for (int i = f->topic_count - 1; i >= 0; i--) {
        if (strcmp(f->topics[i].name, name) == 0)
            return &f->topics[i];
    }
    return NULL;
}

void facts_id_answered(struct facts *f, struct uuid id, uint64_t sent_step)
{
    for (int i = 0; i < f->topic_count; i++) {
        if (uuid_equal(f->topics[i].id, id))
            facts_topic_answered(f, &f->topics[i], sent_step);
    }
}

bool fact_topic_may_be_absent(const struct fact_topic *t)
{
    return t->state != TOPIC_EXISTS;
}

void facts_topic_answered(struct facts *f, const struct fact_topic *t, uint64_t sent_step)
{
    if (t->state == TOPIC_DELETED && sent_step > t->deleted_step)
        chronicle_fail(f->chronicle, "a deleted topic stays deleted", "%s", t->name);
}

/* --- records --- */

struct fact_batch *facts_add_batch(struct facts *f, uint32_t producer, struct fact_partition *p)
{
    ASSERT(producer < FACT_PRODUCERS);
    size_t *count = &f->batch_count[producer], *capacity = &f->batch_capacity[producer];
    if (*count == *capacity) {
        *capacity = MAX(*capacity * 2, (size_t)64);
        f->batches[producer] =
            xrealloc(f->batches[producer], *capacity * sizeof *f->batches[producer]);
    }
    struct fact_batch *b = xcalloc(1, sizeof *b);
    *b = (struct fact_batch){.partition = p,
                             .producer = producer,
                             .serial = (uint32_t)*count,
                             .first_life = f->machine->lives};
    f->batches[producer][(*count)++] = b;
    return b;
}

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *at = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * 0x100000001b3;
    return (hash ^ size) * 0x100000001b3;
}

uint64_t fact_record_hash(const struct record *r)
{
    uint64_t hash = mix(0xcbf29ce484222325, &r->timestamp, sizeof r->timestamp);
    hash = mix(hash, r->key.data, r->key.size);
    hash = mix(hash, r->value.data, r->value.size) + bytes_is_null(r->value);
    hash = mix(hash, r->headers.data, r->headers.size);
    return hash | 1;
}

static void *grow_array(void *at, size_t from, size_t to, size_t size)
{
    uint8_t *grown = xrealloc(at, to * size);
    memset(grown + from * size, 0, (to - from) * size);
    return grown;
}

static void make_room(struct fact_partition *p, int64_t offset)
{
    if ((size_t)offset < p->capacity)
        return;
    size_t capacity = MAX(p->capacity * 2, (size_t)offset + 256);
    p->contents = grow_array(p->contents, p->capacity, capacity, sizeof *p->contents);
    p->batches = grow_array(p->batches, p->capacity, capacity, sizeof *p->batches);
    if (p->topic->keeps)
        p->kept = grow_array(p->kept, p->capacity, capacity, sizeof *p->kept);
    if (p->topic->compacts || p->topic->is_timed)
        p->marks = grow_array(p->marks, p->capacity, capacity, sizeof *p->marks);
    p->capacity = capacity;
}

/* One content for ever. */
static void learn(struct facts *f, struct fact_partition *p, int64_t offset, uint64_t hash,
                  const char *how)
{
    make_room(p, offset);
    if (p->contents[offset] != 0 && p->contents[offset] != hash)
        chronicle_fail(f->chronicle, "an offset has one content for ever",
                       "%s/%d offset %lld was %s with another content", p->topic->name, p->index,
                       (long long)offset, how);
    p->contents[offset] = hash;
}

static void raise_end(struct facts *f, struct fact_partition *p, int64_t end)
{
    if (end <= p->end)
        return;
    p->end = end;
    p->grew_ms = f->machine->now_ms;
}

/* A batch is in the log at an offset. */
static void found(struct facts *f, struct fact_batch *b, int64_t base)
{
    for (int i = 0; i < b->copy_count; i++) {
        if (b->copies[i] == base)
            return;
    }
    int most = b->idempotent ? 1 : MIN(b->sends, (int)FACT_COPIES);
    if (b->copy_count >= most)
        chronicle_fail(f->chronicle,
                       b->idempotent ? "a batch of an idempotent producer is stored once"
                                     : "a batch is stored at most as often as it was sent",
                       "producer %u batch %u: offsets %lld and %lld of %s/%d", b->producer,
                       b->serial, (long long)b->copies[0], (long long)base,
                       b->partition->topic->name, b->partition->index);
    b->copies[b->copy_count++] = base;
}

static void learn_key(struct fact_partition *p, int64_t offset, const struct fact_batch *b,
                      int index)
{
    if (!p->topic->compacts && !p->topic->is_timed)
        return;
    make_room(p, offset);
    p->marks[offset].is_young = p->topic->is_timed && !b->is_old;
    p->marks[offset].key = b->keys[index];
    p->marks[offset].is_tombstone = b->tombstones[index];
    p->marks[offset].sent_ms = b->sent_ms;
}

static void check_sender(struct facts *f, struct fact_partition *p, const struct record *r,
                         uint64_t hash)
{
    struct record_header header;
    const char *rule = "only what was sent is stored";
    if (!record_header_find(r, BYTES_LITERAL("i"), &header) || header.value.size != 12)
        chronicle_fail(f->chronicle, rule, "%s/%d offset %lld has no sender", p->topic->name,
                       p->index, (long long)r->offset);
    uint32_t producer = load_be32(header.value.data), serial = load_be32(header.value.data + 4);
    int index = (int)load_be32(header.value.data + 8);
    if (producer >= FACT_PRODUCERS || serial >= f->batch_count[producer])
        chronicle_fail(f->chronicle, rule, "%s/%d offset %lld: producer %u batch %u",
                       p->topic->name, p->index, (long long)r->offset, producer, serial);
    struct fact_batch *b = f->batches[producer][serial];
    if (b->partition != p || index >= b->count || b->hashes[index] != hash)
        chronicle_fail(f->chronicle, rule, "%s/%d offset %lld: producer %u batch %u record %d",
                       p->topic->name, p->index, (long long)r->offset, producer, serial, index);
    found(f, b, r->offset - index);
    learn_key(p, r->offset, b, index);
}

static void see_mark(struct facts *f, const struct fact_partition *p, int64_t offset,
                     uint64_t sent_step)
{
    struct fact_mark *mark = &p->marks[offset];
    if (mark->gone_step > 0 && mark->gone_step < sent_step)
        chronicle_fail(f->chronicle, "a record that compaction has removed does not come back",
                       "%s/%d offset %lld", p->topic->name, p->index, (long long)offset);
    mark->seen_step = f->machine->step;
}

void facts_seen(struct facts *f, struct fact_partition *p, const struct record *r,
                uint64_t sent_step)
{
    uint64_t hash = fact_record_hash(r);
    if (!p->topic->is_output)
        check_sender(f, p, r, hash);
    learn(f, p, r->offset, hash, "read");
    if (p->topic->compacts)
        see_mark(f, p, r->offset, sent_step);
    if (p->topic->keeps && bytes_is_null(p->kept[r->offset].headers)) {
        p->kept[r->offset] = *r;
        p->kept[r->offset].key = bytes_copy(r->key);
        p->kept[r->offset].value = bytes_copy(r->value);
        p->kept[r->offset].headers = bytes_copy(r->headers);
    }
    raise_end(f, p, r->offset + 1);
}

void facts_skipped(struct facts *f, struct fact_partition *p, int64_t from, int64_t to)
{
    if (from < to && !p->topic->compacts)
        chronicle_fail(f->chronicle, "a consumer gets every offset", "%s/%d: %lld instead of %lld",
                       p->topic->name, p->index, (long long)to, (long long)from);
    for (int64_t i = from; i < to; i++) {
        make_room(p, i);
        if (p->marks[i].gone_step == 0)
            p->marks[i].gone_step = f->machine->step;
    }
    if (from < to)
        chronicle_reach(f->chronicle, REACH_HOLE);
}

void facts_seen_batch(struct fact_partition *p, int64_t base_offset, size_t size)
{
    make_room(p, base_offset);
    p->batches[base_offset] = (uint32_t)size;
}

void facts_acknowledged(struct facts *f, struct fact_batch *b, int64_t base_offset)
{
    if (base_offset < 0)
        chronicle_fail(f->chronicle, "an acknowledgement has an offset", "producer %u batch %u",
                       b->producer, b->serial);
    found(f, b, base_offset);
    for (int i = 0; i < b->count; i++) {
        learn(f, b->partition, base_offset + i, b->hashes[i], "acknowledged");
        learn_key(b->partition, base_offset + i, b, i);
    }
    b->acknowledged = true;
    raise_end(f, b->partition, base_offset + b->count);
}

void facts_told_end(struct facts *f, struct fact_partition *p, int64_t end, int64_t floor)
{
    if (end < floor)
        chronicle_fail(f->chronicle, "nothing acknowledged or seen is taken back",
                       "%s/%d: the high watermark is %lld, it was %lld", p->topic->name, p->index,
                       (long long)end, (long long)floor);
    raise_end(f, p, end);
}

/* Retention by time deletes nothing young, whatever the wall clock says. */
static void check_ages(struct facts *f, const struct fact_partition *p, int64_t start)
{
    for (int64_t i = p->start; i < start && i < (int64_t)p->capacity; i++) {
        const struct fact_mark *mark = &p->marks[i];
        if (mark->is_young && f->machine->ahead_ms < TIMED_RETENTION_MS - YOUNG_MS)
            chronicle_fail(f->chronicle, "retention by time deletes no young record",
                           "%s/%d starts at %lld, offset %lld is young", p->topic->name, p->index,
                           (long long)start, (long long)i);
    }
    if (start > p->start)
        chronicle_reach(f->chronicle, REACH_EXPIRED);
}

void facts_told_start(struct facts *f, struct fact_partition *p, int64_t start, int64_t floor)
{
    if (start < floor)
        chronicle_fail(f->chronicle, "the log start never goes back",
                       "%s/%d: the log start is %lld, it was %lld", p->topic->name, p->index,
                       (long long)start, (long long)floor);
    /* Segments from which compaction has removed everything may go. */
    if (start > 0 && !p->topic->trims && !p->topic->compacts)
        chronicle_fail(f->chronicle, "a topic without a limit keeps all records",
                       "%s/%d: the log start is %lld", p->topic->name, p->index, (long long)start);
    if (p->topic->is_timed)
        check_ages(f, p, start);
    if (start > p->start) {
        chronicle_note(f->chronicle, "%s/%d starts at %lld", p->topic->name, p->index,
                       (long long)start);
        chronicle_reach(f->chronicle, REACH_TRIM);
    }
    p->start = MAX(p->start, start);
}

void facts_before_restart(struct facts *f)
{
    for (int t = 0; t < f->topic_count; t++) {
        for (int p = 0; p < FACT_PARTITIONS; p++)
            f->topics[t].partitions[p].end_before = f->topics[t].partitions[p].end;
    }
}

void facts_after_restart(struct facts *f)
{
    for (int t = 0; t < f->topic_count; t++) {
        for (int p = 0; p < FACT_PARTITIONS; p++) {
            const struct fact_partition *part = &f->topics[t].partitions[p];
            if (part->end != part->end_before)
                chronicle_fail(f->chronicle, "a restart changes no log",
                               "%s/%d ended at %lld, now at %lld", f->topics[t].name, p,
                               (long long)part->end_before, (long long)part->end);
        }
    }
}

static void check_order(struct facts *f, const struct fact_batch *b,
                        int64_t last[FACT_TOPICS][FACT_PARTITIONS])
{
    int64_t *before = &last[b->partition->topic - f->topics][b->partition->index];
    if (!b->idempotent || b->copy_count == 0)
        return;
    if (b->copies[0] < *before)
        chronicle_fail(f->chronicle, "batches of an idempotent producer stay in order",
                       "producer %u batch %u: offset %lld after %lld", b->producer, b->serial,
                       (long long)b->copies[0], (long long)*before);
    *before = b->copies[0];
}

/* Retention deletes whole segments, and only while enough bytes are left. */
static void check_trim(struct facts *f, const struct fact_partition *p)
{
    size_t bytes = 0;
    if (p->start <= p->asked_start || p->topic->compacts || p->topic->is_timed)
        return;
    for (int64_t i = p->start; i < p->end; i++)
        bytes += p->batches[i];
    if (bytes < FACT_TRIM_KEEPS || (p->start < p->end && p->batches[p->start] == 0))
        chronicle_fail(f->chronicle, "retention keeps as many bytes as it must",
                       "%s/%d has %zu bytes from %lld on", p->topic->name, p->index, bytes,
                       (long long)p->start);
}

void facts_check_batches(struct facts *f)
{
    for (int t = 0; t < f->topic_count; t++) {
        for (int p = 0; f->topics[t].trims && p < f->topics[t].partition_count; p++)
            check_trim(f, &f->topics[t].partitions[p]);
    }
    for (int p = 0; p < FACT_PRODUCERS; p++) {
        int64_t last[FACT_TOPICS][FACT_PARTITIONS] = {0};
        for (size_t i = 0; i < f->batch_count[p]; i++)
            check_order(f, f->batches[p][i], last);
    }
}

void facts_producer_id(struct facts *f, int64_t id)
{
    for (size_t i = 0; i < f->producer_id_count; i++) {
        if (f->producer_ids[i] == id)
            chronicle_fail(f->chronicle, "a producer id is given out once", "%lld", (long long)id);
    }
    ASSERT(f->producer_id_count < COUNT_OF(f->producer_ids));
    f->producer_ids[f->producer_id_count++] = id;
}
