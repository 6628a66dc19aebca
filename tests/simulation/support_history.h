/* Random short histories of a life, recorded in a model: batches of idempotent and plain producers,
 * rows (instead of committed offsets), entries with both, retention, created and deleted topics, a
 * disk that is full for a while. Some actions make rare orders frequent: a log start or a deletion
 * just before or after the unit that ends a checkpoint. */
#ifndef TESTS_SIMULATION_SUPPORT_HISTORY_H
#define TESTS_SIMULATION_SUPPORT_HISTORY_H

#include "tests/simulation/support_model.h"

enum { HISTORY_FIRST_TOPICS = 3 };

struct history {
    struct life *life;
    struct model *model;
    struct random *random;
    bool topic_used[MODEL_TOPICS];   /* its id was given out */
    uint32_t deletion[MODEL_TOPICS]; /* the entry that other shards must follow. 0: none */
    int refused;                     /* commits that got ERR_IO */
    bool fills_disk;                 /* some actions make the disk full, or make room again */
    uint64_t starts_moved, deleted, created, filled, at_checkpoint;
};

/* Starts on an open life. Afterwards the first topics exist and are durable. */
void history_begin(struct history *h, struct life *life, struct model *model,
                   struct random *random);
/* Does one random action: an entry, a turn, a job, or time that passes. */
void history_act(struct history *h);
/* Gives the disk room again. */
void history_make_room(struct history *h);
/* Checks that retries of the last batches are recognised. NULL or an error text. */
const char *history_check_retries(struct history *h);
/* Checks the logs of a settled store. NULL or an error text. */
const char *history_check_live(struct history *h);
/* Appends one batch to a partition in an entry of its own, also to a full disk. */
void history_produce(struct history *h, int topic, int partition);

#endif
