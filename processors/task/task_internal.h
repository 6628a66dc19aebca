/* What a task is made of; for task.c (records and steps) and task_state.c (durable state). */
#ifndef PROCESSORS_TASK_TASK_INTERNAL_H
#define PROCESSORS_TASK_TASK_INTERNAL_H

#include "processors/task/chain_run.h"
#include "processors/task/task.h"

struct task {
    struct topology *topology;
    struct chain_run run;
    size_t input_count;
    int64_t *cursors;                 /* by input: the next offset to take */
    size_t taken_from;                /* the input of the record that was taken last */
    struct step_cursor *step_cursors; /* for task_flush */
    uint64_t sequence;
    size_t records_in_step;
    bool is_dirty, has_meta, has_state;
    struct task_counters restored; /* what the steps had counted before a restart */
    struct task_counters counters; /* as task_counters() last gave them */
};

/* Writes the meta entry into the delta. */
void task_put_meta(struct task *t);

#endif
