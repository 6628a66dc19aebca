/* The life of one task: where it begins, its slices, its steps, changes of its definition, its end.
 *
 *   RESTORING ----rows----> RUNNING <-------> BLOCKED   while a step waits
 *       |                    ^   |
 *     none                   |   +----------> STOPPED   until there is another definition
 *       v                    |   |
 *   UNPLACED <--> PLACING ---+   +----------> BROKEN    until that has another state.version
 *
 *   each of them ----> CLOSING ----> CLOSED             (host.c has all transitions)
 *
 * A host is embedded by its owner, which gives the inputs, commits the steps, and runs the host
 * when it has time: the broker's runner, a trial of a pipeline, a test. Pure: time comes in with
 * each call; the owner's part goes out through ops. An op may call back; none frees the host but
 * `closed` and `begin_anew`. Owner: one shard. */
#ifndef PROCESSORS_TASK_HOST_H
#define PROCESSORS_TASK_HOST_H

#include "base/clock.h"
#include "processors/task/task.h"

enum host_state {
    HOST_RESTORING, /* is given the rows of an earlier life */
    HOST_UNPLACED,  /* has none, and no first offset */
    HOST_PLACING,   /* the owner looks for it */
    HOST_RUNNING,
    HOST_BLOCKED, /* a step waits: its output topic does not exist */
    HOST_STOPPED, /* an input failed; another definition may go on */
    HOST_BROKEN,  /* the state is not what is durable; only another state.version goes on */
    HOST_CLOSING, /* over, but something still refers to it */
    HOST_CLOSED,
};

enum host_wake { HOST_WAKE_NOW, HOST_WAKE_LATER };
enum host_commit { HOST_COMMITTED, HOST_COMMIT_WAITS };

struct host;

/* The owner's part. An op that it never gives a reason to call may be NULL. */
struct host_ops {
    /* Looks for the first offsets; answers, now or later, with host_placed, host_try_later or
     * host_stop. */
    void (*place)(struct host *h, enum chain_start start, int64_t time_ms);
    /* Takes a step, whose memory is gone afterwards. HOST_COMMITTED: it will be durable, in order;
     * host_step_done follows, maybe at once. HOST_COMMIT_WAITS: the owner keeps it until it can be
     * committed, and calls host_step_taken then. */
    enum host_commit (*commit)(struct host *h, const struct step *step);
    /* Tries the step that waits once more. */
    void (*commit_again)(struct host *h);
    int32_t (*partitions)(struct host *h, struct bytes topic);     /* as in struct task_commit */
    size_t (*max_batch_bytes)(struct host *h, struct bytes topic); /* the same; NULL: no limit */
    /* Calls host_run when it is its turn, or after some time. */
    void (*wake)(struct host *h, enum host_wake when);
    /* Says, once, why something is tried again. */
    void (*say_retry)(struct host *h, const char *what, enum error reason);
    void (*say_stopped)(struct host *h, const char *reason);
    /* The next definition has another state.version: closes this host, forgets its rows, and makes
     * another one. */
    void (*begin_anew)(struct host *h, struct topology *topology, const struct chain *chain);
    /* Nothing refers to it any more: may free it. */
    void (*closed)(struct host *h);
};

struct host_setup {
    const struct host_ops *ops;
    struct topology *topology;
    const struct chain *chain;
    int32_t partition;
    struct input *const *inputs; /* they and the list stay the owner's, and live as long */
    size_t input_count;
    int max_in_flight;  /* steps that may be without an answer when another slice begins */
    bool keeps_open;    /* only a full step and host_flush commit */
    bool runs_disabled; /* enabled=false does not count */
};

/* One slice: the time, and how much may be done. */
struct host_slice {
    int64_t now_ms; /* monotonic: for the commit interval and idleness */
    int64_t wall_ms;
    size_t max_records;
    struct clock *clock; /* a slice takes as many records as fit in budget_ns; NULL: max_records */
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
    enum host_state after_step; /* when the step that waits is taken */
    size_t slice_records;       /* as many as a slice may take in its time */
    int64_t dirty_since_ms;     /* when the open step began; -1: there is none */
    int steps_in_flight, max_in_flight, holds;
    bool is_placed, keeps_open, runs_disabled;
    bool has_said_why; /* something is tried again, and the reason was said */
};

void host_init(struct host *h, const struct host_setup *setup, int64_t now_ms);
/* In any state, also while something refers to it. The inputs stay the owner's. */
void host_free(struct host *h);

/* --- beginning --- */

/* In RESTORING: where an input stood, then the rows of its state in any order (task_restore). An
 * error breaks the host when the caller says so (host_break), so that it can note the row. */
void host_restore_cursor(struct host *h, size_t input, int64_t offset);
MUST_USE enum error host_restore(struct host *h, struct bytes key, struct bytes value);
/* Its state cannot be read: says so, once. */
void host_break(struct host *h, const char *reason);
/* All rows were given. Without a cursor the host is UNPLACED. */
void host_start(struct host *h);
/* In UNPLACED: asks the owner where to begin. */
void host_place(struct host *h);
/* The answer: the first offset of every input. */
void host_placed(struct host *h, const int64_t *offsets);

/* --- working --- */

/* CLOSING or CLOSED. */
bool host_is_over(const struct host *h);
/* Whether host_run has something to do, as far as it knows without looking at its inputs. */
bool host_has_work(const struct host *h);
/* An input has more, or something it waited for came: wakes the host if it has work. */
void host_wake(struct host *h);
/* One slice. True while more can be done now; otherwise the host is woken when there is more. May
 * free the host through ops->begin_anew, then false. Not while an input may not be touched. */
bool host_run(struct host *h, const struct host_slice *slice);
/* Commits the open step, unless another one waits. */
void host_flush(struct host *h);
/* How many records the next slice may take, when one of `records` took so long: records differ by a
 * thousand times in what they cost, and no request may wait for many dear ones. */
size_t host_slice_after(const struct host_slice *slice, size_t records, int64_t took_ns);

/* The step that waited is on its way. */
void host_step_taken(struct host *h);
/* A step is durable, or it will never be: then the task is ahead of what is durable, and broken.
 * The owner says why, and may make another host of what is durable. */
void host_step_done(struct host *h, enum error result);
/* Something failed that may pass. */
void host_try_later(struct host *h, const char *what, enum error reason);
/* Something failed that does not pass. */
void host_stop(struct host *h, const char *reason);

/* --- idleness (section 2) --- */

/* At the end of all inputs, with nothing new for watermark.idle. */
bool host_is_idle(const struct host *h, int64_t now_ms);
/* Idle, and nothing is in the way of a lift. */
bool host_may_lift(const struct host *h, int64_t now_ms);
/* Lifts the watermark, if that is higher, and goes on with what an earlier lift has left. */
void host_lift(struct host *h, int64_t watermark, int64_t wall_ms);

/* --- changing and ending --- */

/* Another definition, with a chain of the same name: takes over when the host is run. */
void host_change(struct host *h, struct topology *topology, const struct chain *chain);
/* The task is over. The owner drops a step that waits. */
void host_close(struct host *h);
/* Keeps a closing host from being closed: for jobs and messages of the owner that refer to it. */
void host_hold(struct host *h);
void host_release(struct host *h);

#endif
