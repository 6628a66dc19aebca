#include "base/units.h"

#include "tests/harness/harness.h"

#define BAD INT64_MIN

static int64_t duration(const char *text)
{
    int64_t ms;
    return parse_duration_ms(bytes_string(text), &ms) ? ms : BAD;
}

static int64_t size(const char *text)
{
    int64_t bytes;
    return parse_size_bytes(bytes_string(text), &bytes) ? bytes : BAD;
}

static int64_t moment(const char *text)
{
    int64_t ms;
    return parse_time_ms(bytes_string(text), 1000000000000, &ms) ? ms : BAD;
}

TEST(durations_take_units_and_plain_milliseconds)
{
    EXPECT_INT(duration("1500"), 1500);
    EXPECT_INT(duration("-1"), -1);
    EXPECT_INT(duration("300ms"), 300);
    EXPECT_INT(duration("10s"), 10000);
    EXPECT_INT(duration("5m"), 300000);
    EXPECT_INT(duration("1.5h"), 5400000);
    EXPECT_INT(duration("7d"), 604800000);
    EXPECT_INT(duration("2w"), 1209600000);
    EXPECT_INT(duration("2500us"), 2);
    EXPECT_INT(duration("-1h"), -3600000);
}

TEST(a_duration_above_zero_is_never_zero)
{
    EXPECT_INT(duration("1ns"), 1);
    EXPECT_INT(duration("0s"), 0);
}

TEST(a_text_that_is_not_a_duration_is_refused)
{
    static const char *const bad[] = {"",
                                      "s",
                                      "10 s",
                                      "10S",
                                      "1h30m",
                                      "10sec",
                                      "1.s",
                                      "--1",
                                      "1e3",
                                      "0x10",
                                      "9223372036854775808",
                                      "99999999999999w"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        EXPECT_INT(duration(bad[i]), BAD);
}

TEST(sizes_take_units_and_plain_bytes)
{
    EXPECT_INT(size("1048588"), 1048588);
    EXPECT_INT(size("-1"), -1);
    EXPECT_INT(size("64KiB"), 65536);
    EXPECT_INT(size("1MiB"), 1 << 20);
    EXPECT_INT(size("1.5GiB"), 1610612736);
    EXPECT_INT(size("64k"), 65536);
    EXPECT_INT(size("1M"), 1 << 20);
    EXPECT_INT(size("2g"), (int64_t)2 << 30);
    EXPECT_INT(size("512B"), 512);
}

TEST(a_text_that_is_not_a_size_is_refused)
{
    static const char *const bad[] = {"", "KiB", "1kib", "1 MiB", "1MB!", "8388608TiB", "1.2.3k"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        EXPECT_INT(size(bad[i]), BAD);
}

TEST(times_are_absolute_or_relative_to_now)
{
    EXPECT_INT(moment("now"), 1000000000000);
    EXPECT_INT(moment("-1h"), 1000000000000 - 3600000);
    EXPECT_INT(moment("1970-01-01"), 0);
    EXPECT_INT(moment("2024-02-29"), 1709164800000);
    EXPECT_INT(moment("2026-11-20T13:37:45.120Z"), 1795181865120);
    EXPECT_INT(moment("2026-11-20T14:37:45.12+01:00"), 1795181865120);
    EXPECT_INT(moment("1700000000"), 1700000000000);
    EXPECT_INT(moment("1700000000123"), 1700000000123);
    EXPECT_INT(moment("2023-02-29"), BAD);
    EXPECT_INT(moment("2026-11-20T25:00:00Z"), BAD);
    EXPECT_INT(moment("2026-11-20x"), BAD);
    EXPECT_INT(moment("yesterday"), BAD);
}

TEST(formats_read_back_as_the_same_value)
{
    static const int64_t values[] = {0,     1,       -1,        999,  1000,    1500,    60000,
                                     90000, 3600000, 604800000, 1024, 1048588, 1 << 30, INT64_MAX};
    char text[UNITS_TEXT_SIZE];
    for (size_t i = 0; i < COUNT_OF(values); i++)
        EXPECT_INT(duration(format_duration(values[i], text)), values[i]);
    EXPECT_STRING(format_duration(604800000, text), "1w");
    EXPECT_STRING(format_duration(90000, text), "90s");
}

TEST(short_forms_are_for_people)
{
    char text[UNITS_TEXT_SIZE];
    EXPECT_STRING(format_count_short(18234567, text), "18.2M");
    EXPECT_STRING(format_count_short(999, text), "999");
    EXPECT_STRING(format_size_short(9771050598, text), "9.1GiB");
    EXPECT_STRING(format_size_short(512, text), "512B");
}
