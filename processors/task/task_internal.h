/* The structure of a task, for task.c (records and steps) and task_state.c (durable state). */
#ifndef PROCESSORS_TASK_TASK_INTERNAL_H
#define PROCESSORS_TASK_TASK_INTERNAL_H

#include "processors/task/chain_run.h"
#include "processors/task/task.h"

struct task {
    struct topology *topology;
    struct chain_run run;
    size_t input_count;
    int64_t *cursors;                 /* by input: the next offset to take */
    size_t taken_from;                /* the input of the last record */
    struct step_cursor *step_cursors; /* for task_flush */
    uint64_t sequence;
    size_t records_in_step;
    bool is_dirty, has_meta, has_state;
    struct task_counters restored; /* the counters of the steps before a restart */
    struct task_counters counters; /* the last result of task_counters() */
};

/* Writes the meta entry into the delta. */
void task_put_meta(struct task *t);
/* Gives `to`, a task without state, the cursors, the counters and the state of `old`. */
MUST_USE enum error task_copy_state(const struct task *old, struct task *to,
                                    struct message *message);

#endif
