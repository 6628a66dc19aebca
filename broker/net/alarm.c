#include "broker/net/alarm.h"

#include "base/compiler.h"

#include <sys/timerfd.h>
#include <unistd.h>

void alarm_open(struct alarm *alarm)
{
    alarm->descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    alarm->due_ms = INT64_MAX;
    ASSERT(alarm->descriptor >= 0);
}

void alarm_close(struct alarm *alarm)
{
    close(alarm->descriptor);
}

void alarm_set(struct alarm *alarm, int64_t due_ms)
{
    if (due_ms >= alarm->due_ms)
        return;
    /* Zero would stop the timer. */
    struct itimerspec time = {.it_value = {due_ms / 1000, due_ms % 1000 * 1000000 + 1}};
    int error = timerfd_settime(alarm->descriptor, TFD_TIMER_ABSTIME, &time, NULL);
    ASSERT(error == 0);
    alarm->due_ms = due_ms;
}

void alarm_rang(struct alarm *alarm)
{
    alarm->due_ms = INT64_MAX;
}
