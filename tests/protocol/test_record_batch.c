#include "protocol/record_batch.h"

#include "base/crc32c.h"
#include "tests/harness/harness.h"

#include <stdlib.h>

enum { NOW = 1700000000 };

/* A batch to break: three plain records, the second with a header, in a buffer of its own. */
struct sample {
    struct buffer bytes;
    struct batch_rules rules;
    struct message message;
    int64_t max_timestamp;
};

static void sample_init(struct sample *s, enum codec codec)
{
    *s = (struct sample){.rules = {.now_ms = NOW,
                                   .timestamp_before_max_ms = INT64_MAX,
                                   .timestamp_after_max_ms = INT64_MAX,
                                   .max_batch_bytes = 1 << 20,
                                   .max_uncompressed_bytes = 1 << 20,
                                   .zstd_allowed = true}};
    buffer_init(&s->bytes, 1 << 20);
    struct buffer headers;
    buffer_init(&headers, 1024);
    record_headers_append(&headers, BYTES_LITERAL("h"), BYTES_LITERAL("v"));
    struct batch_builder b;
    batch_builder_init(&b, &s->bytes, codec);
    batch_builder_add(&b, NOW - 10, BYTES_LITERAL("a"), BYTES_LITERAL("one"), BYTES_NULL, 0);
    batch_builder_add(&b, NOW + 10, BYTES_LITERAL("b"), BYTES_NULL, buffer_view(&headers), 1);
    batch_builder_add(&b, NOW - 500, BYTES_NULL, BYTES_LITERAL("three"), BYTES_NULL, 0);
    EXPECT(batch_builder_finish(&b).size > 0);
    buffer_free(&headers);
}

static uint8_t *at(struct sample *s, size_t position)
{
    return s->bytes.data + position;
}

/* Sets valid lengths and the checksum, so that only the test's change is wrong. */
static void seal(struct sample *s)
{
    store_be32(at(s, 8), (uint32_t)(s->bytes.size - BATCH_OVERHEAD));
    store_be32(at(s, 17), crc32c(0, at(s, 21), s->bytes.size - 21));
}

static enum batch_fault check(struct sample *s)
{
    struct arena scratch;
    arena_init(&scratch, 4 << 20);
    enum batch_fault fault =
        batch_validate(buffer_view(&s->bytes), &s->rules, &scratch, &s->max_timestamp, &s->message);
    arena_free(&scratch);
    return fault;
}

static enum batch_fault check_and_free(struct sample *s)
{
    enum batch_fault fault = check(s);
    buffer_free(&s->bytes);
    return fault;
}

/* The fault of a sample with one 16-bit, 32-bit or 64-bit field replaced. */
static enum batch_fault with_be16(size_t position, int value)
{
    struct sample s;
    sample_init(&s, CODEC_NONE);
    store_be16(at(&s, position), (uint16_t)value);
    seal(&s);
    return check_and_free(&s);
}

static enum batch_fault with_be32(size_t position, int32_t value)
{
    struct sample s;
    sample_init(&s, CODEC_NONE);
    store_be32(at(&s, position), (uint32_t)value);
    seal(&s);
    return check_and_free(&s);
}

enum { ATTRIBUTES = 21, LAST_OFFSET_DELTA = 23, COUNT = 57 };

TEST(a_built_batch_is_valid_with_every_codec)
{
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        struct sample s;
        sample_init(&s, (enum codec)codec);
        EXPECT_INT(check(&s), BATCH_OK);
        EXPECT_INT(s.max_timestamp, NOW + 10);
        struct batch_header h;
        EXPECT(batch_header_read(buffer_view(&s.bytes), &h));
        EXPECT_INT(h.record_count, 3);
        EXPECT_INT(h.last_offset_delta, 2);
        EXPECT_INT(h.max_timestamp, NOW + 10);
        EXPECT_INT(h.producer_id, -1);
        buffer_free(&s.bytes);
    }
}

