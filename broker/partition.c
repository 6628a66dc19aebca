#include "broker/partition.h"

#include "broker/broker.h"
#include "broker/fetch/waits.h"
#include "broker/groups/coordinator.h"
#include "broker/runner/runner.h"
#include "broker/upkeep.h"

#include <stdlib.h>

static void make_key(uint8_t key[20], struct uuid topic_id, int32_t index)
{
    memcpy(key, topic_id.bytes, sizeof topic_id.bytes);
    store_be32(key + sizeof topic_id.bytes, (uint32_t)index);
}

struct partition *partition_find(struct shard *shard, struct uuid topic_id, int32_t index)
{
    uint8_t key[20];
    make_key(key, topic_id, index);
    return map_get(&shard->partitions, bytes_of(key, sizeof key));
}

int64_t partition_append(struct shard *shard, struct partition *partition,
                         struct shared_buffer *buffer, uint8_t *batch, size_t size)
{
    ASSERT(!partition->deleted);
    partition->last_append_ms = shard->now_ms;
    return store_append(shard->store, partition->log, buffer, batch, size, shard->wall_ms);
}

/* There are no transactions, so nothing durable is unstable: both ends are the same. */
int64_t partition_visible_end(const struct partition *partition, enum isolation isolation)
{
    (void)isolation;
    return log_durable_offset(partition->log);
}

/* Partitions of one topic roll at different times when the topic asks for jitter. */
static struct log_config config_of(struct shard *shard, const struct topic_settings *settings)
{
    struct log_config config = topic_log_config(settings);
    int64_t jitter = MIN(settings->segment_jitter_ms, config.segment_ms - 1);
    if (jitter > 0)
        config.segment_ms -= (int64_t)random_below(shard->env->random, (uint64_t)jitter);
    return config;
}

static void open_partition(struct shard *shard, struct topic *topic, int32_t index,
                           const struct topic_settings *settings)
{
    struct partition *p = xcalloc(1, sizeof *p);
    make_key(p->key, topic->id, index);
    p->topic = topic_ref(topic);
    p->index = index;
    topic_settings_copy(&p->settings, settings);
    list_init(&p->waits);
    list_init(&p->tasks);
    struct log_config config = config_of(shard, settings);
    p->log = store_log(shard->store, topic->id, index, &config, true);
    ASSERT(p->log != NULL);
    log_set_owner(p->log, p);
    map_put(&shard->partitions, bytes_of(p->key, sizeof p->key), p);
    upkeep_add(shard, p);
    if (shard->runner)
        runner_partition_opened(shard, p);
}

static void configure(struct shard *shard, struct partition *p,
                      const struct topic_settings *settings)
{
    topic_settings_free(&p->settings);
    topic_settings_copy(&p->settings, settings);
    struct log_config config = config_of(shard, settings);
    log_configure(p->log, &config);
}

static void change_partition(struct shard *shard, struct partition *p, struct topic *topic,
                             const struct topic_settings *settings)
{
    topic_unref(p->topic);
    p->topic = topic_ref(topic);
    configure(shard, p, settings);
    if (shard->runner)
        runner_partition_changed(shard, p);
}

static void apply_topic(struct shard *shard, struct topic *topic)
{
    struct topic_settings settings;
    topic_settings_load(&settings, &shard->live->now, topic);
    for (int32_t i = 0; i < topic->partitions; i++) {
        struct partition *p = partition_find(shard, topic->id, i);
        if (p)
            change_partition(shard, p, topic, &settings);
        else if (shard_for_partition(shard, topic->id, i) == shard)
            open_partition(shard, topic, i, &settings);
    }
    topic_settings_free(&settings);
}

static void free_partition(struct partition *p)
{
    topic_unref(p->topic);
    topic_settings_free(&p->settings);
    free(p);
}

