/* One processor at work in a task: the interface of steps/. Such a step is a chain_step; the step
 * that a task commits is another thing (task/commit.h).
 *
 * A record goes through a chain in two passes. First every step judges the record (`judge`) and
 * changes nothing. If no step failed, `apply` adds the record to the state of the steps. So a
 * record that fails anywhere becomes a dead letter as a whole: no step has kept a part of it, and a
 * corrected copy of it is no duplicate. Then the watermark moves, and `advance` emits the windows
 * that it completes and forgets expired ids.
 *
 * Steps do no I/O and read no clock. All of a step's durable state goes through its delta. */
#ifndef PROCESSORS_STEPS_STEP_H
#define PROCESSORS_STEPS_STEP_H

#include "processors/task/record.h"
#include "processors/task/state.h"
#include "processors/topology/processor.h"

/* The fate of a record in one step: exactly one of these. */
enum fate {
    FATE_PASSED,    /* to the output and to the followers */
    FATE_ABSORBED,  /* went into the state of an aggregate */
    FATE_FILTERED,  /* where was false, or dropped for a missing key */
    FATE_NULL,      /* a skipped tombstone */
    FATE_LATE,      /* to the late output */
    FATE_DUPLICATE, /* dropped or to the topic for duplicates */
    FATE_DEAD,      /* to the dead letters */
    FATE_COUNT,
};

/* Bytes that the task may write because of one record, or for the result of one window: state and
 * outputs together. A committed step is one journal entry of at most 1 GiB; the rest is for the
 * earlier records of the step and for other entries. */
#define STEP_WRITE_MAX ((size_t)768 << 20)

/* A task's step with this many bytes of output is committed before more is added. */
enum { STEP_OUTPUT_BYTES = 1 << 20 };

struct step_verdict {
    enum fate fate;
    const struct record *record; /* FATE_PASSED: the record to pass on */
    size_t state_bytes;          /* bytes of state to write because of it, at most */
};

/* Takes one row of durable state, as it would be restored. */
struct state_visitor {
    void (*visit)(struct state_visitor *visitor, struct bytes key, struct bytes value);
};

/* A budget for one slice of work: how many panes may still be emitted. */
struct advance {
    int64_t watermark;
    size_t budget;
};

struct chain_step {
    const struct step_type *type;
    const struct processor *processor;
    uint64_t fates[FATE_COUNT]; /* records by fate */
    uint64_t late_window_drops, panes, tagged, evicted;
    int64_t open_windows, state_keys, state_bytes; /* gauges */
    size_t uncollected;                            /* changes that are not in the delta yet */
    size_t uncollected_bytes;                      /* their bytes, at most */

    /* Set by the task before anything else is called. */
    struct bytes topic; /* the chain's input */
    int32_t partition;
    struct outbox *outbox;
    struct state_delta *delta;
};

struct step_type {
    /* Whether it judges before the event time is known, if it is the first step. */
    bool before_time;
    /* Whether it has durable state. If not, only `judge` of the functions below is set. */
    bool stateful;

    struct chain_step *(*create)(const struct processor *p);
    void (*free)(struct chain_step *s);
    /* Decides and sets verdict->fate; for FATE_DEAD also `reason`. */
    void (*judge)(struct chain_step *s, const struct chain_record *r, struct step_verdict *verdict,
                  struct dead_letter_reason *reason);
    /* Adds the record last judged to the state. */
    void (*apply)(struct chain_step *s, const struct chain_record *r, enum fate fate);
    /* Emits the windows that the watermark completes, within the budget, or forgets expired ids.
     * False when windows are left: then the task calls it again with the same watermark before the
     * next record. */
    bool (*advance)(struct chain_step *s, struct advance *advance);
    /* Writes all changes to the delta; the task calls it before it commits. */
    void (*collect)(struct chain_step *s);
    /* Restores one row; `rest` is the key after processor and kind. */
    enum error (*restore)(struct chain_step *s, enum state_kind kind, struct bytes rest,
                          struct bytes value);
    /* Called after the last row. */
    enum error (*restored)(struct chain_step *s, struct message *message);
    /* Visits all of its state, even if it is not written yet. */
    void (*visit)(struct chain_step *s, struct state_visitor *visitor);
};

/* Makes a step without state. */
struct chain_step *step_create(const struct processor *p);
void step_free(struct chain_step *s);

/* Evaluates the processor's `where`. False: the record does not pass, and its fate is set. */
bool step_where(const struct chain_step *s, const struct chain_record *r,
                struct step_verdict *verdict, struct dead_letter_reason *reason);
/* Sets the verdict to a dead letter with a message. */
void step_fail(struct step_verdict *verdict, struct dead_letter_reason *reason,
               enum dead_letter_code code, const char *format, ...) PRINTF_LIKE(4, 5);

/* The canonical bytes of a list of expressions, for grouping and for ids. */
struct identity_form {
    bool raw_key;      /* the list is `key` alone: the key's bytes as they are */
    bool brackets;     /* the values as one JSON array; false: the list has one value */
    bool null_allowed; /* a missing part is null, not a failure */
};
enum identity { IDENTITY_OK, IDENTITY_MISSING, IDENTITY_ERROR };
enum identity step_identity(const struct expression_list *e, const struct identity_form *form,
                            const struct chain_record *r, struct buffer *out,
                            struct message *message);

#endif
