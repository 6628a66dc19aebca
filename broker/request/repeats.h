/* Names that a request gives more than once. */
#ifndef BROKER_REQUEST_REPEATS_H
#define BROKER_REQUEST_REPEATS_H

#include "base/arena.h"

/* repeats[i] is true if names[i] also occurs at another place. The result is in the arena. */
bool *repeats_find(struct arena *arena, const struct bytes *names, size_t count);

/* The name of a resource with its type, so that resources of different types differ. The result is
 * in the arena. A null name counts as an empty one. */
struct bytes repeats_name(struct arena *arena, int8_t type, struct bytes name);

#endif
