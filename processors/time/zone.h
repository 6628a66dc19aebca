/* Time zones: fixed offsets, and those of the tz database, such as Europe/Paris.
 *
 * The database is part of the program: that of the machine on which it was built. So results depend
 * on nothing outside, and a new edition of the database means a new build. */
#ifndef PROCESSORS_TIME_ZONE_H
#define PROCESSORS_TIME_ZONE_H

#include "base/error.h"

struct zone_entry;

struct zone {
    const struct zone_entry *entry; /* NULL: always the same offset */
    int32_t offset_s;               /* then this one, east of Greenwich */
};

/* "UTC", "+02:00", "Europe/Paris". False when there is no such zone. */
bool zone_find(struct bytes text, struct zone *out);
/* Says so, and which name is near. */
void zone_refuse(struct bytes text, struct message *message);

/* Seconds east of Greenwich at a moment. */
int32_t zone_offset_at(const struct zone *z, int64_t ms);
/* The moment at which a clock on the wall shows this time. Of two (when clocks are put back), the
 * earlier; a time that is left out (when they are put forward) counts from before the change, so
 * 02:30 is what would else be 03:30. */
int64_t zone_to_utc(const struct zone *z, int64_t wall_ms);

#endif
