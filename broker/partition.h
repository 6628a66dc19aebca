/* A partition as its shard sees it: the log, its topic's settings, who waits for it.
 *
 * Partitions come and go with catalog snapshots (partitions_apply_catalog). One that a handler's
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

/* Tells the fetches that wait for the partition and the tasks that read it. To be called on its
 * shard whenever partition_visible_end gives more than before, for either isolation, or the log's
 * start moved. Today the store's callback calls it; a last stable offset that moves by itself
 * calls it too. */
void partition_visible_moved(struct shard *shard, struct partition *partition);

/* Keeps the partition while a job uses its log. The release may free it. */
void partition_hold(struct partition *partition);
void partition_release(struct shard *shard, struct partition *partition);

/* Brings this shard's partitions in line with a new catalog snapshot: opens new ones, applies new
 * settings, drops deleted ones. Takes over the reference. */
void partitions_apply_catalog(struct shard *shard, struct catalog *catalog);
/* The same with a new snapshot of the broker's settings, which give the topics' defaults. */
void partitions_apply_settings(struct shard *shard, struct live_settings *live);

/* Makes the shard ready to hold partitions: its waits, its upkeep, the store's callback. Store,
 * timers and settings must be there. */
void partitions_start(struct shard *shard);
/* Drops everything of partitions_start and all partitions, their logs stay with the store. No job
 * may be running. */
void partitions_stop(struct shard *shard);

#endif
