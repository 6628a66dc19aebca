/* Runs the processor tasks of a shard: one per chain and input partition of this shard.
 *
 * A durable append wakes the partition's tasks. They read visible records in slices, so that no
 * request waits longer than a slice, and commit their steps as entries of the shard's journal.
 * Outputs for another shard travel as numbered parcels from an outbox that is part of the step. The
 * other shard applies each parcel once.
 *
 * A task that cannot continue stops alone and logs the reason. Temporary failures (a full disk, a
 * failed read, a topic that cannot be created now) are tried again every second. */
#ifndef BROKER_RUNNER_RUNNER_H
#define BROKER_RUNNER_RUNNER_H

#include "broker/shard.h"

struct runner *runner_create(struct shard *shard);
/* Loads the rows of tasks and outboxes. Called after the catalog is loaded, and before the first
 * entry. */
MUST_USE enum error runner_load(struct runner *runner, struct message *message);
/* Stores the first offsets of new tasks, and deletes rows without an owner. Called when all else is
 * loaded. */
void runner_start(struct runner *runner);
/* Called when no job, commit or mail of the runner is under way. NULL is fine. */
void runner_free(struct runner *runner);

/* A partition of this shard came, changed its topic's configs, or is about to go. */
void runner_partition_opened(struct shard *shard, struct partition *partition);
void runner_partition_changed(struct shard *shard, struct partition *partition);
void runner_partition_closed(struct shard *shard, struct partition *partition);
/* The log start that retention may set instead of `start`: retention.guard keeps segments that an
 * active task has not read. */
int64_t runner_guard_start(struct partition *partition, int64_t start);
/* partitions_visible_moved calls it. */
void runner_partition_moved(struct shard *shard, struct partition *partition);

/* Runs slices for at most about half a millisecond. True while there is more to do. */
bool runner_turn(struct shard *shard);

#endif
