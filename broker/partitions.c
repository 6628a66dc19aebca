#include "broker/partitions.h"

#include "broker/broker.h"
#include "broker/compaction.h"
#include "broker/fetch/waits.h"
#include "broker/groups/coordinator.h"
#include "broker/runner/runner.h"
#include "broker/upkeep.h"

static void open_partition(struct shard *shard, struct topic *topic, int32_t index,
                           const struct topic_settings *settings)
{
    struct partition *p = partition_open(shard, topic, index, settings);
    upkeep_add(shard, p);
    if (shard->runner)
        runner_partition_opened(shard, p);
}

static void change_partition(struct shard *shard, struct partition *p, struct topic *topic,
                             const struct topic_settings *settings)
{
    ASSERT(p->topic->partitions <= topic->partitions);
    topic_unref(p->topic);
    p->topic = topic_ref(topic);
    partition_configure(shard, p, settings);
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

/* Nothing finds the partition any more. The log is removed when no job reads it. */
static void drop_partition(struct shard *shard, struct partition *p)
{
    if (shard->runner)
        runner_partition_closed(shard, p);
    upkeep_remove(shard, p);
    partition_hold(p);
    partition_drop(shard, p);
    waits_deleted(shard, p);
    partition_release(shard, p);
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

/* Snapshots share topics: the same pointer means an unchanged topic. */
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
    shard->catalog_version++; /* only now all its partitions exist */
    catalog_unref(old);
}

static void configure_topic(struct shard *shard, struct topic *topic)
{
    struct topic_settings settings;
    topic_settings_load(&settings, &shard->live->now, topic);
    for (int32_t i = 0; i < topic->partitions; i++) {
        struct partition *p = partition_find(shard, topic->id, i);
        if (p)
            partition_configure(shard, p, &settings);
    }
    topic_settings_free(&settings);
}

void partitions_apply_settings(struct shard *shard, struct live_settings *live)
{
    struct live_settings *old = shard->live;
    shard->live = live;
    if (shard->id == 0)
        atomic_store(&shard->broker->connections_max, (size_t)live->now.max_connections);
    for (size_t i = 0; i < catalog_count(shard->catalog); i++)
        configure_topic(shard, catalog_at(shard->catalog, i));
    compaction_apply_settings(shard);
    live_settings_unref(old);
}

void partitions_visible_moved(struct shard *shard, struct partition *partition)
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
        partitions_visible_moved(shard, p);
}

void partitions_start(struct shard *shard)
{
    shard->waits = waits_create(shard);
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
    partition_free(p);
    return true;
}

void partitions_stop(struct shard *shard)
{
    map_remove_if(&shard->partitions, forget, shard);
    upkeep_free(shard->upkeep);
    shard->upkeep = NULL;
    waits_free(shard->waits);
    shard->waits = NULL;
}
