/* The limits that the cleaners of all shards share: how many rounds are under way at a time, and
 * how many bytes they read and write per second together.
 *
 * The gate also keeps a cleaner from slowing down the journals, whose writes wait for the same
 * disk: while journals write, a cleaner pauses after each piece of work, and works a small share of
 * the time. The more the journals write, the more it may do, so that it keeps up with every load.
 * While no journal writes, it does not pause. */
#ifndef BROKER_CLEAN_GATE_H
#define BROKER_CLEAN_GATE_H

#include "storage/store.h"

struct clean_gate_limits {
    int64_t rounds; /* at a time */
    double bytes_per_second;
};
struct clean_gate *clean_gate_create(struct clock *clock, const struct clean_gate_limits *limits);
/* Any thread. The bytes so far do not count any more. */
void clean_gate_set_limits(struct clean_gate *gate, const struct clean_gate_limits *limits);
void clean_gate_free(struct clean_gate *gate); /* NULL is fine */
/* How many visits wait in enter(). */
int clean_gate_waiting(struct clean_gate *gate);

#endif
