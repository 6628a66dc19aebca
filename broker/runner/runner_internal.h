/* Shared by the runner's files; nobody else includes it.
 *
 * The life of a task is that of its host (processors/task/host.h). Here is what the host's owner
 * does:
 *
 *   runner.c         the runner: queues, turns, the second's tick
 *   runner_task.c    one task: made, placed, woken, ended
 *   runner_change.c  tasks come, change and go with their topic's configs
 *   runner_rows.c    durable rows of tasks: restored, stored, deleted
 *   runner_input.c   batches of the input, from memory or files
 *   runner_commit.c  steps become entries; output topics are created
 *   runner_outbox.c  parcels to other shards
 *   runner_parcels.c parcels from other shards
 *   runner_idle.c    watermarks of idle partitions */
#ifndef BROKER_RUNNER_RUNNER_INTERNAL_H
#define BROKER_RUNNER_RUNNER_INTERNAL_H

#include "broker/broker.h"
#include "broker/partition.h"
#include "broker/runner/runner.h"
#include "processors/task/batch_input.h"
#include "processors/task/host.h"

enum {
    SLICE_BYTES = 1 << 20,       /* input taken from the log at once */
    SLICE_RECORDS_MAX = 64,      /* records between two looks at the clock */
    STEPS_IN_FLIGHT = 8,         /* steps of a task that the journal has not answered yet */
    PARCEL_BYTES_MAX = 16 << 20, /* on their way to other shards; then the tasks wait */
    TICK_MS = 1000,              /* idleness is looked at, and what failed is tried again */
    TURN_BUDGET_NS = 500000,
    SLICE_BUDGET_NS = TURN_BUDGET_NS / 5,
    ROW_KEY_MAX = 1 << 16,
};

/* A task at work on one partition. Jobs, parcels and topics being created for it hold its host. */
struct runner_task {
    struct host host;
    struct list_node in_partition; /* partition->tasks */
    struct list_node in_runner;    /* runner->tasks */
    struct list_node in_queue;     /* runner->ready, or runner->later */
    struct runner *runner;
    struct partition *partition;
    struct topic *topic; /* the version whose processors the host was told last */
    struct bytes prefix; /* of its rows, owned */
    struct bytes source; /* its name in parcels: prefix + incarnation, owned */
    /* A task that begins anew under an old name is somebody else: its steps count from 1 again. */
    uint64_t incarnation;
    struct buffer unread; /* keys (be32 size, bytes) of rows that could not be restored */

    struct batch_source batches; /* of its input: slices of the log */
    struct batch_input batch_input;
    struct input *input;
    struct log_slice *slice;    /* being read */
    struct shared_buffer *copy; /* its bytes, when pieces lie in files */
    size_t piece, at;           /* in the slice (or at: in the copy) */
    struct log_read_job read;
    struct log_time_job seek; /* start=@time */
    struct job copy_job;
    enum error copy_result;
    bool reading; /* a job is under way: the host is not run */

    struct pending_step *waiting; /* a step whose output topic does not exist */
    bool ensuring;                /* that topic is being created */
};

struct runner {
    struct shard *shard;
    bool loaded;
    struct list tasks;
    struct list ready;     /* have something to do, in turn */
    struct list later;     /* try again at the next tick */
    struct map applied;    /* by row key: the last parcel taken from each source */
    struct list early;     /* parcels for partitions that this shard was not told of yet */
    size_t parcel_bytes;   /* of parcels on their way from here */
    struct buffer garbage; /* keys (be32 size, bytes) of rows to be deleted at the start */
    struct buffer key;     /* a row's key under construction */
    struct timer tick;
    bool asking; /* a round of idleness is under way */
    /* The topology made last, and of which topic: partitions come one after the other. */
    struct topic *parsed_topic;
    struct topology *parsed;
    bool parsed_fails;
};

/* --- runner.c --- */

/* Puts it into the queue, or among those that the next tick puts there. */
void runner_make_ready(struct runner_task *task);
void runner_make_ready_later(struct runner_task *task);

/* --- runner_task.c --- */

