#include "tests/simulation/support_model.h"

#include "base/compiler.h"
#include "storage/store_rows.h"

#include <inttypes.h>
#include <stdarg.h>
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

void model_append(struct model_partition *p, uint32_t entry, struct bytes batch, int producer)
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
                                                  .sequence = h.base_sequence};
}

size_t model_batches_at(const struct model_partition *p, uint32_t k)
{
    size_t count = p->count;
    while (count > 0 && p->batches[count - 1].entry > k)
        count--;
    return count;
}

static size_t batch_start(const struct model_partition *p, size_t index)
{
    return index == 0 ? 0 : p->batches[index - 1].end;
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

/* Comparing */

static char reason[512];

static const char *wrong(const char *format, ...) PRINTF_LIKE(1, 2);
static const char *wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return reason;
}

/* The segments of a partition that hold anything at or above its start. */
struct segment_list {
    int64_t bases[512];
    size_t count;
};

static void note_segment(void *context, const char *name)
{
    struct segment_list *list = context;
    if (strlen(name) != 24 || strcmp(name + 20, ".log") != 0)
        return;
    ASSERT(list->count < COUNT_OF(list->bases));
    int64_t base = strtoll(name, NULL, 10);
    size_t at = list->count++;
    for (; at > 0 && list->bases[at - 1] > base; at--)
        list->bases[at] = list->bases[at - 1];
    list->bases[at] = base;
}

/* The index of the batch with this base offset; the count for the offset behind the last one. */
static size_t batch_with_base(const struct model_partition *p, size_t count, int64_t base)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (p->batches[middle].base < base)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const char *compare_segments(const struct model_partition *p, const struct sim_disk *disk,
                                    const struct log_state *state, size_t count)
{
    char *directory = partition_directory("data", p->topic_id, p->number);
    struct segment_list list = {.count = 0};
    struct io *io = &((struct sim_disk *)(uintptr_t)disk)->io;
    (void)!io->ops->list(io, directory, note_segment, &list);
    int64_t reached = -1; /* the offset that the segments so far reach */
    const char *result = NULL;
    for (size_t i = 0; i < list.count && result == NULL; i++) {
        int64_t end = i + 1 < list.count ? list.bases[i + 1] : state->next_offset;
        if (end <= state->log_start_offset)
            continue; /* dead, and not deleted yet or back after a power cut */
        size_t first = batch_with_base(p, count, list.bases[i]);
        size_t last = batch_with_base(p, count, end);
        size_t size = batch_start(p, last) - batch_start(p, first);
        char path[256];
        snprintf(path, sizeof path, "%s/%020" PRId64 ".log", directory, list.bases[i]);
        struct sim_view file = sim_disk_file(disk, path);
        if (reached >= 0 && reached != list.bases[i])
            result = wrong("%s: a gap before it", path);
        else if (first == count || p->batches[first].base != list.bases[i])
            result = wrong("%s: not a batch boundary", path);
        else if (!bytes_equal(file.data, bytes_of(p->bytes.data + batch_start(p, first), size)))
            result = wrong("%s: has %zu bytes, expected %zu, or other content", path,
                           file.data.size, size);
        else if (reached < 0 && list.bases[i] > state->log_start_offset)
            result = wrong("%s: the log starts at %" PRId64, path, state->log_start_offset);
        reached = end;
    }
    free(directory);
    if (result == NULL && reached < 0 && state->log_start_offset < state->next_offset)
        result = wrong("partition %d-%d has no segments for [%" PRId64 ", %" PRId64 ")", p->topic,
                       p->number, state->log_start_offset, state->next_offset);
    return result;
}

static int64_t producer_id(int producer)
{
    return 1000 + producer;
}

static enum producer_check check_sequence(const struct producer_states *states, int producer,
                                          int32_t sequence, int64_t records, int64_t *offset)
{
    struct batch_header h = {.producer_id = producer_id(producer),
                             .base_sequence = sequence,
                             .last_offset_delta = (int32_t)records - 1,
                             .record_count = (int32_t)records};
    int64_t timestamp;
    return producer_check(states, &h, offset, &timestamp);
}

static const char *compare_producer(const struct model_partition *p, const struct sim_disk *disk,
                                    size_t count, int producer)
{
    struct row_key key = row_key_producer(p->topic_id, p->number, producer_id(producer));
    struct bytes row = sim_disk_row(disk, row_key_view(&key));
    struct producer_states *states = producer_states_create();
    const char *result = NULL;
    if (!bytes_is_null(row) && producer_states_load(states, producer_id(producer), row) != ERR_OK)
        result = wrong("a producer's row cannot be read");
    int32_t next = 0;
    int seen = 0;
    for (size_t i = count; i-- > 0 && seen < PRODUCER_BATCHES && result == NULL;) {
        const struct model_batch *b = &p->batches[i];
        if (b->producer != producer)
            continue;
        if (seen++ == 0)
            next = b->sequence + (int32_t)(b->next - b->base);
        int64_t offset = -1;
        enum producer_check check =
            check_sequence(states, producer, b->sequence, b->next - b->base, &offset);
        if (check != PRODUCER_DUPLICATE || offset != b->base)
            result = wrong("partition %d-%d: retry of producer %d's batch at %" PRId64
                           " is judged %d, offset %" PRId64,
                           p->topic, p->number, producer, b->base, (int)check, offset);
    }
    int64_t none;
    if (result == NULL && check_sequence(states, producer, next, 1, &none) != PRODUCER_NEW)
        result = wrong("partition %d-%d: producer %d's next batch %d is not new", p->topic,
                       p->number, producer, next);
    producer_states_free(states);
    return result;
}

