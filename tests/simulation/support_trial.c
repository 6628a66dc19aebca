#include "tests/simulation/support_trial.h"

#include "base/trusted_clock.h"
#include "tests/simulation/support_pipeline.h"
#include "tests/simulation/support_tally.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    GIVE_UP_MS = 6000, /* a client's request timeout */
    LIVELY_WITHIN_MS = 10000,
    STOP_WITHIN_MS = 60000,
    CALM_PACE_MS = 90,
    LARGE_BATCH_BYTES = 250000,
    FULL_GRACE_MS = 3000, /* the broker looks for free space once a second */
    SLEEP_MS = 20000,
    OFFSETS_EXPIRE_MS = 8 * 24 * 3600 * 1000, /* after the 7 days of offsets.retention.minutes */
    EXPIRED_WITHIN_MS = 1000,
};

static struct machine *machine_of(struct trial *t)
{
    return &t->machine;
}

static uint64_t below(struct trial *t, uint64_t bound)
{
    return machine_below(&t->machine, bound);
}

/* --- steps --- */

static bool is_due(const struct actor *a, int64_t now_ms)
{
    return a->wake_ms <= now_ms;
}

/* The oldest request waits for too long. */
static bool gives_up(struct actor *a)
{
    struct list_node *node = a->wire ? list_first(&a->wire->exchanges) : NULL;
    if (node == NULL)
        return false;
    int64_t sent_ms = CONTAINER_OF(node, struct exchange, node)->sent_ms;
    return a->trial->machine.now_ms - sent_ms > GIVE_UP_MS;
}

static void run_actor(struct actor *a)
{
    struct machine *m = machine_of(a->trial);
    if (gives_up(a)) {
        actor_note(a, "gives up waiting");
        chronicle_reach(&a->trial->chronicle, REACH_TIMEOUT);
        actor_hang_up(a);
        return;
    }
    if (a->wire == NULL)
        a->wire = wire_open(m, &a->owner);
    if (a->wire == NULL)
        actor_wait(a, 50);
    else
        a->ops->act(a);
    if (a->wake_ms <= m->now_ms)
        a->wake_ms = m->now_ms + 1;
}

/* Draws a due actor; NULL: there is none. */
static struct actor *draw_actor(struct trial *t)
{
    int first = (int)below(t, (uint64_t)t->actor_count);
    for (int i = 0; i < t->actor_count; i++) {
        struct actor *a = t->actors[(first + i) % t->actor_count];
        if (is_due(a, t->machine.now_ms))
            return a;
    }
    return NULL;
}

static void wait_for_next(struct trial *t)
{
    int64_t due_ms = machine_due_ms(&t->machine);
    for (int i = 0; i < t->actor_count; i++)
        due_ms = MIN(due_ms, t->actors[i]->wake_ms);
    int64_t wait_ms = due_ms == INT64_MAX ? 100 : due_ms - t->machine.now_ms;
    machine_advance(&t->machine, MIN(MAX(wait_ms, (int64_t)1), (int64_t)100));
}

void trial_step(struct trial *t)
{
    struct actor *a = below(t, 3) == 0 ? draw_actor(t) : NULL;
    if (a)
        run_actor(a);
    else if (!machine_step(&t->machine)) {
        a = draw_actor(t);
        if (a)
            run_actor(a);
        else
            wait_for_next(t);
    }
    if (below(t, 12) == 0)
        machine_advance(&t->machine, 1);
}

static void run_for(struct trial *t, int64_t ms)
{
    int64_t end_ms = t->machine.now_ms + ms;
    while (t->machine.now_ms < end_ms)
        trial_step(t);
}

/* --- faults --- */

static void draw_config(struct trial *t)
{
    struct machine_config *c = &t->machine.config;
    *c = (struct machine_config){
        .shards = 1 + (int)below(t, MACHINE_SHARDS_MAX),
        .journal_file_bytes = (int64_t)(16 << below(t, 4)) << 10,
        .checkpoint_bytes = (int64_t)(8 << below(t, 5)) << 10,
        .checkpoint_interval_ms = 100 + (int64_t)below(t, below(t, 2) ? 500 : 20000),
        .group_bytes = (int64_t)(4 << below(t, 6)) << 10,
        .tail_cache_bytes = (int64_t)below(t, 20000),
        .unflushed_bytes = 2000 + (int64_t)below(t, 30000),
        .segment_bytes = 5000 + (int64_t)below(t, 60000),
        .index_interval_bytes = (int64_t)below(t, 5000),
        .retention_check_ms = 50 + (int64_t)below(t, 500),
        .initial_delay_ms = below(t, 2) ? 0 : (int64_t)below(t, 300),
        .max_in_flight = (int64_t)(100 << below(t, 8)) << 10,
        /* A key takes 24 bytes: most rounds of the cleaner are cut short by a full map. */
        .clean_map_bytes = 50 + (int64_t)below(t, below(t, 2) ? 150 : 2000),
        .clean_buffer_bytes = 300 + (int64_t)below(t, 8000),
        .clean_backoff_ms = 10 + (int64_t)below(t, 400),
    };
    if (t->large_values)
        c->segment_bytes += LARGE_BATCH_BYTES;
}

