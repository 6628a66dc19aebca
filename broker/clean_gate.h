/* The limits that the cleaners of all shards share: how many work at a time, and how many bytes
 * they read and write per second together. */
#ifndef BROKER_CLEAN_GATE_H
#define BROKER_CLEAN_GATE_H

#include "storage/store.h"

/* `threads`: steps at a time. */
struct clean_gate *clean_gate_create(struct clock *clock, int64_t threads, double bytes_per_second);
void clean_gate_free(struct clean_gate *gate); /* NULL is fine */

#endif
