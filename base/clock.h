/* The source of time, so that a test can be the clock. A turn reads it once and passes the time on
 * as now_ms. Only the shard's turn, the log and measurements call these functions. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*monotonic_ns)(struct clock *clock); /* never goes back; for timers and durations */
    int64_t (*wall_ms)(struct clock *clock);      /* since 1970, UTC; may jump; for timestamps */
};

struct clock *clock_system(void);

static inline int64_t clock_monotonic_ms(struct clock *clock)
{
    return clock->monotonic_ns(clock) / 1000000;
}

#endif
