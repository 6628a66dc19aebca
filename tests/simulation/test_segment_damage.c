/* Segments that lost bytes while no broker was running: only their own range is lost. */
#include "storage/segment.h"
#include "storage/store_rows.h"
#include "tests/harness/harness.h"
#include "tests/simulation/support_history.h"

#include <stdlib.h>

static void read_done(struct job *job)
{
    (void)job;
}

static enum error read_at(struct life *life, struct log *log, int64_t offset)
{
    struct log_read_job read = {.job.done = read_done,
                                .log = log,
                                .offset = offset,
                                .end_offset = log_next_offset(log),
                                .max_bytes = 1,
                                .at_least_one = true};
    log_read_submit(&life->executors[1].executor, &read);
    while (life_step(life))
        ;
    log_slice_unref(read.slice);
    return read.result;
}

/* Cuts the partition's active segment in the middle, or removes it. Returns the state before. */
static struct log_state harm_segment(struct sim_disk *disk, struct uuid topic_id, bool remove)
{
    struct row_key key = row_key_log(topic_id, 0);
    struct log_state state;
    EXPECT_INT(log_state_decode(sim_disk_row(disk, row_key_view(&key)), &state), ERR_OK);
    EXPECT(state.active_size > 0);
    char *directory = partition_directory("data", topic_id, 0);
    char *path = segment_path(directory, state.active_base, SEGMENT_LOG);
    struct io_file *file;
    EXPECT_INT(disk->io.ops->open(&disk->io, path, IO_READ | IO_WRITE, &file), ERR_OK);
    EXPECT_INT(disk->io.ops->truncate(&disk->io, file, state.active_size / 2), ERR_OK);
    disk->io.ops->close(&disk->io, file);
    if (remove)
        EXPECT_INT(disk->io.ops->unlink(&disk->io, path), ERR_OK);
    free(directory);
    free(path);
    return state;
}

/* Checks that the other partition is unchanged. The damaged partition has lost only its last
 * segment, and appends new batches after its old end. */
static void expect_contained(struct life *life, const struct model *model,
                             const struct log_state *lost)
{
    for (int topic = 0; topic < 2; topic++) {
        const struct model_partition *p = &model->partitions[topic][0];
        struct log *log = store_log(life->stores[0], p->topic_id, 0, &life_log_config, false);
        EXPECT_INT(log_next_offset(log), p->batches[p->count - 1].next);
        for (size_t i = 0; i < p->count; i++) {
            enum error error = read_at(life, log, p->batches[i].base);
            bool doubtful = topic == 0 && p->batches[i].base >= lost->active_base &&
                            p->batches[i].base < lost->next_offset;
            EXPECT(error == ERR_OK || (doubtful && error == ERR_CORRUPT));
            if (topic == 0 && p->batches[i].next == lost->next_offset)
                EXPECT_INT(error, ERR_CORRUPT);
        }
    }
}

static void produce(struct history *h, int count)
{
    for (int i = 0; i < count; i++) {
        history_produce(h, i % 2, 0);
        life_settle(h->life);
    }
}

static void lose_segment(bool remove, bool crashed, uint64_t seed)
{
    struct sim_disk *disk = sim_disk_create();
    struct random_seeded random;
    random_seeded_init(&random, seed);
    struct model model;
    model_init(&model, 1);
    struct life life;
    struct history h;
    EXPECT_INT(life_recover(&life, disk, 1, seed), ERR_OK);
    EXPECT_INT(life_open(&life), ERR_OK);
    history_begin(&h, &life, &model, &random.random);
    produce(&h, 16);
    life_turn(&life, 0, 30000); /* a checkpoint */
    life_settle(&life);
    if (crashed)
        produce(&h, 4);
    struct sim_disk *left = sim_disk_crash(disk, CRASH_LOSE_ALL, 0);
    life_close(&life);
    life_end(&life);
    struct sim_disk *harmed = crashed ? left : disk;
    struct log_state lost = harm_segment(harmed, model_topic_id(0), remove);
    for (int start = 0; start < 2; start++) {
        EXPECT_INT(life_recover(&life, harmed, 1, seed), ERR_OK);
        EXPECT_INT(life.report.damaged_logs, start == 0);
        EXPECT(start > 0 || !life.report.clean);
        uint32_t k[LIFE_SHARDS_MAX] = {UINT32_MAX};
        model_rebase(&model, k, 1);
        EXPECT_INT(life_open(&life), ERR_OK);
        history_begin(&h, &life, &model, &random.random);
        expect_contained(&life, &model, &lost);
        produce(&h, 4);
        expect_contained(&life, &model, &lost);
        life_close(&life);
        EXPECT_INT(life.close_result, ERR_OK);
        life_end(&life);
    }
    sim_disk_free(left);
    sim_disk_free(disk);
    model_free(&model);
}

TEST(a_segment_that_lost_bytes_loses_only_its_own_range)
{
    for (uint64_t seed = test_seed(); seed < test_seed() + 20; seed++)
        lose_segment(seed % 2, seed / 2 % 2, seed);
}
