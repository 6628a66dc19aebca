/* The table of time zones that generate_zones.py makes; for zone.c. */
#ifndef PROCESSORS_TIME_ZONE_INTERNAL_H
#define PROCESSORS_TIME_ZONE_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

/* The week-th weekday of a month (0: Sunday; week 5: the last one), and seconds after its midnight,
 * by the offset before the change. */
struct zone_date {
    int8_t month, week, weekday;
    int32_t at_s;
};

/* Without summer time both offsets are the same. */
struct zone_rule {
    int32_t standard_s, summer_s;
    struct zone_date start, end;
};

struct zone_entry {
    uint32_t first, count; /* in the arrays of changes */
    int32_t before_s;      /* the offset before the first change */
    struct zone_rule rule; /* applies from the last change on */
};

extern const int64_t zone_change_times[]; /* seconds since 1970 */
extern const int32_t zone_change_offsets[];
extern const struct zone_entry zone_entries[];
extern const char *const zone_names[]; /* sorted by bytes, ended by NULL */
extern const uint16_t zone_of_name[];  /* index in zone_entries */
extern const size_t zone_name_count;

#endif
