/* Time zones: fixed offsets, and those of the tz database, such as Europe/Paris.
 *
 * The database of the machine that built the program is part of the program. So results depend on
 * nothing outside, and a new edition of the database needs a new build. */
#ifndef PROCESSORS_TIME_ZONE_H
#define PROCESSORS_TIME_ZONE_H

#include "base/error.h"

struct zone_entry;

struct zone {
    const struct zone_entry *entry; /* NULL: offset_s applies always */
    int32_t offset_s;               /* east of Greenwich */
};

/* "UTC", "+02:00", "Europe/Paris". False when there is no such zone. */
bool zone_find(struct bytes text, struct zone *out);
/* Says that there is no such zone, and which name is near. */
void zone_refuse(struct bytes text, struct message *message);

/* Seconds east of Greenwich at a moment. */
int32_t zone_offset_at(const struct zone *z, int64_t ms);
/* The moment at which a clock in the zone shows this time. When clocks are put back, a time may
 * have two moments; the earlier counts. When clocks are put forward, some times have none; they
 * count with the offset from before the change, so 02:30 means 03:30. */
int64_t zone_to_utc(const struct zone *z, int64_t wall_ms);

#endif