static enum crash_kind draw_crash(struct trial *t)
{
    return (enum crash_kind)below(t, CRASH_KINDS);
}

static void leap(struct trial *t, bool across_restart)
{
    struct machine *m = machine_of(t);
    int64_t span = below(t, 2) ? LEAP_MAX_MS : 5000;
    int64_t leap_ms = (int64_t)below(t, (uint64_t)(2 * span)) - span;
    bool back = leap_ms < m->leap_ms;
    chronicle_note(&t->chronicle, "LEAP of the wall clock to %+lld ms", (long long)leap_ms);
    chronicle_reach(&t->chronicle, back ? REACH_LEAP_BACK : REACH_LEAP_FORWARD);
    if (back && across_restart)
        chronicle_reach(&t->chronicle, REACH_LEAP_BACK_RESTART);
    m->leap_ms = leap_ms;
    /* The first start that stores its time trusts any clock. */
    if (t->facts.topic_count == 0 || t->facts.topics[0].state != TOPIC_EXISTS)
        m->ahead_ms = MAX(leap_ms, m->ahead_ms);
    else
        m->ahead_ms += across_restart ? m->settings.clock_max_down_ms : TRUSTED_TOLERANCE_MS;
}

static void set_full(struct trial *t, bool full)
{
    chronicle_note(&t->chronicle, full ? "DISK FULL" : "the disk has room");
    if (full)
        chronicle_reach(&t->chronicle, REACH_DISK_FULL);
    if (!full && t->machine.full)
        t->full_until_ms = t->machine.now_ms + FULL_GRACE_MS;
    machine_fill_disk(&t->machine, full);
}

/* As a full disk, this refuses work that needs new files. */
static void set_no_files(struct trial *t, bool taken)
{
    chronicle_note(&t->chronicle, taken ? "NO FILE CAN BE OPENED" : "files can be opened");
    if (taken)
        chronicle_reach(&t->chronicle, REACH_NO_FILES);
    else if (t->machine.no_files)
        t->full_until_ms = t->machine.now_ms + FULL_GRACE_MS;
    machine_take_files(&t->machine, taken);
}

/* What a start and a regular stop need. */
static void give_room(struct trial *t)
{
    if (t->machine.full)
        set_full(t, false);
    if (t->machine.no_files)
        set_no_files(t, false);
}

/* Starts the broker until it runs. */
static void start(struct trial *t)
{
    struct machine *m = machine_of(t);
    int shards = m->config.shards;
    while (m->state == MACHINE_DOWN) {
        if (!t->calm && below(t, 3) == 0)
            leap(t, true);
        draw_config(t);
        if (!t->calm && below(t, 4) == 0)
            machine_crash_in(m, 1 + below(t, 60), draw_crash(t));
        machine_start(m);
        if (m->state == MACHINE_UP)
            break;
        if (below(t, 3) == 0)
            give_room(t);
        run_for(t, 1 + (int64_t)below(t, 100));
    }
    if (m->lives > 1 && m->config.shards != shards)
        chronicle_reach(&t->chronicle, REACH_OTHER_SHARDS);
    m->crash_in_calls = 0;
}

static void stop(struct trial *t)
{
    struct machine *m = machine_of(t);
    int64_t begin_ms = m->now_ms;
    machine_stop(m);
    if (!t->calm && below(t, 4) == 0)
        machine_crash_in(m, 1 + below(t, 40), draw_crash(t));
    int lives = m->lives;
    while (m->state != MACHINE_DOWN && m->lives == lives) {
        trial_step(t);
        if (m->now_ms - begin_ms > STOP_WITHIN_MS)
            chronicle_fail(&t->chronicle, "a clean stop ends", "it takes more than %d ms",
                           STOP_WITHIN_MS);
    }
    chronicle_reach(&t->chronicle, REACH_CLEAN_RESTART);
}

/* Runs until the machine is down, because something was armed, or the time is over. */
static void run_while_up(struct trial *t, int64_t ms)
{
    int64_t end_ms = t->machine.now_ms + ms;
    while (t->machine.state == MACHINE_UP && t->machine.now_ms < end_ms)
        trial_step(t);
}