TEST(a_batch_that_does_not_fit_gives_nothing)
{
    struct buffer out;
    buffer_init(&out, 80);
    struct batch_builder b;
    batch_builder_init(&b, &out, CODEC_NONE);
    batch_builder_add(&b, 1, BYTES_LITERAL("key"), BYTES_LITERAL("a value of some length"),
                      BYTES_NULL, 0);
    EXPECT_INT(batch_builder_finish(&b).size, 0);
    EXPECT_INT(out.size, 0);
    buffer_free(&out);
}

TEST(old_formats_are_distinguished_from_damage)
{
    struct sample s;
    sample_init(&s, CODEC_NONE);
    s.bytes.data[16] = 1;
    EXPECT_INT(check(&s), BATCH_OLD_FORMAT);
    s.bytes.size = 17;
    EXPECT_INT(check(&s), BATCH_OLD_FORMAT);
    s.bytes.data[16] = 3;
    EXPECT_INT(check_and_free(&s), BATCH_CORRUPT);
}

TEST(two_batches_in_one_request_are_refused)
{
    struct sample s;
    sample_init(&s, CODEC_NONE);
    size_t size = s.bytes.size;
    uint8_t *second = buffer_extend(&s.bytes, size);
    memcpy(second, s.bytes.data, size);
    EXPECT_INT(check_and_free(&s), BATCH_INVALID);
}

TEST(wrong_counts_are_refused)
{
    EXPECT_INT(with_be32(COUNT, 0), BATCH_INVALID);
    EXPECT_INT(with_be32(COUNT, 2), BATCH_INVALID);
    EXPECT_INT(with_be32(COUNT, INT32_MAX), BATCH_INVALID);
    EXPECT_INT(with_be32(COUNT, -1), BATCH_INVALID);
    EXPECT_INT(with_be32(LAST_OFFSET_DELTA, 3), BATCH_INVALID);
    EXPECT_INT(with_be32(LAST_OFFSET_DELTA, -1), BATCH_INVALID);
    for (int32_t count = 1; count < 5; count += 3) { /* one too few, one too many */
        struct sample s;
        sample_init(&s, CODEC_NONE);
        store_be32(at(&s, COUNT), (uint32_t)count);
        store_be32(at(&s, LAST_OFFSET_DELTA), (uint32_t)count - 1);
        seal(&s);
        EXPECT_INT(check_and_free(&s), BATCH_INVALID);
    }
}

TEST(an_empty_batch_is_refused)
{
    struct sample s;
    sample_init(&s, CODEC_NONE);
    s.bytes.size = BATCH_HEADER_SIZE;
    store_be32(at(&s, COUNT), 0);
    store_be32(at(&s, LAST_OFFSET_DELTA), UINT32_MAX);
    seal(&s);
    EXPECT_INT(check_and_free(&s), BATCH_INVALID);
}

TEST(attributes_that_are_not_the_producers_are_refused)
{
    EXPECT_INT(with_be16(ATTRIBUTES, BATCH_CONTROL), BATCH_INVALID);
    EXPECT_INT(with_be16(ATTRIBUTES, BATCH_DELETE_HORIZON), BATCH_INVALID);
    EXPECT_INT(with_be16(ATTRIBUTES, 0x80), BATCH_INVALID);
    EXPECT_INT(with_be16(ATTRIBUTES, 0x8000), BATCH_INVALID);
    EXPECT_INT(with_be16(ATTRIBUTES, BATCH_TRANSACTIONAL), BATCH_INVALID); /* no producer id */
    EXPECT_INT(with_be16(ATTRIBUTES, BATCH_LOG_APPEND_TIME), BATCH_INVALID_TIMESTAMP);
    for (int codec = CODEC_COUNT; codec <= BATCH_CODEC_MASK; codec++)
        EXPECT_INT(with_be16(ATTRIBUTES, codec), BATCH_UNSUPPORTED_CODEC);
}

