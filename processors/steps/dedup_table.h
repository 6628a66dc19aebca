/* The anchors of a dedup: which ids were seen, and when. Made for tens of millions of them.
 *
 * Anchors lie in slices of time, packed one behind the other; a table of 64-bit slots (open
 * addressing, in parts that grow apart from each other) finds them by id. An id may have several.
 * A whole slice is forgotten together, a few anchors at a time, so that no single record pays for
 * it. About 12 bytes of table and 4 of header per anchor, besides the id itself. */
#ifndef PROCESSORS_STEPS_DEDUP_TABLE_H
#define PROCESSORS_STEPS_DEDUP_TABLE_H

#include "base/bytes.h"

enum {
    DEDUP_ID_MAX = 64,                /* longer ids are kept as a digest */
    DEDUP_KEY_MAX = DEDUP_ID_MAX + 1, /* with the byte that tells them apart */
};

struct dedup_table;

/* `slice_ms` > 0: how much time one slice holds. */
struct dedup_table *dedup_table_create(int64_t slice_ms);
void dedup_table_free(struct dedup_table *t);

/* Calls `visit` for every anchor of an id until it returns false; returns whether it never did.
 * The visitor may not change the table. */
bool dedup_table_visit(const struct dedup_table *t, struct bytes id,
                       bool (*visit)(void *context, int64_t anchor), void *context);
/* Adds an anchor; the same pair should not be there already. */
void dedup_table_add(struct dedup_table *t, struct bytes id, int64_t anchor);
/* Takes an anchor out; false when it is not there. */
bool dedup_table_remove(struct dedup_table *t, struct bytes id, int64_t anchor);
/* Changes the time of an anchor that is there. */
void dedup_table_move(struct dedup_table *t, struct bytes id, int64_t from, int64_t to);

/* Takes one anchor out of the oldest slice, if all that it holds lies before `until`. False when
 * there is none. The id is a view that is valid until the next call. */
bool dedup_table_expire(struct dedup_table *t, int64_t until, struct bytes *id, int64_t *anchor);
/* The latest anchor of the oldest slice; the table may not be empty. */
int64_t dedup_table_oldest(const struct dedup_table *t);

/* Calls `visit` for every anchor of every id. */
void dedup_table_each(const struct dedup_table *t,
                      void (*visit)(void *context, struct bytes id, int64_t anchor), void *context);

size_t dedup_table_count(const struct dedup_table *t);
size_t dedup_table_memory(const struct dedup_table *t); /* bytes, about */

#endif
