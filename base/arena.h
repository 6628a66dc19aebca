/* Memory that is freed all at once, for example everything that one request decodes.
 *
 * Below the arena's maximum an allocation never fails. Above it the result is NULL, and the arena
 * stays `exhausted`. Threads do not share an arena, but may hand it over. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/bytes.h"
#include "base/compiler.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used, max;           /* allocated bytes, and their limit */
    bool exhausted;
};

void arena_init(struct arena *a, size_t max);
void arena_free(struct arena *a);  /* frees all memory */
void arena_reset(struct arena *a); /* frees the content, keeps one block for the next use */

/* Moves everything from `from` to `a`, so that it lives as long as `a`. `from` is empty
 * afterwards. */
void arena_take(struct arena *a, struct arena *from);

/* `size` zeroed bytes aligned for any type, or NULL above the maximum. A size of 0 also gives a
 * pointer. */
void *arena_alloc(struct arena *a, size_t size);
/* count * size with the product checked. */
void *arena_array(struct arena *a, size_t count, size_t size);
/* A copy with a zero after it; null stays null. The data is also NULL when the arena is
 * exhausted. */
struct bytes arena_copy(struct arena *a, struct bytes b);
/* Formats into the arena. NULL when exhausted. */
char *arena_printf(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
