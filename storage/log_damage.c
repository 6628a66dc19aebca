/* The places where reads met damage. A consumer that meets damage reads it again and again, so each
 * place is reported once. */
#include "storage/log_internal.h"

#include <stdlib.h>

enum { PLACES_MAX = 64 };

struct damage_report {
    struct damage_place {
        int64_t segment_base, byte;
    } places[PLACES_MAX];
    size_t count; /* of all so far: a new one replaces the oldest */
};

bool log_damage_report(struct log *log, int64_t segment_base, int64_t byte)
{
    if (log->reported == NULL)
        log->reported = xcalloc(1, sizeof *log->reported);
    struct damage_report *r = log->reported;
    for (size_t i = 0; i < MIN(r->count, (size_t)PLACES_MAX); i++) {
        if (r->places[i].segment_base == segment_base && r->places[i].byte == byte)
            return false;
    }
    r->places[r->count++ % PLACES_MAX] = (struct damage_place){segment_base, byte};
    return true;
}

char *log_segment_path(const struct log *log, int64_t segment_base)
{
    return segment_path(log->directory, segment_base, SEGMENT_LOG);
}
