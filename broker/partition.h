/* A partition as its shard sees it: the log, its topic's settings, its waits and its tasks.
 *
 * Partitions come and go with catalog snapshots (partitions.h). When a topic is deleted, its
 * partitions leave the shard's map at once. A partition whose log is used by jobs (`jobs`) lives
 * until the last job is done. */
#ifndef BROKER_PARTITION_H
#define BROKER_PARTITION_H

#include "broker/config/topic_settings.h"
#include "broker/shard.h"

struct partition {
    uint8_t key[20];     /* topic id + partition, big endian: the key in shard->partitions */
    struct topic *topic; /* reference to the newest version that this shard has */
    int32_t index;
    struct log *log;
    struct topic_settings settings;
    struct list waits; /* of parked fetches: waits.h */
    struct list tasks; /* tasks that read it: runner.h */
    int64_t last_append_ms;
    struct list_node upkeep; /* in the ring that upkeep.h walks */
    int32_t jobs;            /* that use its log: partition_hold, partition_release */
    bool deleted;            /* dropped while jobs still run on its log */
};

enum { LEADER_EPOCH = 0 }; /* one node leads all partitions: the epoch never changes */

/* Kafka's isolation_level, as Fetch and ListOffsets give it. */
enum isolation { READ_UNCOMMITTED = 0, READ_COMMITTED = 1 };

static inline enum isolation isolation_of_request(int8_t isolation_level)
{
    return isolation_level == READ_COMMITTED ? READ_COMMITTED : READ_UNCOMMITTED;
}

/* The partition if this shard owns it, or NULL. */
struct partition *partition_find(struct shard *shard, struct uuid topic_id, int32_t index);

/* Appends a validated batch, of a client or a task, in the open entry of shard->store. */
int64_t partition_append(struct shard *shard, struct partition *partition,
                         struct shared_buffer *buffer, uint8_t *batch, size_t size);

/* The first offset that a reader with this isolation may not see: the high watermark for
 * READ_UNCOMMITTED, the last stable offset for READ_COMMITTED. Every reader calls this function
 * (processors with READ_COMMITTED). No other code of the broker reads the log's durable offset. */
int64_t partition_visible_end(const struct partition *partition, enum isolation isolation);

/* Logs damage that a read of the partition met for the first time. */
void partition_report_damage(struct shard *shard, const struct partition *partition,
                             const struct log_read_job *read);

/* Holds the partition while a job uses its log. The release may free it. */
void partition_hold(struct partition *partition);
void partition_release(struct shard *shard, struct partition *partition);

/* Opens partition `index` of a topic over its log and puts it into shard->partitions. */
struct partition *partition_open(struct shard *shard, struct topic *topic, int32_t index,
                                 const struct topic_settings *settings);
/* Gives it a copy of new settings. */
void partition_configure(struct shard *shard, struct partition *partition,
                         const struct topic_settings *settings);
/* Removes a partition of a deleted topic from shard->partitions. When no job uses it any more, its
 * log is removed and it is freed. */
void partition_drop(struct shard *shard, struct partition *partition);
/* Frees it when the shard stops. Its log stays. */
void partition_free(struct partition *partition);

#endif
