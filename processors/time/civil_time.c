#include "processors/time/civil_time.h"

#include "base/compiler.h"

/* Years begin in March here, so that the leap day comes last and the months have a formula. */
enum { DAYS_PER_CYCLE = 146097, DAYS_TO_1970 = 719468 };

static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t cycle = floor_divide(year, 400);
    int64_t year_of_cycle = year - cycle * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_cycle =
        year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    return cycle * DAYS_PER_CYCLE + day_of_cycle - DAYS_TO_1970;
}

static void civil_from_days(int64_t days, struct civil_time *t)
{
    days += DAYS_TO_1970;
    int64_t cycle = floor_divide(days, DAYS_PER_CYCLE);
    int64_t rest = days - cycle * DAYS_PER_CYCLE;
    int64_t year = (rest - rest / 1460 + rest / 36524 - rest / 146096) / 365;
    int64_t day_of_year = rest - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    t->day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    t->month = (int)(month < 10 ? month + 3 : month - 9);
    t->year = cycle * 400 + year + (t->month <= 2);
    ASSERT(t->month >= 1 && t->month <= 12 && t->day >= 1 && t->day <= 31);
}

struct civil_time civil_from_ms(int64_t ms)
{
    int64_t days = floor_divide(ms, MS_PER_DAY);
    int rest = (int)(ms - days * MS_PER_DAY);
    struct civil_time t = {.hour = rest / 3600000,
                           .minute = rest / 60000 % 60,
                           .second = rest / 1000 % 60,
                           .millisecond = rest % 1000};
    civil_from_days(days, &t);
    return t;
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int64_t year, int month)
{
    ASSERT(month >= 1 && month <= 12);
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

bool civil_to_ms(const struct civil_time *t, int64_t *ms)
{
    if (t->year < -270000 || t->year > 270000 || t->month < 1 || t->month > 12 || t->day < 1 ||
        t->day > days_in_month(t->year, t->month) || t->hour < 0 || t->hour > 23 || t->minute < 0 ||
        t->minute > 59 || t->second < 0 || t->second > 60 || t->millisecond < 0 ||
        t->millisecond > 999)
        return false;
    int64_t seconds = (t->hour * 60 + t->minute) * 60 + t->second;
    *ms = days_from_civil(t->year, t->month, t->day) * MS_PER_DAY + seconds * 1000 + t->millisecond;
    return true;
}

bool civil_day_of_year(int64_t year, int day_of_year, int *month, int *day)
{
    *month = 1;
    *day = day_of_year;
    for (; *month <= 12 && *day > days_in_month(year, *month); (*month)++)
        *day -= days_in_month(year, *month);
    return day_of_year >= 1 && *month <= 12;
}

/* Takes exactly `width` digits at *at. */
static bool take_digits(struct bytes text, size_t *at, size_t width, int *out)
{
    *out = 0;
    for (size_t end = *at + width; *at < end; (*at)++) {
        if (*at >= text.size || text.data[*at] < '0' || text.data[*at] > '9')
            return false;
        *out = *out * 10 + (text.data[*at] - '0');
    }
    return true;
}

static bool take_character(struct bytes text, size_t *at, const char *any_of)
{
    if (*at >= text.size || text.data[*at] == '\0' || strchr(any_of, text.data[*at]) == NULL)
        return false;
    (*at)++;
    return true;
}

bool civil_offset_parse(struct bytes text, int32_t *offset_s)
{
    *offset_s = 0;
    if (bytes_equal_string(text, "Z") || bytes_equal_string(text, "z") ||
        bytes_equal_string(text, "UTC") || bytes_equal_string(text, "GMT") ||
        bytes_equal_string(text, "Etc/UTC"))
        return true;
    size_t at = 0;
    int hours, minutes = 0;
    if (!take_character(text, &at, "+-") || !take_digits(text, &at, 2, &hours))
        return false;
    if (at < text.size) {
        take_character(text, &at, ":");
        if (!take_digits(text, &at, 2, &minutes))
            return false;
    }
    if (at < text.size || hours > 23 || minutes > 59)
        return false;
    *offset_s = (hours * 60 + minutes) * 60;
    if (text.data[0] == '-')
        *offset_s = -*offset_s;
    return true;
}

/* Takes ".123456". Only the first three digits count, which floors. */
static bool take_fraction(struct bytes text, size_t *at, int *ms)
{
    *ms = 0;
    if (!take_character(text, at, "."))
        return true;
    size_t start = *at;
    for (int place = 100; *at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9';
         place /= 10)
        *ms += (text.data[(*at)++] - '0') * place;
    return *at > start;
}

bool rfc3339_parse(struct bytes text, int64_t *ms)
{
    struct civil_time t = {0};
    int year;
    size_t at = 0;
    if (!take_digits(text, &at, 4, &year) || !take_character(text, &at, "-") ||
        !take_digits(text, &at, 2, &t.month) || !take_character(text, &at, "-") ||
        !take_digits(text, &at, 2, &t.day) || !take_character(text, &at, "Tt ") ||
        !take_digits(text, &at, 2, &t.hour) || !take_character(text, &at, ":") ||
        !take_digits(text, &at, 2, &t.minute) || !take_character(text, &at, ":") ||
        !take_digits(text, &at, 2, &t.second) || !take_fraction(text, &at, &t.millisecond))
        return false;
    t.year = year;
    int32_t offset_s;
    struct bytes zone = bytes_from(text, at);
    bool is_offset = zone.size == 6 && zone.data[3] == ':';
    bool is_utc = zone.size == 1 && (zone.data[0] | 0x20) == 'z';
    if ((!is_offset && !is_utc) || !civil_offset_parse(zone, &offset_s) || !civil_to_ms(&t, ms))
        return false;
    *ms -= (int64_t)offset_s * 1000;
    return true;
}

void rfc3339_append(struct buffer *out, int64_t ms)
{
    struct civil_time t = civil_from_ms(ms);
    const char *sign = t.year < 0 ? "-" : "";
    buffer_printf(out, "%s%04d-%02d-%02dT%02d:%02d:%02d", sign,
                  (int)(t.year < 0 ? -t.year : t.year), t.month, t.day, t.hour, t.minute, t.second);
    if (t.millisecond)
        buffer_printf(out, ".%03d", t.millisecond);
    buffer_append_u8(out, 'Z');
}