TEST(zstd_needs_a_version_that_allows_it)
{
    struct sample s;
    sample_init(&s, CODEC_ZSTD);
    s.rules.zstd_allowed = false;
    EXPECT_INT(check_and_free(&s), BATCH_UNSUPPORTED_CODEC);
}

static enum batch_fault with_producer(int64_t id, int epoch, int32_t sequence, int attributes)
{
    struct sample s;
    sample_init(&s, CODEC_NONE);
    store_be16(at(&s, ATTRIBUTES), (uint16_t)attributes);
    store_be64(at(&s, 43), (uint64_t)id);
    store_be16(at(&s, 51), (uint16_t)epoch);
    store_be32(at(&s, 53), (uint32_t)sequence);
    seal(&s);
    return check_and_free(&s);
}

TEST(a_producer_id_needs_an_epoch_and_a_sequence)
{
    EXPECT_INT(with_producer(7, 0, 0, 0), BATCH_OK);
    EXPECT_INT(with_producer(7, 0, 0, BATCH_TRANSACTIONAL), BATCH_OK);
    EXPECT_INT(with_producer(7, -1, 0, 0), BATCH_INVALID);
    EXPECT_INT(with_producer(7, 0, -1, 0), BATCH_INVALID);
    EXPECT_INT(with_producer(-2, 0, 0, 0), BATCH_INVALID);
}

TEST(records_out_of_the_time_bounds_are_refused)
{
    struct sample s;
    sample_init(&s, CODEC_NONE);
    s.rules.timestamp_before_max_ms = 500;
    s.rules.timestamp_after_max_ms = 10;
    EXPECT_INT(check(&s), BATCH_OK);
    s.rules.timestamp_before_max_ms = 499;
    EXPECT_INT(check(&s), BATCH_INVALID_TIMESTAMP);
    EXPECT(strstr(s.message.text, "record 2") != NULL);
    s.rules.timestamp_before_max_ms = 500;
    s.rules.timestamp_after_max_ms = 9;
    EXPECT_INT(check(&s), BATCH_INVALID_TIMESTAMP);
    EXPECT(strstr(s.message.text, "record 1") != NULL);
    s.rules.log_append_time = true; /* the broker's clock counts, not the records' timestamps */
    EXPECT_INT(check_and_free(&s), BATCH_OK);
}

TEST(the_timestamp_minus_one_is_valid_and_other_negative_ones_are_not)
{
    for (int64_t timestamp = -1; timestamp >= -2; timestamp--) {
        struct sample s;
        sample_init(&s, CODEC_NONE);
        buffer_clear(&s.bytes);
        struct batch_builder b;
        batch_builder_init(&b, &s.bytes, CODEC_NONE);
        batch_builder_add(&b, timestamp, BYTES_NULL, BYTES_NULL, BYTES_NULL, 0);
        EXPECT(batch_builder_finish(&b).size > 0);
        s.rules.timestamp_before_max_ms = 1;
        EXPECT_INT(check(&s), timestamp == -1 ? BATCH_OK : BATCH_INVALID_TIMESTAMP);
        buffer_free(&s.bytes);
    }
}

TEST(a_timestamp_that_overflows_is_refused)
{
    struct sample s;
    sample_init(&s, CODEC_NONE);
    store_be64(at(&s, 27), INT64_MAX); /* the second record is 20 ms later */
    seal(&s);
    EXPECT_INT(check_and_free(&s), BATCH_INVALID_TIMESTAMP);
}

TEST(a_compacted_topic_requires_keys)
{
    struct sample s;
    sample_init(&s, CODEC_GZIP);
    s.rules.keys_required = true;
    EXPECT_INT(check(&s), BATCH_INVALID);
    EXPECT(strstr(s.message.text, "record 2 has no key") != NULL);
    buffer_free(&s.bytes);
}

