#include "client-tools/failure.h"

#include "protocol/kafka_error.h"

#include <stdarg.h>
#include <stdio.h>

static bool set(struct failure *f, enum exit_code code, const char *name, const char *format,
                va_list args)
{
    *f = (struct failure){.exit = code};
    snprintf(f->name, sizeof f->name, "%s", name);
    char text[sizeof f->message.text];
    vsnprintf(text, sizeof text, format, args);
    message_set(&f->message, "%s", text);
    return false;
}

bool fail(struct failure *f, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(f, EXIT_FAILED, name, format, args);
    va_end(args);
    return false;
}

bool fail_usage(struct failure *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(f, EXIT_USAGE, "USAGE", format, args);
    va_end(args);
    return false;
}

bool fail_unreachable(struct failure *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(f, EXIT_UNREACHABLE, "UNREACHABLE", format, args);
    va_end(args);
    return false;
}

bool fail_kafka(struct failure *f, int code, struct bytes broker_message, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(f, EXIT_FAILED, kafka_error_name(code), format, args);
    va_end(args);
    struct message what = f->message;
    if (broker_message.size == 0)
        broker_message = bytes_string(kafka_error_text(code));
    message_set(&f->message, "%s: %.*s", what.text, BYTES_PRINTF(broker_message));
    return false;
}

void failure_format(const struct failure *f, struct buffer *out)
{
    buffer_printf(out, "error: %s\n", f->message.text);
    if (f->from.text[0])
        buffer_printf(out, "  from  %s\n", f->from.text);
    if (f->hint.text[0])
        buffer_printf(out, "  hint  %s\n", f->hint.text);
}
