/* Conversions, and functions over numbers and times. */
#include "base/units.h"
#include "processors/expression/expression_internal.h"
#include "processors/json/json.h"
#include "processors/time/civil_time.h"
#include "processors/time/zone.h"
#include "processors/values/number.h"

#include <math.h>

static bool out_of_range(struct call *c)
{
    return evaluation_fail(c->evaluation, c->node, "%s: out of range", c->node->function->name);
}

static bool not_readable(struct call *c, const char *what)
{
    return evaluation_fail(c->evaluation, c->node, "%s: the text is not a valid %s",
                           c->node->function->name, what);
}

/* Rounds towards zero, as CEL does. */
static bool int_of_double(struct call *c, double v, struct value *out)
{
    if (!(v >= -9223372036854775808.0 && v < 9223372036854775808.0))
        return out_of_range(c);
    *out = value_int((int64_t)v);
    return true;
}

bool function_to_int(struct call *c, struct value *out)
{
    const struct value *v = &c->arguments[0];
    int64_t integer;
    switch (v->type) {
    case VALUE_INT:
    case VALUE_TIMESTAMP:
    case VALUE_DURATION:
        *out = value_int(v->integer);
        return true;
    case VALUE_DOUBLE:
        return int_of_double(c, v->real, out);
    case VALUE_DECIMAL: {
        int128 whole = v->decimal.unscaled / power_of_ten(v->decimal.scale);
        if (whole < INT64_MIN || whole > INT64_MAX)
            return out_of_range(c);
        *out = value_int((int64_t)whole);
        return true;
    }
    case VALUE_STRING:
        if (!parse_i64(v->bytes, &integer))
            return not_readable(c, "64-bit int");
        *out = value_int(integer);
        return true;
    default:
        return call_fail_type(c, 0, "a number or text");
    }
}

static bool is_number_text(struct bytes text)
{
    size_t at;
    return text.size > 0 && (text.data[0] == '-' || (text.data[0] >= '0' && text.data[0] <= '9')) &&
           text.data[text.size - 1] > ' ' && json_check(text, &at) == NULL;
}

bool function_to_double(struct call *c, struct value *out)
{
    const struct value *v = &c->arguments[0];
    double real;
    if (value_is_number(v))
        real = number_real(v);
    else if (v->type != VALUE_STRING)
        return call_fail_type(c, 0, "a number or text");
    else if (is_number_text(v->bytes))
        real = number_to_double(v->bytes);
    else
        return not_readable(c, "number");
    *out = (struct value){.type = VALUE_DOUBLE, .real = real};
    return true;
}

bool function_to_string(struct call *c, struct value *out)
{
    struct bytes text;
    if (!text_of(c, &c->arguments[0], &text))
        return false;
    *out = value_string(text);
    return true;
}

bool function_to_bool(struct call *c, struct value *out)
{
    static const char *const words[] = {"false", "False", "FALSE", "f", "F", "0",
                                        "true",  "True",  "TRUE",  "t", "T", "1"};
    *out = c->arguments[0];
    if (out->type == VALUE_BOOL)
        return true;
    if (out->type != VALUE_STRING)
        return call_fail_type(c, 0, "a bool or text");
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (bytes_equal_string(c->arguments[0].bytes, words[i])) {
            *out = value_bool(i >= COUNT_OF(words) / 2);
            return true;
        }
    return not_readable(c, "bool");
}

bool function_to_timestamp(struct call *c, struct value *out)
{
    const struct value *v = &c->arguments[0];
    int64_t ms;
    if (v->type == VALUE_INT || v->type == VALUE_TIMESTAMP)
        ms = v->integer;
    else if (v->type == VALUE_DOUBLE && fabs(v->real) <= (double)TIME_MAX_MS)
        ms = (int64_t)floor(v->real);
    else if (v->type == VALUE_DOUBLE || v->type == VALUE_DECIMAL)
        return out_of_range(c);
    else if (v->type != VALUE_STRING)
        return call_fail_type(c, 0, "milliseconds or text");
    else if (!rfc3339_parse(v->bytes, &ms))
        return not_readable(c, "RFC 3339 time with a zone");
    if (ms > TIME_MAX_MS || ms < -TIME_MAX_MS)
        return out_of_range(c);
    *out = (struct value){.type = VALUE_TIMESTAMP, .integer = ms};
    return true;
}

/* Reads "1h30m": the sum of parts that each have a unit. */
static bool read_duration(struct bytes text, int64_t *ms)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    size_t at = negative;
    *ms = 0;
    while (at < text.size) {
        size_t start = at;
        int64_t part;
        while (at < text.size &&
               (text.data[at] == '.' || (text.data[at] >= '0' && text.data[at] <= '9')))
            at++;
        size_t unit = at;
        while (at < text.size && text.data[at] >= 'a' && text.data[at] <= 'z')
            at++;
        if (unit == start || unit == at ||
            !parse_duration_ms(bytes_of(text.data + start, at - start), &part) ||
            __builtin_add_overflow(*ms, part, ms))
            return false;
    }
    if (negative)
        *ms = -*ms;
    return at > (size_t)negative;
}

bool function_to_duration(struct call *c, struct value *out)
{
    const struct value *v = &c->arguments[0];
    int64_t ms;
    if (v->type == VALUE_INT || v->type == VALUE_DURATION)
        ms = v->integer;
    else if (v->type != VALUE_STRING)
        return call_fail_type(c, 0, "milliseconds or text");
    else if (!read_duration(v->bytes, &ms))
        return not_readable(c, "duration such as 1h30m");
    *out = (struct value){.type = VALUE_DURATION, .integer = ms};
    return true;
}

