#include "processors/time/timestamp_format.h"

#include "base/suggest.h"
#include "processors/time/civil_time.h"
#include "processors/values/number.h"

static const struct {
    const char *name;
    enum timestamp_kind kind;
    int epoch_scale;
} formats[] = {
    {"epoch-ms", TIMESTAMP_EPOCH, 0},  {"epoch-s", TIMESTAMP_EPOCH, 3},
    {"epoch-us", TIMESTAMP_EPOCH, -3}, {"epoch-ns", TIMESTAMP_EPOCH, -6},
    {"rfc3339", TIMESTAMP_RFC3339, 0},
};

static const char strptime_prefix[] = "strptime:";

static enum error parse_strptime(struct bytes pattern, struct timestamp_format *out,
                                 struct message *message)
{
    out->kind = TIMESTAMP_STRPTIME;
    if (pattern.size >= sizeof out->pattern || memchr(pattern.data, '\0', pattern.size)) {
        message_set(message, "the strptime format may have at most %zu bytes",
                    sizeof out->pattern - 1);
        return ERR_INVALID;
    }
    memcpy(out->pattern, pattern.data, pattern.size);
    const char *reason = timestamp_strptime_check(out->pattern);
    if (reason == NULL)
        return ERR_OK;
    message_set(message, "'strptime:%s': %s", out->pattern, reason);
    return ERR_INVALID;
}

static enum error parse_name(struct bytes text, struct timestamp_format *out,
                             struct message *message)
{
    const char *names[COUNT_OF(formats) + 1] = {NULL};
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        if (bytes_equal_string(text, formats[i].name)) {
            out->kind = formats[i].kind;
            out->epoch_scale = formats[i].epoch_scale;
            return ERR_OK;
        }
        names[i] = formats[i].name;
    }
    const char *near = suggest(text, names);
    message_set(message,
                "'%.*s' is not a timestamp format (epoch-ms, epoch-s, epoch-us, epoch-ns, rfc3339 "
                "or strptime:<format>)%s%s%s",
                BYTES_PRINTF(text), near ? "; did you mean '" : "", near ? near : "",
                near ? "'?" : "");
    return ERR_INVALID;
}

enum error timestamp_format_parse(struct bytes text, struct bytes tz, struct timestamp_format *out,
                                  struct message *message)
{
    struct bytes prefix = bytes_string(strptime_prefix);
    *out = (struct timestamp_format){.kind = TIMESTAMP_EPOCH};
    enum error error = ERR_OK;
    if (bytes_starts_with(text, prefix))
        error = parse_strptime(bytes_from(text, prefix.size), out, message);
    else if (!bytes_is_null(text))
        error = parse_name(text, out, message);
    if (error != ERR_OK || bytes_is_null(tz))
        return error;
    if (out->kind != TIMESTAMP_STRPTIME) {
        message_set(message, "a time zone is for strptime formats only");
        return ERR_INVALID;
    }
    if (zone_find(tz, &out->zone))
        return ERR_OK;
    zone_refuse(tz, message);
    return ERR_INVALID;
}

static bool in_range(int64_t ms)
{
    return ms >= -TIME_MAX_MS && ms <= TIME_MAX_MS;
}

static enum timestamp_result from_decimal(int128 unscaled, int scale, int epoch_scale, int64_t *ms)
{
    int128 v;
    if (epoch_scale > 0) {
        if (!decimal_multiply(unscaled, power_of_ten(epoch_scale), &unscaled))
            return TIMESTAMP_INVALID;
    } else {
        scale -= epoch_scale;
    }
    if (!decimal_floor(unscaled, scale, 0, &v) || v < -TIME_MAX_MS || v > TIME_MAX_MS)
        return TIMESTAMP_INVALID;
    *ms = (int64_t)v;
    return TIMESTAMP_OK;
}

/* Computes with the decimal text, even of doubles: 1700000000.123 s are ...123 ms, although the
 * double is a little smaller. */
static enum timestamp_result extract_epoch(const struct timestamp_format *format,
                                           const struct value *v, int64_t *ms)
{
    int128 unscaled;
    int scale;
    switch (v->type) {
    case VALUE_INT:
        return from_decimal(v->integer, 0, format->epoch_scale, ms);
    case VALUE_DECIMAL:
        return from_decimal(v->decimal.unscaled, v->decimal.scale, format->epoch_scale, ms);
    case VALUE_DOUBLE:
        if (!decimal_from_double(v->real, &unscaled, &scale))
            return TIMESTAMP_INVALID;
        return from_decimal(unscaled, scale, format->epoch_scale, ms);
    case VALUE_STRING:
        if (!decimal_parse(v->bytes, &unscaled, &scale))
            return TIMESTAMP_INVALID;
        return from_decimal(unscaled, scale, format->epoch_scale, ms);
    default:
        return TIMESTAMP_INVALID;
    }
}

enum timestamp_result timestamp_extract(const struct timestamp_format *format,
                                        const struct value *value, int64_t *ms)
{
    if (value->type == VALUE_NULL)
        return TIMESTAMP_MISSING;
    if (value->type == VALUE_TIMESTAMP) {
        *ms = value->integer;
        return in_range(*ms) ? TIMESTAMP_OK : TIMESTAMP_INVALID;
    }
    if (format->kind == TIMESTAMP_EPOCH)
        return extract_epoch(format, value, ms);
    if (value->type != VALUE_STRING)
        return TIMESTAMP_INVALID;
    bool read = format->kind == TIMESTAMP_RFC3339
                    ? rfc3339_parse(value->bytes, ms)
                    : timestamp_strptime_read(format->pattern, &format->zone, value->bytes, ms);
    return read && in_range(*ms) ? TIMESTAMP_OK : TIMESTAMP_INVALID;
}
