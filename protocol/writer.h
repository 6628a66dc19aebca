/* Writes the wire into a buffer. Out-of-line parts (ranges of a log that are sent without being
 * copied) are noted as splices: the socket gets the buffer with the splices put in at their
 * positions. The size of the message counts them. */
#ifndef PROTOCOL_WRITER_H
#define PROTOCOL_WRITER_H

#include "base/buffer.h"
#include "protocol/reader.h"

/* What stands behind a records field of a response: `slice` is opaque here (the broker puts a
 * struct log_slice there) and `size` its length on the wire. When slice is NULL, `bytes` is
 * written. size < 0 or null bytes without a slice: null. */
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
void writer_free(struct writer *w); /* the array of splices; not the buffer */

void write_i8(struct writer *w, int8_t v);
void write_i16(struct writer *w, int16_t v);
void write_i32(struct writer *w, int32_t v);
void write_i64(struct writer *w, int64_t v);
void write_f64(struct writer *w, double v);
void write_uuid(struct writer *w, struct uuid v);
void write_uvarint(struct writer *w, uint32_t v);
void write_varint(struct writer *w, int32_t v);
void write_varlong(struct writer *w, int64_t v);
void write_string16(struct writer *w, struct bytes b); /* null allowed */
void write_bytes32(struct writer *w, struct bytes b);
void write_compact(struct writer *w, struct bytes b);
void write_splice(struct writer *w, void *slice, size_t size);

#endif
