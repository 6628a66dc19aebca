#include "broker/clean_gate.h"

#include "tests/harness/harness.h"

#include <pthread.h>
#include <sched.h>

struct visitor {
    struct clean_gate *gate;
    struct clean_visit visit;
    int64_t bytes; /* 0: enters, else has read as many */
    bool entered;
    pthread_t thread;
};

static void *visit(void *context)
{
    struct visitor *v = context;
    if (v->bytes > 0)
        v->gate->took(v->gate, &v->visit, v->bytes);
    else
        v->entered = v->gate->enter(v->gate, &v->visit);
    return NULL;
}

static void start(struct visitor *v, struct clean_gate *gate, int64_t bytes)
{
    *v = (struct visitor){.gate = gate, .bytes = bytes};
    EXPECT(pthread_create(&v->thread, NULL, visit, v) == 0);
}

static struct clean_gate *create(struct clock *clock, int64_t rounds, double bytes_per_second)
{
    struct clean_gate_limits limits = {rounds, bytes_per_second};
    return clean_gate_create(clock, &limits);
}

TEST(a_round_waits_until_another_one_ends)
{
    struct clean_gate *gate = create(clock_system(), 2, 1e300);
    struct visitor third;
    struct clean_visit first = {0}, second = {0};
    EXPECT(gate->enter(gate, &first) && gate->enter(gate, &second));
    start(&third, gate, 0);
    gate->leave(gate, &first);
    gate->leave(gate, &first); /* it is outside already */
    pthread_join(third.thread, NULL);
    EXPECT(third.entered);
    gate->leave(gate, &second);
    gate->leave(gate, &third.visit);
    clean_gate_free(gate);
}

TEST(a_round_that_waits_is_stopped_at_once)
{
    struct clean_gate *gate = create(clock_system(), 1, 1);
    struct visitor waits, reads;
    struct clean_visit first = {0};
    EXPECT(gate->enter(gate, &first));
    start(&waits, gate, 0);
    start(&reads, gate, 1 << 20); /* twelve days */
    atomic_store(&waits.visit.stop, true);
    atomic_store(&reads.visit.stop, true);
    gate->wake(gate);
    pthread_join(waits.thread, NULL);
    pthread_join(reads.thread, NULL);
    EXPECT(!waits.entered);
    gate->leave(gate, &waits.visit); /* it never came in */
    gate->leave(gate, &first);
    EXPECT(gate->enter(gate, &first)); /* the place is free */
    clean_gate_free(gate);
}

static void wait_for_visits(struct clean_gate *gate, int count)
{
    while (clean_gate_waiting(gate) != count)
        sched_yield();
}

TEST(the_most_urgent_round_comes_first)
{
    struct clean_gate *gate = create(clock_system(), 1, 1e300);
    struct visitor visitors[3];
    struct clean_visit first = {0};
    static const double urgencies[] = {0.6, 0.9, 0.7};
    EXPECT(gate->enter(gate, &first));
    for (int i = 0; i < 3; i++)
        start(&visitors[i], gate, 0);
    for (int i = 0; i < 3; i++)
        gate->set_urgency(gate, &visitors[i].visit, urgencies[i]);
    wait_for_visits(gate, 3);
    static const int order[] = {1, 0, 2};
    struct clean_visit *inside = &first;
    for (int i = 0; i < 3; i++) {
        struct visitor *next = &visitors[order[i]];
        gate->leave(gate, inside);
        pthread_join(next->thread, NULL);
        EXPECT(next->entered);
        EXPECT_INT(clean_gate_waiting(gate), 2 - i);
        if (i == 0) /* it has become more urgent while it waits */
            gate->set_urgency(gate, &visitors[0].visit, 1.5);
        inside = &next->visit;
    }
    clean_gate_free(gate);
}

/* A cleaner whose round has ended keeps its place until it knows its next log. */
TEST(a_visit_inside_competes_with_those_that_wait)
{
    struct clean_gate *gate = create(clock_system(), 1, 1e300);
    struct clean_visit inside = {.urgency = 0.5};
    struct visitor waits;
    EXPECT(gate->enter(gate, &inside));
    start(&waits, gate, 0);
    gate->set_urgency(gate, &waits.visit, 0.7);
    wait_for_visits(gate, 1);
    gate->set_urgency(gate, &inside, 0.8);
    EXPECT(gate->enter(gate, &inside));
    EXPECT_INT(clean_gate_waiting(gate), 1);
    struct visitor again = {.gate = gate, .visit = {.urgency = 0.6}};
    gate->leave(gate, &inside);
    pthread_join(waits.thread, NULL);
    EXPECT(waits.entered);
    EXPECT(pthread_create(&again.thread, NULL, visit, &again) == 0);
    wait_for_visits(gate, 1);
    gate->leave(gate, &waits.visit);
    pthread_join(again.thread, NULL);
    EXPECT(again.entered);
    clean_gate_free(gate);
}

