#include "storage/journal_format.h"

#include "base/crc32c.h"
#include "protocol/record_batch.h"

enum {
    AT_MAGIC = 0,
    AT_LENGTH = 4,
    AT_CRC = 8,
    AT_SHARD = 12,
    AT_ENTRIES = 16,
    AT_FLAGS = 20,
    AT_RUN = 24,
    AT_SEQUENCE = 32,
    AT_LSN = 40,
    AT_DURABLE = 48,
    AT_CHECKPOINT = 56,
    AT_NEXT = 64,
    AT_BLOCKS = 72, /* 76-79: zeros */
};

/* The checksum field itself is left out. */
static uint32_t unit_crc(const uint8_t *data, size_t length)
{
    uint32_t crc = crc32c(0, data, AT_CRC);
    return crc32c(crc, data + AT_SHARD, length - AT_SHARD);
}

void journal_unit_seal(uint8_t *data, const struct journal_unit *unit)
{
    ASSERT(unit->length >= JOURNAL_HEADER_SIZE && journal_unit_size(unit) <= JOURNAL_UNIT_MAX);
    ASSERT(unit->durable <= unit->lsn && unit->checkpoint <= unit->durable);
    memset(data, 0, JOURNAL_HEADER_SIZE);
    memset(data + unit->length, 0, journal_padded(unit->length) - unit->length);
    store_be32(data + AT_MAGIC, JOURNAL_MAGIC);
    store_be32(data + AT_LENGTH, unit->length);
    store_be32(data + AT_SHARD, unit->shard);
    store_be32(data + AT_ENTRIES, unit->entries);
    store_be32(data + AT_FLAGS, unit->flags);
    store_be64(data + AT_RUN, unit->run);
    store_be64(data + AT_SEQUENCE, unit->sequence);
    store_be64(data + AT_LSN, unit->lsn);
    store_be64(data + AT_DURABLE, unit->durable);
    store_be64(data + AT_CHECKPOINT, unit->checkpoint);
    store_be64(data + AT_NEXT, unit->next);
    store_be32(data + AT_BLOCKS, unit->blocks);
    store_be32(data + AT_CRC, unit_crc(data, unit->length));
}

bool journal_unit_read(struct bytes b, struct journal_unit *out)
{
    if (b.size < JOURNAL_HEADER_SIZE || load_be32(b.data + AT_MAGIC) != JOURNAL_MAGIC)
        return false;
    *out = (struct journal_unit){
        .length = load_be32(b.data + AT_LENGTH),
        .shard = load_be32(b.data + AT_SHARD),
        .entries = load_be32(b.data + AT_ENTRIES),
        .flags = load_be32(b.data + AT_FLAGS),
        .run = load_be64(b.data + AT_RUN),
        .sequence = load_be64(b.data + AT_SEQUENCE),
        .lsn = load_be64(b.data + AT_LSN),
        .durable = load_be64(b.data + AT_DURABLE),
        .checkpoint = load_be64(b.data + AT_CHECKPOINT),
        .next = load_be64(b.data + AT_NEXT),
        .blocks = load_be32(b.data + AT_BLOCKS),
    };
    return out->length >= JOURNAL_HEADER_SIZE && out->length <= JOURNAL_UNIT_MAX &&
           journal_unit_size(out) <= JOURNAL_UNIT_MAX;
}

int journal_unit_version(struct bytes b, size_t *length, uint64_t *run)
{
    uint32_t magic = b.size < JOURNAL_HEADER_SIZE ? 0 : load_be32(b.data + AT_MAGIC);
    uint32_t first = JOURNAL_MAGIC - JOURNAL_VERSION;
    if (magic <= first || magic > first + 9)
        return 0;
    *length = load_be32(b.data + AT_LENGTH);
    if (*length < JOURNAL_HEADER_SIZE || *length > JOURNAL_UNIT_MAX)
        *length = 0;
    *run = load_be64(b.data + AT_RUN);
    return (int)(magic - first);
}

bool journal_unit_checksum_is_right(struct bytes b)
{
    return b.size >= JOURNAL_HEADER_SIZE && load_be32(b.data + AT_CRC) == unit_crc(b.data, b.size);
}

struct reader journal_unit_parts(struct bytes unit)
{
    size_t length = load_be32(unit.data + AT_LENGTH);
    return reader_of(bytes_of(unit.data + JOURNAL_HEADER_SIZE, length - JOURNAL_HEADER_SIZE));
}

static struct bytes blocks_of(struct bytes unit, const struct journal_part *part)
{
    size_t at =
        journal_padded(load_be32(unit.data + AT_LENGTH)) + (size_t)part->first_block * IO_ALIGNMENT;
    size_t size = (size_t)part->blocks * IO_ALIGNMENT;
    ASSERT(at <= unit.size && size <= unit.size - at);
    return bytes_of(unit.data + at, size);
}

static bool batch_is_whole(struct bytes unit, uint32_t blocks, const struct journal_part *part)
{
    if (part->first_block > blocks || part->blocks > blocks - part->first_block)
        return false;
    struct bytes inside = blocks_of(unit, part);
    struct batch_header header;
    if (!batch_header_read(part->bytes, &header))
        return false;
    uint32_t crc = crc32c(0, part->bytes.data + BATCH_CRC_FROM, part->bytes.size - BATCH_CRC_FROM);
    crc = crc32c(crc, inside.data, inside.size);
    return header.crc == crc32c(crc, part->tail.data, part->tail.size);
}

