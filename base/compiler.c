#include "base/compiler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void assert_failed(const char *condition, const char *file, int line, const char *function)
{
    fprintf(stderr, "tidemill: %s:%d: %s: invariant broken: %s\n", file, line, function, condition);
    abort();
}

static void *checked(void *pointer, size_t size)
{
    if (pointer == NULL && size > 0) {
        fprintf(stderr, "tidemill: out of memory asking for %zu bytes\n", size);
        abort();
    }
    return pointer;
}

void *xmalloc(size_t size)
{
    return checked(malloc(size), size);
}

void *xcalloc(size_t count, size_t size)
{
    return checked(calloc(count, size), count * size);
}

void *xrealloc(void *pointer, size_t size)
{
    return checked(realloc(pointer, size), size);
}

char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}

char *xstrndup(const char *text, size_t size)
{
    char *copy = xmalloc(size + 1);
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}
