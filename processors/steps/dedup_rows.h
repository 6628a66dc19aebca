/* The durable state of a dedup: the anchors of one step together in one row.
 *
 * A row's key is the latest time in it and a number: when even that has expired, the whole row is
 * deleted. So storing an id costs no row of its own, nor does forgetting it. Rows only ever come
 * and go; an anchor that is dropped earlier than its row is noted as removed in a later one. After
 * a restart some anchors may be back that had expired or were removed because others made them
 * needless: neither changes an answer. */
#ifndef PROCESSORS_STEPS_DEDUP_ROWS_H
#define PROCESSORS_STEPS_DEDUP_ROWS_H

#include "base/error.h"
#include "processors/steps/dedup_table.h"
#include "processors/task/state.h"

struct row_due {
    int64_t last; /* the latest time in the row */
    uint64_t number;
};

struct dedup_rows {
    struct bytes processor; /* its name */
    struct buffer open;     /* what the open step adds and removes */
    int64_t open_last;      /* the latest time in it */
    struct row_due *heap;   /* rows that are stored, by `last` */
    size_t count, capacity;
    uint64_t next_number;
    struct buffer removed; /* while restoring: removals, to be applied when all else is there */
    struct buffer key;
};

void dedup_rows_init(struct dedup_rows *rows, struct bytes processor);
void dedup_rows_free(struct dedup_rows *rows);

/* Into the row of the open step. */
void dedup_rows_add(struct dedup_rows *rows, struct bytes id, int64_t anchor);
void dedup_rows_remove(struct dedup_rows *rows, struct bytes id, int64_t anchor);
/* Writes the row of the open step, if there is anything in it. */
void dedup_rows_collect(struct dedup_rows *rows, struct state_delta *delta);
/* Deletes rows in which everything is before `until`: a few, so that no record pays for many. */
void dedup_rows_expire(struct dedup_rows *rows, int64_t until, struct state_delta *delta);

/* Takes a row back; `rest` is the key behind the kind. */
enum error dedup_rows_restore(struct dedup_rows *rows, struct bytes rest, struct bytes value,
                              struct dedup_table *table);
void dedup_rows_restored(struct dedup_rows *rows, struct dedup_table *table);

/* Calls `visit` with pairs that restore rows and table: the keys of the rows without their values,
 * and all anchors under a key that no row has. */
void dedup_rows_visit(struct dedup_rows *rows, const struct dedup_table *table,
                      void (*visit)(void *context, struct bytes key, struct bytes value),
                      void *context);

#endif
