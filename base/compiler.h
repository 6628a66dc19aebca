/* Attributes and small macros that every folder uses. */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#define UNUSED __attribute__((unused))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The structure that contains member `name` at address `pointer`. */
#define CONTAINER_OF(pointer, type, name) ((type *)(void *)((char *)(pointer)-offsetof(type, name)))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Checks one of our own invariants, in release builds too. Never used on input. */
#define ASSERT(condition) \
    ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__, __func__))
__attribute__((noreturn)) void assert_failed(const char *condition, const char *file, int line,
                                             const char *function);

/* Allocation of our own small structures: aborts if there is no memory left. The caller checks
 * sizes from the wire or a disk against a named limit first. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *pointer, size_t size);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t size);

#endif
