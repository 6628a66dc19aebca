#include "broker/net/alarm.h"

#include "base/clock.h"
#include "tests/harness/harness.h"

#include <sys/epoll.h>
#include <unistd.h>

enum { HOUR_MS = 3600 * 1000 };

struct place {
    struct alarm alarm;
    int poll;
};

static int64_t now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

/* Watches its edges, as a loop does. */
static void open_place(struct place *p)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    alarm_open(&p->alarm);
    p->poll = epoll_create1(EPOLL_CLOEXEC);
    EXPECT_INT(epoll_ctl(p->poll, EPOLL_CTL_ADD, p->alarm.descriptor, &event), 0);
}

static void close_place(struct place *p)
{
    close(p->poll);
    alarm_close(&p->alarm);
}

static void wait_for_ring(struct place *p)
{
    struct epoll_event event;
    EXPECT_INT(epoll_wait(p->poll, &event, 1, -1), 1);
    alarm_rang(&p->alarm);
}

TEST(an_alarm_rings_at_its_time_and_not_before)
{
    struct place p;
    open_place(&p);
    for (int i = 0; i < 3; i++) { /* nobody reads the descriptor */
        int64_t due_ms = now_ms() + 2;
        alarm_set(&p.alarm, due_ms);
        wait_for_ring(&p);
        EXPECT(now_ms() >= due_ms);
    }
    close_place(&p);
}

TEST(a_time_that_is_over_rings_at_once)
{
    struct place p;
    open_place(&p);
    alarm_set(&p.alarm, 0);
    wait_for_ring(&p);
    alarm_set(&p.alarm, now_ms() - 5);
    wait_for_ring(&p);
    close_place(&p);
}

TEST(an_earlier_time_replaces_a_later_one)
{
    struct place p;
    open_place(&p);
    alarm_set(&p.alarm, now_ms() + HOUR_MS);
    alarm_set(&p.alarm, now_ms() + 1);
    wait_for_ring(&p);
    close_place(&p);
}

TEST(a_later_time_does_not_delay_an_earlier_one)
{
    struct place p;
    open_place(&p);
    alarm_set(&p.alarm, now_ms() + 1);
    alarm_set(&p.alarm, now_ms() + HOUR_MS);
    alarm_set(&p.alarm, INT64_MAX);
    wait_for_ring(&p);
    close_place(&p);
}
