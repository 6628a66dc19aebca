#include "tests/harness/harness.h"

#include "base/buffer.h"
#include "base/trace.h"
#include "base/trace_repeats.h"

/* A log whose clock the test sets, and its lines without their times. */
struct log {
    struct trace trace;
    struct clock clock;
    int64_t now_ms;
    struct buffer lines;
};

static int64_t wall_ms(struct clock *clock)
{
    return CONTAINER_OF(clock, struct log, clock)->now_ms;
}

static void keep(struct trace *trace, struct bytes line)
{
    struct log *log = CONTAINER_OF(trace, struct log, trace);
    buffer_append_bytes(&log->lines, bytes_from(line, 25));
}

static void begin(struct log *log)
{
    *log = (struct log){.clock = {.wall_ms = wall_ms}};
    log->trace = (struct trace){.level = TRACE_INFO,
                                .clock = &log->clock,
                                .repeats = trace_repeats_create(),
                                .write = keep};
    buffer_init(&log->lines, 1 << 20);
}

static void expect_lines(struct log *log, const char *expected)
{
    EXPECT_STRING(buffer_c_string(&log->lines), expected);
    buffer_clear(&log->lines);
}

static void end(struct log *log)
{
    trace_repeats_free(log->trace.repeats);
    buffer_free(&log->lines);
}

TEST(an_error_that_repeats_is_printed_once_and_counted)
{
    struct log log;
    begin(&log);
    for (int i = 0; i < 5; i++)
        trace_log(&log.trace, TRACE_ERROR, "refused", F_STRING("path", "a"));
    trace_log(&log.trace, TRACE_ERROR, "refused", F_STRING("path", "b"));
    expect_lines(&log, "ERROR refused path=a\nERROR refused path=b\n");
    log.now_ms = 9999;
    trace_log(&log.trace, TRACE_ERROR, "refused", F_STRING("path", "a"));
    expect_lines(&log, "");
    log.now_ms = 10000;
    trace_log(&log.trace, TRACE_ERROR, "refused", F_STRING("path", "a"));
    trace_log(&log.trace, TRACE_ERROR, "refused", F_STRING("path", "b"));
    expect_lines(&log, "ERROR refused path=a repeated=5\nERROR refused path=b\n");
    end(&log);
}

TEST(info_lines_are_printed_each_time)
{
    struct log log;
    begin(&log);
    trace_log(&log.trace, TRACE_INFO, "topic created");
    trace_log(&log.trace, TRACE_INFO, "topic created");
    expect_lines(&log, "INFO  topic created\nINFO  topic created\n");
    end(&log);
}

TEST(many_different_errors_push_out_the_oldest)
{
    struct log log;
    begin(&log);
    for (int i = 0; i < 100; i++) {
        log.now_ms++;
        trace_log(&log.trace, TRACE_WARN, "odd", F_INT("number", i));
    }
    buffer_clear(&log.lines);
    trace_log(&log.trace, TRACE_WARN, "odd", F_INT("number", 99));
    trace_log(&log.trace, TRACE_WARN, "odd", F_INT("number", 0));
    expect_lines(&log, "WARN  odd number=0\n");
    end(&log);
}
