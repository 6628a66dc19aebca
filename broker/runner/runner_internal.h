/* Shared by the runner's files; no other file includes it.
 *
 * The host (processors/task/host.h) runs the life of a task. These files are the host's owner:
 *
 *   runner.c         the runner: queues, turns, the second's tick
 *   runner_task.c    one task: made, placed, woken, ended
 *   runner_change.c  tasks come, change and go with their topic's configs
 *   runner_rows.c    durable rows of tasks: restored, stored, deleted
 *   runner_input.c   batches of the input, from memory or files
 *   runner_commit.c  steps become entries; output topics are created
 *   runner_outbox.c  parcels to other shards
 *   runner_parcels.c parcels from other shards
 *   runner_idle.c    watermarks of idle partitions
 *   runner_guard.c   retention waits for tasks */
#ifndef BROKER_RUNNER_RUNNER_INTERNAL_H
#define BROKER_RUNNER_RUNNER_INTERNAL_H

#include "broker/broker.h"
#include "broker/partition.h"
#include "broker/runner/runner.h"
#include "processors/task/batch_input.h"
#include "processors/task/host.h"

enum {
    SLICE_BYTES = 1 << 20,       /* of input, taken from the log at once */
    SLICE_RECORDS_MAX = 64,      /* records between two looks at the clock */
    STEPS_IN_FLIGHT = 8,         /* steps of a task that the journal has not answered yet */
    PARCEL_BYTES_MAX = 16 << 20, /* on their way to other shards; more pauses the tasks */
    TICK_MS = 1000,              /* the interval for idleness and for retries */
    TURN_BUDGET_NS = 500000,
    SLICE_BUDGET_NS = TURN_BUDGET_NS / 5,
    ROW_KEY_MAX = 1 << 16,
};

/* A task on one partition. Its jobs, its parcels and topics that are created for it hold its
 * host. */
struct runner_task {
    struct host host;
    struct list_node in_partition; /* partition->tasks */
    struct list_node in_runner;    /* runner->tasks */
    struct list_node in_queue;     /* runner->ready, or runner->later */
    struct runner *runner;
    struct partition *partition;
    struct topic *topic; /* the version whose processors the host has */
    struct bytes prefix; /* of the task's rows, owned */
    struct bytes source; /* the task's name in parcels: prefix + incarnation, owned */
    /* Distinguishes tasks with the same name: a new one counts its steps from 1 again. */
    uint64_t incarnation;
    int64_t stored_cursor; /* the last one in an entry or a row; 0 before the first */
    bool guard_said;       /* that retention deletes records it has not read */
    struct buffer unread;  /* keys (be32 size, bytes) of rows that could not be restored */

    struct batch_source batches; /* of its input: slices of the log */
    struct batch_input batch_input;
    struct input *input;
    int64_t hole_from, hole_end; /* these offsets have no batch: a cleaner has dropped them */
    struct log_slice *slice;     /* being read */
    struct shared_buffer *copy;  /* the slice's bytes, if pieces are in files */
    size_t piece, at;            /* in the slice (or at: in the copy) */
    struct log_read_job read;
    struct log_time_job seek; /* start=@time */
    struct job copy_job;
    enum error copy_result;
    bool reading; /* a job is under way: the host must not run */

    struct pending_step *waiting; /* a step whose output topic does not exist */
    bool ensuring;                /* that topic is being created */
};

struct runner {
    struct shard *shard;
    bool loaded;
    struct list tasks;
    struct list ready;     /* tasks with work, in turn */
    struct list later;     /* tasks that try again at the next tick */
    struct map applied;    /* by row key: the last applied parcel of each source */
    struct list early;     /* parcels for partitions that this shard does not know yet */
    size_t parcel_bytes;   /* of parcels on their way from here */
    struct buffer garbage; /* keys (be32 size, bytes) of rows to be deleted at the start */
    struct buffer key;     /* a row's key under construction */
    struct timer tick;
    bool asking; /* a round of idleness is under way */
    /* The last parsed topology and its topic: partitions of a topic follow one another. */
    struct topic *parsed_topic;
    struct topology *parsed;
    bool parsed_fails;
};

/* --- runner.c --- */

/* Puts the task into the queue, now or at the next tick. */
void runner_make_ready(struct runner_task *task);
void runner_make_ready_later(struct runner_task *task);

/* --- runner_task.c --- */

/* The task of a chain on a partition, or NULL. */
struct runner_task *runner_task_find(struct partition *partition, struct bytes chain_name);
/* Makes a task that may get rows. */
struct runner_task *runner_task_create(struct runner *runner, struct partition *partition,
                                       struct topology *topology, const struct chain *chain);
/* Makes a new task, without rows, which begins at the offset that its definition says. */
void runner_task_open(struct runner *runner, struct partition *partition, struct topology *topology,
                      const struct chain *chain);
