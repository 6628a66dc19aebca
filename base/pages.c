#include "base/pages.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

/* A mapping is aligned only to a small page, so a larger one is made and cut at both ends. */
void *pages_take(size_t size)
{
    ASSERT(size > 0 && size % LARGE_PAGE == 0);
    size_t mapped = size + LARGE_PAGE;
    uint8_t *start = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)start % LARGE_PAGE;
    if (before > 0)
        munmap(start, before);
    munmap(start + before + size, mapped - before - size);
    madvise(start + before, size, MADV_HUGEPAGE); /* if it is refused, the pages are small */
    return start + before;
}

void pages_give(void *memory, size_t size)
{
    munmap(memory, size);
}

void pages_trim(void)
{
    malloc_trim(0);
}
