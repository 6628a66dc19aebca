#include "processors/time/window.h"

#include "base/compiler.h"
#include "base/suggest.h"
#include "base/units.h"
#include "processors/time/civil_time.h"
#include "processors/topology/config_text.h"

static int64_t greatest_common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

int64_t window_slice_start(const struct window *w, int64_t time_ms)
{
    return floor_to(time_ms - w->offset_ms, w->slice_ms) + w->offset_ms;
}

int64_t window_last_end(const struct window *w, int64_t time_ms)
{
    return floor_to(time_ms - w->offset_ms, w->advance_ms) + w->offset_ms + w->size_ms;
}

int64_t window_first_end(const struct window *w, int64_t time_ms)
{
    return window_last_end(w, time_ms - w->size_ms) + w->advance_ms;
}

enum { MAX_ARGUMENTS = 3 };

/* The arguments of one window, positional ones first. */
struct window_arguments {
    int64_t durations[MAX_ARGUMENTS];
    size_t count;
    int64_t offset;
};

static enum error parse_named(struct bytes part, size_t equals, int64_t *offset,
                              struct message *message)
{
    struct bytes name = config_trim(bytes_of(part.data, equals));
    struct bytes value = config_trim(bytes_from(part, equals + 1));
    if (bytes_equal_string(name, "tz")) {
        message_set(message, "calendar windows (tz=) are not built yet");
        return ERR_INVALID;
    }
    if (!bytes_equal_string(name, "offset")) {
        message_set(message, "unknown argument '%.*s'; allowed is offset=<duration>",
                    BYTES_PRINTF(name));
        return ERR_INVALID;
    }
    bool is_negative = value.size > 0 && value.data[0] == '-';
    if (!config_duration(is_negative ? bytes_from(value, 1) : value, offset)) {
        message_set(message, "offset '%.*s' is not a duration such as 6h or -30m",
                    BYTES_PRINTF(value));
        return ERR_INVALID;
    }
    *offset = is_negative ? -*offset : *offset;
    return ERR_OK;
}

static bool ends_with(struct bytes text, const char *end)
{
    size_t size = strlen(end);
    return text.size > size && memcmp(text.data + text.size - size, end, size) == 0;
}

/* A window of a week would begin on Thursday, like 1970, but a calendar week begins on Monday. */
static bool is_calendar_size(struct bytes text)
{
    return ends_with(text, "w") || ends_with(text, "mo");
}

static enum error refuse_duration(struct bytes part, struct message *message)
{
    if (part.size > 0 && memchr(part.data, ',', part.size))
        message_set(message, "'%.*s': arguments are separated by ';'", BYTES_PRINTF(part));
    else if (is_calendar_size(part))
        message_set(message, "'%.*s': calendar sizes (1w, 1mo) are not built yet; 7d is a size",
                    BYTES_PRINTF(part));
    else
        config_refuse_duration(part, message);
    return ERR_INVALID;
}

static enum error parse_window_arguments(struct bytes text, struct window_arguments *out,
                                         struct message *message)
{
    struct bytes part;
    *out = (struct window_arguments){.count = 0};
    if (text.size == 0)
        return ERR_OK;
    while (config_next_part(&text, ';', &part)) {
        const uint8_t *equals = part.size ? memchr(part.data, '=', part.size) : NULL;
        if (equals) {
            enum error e = parse_named(part, (size_t)(equals - part.data), &out->offset, message);
            if (e)
                return e;
            continue;
        }
        if (out->count == MAX_ARGUMENTS) {
            message_set(message, "unexpected argument '%.*s'", BYTES_PRINTF(part));
            return ERR_INVALID;
        }
        if (is_calendar_size(part) || !config_duration(part, &out->durations[out->count]))
            return refuse_duration(part, message);
        out->count++;
    }
    return ERR_OK;
}

static enum error check_sizes(const struct window *w, struct message *message)
{
    if (w->size_ms <= 0 || w->advance_ms <= 0) {
        message_set(message, "size and advance must be longer than 0");
        return ERR_INVALID;
    }
    if (w->advance_ms > w->size_ms) {
        message_set(message,
                    "advance may not be longer than size: some records would be in no window");
        return ERR_INVALID;
    }
    if (w->size_ms / w->advance_ms > WINDOW_MAX_OVERLAP) {
        message_set(message, "size may be at most %d times advance", WINDOW_MAX_OVERLAP);
        return ERR_INVALID;
    }
    return ERR_OK;
}

static enum error refuse_kind(struct bytes name, struct message *message)
{
    static const char *const built[] = {"tumbling", "hopping", NULL};
    static const char *const later[] = {"session", "global", "count", "trailing", NULL};
    for (size_t i = 0; later[i]; i++) {
        if (bytes_equal_string(name, later[i])) {
            message_set(message, "%s windows are not built yet; built are tumbling and hopping",
                        later[i]);
            return ERR_INVALID;
        }
    }
    const char *near = suggest(name, built);
    message_set(message,
                "unknown window '%.*s'; allowed are tumbling(<size>) and "
                "hopping(<size>; <advance>)%s%s%s",
                BYTES_PRINTF(name), near ? "; did you mean " : "", near ? near : "",
                near ? "?" : "");
    return ERR_INVALID;
}

enum error window_parse(struct bytes text, struct window *out, struct message *message)
{
    struct bytes name, arguments_text;
    if (!config_call(text, &name, &arguments_text)) {
        message_set(message, "'%.*s' is not of the form name(arguments)", BYTES_PRINTF(text));
        return ERR_INVALID;
    }
    bool hopping = bytes_equal_string(name, "hopping");
    if (!hopping && !bytes_equal_string(name, "tumbling"))
        return refuse_kind(name, message);
    struct window_arguments a;
    enum error e = parse_window_arguments(arguments_text, &a, message);
    if (e)
        return e;
    if (a.count != (hopping ? 2u : 1u)) {
        message_set(message, "%s takes %s", hopping ? "hopping" : "tumbling",
                    hopping ? "a size and an advance: hopping(1h; 5m)" : "a size: tumbling(5m)");
        return ERR_INVALID;
    }
    *out = (struct window){.size_ms = a.durations[0], .advance_ms = a.durations[hopping ? 1 : 0]};
    e = check_sizes(out, message);
    if (e)
        return e;
    out->offset_ms = a.offset - floor_to(a.offset, out->advance_ms);
    out->slice_ms = greatest_common_divisor(out->size_ms, out->advance_ms);
    ASSERT(out->offset_ms >= 0 && out->offset_ms < out->advance_ms);
    ASSERT(out->size_ms % out->slice_ms == 0 && out->advance_ms % out->slice_ms == 0);
    return ERR_OK;
}
