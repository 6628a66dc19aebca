/* The partitions of a shard. They come, change and go with catalog snapshots. This module informs
 * the waits, tasks and upkeep of its partitions. */
#ifndef BROKER_PARTITIONS_H
#define BROKER_PARTITIONS_H

#include "broker/partition.h"

/* Wakes the fetches that wait for the partition and the tasks that read it. To be called on its
 * shard when partition_visible_end grows, for either isolation, or the log's start moves. The
 * store's callback calls it. */
void partitions_visible_moved(struct shard *shard, struct partition *partition);

/* Applies a new catalog snapshot: opens new partitions, applies new settings, drops deleted
 * partitions. Takes over the reference. */
void partitions_apply_catalog(struct shard *shard, struct catalog *catalog);
/* Applies a new snapshot of the broker's settings, which give the topics' defaults. Takes over the
 * reference. */
void partitions_apply_settings(struct shard *shard, struct live_settings *live);

/* Makes the shard ready for partitions: its waits, its upkeep, the store's callback. The store,
 * timers and settings must exist. */
void partitions_start(struct shard *shard);
/* Frees all partitions and everything that partitions_start made. The logs stay with the store. No
 * job may be running. */
void partitions_stop(struct shard *shard);

#endif
