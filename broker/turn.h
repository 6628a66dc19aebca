/* A shard's turn: mail, timers, connections with work, tasks within their budget, then the journal
 * unit and the replies. Each turn reads the clock once. The event loop runs turns, or a
 * simulation. */
#ifndef BROKER_TURN_H
#define BROKER_TURN_H

#include "broker/shard.h"

/* Called before the first turn. From then on idle connections are closed. */
void shard_start_turns(struct shard *shard);

/* Runs one turn, after the loop has delivered readable events. Returns the latest time of the next
 * turn in ms (0: at once, there is work left; INT64_MAX: on the next event). */
int64_t shard_turn(struct shard *shard);

#endif
