/* Random short histories over a life, noted in a model: batches of idempotent and plain producers,
 * rows (standing for committed offsets), entries with both, retention, topics that come and go. */
#ifndef TESTS_SIMULATION_SUPPORT_HISTORY_H
#define TESTS_SIMULATION_SUPPORT_HISTORY_H

#include "tests/simulation/support_model.h"

struct history {
    struct life *life;
    struct model *model;
    struct random *random;
    bool topic_used[MODEL_TOPICS];     /* its id was given out */
    bool topic_deleting[MODEL_TOPICS]; /* its row is gone, durably: the partitions may go */
    int refused;                       /* commits that were told ERR_IO */
};

/* Starts on an open life; topics 0 and 1 exist afterwards (and are durable). */
void history_begin(struct history *h, struct life *life, struct model *model,
                   struct random *random);
/* One random action: an entry, a turn, a job, time. */
void history_act(struct history *h);
/* Checks that retries of the last batches are recognised. NULL or what is wrong. */
const char *history_check_retries(struct history *h);
/* One batch to a partition in an entry of its own, whatever the disk does. */
void history_produce(struct history *h, int topic, int partition);

#endif
