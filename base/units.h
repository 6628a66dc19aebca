/* Durations, sizes and times as people write them: "10s", "1.5h", "64KiB", "2026-11-20".
 *
 * A plain number always works and is in the base unit (milliseconds, bytes). Units are a
 * convenience for input; output for machines is in base units. This module reads no clock: relative
 * times get `now_ms`. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include "base/bytes.h"

enum { UNITS_TEXT_SIZE = 32 };

/* The whole text as a decimal integer with an optional sign, within 64 bits. */
bool parse_i64(struct bytes text, int64_t *out);

/* "300ms", "10s", "5m", "1h", "7d", "2w", "500us", "1.5h", or a number of milliseconds, which may
 * be negative (-1 often means "no limit"). Parts below a millisecond are cut off, but a positive
 * duration is at least 1 ms. False if the text is not a duration or does not fit. */
bool parse_duration_ms(struct bytes text, int64_t *out);

/* "64KiB", "1MiB", "1.5GiB", "2TiB", "64k", "1m", "1g" (the short ones in any case, all powers of
 * 1024), "512B", or a number of bytes, which may be negative. False if the text is not a size or
 * does not fit. */
bool parse_size_bytes(struct bytes text, int64_t *out);

/* A moment in ms since 1970: "now", "-1h" and "+5m" (from now_ms), "2026-11-20", RFC 3339
 * ("2026-11-20T13:37:45.120Z", "2026-11-20T13:37:45+01:00"), unix seconds (up to 11 digits) or unix
 * milliseconds. */
bool parse_time_ms(struct bytes text, int64_t now_ms, int64_t *out);

/* The largest unit that gives the value without a fraction ("90s", "7d", "1500ms"). Reads back as
 * the same value. Returns `out`. */
const char *format_duration(int64_t ms, char out[UNITS_TEXT_SIZE]);

/* Three digits for people, not exact: "9.1GiB", "18.2M". */
const char *format_size_short(int64_t bytes, char out[UNITS_TEXT_SIZE]);
const char *format_count_short(int64_t count, char out[UNITS_TEXT_SIZE]);

#endif
