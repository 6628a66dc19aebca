#include "protocol/record_batch.h"

#include "base/crc32c.h"
#include "protocol/record_wire.h"

enum {
    AT_LENGTH = 8,
    AT_LEADER_EPOCH = 12,
    AT_MAGIC = 16,
    AT_CRC = 17,
    AT_ATTRIBUTES = 21, /* the checksum covers everything from here to the end */
    AT_LAST_OFFSET_DELTA = 23,
    AT_BASE_TIMESTAMP = 27,
    AT_MAX_TIMESTAMP = 35,
    AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51,
    AT_BASE_SEQUENCE = 53,
    AT_RECORD_COUNT = 57,
};

bool batch_header_read(struct bytes b, struct batch_header *out)
{
    if (b.size < BATCH_HEADER_SIZE)
        return false;
    const uint8_t *p = b.data;
    *out = (struct batch_header){
        .base_offset = (int64_t)load_be64(p),
        .batch_length = (int32_t)load_be32(p + AT_LENGTH),
        .leader_epoch = (int32_t)load_be32(p + AT_LEADER_EPOCH),
        .magic = (int8_t)p[AT_MAGIC],
        .crc = load_be32(p + AT_CRC),
        .attributes = (int16_t)load_be16(p + AT_ATTRIBUTES),
        .last_offset_delta = (int32_t)load_be32(p + AT_LAST_OFFSET_DELTA),
        .base_timestamp = (int64_t)load_be64(p + AT_BASE_TIMESTAMP),
        .max_timestamp = (int64_t)load_be64(p + AT_MAX_TIMESTAMP),
        .producer_id = (int64_t)load_be64(p + AT_PRODUCER_ID),
        .producer_epoch = (int16_t)load_be16(p + AT_PRODUCER_EPOCH),
        .base_sequence = (int32_t)load_be32(p + AT_BASE_SEQUENCE),
        .record_count = (int32_t)load_be32(p + AT_RECORD_COUNT),
    };
    return true;
}

size_t batch_size(struct bytes b)
{
    if (b.size < BATCH_OVERHEAD)
        return 0;
    int32_t length = (int32_t)load_be32(b.data + AT_LENGTH);
    return length < BATCH_HEADER_SIZE - BATCH_OVERHEAD ? 0 : (size_t)length + BATCH_OVERHEAD;
}

static uint32_t batch_crc(const uint8_t *batch, size_t size)
{
    return crc32c(0, batch + AT_ATTRIBUTES, size - AT_ATTRIBUTES);
}

bool batch_crc_is_right(struct bytes batch)
{
    size_t size = batch_size(batch);
    return size > 0 && size <= batch.size &&
           load_be32(batch.data + AT_CRC) == batch_crc(batch.data, size);
}

void batch_stamp(uint8_t *batch, int64_t base_offset, int32_t leader_epoch)
{
    store_be64(batch, (uint64_t)base_offset);
    store_be32(batch + AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

static void renew_crc(uint8_t *batch)
{
    size_t size = (size_t)load_be32(batch + AT_LENGTH) + BATCH_OVERHEAD;
    ASSERT(size >= BATCH_HEADER_SIZE);
    store_be32(batch + AT_CRC, batch_crc(batch, size));
}

void batch_stamp_append_time(uint8_t *batch, int64_t now_ms)
{
    uint16_t attributes = load_be16(batch + AT_ATTRIBUTES);
    store_be16(batch + AT_ATTRIBUTES, (uint16_t)(attributes | BATCH_LOG_APPEND_TIME));
    store_be64(batch + AT_MAX_TIMESTAMP, (uint64_t)now_ms);
    renew_crc(batch);
}

void batch_stamp_max_timestamp(uint8_t *batch, int64_t max_timestamp)
{
    store_be64(batch + AT_MAX_TIMESTAMP, (uint64_t)max_timestamp);
    renew_crc(batch);
}

struct wire_number wire_number_long(const uint8_t *at, const uint8_t *end, unsigned bits)
{
    uint64_t raw = 0;
    for (unsigned shift = 0; shift < bits && at < end; shift += 7) {
        uint64_t part = *at & 0x7f;
        if (bits - shift < 7 && part >> (bits - shift) != 0)
            break;
        raw |= part << shift;
        if (*at++ < 0x80)
            return (struct wire_number){raw, at};
    }
    return (struct wire_number){0, NULL};
}

enum error records_open(struct bytes batch, struct arena *arena, size_t max_uncompressed,
                        struct record_iterator *out)
{
    *out = (struct record_iterator){.failed = true};
    size_t size = batch_size(batch);
    if (size == 0 || size > batch.size || !batch_header_read(batch, &out->header) ||
        out->header.magic != BATCH_MAGIC || out->header.record_count < 0)
        return ERR_CORRUPT;
    struct bytes records = bytes_of(batch.data + BATCH_HEADER_SIZE, size - BATCH_HEADER_SIZE);
    int codec = out->header.attributes & BATCH_CODEC_MASK;
    if (codec >= CODEC_COUNT)
        return ERR_UNSUPPORTED;
    if (codec != CODEC_NONE && out->header.record_count > 0) {
        enum error e =
            codec_decompress((enum codec)codec, records, max_uncompressed, arena, &records);
        if (e != ERR_OK)
            return e;
    }
    out->at = records.data;
    out->end = records.data + records.size;
    out->left = out->header.record_count;
    out->failed = false;
    return ERR_OK;
}

bool records_next(struct record_iterator *i, struct record *out)
{
    if (i->failed || i->left == 0)
        return false;
    struct wire_record wire;
    const uint8_t *behind = wire_record_read(i->at, i->end, &wire);
    const struct batch_header *h = &i->header;
    if (behind == NULL || wire.offset_delta < 0 || wire.offset_delta > h->last_offset_delta ||
        __builtin_add_overflow(h->base_timestamp, wire.timestamp_delta, &out->timestamp)) {
        i->failed = true;
        return false;
    }
    if (h->attributes & BATCH_LOG_APPEND_TIME)
        out->timestamp = h->max_timestamp;
    out->offset = h->base_offset + wire.offset_delta;
    out->key = wire.key;
    out->value = wire.value;
    out->header_count = (int32_t)wire.header_count;
    out->headers = wire.headers;
    i->at = behind;
    i->left--;
    return true;
}

bool record_header_next(const struct record *r, size_t *at, struct record_header *out)
{
    if (*at >= r->headers.size)
        return false;
    const uint8_t *end = r->headers.data + r->headers.size;
    const uint8_t *behind = wire_header_read(r->headers.data + *at, end, &out->key, &out->value);
    if (behind == NULL)
        return false;
    *at = (size_t)(behind - r->headers.data);
    return true;
}

bool record_header_find(const struct record *r, struct bytes name, struct record_header *out)
{
    struct record_header header;
    bool found = false;
    for (size_t at = 0; record_header_next(r, &at, &header);) {
        if (bytes_equal(header.key, name)) {
            *out = header;
            found = true;
        }
    }
    return found;
}
