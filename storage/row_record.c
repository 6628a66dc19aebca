#include "storage/row_record.h"

#include "base/crc32c.h"

enum { AT_MAGIC = 0, AT_SIZE = 4, AT_CHECKSUM = 8, AT_KIND = 12, AT_COMMIT = 16, AT_CHAIN = 24 };

static const uint32_t MAGIC = 0x544d5231; /* TMR1 */
static const uint32_t NO_VALUE = UINT32_MAX;

void row_record_begin(struct buffer *out, enum row_record_kind kind, uint64_t commit,
                      uint32_t chain)
{
    buffer_append_be32(out, MAGIC);
    buffer_append_be32(out, 0);
    buffer_append_be32(out, 0);
    buffer_append_be32(out, kind);
    buffer_append_be64(out, commit);
    buffer_append_be32(out, chain);
}

void row_record_add(struct buffer *out, struct bytes key, struct bytes value)
{
    buffer_append_be32(out, (uint32_t)key.size);
    buffer_append_be32(out, bytes_is_null(value) ? NO_VALUE : (uint32_t)value.size);
    buffer_append_bytes(out, key);
    buffer_append_bytes(out, value);
}

static uint32_t checksum_of(const uint8_t *record, size_t size)
{
    uint32_t crc = crc32c(0, record, AT_CHECKSUM);
    return crc32c(crc, record + AT_KIND, size - AT_KIND);
}

uint32_t row_record_end(struct buffer *out, size_t start)
{
    if (out->overflowed)
        return 0;
    uint8_t *record = out->data + start;
    size_t size = out->size - start;
    store_be32(record + AT_SIZE, (uint32_t)size);
    uint32_t checksum = checksum_of(record, size);
    store_be32(record + AT_CHECKSUM, checksum);
    return checksum;
}

size_t row_record_size(const uint8_t header[ROW_RECORD_HEADER_SIZE])
{
    size_t size = load_be32(header + AT_SIZE);
    bool possible = load_be32(header + AT_MAGIC) == MAGIC && size >= ROW_RECORD_HEADER_SIZE &&
                    size <= ROW_RECORD_SIZE_MAX;
    return possible ? size : 0;
}

bool row_record_decode(struct bytes data, struct row_record *out)
{
    size_t size = data.size < ROW_RECORD_HEADER_SIZE ? 0 : row_record_size(data.data);
    if (size == 0 || size > data.size)
        return false;
    const uint8_t *p = data.data;
    uint32_t checksum = checksum_of(p, size), kind = load_be32(p + AT_KIND);
    if (checksum != load_be32(p + AT_CHECKSUM) || kind < ROW_RECORD_BEGIN ||
        kind > ROW_RECORD_CHANGES)
        return false;
    *out = (struct row_record){
        .kind = (enum row_record_kind)kind,
        .commit = load_be64(p + AT_COMMIT),
        .chain = load_be32(p + AT_CHAIN),
        .checksum = checksum,
        .size = size,
        .payload = bytes_of(p + ROW_RECORD_HEADER_SIZE, size - ROW_RECORD_HEADER_SIZE)};
    return true;
}

bool row_record_next_pair(struct reader *r, struct kv_change *out)
{
    if (r->failed || reader_left(r) == 0)
        return false;
    uint32_t key_size = (uint32_t)read_i32(r), value_size = (uint32_t)read_i32(r);
    out->key = bytes_of(read_raw(r, key_size), key_size);
    out->value = BYTES_NULL;
    if (value_size != NO_VALUE)
        out->value = bytes_of(read_raw(r, value_size), value_size);
    return !r->failed;
}
