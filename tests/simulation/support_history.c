#include "tests/simulation/support_history.h"

#include "base/compiler.h"
#include "base/crc32c.h"
#include "storage/shard_map.h"
#include "storage/store_rows.h"

#include <stdlib.h>

enum { HISTORY_LONG_MS = 25000 }; /* a checkpoint is due after it */

struct history_commit {
    struct commit commit;
    struct history *history;
    int shard;
    uint32_t entry;
};

static void on_commit(struct commit *commit, enum error result)
{
    struct history_commit *c = CONTAINER_OF(commit, struct history_commit, commit);
    struct model_shard *shard = &c->history->model->shards[c->shard];
    if (result == ERR_OK) {
        ASSERT(c->entry == shard->acknowledged + 1); /* in order, without a gap */
        shard->acknowledged = c->entry;
    } else {
        c->history->refused++;
    }
    free(c);
}

static void commit(struct history *h, int shard)
{
    struct history_commit *c = xcalloc(1, sizeof *c);
    *c = (struct history_commit){.commit = {.done = on_commit},
                                 .history = h,
                                 .shard = shard,
                                 .entry = h->model->shards[shard].submitted};
    store_commit(h->life->stores[shard], &c->commit);
}

/* Begins an entry and returns its number. */
static uint32_t begin(struct history *h, int shard)
{
    store_begin(h->life->stores[shard]);
    return ++h->model->shards[shard].submitted;
}

static uint64_t below(struct history *h, uint64_t bound)
{
    return random_below(h->random, bound);
}

static int shard_of(const struct history *h, const struct model_partition *p)
{
    return shard_of_partition(p->topic_id.bytes, p->number, h->life->shard_count);
}

static bool topic_exists(const struct history *h, int topic)
{
    return model_history_at(&h->model->topics[topic], h->model->shards[0].submitted, 0) != 0;
}

/* Topics */

static void set_topic(struct history *h, int topic, bool exists)
{
    struct row_key key = row_key_topic(model_topic_id(topic));
    uint32_t entry = begin(h, 0);
    if (exists)
        store_put(h->life->stores[0], row_key_view(&key), BYTES_LITERAL("\1topic"));
    else
        store_delete_topic(h->life->stores[0], model_topic_id(topic));
    model_history_add(&h->model->topics[topic], entry, exists);
    h->deletion[topic] = exists ? 0 : entry;
    for (int i = 0; i < MODEL_PARTITIONS && !exists; i++) {
        struct model_partition *p = &h->model->partitions[topic][i];
        if (shard_of(h, p) == 0)
            store_remove_log(h->life->stores[0], p->topic_id, p->number);
    }
    commit(h, 0);
}

/* The other shards remove their logs when the deletion of the row is durable. */
static void follow_deletion(struct history *h, int topic)
{
    uint32_t entry = h->deletion[topic];
    if (entry == 0 || entry > h->model->shards[0].acknowledged)
        return;
    h->deletion[topic] = 0;
    for (int i = 0; i < MODEL_PARTITIONS; i++) {
        struct model_partition *p = &h->model->partitions[topic][i];
        int shard = shard_of(h, p);
        if (shard == 0)
            continue;
        begin(h, shard);
        store_remove_log(h->life->stores[shard], p->topic_id, p->number);
        commit(h, shard);
    }
}

static void follow_deletions(struct history *h)
{
    for (int t = 0; t < MODEL_TOPICS; t++)
        follow_deletion(h, t);
}

static void loaded(struct job *job)
{
    free(CONTAINER_OF(job, struct log_load_job, job));
}

/* Loads a log, as the broker's retention does before it deletes segments. */
static void load_log(struct history *h, const struct model_partition *p)
{
    int shard = shard_of(h, p);
    struct log *log =
        store_log(h->life->stores[shard], p->topic_id, p->number, &life_log_config, true);
    if (log_is_loaded(log))
        return;
    struct log_load_job *load = xcalloc(1, sizeof *load);
    load->job.done = loaded;
    load->log = log;
    log_load_submit(&h->life->executors[2 * shard + 1].executor, load);
}

