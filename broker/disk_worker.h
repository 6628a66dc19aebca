/* A thread that does what may block: the shard's journal writes, its checkpoints, or cold reads.
 *
 * Jobs run one after the other; their done() comes back to the shard as mail, several at once when
 * several are finished. */
#ifndef BROKER_DISK_WORKER_H
#define BROKER_DISK_WORKER_H

#include "base/workers.h"

struct shard;
struct disk_worker;

/* `name` is the thread's name (at most 15 characters). */
struct disk_worker *disk_worker_start(struct shard *shard, const char *name);
struct executor *disk_worker_executor(struct disk_worker *w);
/* Runs what is queued and ends the thread; the shard's thread must have ended. Jobs that finish are
 * still mailed (shards_drain), and what their owners submit then is run by the caller. */
void disk_worker_stop(struct disk_worker *w);
void disk_worker_free(struct disk_worker *w);

#endif
