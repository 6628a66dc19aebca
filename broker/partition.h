/* A partition as its shard sees it: the log, its topic's settings, who waits for it.
 *
 * Partitions come and go with catalog snapshots (partitions.h). One that a handler's
 * job still reads (`jobs`) is out of the shard's map at once when its topic is deleted, but lives
 * until the last job is back. */
#ifndef BROKER_PARTITION_H
#define BROKER_PARTITION_H

#include "broker/config/topic_settings.h"
#include "broker/shard.h"

struct partition {
    uint8_t key[20];     /* topic id + partition, big endian: the key in shard->partitions */
    struct topic *topic; /* reference to the newest version this shard was sent */
    int32_t index;
    struct log *log;
    struct topic_settings settings;
    struct list waits; /* fetches and time look-ups that wait for it: waits.h */
    struct list tasks; /* runner.h: tasks that read it */
    int64_t last_append_ms;
    struct list_node upkeep; /* in the ring that upkeep.h walks */
    int32_t jobs;            /* of handlers, on its log: partition_hold, partition_release */
    bool deleted;            /* dropped while jobs still run on its log */
};

enum { LEADER_EPOCH = 0 }; /* one node leads all: the epoch never changes */

/* Kafka's isolation_level, as Fetch and ListOffsets give it. */
enum isolation { READ_UNCOMMITTED = 0, READ_COMMITTED = 1 };

static inline enum isolation isolation_of_request(int8_t isolation_level)
{
    return isolation_level == READ_COMMITTED ? READ_COMMITTED : READ_UNCOMMITTED;
}

/* The partition if this shard owns it, or NULL. */
struct partition *partition_find(struct shard *shard, struct uuid topic_id, int32_t index);

/* Appends a batch that came from outside or from a task inside the open entry of shard->store.
 * The batch is validated already. */
int64_t partition_append(struct shard *shard, struct partition *partition,
                         struct shared_buffer *buffer, uint8_t *batch, size_t size);

/* The first offset that a reader with this isolation may not see: the high watermark for
 * READ_UNCOMMITTED, the last stable offset for READ_COMMITTED. Every reader asks here, processors
 * with READ_COMMITTED; nothing else in the broker looks at the log's durable offset. */
int64_t partition_visible_end(const struct partition *partition, enum isolation isolation);

/* Keeps the partition while a job uses its log. The release may free it. */
void partition_hold(struct partition *partition);
void partition_release(struct shard *shard, struct partition *partition);

/* Opens partition `index` of a topic over its log and puts it into shard->partitions. */
struct partition *partition_open(struct shard *shard, struct topic *topic, int32_t index,
                                 const struct topic_settings *settings);
/* Gives it new settings. They are copied. */
void partition_configure(struct shard *shard, struct partition *partition,
                         const struct topic_settings *settings);
/* Its topic is gone: takes it out of shard->partitions. Its log is removed, and it is freed, when
 * no job uses it any more. */
void partition_drop(struct shard *shard, struct partition *partition);
/* Frees it without touching its log; when the shard stops. */
void partition_free(struct partition *partition);

#endif