/* Deletes a topic, but never the first one. */
static void delete_topic(struct history *h)
{
    int topic = 1 + (int)below(h, MODEL_TOPICS - 1);
    if (!topic_exists(h, topic))
        return;
    if (below(h, 2) == 0) /* a job still reads it */
        load_log(h, &h->model->partitions[topic][below(h, MODEL_PARTITIONS)]);
    set_topic(h, topic, false);
    h->deleted++;
}

static void create_topic(struct history *h)
{
    int topic = 0;
    while (topic < MODEL_TOPICS && h->topic_used[topic])
        topic++;
    if (topic == MODEL_TOPICS)
        return;
    h->topic_used[topic] = true;
    set_topic(h, topic, true);
    h->created++;
}

void history_begin(struct history *h, struct life *life, struct model *model, struct random *random)
{
    *h = (struct history){.life = life, .model = model, .random = random};
    for (int t = 0; t < MODEL_TOPICS; t++) {
        h->topic_used[t] = model->topics[t].count > 0;
        if (model->partitions[t][0].count + model->partitions[t][1].count > 0)
            h->topic_used[t] = true;
    }
    for (int t = 0; t < HISTORY_FIRST_TOPICS; t++) {
        if (!h->topic_used[t])
            create_topic(h);
    }
    h->created = 0;
    life_settle(life);
}

/* Batches */

static void write_batch(uint8_t *at, size_t size, int producer, int32_t sequence, int32_t records,
                        uint64_t unique)
{
    memset(at, (int)unique, size);
    memset(at, 0, BATCH_HEADER_SIZE);
    store_be32(at + 8, (uint32_t)(size - BATCH_OVERHEAD));
    at[16] = BATCH_MAGIC;
    store_be32(at + 23, (uint32_t)records - 1);
    store_be64(at + 27, 1700000000000);
    store_be64(at + 35, 1700000000000);
    store_be64(at + 43, producer < 0 ? UINT64_MAX : 1000 + (uint64_t)producer);
    store_be16(at + 51, producer < 0 ? UINT16_MAX : 0);
    store_be32(at + 53, producer < 0 ? UINT32_MAX : (uint32_t)sequence);
    store_be32(at + 57, (uint32_t)records);
    store_be64(at + 61, unique);
    store_be32(at + 17, crc32c(0, at + 21, size - 21));
}

/* Mostly small batches, some with several blocks, and a few so large that the journal does not copy
 * their blocks. */
static size_t random_batch_size(struct history *h)
{
    static const int64_t spans[] = {600, 600, 600, 600, 600, 600, 5000, 40000};
    return 80 + (size_t)below(h, spans[below(h, COUNT_OF(spans))]);
}

static void append(struct history *h, struct model_partition *p, uint32_t entry)
{
    struct store *store = h->life->stores[shard_of(h, p)];
    struct log *log = store_log(store, p->topic_id, p->number, &life_log_config, true);
    ASSERT(log != NULL);
    int producer = (int)below(h, MODEL_PRODUCERS + 1) - 1;
    size_t size = random_batch_size(h);
    struct shared_buffer *buffer = shared_buffer_create(size);
    write_batch(buffer->data, size, producer, model_next_sequence(p, producer),
                1 + (int32_t)below(h, 5), random_u64(h->random));
    int64_t base = store_append(store, log, buffer, buffer->data, size, 0);
    model_append(p, entry, bytes_of(buffer->data, size), producer,
                 log_state(log).active_base == base);
    shared_buffer_unref(buffer);
}

/* Whether a topic's row is durable, so that any shard may use it. */
static bool topic_usable(const struct history *h, int topic)
{
    uint32_t durable = h->model->shards[0].acknowledged;
    return topic_exists(h, topic) && model_history_at(&h->model->topics[topic], durable, 0) != 0;
}

