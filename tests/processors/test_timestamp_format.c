#include "processors/time/timestamp_format.h"

#include "processors/json/json.h"
#include "processors/time/civil_time.h"
#include "tests/harness/harness.h"

enum { MISSING = -1, INVALID = -2 };

struct extract_case {
    const char *format, *tz, *json;
    int64_t expected; /* or MISSING or INVALID; negative times below are larger */
};

static const struct extract_case cases[] = {
    {"epoch-ms", NULL, "1700000000123", 1700000000123},
    {"epoch-ms", NULL, "\"1700000000123\"", 1700000000123},
    {"epoch-ms", NULL, "1700000000123.9", 1700000000123},
    {"epoch-ms", NULL, "1.7e12", 1700000000000},
    {"epoch-ms", NULL, "-5000", -5000},
    {"epoch-ms", NULL, "-5000.5", -5001},
    {"epoch-ms", NULL, "null", MISSING},
    {"epoch-ms", NULL, "true", INVALID},
    {"epoch-ms", NULL, "\"\"", INVALID},
    {"epoch-ms", NULL, "\" 5\"", INVALID},
    {"epoch-ms", NULL, "\"soon\"", INVALID},
    {"epoch-ms", NULL, "{}", INVALID},
    {"epoch-ms", NULL, "[1]", INVALID},
    {"epoch-ms", NULL, "9223372036854775807", INVALID},
    {"epoch-ms", NULL, "99999999999999999999999", INVALID},
    {"epoch-ms", NULL, "1e300", INVALID},
    {NULL, NULL, "5000", 5000},
    {"epoch-s", NULL, "1700000000", 1700000000000},
    {"epoch-s", NULL, "1700000000.123", 1700000000123},
    {"epoch-s", NULL, "1700000000.0019", 1700000000001},
    {"epoch-s", NULL, "\"1700000000.999999\"", 1700000000999},
    {"epoch-s", NULL, "-3.0005", -3001},
    {"epoch-s", NULL, "1.001e3", 1001000},
    {"epoch-us", NULL, "1700000000123456", 1700000000123},
    {"epoch-us", NULL, "-1000001", -1001},
    {"epoch-ns", NULL, "1700000000123456789", 1700000000123},
    {"epoch-ns", NULL, "\"-5000000001\"", -5001},
    {"rfc3339", NULL, "\"2023-11-14T22:13:20Z\"", 1700000000000},
    {"rfc3339", NULL, "\"2023-11-14T23:13:20.1239+01:00\"", 1700000000123},
    {"rfc3339", NULL, "\"2023-11-14t16:43:20-05:30\"", 1700000000000},
    {"rfc3339", NULL, "\"1969-12-31T23:59:50.5Z\"", -9500},
    {"rfc3339", NULL, "\"2016-12-31T23:59:60Z\"", 1483228800000},
    {"rfc3339", NULL, "\"2024-02-29T00:00:00Z\"", 1709164800000},
    {"rfc3339", NULL, "\"2023-02-29T00:00:00Z\"", INVALID},
    {"rfc3339", NULL, "\"2023-11-14T22:13:20\"", INVALID},
    {"rfc3339", NULL, "\"2023-11-14T22:13:20+0100\"", INVALID},
    {"rfc3339", NULL, "\"2023-11-14T22:13:20.Z\"", INVALID},
    {"rfc3339", NULL, "\"2023-11-14T24:00:00Z\"", INVALID},
    {"rfc3339", NULL, "\"2023-13-14T00:00:00Z\"", INVALID},
    {"rfc3339", NULL, "\"2023-11-14\"", INVALID},
    {"rfc3339", NULL, "1700000000000", INVALID},
    {"rfc3339", NULL, "null", MISSING},
    {"strptime:%Y-%m-%d %H:%M:%S", NULL, "\"2023-11-14 22:13:20\"", 1700000000000},
    {"strptime:%Y-%m-%d %H:%M:%S", "+02:00", "\"2023-11-15 00:13:20\"", 1700000000000},
    {"strptime:%F %T", "Europe/Paris", "\"2023-11-14 23:13:20\"", 1700000000000},
    {"strptime:%F %T", "Europe/Paris", "\"2023-07-14 00:13:20\"", 1689286400000},
    {"strptime:%F %T %z", "Europe/Paris", "\"2023-11-14 22:13:20 +0000\"", 1700000000000},
    {"strptime:%s", "Europe/Paris", "\"1700000000\"", 1700000000000},
    {"strptime:%F %T %z", "+02:00", "\"2023-11-14 22:13:20 Z\"", 1700000000000},
    {"strptime:%FT%T.%f%z", NULL, "\"2023-11-14T17:13:20.123999-0500\"", 1700000000123},
    {"strptime:%Y/%m/%d", NULL, "\"1970/01/02\"", 86400000},
    {"strptime:%Y/%m/%d", NULL, "\"1970/1/2\"", 86400000},
    {"strptime:%Y%m%d%H%M%S", NULL, "\"20231114221320\"", 1700000000000},
    {"strptime:%d/%b/%Y:%H:%M:%S %z", NULL, "\"14/Nov/2023:22:13:20 +0000\"", 1700000000000},
    {"strptime:%A, %e %B %y %I:%M %p", NULL, "\"Tuesday,  14 november 23 10:13 PM\"",
     1699999980000},
    {"strptime:%Y %j", NULL, "\"2024 366\"", 1735603200000},
    {"strptime:%Y %j", NULL, "\"2023 366\"", INVALID},
    {"strptime:%s.%L", NULL, "\"1700000000.123\"", 1700000000123},
    {"strptime:%D %R", NULL, "\"11/14/23 22:13\"", 1699999980000},
    {"strptime:%Y-%m-%d", NULL, "\"2023-11-14 \"", INVALID},
    {"strptime:%Y-%m-%d", NULL, "\"2023-11-31\"", INVALID},
    {"strptime:%Y-%m-%d", NULL, "\"2023-11\"", INVALID},
    {"strptime:%Y-%m-%d", NULL, "20231114", INVALID},
    {"strptime:%Y-%m-%d%%", NULL, "\"1970-01-01%\"", 0},
};

