/* Event time and the watermark W: section 2 of the semantics.
 *
 * W is exclusive: every event with time < W is assumed to have been seen. It never decreases. Event
 * times are within TIME_MAX_MS of 1970, so sums of times and durations fit int64. */
#ifndef PROCESSORS_TIME_EVENT_TIME_H
#define PROCESSORS_TIME_EVENT_TIME_H

#include "processors/expression/expression.h"
#include "processors/task/dead_letter.h"
#include "processors/time/civil_time.h"
#include "processors/time/timestamp_format.h"

/* No watermark yet. */
#define WATERMARK_NONE INT64_MIN

/* How a chain takes the event time; set on its first processor. */
struct event_time {
    struct expression *timestamp; /* NULL: the record's own */
    struct timestamp_format format;
    int on_missing;            /* enum on_missing */
    int64_t out_of_order_ms;   /* D */
    int64_t max_future_ms;     /* -1: off */
    int64_t watermark_idle_ms; /* -1: off */
};
enum on_missing { ON_MISSING_DLQ, ON_MISSING_RECORD };

/* Extracts the event time and applies the guards. False: a dead letter, and `reason` says why. */
bool event_time_of(const struct event_time *t, const struct expression_input *input,
                   int64_t wall_ms, struct arena *arena, int64_t *time_ms,
                   struct dead_letter_reason *reason);

/* The watermark after an event. */
static inline int64_t watermark_after(const struct event_time *t, int64_t watermark,
                                      int64_t time_ms)
{
    int64_t candidate = time_ms - t->out_of_order_ms;
    return candidate > watermark ? candidate : watermark;
}

#endif
