#include "base/clock.h"

#include <time.h>

static int64_t monotonic_ns(struct clock *clock)
{
    (void)clock;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static int64_t wall_ms(struct clock *clock)
{
    (void)clock;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

struct clock *clock_system(void)
{
    static struct clock clock = {monotonic_ns, wall_ms};
    return &clock;
}
