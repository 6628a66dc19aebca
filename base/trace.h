/* The log: one line per event, words first, then fields (docs: configuration, "Logs").
 *
 *   2026-11-20T13:37:45.120Z INFO  segment rolled topic=orders partition=3 size_bytes=1073741824
 *
 * Fields are given as name, type, value. The formatter quotes and escapes, so callers never build
 * lines by hand. May be called on any thread. Never logs record content.
 *
 * With `repeats`, an error or warning that comes again within ten seconds with the same fields is
 * only counted. The next one that is printed has this count (repeated=N). */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/compiler.h"

enum trace_level { TRACE_ERROR, TRACE_WARN, TRACE_INFO, TRACE_DEBUG, TRACE_TRACE };
enum trace_format { TRACE_TEXT, TRACE_JSON, TRACE_SYSTEMD };

struct trace_repeats; /* trace_repeats.h */

struct trace {
    enum trace_level level;
    enum trace_format format;
    struct clock *clock;
    struct trace_repeats *repeats; /* NULL: every line is printed */
    /* Takes one finished line, newline included. NULL: stderr. */
    void (*write)(struct trace *trace, struct bytes line);
};

enum trace_field_type { FIELD_END, FIELD_INT, FIELD_BYTES, FIELD_STRING };

struct trace_field {
    const char *name;
    enum trace_field_type type;
    int64_t integer;
    struct bytes bytes;
};

#define F_INT(field_name, v) \
    ((struct trace_field){.name = (field_name), .type = FIELD_INT, .integer = (int64_t)(v)})
#define F_BYTES(field_name, v) \
    ((struct trace_field){.name = (field_name), .type = FIELD_BYTES, .bytes = (v)})
#define F_STRING(field_name, v) \
    ((struct trace_field){.name = (field_name), .type = FIELD_STRING, .bytes = bytes_string(v)})

/* trace_log(trace, TRACE_INFO, "segment rolled", F_BYTES("topic", name), F_INT("partition", 3)).
 * A NULL trace logs nothing. */
#define trace_log(sink, severity, ...)                                  \
    do {                                                                \
        if ((sink) != NULL && (int)(severity) <= (int)(sink)->level)    \
            trace_write((sink), (severity), TRACE_FIELDS(__VA_ARGS__)); \
    } while (0)
#define TRACE_FIELDS(event, ...)          \
    (event), (const struct trace_field[]) \
    {                                     \
        __VA_ARGS__ __VA_OPT__(, )        \
        {                                 \
            .type = FIELD_END             \
        }                                 \
    }

void trace_write(struct trace *trace, enum trace_level level, const char *event,
                 const struct trace_field *fields);

/* "2026-11-20T13:37:45.120Z" into out (25 bytes). Any int64 is printed; years beyond 9999 get their
 * sign as ISO 8601 asks. */
void format_rfc3339(int64_t wall_ms, char out[40]);

#endif
