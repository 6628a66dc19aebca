#include "processors/time/window.h"

#include "tests/harness/harness.h"

static struct window parsed(const char *text)
{
    struct window w;
    struct message message;
    if (window_parse(bytes_string(text), &w, &message))
        test_fail(__FILE__, __LINE__, "%s: %s", text, message.text);
    return w;
}

static void expect_refusal(const char *text, const char *part)
{
    struct window w;
    struct message message = {""};
    EXPECT_INT(window_parse(bytes_string(text), &w, &message), ERR_INVALID);
    if (strstr(message.text, part) == NULL)
        test_fail(__FILE__, __LINE__, "%s: '%s' lacks '%s'", text, message.text, part);
}

TEST(a_tumbling_window_is_a_single_slice)
{
    struct window w = parsed("tumbling(5m)");
    EXPECT_INT(w.size_ms, 300000);
    EXPECT_INT(w.slice_ms, 300000);
    EXPECT_INT(window_slice_start(&w, 299999), 0);
    EXPECT_INT(window_slice_start(&w, 300000), 300000);
    EXPECT_INT(window_first_end(&w, 299999), 300000);
    EXPECT_INT(window_last_end(&w, 299999), 300000);
    EXPECT_INT(window_last_end(&w, 300000), 600000);
}

TEST(divisions_floor_before_1970)
{
    struct window w = parsed("tumbling(10ms)");
    EXPECT_INT(window_slice_start(&w, -1), -10);
    EXPECT_INT(window_slice_start(&w, -10), -10);
    EXPECT_INT(window_slice_start(&w, -11), -20);
    EXPECT_INT(window_last_end(&w, -1), 0);
}

TEST(an_offset_moves_the_boundaries)
{
    struct window w = parsed(" tumbling( 1d ; offset = 6h ) ");
    EXPECT_INT(window_slice_start(&w, 0), -18 * 3600000);
    EXPECT_INT(window_slice_start(&w, 6 * 3600000), 6 * 3600000);
    EXPECT_INT(parsed("tumbling(10ms; offset=25ms)").offset_ms, 5);
    EXPECT_INT(parsed("tumbling(10ms; offset=-1ms)").offset_ms, 9);
}

TEST(a_hopping_window_has_slices_that_no_boundary_cuts)
{
    struct window w = parsed("hopping(10ms; 4ms)");
    EXPECT_INT(w.slice_ms, 2);
    /* 13 is in [4,14), [8,18) and [12,22). */
    EXPECT_INT(window_first_end(&w, 13), 14);
    EXPECT_INT(window_last_end(&w, 13), 22);
    /* 14 is in [8,18) and [12,22). */
    EXPECT_INT(window_first_end(&w, 14), 18);
    EXPECT_INT(window_last_end(&w, 14), 22);
    EXPECT_INT(window_first_end(&w, -1), 2);
    EXPECT_INT(window_last_end(&w, -1), 6);
}

/* The ends from the first to the last are exactly those of the windows that contain the time. */
TEST(ends_agree_with_the_definition)
{
    struct window w = parsed("hopping(15ms; 6ms; offset=2ms)");
    for (int64_t t = -40; t < 40; t++) {
        for (int64_t k = -20; k < 20; k++) {
            int64_t start = k * 6 + 2, end = start + 15;
            bool inside = start <= t && t < end;
            bool listed = end >= window_first_end(&w, t) && end <= window_last_end(&w, t);
            EXPECT_INT(listed, inside);
        }
        EXPECT((window_last_end(&w, t) - window_first_end(&w, t)) % 6 == 0);
        int64_t slice = window_slice_start(&w, t);
        EXPECT(slice <= t && t < slice + w.slice_ms);
        EXPECT_INT(window_last_end(&w, slice), window_last_end(&w, slice + w.slice_ms - 1));
        EXPECT_INT(window_first_end(&w, slice), window_first_end(&w, slice + w.slice_ms - 1));
    }
}

TEST(invalid_windows_are_refused_with_the_reason)
{
    expect_refusal("tumbling", "tumbling takes a size");
    expect_refusal("tumbling(", "not of the form");
    expect_refusal("tumbling(5m) x", "not of the form");
    expect_refusal("tumbling(0)", "longer than 0");
    expect_refusal("tumbling(5x)", "'5x' is not a duration");
    expect_refusal("tumbling(1mo)",
                   "'1mo': calendar sizes (1w, 1mo) are not built yet; 7d is a size");
    expect_refusal("tumbling(1w)",
                   "'1w': calendar sizes (1w, 1mo) are not built yet; 7d is a size");
    expect_refusal("hopping(7d; 1m; 1m; 1m)", "unexpected argument '1m'");
    expect_refusal("tumbling(1h; offset=5)", "offset '5' is not a duration such as 6h or -30m");
    expect_refusal("tumbling(5m; 1m)", "tumbling takes a size");
    expect_refusal("hopping(5m)", "hopping takes a size and an advance");
    expect_refusal("hopping(1m; 5m)", "advance may not be longer than size");
    expect_refusal("hopping(1d; 1ms)", "at most 10000 times advance");
    expect_refusal("tumbling(1d; tz=Europe/Paris)", "calendar windows (tz=) are not built yet");
    expect_refusal("tumbling(1d; of=1)", "unknown argument 'of'");
    expect_refusal("global", "global windows are not built yet");
    expect_refusal("count(5)", "count windows are not built yet");
    expect_refusal("trailing(24h; bucket=1m)", "trailing windows are not built yet");
    expect_refusal("tumbling(1000000d)", "is not a duration");
    expect_refusal("", "unknown window ''");
}