/* A shard that stops makes no entries any more: recovery removes what no topic has. */
static void remove_log(struct shard *shard, struct partition *p)
{
    log_set_owner(p->log, NULL);
    if (!shard->stopping) {
        store_begin(shard->store);
        store_remove_log(shard->store, p->topic->id, p->index);
        store_commit(shard->store, NULL);
    }
    free_partition(p);
}

void partition_hold(struct partition *partition)
{
    partition->jobs++;
}

void partition_release(struct shard *shard, struct partition *partition)
{
    ASSERT(partition->jobs > 0);
    if (--partition->jobs == 0 && partition->deleted)
        remove_log(shard, partition);
}

/* Out of everybody's sight at once; the log follows when no job reads it any more. */
static void drop_partition(struct shard *shard, struct partition *p)
{
    if (shard->runner)
        runner_partition_closed(shard, p);
    map_remove(&shard->partitions, bytes_of(p->key, sizeof p->key));
    upkeep_remove(shard, p);
    p->deleted = true;
    waits_deleted(shard, p);
    if (p->jobs == 0)
        remove_log(shard, p);
}

static void drop_topic(struct shard *shard, const struct topic *topic)
{
    for (int32_t i = 0; i < topic->partitions; i++) {
        struct partition *p = partition_find(shard, topic->id, i);
        if (p)
            drop_partition(shard, p);
    }
    if (shard->coordinator)
        coordinator_topic_deleted(shard->coordinator, topic->name);
}

/* Topics are shared between snapshots: a pointer that stayed the same is a topic that did. */
void partitions_apply_catalog(struct shard *shard, struct catalog *catalog)
{
    struct catalog *old = shard->catalog;
    shard->catalog = catalog;
    for (size_t i = 0; i < catalog_count(old); i++) {
        struct topic *topic = catalog_at(old, i);
        if (catalog_by_id(catalog, topic->id) == NULL)
            drop_topic(shard, topic);
    }
    for (size_t i = 0; i < catalog_count(catalog); i++) {
        struct topic *topic = catalog_at(catalog, i);
        if (catalog_by_id(old, topic->id) != topic)
            apply_topic(shard, topic);
    }
    shard->catalog_version++; /* only now: all its partitions are there */
    catalog_unref(old);
}

static void configure_topic(struct shard *shard, struct topic *topic)
{
    struct topic_settings settings;
    topic_settings_load(&settings, &shard->live->now, topic);
    for (int32_t i = 0; i < topic->partitions; i++) {
        struct partition *p = partition_find(shard, topic->id, i);
        if (p)
            configure(shard, p, &settings);
    }
    topic_settings_free(&settings);
}

void partitions_apply_settings(struct shard *shard, struct live_settings *live)
{
    struct live_settings *old = shard->live;
    shard->live = live;
    for (size_t i = 0; i < catalog_count(shard->catalog); i++)
        configure_topic(shard, catalog_at(shard->catalog, i));
    live_settings_unref(old);
}

void partition_visible_moved(struct shard *shard, struct partition *partition)
{
    ASSERT(!partition->deleted);
    waits_moved(shard, partition);
    if (shard->runner)
        runner_partition_moved(shard, partition);
}

static void log_moved(void *context, struct log *log)
{
    struct shard *shard = context;
    struct partition *p = log_owner(log);
    if (p && !p->deleted)
        partition_visible_moved(shard, p);
}

void partitions_start(struct shard *shard)
{
    shard->waits = fetch_waits_create(shard);
    shard->upkeep = upkeep_create(shard);
    store_on_durable(shard->store, log_moved, shard);
}

static bool forget(void *context, void *value)
{
    struct shard *shard = context;
    struct partition *p = value;
    ASSERT(p->jobs == 0);
    upkeep_remove(shard, p);
    log_set_owner(p->log, NULL);
    free_partition(p);
    return true;
}

void partitions_stop(struct shard *shard)
{
    map_remove_if(&shard->partitions, forget, shard);
    upkeep_free(shard->upkeep);
    shard->upkeep = NULL;
    fetch_waits_free(shard->waits);
    shard->waits = NULL;
}
