/* An async_writer over io_uring: the journal's small writes without a thread. One for each shard,
 * used by the shard's thread alone. */
#ifndef BROKER_NET_RING_H
#define BROKER_NET_RING_H

#include "base/trace.h"
#include "storage/async_writer.h"

struct ring;

/* NULL: the kernel has no io_uring, or refuses it (containers often do), or the program was built
 * without it. `wake_descriptor` is an eventfd, which becomes readable when a write is done: then
 * call ring_reap. */
struct ring *ring_create(int wake_descriptor, struct trace *trace);
struct async_writer *ring_writer(struct ring *ring);
/* Calls done() of the writes that are done. */
void ring_reap(struct ring *ring);
void ring_free(struct ring *ring); /* no write may be under way; NULL is fine */

#endif
