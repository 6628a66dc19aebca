#include "base/trusted_clock.h"

#include "base/compiler.h"

static enum trusted_change leap(struct trusted_clock *c)
{
    c->is_settled = false;
    c->drift_ms = 0;
    c->settles_at_ms = c->now_ms + c->settle_ms;
    return TRUSTED_LEAPT;
}

/* Says how long the wall clock must still agree, for the next start. */
static void note_settling(struct trusted_clock *c)
{
    c->times.unsettled_ms = c->is_settled ? 0 : MAX(c->settles_at_ms - c->now_ms, 1);
    c->times.wall_ms = c->wall_ms;
}

static bool is_near(int64_t difference)
{
    return difference >= -TRUSTED_TOLERANCE_MS && difference <= TRUSTED_TOLERANCE_MS;
}

/* Both times go on for `ms`. */
static void advance(struct trusted_clock *c, int64_t ms)
{
    c->times.trusted_ms += ms;
    c->times.steady_ms += ms;
}

/* Whether the wall clock may have gone on from this time while the process was down. */
static bool goes_on(int64_t last_ms, int64_t wall_ms, int64_t max_down_ms)
{
    int64_t down_ms = wall_ms - last_ms;
    return down_ms >= -TRUSTED_TOLERANCE_MS && down_ms <= MAX(max_down_ms, TRUSTED_TOLERANCE_MS);
}

enum trusted_change trusted_clock_start(struct trusted_clock *c, const struct trusted_times *last,
                                        int64_t settle_ms, int64_t max_down_ms, int64_t now_ms,
                                        int64_t wall_ms)
{
    *c = (struct trusted_clock){
        .settle_ms = settle_ms, .now_ms = now_ms, .wall_ms = wall_ms, .is_settled = true};
    c->times = last ? *last : (struct trusted_times){.trusted_ms = wall_ms, .steady_ms = wall_ms};
    enum trusted_change change = TRUSTED_SAME;
    if (goes_on(c->times.trusted_ms, wall_ms, max_down_ms)) {
        advance(c, wall_ms - c->times.trusted_ms);
    } else {
        bool waits = c->times.unsettled_ms > 0 && goes_on(c->times.wall_ms, wall_ms, max_down_ms);
        change = leap(c);
        if (waits)
            c->settles_at_ms = now_ms + MIN(c->times.unsettled_ms, settle_ms);
    }
    note_settling(c);
    return change;
}

/* Forgets a share of the drift. */
static int64_t forgive(int64_t drift_ms, int64_t passed_ms)
{
    int64_t forgiven = passed_ms / TRUSTED_FORGIVEN_SHARE;
    return drift_ms > 0 ? MAX(drift_ms - forgiven, 0) : MIN(drift_ms + forgiven, 0);
}

static void follow(struct trusted_clock *c)
{
    advance(c, c->wall_ms - c->times.trusted_ms);
}

static enum trusted_change end_leap(struct trusted_clock *c)
{
    c->is_settled = true;
    c->drift_ms = 0;
    follow(c);
    return TRUSTED_RETURNED;
}

static enum trusted_change accept(struct trusted_clock *c)
{
    c->is_settled = true;
    c->times.trusted_ms = c->wall_ms;
    return TRUSTED_ACCEPTED;
}

static enum trusted_change judge(struct trusted_clock *c, int64_t now_ms, int64_t wall_ms)
{
    int64_t passed_ms = now_ms - c->now_ms;
    c->drift_ms = forgive(c->drift_ms + wall_ms - c->wall_ms - passed_ms, passed_ms);
    c->now_ms = now_ms;
    c->wall_ms = wall_ms;
    advance(c, passed_ms);
    bool leaps = !is_near(c->drift_ms);
    if (leaps && !c->is_settled && is_near(wall_ms - c->times.trusted_ms))
        return end_leap(c);
    if (leaps)
        return leap(c);
    if (!c->is_settled)
        return now_ms >= c->settles_at_ms ? accept(c) : TRUSTED_SAME;
    follow(c);
    return TRUSTED_SAME;
}

enum trusted_change trusted_clock_step(struct trusted_clock *c, int64_t now_ms, int64_t wall_ms)
{
    enum trusted_change change = judge(c, now_ms, wall_ms);
    note_settling(c);
    return change;
}
