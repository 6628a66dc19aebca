/* What a task is made of; for task.c (records and steps) and task_state.c (durable state). */
#ifndef PROCESSORS_TASK_TASK_INTERNAL_H
#define PROCESSORS_TASK_TASK_INTERNAL_H

#include "processors/task/chain_run.h"
#include "processors/task/task.h"

/* The batch that is being read, kept when a slice ends inside it. */
struct input {
    bool is_open, is_compressed;
    struct batch_header header;
    const uint8_t *data; /* where the batch was when it was last seen */
    struct record_iterator records;
    struct arena arena; /* of a compressed batch */
};

struct task {
    struct topology *topology;
    struct chain_run run;
    struct input input;
    int64_t cursor;
    uint64_t sequence;
    size_t records_in_step;
    bool is_dirty, has_meta, has_state;
    struct task_counters restored; /* what the steps had counted before a restart */
    struct task_counters counters; /* as task_counters() last gave them */
};

/* Writes the meta entry into the delta. */
void task_put_meta(struct task *t);

#endif
