/* The life of one task: its first offsets, slices, steps, changes of definition, and its end.
 *
 *   RESTORING ----rows----> RUNNING <-------> BLOCKED   while a step waits
 *       |                    ^   |
 *     none                   |   +----------> STOPPED   until there is another definition
 *       v                    |   |
 *   UNPLACED <--> PLACING ---+   +----------> BROKEN    until one has another state.version
 *
 *   each of them ----> CLOSING ----> CLOSED             (host.c has all transitions)
 *
 * The owner of a host embeds it, gives it the inputs, commits the steps, and runs the host when it
 * has time. Owners are the broker's runner, a trial of a pipeline and tests. Pure: each call brings
 * the time, and ops do the owner's part. An op may call the host back. Only the ops `closed` and
 * `begin_anew` may free it. Owner: one shard. */
#ifndef PROCESSORS_TASK_HOST_H
#define PROCESSORS_TASK_HOST_H

#include "base/clock.h"
#include "processors/task/task.h"

enum host_state {
    HOST_RESTORING, /* the owner gives it the rows that an earlier host committed */
    HOST_UNPLACED,  /* there are no rows, and no first offset is known */
    HOST_PLACING,   /* the owner looks for the first offset */
    HOST_RUNNING,
    HOST_BLOCKED, /* a step waits: its output topic does not exist */
    HOST_STOPPED, /* an input failed; another definition may continue */
    HOST_BROKEN,  /* the state differs from the durable one; only a new state.version can start */
    HOST_CLOSING, /* over, but something still refers to it */
    HOST_CLOSED,
};

enum host_wake { HOST_WAKE_NOW, HOST_WAKE_LATER };
enum host_commit { HOST_COMMITTED, HOST_COMMIT_WAITS };

struct host;

/* The owner's part. An op may be NULL if nothing that the owner does leads to its call. */
struct host_ops {
    /* Looks for the first offsets. The owner answers, now or later, with host_placed,
     * host_try_later or host_stop. */
    void (*place)(struct host *h, enum chain_start start, int64_t time_ms);
    /* Takes a step, whose memory is invalid afterwards. HOST_COMMITTED: the step will be durable,
     * in order; host_step_done follows, maybe before the op returns. HOST_COMMIT_WAITS: the owner
     * keeps a copy until it can commit it, and then calls host_step_taken. */
    enum host_commit (*commit)(struct host *h, const struct step *step);
    /* Tries again to commit the step that waits. */
    void (*commit_again)(struct host *h);
    int32_t (*partitions)(struct host *h, struct bytes topic);     /* as in struct task_commit */
    size_t (*max_batch_bytes)(struct host *h, struct bytes topic); /* the same; NULL: no limit */
    bool (*needs_keys)(struct host *h, struct bytes topic);        /* the same; NULL: none does */
    /* Makes the owner call host_run: soon, or after some time. */
    void (*wake)(struct host *h, enum host_wake when);
    /* Logs why the host tries something again; called for the first failure only. */
    void (*say_retry)(struct host *h, const char *what, enum error reason);
    void (*say_stopped)(struct host *h, const char *reason);
    /* The next definition has another state.version: the owner closes this host, forgets its rows,
     * and makes another host. */
    void (*begin_anew)(struct host *h, struct topology *topology, const struct chain *chain);
    /* Nothing refers to the host any more: the owner may free it. */
    void (*closed)(struct host *h);
};

struct host_setup {
    const struct host_ops *ops;
    struct topology *topology;
    const struct chain *chain;
    int32_t partition;
    struct input *const *inputs; /* the owner keeps them and the list as long as the host lives */
    size_t input_count;
    int max_in_flight;  /* steps that may be without an answer when another slice begins */
    bool keeps_open;    /* only a full step and host_flush commit */
    bool runs_disabled; /* runs a chain with enabled=false too */
};

/* One slice: the time now, and how much work it may do. */
struct host_slice {
    int64_t now_ms; /* monotonic: for the commit interval and idleness */
    struct record_clock record_clock;
    size_t max_records;
    struct clock *clock; /* measures how many records fit in budget_ns; NULL: take max_records */
    int64_t budget_ns;
};