/* Nothing is left of a partition whose topic was deleted. */
static const char *compare_absent(const struct model_partition *p, const struct sim_disk *disk)
{
    struct row_key key = row_key_log(p->topic_id, p->number);
    if (!bytes_is_null(sim_disk_row(disk, row_key_view(&key))))
        return wrong("partition %d-%d: row of a deleted topic", p->topic, p->number);
    for (int i = 0; i < MODEL_PRODUCERS; i++) {
        key = row_key_producer(p->topic_id, p->number, producer_id(i));
        if (!bytes_is_null(sim_disk_row(disk, row_key_view(&key))))
            return wrong("partition %d-%d: producer of a deleted topic", p->topic, p->number);
    }
    struct segment_list list = {.count = 0};
    struct io *io = &((struct sim_disk *)(uintptr_t)disk)->io;
    char *directory = partition_directory("data", p->topic_id, p->number);
    enum error error = io->ops->list(io, directory, note_segment, &list);
    free(directory);
    return error == ERR_NOT_FOUND ? NULL : wrong("files of a deleted topic");
}

static const char *compare_partition(const struct model_partition *p, const struct sim_disk *disk,
                                     uint32_t k)
{
    size_t count = model_batches_at(p, k);
    int64_t start = model_history_at(&p->starts, k, 0);
    int64_t next = count ? p->batches[count - 1].next : 0;
    struct row_key key = row_key_log(p->topic_id, p->number);
    struct bytes row = sim_disk_row(disk, row_key_view(&key));
    if (bytes_is_null(row))
        return count == 0 && start == 0 ? NULL
                                        : wrong("partition %d-%d is lost", p->topic, p->number);
    struct log_state state;
    if (log_state_decode(row, &state) != ERR_OK)
        return wrong("a log's row cannot be read");
    if (state.next_offset != next || state.log_start_offset != start)
        return wrong("partition %d-%d is [%" PRId64 ", %" PRId64 "), expected [%" PRId64
                     ", %" PRId64 ")",
                     p->topic, p->number, state.log_start_offset, state.next_offset, start, next);
    const char *result = compare_segments(p, disk, &state, count);
    for (int i = 0; i < MODEL_PRODUCERS && result == NULL; i++)
        result = compare_producer(p, disk, count, i);
    return result;
}

static const char *compare_row(const struct model *m, const struct sim_disk *disk, int row,
                               uint32_t k)
{
    uint8_t value[MODEL_VALUE_MAX];
    int64_t version = model_history_at(&m->rows[row], k, 0);
    struct row_key_text key = model_row_key(row);
    struct bytes found = sim_disk_row(disk, bytes_string(key.text));
    struct bytes expected = model_row_value(version, value);
    if (bytes_is_null(found) == bytes_is_null(expected) && bytes_equal(found, expected))
        return NULL;
    return wrong("row %s has version %" PRId64 ", expected %" PRId64, key.text,
                 bytes_is_null(found) ? 0 : (int64_t)load_be64(found.data), version);
}

static const char *compare_topic_row(const struct model *m, const struct sim_disk *disk, int topic,
                                     uint32_t k)
{
    struct row_key key = row_key_topic(model_topic_id(topic));
    bool found = !bytes_is_null(sim_disk_row(disk, row_key_view(&key)));
    bool expected = model_history_at(&m->topics[topic], k, 0) != 0;
    return found == expected ? NULL : wrong("topic %d exists: %d", topic, found);
}

static const char *compare_shard(const struct model *m, const struct sim_disk *disk, int shard,
                                 uint32_t k, uint32_t k_topics)
{
    const char *result = NULL;
    for (int i = 0; i < MODEL_ROWS && result == NULL; i++) {
        if (model_row_shard(m, i) == shard)
            result = compare_row(m, disk, i, k);
    }
    for (int t = 0; t < MODEL_TOPICS && result == NULL; t++) {
        bool exists = model_history_at(&m->topics[t], k_topics, 0) != 0;
        if (shard == 0)
            result = compare_topic_row(m, disk, t, k);
        for (int i = 0; i < MODEL_PARTITIONS && result == NULL; i++) {
            const struct model_partition *p = &m->partitions[t][i];
            if (shard_of(m, p) == shard)
                result = exists ? compare_partition(p, disk, k) : compare_absent(p, disk);
        }
    }
    return result;
}

const char *model_compare(const struct model *m, const struct sim_disk *disk, uint32_t *k)
{
    static char text[2048];
    for (int shard = 0; shard < m->shard_count; shard++) {
        const struct model_shard *s = &m->shards[shard];
        bool matches = false;
        int used = snprintf(text, sizeof text, "shard %d, entries %u acknowledged, %u submitted",
                            shard, s->acknowledged, s->submitted);
        for (uint32_t at = s->submitted + 1; at-- > s->acknowledged && !matches;) {
            k[shard] = at;
            const char *why = compare_shard(m, disk, shard, at, shard == 0 ? at : k[0]);
            matches = why == NULL;
            if (why && used < (int)sizeof text - 1)
                used += snprintf(text + used, sizeof text - (size_t)used,
                                 "\n    not as after %u: %s", at, why);
        }
        if (!matches)
            return text;
    }
    return NULL;
}
