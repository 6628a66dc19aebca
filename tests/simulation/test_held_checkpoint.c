/* What goes on while a checkpoint writes all rows to a new row file. That may take seconds, under
 * the lock of the rows, and all background workers may wait for it. Nothing of a shard but its
 * background worker may take that lock: if it did, these tests would wait for ever. */
#include "tests/harness/harness.h"
#include "tests/simulation/support_history.h"

#include <stdio.h>

enum { SHARDS = 2, FILES = 5 };

/* Two shards. `meanwhile` is called once, inside the scan of a new row file. */
struct scene {
    struct sim_disk *disk;
    struct life life;
    struct model model;
    struct history history;
    struct random_seeded random;
    int topic[SHARDS], partition[SHARDS]; /* one of each shard */
    void (*meanwhile)(struct scene *s);
    struct kv_driver rows; /* without the hook */
};

static struct scene *scene;

static enum error held_scan(struct kv *kv, struct bytes prefix,
                            enum error (*each)(void *context, struct bytes key, struct bytes value),
                            void *context)
{
    void (*meanwhile)(struct scene * s) = scene->meanwhile;
    if (prefix.size == 0 && meanwhile) { /* only the snapshot of a new row file has all rows */
        scene->meanwhile = NULL;
        meanwhile(scene);
    }
    return scene->rows.scan(kv, prefix, each, context);
}

static void find_partitions(struct scene *s)
{
    for (int i = 0; i < HISTORY_FIRST_TOPICS * MODEL_PARTITIONS; i++) {
        int topic = i / MODEL_PARTITIONS, partition = i % MODEL_PARTITIONS;
        struct store *store = life_store_of(&s->life, model_topic_id(topic), partition);
        int shard = store == s->life.stores[1];
        s->topic[shard] = topic;
        s->partition[shard] = partition;
    }
    for (int i = 0; i < SHARDS; i++)
        ASSERT(life_store_of(&s->life, model_topic_id(s->topic[i]), s->partition[i]) ==
               s->life.stores[i]);
}

static void produce(struct scene *s, int shard)
{
    history_produce(&s->history, s->topic[shard], s->partition[shard]);
}

/* Every entry of a shard is a unit of its own. Only the journal worker runs. */
static void produce_without_background(struct scene *s, int shard)
{
    produce(s, shard);
    life_turn(&s->life, shard, 1);
    while (sim_executors_step(&s->life.executors[2 * shard], 1, &s->random.random))
        ;
    const struct model_shard *m = &s->model.shards[shard];
    EXPECT_INT(m->acknowledged, m->submitted);
}

/* Opens the stores, and makes checkpoints until `meanwhile` was called. unflushed_bytes 0: those of
 * a life, which are less than one journal file. */
static void run_until_held(struct scene *s, size_t unflushed_bytes,
                           void (*meanwhile)(struct scene *s))
{
    scene = s;
    s->disk = sim_disk_create();
    random_seeded_init(&s->random, test_seed());
    model_init(&s->model, SHARDS);
    EXPECT_INT(life_recover(&s->life, s->disk, SHARDS, test_seed()), ERR_OK);
    if (unflushed_bytes > 0)
        s->life.unflushed_bytes = unflushed_bytes;
    EXPECT_INT(life_open(&s->life), ERR_OK);
    history_begin(&s->history, &s->life, &s->model, &s->random.random);
    find_partitions(s);
    s->rows = s->disk->driver;
    s->disk->driver.scan = held_scan;
    s->meanwhile = meanwhile;
    for (int i = 0; i < 1000 && s->meanwhile; i++) {
        produce(s, i % SHARDS);
        life_turn(&s->life, i % SHARDS, 100);
        life_settle(&s->life);
    }
    EXPECT(s->meanwhile == NULL);
}

static void finish(struct scene *s)
{
    life_close(&s->life);
    EXPECT_INT(s->life.close_result, ERR_OK);
    EXPECT_INT(s->life.failures, 0);
    life_end(&s->life);
    sim_disk_free(s->disk);
    model_free(&s->model);
}

