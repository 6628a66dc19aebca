/* How a field's value becomes an event time: the parameter timestamp.format, compiled.
 *
 *   epoch-ms  epoch-s (fractions allowed)  epoch-us  epoch-ns   numbers, or strings of a number
 *   rfc3339                                                     strings; the zone is mandatory
 *   strptime:<format>                                           strings; the zone from %z or tz
 *
 * Conversions floor. Negative times (before 1970) are legal. A value that is a timestamp already
 * (the record's own, or timestamp(...)) stays as it is with any format. */
#ifndef PROCESSORS_TIME_TIMESTAMP_FORMAT_H
#define PROCESSORS_TIME_TIMESTAMP_FORMAT_H

#include "base/error.h"
#include "processors/time/zone.h"
#include "processors/values/value.h"

enum timestamp_kind { TIMESTAMP_EPOCH, TIMESTAMP_RFC3339, TIMESTAMP_STRPTIME };

struct timestamp_format {
    enum timestamp_kind kind;
    int epoch_scale;   /* decimal places from the unit to milliseconds: epoch-s 3, epoch-us -3 */
    char pattern[128]; /* of strptime */
    struct zone zone;  /* for times without a zone */
};

enum timestamp_result { TIMESTAMP_OK, TIMESTAMP_MISSING, TIMESTAMP_INVALID };

/* A null `text` means epoch-ms. `tz` is a zone (zone.h) for strptime only; null means UTC. On
 * ERR_INVALID the message says what is allowed.
 *
 * strptime knows %Y %y %m %d %e %j %b %B %h %a %A %H %k %I %l %p %M %S %f (fraction) %L
 * (milliseconds) %z %Z (UTC) %s (epoch seconds) %F %T %D %R %n %t %%; English names; a space stands
 * for any white space. The whole text must be used. */
MUST_USE enum error timestamp_format_parse(struct bytes text, struct bytes tz,
                                           struct timestamp_format *out, struct message *message);

enum timestamp_result timestamp_extract(const struct timestamp_format *format,
                                        const struct value *value, int64_t *ms);

/* Checks a strptime format and reads a text by it; for timestamp_format.c. */
const char *timestamp_strptime_check(const char *pattern);
bool timestamp_strptime_read(const char *pattern, const struct zone *zone, struct bytes text,
                             int64_t *ms);

#endif
