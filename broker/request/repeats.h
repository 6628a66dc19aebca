/* Names that a request gives more than once. */
#ifndef BROKER_REQUEST_REPEATS_H
#define BROKER_REQUEST_REPEATS_H

#include "base/arena.h"

/* repeats[i] is true when names[i] occurs at another place too. In the arena. */
bool *repeats_find(struct arena *arena, const struct bytes *names, size_t count);

/* A name that differs when the type does, for resources. In the arena; no name is like an empty
 * one. */
struct bytes repeats_name(struct arena *arena, int8_t type, struct bytes name);

#endif
