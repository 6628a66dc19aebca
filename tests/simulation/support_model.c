#include "tests/simulation/support_model.h"

#include "base/compiler.h"
#include "storage/shard_map.h"
#include "storage/store_rows.h"

#include <stdio.h>
#include <stdlib.h>

struct uuid model_topic_id(int topic)
{
    struct uuid id = {{0xab, 0xcd, 0, 0, 0, 0, 0x40, 0, 0x80}};
    id.bytes[15] = (uint8_t)(topic + 1);
    return id;
}

void model_init(struct model *m, int shard_count)
{
    memset(m, 0, sizeof *m);
    m->shard_count = shard_count;
    for (int t = 0; t < MODEL_TOPICS; t++) {
        for (int i = 0; i < MODEL_PARTITIONS; i++) {
            struct model_partition *p = &m->partitions[t][i];
            p->topic = t;
            p->topic_id = model_topic_id(t);
            p->number = i;
            buffer_init(&p->bytes, 16 << 20);
        }
    }
}

void model_free(struct model *m)
{
    for (int t = 0; t < MODEL_TOPICS; t++) {
        for (int i = 0; i < MODEL_PARTITIONS; i++) {
            buffer_free(&m->partitions[t][i].bytes);
            free(m->partitions[t][i].batches);
            free(m->partitions[t][i].starts.at);
        }
        free(m->topics[t].at);
    }
    for (int i = 0; i < MODEL_ROWS; i++)
        free(m->rows[i].at);
}

static void copy_history(struct model_history *h, const struct model_history *from)
{
    h->count = h->capacity = from->count;
    h->at = xmalloc((from->count + 1) * sizeof *h->at);
    if (from->count > 0)
        memcpy(h->at, from->at, from->count * sizeof *h->at);
}

void model_copy(struct model *m, const struct model *from)
{
    model_init(m, from->shard_count);
    memcpy(m->shards, from->shards, sizeof m->shards);
    m->versions = from->versions;
    for (int t = 0; t < MODEL_TOPICS; t++) {
        copy_history(&m->topics[t], &from->topics[t]);
        for (int i = 0; i < MODEL_PARTITIONS; i++) {
            struct model_partition *p = &m->partitions[t][i];
            const struct model_partition *other = &from->partitions[t][i];
            buffer_append_bytes(&p->bytes, buffer_view(&other->bytes));
            p->count = p->capacity = other->count;
            p->batches = xmalloc((p->count + 1) * sizeof *p->batches);
            if (p->count > 0)
                memcpy(p->batches, other->batches, p->count * sizeof *p->batches);
            copy_history(&p->starts, &other->starts);
        }
    }
    for (int i = 0; i < MODEL_ROWS; i++)
        copy_history(&m->rows[i], &from->rows[i]);
}

/* Histories */

void model_history_add(struct model_history *h, uint32_t entry, int64_t value)
{
    if (h->count == h->capacity) {
        h->capacity = h->capacity ? h->capacity * 2 : 8;
        h->at = xrealloc(h->at, h->capacity * sizeof *h->at);
    }
    h->at[h->count++] = (struct model_change){entry, value};
}

int64_t model_history_at(const struct model_history *h, uint32_t k, int64_t otherwise)
{
    for (size_t i = h->count; i-- > 0;) {
        if (h->at[i].entry <= k)
            return h->at[i].value;
    }
    return otherwise;
}

static void rebase_history(struct model_history *h, uint32_t k, int64_t otherwise)
{
    int64_t value = model_history_at(h, k, otherwise);
    h->count = 0;
    if (value != otherwise)
        model_history_add(h, 0, value);
}

static int shard_of(const struct model *m, const struct model_partition *p)
{
    return shard_of_partition(p->topic_id.bytes, p->number, m->shard_count);
}

int model_row_shard(const struct model *m, int row)
{
    return row % m->shard_count;
}

void model_rebase(struct model *m, const uint32_t *k, int shard_count)
{
    for (int t = 0; t < MODEL_TOPICS; t++) {
        rebase_history(&m->topics[t], k[0], 0);
        for (int i = 0; i < MODEL_PARTITIONS; i++) {
            struct model_partition *p = &m->partitions[t][i];
            uint32_t last = k[shard_of(m, p)];
            rebase_history(&p->starts, last, 0);
            p->count = model_batches_at(p, last);
            p->bytes.size = p->count ? p->batches[p->count - 1].end : 0;
            for (size_t b = 0; b < p->count; b++)
                p->batches[b].entry = 0;
        }
    }
    for (int i = 0; i < MODEL_ROWS; i++)
        rebase_history(&m->rows[i], k[model_row_shard(m, i)], 0);
    memset(m->shards, 0, sizeof m->shards);
    m->shard_count = shard_count;
}

/* Rows */

struct row_key_text model_row_key(int row)
{
    struct row_key_text key;
    snprintf(key.text, sizeof key.text, "%cgroup-%d", ROW_OFFSET, row);
    return key;
}

struct bytes model_row_value(int64_t version, uint8_t out[MODEL_VALUE_MAX])
{
    if (version == 0)
        return BYTES_NULL;
    size_t size = 8 + (size_t)(version * 37 % 250);
    memset(out, (int)version, size);
    store_be64(out, (uint64_t)version);
    return bytes_of(out, size);
}

/* Batches */

void model_append(struct model_partition *p, uint32_t entry, struct bytes batch, int producer,
                  bool starts_segment)
{
    struct batch_header h;
    bool whole = batch_header_read(batch, &h);
    ASSERT(whole);
    buffer_append_bytes(&p->bytes, batch);
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : 16;
        p->batches = xrealloc(p->batches, p->capacity * sizeof *p->batches);
    }
    p->batches[p->count++] = (struct model_batch){.entry = entry,
                                                  .end = p->bytes.size,
                                                  .base = h.base_offset,
                                                  .next = batch_last_offset(&h) + 1,
                                                  .producer = producer,
                                                  .sequence = h.base_sequence,
                                                  .starts_segment = starts_segment};
}

size_t model_batches_at(const struct model_partition *p, uint32_t k)
{
    size_t count = p->count;
    while (count > 0 && p->batches[count - 1].entry > k)
        count--;
    return count;
}

int32_t model_next_sequence(const struct model_partition *p, int producer)
{
    for (size_t i = p->count; i-- > 0;) {
        const struct model_batch *b = &p->batches[i];
        if (b->producer == producer)
            return b->sequence + (int32_t)(b->next - b->base);
    }
    return 0;
}
