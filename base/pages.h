/* Memory in large pages, for large buffers that live long.
 *
 * With small pages, the use of much memory costs more time for address translation than for
 * copying, and twice that on a virtual machine. Each allocation is a mapping of its own, with large
 * pages if the system gives them. Freeing it returns it to the system. */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

#include "base/compiler.h"

#include <stddef.h>

enum { LARGE_PAGE = 2 << 20 };

/* Zeroed memory at a multiple of LARGE_PAGE, or NULL if there is no memory left. The size must also
 * be a multiple of LARGE_PAGE. */
void *pages_take(size_t size);
void pages_give(void *memory, size_t size);
/* Returns the pages between smaller allocations to the system, after very many were freed. It takes
 * a few milliseconds. */
void pages_trim(void);

#endif
