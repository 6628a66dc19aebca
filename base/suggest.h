/* "Did you mean": the name nearest to a typed one. */
#ifndef BASE_SUGGEST_H
#define BASE_SUGGEST_H

#include "base/bytes.h"

/* Edits (insert, delete, replace, swap two neighbours) from a to b; more than `limit` gives
 * limit + 1. */
size_t edit_distance(struct bytes a, struct bytes b, size_t limit);

/* The nearest name of a NULL-terminated list, at most two edits away and fewer than its own length;
 * the first of equals. NULL if none is near. */
const char *suggest(struct bytes typed, const char *const *names);

#endif