static void check_case(const struct extract_case *c)
{
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct timestamp_format format;
    struct message message;
    if (timestamp_format_parse(bytes_string(c->format), bytes_string(c->tz), &format, &message))
        test_fail(__FILE__, __LINE__, "%s: %s", c->format, message.text);
    struct value v = json_value(bytes_string(c->json), &arena);
    int64_t ms = 0;
    enum timestamp_result result = timestamp_extract(&format, &v, &ms);
    int64_t actual = result == TIMESTAMP_OK ? ms : result == TIMESTAMP_MISSING ? MISSING : INVALID;
    if (actual != c->expected)
        test_fail(__FILE__, __LINE__, "%s of %s is %" PRId64 ", expected %" PRId64,
                  c->format ? c->format : "(none)", c->json, actual, c->expected);
    arena_free(&arena);
}

TEST(values_become_times_by_their_format)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_case(&cases[i]);
}

TEST(a_timestamp_is_taken_as_it_is)
{
    struct timestamp_format format;
    EXPECT(timestamp_format_parse(BYTES_LITERAL("rfc3339"), BYTES_NULL, &format, NULL) == ERR_OK);
    struct value v = {.type = VALUE_TIMESTAMP, .integer = -7};
    int64_t ms;
    EXPECT_INT(timestamp_extract(&format, &v, &ms), TIMESTAMP_OK);
    EXPECT_INT(ms, -7);
    v.type = VALUE_DURATION;
    EXPECT_INT(timestamp_extract(&format, &v, &ms), TIMESTAMP_INVALID);
}

static void expect_refused(const char *format, const char *tz, const char *expected)
{
    struct timestamp_format out;
    struct message message;
    EXPECT_INT(timestamp_format_parse(bytes_string(format), bytes_string(tz), &out, &message),
               ERR_INVALID);
    EXPECT_STRING(message.text, expected);
}

TEST(wrong_formats_are_refused_with_what_is_allowed)
{
    expect_refused("epoch_ms", NULL,
                   "'epoch_ms' is not a timestamp format (epoch-ms, epoch-s, epoch-us, epoch-ns, "
                   "rfc3339 or strptime:<format>); did you mean 'epoch-ms'?");
    expect_refused("strptime:%H:%M", NULL,
                   "'strptime:%H:%M': a year, a month and a day are needed (or %s)");
    expect_refused("strptime:%Q", NULL,
                   "'strptime:%Q': unknown directive; the directives are %Y %y %m %d %e %j %b %B "
                   "%h %a %A %H %k %I %l %p %M %S %f %L %z %Z %s %F %T %D %R %n %t %%");
    expect_refused("strptime:%F", "Europe/Pari",
                   "'Europe/Pari' is not a time zone such as UTC, +02:00 or Europe/Paris; did you "
                   "mean Europe/Paris?");
    expect_refused("epoch-ms", "UTC", "a time zone is for strptime formats only");
}

TEST(every_day_of_four_centuries_is_its_own_date)
{
    struct civil_time before = civil_from_ms(-62135596800000 - MS_PER_DAY);
    for (int64_t ms = -62135596800000; ms < -62135596800000 + 146097 * MS_PER_DAY;
         ms += MS_PER_DAY) {
        struct civil_time t = civil_from_ms(ms + 12345678);
        int64_t back;
        EXPECT(civil_to_ms(&t, &back));
        EXPECT_INT(back, ms + 12345678);
        EXPECT(t.day == before.day + 1 || t.day == 1);
        before = t;
    }
    EXPECT_INT(before.year, 400);
    EXPECT_INT(before.month, 12);
    EXPECT_INT(before.day, 31);
}

static void expect_text(int64_t ms, const char *expected)
{
    struct buffer out;
    buffer_init(&out, 100);
    rfc3339_append(&out, ms);
    EXPECT_STRING(buffer_c_string(&out), expected);
    buffer_free(&out);
}

TEST(times_print_as_rfc3339)
{
    expect_text(0, "1970-01-01T00:00:00Z");
    expect_text(-1, "1969-12-31T23:59:59.999Z");
    expect_text(1700000000120, "2023-11-14T22:13:20.120Z");
}
