#include "broker/partition.h"

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
    int64_t offset =
        store_append(shard->store, partition->log, buffer, batch, size, shard->steady_ms);
    ASSERT(offset >= partition_visible_end(partition, READ_UNCOMMITTED));
    return offset;
}

/* There are no transactions, so all durable records are stable, and both ends are the same. */
int64_t partition_visible_end(const struct partition *partition, enum isolation isolation)
{
    (void)isolation;
    return log_durable_offset(partition->log);
}

void partition_report_damage(struct shard *shard, const struct partition *partition,
                             const struct log_read_job *read)
{
    const struct log_damage *damage = &read->damage;
    if (read->result != ERR_CORRUPT || !damage->is_new)
        return;
    char *path = log_segment_path(partition->log, damage->segment_base);
    if (damage->byte < 0)
        trace_log(shard->env->trace, TRACE_ERROR, "a read found a segment file missing",
                  F_BYTES("topic", partition->topic->name), F_INT("partition", partition->index),
                  F_STRING("file", path), F_INT("offset", read->offset));
    else
        trace_log(shard->env->trace, TRACE_ERROR, "a read met damaged bytes",
                  F_BYTES("topic", partition->topic->name), F_INT("partition", partition->index),
                  F_STRING("file", path), F_INT("byte", damage->byte),
                  F_INT("offset", read->offset));
    free(path);
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

struct partition *partition_open(struct shard *shard, struct topic *topic, int32_t index,
                                 const struct topic_settings *settings)
{
    ASSERT(shard_for_partition(shard, topic->id, index) == shard);
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
    void *before = map_put(&shard->partitions, bytes_of(p->key, sizeof p->key), p);
    ASSERT(before == NULL);
    return p;
}

void partition_configure(struct shard *shard, struct partition *partition,
                         const struct topic_settings *settings)
{
    topic_settings_free(&partition->settings);
    topic_settings_copy(&partition->settings, settings);
    struct log_config config = config_of(shard, settings);
    log_configure(partition->log, &config);
}

void partition_free(struct partition *partition)
{
    ASSERT(partition->jobs == 0 && !list_contains(&partition->upkeep));
    ASSERT(list_is_empty(&partition->waits) && list_is_empty(&partition->tasks));
    topic_unref(partition->topic);
    topic_settings_free(&partition->settings);
    free(partition);
}

/* A shard that stops makes no more entries. Recovery removes logs without a topic. */
static void remove_log(struct shard *shard, struct partition *p)
{
    log_set_owner(p->log, NULL);
    if (!shard->stopping) {
        store_begin(shard->store);
        store_remove_log(shard->store, p->topic->id, p->index);
        store_commit(shard->store, NULL);
    }
    partition_free(p);
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

void partition_drop(struct shard *shard, struct partition *partition)
{
    ASSERT(!partition->deleted);
    map_remove(&shard->partitions, bytes_of(partition->key, sizeof partition->key));
    partition->deleted = true;
    if (partition->jobs == 0)
        remove_log(shard, partition);
}
