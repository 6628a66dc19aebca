#include "protocol/writer.h"
#include "tests/harness/harness.h"

#include <stdlib.h>

enum { MAX_OUT = 1 << 16 };

static struct reader reader_of_array(const uint8_t *data, size_t size)
{
    return reader_of(bytes_of(data, size));
}
#define READER(...) \
    reader_of_array((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

TEST(fixed_integers_are_big_endian)
{
    struct reader r = READER(0xfe, 0x01, 0x02, 0xff, 0xff, 0xff, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 1);
    EXPECT_INT(read_i8(&r), -2);
    EXPECT_INT(read_i16(&r), 0x0102);
    EXPECT_INT(read_i32(&r), -2);
    EXPECT_INT(read_i64(&r), INT64_MIN + 1);
    EXPECT(!r.failed && reader_left(&r) == 0);
}

TEST(after_the_first_read_past_the_end_everything_is_zero)
{
    struct reader r = READER(1, 2, 3);
    EXPECT_INT(read_i32(&r), 0);
    EXPECT(r.failed);
    EXPECT_INT(read_i8(&r), 0);
    EXPECT(read_raw(&r, 0) == NULL);
    EXPECT_INT(read_uvarint(&r), 0);
    EXPECT(bytes_is_null(read_string16(&r)));
    struct uuid zero = {{0}}, got = read_uuid(&r);
    EXPECT(memcmp(&got, &zero, sizeof zero) == 0);
}

TEST(a_double_keeps_its_bits)
{
    struct buffer out;
    buffer_init(&out, MAX_OUT);
    struct writer w;
    writer_init(&w, &out);
    write_f64(&w, -0.15625);
    EXPECT_BYTES(buffer_view(&out), BYTES_LITERAL("\xbf\xc4\0\0\0\0\0\0"));
    struct reader r = reader_of(buffer_view(&out));
    EXPECT(read_f64(&r) == -0.15625);
    buffer_free(&out);
}

TEST(varints_are_read_as_they_were_written)
{
    static const int64_t values[] = {0,         1,         -1,        63,          64,
                                     -64,       -65,       300,       INT32_MAX,   INT32_MIN,
                                     INT64_MAX, INT64_MIN, 1LL << 35, -(1LL << 48)};
    struct buffer out;
    buffer_init(&out, MAX_OUT);
    struct writer w;
    writer_init(&w, &out);
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        write_varlong(&w, values[i]);
        write_varint(&w, (int32_t)values[i]);
        write_uvarint(&w, (uint32_t)values[i]);
    }
    struct reader r = reader_of(buffer_view(&out));
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        EXPECT_INT(read_varlong(&r), values[i]);
        EXPECT_INT(read_varint(&r), (int32_t)values[i]);
        EXPECT_INT(read_uvarint(&r), (uint32_t)values[i]);
    }
    EXPECT(!r.failed && reader_left(&r) == 0);
    buffer_free(&out);
}

TEST(varints_have_the_known_bytes)
{
    struct reader r = READER(0xac, 0x02, 0x01, 0x80, 0x01, 0xff, 0xff, 0xff, 0xff, 0x0f);
    EXPECT_INT(read_uvarint(&r), 300);
    EXPECT_INT(read_varint(&r), -1);
    EXPECT_INT(read_varint(&r), 64);
    EXPECT_INT(read_varint(&r), INT32_MIN);
    EXPECT(!r.failed && reader_left(&r) == 0);
}

TEST(a_varint_that_is_too_long_or_too_large_is_refused)
{
    struct reader endless = READER(0x80, 0x80, 0x80, 0x80, 0x80, 0x01);
    read_uvarint(&endless);
    EXPECT(endless.failed);
    struct reader wide = READER(0xff, 0xff, 0xff, 0xff, 0x1f);
    read_uvarint(&wide);
    EXPECT(wide.failed);
    struct reader longest = READER(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02);
    read_varlong(&longest);
    EXPECT(longest.failed);
    struct reader cut = READER(0x80);
    read_varlong(&cut);
    EXPECT(cut.failed);
}

TEST(strings_and_bytes_distinguish_null_from_empty)
{
    struct buffer out;
    buffer_init(&out, MAX_OUT);
    struct writer w;
    writer_init(&w, &out);
    static void (*const writes[])(struct writer *, struct bytes) = {write_string16, write_bytes32,
                                                                    write_compact};
    static struct bytes (*const reads[])(struct reader *) = {read_string16, read_bytes32,
                                                             read_compact};
    for (size_t i = 0; i < COUNT_OF(writes); i++) {
        buffer_clear(&out);
        writes[i](&w, BYTES_NULL);
        writes[i](&w, BYTES_LITERAL(""));
        writes[i](&w, BYTES_LITERAL("kafka"));
        struct reader r = reader_of(buffer_view(&out));
        EXPECT(bytes_is_null(reads[i](&r)));
        struct bytes empty = reads[i](&r);
        EXPECT(!bytes_is_null(empty) && empty.size == 0);
        EXPECT_BYTES(reads[i](&r), BYTES_LITERAL("kafka"));
        EXPECT(!r.failed && reader_left(&r) == 0);
    }
    buffer_free(&out);
}

TEST(lengths_below_minus_one_or_past_the_end_are_refused)
{
    struct reader negative16 = READER(0xff, 0xfe, 'a', 'b');
    EXPECT(bytes_is_null(read_string16(&negative16)) && negative16.failed);
    struct reader negative32 = READER(0x80, 0, 0, 0, 'a', 'b');
    EXPECT(bytes_is_null(read_bytes32(&negative32)) && negative32.failed);
    struct reader huge = READER(0x7f, 0xff, 0xff, 0xff, 'a');
    EXPECT(bytes_is_null(read_bytes32(&huge)) && huge.failed);
    struct reader compact = READER(0xff, 0xff, 0xff, 0xff, 0x0f, 'a');
    EXPECT(bytes_is_null(read_compact(&compact)) && compact.failed);
    struct reader one_short = READER(0x04, 'a', 'b');
    EXPECT(bytes_is_null(read_compact(&one_short)) && one_short.failed);
}

TEST(splices_are_noted_with_their_positions_and_counted)
{
    struct buffer out;
    buffer_init(&out, MAX_OUT);
    struct writer w;
    writer_init(&w, &out);
    int slices[20];
    for (size_t i = 0; i < COUNT_OF(slices); i++) {
        write_i32(&w, 100);
        write_splice(&w, &slices[i], 100);
    }
    EXPECT_INT(writer_size(&w), 20 * 104);
    size_t count;
    struct splice *splices = writer_take_splices(&w, &count);
    EXPECT_INT(count, 20);
    for (size_t i = 0; i < count; i++) {
        EXPECT_INT(splices[i].position, 4 * (i + 1));
        EXPECT_INT(splices[i].size, 100);
        EXPECT(splices[i].slice == &slices[i]);
    }
    free(splices);
    EXPECT(writer_take_splices(&w, &count) == NULL && count == 0);
    writer_free(&w);
    buffer_free(&out);
}
