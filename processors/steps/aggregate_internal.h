/* The state of an aggregate, in memory and durable, for aggregate.c and aggregate_state.c. */
#ifndef PROCESSORS_STEPS_AGGREGATE_INTERNAL_H
#define PROCESSORS_STEPS_AGGREGATE_INTERNAL_H

#include "base/compiler.h"
#include "processors/steps/aggregate_parameters.h"
#include "processors/steps/pane.h"
#include "processors/steps/step.h"
#include "processors/steps/window_table.h"

/* Windows are closed in the order (end, key). All windows that end at or before `end` are closed.
 * While panes are being emitted, so are those up to the position (partial_end, partial_key). A
 * closed window stays closed, even if the configured lateness grows later. */
struct closed {
    int64_t end; /* END_NONE: nothing yet */
    bool is_partial;
    int64_t partial_end;
    struct buffer partial_key;
    bool changed; /* since the last committed step */
};

struct aggregate_state {
    struct chain_step step;
    const struct aggregate_parameters *parameters;
    struct window_table windows;
    struct closed closed;
    struct identity_form form;
    struct pane_writer panes;
    struct buffer grouping_key, key, value;
    uint8_t *merged; /* the row of a window of several slices */
    /* The record last judged. */
    struct value values[SELECT_MAX];
    uint64_t counted; /* bit i: aggregate i takes it */
    int64_t first_open_end;
    int64_t closed_windows;
    struct slice *slice; /* the record's slice; NULL: `apply` makes it */
    size_t state_growth; /* bytes that it adds to what the open step writes, at most */
    uint64_t texts;      /* bit i: aggregate i may keep text */
    size_t text_max;     /* bytes of text that a slice may keep */
};

static inline struct aggregate_state *aggregate_of(struct chain_step *s)
{
    return CONTAINER_OF(s, struct aggregate_state, step);
}

/* The key of a slice's durable state; a view until the next call. */
struct bytes aggregate_slice_key(struct aggregate_state *a, const struct slice *slice);
void aggregate_set_gauges(struct aggregate_state *a);

/* The functions of struct step_type for durable state. */
void aggregate_collect(struct chain_step *s);
enum error aggregate_restore(struct chain_step *s, enum state_kind kind, struct bytes rest,
                             struct bytes value);
enum error aggregate_restored(struct chain_step *s, struct message *message);
void aggregate_visit(struct chain_step *s, struct state_visitor *visitor);

#endif
