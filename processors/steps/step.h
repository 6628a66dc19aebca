/* One processor at work in a task: the interface of steps/.
 *
 * A record goes through a chain in two passes. `judge` decides what becomes of it and changes
 * nothing; when every step has judged and none failed, `apply` lets the record into the state. So a
 * record that fails anywhere becomes a dead letter as a whole: no step has seen a part of it, and
 * when it comes back corrected it is no duplicate of itself. After that the watermark moves and
 * `advance` fires what it completes.
 *
 * Steps do no I/O and read no clock. All of a step's durable state goes through its delta. */
#ifndef PROCESSORS_STEPS_STEP_H
#define PROCESSORS_STEPS_STEP_H

#include "processors/task/record.h"
#include "processors/task/state.h"
#include "processors/topology/processor.h"

/* What becomes of a record in one step: exactly one of these. */
enum fate {
    FATE_PASSED,    /* goes on: to the output and to the followers */
    FATE_ABSORBED,  /* went into the state of an aggregate */
    FATE_FILTERED,  /* where was false, or dropped for a missing key */
    FATE_NULL,      /* a tombstone that is skipped */
    FATE_LATE,      /* to the late output */
    FATE_DUPLICATE, /* dropped or to the topic for duplicates */
    FATE_DEAD,      /* to the dead letters */
    FATE_COUNT,
};

/* What one record may make the task write, and the result of one window, in bytes: state and
 * outputs together. A step is one entry of the committer's journal, which takes 1 GiB; the rest is
 * for what the step holds already and for entries beside it. */
#define STEP_WRITE_MAX ((size_t)768 << 20)

/* The step is committed before more is put in, from so many bytes of output on. */
enum { STEP_OUTPUT_BYTES = 1 << 20 };

struct step_verdict {
    enum fate fate;
    const struct record *record; /* what goes on, when it passed */
    size_t state_bytes;          /* of state that it makes the step write, at most */
};

/* Takes one pair of durable state, as it would be restored. */
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
    size_t uncollected_bytes;                      /* of them, at most */

    /* Set by the task before anything else is called. */
    struct bytes topic; /* the chain's input */
    int32_t partition;
    struct outbox *outbox;
    struct state_delta *delta;
};

struct step_type {
    /* Whether it judges before the event time is known when it stands first. */
    bool before_time;
    /* Whether it has durable state; then all functions below are there, else only judge. */
    bool stateful;

    struct chain_step *(*create)(const struct processor *p);
    void (*free)(struct chain_step *s);
    /* Decides; sets verdict->fate. `reason` is filled in for FATE_DEAD. */
    void (*judge)(struct chain_step *s, const struct chain_record *r, struct step_verdict *verdict,
                  struct dead_letter_reason *reason);
    /* Lets the record last judged into the state. */
    void (*apply)(struct chain_step *s, const struct chain_record *r, enum fate fate);
    /* Fires what the watermark completes, within the budget. False when something is left to do:
     * then it is called again with the same watermark before the next record. */
    bool (*advance)(struct chain_step *s, struct advance *advance);
    /* Writes what is not yet in the delta; called before a step of the task is committed. */
    void (*collect)(struct chain_step *s);
    /* Takes one pair back; `rest` is the key behind processor and kind. */
    enum error (*restore)(struct chain_step *s, enum state_kind kind, struct bytes rest,
                          struct bytes value);
    /* After the last pair. */
    enum error (*restored)(struct chain_step *s, struct message *message);
    /* Visits all of its state, written already or not. */
    void (*visit)(struct chain_step *s, struct state_visitor *visitor);
};

/* A fresh step. */
struct chain_step *step_create(const struct processor *p);
void step_free(struct chain_step *s);

/* Evaluates the processor's `where`. Sets the fate and returns false when the record ends here. */
bool step_where(const struct chain_step *s, const struct chain_record *r,
                struct step_verdict *verdict, struct dead_letter_reason *reason);
/* Sets the verdict to a dead letter with a message. */
void step_fail(struct step_verdict *verdict, struct dead_letter_reason *reason,
               enum dead_letter_code code, const char *format, ...) PRINTF_LIKE(4, 5);

/* The canonical bytes of a list of expressions, for grouping and for ids. */
struct identity_form {
    bool raw_key;      /* the list is `key` alone: the key's bytes as they are */
    bool brackets;     /* the values as one JSON array; without, there is only one */
    bool null_allowed; /* a missing part is null, not a failure */
};
enum identity { IDENTITY_OK, IDENTITY_MISSING, IDENTITY_ERROR };
enum identity step_identity(const struct expression_list *e, const struct identity_form *form,
                            const struct chain_record *r, struct buffer *out,
                            struct message *message);

#endif
