/* One record in a batch, for the iterator and the validator. Every produced record goes through
 * this loop. So the common varints (one or two bytes) are read inline, and the position is passed
 * by value, which keeps it in a register. */
#ifndef PROTOCOL_RECORD_WIRE_H
#define PROTOCOL_RECORD_WIRE_H

#include "base/bytes.h"

struct wire_number {
    uint64_t raw;      /* before zig-zag */
    const uint8_t *at; /* after the number; NULL: malformed */
};

struct wire_number wire_number_long(const uint8_t *at, const uint8_t *end, unsigned bits);

static inline struct wire_number wire_number(const uint8_t *at, const uint8_t *end, unsigned bits)
{
    if (end - at >= 2) {
        if (at[0] < 0x80)
            return (struct wire_number){at[0], at + 1};
        if (at[1] < 0x80)
            return (struct wire_number){(at[0] & 0x7fu) | (unsigned)at[1] << 7, at + 2};
    }
    return wire_number_long(at, end, bits);
}

static inline int64_t wire_signed(struct wire_number n)
{
    return (int64_t)(n.raw >> 1 ^ (0 - (n.raw & 1)));
}

struct wire_record {
    int64_t timestamp_delta;
    int64_t offset_delta;
    struct bytes key, value; /* null allowed */
    int64_t header_count;
    struct bytes headers; /* everything after the header count; not checked yet */
};

/* Reads a nullable field after its length. Returns the position after it, or NULL if malformed. */
static inline const uint8_t *wire_field(const uint8_t *at, const uint8_t *end, struct bytes *out)
{
    struct wire_number n = wire_number(at, end, 32);
    if (n.at == NULL)
        return NULL;
    int64_t size = wire_signed(n);
    if (size < 0) {
        *out = BYTES_NULL;
        return size == -1 ? n.at : NULL;
    }
    if (size > end - n.at)
        return NULL;
    *out = bytes_of(n.at, (size_t)size);
    return n.at + size;
}

/* Reads the record at `at`. Returns the position after it, or NULL if its lengths do not add up. */
static inline const uint8_t *wire_record_read(const uint8_t *at, const uint8_t *end,
                                              struct wire_record *out)
{
    struct wire_number n = wire_number(at, end, 32);
    if (n.at == NULL)
        return NULL;
    int64_t size = wire_signed(n);
    if (size < 1 || size > end - n.at)
        return NULL;
    at = n.at;
    end = at + size;
    n = wire_number(at + 1, end, 64); /* after the attributes, which have no meaning yet */
    if (n.at == NULL)
        return NULL;
    out->timestamp_delta = wire_signed(n);
    n = wire_number(n.at, end, 32);
    if (n.at == NULL)
        return NULL;
    out->offset_delta = wire_signed(n);
    if ((at = wire_field(n.at, end, &out->key)) == NULL ||
        (at = wire_field(at, end, &out->value)) == NULL)
        return NULL;
    n = wire_number(at, end, 32);
    if (n.at == NULL)
        return NULL;
    out->header_count = wire_signed(n);
    out->headers = bytes_of(n.at, (size_t)(end - n.at));
    /* A header has at least two lengths. */
    if (out->header_count < 0 || out->header_count > (end - n.at) / 2)
        return NULL;
    return end;
}

/* Reads one header at `at`. Returns the position after it, or NULL if it is malformed or has no
 * name. */
static inline const uint8_t *wire_header_read(const uint8_t *at, const uint8_t *end,
                                              struct bytes *key, struct bytes *value)
{
    at = wire_field(at, end, key);
    return at && !bytes_is_null(*key) ? wire_field(at, end, value) : NULL;
}

#endif
