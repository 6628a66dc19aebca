/* Runs the processor tasks of a shard: one per chain and input partition of this shard.
 *
 * An append that became durable wakes the partition's tasks; they read below the durable mark in
 * slices, only while no request waits longer than a slice, and commit their steps as entries of the
 * shard's journal. Outputs owned by another shard travel as idempotent batches (producer id = task,
 * sequence = step) from an outbox that is part of the step. */
#ifndef BROKER_RUNNER_H
#define BROKER_RUNNER_H

#include "broker/shard.h"

struct runner *runner_create(struct shard *shard);
/* Loads the rows of tasks and outboxes; before the first entry. */
MUST_USE enum error runner_load(struct runner *runner, struct message *message);
void runner_free(struct runner *runner);

/* A partition of this shard came, changed its topic's configs, or is about to go. */
void runner_partition_opened(struct shard *shard, struct partition *partition);
void runner_partition_changed(struct shard *shard, struct partition *partition);
void runner_partition_closed(struct shard *shard, struct partition *partition);
/* Its durable offset moved. */
void runner_partition_moved(struct shard *shard, struct partition *partition);

/* Runs slices for at most about half a millisecond. True while there is more to do. */
bool runner_turn(struct shard *shard);

#endif
