/* The regular maintenance of partitions: retention, and removing idle producers.
 *
 * All partitions of a shard are in a ring. A timer tends a few at a time, so that no turn pays for
 * all. A round through the ring takes log.retention.check.interval.ms, at most a minute.
 *
 * Retention counts in trusted time, producers age in steady time (timekeeper.h). */
#ifndef BROKER_UPKEEP_H
#define BROKER_UPKEEP_H

#include "broker/partition.h"

struct upkeep *upkeep_create(struct shard *shard);
void upkeep_free(struct upkeep *u); /* its partitions must be removed before; NULL is fine */
void upkeep_add(struct shard *shard, struct partition *partition);
void upkeep_remove(struct shard *shard, struct partition *partition);

#endif
