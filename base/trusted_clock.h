/* Decides how far the broker believes the wall clock, before it deletes something because of its
 * age. It reads no clock: the caller passes both times.
 *
 * While the wall clock and the monotonic clock advance together, the trusted time is the wall time.
 * If the wall clock leaps, forward or back, the trusted time goes on with the monotonic clock. Once
 * the two clocks have advanced together for a while, the wall clock is trusted again. This costs
 * nothing but a delay: no deletion by age is urgent.
 *
 * There are two times. The ages of records count in trusted time, because records carry wall times.
 * The ages of producers, committed offsets and groups count in steady time, because the broker
 * gives them their times. Steady time never leaps: an accepted leap changes only the trusted time.
 */
#ifndef BASE_TRUSTED_CLOCK_H
#define BASE_TRUSTED_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum {
    /* A leap is a difference between the two clocks above this. A tenth of the time that passes is
     * forgiven: a clock that is being corrected runs up to 8 % too fast or too slow. */
    TRUSTED_TOLERANCE_MS = 60 * 1000,
    TRUSTED_FORGIVEN_SHARE = 10,
};

/* The times that a restart must know. */
struct trusted_times {
    int64_t trusted_ms, steady_ms;
    int64_t unsettled_ms; /* how long the clocks must still agree; 0: the wall clock is trusted */
    int64_t wall_ms;      /* the wall clock that is not trusted yet; only if it is unsettled */
};

struct trusted_clock {
    int64_t settle_ms;          /* how long the clocks must agree after a leap */
    int64_t now_ms, wall_ms;    /* the clocks at the last step */
    struct trusted_times times; /* at the last step */
    int64_t drift_ms;           /* how much more the wall clock advanced, less what is forgiven */
    bool is_settled;            /* the trusted time is the wall time */
    int64_t settles_at_ms;      /* monotonic; while it is not settled */
};

enum trusted_change {
    TRUSTED_SAME,
    TRUSTED_LEAPT,    /* the wall clock is not trusted until settles_at_ms */
    TRUSTED_RETURNED, /* the wall clock leapt back to the trusted time */
    TRUSTED_ACCEPTED, /* the trusted time is the wall time from now on */
};

/* Starts at the times of the last run; NULL: there was none. The wall clock is not trusted if it is
 * before the last run's end, or after it by more than max_down_ms. If the last run waited for a
 * clock, and the wall clock goes on from that one, this run only waits for the rest of the time. */
enum trusted_change trusted_clock_start(struct trusted_clock *c, const struct trusted_times *last,
                                        int64_t settle_ms, int64_t max_down_ms, int64_t now_ms,
                                        int64_t wall_ms);
enum trusted_change trusted_clock_step(struct trusted_clock *c, int64_t now_ms, int64_t wall_ms);

#endif
