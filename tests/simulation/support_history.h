/* Random short histories over a life, noted in a model: batches of idempotent and plain producers,
 * rows (standing for committed offsets), entries with both, retention, topics that come and go, a
 * disk that is full for a while. Some actions are put where orders are rare otherwise: a log start
 * or a deletion right at the unit that ends a checkpoint. */
#ifndef TESTS_SIMULATION_SUPPORT_HISTORY_H
#define TESTS_SIMULATION_SUPPORT_HISTORY_H

#include "tests/simulation/support_model.h"

enum { HISTORY_FIRST_TOPICS = 3 };

struct history {
    struct life *life;
    struct model *model;
    struct random *random;
    bool topic_used[MODEL_TOPICS];   /* its id was given out */
    uint32_t deletion[MODEL_TOPICS]; /* the entry; its other shards have to follow. 0: none */
    int refused;                     /* commits that were told ERR_IO */
    bool fills_disk;                 /* among the actions: the disk is full, has room again */
    uint64_t starts_moved, deleted, created, filled, at_checkpoint;
};

/* Starts on an open life; the first topics exist afterwards (and are durable). */
void history_begin(struct history *h, struct life *life, struct model *model,
                   struct random *random);
/* One random action: an entry, a turn, a job, time. */
void history_act(struct history *h);
/* The disk has room again. */
void history_make_room(struct history *h);
/* Checks that retries of the last batches are recognised. NULL or what is wrong. */
const char *history_check_retries(struct history *h);
/* Checks the logs of a store that is settled. NULL or what is wrong. */
const char *history_check_live(struct history *h);
/* One batch to a partition in an entry of its own, whatever the disk does. */
void history_produce(struct history *h, int topic, int partition);

#endif