/* The task of a chain on a partition, or NULL. */
struct runner_task *runner_task_find(struct partition *partition, struct bytes chain_name);
/* A task that may be given rows. */
struct runner_task *runner_task_create(struct runner *runner, struct partition *partition,
                                       struct topology *topology, const struct chain *chain);
/* A new task, without rows, which begins where its definition says. */
void runner_task_open(struct runner *runner, struct partition *partition, struct topology *topology,
                      const struct chain *chain);
/* The search for its first offset is over. */
void runner_task_found(struct runner_task *task, int64_t offset);
/* The task is over, and nothing of it remains. It is freed once nothing refers to it. */
void runner_task_end(struct runner_task *task);
/* Frees it whatever refers to it. */
void runner_task_free(struct runner_task *task);

/* --- runner_change.c --- */

/* The topology of a topic, NULL without processors. False: it does not task here, the log says why.
 * It belongs to the runner. */
bool runner_topology(struct runner *runner, struct topic *topic, struct topology **out);

/* --- runner_rows.c --- */

/* Rows: prefix + what a row is + the rest. A cursor row holds cursor, incarnation and
 * state.version, each be64. */
enum runner_row { RUNNER_ROW_CURSOR = 0, RUNNER_ROW_STATE = 1 };
/* Names the task for rows and parcels. */
void runner_rows_name(struct runner_task *task);
/* Into the open entry. */
void runner_rows_put_cursor(struct runner_task *task, int64_t cursor);
void runner_rows_put_state(struct runner_task *task, const struct step_change *change);
/* In an entry of its own. */
void runner_rows_delete(struct runner_task *task);
/* Makes the partition's tasks, with the state that the rows have. `topology` may be NULL. */
MUST_USE enum error runner_rows_load(struct runner *runner, struct partition *partition,
                                     struct topology *topology);
/* Notes a key in a list of keys (be32 size, bytes); deletes the rows of a list in the open entry.
 */
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
void runner_commit_free_waiting(struct runner_task *task);
/* State rows that the waiting step would have written, for their deletion. */
void runner_commit_each_waiting_key(struct runner_task *task,
                                    void (*each)(void *context, struct bytes key), void *context);

/* --- runner_outbox.c and runner_parcels.c --- */

enum outbox_row { OUTBOX_SENT = 's', OUTBOX_APPLIED = 'a' };

/* One output on its way to another shard: stored with its step, sent when that is durable. */
struct parcel {
    struct mail mail;
    struct commit commit;
    struct list_node early; /* in runner->early of the target */
    struct shard *home, *target;
    struct runner_task *task; /* who waits for it at home; NULL after a restart */
    struct bytes source;      /* owned */
    uint64_t sequence;
    uint32_t index;
    struct uuid topic_id;
    int32_t partition;
    uint64_t catalog_version; /* that the sender knew */
    bool taken;               /* the target has it; otherwise the row stays */
    struct shared_buffer *batch;
};

enum { PARCEL_NUMBER_SIZE = 12, PARCEL_DESTINATION_SIZE = 20 };

struct parcel *parcel_create(struct runner_task *task, uint64_t sequence, uint32_t index,
                             struct topic *topic, int32_t partition, struct shared_buffer *batch);
/* Into the open entry. */
void parcel_store(struct parcel *parcel);
void parcel_send(struct parcel *parcel);
/* It will not be sent: its step failed. */
void parcel_drop(struct parcel *parcel);
/* On the target: appends it, once, and sends it home. */
void parcel_apply(struct mail *mail, struct shard *shard);
/* From the target back to the sender, who forgets it. */
void parcel_send_home(struct parcel *parcel);
/* Looks again at parcels that came before their partition. */
void parcels_try_early(struct runner *runner);
/* No parcel will come to this partition any more. */
void parcels_forget_partition(struct runner *runner, struct uuid topic_id, int32_t partition);
/* No parcel will come from this source any more: tells all shards. */
void parcels_forget_source(struct shard *home, struct bytes source);
MUST_USE enum error outbox_load(struct runner *runner);
MUST_USE enum error parcels_load(struct runner *runner);
void parcels_free(struct runner *runner);

/* --- runner_idle.c --- */

/* Starts a round: lifts the watermarks of this shard's idle partitions. */
void runner_lift_idle(struct runner *runner);

#endif
