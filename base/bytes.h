/* A view of bytes. It never owns them.
 *
 * A view is passed by value. `data == NULL` means null, which the protocol distinguishes from
 * empty. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data;
    size_t size;
};

#define BYTES_NULL ((struct bytes){NULL, 0})
/* The view of a string literal, without its final zero. */
#define BYTES_LITERAL(text) ((struct bytes){(const uint8_t *)("" text), sizeof(text) - 1})
/* For printf: "%.*s", BYTES_PRINTF(view). */
#define BYTES_PRINTF(view) \
    (int)(view).size, (const char *)((view).data ? (view).data : (const uint8_t *)"")

static inline struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes){(const uint8_t *)data, size};
}

/* The view of a C string; NULL gives the null view. */
static inline struct bytes bytes_string(const char *text)
{
    return text ? bytes_of(text, strlen(text)) : BYTES_NULL;
}

static inline bool bytes_is_null(struct bytes b)
{
    return b.data == NULL;
}

/* Null and empty are equal here; compare bytes_is_null() if the difference matters. */
static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool bytes_equal_string(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_string(text));
}

/* Bytewise order: negative, zero or positive; a prefix comes first. */
int bytes_compare(struct bytes a, struct bytes b);

static inline bool bytes_starts_with(struct bytes b, struct bytes prefix)
{
    return b.size >= prefix.size &&
           (prefix.size == 0 || memcmp(b.data, prefix.data, prefix.size) == 0);
}

/* The part from `start` on; `start` may not exceed the size. */
static inline struct bytes bytes_from(struct bytes b, size_t start)
{
    return bytes_of(b.data + start, b.size - start);
}

/* A fresh zero-terminated copy that the caller frees; NULL for null. */
char *bytes_to_string(struct bytes b);

/* A fresh copy that the caller frees through .data; null stays null, empty gets an allocation. */
struct bytes bytes_copy(struct bytes b);

/* Well mixed 64 bits over the view (not cryptographic; seeded per process by the caller's map). */
uint64_t bytes_hash(struct bytes b, uint64_t seed);

/* Big-endian loads and stores, for Kafka's formats. */
static inline uint16_t load_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t load_be32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}
static inline uint64_t load_be64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}
static inline void store_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void store_be32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}
static inline void store_be64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

#endif
