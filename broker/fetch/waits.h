/* Waits for partitions, such as those of parked fetches.
 *
 * The owner embeds a wait and registers it on one partition. When the visible part of the partition
 * moves (partitions_visible_moved), the waits of this partition are woken. The owner checks whether
 * its own view moved. If so, it adds its due work, and reads once in the turn for all of its
 * partitions. A partition that goes away first removes its waits and wakes them.
 *
 * All of this belongs to one shard. */
#ifndef BROKER_FETCH_WAITS_H
#define BROKER_FETCH_WAITS_H

#include "broker/partition.h"

struct partition_wait {
    struct list_node node; /* in partition->waits while registered */
    /* The visible part of the partition moved. With NULL the partition is going away, and the wait
     * was removed already. Must not read or reply here, because several partitions may move one
     * after the other. */
    void (*wake)(struct partition_wait *wait, struct shard *shard,
                 const struct partition *partition);
};

void wait_register(struct partition_wait *wait, struct partition *partition);
void wait_cancel(struct partition_wait *wait); /* may be unregistered */

/* Work after a wake: run() is called once, later in the same turn. */
struct due_work {
    struct list_node node;
    void (*run)(struct due_work *work, struct shard *shard);
};
void due_work_add(struct shard *shard, struct due_work *work); /* may be added already */
void due_work_cancel(struct due_work *work);

/* Wakes all waits of a partition; partitions.c calls it. */
void waits_moved(struct shard *shard, struct partition *partition);
void waits_deleted(struct shard *shard, struct partition *partition);

/* A request that waits for an event; a shard that stops ends them all. */
struct parked {
    struct list_node node;
    void (*end)(struct parked *parked); /* answers with what there is; no longer in the list */
};
void parked_add(struct shard *shard, struct parked *parked);
void parked_remove(struct parked *parked);
void parked_end_all(struct shard *shard);

/* shard->waits: the due work and the parked requests. */
struct waits *waits_create(struct shard *shard);
void waits_free(struct waits *w); /* NULL is fine */

#endif
