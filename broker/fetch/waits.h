/* Who waits for a partition: parked fetches, and whoever else wants to hear of new records.
 *
 * A wait is embedded by its owner and registered on one partition. When what is visible of the
 * partition moves (partitions_visible_moved), each of its waits is told, and only these. The owner
 * judges whether its own view moved; if so it marks itself as due and does its reading once per
 * turn, however many of its partitions moved. A partition that goes away takes its waits out first
 * and tells them.
 *
 * Everything here belongs to one shard. */
#ifndef BROKER_FETCH_WAITS_H
#define BROKER_FETCH_WAITS_H

#include "broker/partition.h"

struct partition_wait {
    struct list_node node; /* in partition->waits while registered */
    /* What is visible of the partition moved, or (NULL) the partition is going: then the wait is
     * out of the list already. Must not read or reply here: several partitions may move one after
     * the other. */
    void (*wake)(struct partition_wait *wait, struct shard *shard,
                 const struct partition *partition);
};

void wait_register(struct partition_wait *wait, struct partition *partition);
void wait_cancel(struct partition_wait *wait); /* fine when it is not registered */

/* Work that a wake made necessary: run() is called once, later in the same turn. */
struct due_work {
    struct list_node node;
    void (*run)(struct due_work *work, struct shard *shard);
};
void due_work_add(struct shard *shard, struct due_work *work); /* fine when it is there already */
void due_work_cancel(struct due_work *work);

/* Tells all waits of a partition; partition.c calls it. */
void waits_moved(struct shard *shard, struct partition *partition);
void waits_deleted(struct shard *shard, struct partition *partition);

/* A request that waits for something to happen; a shard that stops ends them all. */
struct parked {
    struct list_node node;
    void (*end)(struct parked *parked); /* answers with what there is; out of the list already */
};
void parked_add(struct shard *shard, struct parked *parked);
void parked_remove(struct parked *parked);
void parked_end_all(struct shard *shard);

/* shard->waits: the due work and the parked requests. */
struct waits *waits_create(struct shard *shard);
void waits_free(struct waits *w); /* NULL is fine */

#endif
