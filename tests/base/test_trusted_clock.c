#include "base/trusted_clock.h"

#include "tests/harness/harness.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* A machine: its clocks, and the number of changes of each kind so far. */
struct machine {
    struct trusted_clock clock;
    int64_t now_ms, wall_ms;
    int changes[TRUSTED_ACCEPTED + 1];
};

static const int64_t FIRST_WALL = INT64_C(1700000000000);

static void start(struct machine *m, const struct trusted_times *last)
{
    enum trusted_change change =
        trusted_clock_start(&m->clock, last, HOUR, 12 * HOUR, m->now_ms, m->wall_ms);
    m->changes[change]++;
}

static struct machine first_start(void)
{
    struct machine m = {.now_ms = 5 * DAY, .wall_ms = FIRST_WALL};
    start(&m, NULL);
    return m;
}

static void step(struct machine *m)
{
    m->changes[trusted_clock_step(&m->clock, m->now_ms, m->wall_ms)]++;
}

/* Both clocks run for a while; the wall clock gains `gain_ms` every ten seconds. */
static void run_uneven(struct machine *m, int64_t ms, int64_t gain_ms)
{
    for (int64_t passed = 0; passed < ms; passed += 10 * SECOND) {
        m->now_ms += 10 * SECOND;
        m->wall_ms += 10 * SECOND + gain_ms;
        step(m);
    }
}

static void run(struct machine *m, int64_t ms)
{
    run_uneven(m, ms, 0);
}

/* Another process on the same or another machine, whose monotonic clock starts anew. */
static struct machine restart(const struct machine *before, int64_t down_ms)
{
    struct trusted_times last = before->clock.times;
    struct machine m = {.now_ms = 77, .wall_ms = before->wall_ms + down_ms};
    start(&m, &last);
    return m;
}

TEST(the_trusted_time_follows_a_wall_clock_that_runs_evenly)
{
    struct machine m = first_start();
    run_uneven(&m, DAY, 5); /* 500 ppm, the most that NTP corrects */
    EXPECT_INT(m.clock.times.trusted_ms, m.wall_ms);
    EXPECT_INT(m.clock.times.steady_ms, m.wall_ms);
    run_uneven(&m, DAY, -5);
    EXPECT_INT(m.clock.times.trusted_ms, m.wall_ms);
    EXPECT_INT(m.changes[TRUSTED_LEAPT], 0);
}

TEST(after_a_leap_the_trusted_time_goes_on_with_the_monotonic_clock)
{
    const int64_t leaps[] = {8 * DAY, -8 * DAY, 2 * MINUTE, -2 * MINUTE};
    for (size_t i = 0; i < COUNT_OF(leaps); i++) {
        struct machine m = first_start();
        run(&m, HOUR);
        m.wall_ms += leaps[i];
        run(&m, 59 * MINUTE);
        EXPECT_INT(m.changes[TRUSTED_LEAPT], 1);
        EXPECT_INT(m.changes[TRUSTED_ACCEPTED], 0);
        EXPECT_INT(m.clock.times.trusted_ms, FIRST_WALL + HOUR + 59 * MINUTE);
        EXPECT_INT(m.clock.times.steady_ms, m.clock.times.trusted_ms);
    }
}

TEST(a_clock_that_ran_evenly_for_the_settling_time_is_trusted)
{
    const int64_t leaps[] = {8 * DAY, -8 * DAY};
    for (size_t i = 0; i < COUNT_OF(leaps); i++) {
        struct machine m = first_start();
        m.wall_ms += leaps[i];
        run(&m, HOUR + MINUTE);
        EXPECT_INT(m.changes[TRUSTED_ACCEPTED], 1);
        EXPECT_INT(m.clock.times.trusted_ms, m.wall_ms);
        EXPECT_INT(m.clock.times.steady_ms, FIRST_WALL + HOUR + MINUTE);
        run(&m, HOUR);
        EXPECT_INT(m.clock.times.trusted_ms, m.wall_ms);
        EXPECT_INT(m.clock.times.steady_ms, FIRST_WALL + 2 * HOUR + MINUTE);
        EXPECT_INT(m.changes[TRUSTED_LEAPT], 1);
    }
}

