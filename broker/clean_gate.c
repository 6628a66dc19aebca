#include "broker/clean_gate.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
    /* One wait is at most this long, so that a huge batch at a low rate does not hide a change. */
    LONGEST_WAIT_MS = 60000,
    /* So many bytes are a piece, which a journal's write may have to wait for. */
    PIECE_BYTES = 256 << 10,
    /* After a journal's write the journals count as busy for this time. */
    BUSY_MS = 100,
    /* A pause is this many times as long as the work before it. */
    PAUSE_FACTOR = 19,
    LONGEST_PAUSE_MS = 500,
    /* A pause looks so often whether it may end. */
    LOOK_MS = 5,
    /* The bytes of a cleaner for each byte of the journals for which it does not pause. A record is
     * read twice and written once, perhaps in several rounds. */
    KEEP_UP_FACTOR = 6,
};

struct limits {
    struct clean_gate gate;
    struct clock *clock;
    _Atomic uint64_t journal_bytes;
    _Atomic int64_t journal_ns; /* when the last write began */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct list waiting; /* visits; under the mutex, as all below */
    int waiting_count;
    int64_t free_places; /* negative after the number of rounds was lowered */
    int64_t rounds;
    double bytes_per_second;
    int64_t due_ns; /* until then the bytes so far take at the allowed rate */
};

static struct limits *of(struct clean_gate *gate)
{
    return CONTAINER_OF(gate, struct limits, gate);
}

static int64_t now_ns(const struct limits *l)
{
    return l->clock->monotonic_ns(l->clock);
}

/* --- places --- */

static struct clean_visit *most_urgent(struct limits *l)
{
    struct clean_visit *best = NULL;
    LIST_FOR_EACH (node, &l->waiting) {
        struct clean_visit *visit = CONTAINER_OF(node, struct clean_visit, node);
        if (best == NULL || visit->urgency > best->urgency)
            best = visit;
    }
    return best;
}

static void stop_waiting(struct limits *l, struct clean_visit *visit)
{
    list_remove(&visit->node);
    visit->waits = false;
    l->waiting_count--;
}

static void let_in(struct limits *l)
{
    while (l->free_places > 0 && l->waiting_count > 0) {
        struct clean_visit *visit = most_urgent(l);
        stop_waiting(l, visit);
        visit->inside = true;
        l->free_places--;
    }
    pthread_cond_broadcast(&l->changed);
}

static void give_back(struct limits *l, struct clean_visit *visit)
{
    l->free_places += visit->inside;
    visit->inside = false;
}

static bool enter(struct clean_gate *gate, struct clean_visit *visit)
{
    struct limits *l = of(gate);
    pthread_mutex_lock(&l->mutex);
    give_back(l, visit);
    visit->waits = true;
    list_append(&l->waiting, &visit->node);
    l->waiting_count++;
    let_in(l);
    while (visit->waits && !atomic_load(&visit->stop))
        pthread_cond_wait(&l->changed, &l->mutex);
    if (visit->waits)
        stop_waiting(l, visit);
    bool is_inside = visit->inside;
    visit->resumed_ns = now_ns(l);
    visit->bytes = 0;
    visit->journal_bytes = atomic_load(&l->journal_bytes);
    pthread_mutex_unlock(&l->mutex);
    return is_inside;
}

static void leave(struct clean_gate *gate, struct clean_visit *visit)
{
    struct limits *l = of(gate);
    pthread_mutex_lock(&l->mutex);
    give_back(l, visit);
    let_in(l);
    pthread_mutex_unlock(&l->mutex);
}

static void set_urgency(struct clean_gate *gate, struct clean_visit *visit, double urgency)
{
    struct limits *l = of(gate);
    pthread_mutex_lock(&l->mutex);
    visit->urgency = urgency;
    pthread_mutex_unlock(&l->mutex);
}

int clean_gate_waiting(struct clean_gate *gate)
{
    struct limits *l = of(gate);
    pthread_mutex_lock(&l->mutex);
    int count = l->waiting_count;
    pthread_mutex_unlock(&l->mutex);
    return count;
}

