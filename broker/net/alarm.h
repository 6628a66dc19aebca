/* The time at which a loop must run its next turn, if no event comes before. The kernel keeps it.
 * Setting it costs a system call, so a later time than the one that is set does not move it: the
 * loop then wakes up too early once, and sets the time that it needs. Every turn has a next time,
 * and it is almost always the same. */
#ifndef BROKER_NET_ALARM_H
#define BROKER_NET_ALARM_H

#include <stdint.h>

struct alarm {
    int descriptor; /* becomes readable at the time; watch its edges */
    int64_t due_ms; /* INT64_MAX: not set */
};

void alarm_open(struct alarm *alarm);
void alarm_close(struct alarm *alarm);
/* Wakes the loop at due_ms of the monotonic clock, or earlier. */
void alarm_set(struct alarm *alarm, int64_t due_ms);
/* The descriptor has become readable. */
void alarm_rang(struct alarm *alarm);

#endif