/* A partition of a usable topic, else of the first one, which is usable unless the disk refused it.
 */
static struct model_partition *random_partition(struct history *h)
{
    for (;;) {
        int topic = (int)below(h, MODEL_TOPICS);
        if (topic == 0 || topic_usable(h, topic))
            return &h->model->partitions[topic][below(h, MODEL_PARTITIONS)];
    }
}

static void put_row(struct history *h, int shard, uint32_t entry)
{
    int row = (int)below(h, MODEL_ROWS);
    if (model_row_shard(h->model, row) != shard)
        return;
    uint8_t out[MODEL_VALUE_MAX];
    struct row_key_text key = model_row_key(row);
    int64_t version = below(h, 6) == 0 ? 0 : ++h->model->versions;
    if (version == 0)
        store_delete(h->life->stores[shard], bytes_string(key.text));
    else
        store_put(h->life->stores[shard], bytes_string(key.text), model_row_value(version, out));
    model_history_add(&h->model->rows[row], entry, version);
}

/* Makes an entry as a produce request, an offset commit or a processor step does. */
static void make_entry(struct history *h)
{
    struct model_partition *first = random_partition(h);
    int shard = shard_of(h, first);
    if (!store_accepts(h->life->stores[shard]) || !topic_usable(h, first->topic))
        return;
    uint32_t entry = begin(h, shard);
    int kind = (int)below(h, 4); /* 0: rows only, 1: batches and rows, else batches only */
    if (kind > 0)
        append(h, first, entry);
    for (uint64_t more = kind > 0 ? below(h, 3) : 0; more > 0; more--) {
        struct model_partition *p = random_partition(h);
        if (shard_of(h, p) == shard && topic_usable(h, p->topic))
            append(h, p, entry);
    }
    for (uint64_t rows = kind < 2 ? 1 + below(h, 3) : 0; rows > 0; rows--)
        put_row(h, shard, entry);
    commit(h, shard);
}

void history_produce(struct history *h, int topic, int partition)
{
    struct model_partition *p = &h->model->partitions[topic][partition];
    int shard = shard_of(h, p);
    append(h, p, begin(h, shard));
    commit(h, shard);
}

/* An offset that a log start may move to: a durable batch, as retention does; any durable offset,
 * also in the middle of a batch, as DeleteRecords does; or the high watermark. */
static int64_t random_start(struct history *h, const struct model_partition *p, size_t batches)
{
    const struct model_batch *b = &p->batches[below(h, batches)];
    switch (below(h, 4)) {
    case 0:
        return p->batches[batches - 1].next;
    case 1:
        return b->base + (int64_t)below(h, (uint64_t)(b->next - b->base));
    default:
        return b->base;
    }
}

/* Moves a log start, as retention and DeleteRecords do. */
static void move_start(struct history *h)
{
    struct model_partition *p = random_partition(h);
    int shard = shard_of(h, p);
    struct store *store = h->life->stores[shard];
    size_t count = model_batches_at(p, h->model->shards[shard].acknowledged);
    struct log *log = store_log(store, p->topic_id, p->number, &life_log_config, true);
    int64_t now = model_history_at(&p->starts, UINT32_MAX, 0);
    if (count == 0)
        return;
    int64_t offset = random_start(h, p, count);
    if (offset <= now)
        return;
    uint32_t entry = begin(h, shard);
    store_set_log_start(store, log, offset);
    model_history_add(&p->starts, entry, offset);
    commit(h, shard);
    h->starts_moved++;
}

static void fill_disk(struct history *h)
{
    struct sim_disk *disk = h->life->disk;
    disk->fail_error = ERR_NO_SPACE;
    disk->fail_from = disk->calls;
    disk->fail_to = UINT64_MAX;
    disk->free_bytes = 0;
    h->filled++;
}

void history_make_room(struct history *h)
{
    h->life->disk->fail_to = 0;
    h->life->disk->free_bytes = INT64_MAX;
}