/* --- bytes --- */

/* Waits on the kernel's monotonic clock, which the system's clock reads too. */
static void wait_until(struct limits *l, int64_t until)
{
    struct timespec at = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    (void)!pthread_cond_timedwait(&l->changed, &l->mutex, &at);
}

/* New limits lower due_ns. */
static int64_t keep_rate(struct limits *l, struct clean_visit *visit, int64_t bytes)
{
    double ns = (double)bytes / l->bytes_per_second * 1e9;
    int64_t now = now_ns(l), began = now;
    l->due_ns = MAX(l->due_ns, now) + (int64_t)MIN(ns, 1e15);
    int64_t due = l->due_ns;
    while (now < MIN(due, l->due_ns) && !atomic_load(&visit->stop)) {
        atomic_store(&visit->pausing, true);
        wait_until(l, MIN(due, now + LONGEST_WAIT_MS * 1000000LL));
        now = now_ns(l);
    }
    visit->resumed_ns += now - began; /* that was no work */
    return now;
}

static bool must_yield(const struct limits *l, const struct clean_visit *visit, int64_t now)
{
    uint64_t journals = atomic_load(&l->journal_bytes) - visit->journal_bytes;
    return now - atomic_load(&l->journal_ns) < BUSY_MS * 1000000LL &&
           journals * KEEP_UP_FACTOR < (uint64_t)visit->bytes && !atomic_load(&visit->stop);
}

/* Work of a piece takes longer when the disk is busy. Then the pause is longer, too. */
static void yield_to_journals(struct limits *l, struct clean_visit *visit, int64_t now)
{
    int64_t pause = (now - visit->resumed_ns) * PAUSE_FACTOR;
    int64_t until = now + MIN(pause, LONGEST_PAUSE_MS * 1000000LL);
    while (now < until && must_yield(l, visit, now)) {
        atomic_store(&visit->pausing, true);
        wait_until(l, MIN(until, now + LOOK_MS * 1000000LL));
        now = now_ns(l);
    }
    visit->bytes = 0;
    visit->journal_bytes = atomic_load(&l->journal_bytes);
    visit->resumed_ns = now;
}

static void took(struct clean_gate *gate, struct clean_visit *visit, int64_t bytes)
{
    struct limits *l = of(gate);
    pthread_mutex_lock(&l->mutex);
    int64_t now = keep_rate(l, visit, bytes);
    visit->bytes += bytes;
    if (visit->bytes >= PIECE_BYTES)
        yield_to_journals(l, visit, now);
    pthread_mutex_unlock(&l->mutex);
    atomic_store(&visit->pausing, false);
}

static void journal_writes(struct clean_gate *gate, size_t bytes)
{
    struct limits *l = of(gate);
    atomic_fetch_add(&l->journal_bytes, bytes);
    atomic_store(&l->journal_ns, now_ns(l));
}

static void wake(struct clean_gate *gate)
{
    struct limits *l = of(gate);
    pthread_mutex_lock(&l->mutex); /* a waiter has either seen the flag or waits now */
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
}

/* --- the gate --- */

void clean_gate_set_limits(struct clean_gate *gate, const struct clean_gate_limits *limits)
{
    struct limits *l = of(gate);
    pthread_mutex_lock(&l->mutex);
    l->free_places += limits->rounds - l->rounds;
    l->rounds = limits->rounds;
    l->bytes_per_second = MAX(limits->bytes_per_second, 1.0);
    l->due_ns = 0;
    let_in(l);
    pthread_mutex_unlock(&l->mutex);
}

struct clean_gate *clean_gate_create(struct clock *clock, const struct clean_gate_limits *limits)
{
    struct limits *l = xcalloc(1, sizeof *l);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    l->gate = (struct clean_gate){enter, leave, set_urgency, took, wake, journal_writes};
    l->clock = clock;
    atomic_init(&l->journal_ns, INT64_MIN / 2);
    list_init(&l->waiting);
    clean_gate_set_limits(&l->gate, limits);
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
