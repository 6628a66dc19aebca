/* Reads the input as a journal unit, as recovery does. The parts may be any bytes. The first byte
 * is the number of blocks after the parts. The target corrects the checksums, because a fuzzer
 * cannot find them. */
#include "base/crc32c.h"
#include "protocol/record_batch.h"
#include "storage/journal_format.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BLOCKS_MAX = 8 };

static size_t part_total(const struct journal_part *part)
{
    return part->bytes.size + (size_t)part->blocks * IO_ALIGNMENT + part->tail.size;
}

/* Corrects the checksums of batches with blocks, if the blocks are in the unit. */
static void sum_batches(uint8_t *unit, const struct journal_unit *header)
{
    const uint8_t *blocks = unit + journal_padded(header->length);
    struct reader r = journal_unit_parts(bytes_of(unit, journal_unit_size(header)));
    struct journal_part part;
    while (journal_part_next(&r, &part)) {
        if (part.blocks == 0 || part.bytes.size < BATCH_HEADER_SIZE ||
            (uint64_t)part.first_block + part.blocks > header->blocks)
            continue;
        uint8_t *batch = unit + (part.bytes.data - unit);
        uint32_t crc = crc32c(0, batch + BATCH_CRC_FROM, part.bytes.size - BATCH_CRC_FROM);
        crc = crc32c(crc, blocks + (size_t)part.first_block * IO_ALIGNMENT,
                     (size_t)part.blocks * IO_ALIGNMENT);
        store_be32(batch + 17, crc32c(crc, part.tail.data, part.tail.size));
    }
}

static void walk(struct bytes unit)
{
    struct reader r = journal_unit_parts(unit);
    struct journal_part part;
    while (journal_part_next(&r, &part)) {
        if (part.kind != JOURNAL_BATCH || part.blocks == 0)
            continue;
        struct shared_buffer *batch = journal_batch_join(unit, &part);
        ASSERT(batch != NULL && batch->size == part_total(&part));
        struct batch_header header;
        ASSERT(batch_header_read(bytes_of(batch->data, batch->size), &header));
        uint32_t crc = crc32c(0, batch->data + BATCH_CRC_FROM, batch->size - BATCH_CRC_FROM);
        ASSERT(header.crc == crc);
        shared_buffer_unref(batch);
    }
}

static void read_raw_unit(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1); /* exact size, so that the sanitizer sees a read past it */
    if (copy == NULL)
        return;
    memcpy(copy + 1, data, size);
    if (journal_unit_is_whole(bytes_of(copy + 1, size)))
        walk(bytes_of(copy + 1, size));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_raw_unit(data, size);
    if (size == 0)
        return 0;
    struct journal_unit header = {.length = (uint32_t)(JOURNAL_HEADER_SIZE + size - 1),
                                  .blocks = data[0] % BLOCKS_MAX};
    size_t whole = journal_unit_size(&header);
    uint8_t *unit = malloc(whole);
    if (unit == NULL)
        return 0;
    memset(unit, data[0], whole);
    memcpy(unit + JOURNAL_HEADER_SIZE, data + 1, size - 1);
    journal_unit_seal(unit, &header);
    sum_batches(unit, &header);
    journal_unit_seal(unit, &header);
    if (journal_unit_is_whole(bytes_of(unit, whole)))
        walk(bytes_of(unit, whole));
    free(unit);
    return 0;
}
