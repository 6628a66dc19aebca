/* A step: what a task has made of its input, committed as one. The host of a task implements struct
 * task_commit. Our broker commits with a journal entry; another host could use a transaction. */
#ifndef PROCESSORS_TASK_COMMIT_H
#define PROCESSORS_TASK_COMMIT_H

#include "base/bytes.h"

/* One batch for one partition of one output topic. Batches for one partition are in order. A batch
 * has base offset 0 and no producer id; the committer stamps what its way of committing needs. */
struct step_output {
    struct bytes topic;
    int32_t partition;
    struct bytes batch;
    int32_t record_count;
};

/* A change of the task's durable state; a null value deletes the key. A key has no task prefix. */
struct step_change {
    struct bytes key, value;
};

/* How far the task has read an input: every record below `offset` was taken or does not exist. */
struct step_cursor {
    size_t input; /* index among the task's inputs */
    int64_t offset;
};

/* Everything that must become durable and visible together. The views into the task's memory are
 * valid until the call returns: the committer copies what it keeps. */
struct step {
    const struct step_output *outputs;
    size_t output_count;
    const struct step_change *changes;
    size_t change_count;
    const struct step_cursor *cursors; /* of every input, in order */
    size_t cursor_count;
    uint64_t sequence; /* number of this step: from 1, without gaps, never reset */
};

struct task_commit {
    /* Takes one step. The task continues at once as if the step were done. The committer makes it
     * durable (after a crash the task continues from the last durable step). */
    void (*commit)(struct task_commit *commit, const struct step *step);
    /* Gives the partition count of an output topic. If the topic does not exist yet, this is the
     * count that it will be created with. The task asks when it builds a step; the committer
     * creates the topic before it commits. */
    int32_t (*partitions)(struct task_commit *commit, struct bytes topic);
    /* Gives the largest size of a batch for this topic. A single record that is larger is a batch
     * of its own. NULL: no limit. */
    size_t (*max_batch_bytes)(struct task_commit *commit, struct bytes topic);
    /* Whether every record of this topic needs a key, because the topic is compacted. A record that
     * has none becomes a dead letter. NULL: no topic needs keys. */
    bool (*needs_keys)(struct task_commit *commit, struct bytes topic);
};

#endif
