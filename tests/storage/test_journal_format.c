#include "base/crc32c.h"
#include "protocol/record_batch.h"
#include "storage/journal_format.h"
#include "tests/harness/harness.h"

#include <stdlib.h>

static const struct journal_unit example = {.shard = 3,
                                            .entries = 2,
                                            .flags = JOURNAL_CLOSED,
                                            .run = 0x1122334455667788,
                                            .sequence = 9,
                                            .lsn = 40960,
                                            .durable = 36864,
                                            .checkpoint = 4096,
                                            .next = 10};

/* A sealed unit whose content is `size` bytes of 'x'. The caller frees it. */
static uint8_t *make_unit(size_t size, struct journal_unit *unit)
{
    *unit = example;
    unit->length = (uint32_t)(JOURNAL_HEADER_SIZE + size);
    size_t padded = journal_padded(unit->length);
    uint8_t *data = aligned_alloc(IO_ALIGNMENT, padded);
    memset(data, 'x', padded);
    journal_unit_seal(data, unit);
    return data;
}

TEST(a_header_is_read_as_it_was_sealed)
{
    struct journal_unit unit, read;
    uint8_t *data = make_unit(5000, &unit);
    EXPECT(journal_unit_read(bytes_of(data, JOURNAL_HEADER_SIZE), &read));
    EXPECT_BYTES(bytes_of(&read, sizeof read), bytes_of(&unit, sizeof unit));
    EXPECT(journal_unit_is_whole(bytes_of(data, journal_unit_size(&unit))));
    EXPECT_INT(data[unit.length], 0); /* padding */
    EXPECT_INT(data[journal_padded(unit.length) - 1], 0);
    free(data);
}

TEST(zeros_are_not_a_unit)
{
    uint8_t zeros[4096] = {0};
    struct journal_unit unit;
    EXPECT(!journal_unit_read(bytes_of(zeros, sizeof zeros), &unit));
}

TEST(every_flipped_bit_is_detected)
{
    struct journal_unit unit, read;
    uint8_t *data = make_unit(300, &unit);
    for (size_t bit = 0; bit < 8 * (size_t)unit.length; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bool accepted = journal_unit_read(bytes_of(data, unit.length), &read) &&
                        read.length == unit.length &&
                        journal_unit_is_whole(bytes_of(data, journal_unit_size(&unit)));
        EXPECT(!accepted);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(data);
}

TEST(an_impossible_length_is_refused)
{
    struct journal_unit unit;
    uint8_t *data = make_unit(100, &unit);
    store_be32(data + 4, JOURNAL_HEADER_SIZE - 1);
    EXPECT(!journal_unit_read(bytes_of(data, 4096), &unit));
    store_be32(data + 4, (uint32_t)(JOURNAL_UNIT_MAX + 1));
    EXPECT(!journal_unit_read(bytes_of(data, 4096), &unit));
    EXPECT(!journal_unit_read(bytes_of(data, JOURNAL_HEADER_SIZE - 1), &unit));
    free(data);
}

static const struct journal_part parts[] = {
    {.kind = JOURNAL_BATCH,
     .topic_id = {{1, 2, 3}},
     .partition = 300,
     .offset = INT64_MAX,
     .starts_segment = true,
     .bytes = {(const uint8_t *)"batch", 5}},
    {.kind = JOURNAL_BATCH,
     .partition = INT32_MAX,
     .offset = INT64_MIN,
     .bytes = {(const uint8_t *)"begin", 5},
     .first_block = UINT32_MAX,
     .blocks = UINT32_MAX,
     .tail = {(const uint8_t *)"end", 3}},
    {.kind = JOURNAL_PUT, .key = {(const uint8_t *)"k", 1}, .bytes = {(const uint8_t *)"", 0}},
    {.kind = JOURNAL_DELETE, .key = {(const uint8_t *)"key", 3}},
    {.kind = JOURNAL_LOG_START, .topic_id = {{9}}, .partition = 0, .offset = 77},
    {.kind = JOURNAL_LOG_REMOVED, .topic_id = {{9}}, .partition = INT32_MAX},
    {.kind = JOURNAL_ENTRY_END},
};

static size_t write_parts(uint8_t *out)
{
    uint8_t *at = out;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        uint8_t *end = journal_part_write(at, &parts[i]);
        EXPECT(end - at <= (ptrdiff_t)(JOURNAL_PART_OVERHEAD + parts[i].key.size +
                                       parts[i].bytes.size + parts[i].tail.size));
        at = end;
    }
    return (size_t)(at - out);
}

TEST(parts_are_read_as_they_were_written)
{
    uint8_t data[1024];
    struct reader r = reader_of(bytes_of(data, write_parts(data)));
    struct journal_part part;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        EXPECT(journal_part_next(&r, &part));
        EXPECT_INT(part.kind, parts[i].kind);
        EXPECT(memcmp(&part.topic_id, &parts[i].topic_id, sizeof part.topic_id) == 0);
        EXPECT_INT(part.partition, parts[i].partition);
        EXPECT_INT(part.offset, parts[i].offset);
        EXPECT_INT(part.starts_segment, parts[i].starts_segment);
        EXPECT_BYTES(part.key, parts[i].key);
        EXPECT_BYTES(part.bytes, parts[i].bytes);
        EXPECT_INT(part.first_block, parts[i].first_block);
        EXPECT_INT(part.blocks, parts[i].blocks);
        EXPECT_BYTES(part.tail, parts[i].tail);
    }
    EXPECT(!journal_part_next(&r, &part) && !r.failed);
}

/* A unit of two batches with blocks, as in a file. */
struct block_unit {
    struct journal_unit unit;
    struct bytes whole;
    uint8_t *data;
    struct bytes batches[2];
};

