/* A disk that is full or fails, at every call of a history. The test checks the answers of the
 * store, and that nothing acknowledged is lost.
 *
 *   full      nothing fails; all entries become durable when there is room again
 *   no files  no descriptor is left: the same
 *   fails     at start: an error that names the path; later: the store stops, commits get ERR_IO,
 *             and the next start finds everything that was acknowledged
 *
 * The sweeps fail the n-th call of each kind, once or for ever, for every n until no such call
 * happens. The call has done all, some or nothing of its work. A failed sync loses data that a
 * process still sees, and the next sync succeeds. So the start after the fault is followed by a
 * power cut and a second start: it must find the same. */
#include "tests/harness/harness.h"
#include "tests/simulation/support_history.h"

#include <stdio.h>
#include <stdlib.h>

enum { ACTIONS = 70, SHARDS = 2, CUTS_MAX = 4 };

struct trial {
    uint64_t seed;
    enum error error;
    uint64_t from, to; /* calls that fail; of ERR_NO_FILES: openings */
    bool for_ever;     /* also while the store closes */
    enum crash_kind crash;
    struct sim_fault fault;
};

struct outcome {
    uint64_t calls;
    bool reached;
    bool started, was_full;
    int failures, refused;
};

static bool all_acknowledged(const struct model *m)
{
    for (int i = 0; i < SHARDS; i++) {
        if (m->shards[i].acknowledged != m->shards[i].submitted)
            return false;
    }
    return true;
}

static bool any_is_full(const struct life *life)
{
    bool full = false;
    for (int i = 0; i < SHARDS; i++)
        full |= store_is_full(life->stores[i]);
    return full;
}

/* Lets five seconds pass without requests. */
static void wait(struct life *life)
{
    for (int i = 0; i < 50; i++) {
        for (int shard = 0; shard < SHARDS; shard++)
            life_turn(life, shard, 50);
        while (life_step(life))
            ;
    }
}

static void fail(const struct trial *t, const char *wrong)
{
    const struct sim_fault *f = &t->fault;
    if (f->to > f->from)
        test_fail(__FILE__, __LINE__,
                  "%s in %s [%" PRIu64 ", %" PRIu64 "), effect %d, then crash %d; --seed %" PRIu64
                  ": %s",
                  error_text(f->error), sim_call_name(f->call), f->from, f->to, (int)f->effect,
                  (int)t->crash, t->seed, wrong);
    test_fail(__FILE__, __LINE__, "%s at calls [%" PRIu64 ", %" PRIu64 "), seed %" PRIu64 ": %s",
              error_text(t->error), t->from, t->to, t->seed, wrong);
}

static void expect_model(const struct trial *t, const struct model *model, struct sim_disk *disk)
{
    struct life life;
    uint32_t k[LIFE_SHARDS_MAX];
    enum error error = life_recover(&life, disk, SHARDS, t->seed);
    const char *wrong = error != ERR_OK ? life.message.text : model_compare(model, disk, k);
    if (wrong)
        fail(t, wrong);
    life_end(&life);
}

static void play(const struct trial *t, struct life *life, struct model *model, struct outcome *out)
{
    struct history h;
    struct random_seeded random;
    random_seeded_init(&random, t->seed);
    history_begin(&h, life, model, &random.random);
    for (int i = 0; i < ACTIONS; i++) {
        history_act(&h);
        out->was_full |= any_is_full(life);
    }
    if (t->error == ERR_NO_SPACE)
        life->disk->fail_to = 0; /* there is room again */
    if (!t->for_ever)
        life->disk->no_files_to = 0;
    wait(life);
    out->failures = life->failures;
    out->refused = h.refused;
    if (t->for_ever) {
        EXPECT_INT(life->failures, 0);
        life_close(life);
        return;
    }
    if (io_error_passes(t->error)) {
        EXPECT_INT(life->failures, 0);
        EXPECT(all_acknowledged(model));
        EXPECT(!any_is_full(life));
    } else {
        EXPECT(life->failures <= SHARDS);
        EXPECT(life->failures > 0 || all_acknowledged(model));
        EXPECT(life->failures > 0 || h.refused == 0);
    }
    life_close(life);
    bool passes = io_error_passes(t->fault.error) && life->close_result == t->fault.error;
    if (!passes && life->close_result != (life->failures > 0 ? ERR_IO : ERR_OK))
        fail(t, error_text(life->close_result));
}

