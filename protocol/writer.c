#include "protocol/writer.h"

#include <stdlib.h>

void writer_init(struct writer *w, struct buffer *out)
{
    *w = (struct writer){.out = out};
}

void writer_free(struct writer *w)
{
    free(w->splices);
    writer_init(w, w->out);
}

struct splice *writer_take_splices(struct writer *w, size_t *count)
{
    struct splice *taken = w->splices;
    *count = w->splice_count;
    writer_init(w, w->out);
    return taken;
}

void write_i8(struct writer *w, int8_t v)
{
    buffer_append_u8(w->out, (uint8_t)v);
}

void write_i16(struct writer *w, int16_t v)
{
    buffer_append_be16(w->out, (uint16_t)v);
}

void write_i32(struct writer *w, int32_t v)
{
    buffer_append_be32(w->out, (uint32_t)v);
}

void write_i64(struct writer *w, int64_t v)
{
    buffer_append_be64(w->out, (uint64_t)v);
}

void write_f64(struct writer *w, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    buffer_append_be64(w->out, bits);
}

void write_uuid(struct writer *w, struct uuid v)
{
    buffer_append(w->out, v.bytes, sizeof v.bytes);
}

static void write_leb128(struct writer *w, uint64_t v)
{
    uint8_t bytes[10];
    size_t size = 0;
    while (v >= 0x80) {
        bytes[size++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    bytes[size++] = (uint8_t)v;
    buffer_append(w->out, bytes, size);
}

void write_uvarint(struct writer *w, uint32_t v)
{
    write_leb128(w, v);
}

void write_varint(struct writer *w, int32_t v)
{
    write_leb128(w, (uint32_t)v << 1 ^ (uint32_t)(v >> 31));
}

void write_varlong(struct writer *w, int64_t v)
{
    write_leb128(w, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

void write_string16(struct writer *w, struct bytes b)
{
    ASSERT(b.size <= INT16_MAX);
    write_i16(w, bytes_is_null(b) ? -1 : (int16_t)b.size);
    buffer_append_bytes(w->out, b);
}

void write_bytes32(struct writer *w, struct bytes b)
{
    ASSERT(b.size <= INT32_MAX);
    write_i32(w, bytes_is_null(b) ? -1 : (int32_t)b.size);
    buffer_append_bytes(w->out, b);
}

void write_compact(struct writer *w, struct bytes b)
{
    ASSERT(b.size <= INT32_MAX);
    write_uvarint(w, bytes_is_null(b) ? 0 : (uint32_t)b.size + 1);
    buffer_append_bytes(w->out, b);
}

void write_splice(struct writer *w, void *slice, size_t size)
{
    if (w->splice_count == w->splice_capacity) {
        w->splice_capacity = MAX(w->splice_capacity * 2, (size_t)8);
        w->splices = xrealloc(w->splices, w->splice_capacity * sizeof *w->splices);
    }
    w->splices[w->splice_count++] = (struct splice){w->out->size, slice, size};
    w->spliced_bytes += size;
}
