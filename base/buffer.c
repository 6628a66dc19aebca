#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buffer_init(struct buffer *b, size_t max)
{
    *b = (struct buffer){.max = max};
}

void buffer_free(struct buffer *b)
{
    free(b->data);
    buffer_init(b, b->max);
}

void buffer_clear(struct buffer *b)
{
    b->size = 0;
    b->overflowed = false;
}

uint8_t *buffer_reserve(struct buffer *b, size_t size)
{
    if (b->overflowed || size > b->max || b->size > b->max - size) {
        b->overflowed = true;
        return NULL;
    }
    size_t need = b->size + size;
    if (need > b->capacity || b->data == NULL) {
        size_t capacity = MAX(MAX(b->capacity + b->capacity / 2, need), (size_t)64);
        b->capacity = MAX(MIN(capacity, b->max), need);
        b->data = xrealloc(b->data, b->capacity + 1); /* one for the zero of buffer_c_string */
    }
    return b->data + b->size;
}

uint8_t *buffer_extend(struct buffer *b, size_t size)
{
    uint8_t *at = buffer_reserve(b, size);
    if (at)
        b->size += size;
    return at;
}

void buffer_append(struct buffer *b, const void *data, size_t size)
{
    if (size == 0)
        return;
    uint8_t *at = buffer_extend(b, size);
    if (at)
        memcpy(at, data, size);
}

void buffer_append_bytes(struct buffer *b, struct bytes bytes)
{
    buffer_append(b, bytes.data, bytes.size);
}

void buffer_append_string(struct buffer *b, const char *text)
{
    buffer_append(b, text, strlen(text));
}

void buffer_append_u8(struct buffer *b, uint8_t v)
{
    buffer_append(b, &v, 1);
}

void buffer_append_be16(struct buffer *b, uint16_t v)
{
    uint8_t *at = buffer_extend(b, 2);
    if (at)
        store_be16(at, v);
}

void buffer_append_be32(struct buffer *b, uint32_t v)
{
    uint8_t *at = buffer_extend(b, 4);
    if (at)
        store_be32(at, v);
}

void buffer_append_be64(struct buffer *b, uint64_t v)
{
    uint8_t *at = buffer_extend(b, 8);
    if (at)
        store_be64(at, v);
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    ASSERT(size >= 0);
    uint8_t *at = buffer_reserve(b, (size_t)size);
    if (at) {
        vsnprintf((char *)at, (size_t)size + 1, format, again);
        b->size += (size_t)size;
    }
    va_end(again);
    va_end(args);
}

void buffer_consume(struct buffer *b, size_t size)
{
    ASSERT(size <= b->size);
    b->size -= size;
    if (b->size > 0)
        memmove(b->data, b->data + size, b->size);
}

const char *buffer_c_string(struct buffer *b)
{
    if (b->overflowed || b->data == NULL)
        return "";
    b->data[b->size] = '\0';
    return (const char *)b->data;
}
