/* A step: what a task has made of its input, to be committed as one. The host of a task implements
 * struct task_commit: our broker with an entry of a journal, another with a transaction. */
#ifndef PROCESSORS_TASK_COMMIT_H
#define PROCESSORS_TASK_COMMIT_H

#include "base/bytes.h"

/* One batch for one partition of one output topic; those for one partition come in order. Base
 * offset 0, no producer id: the committer stamps what its way of committing needs. */
struct step_output {
    struct bytes topic;
    int32_t partition;
    struct bytes batch;
    int32_t record_count;
};

/* A change of the task's durable state; value null: deletion. Keys are relative to the task. */
struct step_change {
    struct bytes key, value;
};

/* How far an input is taken: everything below `offset` was, or does not exist. */
struct step_cursor {
    size_t input; /* its number among the task's inputs */
    int64_t offset;
};

/* What must become durable and visible together. Views into the task's memory, valid until the
 * call returns: the committer copies what it keeps. */
struct step {
    const struct step_output *outputs;
    size_t output_count;
    const struct step_change *changes;
    size_t change_count;
    const struct step_cursor *cursors; /* of every input, in order */
    size_t cursor_count;
    uint64_t sequence; /* number of this step, from 1, without gaps, for ever */
};

struct task_commit {
    /* Takes one step. It counts as done for the task's next record at once; durability is the
     * committer's business (a crash goes back to the last durable step). */
    void (*commit)(struct task_commit *commit, const struct step *step);
    /* Partition count of an output topic: what it has or, if it does not exist yet, what it will be
     * created with. Asked when a step is built; the committer creates the topic before it commits.
     */
    int32_t (*partitions)(struct task_commit *commit, struct bytes topic);
    /* How large a batch for this topic may be: more records make more batches. One record that is
     * larger than that is a batch of its own. NULL: no limit. */
    size_t (*max_batch_bytes)(struct task_commit *commit, struct bytes topic);
};

#endif
