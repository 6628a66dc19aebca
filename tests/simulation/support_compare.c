/* model_compare: compares a disk after recovery with the model. */
#include "base/compiler.h"
#include "storage/shard_map.h"
#include "storage/store_rows.h"
#include "tests/simulation/support_model.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int shard_of(const struct model *m, const struct model_partition *p)
{
    return shard_of_partition(p->topic_id.bytes, p->number, m->shard_count);
}

static size_t batch_start(const struct model_partition *p, size_t index)
{
    return index == 0 ? 0 : p->batches[index - 1].end;
}

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

/* The segments of a partition. */
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

/* The index of the batch with this base offset. The count for the offset after the last batch. */
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

/* After recovery segments begin where they began before. */
static const char *compare_boundaries(const struct model_partition *p,
                                      const struct segment_list *list, int64_t start, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct model_batch *b = &p->batches[i];
        bool found = !b->starts_segment || b->base < start;
        for (size_t k = 0; k < list->count && !found; k++)
            found = list->bases[k] == b->base;
        if (!found)
            return wrong("partition %d-%d: no segment begins at %" PRId64, p->topic, p->number,
                         b->base);
    }
    return NULL;
}

static const char *compare_segments(const struct model_partition *p, const struct sim_disk *disk,
                                    const struct log_state *state, size_t count)
{
    char *directory = partition_directory("data", p->topic_id, p->number);
    struct segment_list list = {.count = 0};
    struct io *io = &((struct sim_disk *)(uintptr_t)disk)->io;
    (void)!io->ops->list(io, directory, note_segment, &list);
    int64_t reached = -1; /* the end offset of the segments so far */
    const char *result = NULL;
    for (size_t i = 0; i < list.count && result == NULL; i++) {
        int64_t end = i + 1 < list.count ? list.bases[i + 1] : state->next_offset;
        if (end <= state->log_start_offset)
            continue; /* dead: not deleted yet, or back after a power cut */
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
    if (result == NULL)
        result = compare_boundaries(p, &list, state->log_start_offset, count);
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

/* Checks that nothing is left of a partition of a deleted topic. If the creation of the topic was
 * given up, other shards keep their logs of it. */
static const char *compare_absent(const struct model *m, const struct model_partition *p,
                                  const struct sim_disk *disk)
{
    if (m->gave_up)
        return NULL;
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
    return error == ERR_NOT_FOUND || m->left_files ? NULL : wrong("files of a deleted topic");
}

/* Its deletion was given up, but its files may be deleted already. */
static bool may_be_gone(const struct model *m, const struct model_partition *p)
{
    return m->gave_up && model_history_at(&m->topics[p->topic], UINT32_MAX, 0) == 0;
}

/* The largest log start that a partition may have; in the model it is `start`. */
static int64_t latest_start(const struct model *m, const struct model_partition *p, int64_t start,
                            int64_t next)
{
    if (!m->gave_up)
        return start;
    if (may_be_gone(m, p))
        return next;
    return MIN(model_history_at(&p->starts, UINT32_MAX, 0), next);
}

static const char *compare_partition(const struct model *m, const struct model_partition *p,
                                     const struct sim_disk *disk, uint32_t k)
{
    size_t count = model_batches_at(p, k);
    int64_t start = model_history_at(&p->starts, k, 0);
    int64_t next = count ? p->batches[count - 1].next : 0;
    struct row_key key = row_key_log(p->topic_id, p->number);
    struct bytes row = sim_disk_row(disk, row_key_view(&key));
    if (bytes_is_null(row))
        return (count == 0 && start == 0) || may_be_gone(m, p)
                   ? NULL
                   : wrong("partition %d-%d is lost", p->topic, p->number);
    struct log_state state;
    if (log_state_decode(row, &state) != ERR_OK)
        return wrong("a log's row cannot be read");
    if (state.next_offset != next || state.log_start_offset < start ||
        state.log_start_offset > latest_start(m, p, start, next))
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
                result = exists ? compare_partition(m, p, disk, k) : compare_absent(m, p, disk);
        }
    }
    return result;
}

const char *model_compare_gone(const struct model *m, const struct sim_disk *disk, int topic)
{
    const char *result = NULL;
    bool exists = model_history_at(&m->topics[topic], UINT32_MAX, 0) != 0;
    for (int i = 0; i < MODEL_PARTITIONS && !exists && result == NULL; i++)
        result = compare_absent(m, &m->partitions[topic][i], disk);
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
