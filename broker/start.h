/* Builds a shard on a recovered data directory, and takes it apart again. The program (threads,
 * libevent) and the simulation (one thread) share this. */
#ifndef BROKER_START_H
#define BROKER_START_H

#include "broker/broker.h"
#include "broker/shard.h"

/* Journal writes; flushes and checkpoints; cold reads; compaction (NULL: none). */
struct shard_workers {
    struct executor *journal, *background, *reader, *cleaner;
    struct async_writer *writer; /* for small writes of the journal; NULL: its worker does them */
};

/* Opens the store, groups, catalog, partitions and tasks of one shard, in this order. Shard 0 is
 * first. Called on the shard's thread or before it runs. */
MUST_USE enum error shard_open(struct shard *shard, struct kv *kv,
                               const struct shard_workers *workers, struct message *message);

/* Stops reading requests, sends the answers that wait for the journal, closes the connections,
 * makes a checkpoint, and then calls done(context). All of this happens on the shard's thread. */
void shard_close(struct shard *shard, void (*done)(void *context, struct shard *shard),
                 void *context);

/* Delivers the remaining mail between the shards. Called when all are closed, their threads have
 * ended and their workers are stopped. */
void shards_drain(struct broker *broker);

/* Frees what shard_open made, after shards_drain. */
void shard_dismantle(struct shard *shard);

#endif