TEST(a_second_leap_begins_the_settling_time_again)
{
    struct machine m = first_start();
    m.wall_ms += 8 * DAY;
    run(&m, 50 * MINUTE);
    m.wall_ms += 8 * DAY;
    run(&m, 50 * MINUTE);
    EXPECT_INT(m.changes[TRUSTED_LEAPT], 2);
    EXPECT_INT(m.changes[TRUSTED_ACCEPTED], 0);
    EXPECT_INT(m.clock.times.trusted_ms, FIRST_WALL + 100 * MINUTE);
    run(&m, 20 * MINUTE);
    EXPECT_INT(m.clock.times.trusted_ms, m.wall_ms);
}

TEST(a_clock_that_is_set_right_again_is_trusted_at_once)
{
    struct machine m = first_start();
    m.wall_ms += 8 * DAY;
    run(&m, 10 * MINUTE);
    m.wall_ms -= 8 * DAY - 3 * SECOND;
    run(&m, MINUTE);
    EXPECT_INT(m.changes[TRUSTED_LEAPT], 1);
    EXPECT_INT(m.changes[TRUSTED_RETURNED], 1);
    EXPECT_INT(m.clock.times.trusted_ms, m.wall_ms);
    EXPECT_INT(m.clock.times.steady_ms, m.wall_ms);
}

/* Twice as fast, and backwards: neither leaps in a single step. */
TEST(a_clock_that_creeps_is_not_followed_far)
{
    const int64_t gains[] = {10 * SECOND, -20 * SECOND};
    for (size_t i = 0; i < COUNT_OF(gains); i++) {
        struct machine m = first_start();
        run_uneven(&m, 8 * DAY, gains[i]);
        EXPECT(m.changes[TRUSTED_LEAPT] > 0);
        EXPECT_INT(m.changes[TRUSTED_ACCEPTED], 0);
        int64_t gained = m.clock.times.trusted_ms - (FIRST_WALL + 8 * DAY);
        EXPECT(gained <= 2 * MINUTE && gained >= -2 * MINUTE);
    }
}

TEST(small_steps_that_add_up_are_a_leap)
{
    struct machine m = first_start();
    for (int i = 0; i < 100; i++) {
        m.wall_ms += 30 * SECOND;
        run(&m, MINUTE);
    }
    EXPECT(m.changes[TRUSTED_LEAPT] > 0);
    EXPECT(m.clock.times.trusted_ms < FIRST_WALL + 100 * MINUTE + 3 * MINUTE);
}

TEST(a_process_that_was_stopped_sees_no_leap)
{
    struct machine m = first_start();
    run(&m, HOUR);
    m.now_ms += 30 * DAY;
    m.wall_ms += 30 * DAY;
    step(&m);
    EXPECT_INT(m.changes[TRUSTED_LEAPT], 0);
    EXPECT_INT(m.clock.times.trusted_ms, m.wall_ms);
    EXPECT_INT(m.clock.times.steady_ms, m.wall_ms);
}

/* The monotonic clock of a machine that is suspended stands still. */
TEST(a_suspended_machine_is_trusted_after_the_settling_time)
{
    struct machine m = first_start();
    run(&m, HOUR);
    m.wall_ms += 9 * HOUR;
    step(&m);
    EXPECT_INT(m.changes[TRUSTED_LEAPT], 1);
    EXPECT_INT(m.clock.times.trusted_ms, m.wall_ms - 9 * HOUR);
    run(&m, HOUR);
    EXPECT_INT(m.clock.times.trusted_ms, m.wall_ms);
}

TEST(a_plausible_time_between_stop_and_start_counts)
{
    const int64_t downs[] = {0, -30 * SECOND, HOUR, 12 * HOUR};
    for (size_t i = 0; i < COUNT_OF(downs); i++) {
        struct machine before = first_start();
        run(&before, HOUR);
        struct machine m = restart(&before, downs[i]);
        EXPECT_INT(m.changes[TRUSTED_SAME], 1);
        EXPECT_INT(m.clock.times.trusted_ms, m.wall_ms);
        EXPECT_INT(m.clock.times.steady_ms, m.wall_ms);
    }
}