TEST(size_limits_hold_before_and_after_decompression)
{
    struct sample s;
    sample_init(&s, CODEC_NONE);
    s.rules.max_batch_bytes = s.bytes.size;
    EXPECT_INT(check(&s), BATCH_OK);
    s.rules.max_batch_bytes--;
    EXPECT_INT(check_and_free(&s), BATCH_TOO_LARGE);
    sample_init(&s, CODEC_LZ4);
    s.rules.max_uncompressed_bytes = 20;
    EXPECT_INT(check_and_free(&s), BATCH_TOO_LARGE);
}

TEST(a_compression_bomb_is_too_large)
{
    enum { MIB = 1 << 20 };
    uint8_t *zeros = xcalloc(16, MIB);
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        struct sample s;
        sample_init(&s, CODEC_NONE);
        buffer_clear(&s.bytes);
        struct batch_builder b;
        batch_builder_init(&b, &s.bytes, (enum codec)codec);
        batch_builder_add(&b, NOW, BYTES_NULL, bytes_of(zeros, 16 * MIB), BYTES_NULL, 0);
        EXPECT(batch_builder_finish(&b).size > 0);
        EXPECT_INT(check(&s), BATCH_TOO_LARGE);
        s.rules.max_uncompressed_bytes = 17 * MIB;
        struct arena scratch;
        arena_init(&scratch, 18 * MIB);
        EXPECT_INT(
            batch_validate(buffer_view(&s.bytes), &s.rules, &scratch, &s.max_timestamp, &s.message),
            BATCH_OK);
        arena_free(&scratch);
        buffer_free(&s.bytes);
    }
    free(zeros);
}

/* Replaces the records by `size` raw bytes that claim to be one record. */
static enum batch_fault with_record(const char *record, size_t size)
{
    struct sample s;
    sample_init(&s, CODEC_NONE);
    s.bytes.size = BATCH_HEADER_SIZE;
    buffer_append(&s.bytes, record, size);
    store_be32(at(&s, COUNT), 1);
    store_be32(at(&s, LAST_OFFSET_DELTA), 0);
    seal(&s);
    return check_and_free(&s);
}
#define WITH_RECORD(text) with_record(text, sizeof(text) - 1)

TEST(a_record_with_wrong_lengths_is_refused)
{
    /*                       length, attributes, timestamp, offset, key, value, headers */
    EXPECT_INT(WITH_RECORD("\x0c\0\0\0\1\1\0"), BATCH_OK);
    EXPECT_INT(WITH_RECORD("\x0e\0\0\0\1\1\0"), BATCH_INVALID);     /* longer than the batch */
    EXPECT_INT(WITH_RECORD("\x0a\0\0\0\1\1\0"), BATCH_INVALID);     /* shorter than its fields */
    EXPECT_INT(WITH_RECORD("\x0c\0\0\0\1\1\0\0"), BATCH_INVALID);   /* a byte after the record */
    EXPECT_INT(WITH_RECORD("\x0e\0\0\0\1\1\0\0"), BATCH_INVALID);   /* a byte after its headers */
    EXPECT_INT(WITH_RECORD("\x0c\0\0\2\1\1\0"), BATCH_INVALID);     /* offset delta 1 */
    EXPECT_INT(WITH_RECORD("\x0c\0\0\1\1\1\0"), BATCH_INVALID);     /* offset delta -1 */
    EXPECT_INT(WITH_RECORD("\x0c\0\0\0\3\1\0"), BATCH_INVALID);     /* key of -2 bytes */
    EXPECT_INT(WITH_RECORD("\x0c\0\0\0\x06\1\0"), BATCH_INVALID);   /* key beyond the record */
    EXPECT_INT(WITH_RECORD("\x0c\0\0\0\1\x06\0"), BATCH_INVALID);   /* value beyond the record */
    EXPECT_INT(WITH_RECORD("\x0c\0\0\0\1\1\1"), BATCH_INVALID);     /* -1 headers */
    EXPECT_INT(WITH_RECORD("\x0c\0\0\0\1\1\2"), BATCH_INVALID);     /* a missing header */
    EXPECT_INT(WITH_RECORD("\x10\0\0\0\1\1\2\1\1"), BATCH_INVALID); /* a header without a name */
    EXPECT_INT(WITH_RECORD("\x10\0\0\0\1\1\2\0\1"), BATCH_OK); /* an empty name, a null value */
    EXPECT_INT(WITH_RECORD("\1\0\0\0\1\1\0"), BATCH_INVALID);  /* a record of -1 bytes */
    EXPECT_INT(WITH_RECORD("\0"), BATCH_INVALID);
    EXPECT_INT(WITH_RECORD("\xff\xff\xff\xff\xff\xff\xff"), BATCH_INVALID);
    EXPECT_INT(WITH_RECORD("\x18\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\0\1\1\0"),
               BATCH_INVALID); /* a number of more than 64 bits */
}