static void count_name(void *context, const char *name)
{
    (void)name;
    (*(int *)context)++;
}

static int journal_files(struct scene *s, int shard)
{
    char path[32];
    int files = 0;
    snprintf(path, sizeof path, "data/shard-%d", shard);
    EXPECT_INT(s->disk->io.ops->list(&s->disk->io, path, count_name, &files), ERR_OK);
    return files;
}

/* Cuts the power, starts again, and finds everything that was acknowledged. */
static void expect_everything_after_a_power_cut(struct scene *s)
{
    struct sim_disk *left = sim_disk_crash(s->disk, CRASH_LOSE_ALL, 1);
    struct life again;
    uint32_t k[LIFE_SHARDS_MAX];
    enum error error = life_recover(&again, left, SHARDS, 1);
    const char *wrong = error == ERR_OK ? model_compare(&s->model, left, k) : again.message.text;
    if (wrong)
        test_fail(__FILE__, __LINE__, "%s", wrong);
    EXPECT_INT(again.report.damaged_logs, 0);
    life_end(&again);
    sim_disk_free(left);
}

static uint64_t journal_bytes(const struct scene *s, int shard)
{
    return store_stats(s->life.stores[shard]).journal_bytes;
}

static void fill_some_files(struct scene *s)
{
    for (int shard = 0; shard < SHARDS; shard++) {
        uint64_t from = journal_bytes(s, shard);
        while (journal_bytes(s, shard) - from < FILES * LIFE_JOURNAL_FILE_BYTES) {
            EXPECT(store_accepts(s->life.stores[shard]));
            produce_without_background(s, shard);
        }
    }
    expect_everything_after_a_power_cut(s);
}

TEST(produces_are_acknowledged_while_a_new_row_file_is_written)
{
    struct scene s;
    run_until_held(&s, FILES * LIFE_JOURNAL_FILE_BYTES, fill_some_files);
    life_settle(&s.life);
    expect_everything_after_a_power_cut(&s);
    finish(&s);
}

/* The journal's own files in the usual case, and the witness. */
static int usual_files(const struct scene *s)
{
    return 1 + (int)store_journal_files(s->life.checkpoint_bytes, s->life.journal_file_bytes);
}

static void fill_many_files(struct scene *s)
{
    while (journal_files(s, 0) < 3 * usual_files(s))
        produce_without_background(s, 0);
    EXPECT(!store_is_full(s->life.stores[0]));
    expect_everything_after_a_power_cut(s);
}

TEST(the_journal_gets_as_many_files_as_a_late_checkpoint_needs)
{
    struct scene s;
    run_until_held(&s, 0, fill_many_files);
    for (int i = 0; i < 100 && journal_files(&s, 0) > usual_files(&s); i++) {
        produce(&s, 0);
        life_turn(&s.life, 0, 1000);
        life_settle(&s.life);
    }
    EXPECT(journal_files(&s, 0) <= usual_files(&s)); /* the others were removed */
    expect_everything_after_a_power_cut(&s);
    finish(&s);
}

/* Memory is the limit, not the journal. */
static void produce_until_refused(struct scene *s)
{
    for (int shard = 0; shard < SHARDS; shard++) {
        int count = 0;
        while (store_accepts(s->life.stores[shard]) && count++ < 10000)
            produce_without_background(s, shard);
        EXPECT(!store_accepts(s->life.stores[shard]));
        EXPECT(!store_is_full(s->life.stores[shard]));
    }
}

TEST(requests_wait_only_while_the_unflushed_records_of_a_late_checkpoint_exceed_their_limit)
{
    struct scene s;
    run_until_held(&s, 0, produce_until_refused);
    life_settle(&s.life);
    for (int shard = 0; shard < SHARDS; shard++) {
        EXPECT(store_accepts(s.life.stores[shard]));
        produce_without_background(&s, shard);
    }
    finish(&s);
}
