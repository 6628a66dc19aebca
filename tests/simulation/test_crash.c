/* Crashes at every call of short random histories, recovers, and compares the disk with the model.
 * Crashes again inside recovery. Sometimes continues to work and crashes again.
 *
 *   simulation_test_crash --states N --seed S */
#include "tests/harness/harness.h"
#include "tests/simulation/support_history.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    DEPTH_MAX = 3,
    ACTIONS = 120,
    CONTINUED_ACTIONS = 12,
};

/* The address sanitizer calls this. This program allocates so much memory that short stacks and a
 * small quarantine halve its time. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "malloc_context_size=5:quarantine_size_mb=16";
}

/* Counts of cases. A campaign without these cases proves nothing. */
struct reached {
    uint64_t states, histories, kills, inside_recovery, three_deep, continued, torn, redone,
        changed_shards, clean, checkpoints, starts_moved, deleted, created, filled, at_checkpoint,
        closed_busy, caught_up;
};

struct campaign {
    uint64_t target, seed; /* of the present history */
    struct reached reached;
    struct random_seeded random; /* selects the crashes; not the history's own */
};

/* Crashes a disk at its calls. */
struct explorer {
    struct campaign *campaign;
    const struct model *model;
    int depth;
    uint64_t one_in; /* crashes at one call in this many */
    int kinds;       /* crashes per call */
};

__attribute__((noreturn)) static void fail(const struct campaign *c, const char *what)
{
    printf("after %" PRIu64 " states: %s\n", c->reached.states, what);
    printf("replay: simulation_test_crash --states 1 --seed %" PRIu64 "\n", c->seed);
    _exit(1); /* no clean-up is needed */
}

static uint64_t draw(struct campaign *c, uint64_t bound)
{
    return random_below(&c->random.random, bound);
}

static void explore(void *context, struct sim_disk *disk);

/* Makes checkpoints and new journal files rare or frequent. */
static void vary_sizes(struct campaign *c, struct life *life)
{
    if (draw(c, 2) == 0)
        life->checkpoint_bytes /= 8;
    if (draw(c, 2) == 0)
        life->checkpoint_interval_ms = 300;
    if (draw(c, 3) == 0)
        life->journal_file_bytes /= 4;
}

static void note_history(struct reached *r, const struct history *h)
{
    r->starts_moved += h->starts_moved;
    r->deleted += h->deleted;
    r->created += h->created;
    r->filled += h->filled;
    r->at_checkpoint += h->at_checkpoint;
}

/* Continues after a crash, with a copy of the model. */
static void go_on(struct explorer *e, struct life *life, const uint32_t *k)
{
    struct campaign *c = e->campaign;
    c->reached.continued++;
    struct model model;
    model_copy(&model, e->model);
    model_rebase(&model, k, life->shard_count);
    struct explorer deeper = {c, &model, e->depth + 1, e->depth + 1 < DEPTH_MAX ? 15 : UINT64_MAX,
                              1};
    life->disk->on_call = explore;
    life->disk->context = &deeper;
    vary_sizes(c, life);
    if (life_open(life) != ERR_OK)
        fail(c, life->message.text);
    struct history h;
    struct random_seeded random;
    random_seeded_init(&random, random_u64(&c->random.random));
    history_begin(&h, life, &model, &random.random);
    const char *wrong = history_check_retries(&h);
    for (int i = 0; i < CONTINUED_ACTIONS && wrong == NULL; i++)
        history_act(&h);
    if (wrong)
        fail(c, wrong);
    if (draw(c, 2) == 0)
        life_settle(life);
    life_close(life);
    if (life->close_result != ERR_OK || life->failures > 0)
        fail(c, "a life that went on did not close in order");
    life->disk->on_call = NULL;
    model_free(&model);
}

static void recover_and_compare(struct explorer *e, struct sim_disk *disk)
{
    struct campaign *c = e->campaign;
    struct explorer deeper = {c, e->model, e->depth + 1, e->depth == 0 ? 200 : 60, 1};
    if (e->depth + 1 < DEPTH_MAX) {
        disk->on_call = explore;
        disk->context = &deeper;
    }
    int shards = e->model->shard_count;
    if (draw(c, 8) == 0) {
        shards = 1 + (int)draw(c, LIFE_SHARDS_MAX);
        c->reached.changed_shards += shards != e->model->shard_count;
    }
    struct life life;
    if (life_recover(&life, disk, shards, random_u64(&c->random.random)) != ERR_OK)
        fail(c, life.message.text);
    disk->on_call = NULL;
    uint32_t k[LIFE_SHARDS_MAX];
    const char *wrong = model_compare(e->model, disk, k);
    if (life.report.damaged_logs > 0)
        wrong = "a partition is taken for damaged";
    if (life.row_warnings > 0)
        wrong = "rows are taken for damaged";
    if (wrong)
        fail(c, wrong);
    c->reached.states++;
    c->reached.torn += life.report.cut_bytes > 0;
    c->reached.redone += life.report.batches > 0;
    c->reached.clean += life.report.clean;
    c->reached.caught_up += life.row_catch_ups > 0;
    if (draw(c, 50) == 0 && e->depth + 1 < DEPTH_MAX)
        go_on(e, &life, k);
    life_end(&life);
}