/* Begins the task at this offset, the result of the search. */
void runner_task_found(struct runner_task *task, int64_t offset);
/* Ends the task and deletes all of its data. It is freed when nothing refers to it. */
void runner_task_end(struct runner_task *task);
/* Frees it, even if something refers to it. */
void runner_task_free(struct runner_task *task);

/* --- runner_change.c --- */

/* The topology of a topic, NULL without processors. False: this release cannot run it, and the log
 * has the reason. The runner owns it. */
bool runner_topology(struct runner *runner, struct topic *topic, struct topology **out);

/* --- runner_rows.c --- */

/* Rows: prefix + enum runner_row + the rest. A cursor row has the cursor, the incarnation and
 * state.version, each be64. */
enum runner_row { RUNNER_ROW_CURSOR = 0, RUNNER_ROW_STATE = 1 };
/* Names the task for rows and parcels. */
void runner_rows_name(struct runner_task *task);
/* Into the open entry. */
void runner_rows_put_cursor(struct runner_task *task, int64_t cursor);
void runner_rows_put_state(struct runner_task *task, const struct step_change *change);
/* Deletes the task's rows, in an entry of its own. */
void runner_rows_delete(struct runner_task *task);
/* Makes the partition's tasks, with the state of their rows. `topology` may be NULL. */
MUST_USE enum error runner_rows_load(struct runner *runner, struct partition *partition,
                                     struct topology *topology);
/* A list of keys (be32 size, bytes): adds a key; deletes the rows of all keys in the open entry. */
void key_list_add(struct buffer *list, struct bytes key);
void key_list_delete(const struct buffer *list, struct store *store);

/* --- runner_input.c --- */

void runner_input_init(struct runner_task *task);
void runner_input_drop(struct runner_task *task);
/* start=@time: finds the first offset on a worker, then calls runner_task_found. */
void runner_input_seek(struct runner_task *task, int64_t timestamp);

/* --- runner_commit.c --- */

/* Ops of the host. */
enum host_commit runner_commit_step(struct host *h, const struct step *step);
void runner_commit_again(struct host *h);
int32_t runner_commit_partitions(struct host *h, struct bytes topic);
size_t runner_commit_max_batch_bytes(struct host *h, struct bytes topic);
bool runner_commit_needs_keys(struct host *h, struct bytes topic);
void runner_commit_free_waiting(struct runner_task *task);
/* Walks the state rows that the waiting step would have written, to delete them. */
void runner_commit_each_waiting_key(struct runner_task *task,
                                    void (*each)(void *context, struct bytes key), void *context);

/* --- runner_outbox.c and runner_parcels.c --- */

enum outbox_row { OUTBOX_SENT = 's', OUTBOX_APPLIED = 'a' };

/* One output on its way to another shard: stored with its step, sent when the step is durable. */
struct parcel {
    struct mail mail;
    struct commit commit;
    struct list_node early; /* in runner->early of the target */
    struct shard *home, *target;
    struct runner_task *task; /* that waits for it at home; NULL after a restart */
    struct bytes source;      /* owned */
    uint64_t sequence;
    uint32_t index;
    struct uuid topic_id;
    int32_t partition;
    uint64_t catalog_version; /* known by the sender */
    bool taken;               /* the target has the output; otherwise the row stays */
    struct shared_buffer *batch;
};

enum { PARCEL_NUMBER_SIZE = 12, PARCEL_DESTINATION_SIZE = 20 };
_Static_assert(PARCEL_NUMBER_SIZE == sizeof(uint64_t) + sizeof(uint32_t), "step and index");
_Static_assert(PARCEL_DESTINATION_SIZE == sizeof(struct uuid) + sizeof(int32_t), "a partition");

struct parcel *parcel_create(struct runner_task *task, uint64_t sequence, uint32_t index,
                             struct topic *topic, int32_t partition, struct shared_buffer *batch);
/* Into the open entry. */
void parcel_store(struct parcel *parcel);
void parcel_send(struct parcel *parcel);
/* Drops a parcel that will not be sent, because its step failed. */
void parcel_drop(struct parcel *parcel);
/* On the target: appends the output once, and sends the parcel home. */
void parcel_apply(struct mail *mail, struct shard *shard);
/* On the target: sends the parcel back to its sender, which frees it. */
void parcel_send_home(struct parcel *parcel);
/* Tries parcels again that came before their partition. */
void parcels_try_early(struct runner *runner);
/* To be called when no parcel will come to this partition any more. */
void parcels_forget_partition(struct runner *runner, struct uuid topic_id, int32_t partition);
/* Tells all shards that no parcel will come from this source any more. */
void parcels_forget_source(struct shard *home, struct bytes source);
MUST_USE enum error outbox_load(struct runner *runner);
MUST_USE enum error parcels_load(struct runner *runner);
void parcels_free(struct runner *runner);

/* --- runner_idle.c --- */

/* Starts a round: lifts the watermarks of this shard's idle partitions. */
void runner_lift_idle(struct runner *runner);

#endif