bool prepare_zone(struct parser *p, struct expression_node *n)
{
    const struct expression_node *zone = n->first->next;
    struct zone found;
    struct message why;
    if (zone == NULL || zone->kind != NODE_CONSTANT || zone->constant.type != VALUE_STRING ||
        zone_find(zone->constant.bytes, &found))
        return true;
    zone_refuse(zone->constant.bytes, &why);
    return parser_refuse(p, zone, "%s", why.text);
}

/* The calendar time of the arguments (timestamp or milliseconds, zone). */
static bool civil_of(struct call *c, struct civil_time *out)
{
    const struct value *v = &c->arguments[0];
    struct zone zone = {NULL, 0};
    if (v->type != VALUE_TIMESTAMP && v->type != VALUE_INT)
        return call_fail_type(c, 0, "a timestamp or milliseconds");
    if (v->integer > TIME_MAX_MS || v->integer < -TIME_MAX_MS)
        return out_of_range(c);
    if (c->count > 1 && c->arguments[1].type != VALUE_STRING)
        return call_fail_type(c, 1, "a zone");
    if (c->count > 1 && !zone_find(c->arguments[1].bytes, &zone))
        return evaluation_fail(c->evaluation, c->node, "unknown time zone");
    *out = civil_from_ms(v->integer + (int64_t)zone_offset_at(&zone, v->integer) * 1000);
    return true;
}

#define CIVIL_FUNCTION(field)                                \
    bool function_##field(struct call *c, struct value *out) \
    {                                                        \
        struct civil_time t;                                 \
        if (!civil_of(c, &t))                                \
            return false;                                    \
        *out = value_int(t.field);                           \
        return true;                                         \
    }
CIVIL_FUNCTION(year)
CIVIL_FUNCTION(month)
CIVIL_FUNCTION(day)
CIVIL_FUNCTION(hour)
#undef CIVIL_FUNCTION

/* Distance in metres on a sphere with the Earth's mean radius (haversine). */
bool function_geo_distance(struct call *c, struct value *out)
{
    static const double radius_m = 6371008.8, radians = 3.14159265358979323846 / 180;
    double degrees[4];
    for (size_t i = 0; i < 4; i++) {
        const struct value *v = &c->arguments[i];
        if (!value_is_number(v))
            return call_fail_type(c, i, "numbers");
        degrees[i] = number_real(v);
        if (fabs(degrees[i]) > (i % 2 == 0 ? 90 : 360))
            return evaluation_fail(c->evaluation, c->node, "geo_distance: invalid %s",
                                   i % 2 == 0 ? "latitude" : "longitude");
    }
    double a = sin((degrees[2] - degrees[0]) * radians / 2);
    double b = sin((degrees[3] - degrees[1]) * radians / 2);
    double h = a * a + cos(degrees[0] * radians) * cos(degrees[2] * radians) * b * b;
    *out = (struct value){.type = VALUE_DOUBLE, .real = 2 * radius_m * asin(sqrt(fmin(h, 1)))};
    return true;
}

bool prepare_decimal(struct parser *p, struct expression_node *n)
{
    const struct expression_node *precision = n->first->next, *scale = precision->next;
    if (precision->kind == NODE_CONSTANT && precision->constant.type == VALUE_INT &&
        scale->kind == NODE_CONSTANT && scale->constant.type == VALUE_INT &&
        precision->constant.integer >= 1 && precision->constant.integer <= DECIMAL_MAX_DIGITS &&
        scale->constant.integer >= 0 && scale->constant.integer <= precision->constant.integer)
        return true;
    return parser_refuse(p, n,
                         "decimal(x, precision, scale) needs literals, precision from 1 to 38 and "
                         "scale from 0 to precision");
}

/* The exact number of the first argument. For a field, the digits in the record count. */
static bool exact_number(struct call *c, int128 *unscaled, int *scale)
{
    const struct value *v = &c->arguments[0];
    struct bytes text;
    *scale = 0;
    switch (v->type) {
    case VALUE_INT:
        *unscaled = v->integer;
        return true;
    case VALUE_DECIMAL:
        *unscaled = v->decimal.unscaled;
        *scale = v->decimal.scale;
        return true;
    case VALUE_STRING:
        return decimal_parse(v->bytes, unscaled, scale) ||
               not_readable(c, "number of at most 38 digits");
    case VALUE_DOUBLE:
        if (evaluate_raw_text(c->evaluation, c->node->first, &text) &&
            decimal_parse(text, unscaled, scale))
            return true;
        return decimal_from_double(v->real, unscaled, scale) || out_of_range(c);
    default:
        return call_fail_type(c, 0, "a number or text");
    }
}

bool function_to_decimal(struct call *c, struct value *out)
{
    int precision = (int)c->arguments[1].integer, to_scale = (int)c->arguments[2].integer, scale;
    int128 v;
    if (!exact_number(c, &v, &scale))
        return false;
    if (!decimal_round(v, scale, to_scale, &v) || v >= power_of_ten(precision) ||
        v <= -power_of_ten(precision))
        return evaluation_fail(c->evaluation, c->node, "the number does not fit decimal(%d, %d)",
                               precision, to_scale);
    *out = (struct value){.type = VALUE_DECIMAL,
                          .decimal = {.unscaled = v, .scale = to_scale, .precision = precision}};
    return true;
}
