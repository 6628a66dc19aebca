/* A shard's turn: mail, timers, connections that have something to do, tasks within their budget,
 * then the journal's group and the replies. Each turn reads the clock once. The event loop runs it,
 * or a simulation. */
#ifndef BROKER_TURN_H
#define BROKER_TURN_H

#include "broker/shard.h"

/* Before the first turn: from now on idle connections are closed. */
void shard_start_turns(struct shard *shard);

/* One turn, after the loop has delivered what was readable. Returns when the next one is needed at
 * the latest: a time in ms (0: at once, there is work left; INT64_MAX: on the next event). */
int64_t shard_turn(struct shard *shard);

#endif
