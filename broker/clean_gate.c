#include "broker/clean_gate.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* One wait is at most this long, so that a huge batch at a low rate does not hide a change. */
enum { LONGEST_WAIT_MS = 60000 };

struct limits {
    struct clean_gate gate;
    struct clock *clock;
    double bytes_per_second;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int64_t free_places; /* under the mutex, as the next one */
    int64_t due_ns;      /* until then the bytes so far take at the allowed rate */
};

static struct limits *of(struct clean_gate *gate)
{
    return CONTAINER_OF(gate, struct limits, gate);
}

static bool enter(struct clean_gate *gate, const atomic_bool *stop)
{
    struct limits *l = of(gate);
    pthread_mutex_lock(&l->mutex);
    while (l->free_places == 0 && !atomic_load(stop))
        pthread_cond_wait(&l->changed, &l->mutex);
    bool may = !atomic_load(stop);
    l->free_places -= may;
    pthread_mutex_unlock(&l->mutex);
    return may;
}

static void leave(struct clean_gate *gate)
{
    struct limits *l = of(gate);
    pthread_mutex_lock(&l->mutex);
    l->free_places++;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
}

/* Waits on the kernel's monotonic clock, which the system's clock reads too. */
static void wait_until(struct limits *l, int64_t now_ns, int64_t due_ns)
{
    int64_t until = MIN(due_ns, now_ns + LONGEST_WAIT_MS * 1000000LL);
    struct timespec at = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    (void)!pthread_cond_timedwait(&l->changed, &l->mutex, &at);
}

static void took(struct clean_gate *gate, int64_t bytes, const atomic_bool *stop)
{
    struct limits *l = of(gate);
    double ns = (double)bytes / l->bytes_per_second * 1e9;
    pthread_mutex_lock(&l->mutex);
    int64_t now = l->clock->monotonic_ns(l->clock);
    l->due_ns = MAX(l->due_ns, now) + (int64_t)MIN(ns, 1e15);
    int64_t due = l->due_ns;
    while (now < due && !atomic_load(stop)) {
        wait_until(l, now, due);
        now = l->clock->monotonic_ns(l->clock);
    }
    pthread_mutex_unlock(&l->mutex);
}

static void wake(struct clean_gate *gate)
{
    struct limits *l = of(gate);
    pthread_mutex_lock(&l->mutex); /* a waiter has either seen the flag or waits now */
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
}

struct clean_gate *clean_gate_create(struct clock *clock, int64_t threads, double bytes_per_second)
{
    struct limits *l = xcalloc(1, sizeof *l);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    l->gate = (struct clean_gate){enter, leave, took, wake};
    l->clock = clock;
    l->bytes_per_second = MAX(bytes_per_second, 1.0);
    l->free_places = threads;
    return &l->gate;
}

void clean_gate_free(struct clean_gate *gate)
{
    if (gate == NULL)
        return;
    struct limits *l = of(gate);
    pthread_mutex_destroy(&l->mutex);
    pthread_cond_destroy(&l->changed);
    free(l);
}