static void fault(struct trial *t)
{
    struct machine *m = machine_of(t);
    switch (below(t, 14)) {
    case 0:
    case 1:
        machine_crash(m, draw_crash(t));
        break;
    case 2:
    case 3:
        machine_crash_in(m, 1 + below(t, 60), draw_crash(t));
        run_while_up(t, 2000);
        break;
    case 4:
        machine_crash_in_rows(m, 1 + below(t, 12), draw_crash(t));
        run_while_up(t, 2000);
        m->crash_in_calls = 0;
        break;
    case 5:
    case 6:
        give_room(t);
        stop(t);
        break;
    case 7:
        leap(t, false);
        break;
    case 8:
        set_full(t, !m->full);
        break;
    case 12:
        set_no_files(t, !m->no_files);
        break;
    case 9:
        chronicle_note(&t->chronicle, "the process is stopped for a while");
        chronicle_reach(&t->chronicle, REACH_SLEEP);
        machine_advance(m, (int64_t)below(t, SLEEP_MS));
        break;
    case 10:
    case 11:
        machine_crash_in_cleaner(m, 1 + below(t, 25), draw_crash(t));
        run_while_up(t, 1500);
        m->crash_in_calls = 0;
        break;
    default:
        give_room(t);
        machine_break_disk(m, 1 + below(t, 30));
        run_while_up(t, 2000);
        if (m->state == MACHINE_UP)
            machine_crash(m, CRASH_KILL);
        break;
    }
    if (m->state == MACHINE_DOWN)
        run_for(t, (int64_t)below(t, below(t, 3) ? 50 : 1500));
    start(t);
}

/* --- the end of a run --- */

static bool all_lively(struct trial *t, const uint64_t before[TRIAL_ACTORS])
{
    for (int i = 0; i < t->actor_count; i++) {
        if (t->actors[i]->successes <= before[i])
            return false;
    }
    return true;
}

static void expect_life(struct trial *t)
{
    uint64_t before[TRIAL_ACTORS];
    int64_t begin_ms = t->machine.now_ms;
    t->life_round++;
    for (int i = 0; i < t->actor_count; i++)
        before[i] = t->actors[i]->successes;
    while (!all_lively(t, before)) {
        trial_step(t);
        if (t->machine.now_ms - begin_ms <= LIVELY_WITHIN_MS)
            continue;
        for (int i = 0; i < t->actor_count; i++) {
            if (t->actors[i]->successes <= before[i])
                chronicle_fail(&t->chronicle, "after the last fault everything works again",
                               "%s could do nothing for %d ms", t->actors[i]->name,
                               LIVELY_WITHIN_MS);
        }
    }
}

bool trial_has_late_requests(const struct trial *t)
{
    LIST_FOR_EACH (node, &t->machine.wires) {
        const struct wire *w = CONTAINER_OF(node, struct wire, node);
        if (w->open && w->owner == NULL)
            return true;
    }
    return t->machine.ended_count > 0;
}

bool trial_has_requests_from(const struct trial *t, uint64_t step)
{
    LIST_FOR_EACH (node, &t->machine.wires) {
        struct wire *w = CONTAINER_OF(node, struct wire, node);
        struct list_node *first = list_first(&w->exchanges);
        if (first && CONTAINER_OF(first, struct exchange, node)->sent_step <= step)
            return true;
    }
    return false;
}

static void rest(struct trial *t)
{
    int64_t begin_ms = t->machine.now_ms;
    for (int i = 0; i < t->actor_count; i++)
        t->actors[i]->resting = false;
    for (bool resting = false; !resting;) {
        trial_step(t);
        resting = !trial_has_late_requests(t);
        for (int i = 0; i < t->actor_count; i++)
            resting &= t->actors[i]->resting;
        if (t->machine.now_ms - begin_ms < STOP_WITHIN_MS)
            continue;
        for (int i = 0; i < t->actor_count; i++) {
            if (!t->actors[i]->resting)
                chronicle_fail(&t->chronicle, "clients can finish", "%s", t->actors[i]->name);
        }
    }
}

static void heal(struct trial *t)
{
    chronicle_note(&t->chronicle, "THE FAULTS ARE OVER");
    t->calm = t->machine.calm = true;
    t->pace_ms = MAX(t->pace_ms, (int64_t)CALM_PACE_MS);
    give_room(t);
    t->healed_ms = t->machine.now_ms;
    LIST_FOR_EACH (node, &t->machine.wires) {
        struct wire *w = CONTAINER_OF(node, struct wire, node);
        w->frames_left = UINT64_MAX;
        w->room = WIRE_ROOM;
        w->broker_due_ms = w->client_due_ms = t->healed_ms;
    }
}

