/* Checks and walks the input as a producer's batch. If it passes the checks, the walk must find
 * exactly the records that the header announces. The target corrects the checksum first, because a
 * fuzzer cannot find it. */
#include "base/crc32c.h"
#include "protocol/record_batch.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_UNCOMPRESSED = 1 << 20 };

static void check(struct bytes batch)
{
    static const struct batch_rules rules = {
        .now_ms = 1700000000000,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = INT64_MAX,
        .max_batch_bytes = 1 << 20,
        .max_uncompressed_bytes = MAX_UNCOMPRESSED,
        .zstd_allowed = true,
    };
    struct arena arena;
    struct message message;
    int64_t max_timestamp;
    arena_init(&arena, 2 * MAX_UNCOMPRESSED);
    enum batch_fault fault = batch_validate(batch, &rules, &arena, &max_timestamp, &message);
    struct record_iterator records;
    struct record record;
    if (records_open(batch, &arena, MAX_UNCOMPRESSED, &records) == ERR_OK) {
        int32_t count = 0;
        while (records_next(&records, &record)) {
            struct record_header header;
            for (size_t at = 0; record_header_next(&record, &at, &header);)
                ASSERT(header.key.data != NULL);
            ASSERT(fault != BATCH_OK || record.offset == records.header.base_offset + count);
            count++;
        }
        ASSERT(fault != BATCH_OK || (!records.failed && count == records.header.record_count));
    } else {
        ASSERT(fault != BATCH_OK);
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1); /* exact size, so that the sanitizer sees a read past it */
    if (copy == NULL)
        return 0;
    memcpy(copy + 1, data, size);
    check(bytes_of(copy + 1, size));
    if (size >= BATCH_HEADER_SIZE && size <= INT32_MAX) {
        store_be32(copy + 1 + 8, (uint32_t)size - BATCH_OVERHEAD);
        store_be32(copy + 1 + 17, crc32c(0, copy + 1 + 21, size - 21));
        check(bytes_of(copy + 1, size));
    }
    free(copy);
    return 0;
}
