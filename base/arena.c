#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct arena_block {
    struct arena_block *next;
    size_t size, used;
    _Alignas(16) uint8_t data[];
};

enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 256 << 10 };

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max};
}

static void free_blocks(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_free(struct arena *a)
{
    free_blocks(a->blocks);
    arena_init(a, a->max);
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = a->blocks;
    if (keep && keep->size <= LARGEST_BLOCK) {
        free_blocks(keep->next);
        keep->next = NULL;
        keep->used = 0;
    } else {
        free_blocks(keep);
        keep = NULL;
    }
    *a = (struct arena){.max = a->max, .blocks = keep};
}

/* Inserts the blocks after the newest block, which continues to serve allocations. */
void arena_take(struct arena *a, struct arena *from)
{
    struct arena_block **end = a->blocks ? &a->blocks->next : &a->blocks;
    struct arena_block *rest = *end;
    *end = from->blocks;
    while (*end)
        end = &(*end)->next;
    *end = rest;
    a->used += from->used;
    arena_init(from, from->max);
}

static void add_block(struct arena *a, size_t need)
{
    size_t size = a->blocks ? MIN(a->blocks->size * 2, (size_t)LARGEST_BLOCK) : FIRST_BLOCK;
    size = MAX(size, need);
    struct arena_block *block = xmalloc(sizeof *block + size);
    *block = (struct arena_block){.next = a->blocks, .size = size};
    a->blocks = block;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (a->exhausted || size > a->max || a->used > a->max - size) {
        a->exhausted = true;
        return NULL;
    }
    size_t need = (size + 15) & ~(size_t)15;
    if (a->blocks == NULL || a->blocks->size - a->blocks->used < need)
        add_block(a, need);
    uint8_t *at = a->blocks->data + a->blocks->used;
    a->blocks->used += need;
    a->used += size;
    memset(at, 0, size);
    return at;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        a->exhausted = true;
        return NULL;
    }
    return arena_alloc(a, total);
}

struct bytes arena_copy(struct arena *a, struct bytes b)
{
    if (b.data == NULL)
        return BYTES_NULL;
    uint8_t *copy = arena_alloc(a, b.size + 1);
    if (copy == NULL)
        return BYTES_NULL;
    memcpy(copy, b.data, b.size);
    return bytes_of(copy, b.size);
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    char *text = arena_alloc(a, (size_t)size + 1);
    if (text)
        vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}
