/* Shared by the runner's files; nobody else includes it. */
#ifndef BROKER_RUNNER_INTERNAL_H
#define BROKER_RUNNER_INTERNAL_H

#include "broker/broker.h"
#include "broker/partition.h"
#include "broker/runner.h"
#include "processors/task.h"

enum {
    SLICE_BYTES = 1 << 20, /* input taken from the log at once */
    SLICE_RECORDS = 256,   /* records between two looks at the clock */
    STEPS_IN_FLIGHT = 8,   /* steps of a task that the journal has not answered yet */
    STEP_MAX_AGE_MS = 20,  /* commit.interval's default: an open step is not older */
    IDLE_CHECK_MS = 1000,
    TURN_BUDGET_NS = 500000,
};

/* A task at work on one partition. */
struct run {
    struct list_node in_partition; /* partition->tasks */
    struct list_node in_ready;     /* runner->ready, when it has something to do */
    struct runner *runner;
    struct partition *partition;
    struct topic *topic; /* the version whose configs it runs */
    struct topology *topology;
    const struct chain *chain;
    struct task *task;
    struct task_commit commit;
    struct bytes prefix;  /* of its rows, owned */
    struct bytes source;  /* its name in parcels: prefix + incarnation, owned */
    uint64_t incarnation; /* a processor made again under an old name is somebody else */

    struct log_slice *slice;    /* input being read */
    struct shared_buffer *copy; /* its bytes, when pieces lie in files */
    size_t piece, at;           /* in the slice (or at: in the copy) */
    struct log_read_job read;
    struct job copy_job;
    enum error copy_result;
    bool reading; /* a job is under way */

    int steps_in_flight;
    struct pending_step *waiting; /* a step whose output topic is being created */
    int64_t dirty_since_ms;       /* when the open step began; 0: there is none */
    int64_t idle_since_ms;
    bool lifted; /* its watermark was lifted since the last record */
    bool failed, closing;
};

struct runner {
    struct shard *shard;
    bool loaded;
    struct list ready;
    struct map applied; /* by source: struct applied, the last step taken from another shard */
    struct timer idle_timer;
};

/* runner_input.c */
/* The next whole batch at or behind the cursor. False: none now (drained, reading, or failed). */
bool run_next_batch(struct run *run, struct bytes *batch);
/* The batch was taken whole. */
void run_batch_done(struct run *run, struct bytes batch);
void run_drop_input(struct run *run);
/* Whether durable records wait behind the cursor. */
bool run_has_input(const struct run *run);

/* runner_commit.c */
void run_commit_init(struct run *run);
/* Goes on with the step that waited for its topics. */
void run_commit_waiting(struct run *run);
/* Rows: prefix + what a row is + the rest. */
enum run_row { RUN_ROW_CURSOR = 0, RUN_ROW_STATE = 1 };
struct bytes run_prefix(struct uuid topic_id, int32_t partition, struct bytes chain_name);

/* runner_outbox.c */
enum outbox_row { OUTBOX_SENT = 's', OUTBOX_APPLIED = 'a' };
/* One output on its way to another shard: stored with its step, sent when that is durable. */
struct parcel;
struct parcel *parcel_create(struct run *run, uint64_t sequence, uint32_t index,
                             struct topic *topic, int32_t partition, struct shared_buffer *batch);
/* Into the open entry. */
void parcel_store(struct parcel *parcel, struct shard *shard);
void parcel_send(struct parcel *parcel, struct shard *shard);
MUST_USE enum error outbox_load(struct runner *runner);
void runner_outbox_free(struct runner *runner);

/* runner.c */
void run_make_ready(struct run *run);
void runner_run_fail(struct run *run, const char *reason);
/* Frees a closing run once nothing refers to it. */
void run_release(struct run *run);

#endif
