/* An async_writer over io_uring: the journal's small writes without a thread. One for each shard,
 * used by the shard's thread alone. */
#ifndef BROKER_NET_RING_H
#define BROKER_NET_RING_H

#include "base/trace.h"
#include "storage/async_writer.h"

struct ring;

/* NULL: the kernel has no io_uring, or refuses it (containers often do), or the program was built
 * without it. NULL is fine in all other functions. `wake_descriptor` is an eventfd. */
struct ring *ring_create(int wake_descriptor, struct trace *trace);
/* Names the calling thread as the one that uses the ring from now on. Before this call the writer
 * starts nothing. */
void ring_take_over(struct ring *ring);
/* False: ring_reap has something to do already. True: from now on wake_descriptor becomes readable
 * when it has. */
bool ring_may_sleep(struct ring *ring);
/* Leaves wake_descriptor alone until ring_may_sleep. */
void ring_stay_awake(struct ring *ring);
struct async_writer *ring_writer(struct ring *ring);
/* Calls done() of the writes that are done. It is cheap if there are none. */
void ring_reap(struct ring *ring);
void ring_free(struct ring *ring); /* no write may be under way */

#endif
