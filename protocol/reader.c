#include "protocol/reader.h"

const uint8_t *read_raw(struct reader *r, size_t size)
{
    if (r->failed || reader_left(r) < size) {
        r->failed = true;
        return NULL;
    }
    r->at += size;
    return r->at - size;
}

int8_t read_i8(struct reader *r)
{
    const uint8_t *p = read_raw(r, 1);
    return p ? (int8_t)*p : 0;
}

int16_t read_i16(struct reader *r)
{
    const uint8_t *p = read_raw(r, 2);
    return p ? (int16_t)load_be16(p) : 0;
}

int32_t read_i32(struct reader *r)
{
    const uint8_t *p = read_raw(r, 4);
    return p ? (int32_t)load_be32(p) : 0;
}

int64_t read_i64(struct reader *r)
{
    const uint8_t *p = read_raw(r, 8);
    return p ? (int64_t)load_be64(p) : 0;
}

double read_f64(struct reader *r)
{
    int64_t bits = read_i64(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

struct uuid read_uuid(struct reader *r)
{
    struct uuid v = {{0}};
    const uint8_t *p = read_raw(r, sizeof v.bytes);
    if (p)
        memcpy(v.bytes, p, sizeof v.bytes);
    return v;
}

/* Seven bits per byte, low ones first, at most `bits` in total. A longer encoding is refused, not
 * cut. */
static uint64_t read_leb128(struct reader *r, unsigned bits)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        const uint8_t *p = read_raw(r, 1);
        if (p == NULL)
            return 0;
        uint64_t part = *p & 0x7f;
        if (bits - shift < 7 && part >> (bits - shift) != 0)
            break;
        value |= part << shift;
        if ((*p & 0x80) == 0)
            return value;
    }
    r->failed = true;
    return 0;
}

uint32_t read_uvarint(struct reader *r)
{
    return (uint32_t)read_leb128(r, 32);
}

int32_t read_varint(struct reader *r)
{
    uint32_t v = read_uvarint(r);
    return (int32_t)(v >> 1 ^ (0 - (v & 1)));
}

int64_t read_varlong(struct reader *r)
{
    uint64_t v = read_leb128(r, 64);
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

/* A length of -1 means null; a lower one is an error. */
static struct bytes read_sized(struct reader *r, int64_t size)
{
    if (r->failed || size == -1)
        return BYTES_NULL;
    if (size < 0) {
        r->failed = true;
        return BYTES_NULL;
    }
    const uint8_t *p = read_raw(r, (size_t)size);
    return p ? bytes_of(p, (size_t)size) : BYTES_NULL;
}

struct bytes read_string16(struct reader *r)
{
    return read_sized(r, read_i16(r));
}

struct bytes read_bytes32(struct reader *r)
{
    return read_sized(r, read_i32(r));
}

struct bytes read_compact(struct reader *r)
{
    return read_sized(r, (int64_t)read_uvarint(r) - 1);
}
