/* Time comes in through here, so that a test can be the clock. Read once a turn and handed down as
 * now_ms; only the shard's turn, the log and measurements call these. */
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
