/* Memory that is given back all at once: what one request decodes lives and dies together.
 *
 * Allocation never fails below the arena's maximum; above it NULL, and the arena stays `exhausted`.
 * Not shared between threads, but may be handed over whole. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/bytes.h"
#include "base/compiler.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used, max;           /* bytes handed out, and the limit for them */
    bool exhausted;
};

void arena_init(struct arena *a, size_t max);
void arena_free(struct arena *a);  /* gives everything back */
void arena_reset(struct arena *a); /* forgets everything, keeps one block for the next use */

/* Moves everything of `from` to `a`: it lives as long as `a` does now. `from` is empty afterwards.
 */
void arena_take(struct arena *a, struct arena *from);

/* `size` zeroed bytes aligned for any type, or NULL over the maximum. Zero bytes give a pointer. */
void *arena_alloc(struct arena *a, size_t size);
/* count * size with the product checked. */
void *arena_array(struct arena *a, size_t count, size_t size);
/* A copy, zero-terminated behind its size; null stays null. NULL data also when exhausted. */
struct bytes arena_copy(struct arena *a, struct bytes b);
/* Formats into the arena. NULL when exhausted. */
char *arena_printf(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
