#include "base/trace.h"

#include "base/buffer.h"
#include "base/trace_repeats.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {"ERROR", "WARN", "INFO", "DEBUG", "TRACE"};

/* Days since 1970 to a civil date, proleptic Gregorian, by counting in 400-year cycles. */
static void civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468; /* to 0000-03-01 */
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
}

void format_rfc3339(int64_t wall_ms, char out[40])
{
    int64_t days = wall_ms / 86400000, rest = wall_ms % 86400000, year;
    if (rest < 0) {
        rest += 86400000;
        days--;
    }
    int month, day;
    civil_from_days(days, &year, &month, &day);
    const char *sign = year < 0 ? "-" : year > 9999 ? "+" : "";
    snprintf(out, 40, "%s%04" PRId64 "-%02d-%02dT%02d:%02d:%02d.%03dZ", sign,
             year < 0 ? -year : year, month, day, (int)(rest / 3600000), (int)(rest / 60000 % 60),
             (int)(rest / 1000 % 60), (int)(rest % 1000));
}

static bool is_plain(struct bytes b)
{
    for (size_t i = 0; i < b.size; i++) {
        uint8_t c = b.data[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return b.size > 0;
}

/* A quoted string in which everything but printable ASCII is escaped. It is valid in text and JSON.
 * Bytes above 127 are shown as their Latin-1 code points, which is enough for names from
 * outside. */
static void append_quoted(struct buffer *out, struct bytes b)
{
    buffer_append_u8(out, '"');
    for (size_t i = 0; i < b.size; i++) {
        uint8_t c = b.data[i];
        if (c == '"' || c == '\\')
            buffer_printf(out, "\\%c", c);
        else if (c < ' ' || c >= 0x7f)
            buffer_printf(out, "\\u%04x", c);
        else
            buffer_append_u8(out, c);
    }
    buffer_append_u8(out, '"');
}

static void append_value(struct buffer *out, const struct trace_field *f, bool always_quote)
{
    if (f->type == FIELD_INT)
        buffer_printf(out, "%" PRId64, f->integer);
    else if (!always_quote && is_plain(f->bytes))
        buffer_append_bytes(out, f->bytes);
    else
        append_quoted(out, f->bytes);
}

static void format_json(struct buffer *out, int64_t now_ms, enum trace_level level,
                        const char *event, const struct trace_field *fields)
{
    char time[40];
    format_rfc3339(now_ms, time);
    buffer_printf(out, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":", time, level_names[level]);
    append_quoted(out, bytes_string(event));
    for (; fields->type != FIELD_END; fields++) {
        buffer_printf(out, ",\"%s\":", fields->name);
        append_value(out, fields, true);
    }
    buffer_append_string(out, "}\n");
}

static void format_text(struct buffer *out, int64_t now_ms, enum trace_level level, bool systemd,
                        const char *event, const struct trace_field *fields)
{
    static const int syslog_priority[] = {3, 4, 6, 7, 7};
    if (systemd) {
        buffer_printf(out, "<%d>%s", syslog_priority[level], event);
    } else {
        char time[40];
        format_rfc3339(now_ms, time);
        buffer_printf(out, "%s %-5s %s", time, level_names[level], event);
    }
    for (; fields->type != FIELD_END; fields++) {
        buffer_printf(out, " %s=", fields->name);
        append_value(out, fields, false);
    }
    buffer_append_u8(out, '\n');
}

static void format(struct buffer *out, enum trace_format how, int64_t now_ms,
                   enum trace_level level, const char *event, const struct trace_field *fields)
{
    if (how == TRACE_JSON)
        format_json(out, now_ms, level, event, fields);
    else
        format_text(out, now_ms, level, how == TRACE_SYSTEMD, event, fields);
}

enum { FIELDS_MAX = 32 };

/* Copies the fields and adds the count after them. */
static void add_count(struct trace_field out[FIELDS_MAX], const struct trace_field *fields,
                      int64_t repeated)
{
    size_t count = 0;
    for (; fields[count].type != FIELD_END && count < FIELDS_MAX - 2; count++)
        out[count] = fields[count];
    out[count++] = F_INT("repeated", repeated);
    out[count] = (struct trace_field){.type = FIELD_END};
}

void trace_write(struct trace *trace, enum trace_level level, const char *event,
                 const struct trace_field *fields)
{
    struct buffer line;
    struct trace_field counted[FIELDS_MAX];
    int64_t now_ms = trace->clock->wall_ms(trace->clock), repeated = 0;
    bool prints = true;
    buffer_init(&line, 64 << 10);
    if (trace->repeats && level <= TRACE_WARN) {
        format(&line, TRACE_SYSTEMD, 0, level, event, fields); /* the line has no time */
        prints = trace_repeats_print(trace->repeats, buffer_view(&line), now_ms, &repeated);
        buffer_clear(&line);
    }
    if (prints) {
        if (repeated > 0)
            add_count(counted, fields, repeated);
        format(&line, trace->format, now_ms, level, event, repeated > 0 ? counted : fields);
        if (trace->write)
            trace->write(trace, buffer_view(&line));
        else
            (void)!write(STDERR_FILENO, line.data, line.size);
    }
    buffer_free(&line);
}
