#include "base/units.h"

#include "base/compiler.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *name;
    int64_t factor; /* in the base unit */
};

/* In nanoseconds, so that small units are whole numbers. The largest is first: format picks the
 * first unit that divides. */
static const struct unit duration_units[] = {
    {"w", 604800000000000}, {"d", 86400000000000}, {"h", 3600000000000}, {"m", 60000000000},
    {"s", 1000000000},      {"ms", 1000000},       {"us", 1000},         {"ns", 1},
};

static const struct unit size_units[] = {
    {"TiB", (int64_t)1 << 40},
    {"GiB", 1 << 30},
    {"MiB", 1 << 20},
    {"KiB", 1 << 10},
    {"t", (int64_t)1 << 40},
    {"g", 1 << 30},
    {"m", 1 << 20},
    {"k", 1 << 10},
    {"B", 1},
};

bool parse_i64(struct bytes text, int64_t *out)
{
    size_t at = 0;
    bool negative = false;
    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+'))
        negative = text.data[at++] == '-';
    if (at == text.size)
        return false;
    int64_t value = 0;
    for (; at < text.size; at++) {
        int digit = text.data[at] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value)) /* downwards: INT64_MIN fits */
            return false;
    }
    if (!negative && value == INT64_MIN)
        return false;
    *out = negative ? value : -value;
    return true;
}

/* A decimal number with up to nine digits after the point, as whole part and billionths. */
struct decimal {
    bool negative;
    int64_t whole, billionths;
};

static bool parse_decimal(struct bytes text, struct decimal *out, struct bytes *rest)
{
    *out = (struct decimal){0};
    size_t at = 0;
    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+'))
        out->negative = text.data[at++] == '-';
    size_t digits_from = at;
    for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        if (__builtin_mul_overflow(out->whole, 10, &out->whole) ||
            __builtin_add_overflow(out->whole, text.data[at] - '0', &out->whole))
            return false;
    }
    if (at == digits_from)
        return false;
    if (at < text.size && text.data[at] == '.') {
        size_t point = at++;
        int64_t place = 100000000;
        for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++, place /= 10)
            out->billionths += (text.data[at] - '0') * place;
        if (at == point + 1)
            return false;
    }
    *rest = bytes_from(text, at);
    return true;
}

/* value * factor, the fraction cut off towards zero. */
static bool scale(struct decimal value, int64_t factor, int64_t *out)
{
    __extension__ typedef __int128 wide;
    wide product = (wide)value.whole * factor + (wide)value.billionths * factor / 1000000000;
    if (value.negative)
        product = -product;
    if (product > INT64_MAX || product < INT64_MIN)
        return false;
    *out = (int64_t)product;
    return true;
}

bool parse_duration_ms(struct bytes text, int64_t *out)
{
    if (parse_i64(text, out))
        return true;
    struct decimal value;
    struct bytes name;
    if (!parse_decimal(text, &value, &name))
        return false;
    for (size_t i = 0; i < COUNT_OF(duration_units); i++) {
        if (!bytes_equal_string(name, duration_units[i].name))
            continue;
        int64_t factor = duration_units[i].factor;
        bool small = factor < 1000000;
        if (!scale(value, small ? factor : factor / 1000000, out))
            return false;
        if (small)
            *out /= 1000000;
        if (*out == 0 && (value.whole > 0 || value.billionths > 0))
            *out = value.negative ? -1 : 1;
        return true;
    }
    return false;
}

static bool is_size_unit(struct bytes name, const char *unit)
{
    if (strlen(unit) > 1)
        return bytes_equal_string(name, unit);
    return name.size == 1 && (name.data[0] | 0x20) == (unit[0] | 0x20);
}

bool parse_size_bytes(struct bytes text, int64_t *out)
{
    if (parse_i64(text, out))
        return true;
    struct decimal value;
    struct bytes name;
    if (!parse_decimal(text, &value, &name))
        return false;
    for (size_t i = 0; i < COUNT_OF(size_units); i++) {
        if (is_size_unit(name, size_units[i].name))
            return scale(value, size_units[i].factor, out);
    }
    return false;
}

static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t yoe = year - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* Reads `count` digits at *at and moves it; -1 if they are missing. */
static int digits(struct bytes text, size_t *at, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (*at >= text.size || text.data[*at] < '0' || text.data[*at] > '9')
            return -1;
        value = value * 10 + (text.data[*at] - '0');
    }
    return value;
}

static bool literal(struct bytes text, size_t *at, char c)
{
    if (*at >= text.size || text.data[*at] != (uint8_t)c)
        return false;
    (*at)++;
    return true;
}

