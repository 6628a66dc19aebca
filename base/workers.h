/* Work that may block, done away from a shard.
 *
 * The owner embeds a job. run() is called on a worker and may use only data that the owner lent to
 * the job. done() is called later, on the thread that submitted the job. In a simulation both run
 * on one thread, in an order that the seed chooses. Jobs of one executor run one after the other,
 * in the order of submission. */
#ifndef BASE_WORKERS_H
#define BASE_WORKERS_H

#include "base/list.h"

struct job {
    struct list_node node;
    void (*run)(struct job *job);
    void (*done)(struct job *job);
};

struct executor {
    void (*submit)(struct executor *executor, struct job *job);
};

/* Runs each job at once, done() included; for tools and simple tests. */
struct executor *executor_inline(void);

#endif