/* Reads everything that is there. */
static void read_once(struct trial *t)
{
    uint64_t since_step = t->machine.step, jobs = t->machine.clean_jobs;
    t->drains = true;
    t->drain_round++;
    rest(t);
    t->drains = false;
    facts_check_keys(&t->facts, since_step, jobs == t->machine.clean_jobs);
}

/* No client writes. Reads until the processors have caught up. */
static void read_all(struct trial *t)
{
    int64_t begin_ms = t->machine.now_ms;
    t->ending = true;
    rest(t);
    read_once(t);
    facts_check_batches(&t->facts);
    struct pipeline *p = pipeline_create(&t->facts);
    while (!pipeline_is_complete(p, &t->facts) && t->machine.now_ms - begin_ms < LIVELY_WITHIN_MS)
        trial_step(t);
    read_once(t);
    pipeline_check(p, &t->facts);
    tally_check(&t->facts);
    pipeline_free(p);
}

static void ask_veteran(struct trial *t)
{
    int64_t begin_ms = t->machine.now_ms;
    uint64_t before = t->veteran->successes;
    while (t->veteran->successes <= before) {
        trial_step(t);
        if (t->machine.now_ms - begin_ms > LIVELY_WITHIN_MS)
            chronicle_fail(&t->chronicle, "an old committed offset can be asked for",
                           "there is no answer for %d ms", LIVELY_WITHIN_MS);
    }
}

/* Old offsets expire, and stay away. The other clients are gone: for them, records expire, too. */
static void grow_old(struct trial *t)
{
    for (int i = 0; i < t->actor_count; i++) {
        if (t->actors[i] == t->veteran)
            continue;
        actor_hang_up(t->actors[i]);
        t->actors[i]->wake_ms = INT64_MAX;
    }
    ask_veteran(t);
    ask_veteran(t); /* the first answer may be to its commit */
    t->veterans->may_expire = true;
    machine_advance(&t->machine, OFFSETS_EXPIRE_MS);
    run_for(t, EXPIRED_WITHIN_MS);
    ask_veteran(t); /* the answer may have been under way */
    t->veterans->has_expired = true;
    ask_veteran(t);
    machine_crash(&t->machine, draw_crash(t));
    start(t);
    ask_veteran(t);
}

static void end(struct trial *t)
{
    heal(t);
    expect_life(t);
    read_all(t);
    facts_before_restart(&t->facts);
    t->keeps_groups = true;
    if (below(t, 2))
        stop(t);
    else
        machine_crash(&t->machine, draw_crash(t));
    start(t);
    read_all(t);
    facts_after_restart(&t->facts);
    t->keeps_groups = t->ending = false;
    expect_life(t);
    grow_old(t);
    stop(t);
}

/* --- a run --- */

static void make_actors(struct trial *t)
{
    int producers = 1 + (int)below(t, 3), fetchers = 1 + (int)below(t, 2);
    int members = 2 + (int)below(t, 2);
    admin_create(t, 0);
    admin_create(t, 1);
    operator_create(t, 0);
    reuser_create(t, 0);
    for (int i = 0; i < producers; i++)
        producer_create(t, i);
    for (int i = 0; i < fetchers; i++)
        fetcher_create(t, i);
    struct fact_group *group = facts_add_group(&t->facts, "g");
    for (int i = 0; i < members; i++)
        member_create(t, i, group);
    committer_create(t, 0, facts_add_group(&t->facts, "alone"));
    t->veterans = facts_add_group(&t->facts, "veterans");
    t->veteran = veteran_create(t, 0, t->veterans);
}

void trial_run(struct trial *t, uint64_t seed, bool verbose, uint64_t *reached)
{
    memset(t, 0, sizeof *t);
    chronicle_init(&t->chronicle, seed, verbose, reached);
    machine_init(&t->machine, &t->chronicle, seed);
    facts_init(&t->facts, &t->machine);
    t->pace_ms = 2 + (int64_t)below(t, 40);
    t->large_values = below(t, 3) == 0;
    draw_config(t);
    make_actors(t);
    start(t);
    int faults = 2 + (int)below(t, 8);
    for (int i = 0; i < faults; i++) {
        run_while_up(t, (int64_t)below(t, below(t, 3) ? 300 : 2000));
        if (t->machine.state == MACHINE_UP)
            fault(t);
        else
            start(t);
    }
    end(t);
    wires_lose_all(&t->machine);
    for (int i = 0; i < t->actor_count; i++)
        t->actors[i]->ops->free(t->actors[i]);
    facts_free(&t->facts);
    machine_free(&t->machine);
}
