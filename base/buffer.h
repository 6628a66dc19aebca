/* A growing buffer with a maximum.
 *
 * It never grows past `max`. An append that is too large sets `overflowed`, and nothing is appended
 * from then on. The caller checks this once, at the end. So every buffer has a limit. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/bytes.h"
#include "base/compiler.h"

struct buffer {
    uint8_t *data;
    size_t size, capacity, max;
    bool overflowed;
};

void buffer_init(struct buffer *b, size_t max);
void buffer_free(struct buffer *b);  /* releases the memory; the buffer is empty and usable again */
void buffer_clear(struct buffer *b); /* empties it, keeps the memory */

/* Adds `size` bytes and returns their address for the caller to fill, or NULL if that would exceed
 * max. */
uint8_t *buffer_extend(struct buffer *b, size_t size);
/* Reserves room for `size` more bytes without adding them. NULL if that would exceed max. */
uint8_t *buffer_reserve(struct buffer *b, size_t size);

void buffer_append(struct buffer *b, const void *data, size_t size);
void buffer_append_bytes(struct buffer *b, struct bytes bytes);
void buffer_append_string(struct buffer *b, const char *text);
void buffer_append_u8(struct buffer *b, uint8_t v);
void buffer_append_be16(struct buffer *b, uint16_t v);
void buffer_append_be32(struct buffer *b, uint32_t v);
void buffer_append_be64(struct buffer *b, uint64_t v);
void buffer_printf(struct buffer *b, const char *format, ...) PRINTF_LIKE(2, 3);
/* Drops the first `size` bytes. */
void buffer_consume(struct buffer *b, size_t size);
/* The content with a zero after it (not counted), owned by the buffer. "" when overflowed. */
const char *buffer_c_string(struct buffer *b);

static inline struct bytes buffer_view(const struct buffer *b)
{
    return bytes_of(b->data ? b->data : (const uint8_t *)"", b->size);
}

#endif