bool journal_unit_is_whole(struct bytes unit)
{
    struct journal_unit header;
    if (!journal_unit_read(unit, &header) || unit.size < journal_unit_size(&header) ||
        load_be32(unit.data + AT_CRC) != unit_crc(unit.data, header.length))
        return false;
    struct reader r = journal_unit_parts(unit);
    struct journal_part part;
    while (journal_part_next(&r, &part)) {
        if (part.blocks > 0 && !batch_is_whole(unit, header.blocks, &part))
            return false;
    }
    return true; /* a malformed part was sealed like this: the reader of the parts reports it */
}

struct shared_buffer *journal_batch_join(struct bytes unit, const struct journal_part *part)
{
    struct bytes inside = blocks_of(unit, part);
    struct shared_buffer *batch =
        shared_buffer_create(part->bytes.size + inside.size + part->tail.size);
    if (batch == NULL)
        return NULL;
    uint8_t *at = batch->data;
    memcpy(at, part->bytes.data, part->bytes.size);
    memcpy(at + part->bytes.size, inside.data, inside.size);
    memcpy(at + part->bytes.size + inside.size, part->tail.data, part->tail.size);
    return batch;
}

/* The fields that follow the kind, in this order. */
enum part_field {
    PART_LOG = 1,     /* topic id (16 bytes), partition (uvarint) */
    PART_OFFSET = 2,  /* zig-zag varlong */
    PART_FLAGS = 4,   /* uvarint, see part_flags */
    PART_KEY = 8,     /* size (uvarint), bytes */
    PART_BYTES = 16,  /* size (uvarint), bytes */
    PART_BLOCKS = 32, /* with HAS_BLOCKS: first block, blocks (uvarint), size of the tail, tail */
};

enum part_flags {
    STARTS_SEGMENT = 1,
    HAS_BLOCKS = 2,
};

static const uint8_t part_fields[JOURNAL_PART_KINDS] = {
    [JOURNAL_BATCH] = PART_LOG | PART_OFFSET | PART_FLAGS | PART_BYTES | PART_BLOCKS,
    [JOURNAL_PUT] = PART_KEY | PART_BYTES,
    [JOURNAL_DELETE] = PART_KEY,
    [JOURNAL_LOG_START] = PART_LOG | PART_OFFSET,
    [JOURNAL_LOG_REMOVED] = PART_LOG,
};

static uint8_t *write_leb128(uint8_t *at, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *at++ = (uint8_t)(v | 0x80);
    *at++ = (uint8_t)v;
    return at;
}

static uint8_t *write_view(uint8_t *at, struct bytes b)
{
    at = write_leb128(at, b.size);
    if (b.size > 0)
        memcpy(at, b.data, b.size);
    return at + b.size;
}

static struct bytes read_view(struct reader *r)
{
    size_t size = read_uvarint(r);
    const uint8_t *data = read_raw(r, size);
    return data ? bytes_of(data, size) : BYTES_NULL;
}

uint8_t *journal_part_write(uint8_t *at, const struct journal_part *part)
{
    ASSERT(part->kind > 0 && part->kind < JOURNAL_PART_KINDS);
    uint8_t fields = part_fields[part->kind];
    *at++ = (uint8_t)part->kind;
    if (fields & PART_LOG) {
        memcpy(at, part->topic_id.bytes, sizeof part->topic_id.bytes);
        at = write_leb128(at + sizeof part->topic_id.bytes, (uint32_t)part->partition);
    }
    if (fields & PART_OFFSET)
        at = write_leb128(at, (uint64_t)part->offset << 1 ^ (uint64_t)(part->offset >> 63));
    if (fields & PART_FLAGS)
        at = write_leb128(at, (part->starts_segment ? STARTS_SEGMENT : 0) |
                                  (part->blocks > 0 ? HAS_BLOCKS : 0));
    if (fields & PART_KEY)
        at = write_view(at, part->key);
    if (fields & PART_BYTES)
        at = write_view(at, part->bytes);
    if ((fields & PART_BLOCKS) && part->blocks > 0) {
        at = write_leb128(at, part->first_block);
        at = write_leb128(at, part->blocks);
        at = write_view(at, part->tail);
    }
    return at;
}

bool journal_part_next(struct reader *r, struct journal_part *out)
{
    if (r->failed || reader_left(r) == 0)
        return false;
    uint8_t kind = (uint8_t)read_i8(r);
    if (kind == 0 || kind >= JOURNAL_PART_KINDS) {
        r->failed = true;
        return false;
    }
    uint8_t fields = part_fields[kind];
    uint32_t flags = 0;
    *out = (struct journal_part){.kind = kind};
    if (fields & PART_LOG) {
        out->topic_id = read_uuid(r);
        out->partition = (int32_t)read_uvarint(r);
        r->failed |= out->partition < 0;
    }
    if (fields & PART_OFFSET)
        out->offset = read_varlong(r);
    if (fields & PART_FLAGS)
        flags = read_uvarint(r);
    out->starts_segment = flags & STARTS_SEGMENT;
    if (fields & PART_KEY)
        out->key = read_view(r);
    if (fields & PART_BYTES)
        out->bytes = read_view(r);
    if ((fields & PART_BLOCKS) && (flags & HAS_BLOCKS)) {
        out->first_block = read_uvarint(r);
        out->blocks = read_uvarint(r);
        out->tail = read_view(r);
    }
    return !r->failed;
}
