/* Damage to durable data. Recovery finds and names it, and never reads it as data or silently cuts
 * it. */
#include "storage/store_rows.h"
#include "tests/harness/harness.h"
#include "tests/simulation/support_history.h"

#include <stdio.h>
#include <stdlib.h>

enum { SHARDS = 2, ACTIONS = 80 };

/* A disk after a history whose process was killed while it was idle. */
struct scene {
    struct sim_disk *disk, *halfway; /* halfway: the same disk some time before */
    struct model model;
};

static void rest(struct life *life)
{
    for (int i = 0; i < 4; i++) {
        life_settle(life);
        life->now_ms += 1000;
    }
    life_settle(life);
}

static void set_scene_after(struct scene *s, uint64_t seed, void (*after)(struct life *life))
{
    struct sim_disk *disk = sim_disk_create();
    struct random_seeded random;
    random_seeded_init(&random, seed);
    model_init(&s->model, SHARDS);
    struct life life;
    EXPECT_INT(life_recover(&life, disk, SHARDS, seed), ERR_OK);
    EXPECT_INT(life_open(&life), ERR_OK);
    struct history h;
    history_begin(&h, &life, &s->model, &random.random);
    s->halfway = sim_disk_crash(disk, CRASH_KEEP_ALL, 0);
    for (int i = 0; i < ACTIONS; i++)
        history_act(&h);
    after(&life);
    s->disk = sim_disk_crash(disk, CRASH_LOSE_ALL, 0);
    life_close(&life);
    life_end(&life);
    sim_disk_free(disk);
}

static void set_scene(struct scene *s, uint64_t seed)
{
    set_scene_after(s, seed, rest);
}

static void clear_scene(struct scene *s)
{
    sim_disk_free(s->disk);
    sim_disk_free(s->halfway);
    model_free(&s->model);
}

struct names {
    char at[16][64];
    size_t count;
};

static void note_name(void *context, const char *name)
{
    struct names *names = context;
    ASSERT(names->count < COUNT_OF(names->at));
    snprintf(names->at[names->count++], sizeof names->at[0], "%s", name);
}

static struct names journals(struct sim_disk *disk, int shard)
{
    struct names names = {.count = 0};
    char directory[64];
    snprintf(directory, sizeof directory, "data/shard-%d", shard);
    EXPECT_INT(disk->io.ops->list(&disk->io, directory, note_name, &names), ERR_OK);
    return names;
}

struct verdict {
    int same, refused;
};

/* Checks that the content is unchanged, or that the error names the file. */
static void judge(struct scene *s, struct sim_disk *disk, const char *file, size_t at,
                  struct verdict *v)
{
    struct life life;
    uint32_t k[LIFE_SHARDS_MAX];
    enum error error = life_recover(&life, disk, SHARDS, 1);
    if (error == ERR_OK) {
        const char *wrong = model_compare(&s->model, disk, k);
        if (wrong)
            test_fail(__FILE__, __LINE__, "byte %zu of %s: %s", at, file, wrong);
        v->same++;
    } else {
        EXPECT_INT(error, ERR_CORRUPT);
        if (strstr(life.message.text, "journal-") == NULL)
            test_fail(__FILE__, __LINE__, "byte %zu of %s: %s", at, file, life.message.text);
        v->refused++;
    }
    life_end(&life);
}

TEST(a_flipped_bit_in_a_journal_is_found_or_changes_nothing)
{
    struct verdict v = {0};
    for (uint64_t seed = test_seed(); seed < test_seed() + 3; seed++) {
        struct scene s;
        set_scene(&s, seed);
        for (int shard = 0; shard < SHARDS; shard++) {
            struct names names = journals(s.disk, shard);
            for (size_t i = 0; i < names.count; i++) {
                char path[160];
                snprintf(path, sizeof path, "data/shard-%d/%s", shard, names.at[i]);
                size_t size = sim_disk_file(s.disk, path).data.size;
                for (size_t at = 0; at < size; at += at % 4096 < 90 ? 1 : 171) {
                    struct sim_disk *damaged = sim_disk_crash(s.disk, CRASH_KEEP_ALL, 0);
                    sim_disk_flip(damaged, path, at, (uint8_t)(1 << at % 8));
                    judge(&s, damaged, path, at, &v);
                    sim_disk_free(damaged);
                }
            }
        }
        clear_scene(&s);
    }
    EXPECT(v.refused > 100 && v.same > 100);
}