TEST(a_new_number_of_rounds_counts_those_that_are_under_way)
{
    struct clean_gate *gate = create(clock_system(), 1, 1e300);
    struct visitor second, third;
    struct clean_visit first = {0};
    EXPECT(gate->enter(gate, &first));
    start(&second, gate, 0);
    wait_for_visits(gate, 1);
    clean_gate_set_limits(gate, &(struct clean_gate_limits){2, 1e300});
    pthread_join(second.thread, NULL);
    EXPECT(second.entered);
    clean_gate_set_limits(gate, &(struct clean_gate_limits){1, 1e300});
    start(&third, gate, 0);
    wait_for_visits(gate, 1);
    gate->leave(gate, &first);
    EXPECT_INT(clean_gate_waiting(gate), 1); /* the second one is still inside */
    gate->leave(gate, &second.visit);
    pthread_join(third.thread, NULL);
    EXPECT(third.entered);
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
    struct clean_gate *gate = create(&clock, 1, 1000);
    struct clean_visit visit = {0};
    int64_t before = jumping_ns(&clock);
    for (int i = 0; i < 10; i++)
        gate->took(gate, &visit, 2500);
    EXPECT(jumping_ns(&clock) - before >= 25 * 1000000000LL);
    clean_gate_free(gate);
}

TEST(a_wait_ends_when_the_rate_is_raised)
{
    struct clean_gate *gate = create(clock_system(), 1, 1);
    struct visitor reads;
    start(&reads, gate, 1 << 20); /* twelve days */
    while (!atomic_load(&reads.visit.pausing))
        sched_yield();
    clean_gate_set_limits(gate, &(struct clean_gate_limits){1, 1e300});
    pthread_join(reads.thread, NULL);
    EXPECT(!atomic_load(&reads.visit.pausing));
    clean_gate_free(gate);
}

/* --- the journals --- */

enum { PIECE = 256 << 10, MILLISECOND = 1000000 };

/* Time passes only as the test says, and a millisecond in each wait. */
static int64_t slow_now = 1000000000; /* the kernel counts more, so no wait is a real one */

static int64_t slow_ns(struct clock *clock)
{
    (void)clock;
    return slow_now += MILLISECOND / 10;
}

struct cleaner {
    struct clock clock;
    struct clean_gate *gate;
    struct clean_visit visit;
};

static void cleaner_begin(struct cleaner *c)
{
    *c = (struct cleaner){.clock = {.monotonic_ns = slow_ns}};
    c->gate = create(&c->clock, 1, 1e300);
    EXPECT(c->gate->enter(c->gate, &c->visit));
}

/* How long the cleaner waits after work of 2 ms. */
static int64_t pause_ms(struct cleaner *c, int64_t bytes)
{
    slow_now += 2 * MILLISECOND;
    int64_t before = slow_now;
    c->gate->took(c->gate, &c->visit, bytes);
    return (slow_now - before) / MILLISECOND;
}

TEST(a_cleaner_works_a_small_share_of_the_time_while_journals_write)
{
    struct cleaner c;
    cleaner_begin(&c);
    EXPECT(pause_ms(&c, PIECE) < 2); /* no journal writes */
    c.gate->journal_writes(c.gate, 100);
    EXPECT(pause_ms(&c, PIECE - 1) < 2);
    EXPECT(pause_ms(&c, 1) >= 38); /* now it is a whole piece */
    slow_now += 100 * MILLISECOND;
    EXPECT(pause_ms(&c, PIECE) < 2); /* the journals have been quiet for a while */
    clean_gate_free(c.gate);
}

TEST(a_cleaner_may_do_the_more_the_more_the_journals_write)
{
    struct cleaner c;
    cleaner_begin(&c);
    c.gate->journal_writes(c.gate, PIECE);
    EXPECT(pause_ms(&c, PIECE) < 2);
    EXPECT(pause_ms(&c, PIECE) >= 38); /* these bytes count only once */
    clean_gate_free(c.gate);
}