static void change_room(struct history *h)
{
    if (!h->fills_disk)
        return;
    if (h->life->disk->fail_to > 0)
        history_make_room(h);
    else
        fill_disk(h);
}

static int random_shard(struct history *h)
{
    return (int)below(h, (uint64_t)h->life->shard_count);
}

static void change_something(struct history *h)
{
    switch (below(h, 4)) {
    case 0:
        make_entry(h);
        break;
    case 1:
        delete_topic(h);
        break;
    default:
        move_start(h);
        break;
    }
}

/* Makes a checkpoint due: in an idle store, in a store whose logs have not changed since the last
 * one, or with a unit that is handed over. Changes something just before and just after. */
static void act_at_checkpoint(struct history *h)
{
    int shard = random_shard(h);
    uint64_t before = below(h, 4);
    if (before > 0)
        life_settle(h->life);
    if (before > 1) {
        life_turn(h->life, shard, HISTORY_LONG_MS);
        life_settle(h->life);
    }
    if (before > 2) { /* an entry of rows, so that there is something to checkpoint */
        put_row(h, shard, begin(h, shard));
        commit(h, shard);
        life_settle(h->life);
    }
    change_something(h);
    life_turn(h->life, shard, HISTORY_LONG_MS);
    for (uint64_t steps = below(h, 3); steps > 0; steps--)
        (void)life_step(h->life);
    change_something(h);
    h->at_checkpoint++;
}

void history_act(struct history *h)
{
    follow_deletions(h);
    switch (below(h, 21)) {
    case 0:
        move_start(h);
        break;
    case 1:
        load_log(h, random_partition(h));
        break;
    case 2:
        switch (below(h, 8)) {
        case 0:
        case 1:
            delete_topic(h);
            break;
        case 2:
            create_topic(h);
            break;
        case 3:
        case 4:
            change_room(h);
            break;
        default:
            act_at_checkpoint(h);
            break;
        }
        break;
    case 3:
        life_turn(h->life, random_shard(h), (int64_t)below(h, 1500));
        break;
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
        make_entry(h);
        break;
    case 10:
    case 11:
    case 12:
        life_turn(h->life, random_shard(h), 1);
        break;
    default:
        (void)life_step(h->life);
        break;
    }
}

const char *history_check_live(struct history *h)
{
    for (int t = 0; t < MODEL_TOPICS; t++) {
        for (int i = 0; i < MODEL_PARTITIONS && topic_exists(h, t); i++) {
            struct model_partition *p = &h->model->partitions[t][i];
            struct log *log = store_log(h->life->stores[shard_of(h, p)], p->topic_id, p->number,
                                        &life_log_config, true);
            int64_t next = p->count > 0 ? p->batches[p->count - 1].next : 0;
            if (log_durable_offset(log) != next || log_next_offset(log) != next)
                return "a batch is not visible";
            if (log_start_offset(log) != model_history_at(&p->starts, UINT32_MAX, 0))
                return "a log's start did not move";
        }
    }
    return NULL;
}

const char *history_check_retries(struct history *h)
{
    for (int t = 0; t < MODEL_TOPICS; t++) {
        for (int i = 0; i < MODEL_PARTITIONS && topic_exists(h, t); i++) {
            struct model_partition *p = &h->model->partitions[t][i];
            struct log *log = store_log(h->life->stores[shard_of(h, p)], p->topic_id, p->number,
                                        &life_log_config, true);
            if (p->count == 0 || p->batches[p->count - 1].producer < 0)
                continue;
            const struct model_batch *b = &p->batches[p->count - 1];
            struct batch_header again = {.producer_id = 1000 + b->producer,
                                         .base_sequence = b->sequence,
                                         .last_offset_delta = (int32_t)(b->next - b->base) - 1};
            int64_t offset = -1, timestamp;
            if (producer_check(log_producers(log), &again, &offset, &timestamp) !=
                    PRODUCER_DUPLICATE ||
                offset != b->base)
                return "a retry is not recognised";
        }
    }
    return NULL;
}
