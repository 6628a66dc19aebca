/* Runs the processor tasks of a shard: one per chain and input partition of this shard.
 *
 * An append that became durable wakes the partition's tasks; they read below the durable mark in
 * slices, only while no request waits longer than a slice, and commit their steps as entries of the
 * shard's journal. Outputs owned by another shard travel as numbered parcels from an outbox that is
 * part of the step, and are applied there once.
 *
 * A task that cannot go on stops alone and says why in the log; what may pass (a full disk, a read
 * that failed, a topic that cannot be created now) is tried again every second. */
#ifndef BROKER_RUNNER_RUNNER_H
#define BROKER_RUNNER_RUNNER_H

#include "broker/shard.h"

struct runner *runner_create(struct shard *shard);
/* Loads the rows of tasks and outboxes, behind the catalog and before the first entry. */
MUST_USE enum error runner_load(struct runner *runner, struct message *message);
/* Stores where new tasks begin, deletes rows that nobody has any more; when all else is loaded. */
void runner_start(struct runner *runner);
/* When no job, commit or mail of it is under way any more. NULL is fine. */
void runner_free(struct runner *runner);

/* A partition of this shard came, changed its topic's configs, or is about to go. */
void runner_partition_opened(struct shard *shard, struct partition *partition);
void runner_partition_changed(struct shard *shard, struct partition *partition);
void runner_partition_closed(struct shard *shard, struct partition *partition);
/* partitions_visible_moved calls it. */
void runner_partition_moved(struct shard *shard, struct partition *partition);

/* Runs slices for at most about half a millisecond. True while there is more to do. */
bool runner_turn(struct shard *shard);

#endif
