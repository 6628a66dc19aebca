/* The broker's trusted and steady time (base/trusted_clock.h), kept by shard 0 for all shards.
 *
 * Shard 0 compares the clocks regularly and publishes how far the two times are from the monotonic
 * clock. Every shard adds this to its monotonic time (shard_read_clock). So a leap of the wall
 * clock reaches no shard before shard 0 has judged it.
 *
 * The times are a row of the store. It is written about once a minute and at a regular stop. An
 * accepted leap is published when its row is durable: a crash cannot make the broker judge it a
 * second time. */
#ifndef BROKER_TIMEKEEPER_H
#define BROKER_TIMEKEEPER_H

#include "broker/shard.h"

struct timekeeper;

/* Reads the row, judges the wall clock and publishes the times. On shard 0, after its store. */
MUST_USE enum error timekeeper_open(struct shard *shard, struct message *message);
/* Puts the row into the open entry, the last one of this run. NULL is fine in both. */
void timekeeper_close(struct timekeeper *keeper);
void timekeeper_free(struct timekeeper *keeper);

#endif
