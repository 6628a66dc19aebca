/* A disk that is full or fails, at every call of a history. The test checks the answers of the
 * store, and that nothing acknowledged is lost.
 *
 *   full      nothing fails; all entries become durable when there is room again
 *   no files  no descriptor is left: the same
 *   fails     at start: an error that names the path; later: the store stops, commits get ERR_IO,
 *             and the next start finds everything that was acknowledged */
#include "tests/harness/harness.h"
#include "tests/simulation/support_history.h"

#include <stdlib.h>

enum { ACTIONS = 70, SHARDS = 2 };

struct trial {
    uint64_t seed;
    enum error error;
    uint64_t from, to; /* calls that fail; of ERR_NO_FILES: openings */
    bool for_ever;     /* also while the store closes */
    enum crash_kind crash;
};

struct outcome {
    uint64_t calls;
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

static void expect_model(const struct trial *t, const struct model *model, struct sim_disk *disk)
{
    struct life life;
    uint32_t k[LIFE_SHARDS_MAX];
    enum error error = life_recover(&life, disk, SHARDS, t->seed);
    const char *wrong = error != ERR_OK ? life.message.text : model_compare(model, disk, k);
    if (wrong)
        test_fail(__FILE__, __LINE__,
                  "%s at calls [%" PRIu64 ", %" PRIu64 "), seed %" PRIu64 ": %s",
                  error_text(t->error), t->from, t->to, t->seed, wrong);
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
    EXPECT_INT(life->close_result, life->failures > 0 ? ERR_IO : ERR_OK);
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