struct host {
    const struct host_ops *ops;
    enum host_state state;
    struct topology *topology;
    const struct chain *chain;
    struct task *task;
    struct task_commit commit;
    struct input *const *inputs;
    size_t input_count;
    int64_t *idle_since_ms; /* by input */
    /* The definition that takes over as soon as no step waits. */
    struct topology *next_topology;
    const struct chain *next_chain;
    enum host_state after_step; /* the state once the step that waits is taken */
    size_t slice_records;       /* how many records a slice may take */
    int64_t dirty_since_ms;     /* when the open step began; -1: there is none */
    int steps_in_flight, max_in_flight, holds;
    bool is_placed, keeps_open, runs_disabled;
    bool has_said_why; /* the host tries something again, and the owner logged why */
};

void host_init(struct host *h, const struct host_setup *setup, int64_t now_ms);
/* Allowed in any state, even while something refers to the host. Does not free the inputs. */
void host_free(struct host *h);

/* --- beginning --- */

/* In RESTORING: the position of each input, then the rows of the task's state in any order
 * (task_restore). On an error the caller notes the row and calls host_break. */
void host_restore_cursor(struct host *h, size_t input, int64_t offset);
MUST_USE enum error host_restore(struct host *h, struct bytes key, struct bytes value);
/* The state cannot be read. Only the first call has an effect. */
void host_break(struct host *h, const char *reason);
/* The caller has given all rows. Without a cursor the host becomes UNPLACED. */
void host_start(struct host *h);
/* In UNPLACED: asks the owner for the first offsets. */
void host_place(struct host *h);
/* The answer: the first offset of every input. */
void host_placed(struct host *h, const int64_t *offsets);

/* --- working --- */

/* CLOSING or CLOSED. */
bool host_is_over(const struct host *h);
/* Whether host_run has something to do, as far as it knows without looking at its inputs. */
bool host_has_work(const struct host *h);
/* An input has more records, or an event came that the host waited for. Wakes it if it has work. */
void host_wake(struct host *h);
/* Runs one slice. True: more can be done now. False: ops->wake follows when there is more, or
 * ops->begin_anew has freed the host. Call it only while all inputs may be used. */
bool host_run(struct host *h, const struct host_slice *slice);
/* Commits the open step, unless another one waits. */
void host_flush(struct host *h);
/* How many records the next slice may take after a slice of `records` took `took_ns`. The cost of
 * records varies by a factor of 1000, and no request may wait for many expensive ones. */
size_t host_slice_after(const struct host_slice *slice, size_t records, int64_t took_ns);

/* The owner has begun to commit the step that waited. */
void host_step_taken(struct host *h);
/* A step is durable, or can never be: then the task is ahead of its durable state, and the host is
 * broken. The owner logs why, and may make another host from the durable state. */
void host_step_done(struct host *h, enum error result);
/* Something failed, and another try may succeed. */
void host_try_later(struct host *h, const char *what, enum error reason);
/* Something failed, and another try would not help. */
void host_stop(struct host *h, const char *reason);

/* --- idleness (section 2) --- */

/* Whether all inputs are at their end and had nothing new for watermark.idle. */
bool host_is_idle(const struct host *h, int64_t now_ms);
/* Whether the host is idle and can lift its watermark now. */
bool host_may_lift(const struct host *h, int64_t now_ms);
/* Lifts the watermark to `watermark` if that is higher. Continues what an earlier lift has left. */
void host_lift(struct host *h, int64_t watermark, int64_t wall_ms);

/* --- changing and ending --- */

/* Another definition, with a chain of the same name. It takes over when the host runs. */
void host_change(struct host *h, struct topology *topology, const struct chain *chain);
/* Ends the task. The owner drops a step that waits. */
void host_close(struct host *h);
/* Delays the end of a closing host while jobs or messages of the owner refer to it. */
void host_hold(struct host *h);
void host_release(struct host *h);

#endif
