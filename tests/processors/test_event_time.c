#include "processors/time/event_time.h"

#include "tests/harness/harness.h"
#include "tests/processors/support_task.h"

#include <stdio.h>

#define F "[t/f]\ntype = filter\nwhere = true\noutput = o\n"

/* The watermark after one record, or the code of its dead letter. */
static const char *outcome(struct world *w, int64_t timestamp, const char *value)
{
    static char text[64];
    size_t before = w->output_count;
    world_put(w, timestamp, "k", value);
    world_step(w);
    EXPECT_INT(w->output_count, before + 1);
    if (strcmp(w->outputs[before].topic, "o") == 0) {
        snprintf(text, sizeof text, "%lld", (long long)task_watermark(w->task));
        return text;
    }
    struct record_header code;
    EXPECT(
        record_header_find(&w->outputs[before].record, BYTES_LITERAL("__dlq.errors.code"), &code));
    snprintf(text, sizeof text, "%.*s", BYTES_PRINTF(code.value));
    return text;
}

TEST(the_records_own_time_is_the_default)
{
    struct world w;
    world_init(&w, 1, F);
    EXPECT_STRING(outcome(&w, 5, "1"), "5");
    EXPECT_STRING(outcome(&w, 3, "1"), "5"); /* never decreases */
    EXPECT_STRING(outcome(&w, -1, "1"), "TIMESTAMP_INVALID");
    EXPECT_STRING(outcome(&w, 0, "1"), "5");
    world_free(&w);
}

TEST(a_field_gives_the_time_in_its_format)
{
    struct world w;
    world_init(&w, 1, F "timestamp = value.ts\ntimestamp.format = rfc3339\n");
    EXPECT_STRING(outcome(&w, 5, "{\"ts\":\"1970-01-01T00:00:01.5Z\"}"), "1500");
    EXPECT_STRING(outcome(&w, 5, "{\"ts\":\"1970-01-01T00:00:01\"}"), "TIMESTAMP_INVALID");
    EXPECT_STRING(outcome(&w, 5, "{\"ts\":null}"), "TIMESTAMP_MISSING");
    EXPECT_STRING(outcome(&w, 5, "{}"), "TIMESTAMP_MISSING");
    EXPECT_STRING(outcome(&w, 5, "{\"ts\":true}"), "TIMESTAMP_INVALID");
    world_free(&w);
    world_init(&w, 1, F "timestamp = header('ts')\ntimestamp.format = epoch-s\n");
    world_put(&w, 0, "k", "1");
    world_header(&w, "ts", "12.3456");
    world_run(&w);
    EXPECT_INT(task_watermark(w.task), 12345);
    world_free(&w);
    world_init(&w, 1,
               F "timestamp = value.d\ntimestamp.format = strptime:%Y-%m-%d %H:%M\n"
                 "timestamp.tz = +01:00\n");
    EXPECT_STRING(outcome(&w, 5, "{\"d\":\"1970-01-02 01:00\"}"), "86400000");
    world_free(&w);
}

TEST(times_before_1970_are_legal_in_fields)
{
    struct world w;
    world_init(&w, 1, F "timestamp = value.ts\nout-of-order = 10ms\n");
    EXPECT_STRING(outcome(&w, 5, "{\"ts\":-100}"), "-110");
    EXPECT_STRING(outcome(&w, 5, "{\"ts\":-9000000000000000}"), "TIMESTAMP_INVALID");
    world_free(&w);
}

TEST(a_missing_time_may_fall_back_to_the_record_timestamp)
{
    struct world w;
    world_init(&w, 1, F "timestamp = value.ts\ntimestamp.on-missing = record\n");
    EXPECT_STRING(outcome(&w, 42, "{}"), "42");
    EXPECT_STRING(outcome(&w, 43, "{\"ts\":\"x\"}"), "TIMESTAMP_INVALID");
    EXPECT_STRING(outcome(&w, -1, "{}"), "TIMESTAMP_INVALID");
    world_free(&w);
}

TEST(events_from_the_future_are_dead_letters_and_close_nothing)
{
    struct world w;
    world_init(&w, 1, F);
    EXPECT_STRING(outcome(&w, WORLD_WALL_MS + 3600001, "1"), "TIMESTAMP_FUTURE");
    EXPECT_INT(task_watermark(w.task), WATERMARK_NONE);
    EXPECT_STRING(outcome(&w, WORLD_WALL_MS + 3600000, "1"), "1700003600000");
    world_free(&w);
    world_init(&w, 1, F "max-future = off\n");
    EXPECT_STRING(outcome(&w, WORLD_WALL_MS * 2, "1"), "3400000000000");
    world_free(&w);
    world_init(&w, 1, F "max-future = 0\n");
    EXPECT_STRING(outcome(&w, WORLD_WALL_MS + 1, "1"), "TIMESTAMP_FUTURE");
    EXPECT_STRING(outcome(&w, WORLD_WALL_MS, "1"), "1700000000000");
    world_free(&w);
}

TEST(an_error_in_the_timestamp_expression_is_a_dead_letter)
{
    struct world w;
    world_init(&w, 1, F "timestamp = 1 / value.z\n");
    EXPECT_STRING(outcome(&w, 42, "{\"z\":0}"), "EXPR_ERROR");
    world_free(&w);
}

TEST(the_watermark_is_out_of_order_below_the_latest_time)
{
    struct event_time t = {.out_of_order_ms = 10};
    EXPECT_INT(watermark_after(&t, WATERMARK_NONE, 5), -5);
    EXPECT_INT(watermark_after(&t, 100, 105), 100);
    EXPECT_INT(watermark_after(&t, 100, 120), 110);
}

TEST(the_time_until_a_task_is_idle_is_in_milliseconds)
{
    struct world w;
    world_init(&w, 1, F "watermark.idle = 5s\n");
    EXPECT_INT(task_idle_after_ms(w.task), 5000);
    world_free(&w);
    world_init(&w, 1, F "watermark.idle = off\n");
    EXPECT_INT(task_idle_after_ms(w.task), -1);
    world_free(&w);
}
