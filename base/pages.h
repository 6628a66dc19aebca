/* Memory in large pages, for large buffers that live long.
 *
 * Going through much memory in small pages costs more in address translation than in copying,
 * twice so on a virtual machine. What is asked for here is a mapping of its own, of large pages
 * where the system gives them, and goes back to the system when it is freed. */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

#include "base/compiler.h"

#include <stddef.h>

enum { LARGE_PAGE = 2 << 20 };

/* Zeros, at a multiple of LARGE_PAGE; NULL when memory is out. The size is a multiple of it, too.
 */
void *pages_take(size_t size);
void pages_give(void *memory, size_t size);

#endif
