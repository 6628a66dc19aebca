#include "base/timers.h"

#include "base/compiler.h"

#include <stdlib.h>

void timers_free(struct timers *t)
{
    free(t->heap);
    *t = (struct timers){0};
}

static bool before(const struct timer *a, const struct timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void place(struct timers *t, size_t at, struct timer *timer)
{
    t->heap[at] = timer;
    timer->at = at + 1;
}

static void sift_up(struct timers *t, size_t at, struct timer *timer)
{
    while (at > 0 && before(timer, t->heap[(at - 1) / 2])) {
        place(t, at, t->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(t, at, timer);
}

static void sift_down(struct timers *t, size_t at, struct timer *timer)
{
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= t->count)
            break;
        if (child + 1 < t->count && before(t->heap[child + 1], t->heap[child]))
            child++;
        if (!before(t->heap[child], timer))
            break;
        place(t, at, t->heap[child]);
        at = child;
    }
    place(t, at, timer);
}

void timers_cancel(struct timers *t, struct timer *timer)
{
    if (timer->at == 0)
        return;
    size_t at = timer->at - 1;
    ASSERT(t->heap[at] == timer);
    struct timer *last = t->heap[--t->count];
    timer->at = 0;
    if (last == timer)
        return;
    if (at > 0 && before(last, t->heap[(at - 1) / 2]))
        sift_up(t, at, last);
    else
        sift_down(t, at, last);
}

void timers_set(struct timers *t, struct timer *timer, int64_t due_ms)
{
    ASSERT(timer->fire != NULL);
    timers_cancel(t, timer);
    if (t->count == t->capacity) {
        t->capacity = t->capacity ? t->capacity * 2 : 32;
        t->heap = xrealloc(t->heap, t->capacity * sizeof(struct timer *));
    }
    timer->due_ms = due_ms;
    timer->order = t->orders++;
    sift_up(t, t->count++, timer);
}

int64_t timers_next_ms(const struct timers *t)
{
    return t->count ? t->heap[0]->due_ms : INT64_MAX;
}

size_t timers_run(struct timers *t, int64_t now_ms)
{
    size_t fired = 0;
    for (; t->count && t->heap[0]->due_ms <= now_ms; fired++) {
        struct timer *timer = t->heap[0];
        timers_cancel(t, timer);
        timer->fire(timer, now_ms);
    }
    return fired;
}
