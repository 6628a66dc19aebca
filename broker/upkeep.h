/* What partitions need from time to time: retention, forgetting silent producers.
 *
 * All partitions of a shard stand in a ring; a timer tends a few at a time so that the whole ring
 * is through once in log.retention.check.interval.ms (a minute at most) and no turn pays for all.
 *
 * Retention trusts the wall clock only as far as the monotonic one agrees: a clock that leaps
 * forward while the broker runs deletes nothing (it is said once in the log). */
#ifndef BROKER_UPKEEP_H
#define BROKER_UPKEEP_H

#include "broker/partition.h"

struct upkeep *upkeep_create(struct shard *shard);
void upkeep_free(struct upkeep *u); /* its partitions must be removed; NULL is fine */
void upkeep_add(struct shard *shard, struct partition *partition);
void upkeep_remove(struct shard *shard, struct partition *partition);

#endif