struct harm {
    const char *name;
    void (*apply)(struct sim_disk *disk, const char *path, size_t at, size_t size);
    bool everywhere; /* at every block of a file; else once for each file */
};

static struct io_file *open_journal(struct sim_disk *disk, const char *path)
{
    struct io_file *file;
    EXPECT_INT(disk->io.ops->open(&disk->io, path, IO_READ | IO_WRITE, &file), ERR_OK);
    return file;
}

static void cut(struct sim_disk *disk, const char *path, size_t at, size_t size)
{
    (void)size;
    struct io_file *file = open_journal(disk, path);
    EXPECT_INT(disk->io.ops->truncate(&disk->io, file, (int64_t)at), ERR_OK);
    disk->io.ops->close(&disk->io, file);
}

static void zero(struct sim_disk *disk, const char *path, size_t at, size_t size)
{
    struct io_file *file = open_journal(disk, path);
    uint8_t *zeros = xcalloc(1, size - at + 1);
    EXPECT_INT(io_write(&disk->io, file, zeros, size - at, (int64_t)at), ERR_OK);
    free(zeros);
    disk->io.ops->close(&disk->io, file);
}

static void delete (struct sim_disk *disk, const char *path, size_t at, size_t size)
{
    (void)at;
    (void)size;
    EXPECT_INT(disk->io.ops->unlink(&disk->io, path), ERR_OK);
}

static void harm_each_file(const struct harm *harm, struct scene *s, struct verdict *v)
{
    for (int shard = 0; shard < SHARDS; shard++) {
        struct names names = journals(s->disk, shard);
        for (size_t i = 0; i < names.count; i++) {
            char path[160];
            snprintf(path, sizeof path, "data/shard-%d/%s", shard, names.at[i]);
            size_t size = sim_disk_file(s->disk, path).data.size;
            for (size_t at = 0; at < (harm->everywhere ? size : 1); at += 4096) {
                struct sim_disk *damaged = sim_disk_crash(s->disk, CRASH_KEEP_ALL, 0);
                harm->apply(damaged, path, at, size);
                judge(s, damaged, path, at, v);
                sim_disk_free(damaged);
            }
        }
    }
}

/* The newest file is among them: after a second of rest, the witness covers it. */
TEST(a_journal_file_that_is_cut_zeroed_or_deleted_is_found_or_changes_nothing)
{
    const struct harm harms[] = {
        {"cut", cut, true}, {"zeroed", zero, true}, {"deleted", delete, false}};
    for (size_t i = 0; i < COUNT_OF(harms); i++) {
        struct verdict v = {0};
        for (uint64_t seed = test_seed(); seed < test_seed() + 20; seed++) {
            struct scene s;
            set_scene(&s, seed);
            harm_each_file(&harms[i], &s, &v);
            clear_scene(&s);
        }
        if (v.refused < 20 || v.same < 20)
            test_fail(__FILE__, __LINE__, "%s: refused %d, same %d", harms[i].name, v.refused,
                      v.same);
    }
}

/* No second has passed, so neither the witness nor a later unit covers the last unit. */
TEST(a_journal_file_that_is_cut_is_found_at_once)
{
    const struct harm harm = {"cut", cut, true};
    struct verdict v = {0};
    for (uint64_t seed = test_seed(); seed < test_seed() + 20; seed++) {
        struct scene s;
        set_scene_after(&s, seed, life_settle);
        harm_each_file(&harm, &s, &v);
        clear_scene(&s);
    }
    EXPECT(v.refused > 20 && v.same > 20);
}

/* A flipped bit, or a slot that is only half written, must not stop a start that nothing else
 * stops. */
