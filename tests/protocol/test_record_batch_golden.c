/* Batches of other clients (golden/batches.txt) are read completely, and refused if any byte is
 * changed or missing. */
#include "base/crc32c.h"
#include "protocol/compression.h"
#include "protocol/record_batch.h"
#include "tests/harness/harness.h"

#include <stdio.h>
#include <stdlib.h>

enum { RECORDS = 20, MAX_LINE = 8192 };

static const struct batch_rules rules = {
    .now_ms = 1700000100000,
    .timestamp_before_max_ms = INT64_MAX,
    .timestamp_after_max_ms = INT64_MAX,
    .max_batch_bytes = 1 << 20,
    .max_uncompressed_bytes = 1 << 20,
    .zstd_allowed = true,
};

static struct bytes parse_batch(char *line)
{
    char *hex = strchr(line, ' ');
    EXPECT(hex != NULL);
    *hex++ = '\0';
    size_t size = strspn(hex, "0123456789abcdef") / 2;
    uint8_t *data = xmalloc(size);
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        EXPECT_INT(sscanf(hex + 2 * i, "%2x", &byte), 1);
        data[i] = (uint8_t)byte;
    }
    return bytes_of(data, size);
}

/* Calls `check` with every golden batch, in memory of exactly its size. */
static void each_batch(void (*check)(const char *name, struct bytes batch))
{
    char line[MAX_LINE];
    FILE *file = fopen(test_source_path("tests/protocol/golden/batches.txt"), "r");
    EXPECT(file != NULL);
    int count = 0;
    while (fgets(line, sizeof line, file)) {
        if (line[0] == '#')
            continue;
        struct bytes batch = parse_batch(line);
        check(line, batch);
        free((void *)(uintptr_t)batch.data);
        count++;
    }
    fclose(file);
    EXPECT_INT(count, 12);
}

static enum batch_fault validate(struct bytes batch)
{
    struct arena scratch;
    struct message message = {"no message"};
    int64_t max_timestamp;
    arena_init(&scratch, 4 << 20);
    enum batch_fault fault = batch_validate(batch, &rules, &scratch, &max_timestamp, &message);
    arena_free(&scratch);
    if (fault == BATCH_OK)
        EXPECT_INT(max_timestamp, 1700000000000 + 37 * (RECORDS - 1));
    else
        EXPECT(strcmp(message.text, "no message") != 0);
    return fault;
}

static void expect_valid(const char *name, struct bytes batch)
{
    if (validate(batch) != BATCH_OK)
        test_fail(__FILE__, __LINE__, "%s is refused", name);
}

TEST(every_clients_batch_is_valid)
{
    each_batch(expect_valid);
}

static void expect_record(const struct record *r, int i)
{
    char key[32] = "", value[64] = "", trace[8];
    snprintf(key, sizeof key, "key-%d", i);
    for (int times = 0; times < 4; times++)
        snprintf(value + strlen(value), sizeof value - strlen(value), "value %d ", i);
    snprintf(trace, sizeof trace, "%02x", (unsigned)i);
    EXPECT_INT(r->offset, i);
    EXPECT_INT(r->timestamp, 1700000000000 + 37 * i);
    EXPECT_BYTES(r->key, bytes_string(i % 4 ? key : NULL));
    EXPECT_BYTES(r->value, bytes_string(i % 5 ? value : NULL));
    EXPECT_INT(r->header_count, i % 3 ? 0 : 2);
    struct record_header header;
    EXPECT_INT(record_header_find(r, BYTES_LITERAL("trace"), &header), i % 3 == 0);
    if (i % 3 == 0) {
        EXPECT_BYTES(header.value, bytes_string(trace));
        EXPECT(record_header_find(r, BYTES_LITERAL("none"), &header));
        EXPECT(bytes_is_null(header.value));
        EXPECT(!record_header_find(r, BYTES_LITERAL("other"), &header));
    }
}

static void expect_records(const char *name, struct bytes batch)
{
    (void)name;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct record_iterator records;
    EXPECT_INT(records_open(batch, &arena, 1 << 20, &records), ERR_OK);
    EXPECT_STRING(codec_name((enum codec)(records.header.attributes & BATCH_CODEC_MASK)),
                  strrchr(name, '-') + 1);
    struct record record;
    int count = 0;
    for (; records_next(&records, &record); count++)
        expect_record(&record, count);
    EXPECT_INT(count, RECORDS);
    EXPECT(!records.failed);
    arena_free(&arena);
}

TEST(every_clients_records_are_read_completely)
{
    each_batch(expect_records);
}

static void expect_no_flip_passes(const char *name, struct bytes batch)
{
    uint8_t *data = (uint8_t *)(uintptr_t)batch.data;
    for (size_t i = 0; i < batch.size; i++) {
        if (i < 8 || (i >= 12 && i < 16))
            continue; /* base offset and leader epoch, which the broker sets */
        for (int bit = 0; bit < 8; bit++) {
            data[i] = (uint8_t)(data[i] ^ 1 << bit);
            if (validate(batch) == BATCH_OK)
                test_fail(__FILE__, __LINE__, "%s passes with bit %d of byte %zu wrong", name, bit,
                          i);
            data[i] = (uint8_t)(data[i] ^ 1 << bit);
        }
    }
}

TEST(a_flipped_bit_anywhere_is_refused)
{
    each_batch(expect_no_flip_passes);
}

/* With a valid checksum only the records themselves can show damage. Whatever the result of a
 * change is, no read may go beyond the batch (the sanitizer checks this). */
static void expect_no_harm(const char *name, struct bytes batch)
{
    (void)name;
    uint8_t *data = (uint8_t *)(uintptr_t)batch.data;
    for (size_t i = BATCH_HEADER_SIZE; i < batch.size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            data[i] = (uint8_t)(data[i] ^ 1 << bit);
            struct bytes covered = bytes_from(batch, 21);
            store_be32(data + 17, crc32c(0, covered.data, covered.size));
            struct arena arena;
            arena_init(&arena, 4 << 20);
            struct record_iterator records;
            if (records_open(batch, &arena, 1 << 20, &records) == ERR_OK) {
                struct record record;
                int count = 0;
                while (records_next(&records, &record))
                    count++;
                EXPECT_INT(records.failed, count < RECORDS);
            }
            arena_free(&arena);
            data[i] = (uint8_t)(data[i] ^ 1 << bit);
        }
    }
}

TEST(damage_with_a_valid_checksum_does_no_harm)
{
    each_batch(expect_no_harm);
}

static void expect_no_prefix_passes(const char *name, struct bytes batch)
{
    for (size_t size = 0; size < batch.size; size++) {
        uint8_t *cut = xmalloc(size + 1);
        memcpy(cut + 1, batch.data, size);
        if (validate(bytes_of(cut + 1, size)) == BATCH_OK)
            test_fail(__FILE__, __LINE__, "%s passes cut to %zu bytes", name, size);
        /* The same with a matching length field. */
        if (size >= BATCH_HEADER_SIZE) {
            store_be32(cut + 1 + 8, (uint32_t)(size - BATCH_OVERHEAD));
            store_be32(cut + 1 + 17, crc32c(0, cut + 1 + 21, size - 21));
            if (validate(bytes_of(cut + 1, size)) == BATCH_OK)
                test_fail(__FILE__, __LINE__, "%s passes shortened to %zu bytes", name, size);
        }
        free(cut);
    }
}

TEST(a_batch_truncated_anywhere_is_refused)
{
    each_batch(expect_no_prefix_passes);
}