/* A batch with `size` bytes of unreadable records and a right checksum. */
static struct bytes make_batch(size_t size, uint8_t fill)
{
    uint8_t *at = malloc(size);
    memset(at, fill, size);
    memset(at, 0, BATCH_HEADER_SIZE);
    store_be32(at + 8, (uint32_t)(size - BATCH_OVERHEAD));
    store_be32(at + 17, crc32c(0, at + BATCH_CRC_FROM, size - BATCH_CRC_FROM));
    return bytes_of(at, size);
}

static struct block_unit make_block_unit(void)
{
    struct block_unit b = {.unit = example, .batches = {make_batch(9000, 1), make_batch(13000, 2)}};
    static const uint32_t blocks[] = {2, 3};
    uint8_t parts_data[8192], *end = parts_data;
    for (int i = 0; i < 2; i++) {
        size_t head = 100, inside = blocks[i] * (size_t)IO_ALIGNMENT;
        struct journal_part part = {
            .kind = JOURNAL_BATCH,
            .bytes = {b.batches[i].data, head},
            .first_block = b.unit.blocks,
            .blocks = blocks[i],
            .tail = {b.batches[i].data + head + inside, b.batches[i].size - head - inside}};
        end = journal_part_write(end, &part);
        b.unit.blocks += blocks[i];
    }
    b.unit.length = (uint32_t)(JOURNAL_HEADER_SIZE + (end - parts_data));
    b.data = aligned_alloc(IO_ALIGNMENT, journal_unit_size(&b.unit));
    memcpy(b.data + JOURNAL_HEADER_SIZE, parts_data, (size_t)(end - parts_data));
    journal_unit_seal(b.data, &b.unit);
    uint8_t *at = b.data + journal_padded(b.unit.length);
    for (int i = 0; i < 2; i++) {
        memcpy(at, b.batches[i].data + 100, blocks[i] * (size_t)IO_ALIGNMENT);
        at += blocks[i] * (size_t)IO_ALIGNMENT;
    }
    b.whole = bytes_of(b.data, journal_unit_size(&b.unit));
    return b;
}

static void free_block_unit(struct block_unit *b)
{
    free(b->data);
    for (int i = 0; i < 2; i++)
        free((void *)(uintptr_t)b->batches[i].data);
}

TEST(batches_with_blocks_are_joined_again)
{
    struct block_unit b = make_block_unit();
    EXPECT(journal_unit_is_whole(b.whole));
    struct reader r = journal_unit_parts(b.whole);
    struct journal_part part;
    for (int i = 0; i < 2; i++) {
        EXPECT(journal_part_next(&r, &part));
        struct shared_buffer *joined = journal_batch_join(b.whole, &part);
        EXPECT_BYTES(bytes_of(joined->data, joined->size), b.batches[i]);
        shared_buffer_unref(joined);
    }
    free_block_unit(&b);
}

TEST(a_unit_whose_blocks_changed_or_are_missing_is_not_whole)
{
    struct block_unit b = make_block_unit();
    size_t from = journal_padded(b.unit.length);
    for (size_t at = from; at < b.whole.size; at += 97) {
        b.data[at] ^= 1;
        EXPECT(!journal_unit_is_whole(b.whole));
        b.data[at] ^= 1;
    }
    EXPECT(journal_unit_is_whole(b.whole));
    EXPECT(!journal_unit_is_whole(bytes_of(b.data, b.whole.size - 1)));
    free_block_unit(&b);
}

TEST(blocks_beyond_the_unit_are_refused)
{
    struct block_unit b = make_block_unit();
    for (b.unit.blocks--;; b.unit.blocks--) { /* the second batch names one block too many */
        journal_unit_seal(b.data, &b.unit);
        EXPECT(!journal_unit_is_whole(b.whole));
        if (b.unit.blocks == 0)
            break;
    }
    free_block_unit(&b);
}

/* If it counted as torn, recovery would cut the units of a newer version. */
TEST(a_unit_with_unknown_parts_is_whole)
{
    uint8_t *data = aligned_alloc(IO_ALIGNMENT, IO_ALIGNMENT);
    memset(data, JOURNAL_PART_KINDS, IO_ALIGNMENT);
    struct journal_unit unit = {.length = JOURNAL_HEADER_SIZE + 10};
    journal_unit_seal(data, &unit);
    EXPECT(journal_unit_is_whole(bytes_of(data, IO_ALIGNMENT)));
    struct reader r = journal_unit_parts(bytes_of(data, IO_ALIGNMENT));
    struct journal_part part;
    EXPECT(!journal_part_next(&r, &part) && r.failed);
    free(data);
}

TEST(truncated_parts_fail_and_end_the_walk)
{
    uint8_t data[1024];
    size_t size = write_parts(data);
    size_t failed = 0;
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = malloc(cut + 1); /* exactly as long, for the sanitizer */
        memcpy(copy, data, cut);
        struct reader r = reader_of(bytes_of(copy, cut));
        struct journal_part part;
        size_t count = 0;
        while (journal_part_next(&r, &part))
            count++;
        EXPECT(count < COUNT_OF(parts));
        failed += r.failed;
        free(copy);
    }
    EXPECT_INT(failed, size - COUNT_OF(parts)); /* all but the cuts between two parts */
}

TEST(unknown_parts_are_refused)
{
    for (int kind = 0; kind < 256; kind++) {
        if (kind > 0 && kind < JOURNAL_PART_KINDS)
            continue;
        uint8_t data[32] = {(uint8_t)kind};
        struct reader r = reader_of(bytes_of(data, sizeof data));
        struct journal_part part;
        EXPECT(!journal_part_next(&r, &part) && r.failed);
    }
}