TEST(a_damaged_or_missing_witness_does_not_refuse_a_start)
{
    struct scene s;
    set_scene(&s, test_seed());
    const char *path = "data/shard-0/durable";
    size_t size = sim_disk_file(s.disk, path).data.size;
    EXPECT(size > 0);
    struct verdict v = {0};
    for (size_t at = 0; at < size; at += at % 4096 < 64 ? 1 : 171) {
        for (int kind = 0; kind < 3; kind++) {
            struct sim_disk *damaged = sim_disk_crash(s.disk, CRASH_KEEP_ALL, 0);
            if (kind == 0)
                sim_disk_flip(damaged, path, at, (uint8_t)(1 << at % 8));
            else
                (kind == 1 ? cut : delete)(damaged, path, at, size);
            judge(&s, damaged, path, at, &v);
            sim_disk_free(damaged);
        }
    }
    EXPECT_INT(v.refused, 0);
    clear_scene(&s);
}

static void create_file(struct sim_disk *disk, const char *path)
{
    struct io_file *file;
    EXPECT_INT(disk->io.ops->open(&disk->io, path, IO_WRITE | IO_CREATE, &file), ERR_OK);
    disk->io.ops->close(&disk->io, file);
}

/* Damages the first unit after the checkpoint that the journal needs. False: there is none. */
static bool damage(struct scene *s, char path[160])
{
    struct names names = journals(s->disk, 0);
    for (size_t i = 0; i < names.count; i++) {
        snprintf(path, 160, "data/shard-0/%s", names.at[i]);
        size_t size = sim_disk_file(s->disk, path).data.size;
        for (size_t at = 100; at < size; at += 4096) {
            struct sim_disk *damaged = sim_disk_crash(s->disk, CRASH_KEEP_ALL, 0);
            sim_disk_flip(damaged, path, at, 1);
            struct life life;
            bool refused = life_recover(&life, damaged, SHARDS, 1) != ERR_OK;
            life_end(&life);
            sim_disk_free(damaged);
            if (refused) {
                sim_disk_flip(s->disk, path, at, 1);
                return true;
            }
        }
    }
    return false;
}

TEST(accepted_damage_leaves_the_data_before_it_and_a_copy)
{
    int accepted = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 30; seed++) {
        struct scene s;
        set_scene(&s, seed);
        char path[160], copy[200];
        if (damage(&s, path)) {
            accepted++;
            struct bytes before = bytes_copy(sim_disk_file(s.disk, path).data);
            create_file(s.disk, "data/accept-damage");
            struct life life;
            uint32_t k[LIFE_SHARDS_MAX];
            EXPECT_INT(life_recover(&life, s.disk, SHARDS, 1), ERR_OK);
            EXPECT_INT(life.report.damaged, 1);
            s.model.shards[0].acknowledged = 0; /* some of the entries are given up */
            s.model.gave_up = true;
            const char *wrong = model_compare(&s.model, s.disk, k);
            if (wrong)
                test_fail(__FILE__, __LINE__, "seed %" PRIu64 ": %s", seed, wrong);
            EXPECT(k[0] < s.model.shards[0].submitted);
            snprintf(copy, sizeof copy, "%s.damaged", path);
            EXPECT_BYTES(sim_disk_file(s.disk, copy).data, before);
            EXPECT(!sim_disk_file(s.disk, "data/accept-damage").exists);
            free((void *)(uintptr_t)before.data);
            EXPECT_INT(life_open(&life), ERR_OK);
            life_close(&life);
            EXPECT_INT(life.close_result, ERR_OK);
            life_end(&life);
        }
        clear_scene(&s);
    }
    EXPECT(accepted > 5);
}