TEST(stamping_offsets_keeps_the_checksum_valid)
{
    struct sample s;
    sample_init(&s, CODEC_NONE);
    batch_stamp(s.bytes.data, 123456789012, 7);
    EXPECT(batch_crc_is_right(buffer_view(&s.bytes)));
    struct arena arena;
    arena_init(&arena, 1024);
    struct record_iterator records;
    struct record record;
    EXPECT_INT(records_open(buffer_view(&s.bytes), &arena, 1024, &records), ERR_OK);
    EXPECT_INT(records.header.leader_epoch, 7);
    EXPECT_INT(batch_last_offset(&records.header), 123456789014);
    EXPECT(records_next(&records, &record));
    EXPECT_INT(record.offset, 123456789012);
    EXPECT_INT(arena.used, 0); /* a plain batch is not copied */
    arena_free(&arena);
    buffer_free(&s.bytes);
}

TEST(append_time_replaces_every_records_timestamp)
{
    struct sample s;
    sample_init(&s, CODEC_SNAPPY);
    batch_stamp_append_time(s.bytes.data, 99);
    EXPECT(batch_crc_is_right(buffer_view(&s.bytes)));
    struct arena arena;
    arena_init(&arena, 1024);
    struct record_iterator records;
    struct record record;
    EXPECT_INT(records_open(buffer_view(&s.bytes), &arena, 1024, &records), ERR_OK);
    int count = 0;
    for (; records_next(&records, &record); count++)
        EXPECT_INT(record.timestamp, 99);
    EXPECT_INT(count, 3);
    arena_free(&arena);
    buffer_free(&s.bytes);
}

TEST(max_timestamp_can_be_corrected)
{
    struct sample s;
    sample_init(&s, CODEC_NONE);
    batch_stamp_max_timestamp(s.bytes.data, NOW + 11);
    EXPECT(batch_crc_is_right(buffer_view(&s.bytes)));
    struct batch_header h;
    EXPECT(batch_header_read(buffer_view(&s.bytes), &h));
    EXPECT_INT(h.max_timestamp, NOW + 11);
    buffer_free(&s.bytes);
}

TEST(the_last_header_of_a_name_is_found)
{
    struct buffer headers, out;
    buffer_init(&headers, 1024);
    buffer_init(&out, 1024);
    record_headers_append(&headers, BYTES_LITERAL("a"), BYTES_LITERAL("1"));
    record_headers_append(&headers, BYTES_LITERAL("b"), BYTES_LITERAL("2"));
    record_headers_append(&headers, BYTES_LITERAL("a"), BYTES_LITERAL("3"));
    struct record record = {.header_count = 3, .headers = buffer_view(&headers)};
    struct record_header header;
    EXPECT(record_header_find(&record, BYTES_LITERAL("a"), &header));
    EXPECT_BYTES(header.value, BYTES_LITERAL("3"));
    buffer_free(&headers);
    buffer_free(&out);
}
