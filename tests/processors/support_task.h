/* A task in a test: processors from their section form, records in, outputs and durable state kept
 * in memory, restarts at will. */
#ifndef TESTS_PROCESSORS_SUPPORT_TASK_H
#define TESTS_PROCESSORS_SUPPORT_TASK_H

#include "processors/task/batch_input.h"
#include "processors/task/task.h"

enum { WORLD_MAX_PAIRS = 256, WORLD_MAX_RECORDS = 4096, WORLD_WALL_MS = 1700000000000 };

/* A record to be put in, or one that came out. */
struct world_record {
    char *topic; /* of outputs */
    int32_t partition;
    struct record record; /* owns its bytes */
};

struct world {
    /* What is given. */
    struct topology_topic topic;
    struct config_pair pairs[WORLD_MAX_PAIRS];
    size_t pair_count;
    int32_t output_partitions;
    int64_t wall_ms;
    struct world_record inputs[WORLD_MAX_RECORDS];
    size_t input_count;

    /* What is there. */
    struct topology *topology;
    struct task *task;
    struct batch_source source;
    struct batch_input input;
    struct bytes batch; /* that the source gives */
    struct task_commit commit;
    struct message message;
    struct world_record outputs[WORLD_MAX_RECORDS];
    size_t output_count;
    struct step_change *state;
    size_t state_count, state_writes;
    uint64_t last_sequence;
    size_t taken; /* inputs that were given to the task */
    struct buffer text;
};

/* "[orders/m1]\ntype = aggregate\n..." on a topic with this many partitions. Records go to
 * partition 0 of the task's first chain. Fails the test when the processors are refused. */
void world_init(struct world *w, int32_t partitions, const char *sections);
void world_free(struct world *w);

/* Parses only; "" when fine, else the message. */
const char *world_refusal(struct world *w, int32_t partitions, const char *sections);

/* Adds a record; key and value may be NULL. Offsets are 0, 1, 2... */
void world_put(struct world *w, int64_t timestamp, const char *key, const char *value);
/* Adds a header to the record added last. */
void world_header(struct world *w, const char *key, const char *value);

/* Gives the task a batch: at most `slice` records or results of it. */
enum input_status world_take(struct world *w, struct bytes batch, size_t slice);
/* Takes everything that was put in, in batches of `batch` records and slices of `slice`, with a
 * commit after each slice. */
void world_run_in(struct world *w, size_t batch, size_t slice);
/* All in one batch. */
void world_run(struct world *w);
/* Takes one record and commits. */
void world_step(struct world *w);
/* A crash after the last commit and a restart from the durable state. */
void world_restart(struct world *w);

/* What was written to a topic: "timestamp key value\n" per record, "-" for null. */
const char *world_output(struct world *w, const char *topic);
/* The value of a header of the n-th record of a topic, "" without, NULL without the record. */
const char *world_output_header(struct world *w, const char *topic, size_t n, const char *name);
/* Everything that was written, with partition and headers, topic by topic. */
const char *world_dump(struct world *w);

#endif