/* Older rows with newer journals. */
TEST(a_key_value_store_older_than_the_journals_is_refused)
{
    int refused = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 20; seed++) {
        struct scene s;
        set_scene(&s, seed);
        struct sim_kv_state *rows = s.disk->rows;
        bool differs = sim_disk_row_count(s.disk) != sim_disk_row_count(s.halfway);
        s.disk->rows = s.halfway->rows;
        s.halfway->rows = rows;
        struct life life;
        uint32_t k[LIFE_SHARDS_MAX];
        enum error error = life_recover(&life, s.disk, SHARDS, 1);
        EXPECT(error == ERR_CORRUPT || model_compare(&s.model, s.disk, k) == NULL);
        EXPECT(error == ERR_CORRUPT || !differs);
        if (error == ERR_CORRUPT && (strstr(life.message.text, "data/kv: ") == NULL ||
                                     strstr(life.message.text, "accept-damage") != NULL))
            test_fail(__FILE__, __LINE__, "seed %" PRIu64 ": %s", seed, life.message.text);
        refused += error == ERR_CORRUPT;
        life_end(&life);
        if (error == ERR_CORRUPT) {
            create_file(s.disk, "data/accept-damage"); /* applies only to journals */
            EXPECT_INT(life_recover(&life, s.disk, SHARDS, 1), ERR_CORRUPT);
            life_end(&life);
        }
        clear_scene(&s);
    }
    EXPECT(refused > 5);
}

TEST(a_lost_key_value_store_is_refused)
{
    struct scene s;
    set_scene(&s, test_seed());
    struct sim_disk *empty = sim_disk_create();
    struct sim_kv_state *rows = s.disk->rows;
    s.disk->rows = empty->rows;
    empty->rows = rows;
    struct life life;
    EXPECT_INT(life_recover(&life, s.disk, SHARDS, 1), ERR_CORRUPT);
    EXPECT(strstr(life.message.text, "data/kv") != NULL);
    life_end(&life);
    sim_disk_free(empty);
    clear_scene(&s);
}

TEST(a_missing_key_value_store_is_not_created_again)
{
    struct scene s;
    set_scene(&s, test_seed());
    s.disk->has_kv = false;
    struct life life;
    EXPECT_INT(life_recover(&life, s.disk, SHARDS, 1), ERR_CORRUPT);
    EXPECT(!s.disk->has_kv);
    s.disk->has_kv = true;
    life_end(&life);
    uint32_t k[LIFE_SHARDS_MAX];
    EXPECT_INT(life_recover(&life, s.disk, SHARDS, 1), ERR_OK);
    EXPECT(model_compare(&s.model, s.disk, k) == NULL);
    life_end(&life);
    clear_scene(&s);
}

TEST(a_flipped_bit_in_tidemill_meta_is_found_or_changes_nothing)
{
    struct scene s;
    set_scene(&s, test_seed());
    size_t bits = 8 * sim_disk_file(s.disk, "data/tidemill.meta").data.size, refused = 0;
    for (size_t i = 0; i < bits; i++) {
        struct sim_disk *damaged = sim_disk_crash(s.disk, CRASH_KEEP_ALL, 0);
        sim_disk_flip(damaged, "data/tidemill.meta", i / 8, (uint8_t)(1 << i % 8));
        struct life life;
        uint32_t k[LIFE_SHARDS_MAX];
        bool starts = life_recover(&life, damaged, SHARDS, 1) == ERR_OK;
        EXPECT(starts ? model_compare(&s.model, damaged, k) == NULL
                      : strstr(life.message.text, "tidemill.meta") != NULL);
        refused += !starts;
        life_end(&life);
        sim_disk_free(damaged);
    }
    EXPECT(refused > bits * 9 / 10);
    clear_scene(&s);
}

TEST(topics_without_tidemill_meta_are_not_touched)
{
    struct scene s;
    set_scene(&s, test_seed());
    EXPECT_INT(s.disk->io.ops->unlink(&s.disk->io, "data/tidemill.meta"), ERR_OK);
    struct life life;
    EXPECT_INT(life_recover(&life, s.disk, SHARDS, 1), ERR_CORRUPT);
    EXPECT(strstr(life.message.text, "tidemill.meta") != NULL);
    life_end(&life);
    clear_scene(&s);
}

/* Writes the row of the topic. A null value deletes it, as if it were lost. */
static void change_topic_row(struct scene *s, struct bytes value)
{
    struct row_key key = row_key_topic(model_topic_id(0));
    struct kv_change change = {row_key_view(&key), value};
    EXPECT_INT(s->disk->driver.write(&s->disk->kv, &change, 1), ERR_OK);
}

