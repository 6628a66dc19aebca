/* Writes the wire into a buffer. Parts that are not copied (ranges of a log) are noted as splices:
 * the socket gets the buffer with the splices at their positions. The size of the message counts
 * them. */
#ifndef PROTOCOL_WRITER_H
#define PROTOCOL_WRITER_H

#include "base/buffer.h"
#include "protocol/reader.h"

/* The content of a records field of a response. `slice` is opaque here (in the broker it is a
 * struct log_slice), and `slice_size` is its length on the wire. If slice is NULL, `bytes` is
 * written; null bytes without a slice are null on the wire. */
struct records {
    struct bytes bytes;
    void *slice;
    size_t slice_size;
};

struct splice {
    size_t position; /* in the buffer: the splice's bytes go before the byte at this position */
    void *slice;
    size_t size;
};

struct writer {
    struct buffer *out;
    struct splice *splices; /* owned by the writer until writer_take_splices */
    size_t splice_count, splice_capacity, spliced_bytes;
};

void writer_init(struct writer *w, struct buffer *out);
void writer_free(struct writer *w); /* frees the array of splices, not the buffer */
/* Hands the array of splices to the caller, who frees it. NULL if there are none. */
struct splice *writer_take_splices(struct writer *w, size_t *count);
/* The size on the wire: the buffer's bytes and those of the splices. */
static inline size_t writer_size(const struct writer *w)
{
    return w->out->size + w->spliced_bytes;
}

void write_i8(struct writer *w, int8_t v);
void write_i16(struct writer *w, int16_t v);
void write_i32(struct writer *w, int32_t v);
void write_i64(struct writer *w, int64_t v);
void write_f64(struct writer *w, double v);
void write_uuid(struct writer *w, struct uuid v);
void write_uvarint(struct writer *w, uint32_t v);
void write_varint(struct writer *w, int32_t v);
void write_varlong(struct writer *w, int64_t v);
/* Null is allowed. The size must fit the length's type: at most INT16_MAX, INT32_MAX. */
void write_string16(struct writer *w, struct bytes b);
void write_bytes32(struct writer *w, struct bytes b);
void write_compact(struct writer *w, struct bytes b);
/* The caller writes the length before it. The slice's owner stays the same. */
void write_splice(struct writer *w, void *slice, size_t size);

#endif
