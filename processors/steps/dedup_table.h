/* The anchors of a dedup: the ids seen and their times. Made for tens of millions of anchors.
 *
 * Anchors are packed one after the other in slices of time. A table of 64-bit slots (open
 * addressing, in parts that grow independently) finds them by id. An id may have several anchors. A
 * whole slice is forgotten together, a few anchors at a time, so that no single record has to wait
 * for all. An anchor takes about 12 bytes of table and 4 of header, besides the id itself. */
#ifndef PROCESSORS_STEPS_DEDUP_TABLE_H
#define PROCESSORS_STEPS_DEDUP_TABLE_H

#include "base/bytes.h"

enum {
    DEDUP_ID_MAX = 64,                /* longer ids are kept as a digest */
    DEDUP_KEY_MAX = DEDUP_ID_MAX + 1, /* with the byte that says which */
};

struct dedup_table;

/* `slice_ms` > 0: the length of one slice. */
struct dedup_table *dedup_table_create(int64_t slice_ms);
void dedup_table_free(struct dedup_table *t);

/* Calls `visit` for every anchor of an id until it returns false. Returns false if it did. The
 * visitor must not change the table. */
bool dedup_table_visit(const struct dedup_table *t, struct bytes id,
                       bool (*visit)(void *context, int64_t anchor), void *context);
/* Adds an anchor; the same id should not have the same time already. */
void dedup_table_add(struct dedup_table *t, struct bytes id, int64_t anchor);
/* Removes an anchor; false when it is not there. */
bool dedup_table_remove(struct dedup_table *t, struct bytes id, int64_t anchor);
/* Changes the time of an anchor, which must be in the table. */
void dedup_table_move(struct dedup_table *t, struct bytes id, int64_t from, int64_t to);

/* Removes one anchor of the oldest slice, if all anchors of the slice are before `until`. False
 * when there is no such anchor. The id is a view that is valid until the next call. */
bool dedup_table_expire(struct dedup_table *t, int64_t until, struct bytes *id, int64_t *anchor);
/* The latest anchor of the oldest slice; the table must not be empty. */
int64_t dedup_table_oldest(const struct dedup_table *t);

/* Calls `visit` for every anchor of every id. */
void dedup_table_each(const struct dedup_table *t,
                      void (*visit)(void *context, struct bytes id, int64_t anchor), void *context);

size_t dedup_table_count(const struct dedup_table *t);
size_t dedup_table_memory(const struct dedup_table *t); /* bytes, about */

#endif