TEST(a_topic_that_lost_its_row_keeps_its_files_and_batches)
{
    int vanished = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 10; seed++) {
        struct scene s;
        set_scene(&s, seed);
        struct row_key key = row_key_topic(model_topic_id(0));
        if (!bytes_is_null(sim_disk_row(s.disk, row_key_view(&key)))) {
            change_topic_row(&s, BYTES_NULL);
            struct life life;
            uint32_t k[LIFE_SHARDS_MAX];
            EXPECT_INT(life_recover(&life, s.disk, SHARDS, seed), ERR_OK);
            vanished += bytes_is_null(sim_disk_row(s.disk, row_key_view(&key)));
            EXPECT_INT(life_open(&life), ERR_OK);
            life_close(&life);
            life_end(&life);
            change_topic_row(&s, BYTES_LITERAL("topic"));
            EXPECT_INT(life_recover(&life, s.disk, SHARDS, seed), ERR_OK);
            const char *wrong = model_compare(&s.model, s.disk, k);
            if (wrong)
                test_fail(__FILE__, __LINE__, "seed %" PRIu64 ": %s", seed, wrong);
            life_end(&life);
        }
        clear_scene(&s);
    }
    EXPECT(vanished > 2);
}

static bool topic_has_files(struct sim_disk *disk)
{
    struct names names = {.count = 0};
    char *directory = topic_directory("data", model_topic_id(0));
    enum error error = disk->io.ops->list(&disk->io, directory, note_name, &names);
    free(directory);
    return error == ERR_OK;
}

/* The broker stops after the row is deleted and before any file is. */
static void delete_topic_and_end(struct scene *s, uint64_t seed)
{
    struct life life;
    EXPECT_INT(life_recover(&life, s->disk, SHARDS, seed), ERR_OK);
    EXPECT_INT(life_open(&life), ERR_OK);
    store_begin(life.stores[0]);
    store_delete_topic(life.stores[0], model_topic_id(0));
    store_commit(life.stores[0], NULL);
    life_close(&life); /* with a checkpoint: the deletion is no longer in the journal */
    EXPECT_INT(life.close_result, ERR_OK);
    life_end(&life);
}

TEST(the_next_start_deletes_the_files_of_a_deleted_topic_also_after_a_checkpoint)
{
    struct row_key deleted = row_key_deleted_topic(model_topic_id(0));
    int removed = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 10; seed++) {
        struct scene s;
        set_scene(&s, seed);
        delete_topic_and_end(&s, seed);
        EXPECT(!bytes_is_null(sim_disk_row(s.disk, row_key_view(&deleted))));
        removed += topic_has_files(s.disk);
        for (uint64_t starts = 0; starts < 2; starts++) {
            struct life life;
            EXPECT_INT(life_recover(&life, s.disk, SHARDS, seed + 1000 * (1 + starts)), ERR_OK);
            EXPECT(life.report.clean || starts > 0);
            EXPECT(!topic_has_files(s.disk));
            life_end(&life);
        }
        EXPECT(bytes_is_null(sim_disk_row(s.disk, row_key_view(&deleted))));
        clear_scene(&s);
    }
    EXPECT(removed > 2);
}

/* Before the first flush there is no directory topics: only the journals show that the data
 * directory is in use. */
TEST(journals_without_tidemill_meta_are_not_touched)
{
    struct sim_disk *disk = sim_disk_create();
    struct life life;
    EXPECT_INT(life_recover(&life, disk, SHARDS, 1), ERR_OK);
    EXPECT_INT(life_open(&life), ERR_OK);
    struct sim_disk *left = sim_disk_crash(disk, CRASH_KEEP_ALL, 0);
    life_close(&life);
    life_end(&life);
    sim_disk_free(disk);
    EXPECT_INT(left->io.ops->unlink(&left->io, "data/tidemill.meta"), ERR_OK);
    left->has_kv = false;
    EXPECT_INT(life_recover(&life, left, SHARDS, 1), ERR_CORRUPT);
    EXPECT(strstr(life.message.text, "shard-") != NULL);
    EXPECT(strstr(life.message.text, "tidemill.meta") != NULL);
    EXPECT(!left->has_kv);
    life_end(&life);
    sim_disk_free(left);
}
