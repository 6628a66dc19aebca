#include "client-tools/cluster/offset_spec.h"

#include "tests/harness/harness.h"

enum { HOUR_MS = 3600000 };
static const int64_t now_ms = 1795181865120;

static void expect_spec(const char *text, enum bound_kind from, int64_t from_value,
                        enum bound_kind to, int64_t to_value)
{
    struct offset_spec spec;
    struct failure f;
    if (!offset_spec_parse(bytes_string(text), now_ms, &spec, &f))
        test_fail(__FILE__, __LINE__, "%s: %s", text, f.message.text);
    EXPECT_INT(spec.from.kind, from);
    EXPECT_INT(spec.from.value, from_value);
    EXPECT_INT(spec.to.kind, to);
    EXPECT_INT(spec.to.value, to_value);
}

TEST(positions_are_read)
{
    expect_spec("start", BOUND_START, 0, BOUND_NONE, 0);
    expect_spec("end", BOUND_END, 0, BOUND_NONE, 0);
    expect_spec("+5", BOUND_AFTER_START, 5, BOUND_NONE, 0);
    expect_spec("-5", BOUND_BEFORE_END, 5, BOUND_NONE, 0);
    expect_spec("5", BOUND_OFFSET, 5, BOUND_NONE, 0);
    expect_spec("@-1h", BOUND_TIME, now_ms - HOUR_MS, BOUND_NONE, 0);
    expect_spec("@1700000000000", BOUND_TIME, 1700000000000, BOUND_NONE, 0);
    expect_spec("@2026-11-20T13:37:45.120Z", BOUND_TIME, now_ms, BOUND_NONE, 0);
}

TEST(ranges_are_read)
{
    expect_spec("5:9", BOUND_OFFSET, 5, BOUND_OFFSET, 9);
    expect_spec(":end", BOUND_START, 0, BOUND_END, 0);
    expect_spec("start:end", BOUND_START, 0, BOUND_END, 0);
    expect_spec("-10:end", BOUND_BEFORE_END, 10, BOUND_END, 0);
    expect_spec("@-2h:-1h", BOUND_TIME, now_ms - 2 * HOUR_MS, BOUND_TIME, now_ms - HOUR_MS);
    expect_spec("@-2h:@-1h", BOUND_TIME, now_ms - 2 * HOUR_MS, BOUND_TIME, now_ms - HOUR_MS);
    expect_spec("@-2h:end", BOUND_TIME, now_ms - 2 * HOUR_MS, BOUND_END, 0);
    expect_spec("@2026-11-20T12:37:45.120Z:2026-11-20T13:37:45.120Z", BOUND_TIME, now_ms - HOUR_MS,
                BOUND_TIME, now_ms);
}

TEST(text_that_is_no_offset_is_refused)
{
    static const char *const bad[] = {"",  "begin", "5:",  ":",  "5:start",
                                      "@", "@soon", "1.5", "--1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct offset_spec spec;
        struct failure f;
        if (offset_spec_parse(bytes_string(bad[i]), now_ms, &spec, &f))
            test_fail(__FILE__, __LINE__, "\"%s\" passes", bad[i]);
        EXPECT_INT(f.exit, EXIT_USAGE);
    }
}
