#include "base/crc32c.h"
#include "protocol/record_batch.h"

static uint8_t *put_varlong(uint8_t *at, int64_t v)
{
    uint64_t raw = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
    for (; raw >= 0x80; raw >>= 7)
        *at++ = (uint8_t)(raw | 0x80);
    *at++ = (uint8_t)raw;
    return at;
}

static size_t varlong_size(int64_t v)
{
    uint64_t raw = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
    return (size_t)(63 - __builtin_clzll(raw | 1)) / 7 + 1;
}

static int64_t field_length(struct bytes b)
{
    return bytes_is_null(b) ? -1 : (int64_t)b.size;
}

static uint8_t *put_field(uint8_t *at, struct bytes b)
{
    at = put_varlong(at, field_length(b));
    if (b.size > 0)
        memcpy(at, b.data, b.size);
    return at + b.size;
}

static size_t field_size(struct bytes b)
{
    return varlong_size(field_length(b)) + b.size;
}

void batch_builder_init(struct batch_builder *b, struct buffer *out, enum codec codec)
{
    *b = (struct batch_builder){
        .out = out,
        .start = out->size,
        .codec = codec,
        .level = -1,
        .base_timestamp = -1,
        .max_timestamp = -1,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1,
        .last_offset_delta = -1,
    };
    /* Compression may make the records fit, so only the format bounds their buffer. */
    buffer_init(&b->records, codec == CODEC_NONE ? out->max : (size_t)INT32_MAX);
}

void batch_builder_add_at(struct batch_builder *b, int32_t offset_delta, int64_t timestamp,
                          struct bytes key, struct bytes value, struct bytes headers,
                          int32_t header_count)
{
    if (b->count == 0) {
        b->max_timestamp = timestamp;
        if ((b->attributes & BATCH_DELETE_HORIZON) == 0)
            b->base_timestamp = timestamp;
    }
    int64_t delta;
    b->overflowed |= __builtin_sub_overflow(timestamp, b->base_timestamp, &delta);
    size_t body = 1 + varlong_size(delta) + varlong_size(offset_delta) + field_size(key) +
                  field_size(value) + varlong_size(header_count) + headers.size;
    uint8_t *at = buffer_extend(&b->records, varlong_size((int64_t)body) + body);
    if (at == NULL)
        return;
    at = put_varlong(at, (int64_t)body);
    *at++ = 0;
    at = put_varlong(at, delta);
    at = put_varlong(at, offset_delta);
    at = put_field(at, key);
    at = put_field(at, value);
    at = put_varlong(at, header_count);
    if (headers.size > 0)
        memcpy(at, headers.data, headers.size);
    b->max_timestamp = MAX(b->max_timestamp, timestamp);
    b->count++;
}

void batch_builder_add(struct batch_builder *b, int64_t timestamp, struct bytes key,
                       struct bytes value, struct bytes headers, int32_t header_count)
{
    batch_builder_add_at(b, b->count, timestamp, key, value, headers, header_count);
}

size_t batch_builder_size(const struct batch_builder *b)
{
    return BATCH_HEADER_SIZE + b->records.size;
}

static void write_header(const struct batch_builder *b, uint8_t *batch, size_t size)
{
    memset(batch, 0, BATCH_HEADER_SIZE);
    store_be32(batch + 8, (uint32_t)(size - BATCH_OVERHEAD));
    store_be32(batch + 12, UINT32_MAX); /* no leader epoch */
    batch[16] = BATCH_MAGIC;
    store_be16(batch + 21, (uint16_t)(b->attributes | (int)b->codec));
    int32_t last = b->last_offset_delta >= 0 ? b->last_offset_delta : b->count - 1;
    store_be32(batch + 23, (uint32_t)last);
    store_be64(batch + 27, (uint64_t)b->base_timestamp);
    store_be64(batch + 35, (uint64_t)b->max_timestamp);
    store_be64(batch + 43, (uint64_t)b->producer_id);
    store_be16(batch + 51, (uint16_t)b->producer_epoch);
    store_be32(batch + 53, (uint32_t)b->base_sequence);
    store_be32(batch + 57, (uint32_t)b->count);
    store_be32(batch + 17, crc32c(0, batch + 21, size - 21));
}

struct bytes batch_builder_finish(struct batch_builder *b)
{
    struct buffer *out = b->out;
    b->start = out->size;
    struct bytes batch = BYTES_NULL;
    if (b->count == 0 || b->records.overflowed || b->overflowed) {
        out->overflowed |= b->records.overflowed;
    } else if (buffer_extend(out, BATCH_HEADER_SIZE) == NULL ||
               codec_compress(b->codec, b->level, buffer_view(&b->records), out) != ERR_OK ||
               out->size - b->start - BATCH_OVERHEAD > INT32_MAX) {
        out->size = b->start;
        out->overflowed = true;
    } else {
        write_header(b, out->data + b->start, out->size - b->start);
        batch = bytes_of(out->data + b->start, out->size - b->start);
    }
    batch_builder_free(b);
    return batch;
}

void batch_builder_free(struct batch_builder *b)
{
    buffer_free(&b->records);
}

void batch_write_empty(const struct batch_header *h, uint8_t out[BATCH_HEADER_SIZE])
{
    enum { KEPT = BATCH_LOG_APPEND_TIME | BATCH_TRANSACTIONAL | BATCH_CONTROL };
    struct batch_builder b = {.attributes = (int16_t)(h->attributes & KEPT),
                              .last_offset_delta = h->last_offset_delta,
                              .base_timestamp = -1,
                              .max_timestamp = h->max_timestamp,
                              .producer_id = h->producer_id,
                              .producer_epoch = h->producer_epoch,
                              .base_sequence = h->base_sequence};
    write_header(&b, out, BATCH_HEADER_SIZE);
    batch_stamp(out, h->base_offset, h->leader_epoch);
}

void record_headers_append(struct buffer *out, struct bytes key, struct bytes value)
{
    size_t size = field_size(key) + field_size(value);
    uint8_t *at = buffer_extend(out, size);
    if (at)
        put_field(put_field(at, key), value);
}
