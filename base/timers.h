/* Timers of one shard: a binary heap on the due time. The caller passes the time as now_ms. The
 * owner embeds a timer, and must cancel it before the owner is freed. */
#ifndef BASE_TIMERS_H
#define BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    void (*fire)(struct timer *timer, int64_t now_ms);
    int64_t due_ms;
    uint64_t order; /* timers due at the same time fire in the order they were set */
    size_t at;      /* one more than the place in the heap; 0: not set */
};

struct timers {
    struct timer **heap;
    size_t count, capacity;
    uint64_t orders;
};

void timers_free(struct timers *t); /* the heap only */
/* Sets or moves a timer. timer->fire must be set. */
void timers_set(struct timers *t, struct timer *timer, int64_t due_ms);
void timers_cancel(struct timers *t, struct timer *timer); /* may be unset */
static inline bool timer_is_set(const struct timer *timer)
{
    return timer->at != 0;
}
/* When the next one is due, or INT64_MAX. */
int64_t timers_next_ms(const struct timers *t);
/* Fires all timers due at now_ms. Each is removed before its call. Timers that are set meanwhile
 * for a due time fire in the same call. Returns how many fired. */
size_t timers_run(struct timers *t, int64_t now_ms);

#endif
