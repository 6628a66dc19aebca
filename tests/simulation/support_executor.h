/* Workers of a simulation: nothing runs until the test says so. Jobs of one executor run in order;
 * between executors, and between a job's run() and its done(), the seed decides. */
#ifndef TESTS_SIMULATION_SUPPORT_EXECUTOR_H
#define TESTS_SIMULATION_SUPPORT_EXECUTOR_H

#include "base/random.h"
#include "base/workers.h"

struct sim_executor {
    struct executor executor;
    struct list queued, finished; /* finished: done() is still to be called */
};

void sim_executor_init(struct sim_executor *e);
bool sim_executor_is_idle(const struct sim_executor *e);
/* Runs one job, or delivers one; false when there was nothing. */
bool sim_executors_step(struct sim_executor *executors, int count, struct random *random);

#endif
