/* Reads the wire from start to end. The first read past the end, or of a value that its type
 * forbids, sets `failed`. Every later read gives zero. The caller checks `failed` once, at the end.
 * Views point into the input. */
#ifndef PROTOCOL_READER_H
#define PROTOCOL_READER_H

#include "base/bytes.h"

struct uuid {
    uint8_t bytes[16];
};

struct reader {
    const uint8_t *at, *end;
    bool failed;
};

static inline struct reader reader_of(struct bytes b)
{
    return (struct reader){b.data, b.data + b.size, false};
}
static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

/* `size` raw bytes, or NULL. */
const uint8_t *read_raw(struct reader *r, size_t size);
int8_t read_i8(struct reader *r);
int16_t read_i16(struct reader *r);
int32_t read_i32(struct reader *r);
int64_t read_i64(struct reader *r);
double read_f64(struct reader *r);
struct uuid read_uuid(struct reader *r);
uint32_t read_uvarint(struct reader *r); /* LEB128, at most 5 bytes */
int32_t read_varint(struct reader *r);   /* zig-zag, at most 5 bytes */
int64_t read_varlong(struct reader *r);  /* zig-zag, at most 10 bytes */
/* Classic and compact strings and bytes; null gives BYTES_NULL. */
struct bytes read_string16(struct reader *r);
struct bytes read_bytes32(struct reader *r);
struct bytes read_compact(struct reader *r);

#endif
