/* A task in a test: reads processors from sections, takes records, keeps outputs and durable state
 * in memory, and restarts on demand. */
#ifndef TESTS_PROCESSORS_SUPPORT_TASK_H
#define TESTS_PROCESSORS_SUPPORT_TASK_H

#include "processors/task/batch_input.h"
#include "processors/task/task.h"

enum { WORLD_MAX_PAIRS = 256, WORLD_MAX_RECORDS = 4096, WORLD_WALL_MS = 1700000000000 };

/* An input record or an output record. */
struct world_record {
    char *topic; /* of outputs */
    int32_t partition;
    struct record record; /* owns its bytes */
};

struct world {
    /* Input of the test. */
    struct topology_topic topic;
    struct config_pair pairs[WORLD_MAX_PAIRS];
    size_t pair_count;
    int32_t output_partitions;
    const char *compacted; /* an output topic that needs keys */
    int64_t wall_ms;
    struct world_record inputs[WORLD_MAX_RECORDS];
    size_t input_count;

    /* State and output. */
    struct topology *topology;
    struct task *task;
    struct batch_source source;
    struct batch_input input;
    struct bytes batch; /* given by the source */
    struct task_commit commit;
    struct message message;
    struct world_record outputs[WORLD_MAX_RECORDS];
    size_t output_count;
    struct step_change *state;
    size_t state_count, state_writes;
    uint64_t last_sequence;
    size_t taken; /* input records that the task got */
    struct buffer text;
};

/* "[orders/m1]\ntype = aggregate\n..." on a topic with this many partitions. Records go to
 * partition 0 of the task's first chain. Fails the test when the processors are refused. */
void world_init(struct world *w, int32_t partitions, const char *sections);
void world_free(struct world *w);

/* Only parses. Returns the message of a refusal, else "". */
const char *world_refusal(struct world *w, int32_t partitions, const char *sections);

/* Adds a record; key and value may be NULL. Offsets are 0, 1, 2... */
void world_put(struct world *w, int64_t timestamp, const char *key, const char *value);
/* Adds a header to the record added last. */
void world_header(struct world *w, const char *key, const char *value);

/* Gives the task a batch, of which it takes at most `slice` records or results. */
enum input_status world_take(struct world *w, struct bytes batch, size_t slice);
/* Takes all records that were put in, in batches of `batch` records and slices of `slice`. Commits
 * after each slice. */
void world_run_in(struct world *w, size_t batch, size_t slice);
/* All in one batch. */
void world_run(struct world *w);
/* Takes one record and commits. */
void world_step(struct world *w);
/* A crash after the last commit and a restart from the durable state. */
void world_restart(struct world *w);

/* The records of a topic: "timestamp key value\n" each, "-" for null. */
const char *world_output(struct world *w, const char *topic);
/* The value of a header of the n-th record of a topic, "" without, NULL without the record. */
const char *world_output_header(struct world *w, const char *topic, size_t n, const char *name);
/* All records, with partition and headers, topic by topic. */
const char *world_dump(struct world *w);

#endif
