/* Calendar time: dates and clock times in the proleptic Gregorian calendar, without leap seconds.
 *
 * Times are milliseconds since 1970 UTC, at most TIME_MAX_MS away from it (275,000 years), so that
 * arithmetic on them cannot overflow. */
#ifndef PROCESSORS_TIME_CIVIL_TIME_H
#define PROCESSORS_TIME_CIVIL_TIME_H

#include "base/buffer.h"
#include "base/compiler.h"

static const int64_t TIME_MAX_MS = 8640000000000000;
static const int64_t MS_PER_DAY = 86400000;

struct civil_time {
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute, second, millisecond;
};

/* The quotient, rounded towards minus infinity, because times before 1970 are legal. */
static inline int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* The multiple of b at or below a; b > 0. */
static inline int64_t floor_to(int64_t a, int64_t b)
{
    ASSERT(b > 0);
    int64_t rest = a % b;
    return a - (rest < 0 ? rest + b : rest);
}

struct civil_time civil_from_ms(int64_t ms);
/* False when it is no date, no time of day, or out of range. The second may be 60. */
bool civil_to_ms(const struct civil_time *t, int64_t *ms);
/* The month and day of the n-th day of a year, from 1. False when the year is shorter. */
bool civil_day_of_year(int64_t year, int day_of_year, int *month, int *day);

/* Parses "UTC", "Z", "+02:00", "-0530" or "+02" to seconds east of Greenwich. */
bool civil_offset_parse(struct bytes text, int32_t *offset_s);

/* Parses "2024-05-01T12:30:00.123Z", or the same with an offset; one of both is mandatory.
 * Fractions are floored to milliseconds. */
bool rfc3339_parse(struct bytes text, int64_t *ms);
/* Appends the UTC form; milliseconds only when there are any. */
void rfc3339_append(struct buffer *out, int64_t ms);

#endif
