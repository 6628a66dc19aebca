#include "processors/time/zone.h"

#include "base/compiler.h"
#include "base/suggest.h"
#include "processors/time/civil_time.h"
#include "processors/time/zone_internal.h"

static const int64_t DAY_S = 86400;

static const struct zone_entry *find_name(struct bytes name)
{
    size_t low = 0, high = zone_name_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = bytes_compare(name, bytes_string(zone_names[middle]));
        if (order == 0)
            return &zone_entries[zone_of_name[middle]];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

bool zone_find(struct bytes text, struct zone *out)
{
    *out = (struct zone){NULL, 0};
    if (civil_offset_parse(text, &out->offset_s))
        return true;
    out->entry = find_name(text);
    return out->entry != NULL;
}

void zone_refuse(struct bytes text, struct message *message)
{
    const char *near = suggest(text, zone_names);
    message_set(message, "'%.*s' is not a time zone such as UTC, +02:00 or Europe/Paris%s%s%s",
                BYTES_PRINTF(text), near ? "; did you mean " : "", near ? near : "",
                near ? "?" : "");
}

/* Midnight of a day, in seconds since 1970. */
static int64_t day_s(int64_t year, int month, int day)
{
    struct civil_time t = {.year = year, .month = month, .day = day};
    int64_t ms = 0;
    bool is_date = civil_to_ms(&t, &ms);
    ASSERT(is_date);
    return ms / 1000;
}

static int64_t date_s(const struct zone_date *d, int64_t year)
{
    int64_t first = day_s(year, d->month, 1);
    int64_t weekday = (floor_divide(first, DAY_S) + 4) % 7; /* 1970 began on a Thursday */
    weekday = weekday < 0 ? weekday + 7 : weekday;
    int64_t day = (d->weekday - weekday + 7) % 7 + (d->week - 1) * 7;
    int64_t next = d->month == 12 ? day_s(year + 1, 1, 1) : day_s(year, d->month + 1, 1);
    while (first + day * DAY_S >= next)
        day -= 7;
    return first + day * DAY_S + d->at_s;
}

static int32_t ruled_offset(const struct zone_rule *r, int64_t s)
{
    if (r->standard_s == r->summer_s)
        return r->standard_s;
    int64_t year = civil_from_ms((s + r->standard_s) * 1000).year;
    int64_t start = date_s(&r->start, year) - r->standard_s;
    int64_t end = date_s(&r->end, year) - r->summer_s;
    bool is_summer = start < end ? s >= start && s < end : s < end || s >= start;
    return is_summer ? r->summer_s : r->standard_s;
}

static int64_t change_s(const struct zone_entry *e, uint32_t i)
{
    ASSERT(i < e->count);
    return zone_change_times[e->first + i];
}

static int32_t listed_offset(const struct zone_entry *e, int64_t s)
{
    uint32_t low = 0, high = e->count; /* changes before `low` have happened */
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (change_s(e, middle) <= s)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? e->before_s : zone_change_offsets[e->first + low - 1];
}

static int32_t offset_at(const struct zone_entry *e, int64_t s)
{
    bool is_ruled = e->count == 0 || s >= change_s(e, e->count - 1);
    return is_ruled ? ruled_offset(&e->rule, s) : listed_offset(e, s);
}

int32_t zone_offset_at(const struct zone *z, int64_t ms)
{
    return z->entry ? offset_at(z->entry, floor_divide(ms, 1000)) : z->offset_s;
}

int64_t zone_to_utc(const struct zone *z, int64_t wall_ms)
{
    int64_t before = (int64_t)zone_offset_at(z, wall_ms - DAY_S * 1000) * 1000;
    int64_t after = (int64_t)zone_offset_at(z, wall_ms + DAY_S * 1000) * 1000;
    bool is_after = before != after &&
                    (int64_t)zone_offset_at(z, wall_ms - before) * 1000 != before &&
                    (int64_t)zone_offset_at(z, wall_ms - after) * 1000 == after;
    return wall_ms - (is_after ? after : before);
}