static struct outcome try(const struct trial *t)
{
    struct outcome out = {0};
    struct sim_disk *disk = sim_disk_create();
    if (t->error == ERR_NO_FILES) {
        disk->no_files_from = t->from;
        disk->no_files_to = t->to;
    } else {
        disk->fail_from = t->from;
        disk->fail_to = t->to;
        disk->fail_error = t->error;
    }
    disk->refuse_direct = t->seed % 2;
    struct model model;
    model_init(&model, SHARDS);
    struct life life;
    enum error error = life_recover(&life, disk, SHARDS, t->seed);
    if (error == ERR_OK)
        error = life_open(&life);
    out.started = error == ERR_OK;
    if (out.started)
        play(t, &life, &model, &out);
    else
        EXPECT(error == t->error && life.message.text[0] != '\0');
    life_end(&life);
    out.calls = t->error == ERR_NO_FILES ? disk->opens : disk->calls;
    disk->fail_to = disk->no_files_to = 0;
    struct sim_disk *left = sim_disk_crash(disk, t->crash, t->seed);
    expect_model(t, &model, left);
    sim_disk_free(left);
    sim_disk_free(disk);
    model_free(&model);
    return out;
}

/* Sweeps */

/* A disk with content, after the end of a process that did not close its stores. */
struct used_disk {
    struct sim_disk *disk;
    struct model model;
};

static void use_disk(struct used_disk *u, uint64_t seed)
{
    struct life life;
    struct history h;
    struct random_seeded random;
    u->disk = sim_disk_create();
    u->disk->refuse_direct = seed % 2;
    model_init(&u->model, SHARDS);
    random_seeded_init(&random, seed);
    EXPECT_INT(life_recover(&life, u->disk, SHARDS, seed), ERR_OK);
    EXPECT_INT(life_open(&life), ERR_OK);
    history_begin(&h, &life, &u->model, &random.random);
    for (int i = 0; i < ACTIONS; i++)
        history_act(&h);
    struct sim_disk *left = sim_disk_crash(u->disk, CRASH_KILL, 0);
    struct model then;
    model_copy(&then, &u->model);
    life_close(&life);
    life_end(&life);
    sim_disk_free(u->disk);
    model_free(&u->model);
    u->disk = left;
    u->model = then;
}

/* Power cuts inside a recovery: copies of the disk at some of its calls. */
struct cuts {
    const struct trial *trial;
    struct sim_disk *left[CUTS_MAX];
    int count;
    uint64_t calls;
};

static void cut_here(void *context, struct sim_disk *disk)
{
    static const enum crash_kind kinds[] = {CRASH_LOSE_ALL, CRASH_KEEP_ALL, CRASH_LOSE_SOME,
                                            CRASH_TEAR};
    struct cuts *c = context;
    uint64_t seed = c->trial->seed + c->trial->fault.from, key[] = {seed, c->calls++};
    uint64_t drawn = bytes_hash(bytes_of(key, sizeof key), 4);
    if (drawn % 8 == 0 && c->count < CUTS_MAX)
        c->left[c->count++] = sim_disk_crash(disk, kinds[drawn / 8 % COUNT_OF(kinds)], drawn);
}

/* Recovers and compares. What is found is raised to acknowledged: a later start must find it, too.
 */
static void expect_recovery(const struct trial *t, struct model *model, struct sim_disk *disk,
                            uint64_t run, struct cuts *cuts)
{
    struct life life;
    uint32_t k[LIFE_SHARDS_MAX];
    disk->on_call = cuts ? cut_here : NULL;
    disk->context = cuts;
    enum error error = life_recover(&life, disk, SHARDS, t->seed + 2000 + run);
    disk->on_call = NULL;
    const char *wrong = error != ERR_OK ? life.message.text : model_compare(model, disk, k);
    if (wrong == NULL && life.report.damaged_logs > 0)
        wrong = "a partition is taken for damaged";
    life_end(&life);
    if (wrong)
        fail(t, wrong);
    for (int shard = 0; shard < SHARDS; shard++)
        model->shards[shard].acknowledged = k[shard];
}

/* Recovers twice, with a power cut between: the second start must find what the first one showed.
 * A power cut inside the first one must leave what was acknowledged. */