/* Called inside a call of the disk: crashes a copy of the disk here. */
static void explore(void *context, struct sim_disk *disk)
{
    struct explorer *e = context;
    struct campaign *c = e->campaign;
    if (e->one_in == UINT64_MAX || draw(c, e->one_in) != 0)
        return;
    for (int i = 0; i < e->kinds; i++) {
        enum crash_kind kind = (enum crash_kind)draw(c, CRASH_KINDS);
        struct sim_disk *left = sim_disk_crash(disk, kind, random_u64(&c->random.random));
        c->reached.kills += kind == CRASH_KILL;
        c->reached.inside_recovery += e->depth > 0;
        c->reached.three_deep += e->depth == DEPTH_MAX - 1;
        recover_and_compare(e, left);
        sim_disk_free(left);
    }
}

/* Acts, and then stops cleanly, idle or not. */
static void act_and_close(struct campaign *c, struct life *life, struct model *model,
                          struct random *random)
{
    struct history h;
    history_begin(&h, life, model, random);
    h.fills_disk = c->seed % 3 == 0;
    for (int i = 0; i < ACTIONS; i++)
        history_act(&h);
    note_history(&c->reached, &h);
    history_make_room(&h);
    /* A write that the full disk has refused is not tried again during closing. */
    bool settles = h.filled > 0 || random_below(random, 2) == 0;
    c->reached.closed_busy += !settles;
    if (settles)
        life_settle(life);
    const char *wrong = h.filled == 0 && settles ? history_check_live(&h) : NULL;
    if (wrong)
        fail(c, wrong);
    life_close(life);
    if (life->close_result != ERR_OK || life->failures > 0)
        wrong = "the stores did not close in order";
    for (int t = 0; t < MODEL_TOPICS && wrong == NULL; t++)
        wrong = h.deletion[t] == 0 ? model_compare_gone(model, life->disk, t) : NULL;
    if (wrong)
        fail(c, wrong);
}

static void live(struct campaign *c, struct sim_disk *disk, struct model *model,
                 struct random *random, bool ended_in_order)
{
    uint32_t k[LIFE_SHARDS_MAX];
    int shards = 1 + (int)random_below(random, LIFE_SHARDS_MAX);
    struct life life;
    if (life_recover(&life, disk, shards, random_u64(random)) != ERR_OK)
        fail(c, life.message.text);
    const char *wrong = model_compare(model, disk, k);
    if (wrong == NULL && ended_in_order && !life.report.clean)
        wrong = "something was redone after an orderly end";
    if (wrong)
        fail(c, wrong);
    model_rebase(model, k, shards);
    vary_sizes(c, &life);
    if (life_open(&life) != ERR_OK)
        fail(c, life.message.text);
    act_and_close(c, &life, model, random);
    for (int i = 0; i < shards; i++)
        c->reached.checkpoints += store_stats(life.stores[i]).checkpoints;
    life_end(&life);
}

/* One history: lives that stop cleanly, crashed at every call. */
static void run_history(struct campaign *c)
{
    struct sim_disk *disk = sim_disk_create();
    struct random_seeded random;
    random_seeded_init(&random, c->seed);
    random_seeded_init(&c->random, c->seed ^ 0x9e3779b97f4a7c15);
    disk->refuse_direct = c->seed % 7 == 0;
    disk->refuse_direct_writes = c->seed % 7 == 1;
    struct model model;
    model_init(&model, 1 + (int)random_below(&random.random, LIFE_SHARDS_MAX));
    /* Mostly one crash at each call: more histories find more orders than more crashes do. */
    struct explorer e = {c, &model, 0, 1, c->seed % 4 == 0 ? 3 : 1};
    disk->on_call = explore;
    disk->context = &e;
    uint64_t lives = 1 + random_below(&random.random, 3);
    for (uint64_t i = 0; i < lives; i++)
        live(c, disk, &model, &random.random, i > 0);
    sim_disk_free(disk);
    model_free(&model);
    c->reached.histories++;
}

static void print_reached(const struct reached *r)
{
    printf("%" PRIu64 " states of %" PRIu64 " histories: killed %" PRIu64
           ", inside recovery %" PRIu64 ", three deep %" PRIu64 ", went on %" PRIu64
           ", torn units %" PRIu64 ", batches redone %" PRIu64 ", other shard count %" PRIu64
           ", clean %" PRIu64 ", checkpoints %" PRIu64 ", starts moved %" PRIu64
           ", topics deleted %" PRIu64 ", made %" PRIu64 ", disk filled %" PRIu64
           ", acts at a checkpoint %" PRIu64 ", closed at work %" PRIu64 ", rows caught up %" PRIu64
           "\n",
           r->states, r->histories, r->kills, r->inside_recovery, r->three_deep, r->continued,
           r->torn, r->redone, r->changed_shards, r->clean, r->checkpoints, r->starts_moved,
           r->deleted, r->created, r->filled, r->at_checkpoint, r->closed_busy, r->caught_up);
}

TEST(a_crash_at_any_call_loses_nothing_that_was_acknowledged)
{
    static struct campaign c;
    c = (struct campaign){.target = test_states(100000, 2000)};
    for (c.seed = test_seed(); c.reached.states < c.target; c.seed++)
        run_history(&c);
    print_reached(&c.reached);
    const struct reached *r = &c.reached;
    EXPECT(c.target < 10000 || (r->kills && r->inside_recovery && r->three_deep && r->continued &&
                                r->torn && r->redone && r->changed_shards && r->clean &&
                                r->checkpoints && r->starts_moved && r->deleted && r->created &&
                                r->filled && r->at_checkpoint && r->closed_busy && r->caught_up));
}
