/* processor test: runs a pipeline over a file of records, without a broker. The records that it
 * writes go to standard output; the counters of the input go to stderr. */
#include "base/clock.h"
#include "base/units.h"
#include "client-tools/files.h"
#include "client-tools/output/record_printer.h"
#include "client-tools/pipeline/trial.h"
#include "client-tools/stop.h"
#include "client-tools/tool.h"

#include <inttypes.h>
#include <unistd.h>

enum { MAX_LINE = 64 << 20 };

static const struct flag flags[] = {
    {'f', "file", FLAG_LIST, "FILE", "the processor file", NULL, NULL},
    {'i', "input", FLAG_VALUE, "FILE",
     "input records in the output format of consume (default: standard input)", NULL, NULL},
    {'t', "topic", FLAG_VALUE, "TOPIC",
     "topic of the input records (default: the topic in each record)", NULL, NULL},
    {'p', "partitions", FLAG_VALUE, "N", "number of partitions of each topic (default 1)", NULL,
     NULL},
    {0, "drain", FLAG_SWITCH, NULL, "emit all open windows at the end", NULL, NULL},
    {0, "now", FLAG_VALUE, "TIME",
     "time that the processors see as the current time (default: now)", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

struct test_run {
    struct tool *tool;
    struct trial *trial;
    struct bytes topic;
    int64_t now_ms;
    struct record_printer printer;
    struct line_reader lines;
    struct arena arena; /* of one line */
};

static void print_output(void *context, const struct record_place *place,
                         const struct record *record)
{
    struct test_run *r = context;
    record_printer_add(&r->printer, place, record);
}

static bool read_pipeline(struct tool *t, struct declarations *d)
{
    struct bytes name, text;
    for (size_t at = 0; !bytes_is_null(name = flag_next(&t->arguments, "file", &at));) {
        const char *path = arena_printf(&t->arena, "%.*s", BYTES_PRINTF(name));
        if (!file_read(path, &t->arena, &text, &t->failure) ||
            !processor_file_parse(path, text, &t->arena, d, &t->failure))
            return false;
    }
    if (d->count > 0)
        return true;
    return fail_usage(&t->failure, "no processor file is given: tidemill processor test -f FILE");
}

static bool make_trial(struct test_run *r)
{
    struct tool *t = r->tool;
    struct declarations d = {0};
    int64_t partitions;
    struct buffer warnings;
    if (!read_pipeline(t, &d) ||
        !flag_int(&t->arguments, "partitions", 1, 1024, 1, &partitions, &t->failure))
        return false;
    buffer_init(&warnings, 1 << 20);
    bool good =
        trial_create(&d, (int32_t)partitions, print_output, r, &warnings, &r->trial, &t->failure);
    if (warnings.size > 0)
        tool_say(t, "%.*s", BYTES_PRINTF(buffer_view(&warnings)));
    buffer_free(&warnings);
    if (!good)
        return false;
    r->topic = flag_text(&t->arguments, "topic");
    if (!bytes_is_null(r->topic) && !trial_has_topic(r->trial, r->topic))
        return fail_usage(&t->failure, "the pipeline has no processor on topic %.*s",
                          BYTES_PRINTF(r->topic));
    return true;
}

/* Runs one record. A record of a topic without processors is skipped and counted. */
static bool run_line(struct test_run *r, struct bytes line, int64_t *skipped)
{
    struct tool *t = r->tool;
    struct record_place place;
    struct record record;
    struct message why;
    arena_reset(&r->arena);
    if (!record_json_parse(line, &r->arena, &place, &record, &why))
        return fail_usage(&t->failure, "%s, line %" PRId64 ": %s", r->lines.name, r->lines.line,
                          why.text);
    if (!bytes_is_null(r->topic))
        place.topic = r->topic;
    else if (bytes_is_null(place.topic))
        place.topic = trial_input(r->trial);
    if (!trial_has_topic(r->trial, place.topic)) {
        (*skipped)++;
        return true;
    }
    if (record.timestamp < 0)
        record.timestamp = r->now_ms;
    return trial_append(r->trial, &place, &record, r->now_ms, &t->failure);
}

static bool run_lines(struct test_run *r)
{
    struct tool *t = r->tool;
    int64_t skipped = 0;
    if (r->lines.fd == STDIN_FILENO)
        tool_say_terminal(r->tool, "records");
    for (;;) {
        struct bytes line;
        enum line_result result = line_reader_next(&r->lines, -1, &line, &t->failure);
        if (result == LINE_FAILED)
            return false;
        if (result == LINE_END || stop_requested() || r->printer.reader_gone)
            break;
        if (result == LINE_READY && line.size > 0 && !run_line(r, line, &skipped))
            return false;
    }
    if (skipped > 0)
        tool_say(t, "%" PRId64 " records of topics without processors were skipped", skipped);
    return trial_finish(r->trial, flag_is_set(&t->arguments, "drain"), r->now_ms, &t->failure);
}

static void say_counters(const struct test_run *r)
{
    struct bytes topic, processor;
    struct processor_counters c;
    for (size_t i = 0; trial_counters(r->trial, i, &topic, &processor, &c); i++)
        tool_say(r->tool,
                 "%.*s/%.*s: %" PRIu64 " in, %" PRIu64 " passed, %" PRIu64 " absorbed, %" PRIu64
                 " filtered, %" PRIu64 " duplicates, %" PRIu64 " late, %" PRIu64
                 " dead letters, %" PRIu64 " results",
                 BYTES_PRINTF(topic), BYTES_PRINTF(processor), c.records_in, c.passed, c.absorbed,
                 c.filtered, c.duplicates, c.late, c.dead_letters, c.panes);
}

static bool read_now(struct test_run *r)
{
    struct clock *clock = clock_system();
    struct bytes text = flag_text(&r->tool->arguments, "now");
    r->now_ms = clock->wall_ms(clock);
    if (bytes_is_null(text) || parse_time_ms(text, r->now_ms, &r->now_ms))
        return true;
    return fail_usage(&r->tool->failure, "--now %.*s: invalid time", BYTES_PRINTF(text));
}

static bool run(struct tool *t)
{
    struct test_run r = {.tool = t};
    struct bytes input = flag_text(&t->arguments, "input");
    const char *path =
        bytes_is_null(input) ? NULL : arena_printf(&t->arena, "%.*s", BYTES_PRINTF(input));
    arena_init(&r.arena, 512 << 20);
    bool good = record_printer_init(&r.printer, BYTES_NULL, &t->failure) && read_now(&r) &&
                make_trial(&r) && line_reader_open(&r.lines, path, MAX_LINE, &t->failure);
    if (good) {
        good = run_lines(&r);
        record_printer_flush(&r.printer);
        if (good)
            good = record_printer_end(&r.printer, &t->failure);
        if (good)
            say_counters(&r);
        line_reader_close(&r.lines);
    }
    trial_free(r.trial);
    record_printer_free(&r.printer);
    arena_free(&r.arena);
    return good;
}

const struct command processor_test_command = {
    .noun = "processor",
    .verb = "test",
    .arguments = "",
    .sentence = "Runs processors over a file of records, without a broker",
    .flags = flags,
    .streaming = true,
    .examples =
        (const char *const[]){"processor test -f orders.properties -i orders.jsonl",
                              "processor test -f orders.properties --drain < o.jsonl", NULL},
    .see_also = "processor apply",
    .run = run,
};
