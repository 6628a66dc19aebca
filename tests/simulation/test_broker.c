/* The whole broker in simulation: the real handlers, coordinators, processors, stores and recovery,
 * in one thread, with a simulated clock, disk, network and clients, and faults at any time. The
 * checks are rules over all that clients were told (support_facts.h).
 *
 *   simulation_test_broker              200 runs; every rare situation must be reached
 *   simulation_test_broker --quick      fewer runs
 *   simulation_test_broker --seed N     one run, twice: both must be the same
 *   simulation_test_broker --minutes M  until the time is over; --from N: the first seed
 *   simulation_test_broker --verbose    all events */
#include "tests/harness/harness.h"
#include "tests/simulation/support_trial.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { RUNS = 200, QUICK_RUNS = 40, REPEATED = 20 };

static uint64_t reached[REACH_COUNT];
static struct trial *running;

/* A broken invariant of the broker, or a wild pointer. */
static void on_signal(int number)
{
    signal(number, SIG_DFL);
    chronicle_fail(&running->chronicle, "invariants hold", "the broker got signal %d", number);
}

/* Programs with a sanitizer have this function. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void on_death(void)
{
    if (running)
        chronicle_fail(&running->chronicle, "the sanitizers find nothing", "see the report above");
}

static void report_deaths(void)
{
    signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(on_death);
    else
        signal(SIGSEGV, on_signal);
}

static uint64_t run(uint64_t seed, bool verbose)
{
    struct trial *t = running = xmalloc(sizeof *t);
    trial_run(t, seed, verbose, reached);
    uint64_t hash = t->chronicle.hash;
    running = NULL;
    free(t);
    return hash;
}

static void run_twice(uint64_t seed, bool verbose)
{
    uint64_t first = run(seed, verbose), second = run(seed, false);
    if (first != second)
        test_fail(__FILE__, __LINE__, "seed %" PRIu64 " gave two different runs", seed);
}

static void print_reached(void)
{
    for (int i = 0; i < REACH_COUNT; i++)
        printf("%8" PRIu64 "  %s\n", reached[i], reach_texts[i]);
}

static void expect_reached(void)
{
    for (int i = 0; i < REACH_COUNT; i++) {
        if (reached[i] == 0)
            test_fail(__FILE__, __LINE__, "no run reached: %s", reach_texts[i]);
    }
}

TEST(every_answer_obeys_the_rules_whatever_happens)
{
    bool verbose = test_flag("verbose");
    report_deaths();
    int64_t minutes = test_option("minutes", 0);
    int64_t seed = test_option("seed", -1);
    if (seed >= 0) {
        run_twice((uint64_t)seed, verbose);
        return;
    }
    uint64_t runs = test_flag("quick") ? QUICK_RUNS : test_states(RUNS, QUICK_RUNS);
    uint64_t next = (uint64_t)test_option("from", 1), last = next + runs;
    int64_t end_ms = clock_monotonic_ms(clock_system()) + minutes * 60000;
    for (; minutes ? clock_monotonic_ms(clock_system()) < end_ms : next < last; next++) {
        if (next % REPEATED == 0)
            run_twice(next, verbose);
        else
            run(next, verbose);
    }
    print_reached();
    if (minutes || runs >= RUNS)
        expect_reached();
}
