/* strptime without a locale. Directives are rows of a table; a text is read once, forwards. */
#include "processors/time/civil_time.h"
#include "processors/time/timestamp_format.h"
#include "processors/values/number.h"

enum field {
    YEAR,
    SHORT_YEAR,
    MONTH,
    DAY,
    DAY_OF_YEAR,
    HOUR,
    HOUR_12,
    MINUTE,
    SECOND,
    FIELD_COUNT
};

struct reading {
    struct bytes text;
    size_t at;
    int fields[FIELD_COUNT];
    unsigned seen; /* bit per field */
    int millisecond;
    bool is_pm, has_epoch, has_offset;
    int64_t epoch_ms;
    int32_t offset_s;
};

struct directive {
    char letter;
    bool (*read)(struct reading *r, const struct directive *d);
    enum field field;
    int width, min, max; /* of numbers */
    const char *names;   /* a list of names, or the directives of a composite */
};

static bool read_pattern(struct reading *r, const char *pattern);

static bool is_digit(const struct reading *r)
{
    return r->at < r->text.size && r->text.data[r->at] >= '0' && r->text.data[r->at] <= '9';
}

static void skip_space(struct reading *r)
{
    while (r->at < r->text.size && strchr(" \t\r\n", r->text.data[r->at]) &&
           r->text.data[r->at] != '\0')
        r->at++;
}

static bool read_number(struct reading *r, const struct directive *d)
{
    if (strchr("ekl", d->letter)) /* padded with a space */
        skip_space(r);
    int v = 0, digits = 0;
    for (; digits < d->width && is_digit(r); digits++)
        v = v * 10 + (r->text.data[r->at++] - '0');
    r->fields[d->field] = v;
    r->seen |= 1u << d->field;
    return digits > 0 && v >= d->min && v <= d->max;
}

/* Takes the ASCII letters of `name` in any case. */
static bool take_name(struct reading *r, const char *name, size_t size)
{
    if (r->text.size - r->at < size)
        return false;
    for (size_t i = 0; i < size; i++)
        if ((r->text.data[r->at + i] | 0x20) != (name[i] | 0x20))
            return false;
    r->at += size;
    return true;
}

static const char month_names[] =
    "January February March April May June July August September October November December";
static const char day_names[] = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday";

/* Takes a name, whole or its first three letters. Returns its number from 0, or -1. */
static int take_name_of(struct reading *r, const char *names)
{
    for (int i = 0; *names; i++) {
        size_t size = strcspn(names, " ");
        if (take_name(r, names, size) || take_name(r, names, 3))
            return i;
        names += size + (names[size] == ' ');
    }
    return -1;
}

static bool read_month_name(struct reading *r, const struct directive *d)
{
    r->fields[MONTH] = take_name_of(r, d->names) + 1;
    r->seen |= 1u << MONTH;
    return r->fields[MONTH] > 0;
}

/* The day of the week is ignored, because the date decides it. */
static bool read_day_name(struct reading *r, const struct directive *d)
{
    return take_name_of(r, d->names) >= 0;
}

static bool read_half_of_day(struct reading *r, const struct directive *d)
{
    (void)d;
    r->is_pm = take_name(r, "pm", 2);
    return r->is_pm || take_name(r, "am", 2);
}

static bool read_fraction(struct reading *r, const struct directive *d)
{
    int digits = 0;
    r->millisecond = 0;
    for (int place = 100; digits < d->width && is_digit(r); digits++, place /= 10)
        r->millisecond += (r->text.data[r->at++] - '0') * place;
    return digits > 0;
}

static bool read_zone(struct reading *r, const struct directive *d)
{
    size_t start = r->at;
    bool is_name = r->at < r->text.size && (r->text.data[r->at] | 0x20) >= 'a';
    while (r->at < r->text.size && r->at - start < 6 &&
           (is_name ? (r->text.data[r->at] | 0x20) >= 'a' && (r->text.data[r->at] | 0x20) <= 'z'
                    : is_digit(r) || strchr("+-:", r->text.data[r->at])))
        r->at++;
    return (is_name || d->letter == 'z') &&
           civil_offset_parse(bytes_of(r->text.data + start, r->at - start), &r->offset_s) &&
           (r->has_offset = true);
}

static bool read_epoch(struct reading *r, const struct directive *d)
{
    (void)d;
    size_t start = r->at;
    r->at += r->at < r->text.size && r->text.data[r->at] == '-';
    while (is_digit(r))
        r->at++;
    int128 v;
    int scale;
    if (!decimal_parse(bytes_of(r->text.data + start, r->at - start), &v, &scale) ||
        v < -TIME_MAX_MS / 1000 || v > TIME_MAX_MS / 1000)
        return false;
    r->has_epoch = true;
    r->epoch_ms = (int64_t)v * 1000;
    return true;
}

static bool read_composite(struct reading *r, const struct directive *d)
{
    return read_pattern(r, d->names);
}

static bool read_white_space(struct reading *r, const struct directive *d)
{
    (void)d;
    skip_space(r);
    return true;
}

static bool read_percent(struct reading *r, const struct directive *d)
{
    return r->at < r->text.size && r->text.data[r->at++] == (uint8_t)d->letter;
}

