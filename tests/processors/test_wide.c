#include "processors/values/wide.h"

#include "processors/values/number.h"
#include "tests/harness/harness.h"

static const char *text_of(const struct wide *v, int scale)
{
    static char text[128];
    struct buffer out;
    buffer_init(&out, sizeof text - 1);
    wide_append(&out, v, scale);
    memcpy(text, out.data, out.size);
    text[out.size] = 0;
    buffer_free(&out);
    return text;
}

TEST(values_print_as_numbers_without_zeros_at_the_end)
{
    static const struct {
        int64_t value;
        int scale;
        const char *text;
    } cases[] = {
        {0, 0, "0"},
        {0, 5, "0"},
        {7, 0, "7"},
        {-7, 0, "-7"},
        {1050, 2, "10.5"},
        {-1050, 2, "-10.5"},
        {1000, 2, "10"},
        {5, 2, "0.05"},
        {-5, 3, "-0.005"},
        {100, 2, "1"},
        {INT64_MAX, 0, "9223372036854775807"},
        {INT64_MIN, 0, "-9223372036854775808"},
        {123456789, 9, "0.123456789"},
        {1000000000000000000, 0, "1000000000000000000"},
        {1000000000000000001, 18, "1.000000000000000001"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct wide v = wide_from(cases[i].value);
        EXPECT_STRING(text_of(&v, cases[i].scale), cases[i].text);
    }
}

TEST(sums_go_far_beyond_int128)
{
    struct wide v = wide_from(power_of_ten(38) - 1), sum = v;
    for (int i = 0; i < 9; i++)
        wide_add(&sum, &v);
    EXPECT_STRING(text_of(&sum, 0), "999999999999999999999999999999999999990");
    wide_shift(&sum, 18);
    EXPECT_STRING(text_of(&sum, 18), "999999999999999999999999999999999999990");
    struct wide minus = wide_from(-(power_of_ten(38) - 1));
    wide_shift(&minus, 18);
    for (int i = 0; i < 11; i++)
        wide_add(&sum, &minus);
    EXPECT_STRING(text_of(&sum, 18), "-99999999999999999999999999999999999999");
    EXPECT(wide_is_negative(&sum) && !wide_fits_i64(&sum));
}

TEST(values_outside_of_int64_are_recognized)
{
    struct wide most = wide_from(INT64_MAX), least = wide_from(INT64_MIN), one = wide_from(1),
                minus = wide_from(-1);
    EXPECT(wide_fits_i64(&most) && wide_fits_i64(&least));
    wide_add(&most, &one);
    wide_add(&least, &minus);
    EXPECT(!wide_fits_i64(&most) && !wide_fits_i64(&least));
    EXPECT_STRING(text_of(&most, 0), "9223372036854775808");
    EXPECT_STRING(text_of(&least, 0), "-9223372036854775809");
    EXPECT(wide_compare(&least, &most) < 0 && wide_compare(&most, &least) > 0);
    EXPECT(wide_compare(&minus, &one) < 0 && wide_compare(&one, &one) == 0);
}

TEST(wide_values_convert_to_the_nearest_double)
{
    struct wide v = wide_from(105);
    EXPECT(wide_to_double(&v, 2) == 1.05);
    v = wide_from((int128)INT64_MAX * 4);
    EXPECT(wide_to_double(&v, 0) == 0x1p65);
    v = wide_from(-3);
    EXPECT(wide_to_double(&v, 0) == -3.0);
}

TEST(quotients_are_rounded_once)
{
    struct wide v = wide_from(60);
    EXPECT(wide_quotient(&v, 2, 3) == 0.2);
    v = wide_from(-1);
    EXPECT(wide_quotient(&v, 0, 3) == -1.0 / 3.0);
    EXPECT(wide_quotient(&v, 0, INT64_MAX) == -1.0 / 9223372036854775807.0);
    v = wide_from(7);
    EXPECT(wide_quotient(&v, 0, 7) == 1.0);
    v = wide_from(power_of_ten(38));
    wide_shift(&v, 18);
    EXPECT(wide_quotient(&v, 18, 10) == 1e37);
    /* 2^53 + 1 is in the middle between two doubles; the fraction decides. */
    v = wide_from((int128)9007199254740993 * 1000000 + 1);
    EXPECT(wide_quotient(&v, 0, 1000000) == 9007199254740994.0);
}

TEST(the_binary_form_is_short_and_reads_back)
{
    int128 values[] = {
        0, -1, INT64_MAX, INT64_MIN, (int128)INT64_MAX + 1, -power_of_ten(38), power_of_ten(38)};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        for (int shift = 0; shift <= 18; shift += 18) {
            struct wide v = wide_from(values[i]);
            wide_shift(&v, shift);
            struct buffer out;
            buffer_init(&out, 64);
            wide_encode(&out, &v);
            EXPECT(out.size == 9 || !wide_fits_i64(&v));
            struct reader r = reader_of(buffer_view(&out));
            struct wide back = wide_decode(&r);
            EXPECT(!r.failed && reader_left(&r) == 0);
            EXPECT(wide_compare(&v, &back) == 0);
            buffer_free(&out);
        }
    }
    struct reader bad = reader_of(BYTES_LITERAL("\x05"));
    wide_decode(&bad);
    EXPECT(bad.failed);
}
