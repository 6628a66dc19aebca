/* Workers of a simulation: a job runs only when the test steps. Jobs of one executor run in order.
 * The seed decides the order between executors, and when a job's done() is called. */
#ifndef TESTS_SIMULATION_SUPPORT_EXECUTOR_H
#define TESTS_SIMULATION_SUPPORT_EXECUTOR_H

#include "base/random.h"
#include "base/workers.h"

struct sim_executor {
    struct executor executor;
    struct list queued, finished; /* finished: done() is due */
};

void sim_executor_init(struct sim_executor *e);
bool sim_executor_is_idle(const struct sim_executor *e);
/* Runs one job, or calls done() of one. False: there was none. */
bool sim_executors_step(struct sim_executor *executors, int count, struct random *random);

#endif
