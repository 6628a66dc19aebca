/* Damage to durable data. Recovery finds and names it, and never reads it as data or silently cuts
 * it. */
#include "storage/data_meta.h"
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

static void set_scene_with(struct scene *s, uint64_t seed, int64_t journal_file_bytes,
                           void (*after)(struct life *life))
{
    struct sim_disk *disk = sim_disk_create();
    struct random_seeded random;
    random_seeded_init(&random, seed);
    model_init(&s->model, SHARDS);
    struct life life;
    EXPECT_INT(life_recover(&life, disk, SHARDS, seed), ERR_OK);
    life.journal_file_bytes = journal_file_bytes;
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

static void set_scene_after(struct scene *s, uint64_t seed, void (*after)(struct life *life))
{
    set_scene_with(s, seed, LIFE_JOURNAL_FILE_BYTES, after);
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

static bool names_the_journal(const struct life *life)
{
    return strstr(life->message.text, "data/shard-") && strstr(life->message.text, "/journal-") &&
           strstr(
               life->message.text,
               ", and acknowledged data follows. Restore the data directory from a copy, or create "
               "an empty file data/accept-damage to start without the data after the damage");
}

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
        if (!names_the_journal(&life))
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
    size_t below;    /* only below this position; 0: up to the end */
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
            size_t end = harm->everywhere ? size : 1;
            if (harm->below > 0)
                end = MIN(end, harm->below);
            for (size_t at = 0; at < end; at += 4096) {
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
        {"cut", cut, true, 0}, {"zeroed", zero, true, 0}, {"deleted", delete, false, 0}};
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

/* No second has passed, so neither the witness nor a later unit covers the last unit. A unit that
 * is larger than a file makes its file longer. Without that part the file is as a power cut may
 * leave it. */
TEST(a_journal_file_that_is_cut_is_found_at_once)
{
    const struct harm harm = {"cut", cut, true, LIFE_JOURNAL_FILE_BYTES};
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

static void remove_witnesses(struct sim_disk *disk)
{
    for (int shard = 0; shard < SHARDS; shard++) {
        char path[64];
        snprintf(path, sizeof path, "data/shard-%d/durable", shard);
        (void)!disk->io.ops->unlink(&disk->io, path);
    }
}

/* The store was idle for a second, so an empty unit follows the last acknowledged one. */
TEST(without_a_witness_a_later_unit_shows_damage)
{
    struct verdict v = {0};
    for (uint64_t seed = test_seed(); seed < test_seed() + 10; seed++) {
        struct scene s;
        set_scene(&s, seed);
        remove_witnesses(s.disk);
        for (int shard = 0; shard < SHARDS; shard++) {
            struct names names = journals(s.disk, shard);
            for (size_t i = 0; i < names.count; i++) {
                char path[160];
                snprintf(path, sizeof path, "data/shard-%d/%s", shard, names.at[i]);
                size_t size = sim_disk_file(s.disk, path).data.size;
                for (size_t at = 70; at < size; at += 4096) {
                    struct sim_disk *damaged = sim_disk_crash(s.disk, CRASH_KEEP_ALL, 0);
                    sim_disk_flip(damaged, path, at, 1);
                    judge(&s, damaged, path, at, &v);
                    sim_disk_free(damaged);
                }
            }
        }
        clear_scene(&s);
    }
    EXPECT(v.refused > 20 && v.same > 20);
}

static struct journal_mark mark_of(struct scene *s, int shard)
{
    struct row_key key = row_key_journal(shard);
    struct journal_mark mark = {.lsn = 0};
    EXPECT_INT(journal_mark_decode(sim_disk_row(s->disk, row_key_view(&key)), &mark), ERR_OK);
    return mark;
}

static struct sim_disk *without_journal_file(struct scene *s, int shard, const char *name)
{
    char path[160];
    struct sim_disk *damaged = sim_disk_crash(s->disk, CRASH_KEEP_ALL, 0);
    snprintf(path, sizeof path, "data/shard-%d/%s", shard, name);
    delete (damaged, path, 0, 0);
    return damaged;
}

static bool is_missed(struct scene *s, int shard, const char *name)
{
    struct life life;
    struct sim_disk *damaged = without_journal_file(s, shard, name);
    bool refused = life_recover(&life, damaged, SHARDS, 1) != ERR_OK;
    EXPECT(!refused || strstr(life.message.text, "journal-") != NULL);
    life_end(&life);
    sim_disk_free(damaged);
    return refused;
}

/* The mark of the last checkpoint names a file. A unit names the spare, if there is one. */
TEST(without_a_witness_a_missing_journal_file_is_known_by_its_name)
{
    struct verdict marked = {0};
    int named = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 40; seed++) {
        struct scene s;
        set_scene(&s, seed);
        remove_witnesses(s.disk);
        for (int shard = 0; shard < SHARDS; shard++) {
            char of_mark[64];
            struct names names = journals(s.disk, shard);
            snprintf(of_mark, sizeof of_mark, "journal-%020" PRIu64 ".log",
                     mark_of(&s, shard).sequence);
            for (size_t i = 0; i < names.count; i++) {
                if (strcmp(names.at[i], of_mark) != 0) {
                    named += i + 1 == names.count && is_missed(&s, shard, names.at[i]);
                    continue;
                }
                struct sim_disk *damaged = without_journal_file(&s, shard, of_mark);
                judge(&s, damaged, of_mark, 0, &marked);
                sim_disk_free(damaged);
            }
        }
        clear_scene(&s);
    }
    EXPECT(marked.refused > 5 && named > 5);
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
            EXPECT(!refused || names_the_journal(&life));
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

/* The two copies of the rows: those of the key-value store and the files in data/rows. */

static void swap_store(struct sim_disk *a, struct sim_disk *b)
{
    struct sim_kv_state *rows = a->rows;
    a->rows = b->rows;
    b->rows = rows;
}

static struct names row_files(struct sim_disk *disk)
{
    struct names names = {.count = 0};
    EXPECT_INT(disk->io.ops->list(&disk->io, "data/rows", note_name, &names), ERR_OK);
    return names;
}

static void remove_row_files(struct sim_disk *disk)
{
    EXPECT_INT(io_remove_tree(&disk->io, "data/rows"), ERR_OK);
    EXPECT_INT(disk->io.ops->sync_directory(&disk->io, "data"), ERR_OK);
}

static void replace_row_files(struct sim_disk *disk, struct sim_disk *from)
{
    struct names names = row_files(from);
    remove_row_files(disk);
    EXPECT_INT(io_make_path(&disk->io, "data/rows"), ERR_OK);
    for (size_t i = 0; i < names.count; i++) {
        char path[160];
        snprintf(path, sizeof path, "data/rows/%s", names.at[i]);
        EXPECT_INT(io_replace_file(&disk->io, path, sim_disk_file(from, path).data), ERR_OK);
    }
}

static void lose_store(struct sim_disk *disk)
{
    struct sim_disk *empty = sim_disk_create();
    swap_store(disk, empty);
    sim_disk_free(empty);
}

static void expect_everything(struct scene *s)
{
    struct life life;
    uint32_t k[LIFE_SHARDS_MAX];
    enum error error = life_recover(&life, s->disk, SHARDS, 1);
    const char *wrong = error == ERR_OK ? model_compare(&s->model, s->disk, k) : life.message.text;
    life_end(&life);
    if (wrong)
        test_fail(__FILE__, __LINE__, "%s", wrong);
}

TEST(one_older_copy_of_the_rows_is_repaired)
{
    for (uint64_t seed = test_seed(); seed < test_seed() + 20; seed++) {
        struct scene s;
        set_scene(&s, seed);
        if (seed % 2 == 0)
            swap_store(s.disk, s.halfway);
        else
            replace_row_files(s.disk, s.halfway);
        expect_everything(&s);
        clear_scene(&s);
    }
}

TEST(one_lost_copy_of_the_rows_is_written_again)
{
    for (uint64_t seed = test_seed(); seed < test_seed() + 9; seed++) {
        struct scene s;
        set_scene(&s, seed);
        if (seed % 3 == 0)
            lose_store(s.disk);
        else if (seed % 3 == 1)
            s.disk->has_kv = false;
        else
            remove_row_files(s.disk);
        expect_everything(&s);
        clear_scene(&s);
    }
}

TEST(a_flipped_bit_in_a_row_file_loses_nothing)
{
    struct scene s;
    set_scene(&s, test_seed());
    struct names names = row_files(s.disk);
    const char *newest = names.at[0]; /* the one before may still be there */
    for (size_t i = 1; i < names.count; i++)
        newest = strcmp(names.at[i], newest) > 0 ? names.at[i] : newest;
    char path[160];
    snprintf(path, sizeof path, "data/rows/%s", newest);
    size_t size = sim_disk_file(s.disk, path).data.size;
    struct sim_disk *sound = s.disk;
    for (size_t at = 0; at < size; at += 1 + size / 500) {
        s.disk = sim_disk_crash(sound, CRASH_KEEP_ALL, 0);
        sim_disk_flip(s.disk, path, at, (uint8_t)(1 << at % 8));
        expect_everything(&s);
        sim_disk_free(s.disk);
    }
    s.disk = sound;
    clear_scene(&s);
}

static void to_format_1(struct sim_disk *disk)
{
    struct data_meta meta = {.format = 1, .starts = 1};
    struct message message;
    remove_row_files(disk);
    EXPECT_INT(data_meta_write(&disk->io, "data", &meta, &message), ERR_OK);
}

/* The calls of a repair or an upgrade, each crashed once. */
struct repair {
    struct scene *s;
    uint64_t calls;
};

static void crash_repair(void *context, struct sim_disk *disk)
{
    struct repair *r = context;
    struct sim_disk *present = r->s->disk;
    r->s->disk = sim_disk_crash(disk, (enum crash_kind)(r->calls % CRASH_KINDS), r->calls);
    r->calls++;
    expect_everything(r->s);
    sim_disk_free(r->s->disk);
    r->s->disk = present;
}

TEST(a_repair_of_the_rows_may_be_interrupted_at_any_call)
{
    for (uint64_t seed = test_seed(); seed < test_seed() + 20; seed++) {
        struct scene s;
        struct repair repair = {.s = &s};
        set_scene(&s, seed);
        if (seed % 5 == 0)
            s.disk->has_kv = false;
        else if (seed % 5 == 1)
            swap_store(s.disk, s.halfway);
        else if (seed % 5 == 2)
            remove_row_files(s.disk);
        else if (seed % 5 == 3)
            replace_row_files(s.disk, s.halfway);
        else
            to_format_1(s.disk);
        s.disk->on_call = crash_repair;
        s.disk->context = &repair;
        expect_everything(&s);
        s.disk->on_call = NULL;
        EXPECT(repair.calls > 10);
        clear_scene(&s);
    }
}

/* Opens only the rows, without the checks of recovery. */
static enum error open_rows(struct sim_disk *disk)
{
    struct trace trace = {.level = TRACE_ERROR}; /* the warnings of a repair are not written */
    struct env env = {.random = random_system(), .io = &disk->io, .trace = &trace};
    struct row_store_driver rows;
    struct message message = {""};
    struct kv *kv;
    row_store_init(&rows, &env, &disk->driver);
    enum error error = rows.driver.open(&rows.driver, "data/kv", KV_OPEN_EXISTING, &kv, &message);
    if (error == ERR_OK)
        rows.driver.close(kv);
    return error;
}

struct rebuild {
    size_t rows;
    int refused;
};

/* Also damages the row file that the store is written from. */
static void crash_rebuild(void *context, struct sim_disk *disk)
{
    struct rebuild *r = context;
    struct sim_disk *left = sim_disk_crash(disk, CRASH_KEEP_ALL, 0);
    struct names names = row_files(left);
    for (size_t i = 0; i < names.count; i++) {
        char path[160];
        snprintf(path, sizeof path, "data/rows/%s", names.at[i]);
        sim_disk_flip(left, path, 100, 1);
    }
    enum error error = open_rows(left);
    EXPECT(error == ERR_CORRUPT || (error == ERR_OK && sim_disk_row_count(left) == r->rows));
    r->refused += error != ERR_OK;
    sim_disk_free(left);
}

TEST(a_store_that_was_only_begun_does_not_replace_a_damaged_row_file)
{
    struct scene s;
    set_scene(&s, test_seed());
    struct rebuild rebuild = {.rows = sim_disk_row_count(s.disk)};
    lose_store(s.disk);
    s.disk->has_kv = false;
    s.disk->on_call = crash_rebuild;
    s.disk->context = &rebuild;
    EXPECT_INT(open_rows(s.disk), ERR_OK);
    s.disk->on_call = NULL;
    EXPECT_INT(sim_disk_row_count(s.disk), rebuild.rows);
    EXPECT(rebuild.refused > 1);
    clear_scene(&s);
}

static enum error take_value(void *context, struct bytes key, struct bytes value)
{
    (void)key;
    *(struct bytes *)context = bytes_copy(value);
    return ERR_OK;
}

/* A start that upgraded format 1 was cut off, and then the older version, which does not know row
 * files, has worked. So the row files are old, and the store does not show it. */
TEST(row_files_in_a_data_directory_of_format_1_are_not_used)
{
    for (uint64_t seed = test_seed(); seed < test_seed() + 10; seed++) {
        struct scene s;
        struct bytes commit = BYTES_NULL;
        struct data_meta meta = {.format = 1, .starts = 1};
        struct message message;
        set_scene(&s, seed);
        EXPECT_INT(s.halfway->driver.scan(&s.halfway->kv, BYTES_LITERAL("C"), take_value, &commit),
                   ERR_OK);
        struct kv_change change = {BYTES_LITERAL("C"), commit};
        EXPECT_INT(s.disk->driver.write(&s.disk->kv, &change, 1), ERR_OK);
        free((void *)(uintptr_t)commit.data);
        replace_row_files(s.disk, s.halfway);
        EXPECT_INT(data_meta_write(&s.disk->io, "data", &meta, &message), ERR_OK);
        expect_everything(&s);
        EXPECT_INT(data_meta_read(&s.disk->io, "data", &meta, &message), ERR_OK);
        EXPECT_INT(meta.format, 2);
        EXPECT_INT(row_files(s.disk).count, 1);
        expect_everything(&s);
        clear_scene(&s);
    }
}

TEST(a_data_directory_of_a_newer_format_is_refused_by_its_number)
{
    struct scene s;
    struct data_meta meta = {.format = DATA_FORMAT + 1, .starts = 1};
    struct message message;
    set_scene(&s, test_seed());
    EXPECT_INT(data_meta_write(&s.disk->io, "data", &meta, &message), ERR_OK);
    struct life life;
    EXPECT_INT(life_recover(&life, s.disk, SHARDS, 1), ERR_UNSUPPORTED);
    EXPECT(strstr(life.message.text, "the data has format 3, this version reads formats up to 2") !=
           NULL);
    life_end(&life);
    clear_scene(&s);
}

/* Older rows with newer journals. */
TEST(two_copies_of_the_rows_older_than_the_journals_are_refused)
{
    int refused = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 20; seed++) {
        struct scene s;
        set_scene(&s, seed);
        bool differs = sim_disk_row_count(s.disk) != sim_disk_row_count(s.halfway);
        swap_store(s.disk, s.halfway);
        replace_row_files(s.disk, s.halfway);
        struct life life;
        uint32_t k[LIFE_SHARDS_MAX];
        enum error error = life_recover(&life, s.disk, SHARDS, 1);
        EXPECT(error == ERR_CORRUPT || model_compare(&s.model, s.disk, k) == NULL);
        EXPECT(error == ERR_CORRUPT || !differs);
        if (error == ERR_CORRUPT &&
            (strstr(life.message.text,
                    "data: the rows in kv and rows are older than the journal of shard ") == NULL ||
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

static bool is_refused_as_older(struct scene *s)
{
    struct life life;
    bool refused =
        life_recover(&life, s->disk, SHARDS, 1) == ERR_CORRUPT &&
        strstr(life.message.text,
               "data: the rows in kv and rows are older than the journal of shard ") != NULL;
    life_end(&life);
    return refused;
}

/* A unit says up to where the rows were durable. */
TEST(without_a_witness_a_unit_shows_that_the_rows_are_older)
{
    int refused = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 20; seed++) {
        struct scene s;
        set_scene(&s, seed);
        remove_witnesses(s.disk);
        swap_store(s.disk, s.halfway);
        replace_row_files(s.disk, s.halfway);
        refused += is_refused_as_older(&s);
        clear_scene(&s);
    }
    EXPECT(refused > 5);
}

/* Not everything that a checkpoint writes is in the journal: the row of a log with holes is not. */
TEST(rows_that_are_older_are_refused_although_the_journal_has_all_since)
{
    int refused = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 20; seed++) {
        struct scene s;
        set_scene_with(&s, seed, 1 << 20, rest);
        bool written = sim_disk_row_count(s.disk) != sim_disk_row_count(s.halfway);
        swap_store(s.disk, s.halfway);
        replace_row_files(s.disk, s.halfway);
        bool older = is_refused_as_older(&s);
        EXPECT(older || !written);
        refused += older;
        clear_scene(&s);
    }
    EXPECT(refused > 5);
}

/* The witness says it, too. Otherwise the message would ask for an accept-damage that loses what
 * the rows do not have. */
TEST(without_journal_files_the_witness_shows_that_the_rows_are_older)
{
    int refused = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 20; seed++) {
        struct scene s;
        set_scene(&s, seed);
        swap_store(s.disk, s.halfway);
        replace_row_files(s.disk, s.halfway);
        for (int shard = 0; shard < SHARDS; shard++) {
            struct names names = journals(s.disk, shard);
            for (size_t i = 0; i < names.count; i++) {
                char path[160];
                snprintf(path, sizeof path, "data/shard-%d/%s", shard, names.at[i]);
                if (strncmp(names.at[i], "journal-", 8) == 0)
                    delete (s.disk, path, 0, 0);
            }
        }
        refused += is_refused_as_older(&s);
        clear_scene(&s);
    }
    EXPECT(refused > 5);
}

/* The number of starts in tidemill.meta shows that an empty store is not the one that was lost. */
TEST(rows_that_know_fewer_starts_than_tidemill_meta_are_refused)
{
    struct sim_disk *disk = sim_disk_create(), *older;
    struct life life;
    EXPECT_INT(life_recover(&life, disk, SHARDS, 1), ERR_OK);
    life_end(&life);
    older = sim_disk_crash(disk, CRASH_KEEP_ALL, 0);
    EXPECT_INT(life_recover(&life, disk, SHARDS, 1), ERR_OK);
    life_end(&life);
    swap_store(disk, older);
    replace_row_files(disk, older);
    EXPECT_INT(life_recover(&life, disk, SHARDS, 1), ERR_CORRUPT);
    EXPECT(strstr(life.message.text, "know 1 starts of the broker, but tidemill.meta has 2") !=
           NULL);
    EXPECT(strstr(life.message.text, "restore the whole data directory from a copy") != NULL);
    life_end(&life);
    sim_disk_free(older);
    sim_disk_free(disk);
}

TEST(two_lost_copies_of_the_rows_are_refused_and_not_created_again)
{
    struct scene s;
    set_scene(&s, test_seed());
    struct sim_disk *sound = sim_disk_crash(s.disk, CRASH_KEEP_ALL, 0);
    s.disk->has_kv = false;
    remove_row_files(s.disk);
    struct life life;
    EXPECT_INT(life_recover(&life, s.disk, SHARDS, 1), ERR_CORRUPT);
    EXPECT(strstr(life.message.text, "data/rows") != NULL);
    EXPECT(strstr(life.message.text, "data/kv") != NULL);
    EXPECT(strstr(life.message.text, "restore the whole data directory from a copy") != NULL);
    EXPECT(!s.disk->has_kv);
    life_end(&life);
    s.disk->has_kv = true;
    replace_row_files(s.disk, sound);
    expect_everything(&s);
    sim_disk_free(sound);
    clear_scene(&s);
}

TEST(a_flipped_bit_in_tidemill_meta_is_repaired_from_the_rows)
{
    struct scene s;
    set_scene(&s, test_seed());
    struct sim_disk *sound = s.disk;
    struct bytes meta = sim_disk_file(sound, "data/tidemill.meta").data;
    for (size_t i = 0; i < 8 * meta.size; i++) {
        s.disk = sim_disk_crash(sound, CRASH_KEEP_ALL, 0);
        sim_disk_flip(s.disk, "data/tidemill.meta", i / 8, (uint8_t)(1 << i % 8));
        expect_everything(&s);
        struct data_meta found;
        struct message message;
        EXPECT_INT(data_meta_read(&s.disk->io, "data", &found, &message), ERR_OK);
        EXPECT_INT(found.starts, 2);
        sim_disk_free(s.disk);
    }
    s.disk = sound;
    clear_scene(&s);
}

static void lose_meta(struct sim_disk *disk)
{
    EXPECT_INT(disk->io.ops->unlink(&disk->io, "data/tidemill.meta"), ERR_OK);
}

/* An older one would let rows from before the last start pass. */
TEST(tidemill_meta_is_durable_when_the_start_is_done)
{
    struct scene s;
    struct life life;
    struct data_meta before, after;
    set_scene(&s, test_seed());
    EXPECT_INT(data_meta_read(&s.disk->io, "data", &before, NULL), ERR_OK);
    EXPECT_INT(life_recover(&life, s.disk, SHARDS, 1), ERR_OK);
    struct sim_disk *left = sim_disk_crash(s.disk, CRASH_LOSE_ALL, 0);
    EXPECT_INT(data_meta_read(&left->io, "data", &after, NULL), ERR_OK);
    EXPECT_INT(after.starts, before.starts + 1);
    sim_disk_free(left);
    life_end(&life);
    clear_scene(&s);
}

TEST(a_lost_tidemill_meta_is_written_again_from_the_rows)
{
    struct scene s;
    set_scene(&s, test_seed());
    lose_meta(s.disk);
    expect_everything(&s);
    EXPECT(sim_disk_file(s.disk, "data/tidemill.meta").exists);
    clear_scene(&s);
}

TEST(topics_without_tidemill_meta_and_rows_are_not_touched)
{
    struct scene s;
    set_scene(&s, test_seed());
    lose_meta(s.disk);
    s.disk->has_kv = false;
    remove_row_files(s.disk);
    struct life life;
    EXPECT_INT(life_recover(&life, s.disk, SHARDS, 1), ERR_CORRUPT);
    EXPECT(strstr(life.message.text, "tidemill.meta") != NULL);
    EXPECT(strstr(life.message.text, "restore the whole data directory from a copy") != NULL);
    life_end(&life);
    clear_scene(&s);
}

/* The first start was cut off before it wrote a row. */
TEST(a_damaged_tidemill_meta_is_refused_if_the_rows_know_no_start)
{
    struct sim_disk *disk = sim_disk_create();
    struct env env = {.random = random_system(), .io = &disk->io};
    struct row_store_driver rows;
    struct message message = {""};
    struct kv *kv;
    row_store_init(&rows, &env, &disk->driver);
    EXPECT_INT(io_make_path(&disk->io, "data"), ERR_OK);
    EXPECT_INT(rows.driver.open(&rows.driver, "data/kv", KV_OPEN_OR_CREATE, &kv, &message), ERR_OK);
    rows.driver.close(kv);
    struct bytes harmed = BYTES_LITERAL("format=2\n");
    EXPECT_INT(io_replace_file(&disk->io, "data/tidemill.meta", harmed), ERR_OK);
    struct life life;
    EXPECT_INT(life_recover(&life, disk, SHARDS, 1), ERR_CORRUPT);
    EXPECT_STRING(life.message.text,
                  "data/tidemill.meta is damaged or missing, and the rows do not know the number "
                  "of starts: restore the whole data directory from a copy");
    life_end(&life);
    sim_disk_free(disk);
}

/* Writes the row of the topic in both copies. A null value deletes it, as if it were lost. */
static void change_topic_row(struct scene *s, struct bytes value)
{
    struct row_key key = row_key_topic(model_topic_id(0));
    struct kv_change change = {row_key_view(&key), value};
    struct env env = {.random = random_system(), .io = &s->disk->io};
    struct row_store_driver rows;
    struct message message = {""};
    struct kv *kv;
    row_store_init(&rows, &env, &s->disk->driver);
    EXPECT_INT(rows.driver.open(&rows.driver, "data/kv", KV_OPEN_EXISTING, &kv, &message), ERR_OK);
    EXPECT_INT(rows.driver.write(kv, &change, 1), ERR_OK);
    rows.driver.close(kv);
}

/* Renames the topic's directory back, as an operator does. */
static bool take_back_files(struct scene *s)
{
    char aside[200], *directory = topic_directory("data", model_topic_id(0));
    snprintf(aside, sizeof aside, "%s.unknown", directory);
    bool found = s->disk->io.ops->rename(&s->disk->io, aside, directory) == ERR_OK;
    free(directory);
    return found;
}

TEST(a_topic_that_lost_its_row_keeps_its_files_and_batches_under_another_name)
{
    int vanished = 0, aside = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 10; seed++) {
        struct scene s;
        set_scene(&s, seed);
        struct row_key key = row_key_topic(model_topic_id(0));
        if (!bytes_is_null(sim_disk_row(s.disk, row_key_view(&key)))) {
            change_topic_row(&s, BYTES_NULL);
            struct life life;
            uint32_t k[LIFE_SHARDS_MAX];
            EXPECT_INT(life_recover(&life, s.disk, SHARDS, seed), ERR_OK);
            bool gone = bytes_is_null(sim_disk_row(s.disk, row_key_view(&key)));
            vanished += gone;
            EXPECT_INT(life_open(&life), ERR_OK);
            life_close(&life);
            life_end(&life);
            EXPECT_INT(life_recover(&life, s.disk, SHARDS, seed), ERR_OK);
            life_end(&life);
            aside += take_back_files(&s);
            change_topic_row(&s, BYTES_LITERAL("\1topic"));
            EXPECT_INT(life_recover(&life, s.disk, SHARDS, seed), ERR_OK);
            const char *wrong = model_compare(&s.model, s.disk, k);
            if (wrong)
                test_fail(__FILE__, __LINE__, "seed %" PRIu64 ": %s", seed, wrong);
            life_end(&life);
        }
        clear_scene(&s);
    }
    EXPECT(vanished > 2 && aside > 2);
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
    life_lines = (struct life_lines){"the files of a deleted topic were removed", 0};
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
    EXPECT(removed > 2 && life_lines.count >= removed);
    life_lines.text = NULL;
}

/* Before the first flush there is no directory topics: only the journals show that the data
 * directory is in use. */
TEST(journals_without_tidemill_meta_and_rows_are_not_touched)
{
    struct sim_disk *disk = sim_disk_create();
    struct life life;
    EXPECT_INT(life_recover(&life, disk, SHARDS, 1), ERR_OK);
    EXPECT_INT(life_open(&life), ERR_OK);
    struct sim_disk *left = sim_disk_crash(disk, CRASH_KEEP_ALL, 0);
    life_close(&life);
    life_end(&life);
    sim_disk_free(disk);
    lose_meta(left);
    left->has_kv = false;
    remove_row_files(left);
    EXPECT_INT(life_recover(&life, left, SHARDS, 1), ERR_CORRUPT);
    EXPECT(strstr(life.message.text, "shard-") != NULL);
    EXPECT(strstr(life.message.text, "tidemill.meta") != NULL);
    EXPECT(!left->has_kv);
    life_end(&life);
    sim_disk_free(left);
}

/* A start on a disk of which one call fails. The message names the data directory or a file in it.
 * Returns whether the call was reached. */
static bool fail_one_call(const struct scene *s, uint64_t call, const char *const wanted[],
                          bool seen[])
{
    struct sim_disk *disk = sim_disk_crash(s->disk, CRASH_KEEP_ALL, 0);
    struct life life;
    disk->fail_from = disk->calls + call;
    disk->fail_to = disk->fail_from + 1;
    disk->fail_error = ERR_IO;
    enum error error = life_recover(&life, disk, SHARDS, 1);
    if (error == ERR_OK) {
        error = life_open(&life);
        if (error == ERR_OK)
            life_close(&life);
    }
    if (error != ERR_OK && strstr(life.message.text, "data") == NULL)
        test_fail(__FILE__, __LINE__, "call %" PRIu64 ": %s", call, life.message.text);
    for (int i = 0; error != ERR_OK && wanted[i]; i++)
        seen[i] |= strstr(life.message.text, wanted[i]) != NULL;
    bool reached = disk->calls >= disk->fail_from + 1;
    life_end(&life);
    sim_disk_free(disk);
    return reached;
}

TEST(a_start_on_a_disk_that_fails_says_what_could_not_be_done_and_where)
{
    static const char *const wanted[] = {
        "data/kv: cannot write the key-value store: ",
        "cannot open the rows in data/",
        ": cannot write the segments: ",
        "cannot write data/tidemill.meta: ",
        "cannot prepare the journal in data/",
        "data/kv: cannot read the rows of the logs, or write those of a shard: ",
        "cannot recover the data directory data: ",
        ": cannot replay the journal: ",
        "data/kv: cannot repair the key-value store: ",
        "data/kv: cannot write the key-value store again: ",
        NULL};
    bool seen[COUNT_OF(wanted)] = {false};
    for (uint64_t seed = test_seed(); seed < test_seed() + 10; seed++) {
        struct scene s;
        set_scene_after(&s, seed, life_settle);
        if (seed % 3 == 1) /* the start repairs the store */
            swap_store(s.disk, s.halfway);
        if (seed % 3 == 2) /* the start writes the store again */
            s.disk->has_kv = false;
        for (uint64_t call = 0; fail_one_call(&s, call, wanted, seen); call++)
            ;
        clear_scene(&s);
    }
    for (int i = 0; wanted[i]; i++) {
        if (!seen[i])
            test_fail(__FILE__, __LINE__, "no start said \"%s\"", wanted[i]);
    }
}

/* The start has just written this row. */
TEST(a_journal_position_that_cannot_be_read_refuses_the_start_and_loses_nothing)
{
    struct scene s;
    struct life life;
    set_scene(&s, test_seed());
    EXPECT_INT(life_recover(&life, s.disk, SHARDS, 1), ERR_OK);
    uint64_t scans = s.disk->counts[SIM_KV_SCAN];
    s.disk->fault =
        (struct sim_fault){.call = SIM_KV_SCAN, .from = scans, .to = scans + 1, .error = ERR_IO};
    EXPECT_INT(life_open(&life), ERR_IO);
    EXPECT(strstr(life.message.text, "cannot read the journal position of shard 0 in the rows: "));
    EXPECT(strstr(life.message.text, ": restore the whole data directory from a copy"));
    s.disk->fault = (struct sim_fault){.call = SIM_CALL_KINDS};
    life_end(&life);
    expect_everything(&s);
    clear_scene(&s);
}

static const struct io_ops *disk_ops;

static enum error keep_topics(struct io *io, const char *path)
{
    bool is_topic = strrchr(path, '/') == path + strlen("data/topics");
    return is_topic ? ERR_IO : disk_ops->remove_directory(io, path);
}

static int unknown_topics(struct sim_disk *disk)
{
    int count = 0;
    struct names names = {.count = 0};
    (void)!disk->io.ops->list(&disk->io, "data/topics", note_name, &names);
    for (size_t i = 0; i < names.count; i++)
        count += strstr(names.at[i], ".unknown") != NULL;
    return count;
}

TEST(a_deleted_topic_whose_directory_a_start_cannot_remove_is_removed_by_the_next)
{
    int removed = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 10; seed++) {
        struct scene s;
        struct life life;
        set_scene(&s, seed);
        delete_topic_and_end(&s, seed);
        disk_ops = s.disk->io.ops;
        struct io_ops ops = *disk_ops;
        ops.remove_directory = keep_topics;
        s.disk->io.ops = &ops;
        EXPECT_INT(life_recover(&life, s.disk, SHARDS, seed + 100), ERR_OK);
        life_end(&life);
        s.disk->io.ops = disk_ops;
        removed += topic_has_files(s.disk);
        EXPECT_INT(life_recover(&life, s.disk, SHARDS, seed + 200), ERR_OK);
        life_end(&life);
        EXPECT(!topic_has_files(s.disk));
        EXPECT_INT(unknown_topics(s.disk), 0);
        clear_scene(&s);
    }
    EXPECT(removed > 2);
}

/* The last run has removed the files, and was killed before their removal was durable. */
TEST(a_deleted_topic_does_not_come_back_after_a_kill_and_a_power_cut)
{
    int unknown = 0, pending = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 10; seed++) {
        struct scene s;
        struct life life;
        set_scene(&s, seed);
        delete_topic_and_end(&s, seed);
        bool had_files = topic_has_files(s.disk);
        for (uint64_t starts = 0; starts < 2; starts++) { /* the first removes the files */
            EXPECT_INT(life_recover(&life, s.disk, SHARDS, seed + 100 * (1 + starts)), ERR_OK);
            life_end(&life);
        }
        struct sim_disk *left = sim_disk_crash(s.disk, CRASH_LOSE_ALL, 0);
        pending += had_files;
        EXPECT_INT(life_recover(&life, left, SHARDS, seed + 300), ERR_OK);
        life_end(&life);
        unknown += unknown_topics(left);
        sim_disk_free(left);
        clear_scene(&s);
    }
    EXPECT(pending > 2);
    EXPECT_INT(unknown, 0);
}
