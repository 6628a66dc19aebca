/* The durable state of a dedup: one row holds all anchors of one step.
 *
 * A row's key is the latest time in it and a number. Once that time has expired, the whole row is
 * deleted. So an id needs no row of its own, neither to be stored nor to be forgotten. Rows never
 * change; if an anchor is dropped earlier than its row, a later row notes its removal. After a
 * restart some anchors may be back that had expired, or that others had made useless. Neither
 * changes a result. */
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
    struct buffer removed; /* while restoring: removals, applied after all rows were read */
    struct buffer key;
};

void dedup_rows_init(struct dedup_rows *rows, struct bytes processor);
void dedup_rows_free(struct dedup_rows *rows);

/* Both add an entry to the row of the open step. */
void dedup_rows_add(struct dedup_rows *rows, struct bytes id, int64_t anchor);
void dedup_rows_remove(struct dedup_rows *rows, struct bytes id, int64_t anchor);
/* Writes the row of the open step, if there is anything in it. */
void dedup_rows_collect(struct dedup_rows *rows, struct state_delta *delta);
/* Deletes a few rows in which all anchors are before `until`; no record has to wait for many. */
void dedup_rows_expire(struct dedup_rows *rows, int64_t until, struct state_delta *delta);

/* Restores a row; `rest` is the key after the kind. */
enum error dedup_rows_restore(struct dedup_rows *rows, struct bytes rest, struct bytes value,
                              struct dedup_table *table);
void dedup_rows_restored(struct dedup_rows *rows, struct dedup_table *table);

/* Calls `visit` with rows that restore the rows and the table: the keys of the rows without their
 * values, and all anchors under a key that no row has. */
void dedup_rows_visit(struct dedup_rows *rows, const struct dedup_table *table,
                      void (*visit)(void *context, struct bytes key, struct bytes value),
                      void *context);

#endif
