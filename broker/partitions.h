/* The partitions of a shard: they come, change and go with catalog snapshots, and what waits for
 * them, reads them or tends them is told here. */
#ifndef BROKER_PARTITIONS_H
#define BROKER_PARTITIONS_H

#include "broker/partition.h"

/* Tells the fetches that wait for the partition and the tasks that read it. To be called on its
 * shard whenever partition_visible_end gives more than before, for either isolation, or the log's
 * start moved. Today the store's callback calls it; a last stable offset that moves by itself
 * calls it too. */
void partitions_visible_moved(struct shard *shard, struct partition *partition);

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
