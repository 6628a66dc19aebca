#include "broker/clean_gate.h"

#include "tests/harness/harness.h"

#include <pthread.h>

struct visitor {
    struct clean_gate *gate;
    atomic_bool stop;
    int64_t bytes; /* 0: enters, else has read as many */
    bool entered;
    pthread_t thread;
};

static void *visit(void *context)
{
    struct visitor *v = context;
    if (v->bytes > 0)
        v->gate->took(v->gate, v->bytes, &v->stop);
    else
        v->entered = v->gate->enter(v->gate, &v->stop);
    return NULL;
}

static void start(struct visitor *v, struct clean_gate *gate, int64_t bytes)
{
    *v = (struct visitor){.gate = gate, .bytes = bytes};
    EXPECT(pthread_create(&v->thread, NULL, visit, v) == 0);
}

TEST(a_step_waits_until_another_one_ends)
{
    struct clean_gate *gate = clean_gate_create(clock_system(), 2, 1e300);
    struct visitor third;
    atomic_bool stop = false;
    EXPECT(gate->enter(gate, &stop) && gate->enter(gate, &stop));
    start(&third, gate, 0);
    gate->leave(gate);
    pthread_join(third.thread, NULL);
    EXPECT(third.entered);
    gate->leave(gate);
    gate->leave(gate);
    clean_gate_free(gate);
}

TEST(a_step_that_waits_is_stopped_at_once)
{
    struct clean_gate *gate = clean_gate_create(clock_system(), 1, 1);
    struct visitor waits, reads;
    atomic_bool stop = false;
    EXPECT(gate->enter(gate, &stop));
    start(&waits, gate, 0);
    start(&reads, gate, 1 << 20); /* twelve days */
    atomic_store(&waits.stop, true);
    atomic_store(&reads.stop, true);
    gate->wake(gate);
    pthread_join(waits.thread, NULL);
    pthread_join(reads.thread, NULL);
    EXPECT(!waits.entered);
    gate->leave(gate);
    EXPECT(gate->enter(gate, &stop)); /* the place is free */
    clean_gate_free(gate);
}

static int64_t jumping_ns(struct clock *clock)
{
    (void)clock;
    static int64_t now;
    return now += 1000000000;
}

/* Each look at the clock takes a second. */
TEST(bytes_take_the_time_that_the_rate_allows)
{
    struct clock clock = {.monotonic_ns = jumping_ns};
    struct clean_gate *gate = clean_gate_create(&clock, 1, 1000);
    atomic_bool stop = false;
    int64_t before = jumping_ns(&clock);
    for (int i = 0; i < 10; i++)
        gate->took(gate, 2500, &stop);
    EXPECT(jumping_ns(&clock) - before >= 25 * 1000000000LL);
    clean_gate_free(gate);
}
