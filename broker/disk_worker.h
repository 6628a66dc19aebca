/* A thread for work that may block: the shard's journal writes, its checkpoints, or cold reads.
 *
 * Jobs run one after the other. Their done() runs on the shard: finished jobs travel there by mail,
 * several at once if several are finished. */
#ifndef BROKER_DISK_WORKER_H
#define BROKER_DISK_WORKER_H

#include "base/workers.h"

struct shard;
struct disk_worker;

enum disk_worker_rank {
    DISK_WORKER_NORMAL,
    DISK_WORKER_YIELDS, /* all other threads come first, at the CPU and at the disk */
};

/* `name` is the thread's name (at most 15 characters). */
struct disk_worker *disk_worker_start(struct shard *shard, const char *name,
                                      enum disk_worker_rank rank);
struct executor *disk_worker_executor(struct disk_worker *w);
/* Runs the queued jobs and ends the thread; the shard's thread must have ended. Finished jobs are
 * still mailed (shards_drain). The caller runs the jobs that their owners submit then. */
void disk_worker_stop(struct disk_worker *w);
void disk_worker_free(struct disk_worker *w);

#endif