TEST(a_start_with_an_implausible_clock_goes_on_where_the_last_run_ended)
{
    const int64_t downs[] = {-2 * MINUTE, -8 * DAY, 13 * HOUR, 8 * DAY, 20000 * DAY, -30000 * DAY};
    for (size_t i = 0; i < COUNT_OF(downs); i++) {
        struct machine before = first_start();
        run(&before, HOUR);
        struct machine m = restart(&before, downs[i]);
        EXPECT_INT(m.changes[TRUSTED_LEAPT], 1);
        EXPECT_INT(m.clock.times.trusted_ms, FIRST_WALL + HOUR);
        run(&m, 30 * MINUTE);
        EXPECT_INT(m.clock.times.trusted_ms, FIRST_WALL + HOUR + 30 * MINUTE);
        run(&m, 31 * MINUTE);
        EXPECT_INT(m.changes[TRUSTED_ACCEPTED], 1);
        EXPECT_INT(m.clock.times.trusted_ms, m.wall_ms);
        EXPECT_INT(m.clock.times.steady_ms, FIRST_WALL + HOUR + 61 * MINUTE);
    }
}

TEST(a_restart_keeps_what_the_steady_time_left_out)
{
    struct machine m = first_start();
    m.wall_ms += 8 * DAY;
    run(&m, 2 * HOUR);
    struct machine after = restart(&m, MINUTE);
    EXPECT_INT(after.changes[TRUSTED_SAME], 1);
    EXPECT_INT(after.clock.times.trusted_ms, after.wall_ms);
    EXPECT_INT(after.clock.times.steady_ms, after.wall_ms - 8 * DAY);
}

TEST(a_restart_before_the_clock_has_settled_goes_on_settling)
{
    const int64_t downs[] = {0, MINUTE, 12 * HOUR};
    for (size_t i = 0; i < COUNT_OF(downs); i++) {
        struct machine m = first_start();
        m.wall_ms += 8 * DAY;
        run(&m, 50 * MINUTE);
        struct machine after = restart(&m, downs[i]);
        EXPECT_INT(after.changes[TRUSTED_LEAPT], 1);
        EXPECT_INT(after.clock.times.trusted_ms, FIRST_WALL + 50 * MINUTE);
        run(&after, 9 * MINUTE);
        EXPECT_INT(after.changes[TRUSTED_ACCEPTED], 0);
        run(&after, 2 * MINUTE);
        EXPECT_INT(after.changes[TRUSTED_ACCEPTED], 1);
        EXPECT_INT(after.clock.times.trusted_ms, after.wall_ms);
        EXPECT_INT(after.clock.times.steady_ms, FIRST_WALL + 61 * MINUTE);
    }
}

/* Else a broker that restarts often would never delete anything. */
TEST(a_process_that_restarts_every_half_hour_trusts_the_clock_in_the_end)
{
    struct machine m = first_start();
    m.wall_ms += 8 * DAY;
    run(&m, 25 * MINUTE);
    for (int i = 0; i < 2; i++) {
        m = restart(&m, 5 * MINUTE);
        EXPECT_INT(m.changes[TRUSTED_LEAPT], 1);
        EXPECT_INT(m.changes[TRUSTED_ACCEPTED], 0);
        run(&m, 25 * MINUTE);
    }
    EXPECT_INT(m.changes[TRUSTED_ACCEPTED], 1);
    EXPECT_INT(m.clock.times.trusted_ms, m.wall_ms);
}

TEST(another_clock_at_a_restart_begins_the_settling_time_again)
{
    const int64_t downs[] = {-2 * MINUTE, 13 * HOUR, -5 * DAY, 8 * DAY};
    for (size_t i = 0; i < COUNT_OF(downs); i++) {
        struct machine m = first_start();
        m.wall_ms += 8 * DAY;
        run(&m, 50 * MINUTE);
        m = restart(&m, downs[i]);
        run(&m, 59 * MINUTE);
        EXPECT_INT(m.changes[TRUSTED_ACCEPTED], 0);
        run(&m, MINUTE);
        EXPECT_INT(m.changes[TRUSTED_ACCEPTED], 1);
    }
}

TEST(a_second_leap_before_a_restart_begins_the_settling_time_again)
{
    struct machine m = first_start();
    m.wall_ms += 8 * DAY;
    run(&m, 50 * MINUTE);
    m.wall_ms += 8 * DAY;
    run(&m, MINUTE);
    m = restart(&m, MINUTE);
    run(&m, 50 * MINUTE);
    EXPECT_INT(m.changes[TRUSTED_ACCEPTED], 0);
}