static const struct directive directives[] = {
    {'Y', read_number, YEAR, 4, 0, 9999, NULL},
    {'y', read_number, SHORT_YEAR, 2, 0, 99, NULL},
    {'m', read_number, MONTH, 2, 1, 12, NULL},
    {'d', read_number, DAY, 2, 1, 31, NULL},
    {'e', read_number, DAY, 2, 1, 31, NULL},
    {'j', read_number, DAY_OF_YEAR, 3, 1, 366, NULL},
    {'H', read_number, HOUR, 2, 0, 23, NULL},
    {'k', read_number, HOUR, 2, 0, 23, NULL},
    {'I', read_number, HOUR_12, 2, 1, 12, NULL},
    {'l', read_number, HOUR_12, 2, 1, 12, NULL},
    {'M', read_number, MINUTE, 2, 0, 59, NULL},
    {'S', read_number, SECOND, 2, 0, 60, NULL},
    {'f', read_fraction, SECOND, 30, 0, 0, NULL},
    {'L', read_fraction, SECOND, 3, 0, 0, NULL},
    {'b', read_month_name, MONTH, 0, 0, 0, month_names},
    {'B', read_month_name, MONTH, 0, 0, 0, month_names},
    {'h', read_month_name, MONTH, 0, 0, 0, month_names},
    {'a', read_day_name, DAY, 0, 0, 0, day_names},
    {'A', read_day_name, DAY, 0, 0, 0, day_names},
    {'p', read_half_of_day, HOUR, 0, 0, 0, NULL},
    {'z', read_zone, HOUR, 0, 0, 0, NULL},
    {'Z', read_zone, HOUR, 0, 0, 0, NULL},
    {'s', read_epoch, SECOND, 0, 0, 0, NULL},
    {'F', read_composite, DAY, 0, 0, 0, "%Y-%m-%d"},
    {'D', read_composite, DAY, 0, 0, 0, "%m/%d/%y"},
    {'T', read_composite, SECOND, 0, 0, 0, "%H:%M:%S"},
    {'R', read_composite, MINUTE, 0, 0, 0, "%H:%M"},
    {'n', read_white_space, SECOND, 0, 0, 0, NULL},
    {'t', read_white_space, SECOND, 0, 0, 0, NULL},
    {'%', read_percent, SECOND, 0, 0, 0, NULL},
};

static const struct directive *find_directive(char letter)
{
    for (size_t i = 0; i < COUNT_OF(directives); i++)
        if (directives[i].letter == letter)
            return &directives[i];
    return NULL;
}

static bool read_pattern(struct reading *r, const char *pattern)
{
    for (; *pattern; pattern++) {
        if (*pattern == '%') {
            const struct directive *d = find_directive(*++pattern);
            if (d == NULL || !d->read(r, d))
                return false;
        } else if (*pattern == ' ') {
            skip_space(r);
        } else if (r->at >= r->text.size || r->text.data[r->at++] != (uint8_t)*pattern) {
            return false;
        }
    }
    return true;
}

static bool has(const struct reading *r, enum field field)
{
    return r->seen >> field & 1;
}

/* POSIX: two-digit years 69 to 99 are in the 20th century. */
static int year_of(const struct reading *r)
{
    int year = r->fields[SHORT_YEAR];
    return has(r, YEAR) ? r->fields[YEAR] : year + (year < 69 ? 2000 : 1900);
}

bool timestamp_strptime_read(const char *pattern, const struct zone *zone, struct bytes text,
                             int64_t *ms)
{
    struct reading r = {.text = text};
    if (!read_pattern(&r, pattern) || r.at != text.size)
        return false;
    if (r.has_epoch) {
        *ms = r.epoch_ms + r.millisecond;
        return true;
    }
    struct civil_time t = {.year = year_of(&r),
                           .month = r.fields[MONTH],
                           .day = r.fields[DAY],
                           .hour = r.fields[HOUR],
                           .minute = r.fields[MINUTE],
                           .second = r.fields[SECOND],
                           .millisecond = r.millisecond};
    if (has(&r, HOUR_12))
        t.hour = r.fields[HOUR_12] % 12 + (r.is_pm ? 12 : 0);
    if (has(&r, DAY_OF_YEAR) && !civil_day_of_year(t.year, r.fields[DAY_OF_YEAR], &t.month, &t.day))
        return false;
    if (!civil_to_ms(&t, ms))
        return false;
    *ms = r.has_offset ? *ms - (int64_t)r.offset_s * 1000 : zone_to_utc(zone, *ms);
    return true;
}

/* Collects the letters of a pattern's directives as a text, with composites resolved. */
static const char *collect_letters(const char *pattern, char *letters, size_t *count, size_t max)
{
    for (; *pattern; pattern++) {
        if (*pattern != '%')
            continue;
        const struct directive *d = find_directive(*++pattern);
        if (d == NULL)
            return "unknown directive; the directives are %Y %y %m %d %e %j %b %B %h %a %A %H %k "
                   "%I %l %p %M %S %f %L %z %Z %s %F %T %D %R %n %t %%";
        if (d->read == read_composite)
            collect_letters(d->names, letters, count, max);
        else if (*count < max)
            letters[(*count)++] = d->letter;
    }
    return NULL;
}

const char *timestamp_strptime_check(const char *pattern)
{
    char letters[256] = "";
    size_t count = 0;
    const char *reason = collect_letters(pattern, letters, &count, sizeof letters - 1);
    if (reason)
        return reason;
    bool year = strpbrk(letters, "Yy"), month = strpbrk(letters, "mbBh");
    bool day = strpbrk(letters, "de");
    if (strchr(letters, 's') || (year && (strchr(letters, 'j') || (month && day))))
        return NULL;
    return "a year, a month and a day are needed (or %s)";
}