static bool parse_date(struct bytes text, size_t *at, int64_t *days)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = digits(text, at, 4);
    if (year < 0 || !literal(text, at, '-'))
        return false;
    int month = digits(text, at, 2);
    if (month < 1 || month > 12 || !literal(text, at, '-'))
        return false;
    int day = digits(text, at, 2);
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day < 1 || day > month_days[month - 1] + (month == 2 && leap))
        return false;
    *days = days_from_civil(year, month, day);
    return true;
}

/* "Z", "+hh:mm" or "-hh:mm"; nothing at the end means UTC. */
static bool parse_zone(struct bytes text, size_t *at, int64_t *offset_ms)
{
    *offset_ms = 0;
    if (*at == text.size || literal(text, at, 'Z') || literal(text, at, 'z'))
        return true;
    bool west = literal(text, at, '-');
    if (!west && !literal(text, at, '+'))
        return false;
    int hours = digits(text, at, 2);
    if (hours < 0 || hours > 23 || !literal(text, at, ':'))
        return false;
    int minutes = digits(text, at, 2);
    if (minutes < 0 || minutes > 59)
        return false;
    *offset_ms = (west ? -1 : 1) * (hours * 60 + minutes) * (int64_t)60000;
    return true;
}

static bool parse_clock(struct bytes text, size_t *at, int64_t *ms)
{
    int hour = digits(text, at, 2);
    if (hour < 0 || hour > 23 || !literal(text, at, ':'))
        return false;
    int minute = digits(text, at, 2);
    if (minute < 0 || minute > 59)
        return false;
    int second = 0, thousandths = 0;
    if (literal(text, at, ':')) {
        second = digits(text, at, 2);
        if (second < 0 || second > 60)
            return false;
        if (literal(text, at, '.')) {
            size_t from = *at;
            for (int place = 100; *at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9';
                 (*at)++, place /= 10)
                thousandths += (text.data[*at] - '0') * place;
            if (*at == from)
                return false;
        }
    }
    *ms = ((int64_t)hour * 60 + minute) * 60000 + (int64_t)second * 1000 + thousandths;
    return true;
}

static bool parse_rfc3339(struct bytes text, int64_t *out)
{
    size_t at = 0;
    int64_t days, ms = 0, offset_ms = 0;
    if (!parse_date(text, &at, &days))
        return false;
    if (at < text.size) {
        if (!literal(text, &at, 'T') && !literal(text, &at, 't') && !literal(text, &at, ' '))
            return false;
        if (!parse_clock(text, &at, &ms) || !parse_zone(text, &at, &offset_ms))
            return false;
    }
    *out = days * 86400000 + ms - offset_ms;
    return at == text.size;
}

bool parse_time_ms(struct bytes text, int64_t now_ms, int64_t *out)
{
    enum { LONGEST_SECONDS = 11 };
    if (bytes_equal_string(text, "now")) {
        *out = now_ms;
        return true;
    }
    if (text.size == 0)
        return false;
    if (text.data[0] == '-' || text.data[0] == '+') {
        int64_t ago;
        return parse_duration_ms(text, &ago) && !__builtin_add_overflow(now_ms, ago, out);
    }
    if (parse_i64(text, out)) {
        if (text.size <= LONGEST_SECONDS)
            *out *= 1000;
        return true;
    }
    return parse_rfc3339(text, out);
}

static const char *format_exact(int64_t value, const struct unit *units, size_t count,
                                int64_t smallest, const char *base, char *out)
{
    for (size_t i = 0; i < count; i++) {
        int64_t factor = units[i].factor / smallest;
        if (factor > 1 && value != 0 && value % factor == 0) {
            snprintf(out, UNITS_TEXT_SIZE, "%" PRId64 "%s", value / factor, units[i].name);
            return out;
        }
    }
    snprintf(out, UNITS_TEXT_SIZE, "%" PRId64 "%s", value, value == -1 ? "" : base);
    return out;
}

const char *format_duration(int64_t ms, char out[UNITS_TEXT_SIZE])
{
    return format_exact(ms, duration_units, COUNT_OF(duration_units), 1000000, "ms", out);
}

static const char *format_short(int64_t value, double step, const char *const *names, char *out)
{
    double scaled = (double)value;
    size_t unit = 0;
    for (; (scaled >= step || scaled <= -step) && names[unit + 1]; unit++)
        scaled /= step;
    if (unit == 0)
        snprintf(out, UNITS_TEXT_SIZE, "%" PRId64 "%s", value, names[0]);
    else
        snprintf(out, UNITS_TEXT_SIZE, "%.1f%s", scaled, names[unit]);
    return out;
}

const char *format_size_short(int64_t bytes, char out[UNITS_TEXT_SIZE])
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", NULL};
    return format_short(bytes, 1024, names, out);
}

const char *format_count_short(int64_t count, char out[UNITS_TEXT_SIZE])
{
    static const char *const names[] = {"", "K", "M", "G", "T", NULL};
    return format_short(count, 1000, names, out);
}
