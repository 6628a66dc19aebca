#include "base/crc32c.h"
#include "protocol/record_batch.h"
#include "storage/journal_format.h"
#include "tests/harness/harness.h"

#include <stdlib.h>

static const struct journal_group example = {.shard = 3,
                                             .entries = 2,
                                             .flags = JOURNAL_CLOSED,
                                             .run = 0x1122334455667788,
                                             .sequence = 9,
                                             .lsn = 40960,
                                             .durable = 36864,
                                             .checkpoint = 4096,
                                             .next = 10};

/* A sealed group whose content is `size` bytes of 'x'. The caller frees it. */
static uint8_t *make_group(size_t size, struct journal_group *group)
{
    *group = example;
    group->length = (uint32_t)(JOURNAL_HEADER_SIZE + size);
    size_t padded = journal_padded(group->length);
    uint8_t *data = aligned_alloc(IO_ALIGNMENT, padded);
    memset(data, 'x', padded);
    journal_group_seal(data, group);
    return data;
}

TEST(a_header_is_read_as_it_was_sealed)
{
    struct journal_group group, read;
    uint8_t *data = make_group(5000, &group);
    EXPECT(journal_group_read(bytes_of(data, JOURNAL_HEADER_SIZE), &read));
    EXPECT_BYTES(bytes_of(&read, sizeof read), bytes_of(&group, sizeof group));
    EXPECT(journal_group_is_whole(bytes_of(data, journal_group_size(&group))));
    EXPECT_INT(data[group.length], 0); /* padding */
    EXPECT_INT(data[journal_padded(group.length) - 1], 0);
    free(data);
}

TEST(zeros_are_no_group)
{
    uint8_t zeros[4096] = {0};
    struct journal_group group;
    EXPECT(!journal_group_read(bytes_of(zeros, sizeof zeros), &group));
}

TEST(every_flipped_bit_is_noticed)
{
    struct journal_group group, read;
    uint8_t *data = make_group(300, &group);
    for (size_t bit = 0; bit < 8 * (size_t)group.length; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bool accepted = journal_group_read(bytes_of(data, group.length), &read) &&
                        read.length == group.length &&
                        journal_group_is_whole(bytes_of(data, journal_group_size(&group)));
        EXPECT(!accepted);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(data);
}

TEST(a_length_that_cannot_be_is_refused)
{
    struct journal_group group;
    uint8_t *data = make_group(100, &group);
    store_be32(data + 4, JOURNAL_HEADER_SIZE - 1);
    EXPECT(!journal_group_read(bytes_of(data, 4096), &group));
    store_be32(data + 4, JOURNAL_GROUP_MAX + 1u);
    EXPECT(!journal_group_read(bytes_of(data, 4096), &group));
    EXPECT(!journal_group_read(bytes_of(data, JOURNAL_HEADER_SIZE - 1), &group));
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

/* A group of two batches with blocks, as it lies in a file. */
struct block_group {
    struct journal_group group;
    struct bytes whole;
    uint8_t *data;
    struct bytes batches[2];
};

/* `size` bytes of records that cannot be read, under a right checksum. */
static struct bytes make_batch(size_t size, uint8_t fill)
{
    uint8_t *at = malloc(size);
    memset(at, fill, size);
    memset(at, 0, BATCH_HEADER_SIZE);
    store_be32(at + 8, (uint32_t)(size - BATCH_OVERHEAD));
    store_be32(at + 17, crc32c(0, at + BATCH_CRC_FROM, size - BATCH_CRC_FROM));
    return bytes_of(at, size);
}

static struct block_group make_block_group(void)
{
    struct block_group b = {.group = example,
                            .batches = {make_batch(9000, 1), make_batch(13000, 2)}};
    static const uint32_t blocks[] = {2, 3};
    uint8_t parts_data[8192], *end = parts_data;
    for (int i = 0; i < 2; i++) {
        size_t head = 100, inside = blocks[i] * (size_t)IO_ALIGNMENT;
        struct journal_part part = {
            .kind = JOURNAL_BATCH,
            .bytes = {b.batches[i].data, head},
            .first_block = b.group.blocks,
            .blocks = blocks[i],
            .tail = {b.batches[i].data + head + inside, b.batches[i].size - head - inside}};
        end = journal_part_write(end, &part);
        b.group.blocks += blocks[i];
    }
    b.group.length = (uint32_t)(JOURNAL_HEADER_SIZE + (end - parts_data));
    b.data = aligned_alloc(IO_ALIGNMENT, journal_group_size(&b.group));
    memcpy(b.data + JOURNAL_HEADER_SIZE, parts_data, (size_t)(end - parts_data));
    journal_group_seal(b.data, &b.group);
    uint8_t *at = b.data + journal_padded(b.group.length);
    for (int i = 0; i < 2; i++) {
        memcpy(at, b.batches[i].data + 100, blocks[i] * (size_t)IO_ALIGNMENT);
        at += blocks[i] * (size_t)IO_ALIGNMENT;
    }
    b.whole = bytes_of(b.data, journal_group_size(&b.group));
    return b;
}

static void free_block_group(struct block_group *b)
{
    free(b->data);
    for (int i = 0; i < 2; i++)
        free((void *)(uintptr_t)b->batches[i].data);
}

TEST(batches_with_blocks_are_put_together_again)
{
    struct block_group b = make_block_group();
    EXPECT(journal_group_is_whole(b.whole));
    struct reader r = journal_group_parts(b.whole);
    struct journal_part part;
    for (int i = 0; i < 2; i++) {
        EXPECT(journal_part_next(&r, &part));
        struct shared_buffer *joined = journal_batch_join(b.whole, &part);
        EXPECT_BYTES(bytes_of(joined->data, joined->size), b.batches[i]);
        shared_buffer_unref(joined);
    }
    free_block_group(&b);
}

TEST(a_group_whose_blocks_changed_or_are_missing_is_not_whole)
{
    struct block_group b = make_block_group();
    size_t from = journal_padded(b.group.length);
    for (size_t at = from; at < b.whole.size; at += 97) {
        b.data[at] ^= 1;
        EXPECT(!journal_group_is_whole(b.whole));
        b.data[at] ^= 1;
    }
    EXPECT(journal_group_is_whole(b.whole));
    EXPECT(!journal_group_is_whole(bytes_of(b.data, b.whole.size - 1)));
    free_block_group(&b);
}

TEST(blocks_beyond_the_group_are_refused)
{
    struct block_group b = make_block_group();
    for (b.group.blocks--;;
         b.group.blocks--) { /* the second batch claims one more than there are */
        journal_group_seal(b.data, &b.group);
        EXPECT(!journal_group_is_whole(b.whole));
        if (b.group.blocks == 0)
            break;
    }
    free_block_group(&b);
}

/* Taken for torn, what a newer version wrote would be cut. */
TEST(a_group_with_parts_that_nobody_knows_is_whole)
{
    uint8_t *data = aligned_alloc(IO_ALIGNMENT, IO_ALIGNMENT);
    memset(data, JOURNAL_PART_KINDS, IO_ALIGNMENT);
    struct journal_group group = {.length = JOURNAL_HEADER_SIZE + 10};
    journal_group_seal(data, &group);
    EXPECT(journal_group_is_whole(bytes_of(data, IO_ALIGNMENT)));
    struct reader r = journal_group_parts(bytes_of(data, IO_ALIGNMENT));
    struct journal_part part;
    EXPECT(!journal_part_next(&r, &part) && r.failed);
    free(data);
}

TEST(parts_that_are_cut_short_fail_and_end)
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