static void expect_kept(const struct trial *t, struct model *model, struct sim_disk *disk)
{
    struct model before;
    struct cuts cuts = {.trial = t};
    struct sim_disk *left = sim_disk_crash(disk, t->crash, t->seed);
    model_copy(&before, model);
    expect_recovery(t, model, left, 0, &cuts);
    struct sim_disk *cut = sim_disk_crash(left, CRASH_LOSE_ALL, t->seed);
    sim_disk_free(left);
    expect_recovery(t, model, cut, 1, NULL);
    sim_disk_free(cut);
    while (cuts.count > 0) {
        struct model again;
        model_copy(&again, &before);
        cut = cuts.left[--cuts.count];
        expect_recovery(t, &again, cut, 2, NULL);
        sim_disk_free(cut);
        model_free(&again);
    }
    model_free(&before);
}

/* A full disk is waited for, wherever something new needs room. */
static bool must_heal(const struct sim_fault *f)
{
    static const bool grows[SIM_CALL_KINDS] = {[SIM_WRITE] = true, [SIM_RENAME] = true};
    return f->error == ERR_NO_SPACE && grows[f->call] && f->effect != FAULT_ALL;
}

/* Compares after a start, without the fault. It may have left files of a deleted topic. */
static void expect_started(const struct trial *t, struct model *model, struct sim_disk *disk,
                           uint32_t *k)
{
    uint64_t counts[SIM_CALL_KINDS];
    memcpy(counts, disk->counts, sizeof counts);
    disk->fault.to = 0;
    model->left_files = disk->reached;
    const char *wrong = model_compare(model, disk, k);
    if (wrong)
        fail(t, wrong);
    model->left_files = false;
    disk->fault.to = t->fault.to;
    memcpy(disk->counts, counts, sizeof counts);
}

/* A life on a disk with a fault. True: the fault has failed a call. */
static bool live_with(const struct trial *t, struct model *model, struct sim_disk *disk)
{
    struct life life;
    struct outcome out = {0};
    uint32_t k[LIFE_SHARDS_MAX];
    enum error error = life_recover(&life, disk, SHARDS, t->seed + 1000); /* other runs */
    if (error == ERR_OK)
        expect_started(t, model, disk, k);
    if (error == ERR_OK)
        model_rebase(model, k, SHARDS);
    if (error == ERR_OK)
        error = life_open(&life);
    out.started = error == ERR_OK;
    if (out.started) {
        play(t, &life, model, &out);
        if (out.failures > 0 && must_heal(&t->fault))
            fail(t, "the store stopped because of a full disk");
    } else if (life.message.text[0] == '\0') {
        fail(t, "the start gives no reason");
    }
    life_end(&life);
    return disk->reached;
}

static bool try_fault(const struct trial *t, const struct used_disk *used)
{
    struct model model;
    model_copy(&model, &used->model);
    struct sim_disk *disk =
        sim_disk_crash(used->disk, (enum crash_kind)(t->seed % CRASH_KINDS), t->seed);
    disk->fault = t->fault;
    bool reached = live_with(t, &model, disk);
    disk->fault.to = 0;
    expect_kept(t, &model, disk);
    sim_disk_free(disk);
    model_free(&model);
    return reached;
}

/* Fails each call of a kind, until there is no such call. Returns how many there were. */
static uint64_t sweep(enum sim_call call, enum error error, bool for_ever, uint64_t seed)
{
    struct used_disk used;
    struct trial t = {.seed = seed, .error = ERR_IO};
    uint64_t kinds = error == ERR_NO_FILES ? 1 : FAULT_EFFECTS; /* without a file nothing is done */
    bool all = error == ERR_IO && !for_ever && test_states(1, 0) > 0;
    uint64_t effects = all ? kinds : 1, n = 0;
    use_disk(&used, seed);
    for (bool reached = true; reached; n++) {
        for (uint64_t i = 0; i < effects; i++) {
            t.fault = (struct sim_fault){.call = call,
                                         .from = n,
                                         .to = for_ever ? UINT64_MAX : n + 1,
                                         .error = error,
                                         .effect = (enum sim_effect)((n + i) % kinds),
                                         .seed = seed + n};
            t.crash = (enum crash_kind)((n / kinds + i) % CRASH_KINDS);
            reached = try_fault(&t, &used);
        }
    }
    sim_disk_free(used.disk);
    model_free(&used.model);
    return n - 1;
}

static void sweep_all(enum error error, bool for_ever)
{
    int kinds = 0;
    printf("%s:", error_text(error));
    for (int call = 0; call < SIM_CALL_KINDS; call++) {
        uint64_t n = 0;
        for (uint64_t seed = test_seed(); seed < test_seed() + 2; seed++)
            n += sweep((enum sim_call)call, error, for_ever, seed);
        printf(" %s %" PRIu64, sim_call_name((enum sim_call)call), n);
        kinds += n > 0;
    }
    printf(", then not reached\n");
    EXPECT(kinds > SIM_CALL_KINDS - 4); /* not every history has each kind */
}

TEST(a_call_that_fails_once_stops_the_store_or_does_no_harm)
{
    sweep_all(ERR_IO, false);
}

TEST(a_call_that_fails_for_ever_stops_the_store_or_does_no_harm)
{
    sweep_all(ERR_IO, true);
}

TEST(a_call_that_finds_no_room_once_stops_the_store_or_does_no_harm)
{
    sweep_all(ERR_NO_SPACE, false);
}

TEST(a_call_that_finds_no_descriptor_once_stops_the_store_or_does_no_harm)
{
    sweep_all(ERR_NO_FILES, false);
}

/* Without direct I/O each unit of the journal is written and synced. What a failed sync loses, a
 * later start still reads. It must not rely on it before it has written it again. */
TEST(a_start_does_not_trust_a_journal_whose_sync_failed)
{
    uint64_t n = 0, seeds = test_states(12, 2);
    for (uint64_t i = 0; i < seeds; i++)
        n += sweep(SIM_SYNC, ERR_IO, false, (test_seed() | 1) + 2 * i);
    EXPECT(n > 0);
}

TEST(a_disk_that_is_full_for_a_while_loses_nothing_and_the_store_continues)
{
    int full = 0, not_started = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 4; seed++) {
        struct trial t = {.seed = seed, .error = ERR_NO_SPACE, .crash = CRASH_LOSE_ALL};
        uint64_t calls = try(&t).calls;
        for (t.from = 0; t.from < calls; t.from++) {
            t.to = t.from + 1 + t.from % 13;
            struct outcome out = try(&t);
            full += out.was_full;
            not_started += !out.started;
        }
    }
    EXPECT(full > 50);
    EXPECT(not_started > 10);
}

TEST(a_lack_of_descriptors_loses_nothing_and_the_store_continues)
{
    int started = 0, not_started = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 4; seed++) {
        struct trial t = {.seed = seed, .error = ERR_NO_FILES, .crash = CRASH_LOSE_ALL};
        uint64_t calls = try(&t).calls;
        for (t.from = 0; t.from < calls; t.from++) {
            t.to = t.from + 1 + t.from % 13;
            struct outcome out = try(&t);
            started += out.started;
            not_started += !out.started;
        }
    }
    EXPECT(started > 50);
    EXPECT(not_started > 10);
}

TEST(without_any_descriptor_the_store_waits_and_what_it_acknowledged_is_safe)
{
    int was_full = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 4; seed++) {
        struct trial t = {.seed = seed, .error = ERR_NO_FILES, .for_ever = true};
        uint64_t calls = try(&t).calls;
        t.to = UINT64_MAX;
        for (t.from = 0; t.from < calls; t.from++) {
            t.crash = (enum crash_kind)(t.from % CRASH_KINDS);
            was_full += try(&t).was_full;
        }
    }
    EXPECT(was_full > 0);
}

TEST(a_disk_that_fails_once_stops_the_store_and_loses_nothing)
{
    int failed = 0, refused = 0, went_on = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 4; seed++) {
        struct trial t = {.seed = seed, .error = ERR_IO};
        uint64_t calls = try(&t).calls;
        for (t.from = 0; t.from < calls; t.from++) {
            t.to = t.from + 1;
            t.crash = (enum crash_kind)(t.from % CRASH_KINDS);
            struct outcome out = try(&t);
            failed += out.failures > 0;
            refused += out.refused > 0;
            went_on += out.started && out.failures == 0;
        }
    }
    EXPECT(failed > 100);
    EXPECT(refused > 50);
    EXPECT(went_on > 0); /* if only an unneeded file could not be deleted */
}

TEST(a_disk_that_always_fails_stops_the_store_and_loses_nothing)
{
    for (uint64_t seed = test_seed(); seed < test_seed() + 2; seed++) {
        struct trial t = {.seed = seed, .error = ERR_IO, .to = UINT64_MAX};
        t.from = UINT64_MAX;
        uint64_t calls = try(&t).calls;
        for (t.from = 0; t.from < calls; t.from++) {
            t.crash = (enum crash_kind)(t.from % CRASH_KINDS);
            (void)try(&t);
        }
    }
}
