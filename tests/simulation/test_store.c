/* The answers of the store, step by step, on a simulated disk. */
#include "storage/journal.h"
#include "storage/journal_witness.h"
#include "storage/log_slice.h"
#include "storage/segment_file.h"
#include "storage/store_rows.h"
#include "tests/harness/harness.h"
#include "tests/simulation/support_history.h"

#include <stdio.h>
#include <stdlib.h>

/* One shard with two topics. */
struct scene {
    struct sim_disk *disk;
    struct life life;
    struct model model;
    struct history history;
    struct random_seeded random;
};

static struct store *open_scene(struct scene *s)
{
    random_seeded_init(&s->random, 1);
    model_init(&s->model, 1);
    EXPECT_INT(life_recover(&s->life, s->disk, 1, 1), ERR_OK);
    EXPECT_INT(life_open(&s->life), ERR_OK);
    history_begin(&s->history, &s->life, &s->model, &s->random.random);
    return s->life.stores[0];
}

static struct store *begin(struct scene *s)
{
    s->disk = sim_disk_create();
    return open_scene(s);
}

static void finish(struct scene *s)
{
    life_close(&s->life);
    life_end(&s->life);
    sim_disk_free(s->disk);
    model_free(&s->model);
}

static struct log *log_of(struct scene *s, int topic, int partition)
{
    return store_log(s->life.stores[0], model_topic_id(topic), partition, &life_log_config, true);
}

static void nothing_more(struct job *job)
{
    (void)job;
}

static void run_jobs(struct scene *s)
{
    while (life_step(&s->life))
        ;
}

static void let_pass(struct scene *s, int64_t ms)
{
    for (; ms > 0; ms -= 100) {
        life_turn(&s->life, 0, 100);
        run_jobs(s);
    }
}

struct note {
    struct commit commit;
    char *trace;
    char name;
};

static void add_note(struct commit *commit, enum error result)
{
    struct note *n = CONTAINER_OF(commit, struct note, commit);
    char text[2] = {result == ERR_OK ? n->name : '!', 0};
    strcat(n->trace, text);
}

static void moved(void *context, struct log *log)
{
    (void)log;
    strcat(context, "~");
}

static void entry(struct store *store, struct note *note)
{
    store_begin(store);
    store_put(store, BYTES_LITERAL("Orow"), BYTES_LITERAL("value"));
    store_commit(store, &note->commit);
}

TEST(commits_are_completed_in_order_when_their_unit_is_durable)
{
    struct scene s;
    struct store *store = begin(&s);
    char trace[32] = "";
    struct note notes[3];
    for (int i = 0; i < 3; i++)
        notes[i] = (struct note){{.done = add_note}, trace, (char)('a' + i)};
    entry(store, &notes[0]);
    entry(store, &notes[1]);
    EXPECT_STRING(trace, "");
    life_turn(&s.life, 0, 1);
    entry(store, &notes[2]); /* while the first unit is being written */
    EXPECT_STRING(trace, "");
    uint64_t units = store_stats(store).units;
    run_jobs(&s);
    EXPECT_STRING(trace, "abc");
    EXPECT_INT(store_stats(store).units, units + 2);
    finish(&s);
}

TEST(a_batch_is_visible_when_it_is_durable_and_not_before)
{
    struct scene s;
    struct store *store = begin(&s);
    char trace[32] = "";
    store_on_durable(store, moved, trace);
    history_produce(&s.history, 0, 0);
    struct log *log = log_of(&s, 0, 0);
    int64_t next = log_next_offset(log);
    EXPECT(next > 0);
    life_turn(&s.life, 0, 1);
    EXPECT_INT(log_durable_offset(log), 0);
    EXPECT_STRING(trace, "");
    run_jobs(&s);
    EXPECT_INT(log_durable_offset(log), next);
    EXPECT_STRING(trace, "~");
    finish(&s);
}

TEST(entries_are_not_accepted_while_a_large_unit_waits_behind_another)
{
    struct scene s;
    struct store *store = begin(&s);
    history_produce(&s.history, 0, 0);
    life_turn(&s.life, 0, 1);
    EXPECT(store_accepts(store));
    for (int i = 0; i < 40 && store_accepts(store); i++)
        history_produce(&s.history, 0, i % 2);
    EXPECT(!store_accepts(store));
    life_settle(&s.life);
    EXPECT(store_accepts(store));
    EXPECT_INT(s.model.shards[0].acknowledged, s.model.shards[0].submitted);
    finish(&s);
}

static void large_entry(struct store *store, size_t size, struct note *note)
{
    uint8_t *value = xcalloc(1, size);
    store_begin(store);
    store_put(store, BYTES_LITERAL("Orow"), bytes_of(value, size));
    store_commit(store, &note->commit);
    free(value);
}

/* Else a busy turn could make a unit of any size. */
TEST(a_large_unit_is_written_before_the_next_entry)
{
    struct scene s;
    struct store *store = begin(&s);
    char trace[16] = "";
    struct note notes[2] = {{{{0}, add_note}, trace, 'a'}, {{{0}, add_note}, trace, 'b'}};
    life_settle(&s.life);
    large_entry(store, 9000, &notes[0]);
    entry(store, &notes[1]);
    EXPECT_STRING(trace, "");
    EXPECT(life_step(&s.life) && life_step(&s.life)); /* without a turn: its write and done() */
    EXPECT_STRING(trace, "a");
    finish(&s);
}

TEST(a_unit_that_waits_has_room_for_batches_up_to_its_limit)
{
    struct scene s;
    s.disk = sim_disk_create();
    random_seeded_init(&s.random, 1);
    model_init(&s.model, 1);
    EXPECT_INT(life_recover(&s.life, s.disk, 1, 1), ERR_OK);
    s.life.unit_max_bytes = 256 << 10;
    EXPECT_INT(life_open(&s.life), ERR_OK);
    struct store *store = s.life.stores[0];
    char trace[64] = "";
    struct note notes[33];
    size_t count = 0, max = store_batch_max(store);
    EXPECT(max < 256 << 10 && max > 100 << 10);
    EXPECT(store_has_room(store, max));
    for (; count < COUNT_OF(notes) && store_has_room(store, 10000); count++) {
        notes[count] = (struct note){{{0}, add_note}, trace, 'x'};
        large_entry(store, 10000, &notes[count]); /* the first one is under way with the second */
    }
    EXPECT(count > 20 && count < 28);
    EXPECT(store_has_room(store, 100)); /* a small one still fits */
    life_settle(&s.life);
    EXPECT_INT(strlen(trace), count);
    EXPECT(store_has_room(store, max));
    EXPECT(!store_has_room(store, max + 1));
    finish(&s);
}

/* Rows are not asked for room. Else they would make a unit that is larger than the format allows.
 */
TEST(a_unit_at_its_limit_waits_and_the_next_entries_begin_another_one)
{
    struct scene s;
    s.disk = sim_disk_create();
    random_seeded_init(&s.random, 1);
    model_init(&s.model, 1);
    EXPECT_INT(life_recover(&s.life, s.disk, 1, 1), ERR_OK);
    s.life.unit_max_bytes = 128 << 10;
    EXPECT_INT(life_open(&s.life), ERR_OK);
    struct store *store = s.life.stores[0];
    char trace[64] = "";
    struct note notes[40];
    for (size_t i = 0; i < COUNT_OF(notes); i++) {
        notes[i] = (struct note){{{0}, add_note}, trace, (char)('A' + i)};
        large_entry(store, 10000, &notes[i]);
    }
    EXPECT_STRING(trace, "");
    EXPECT(!store_accepts(store));
    EXPECT(!store_has_room(store, 100));
    EXPECT(store_stats(store).journal_behind_bytes > 40 * 10000);
    life_settle(&s.life);
    EXPECT_STRING(trace, "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh");
    EXPECT(store_stats(store).units >= 4); /* 400,000 bytes, at most 138,000 in each */
    EXPECT(store_accepts(store));
    finish(&s);
}

TEST(an_error_of_the_journal_is_final_and_reported_once)
{
    struct scene s;
    struct store *store = begin(&s);
    char trace[32] = "";
    struct note notes[3];
    for (int i = 0; i < 3; i++)
        notes[i] = (struct note){{.done = add_note}, trace, 'x'};
    s.disk->fail_error = ERR_IO;
    s.disk->fail_from = s.disk->calls;
    s.disk->fail_to = s.disk->calls + 1; /* the disk works again, but the store does not use it */
    entry(store, &notes[0]);
    life_turn(&s.life, 0, 1);
    entry(store, &notes[1]);
    run_jobs(&s);
    EXPECT_STRING(trace, "!!");
    EXPECT_INT(s.life.failures, 1);
    EXPECT(!store_accepts(store));
    entry(store, &notes[2]);
    let_pass(&s, 3000);
    EXPECT_STRING(trace, "!!!");
    EXPECT_INT(s.life.failures, 1);
    life_close(&s.life);
    EXPECT_INT(s.life.close_result, ERR_IO);
    life_end(&s.life);
    sim_disk_free(s.disk);
    model_free(&s.model);
}

/* The descriptors of the journal still lead to the old directory, names do not. */
TEST(a_data_directory_that_was_moved_is_final_and_gets_no_new_files)
{
    struct scene s;
    struct store *store = begin(&s);
    history_produce(&s.history, 0, 0);
    run_jobs(&s);
    s.disk->is_moved = true;
    history_produce(&s.history, 0, 1);
    life_turn(&s.life, 0, 1);
    run_jobs(&s);
    EXPECT_INT(s.model.shards[0].acknowledged, s.model.shards[0].submitted);
    uint64_t opens = s.disk->opens;
    let_pass(&s, 3000); /* a flush is due */
    EXPECT_INT(s.disk->opens, opens);
    EXPECT_INT(s.life.failures, 1);
    EXPECT(!store_accepts(store));
    uint64_t acknowledged = s.model.shards[0].acknowledged;
    history_produce(&s.history, 0, 0);
    let_pass(&s, 1000);
    EXPECT_INT(s.model.shards[0].acknowledged, acknowledged);
    finish(&s);
}

/* The journal worker alone runs, so neither the check of every second nor a flush notices it. */
TEST(a_new_journal_file_in_another_directory_is_final)
{
    struct scene s;
    (void)begin(&s);
    run_jobs(&s);
    s.disk->is_moved = true;
    for (int i = 0; i < 100 && s.life.failures == 0; i++) {
        history_produce(&s.history, 0, 0);
        life_turn(&s.life, 0, 0);
        while (sim_executors_step(s.life.executors, 1, &s.random.random))
            ;
    }
    EXPECT_INT(s.life.failures, 1);
    EXPECT_INT(s.life.failure, ERR_MOVED);
    finish(&s);
}

/* The kernel tells of a lost write once, perhaps to another shard. */
TEST(a_sync_of_another_shard_that_failed_is_final)
{
    struct scene s;
    (void)begin(&s);
    run_jobs(&s);
    uint64_t next = s.disk->counts[SIM_SYNC_DIRECTORY];
    s.disk->fault =
        (struct sim_fault){SIM_SYNC_DIRECTORY, next, next + 1, ERR_IO, FAULT_NOTHING, 0};
    EXPECT_INT(io_sync_directory(&s.disk->io, "data"), ERR_IO);
    life_turn(&s.life, 0, 1);
    EXPECT_INT(s.life.failures, 1);
    uint64_t acknowledged = s.model.shards[0].acknowledged;
    history_produce(&s.history, 0, 0);
    let_pass(&s, 1000);
    EXPECT_INT(s.model.shards[0].acknowledged, acknowledged);
    finish(&s);
}

TEST(the_journal_waits_while_the_disk_is_full_and_then_continues)
{
    struct scene s;
    struct store *store = begin(&s);
    s.disk->fail_error = ERR_NO_SPACE;
    s.disk->fail_from = s.disk->calls;
    s.disk->fail_to = UINT64_MAX;
    history_produce(&s.history, 0, 0);
    let_pass(&s, 500);
    EXPECT(store_is_full(store));
    EXPECT(s.model.shards[0].acknowledged < s.model.shards[0].submitted);
    s.disk->fail_to = 0;
    let_pass(&s, 2000);
    EXPECT(!store_is_full(store));
    EXPECT_INT(s.model.shards[0].acknowledged, s.model.shards[0].submitted);
    EXPECT_INT(s.life.failures, 0);
    finish(&s);
}

static const struct io_ops *disk_ops;

static enum error sync_full(struct io *io, struct io_file *file)
{
    (void)io, (void)file;
    return ERR_NO_SPACE;
}

static enum error sync_all_full(struct io *io, const char *path)
{
    (void)io, (void)path;
    return ERR_NO_SPACE;
}

static struct io_ops refuse_syncs(struct scene *s)
{
    disk_ops = s->disk->io.ops;
    struct io_ops ops = *disk_ops;
    ops.sync = sync_full;
    ops.sync_all = sync_all_full;
    return ops;
}

/* The kernel has forgotten what it could not write, so a second sync would report success. */
TEST(a_sync_that_meets_a_full_disk_is_final)
{
    for (int checkpoint = 0; checkpoint < 2; checkpoint++) {
        struct scene s;
        struct store *store = begin(&s);
        struct io_ops ops = refuse_syncs(&s);
        s.disk->refuse_direct_writes = !checkpoint; /* then the journal is synced */
        if (checkpoint)
            history_produce(&s.history, 0, 0);
        let_pass(&s, 100);
        uint64_t acknowledged = s.model.shards[0].acknowledged;
        s.disk->io.ops = &ops;
        if (!checkpoint)
            history_produce(&s.history, 0, 0);
        let_pass(&s, 21000);
        s.disk->io.ops = disk_ops;
        let_pass(&s, 3000);
        EXPECT_INT(s.life.failures, 1);
        EXPECT_INT(s.model.shards[0].acknowledged, acknowledged);
        EXPECT_INT(store_stats(store).checkpoints, 0);
        finish(&s);
    }
}

TEST(a_disk_that_is_nearly_full_at_the_start_is_full_at_once)
{
    struct scene s;
    s.disk = sim_disk_create();
    random_seeded_init(&s.random, 1);
    model_init(&s.model, 1);
    EXPECT_INT(life_recover(&s.life, s.disk, 1, 1), ERR_OK);
    s.disk->free_bytes = 999;
    EXPECT_INT(life_open(&s.life), ERR_OK);
    run_jobs(&s);
    EXPECT(store_is_full(s.life.stores[0]));
    s.disk->free_bytes = INT64_MAX;
    finish(&s);
}

TEST(a_nearly_full_disk_is_full_until_it_has_room_again)
{
    struct scene s;
    struct store *store = begin(&s);
    s.disk->free_bytes = 999;
    let_pass(&s, 1500);
    EXPECT(store_is_full(store));
    history_produce(&s.history, 0, 0); /* other entries continue */
    let_pass(&s, 200);
    EXPECT_INT(s.model.shards[0].acknowledged, s.model.shards[0].submitted);
    s.disk->free_bytes = INT64_MAX;
    let_pass(&s, 1500);
    EXPECT(!store_is_full(store));
    finish(&s);
}

TEST(an_entry_larger_than_a_journal_file_is_one_unit)
{
    struct scene s;
    struct store *store = begin(&s);
    uint8_t *large = xcalloc(1, 100000);
    store_begin(store);
    store_put(store, BYTES_LITERAL("Olarge"), bytes_of(large, 100000));
    store_commit(store, NULL);
    let_pass(&s, 200);
    struct sim_disk *left = sim_disk_crash(s.disk, CRASH_LOSE_ALL, 1);
    struct life again;
    EXPECT_INT(life_recover(&again, left, 1, 1), ERR_OK);
    EXPECT_BYTES(sim_disk_row(left, BYTES_LITERAL("Olarge")), bytes_of(large, 100000));
    life_end(&again);
    sim_disk_free(left);
    free(large);
    finish(&s);
}

static void count_name(void *context, const char *name)
{
    (void)name;
    (*(int *)context)++;
}

TEST(journal_files_are_recycled_after_checkpoints)
{
    struct scene s;
    struct store *store = begin(&s);
    for (int i = 0; i < 400; i++) {
        history_produce(&s.history, 0, i % 2);
        let_pass(&s, 100);
    }
    EXPECT(store_stats(store).checkpoints > 5);
    int files = 0;
    EXPECT_INT(s.disk->io.ops->list(&s.disk->io, "data/shard-0", count_name, &files), ERR_OK);
    EXPECT(files < 10);
    finish(&s);
}

TEST(the_tail_keeps_no_more_than_its_budget)
{
    struct scene s;
    struct store *store = begin(&s);
    for (int i = 0; i < 100; i++) {
        history_produce(&s.history, i % 2, i % 2);
        let_pass(&s, 100);
    }
    let_pass(&s, 3000);
    struct store_stats stats = store_stats(store);
    EXPECT_INT(stats.unflushed_bytes, 0);
    EXPECT(stats.tail_bytes <= 2048);
    EXPECT_INT(stats.journal_behind_bytes, 0);
    finish(&s);
}

TEST(the_files_and_rows_of_a_removed_log_are_deleted)
{
    struct scene s;
    struct store *store = begin(&s);
    for (int i = 0; i < 20; i++)
        history_produce(&s.history, 2, 0);
    let_pass(&s, 3000);
    struct uuid id = model_topic_id(2);
    char *directory = partition_directory("data", id, 0);
    int files = 0;
    EXPECT_INT(s.disk->io.ops->list(&s.disk->io, directory, count_name, &files), ERR_OK);
    EXPECT(files > 0);
    struct row_key topic = row_key_topic(id), log = row_key_log(id, 0);
    store_begin(store);
    store_delete(store, row_key_view(&topic));
    store_remove_log(store, id, 0);
    store_commit(store, NULL);
    EXPECT(store_log(store, id, 0, &life_log_config, false) == NULL);
    let_pass(&s, 500);
    EXPECT_INT(s.disk->io.ops->list(&s.disk->io, directory, count_name, &files), ERR_NOT_FOUND);
    life_close(&s.life);
    EXPECT(bytes_is_null(sim_disk_row(s.disk, row_key_view(&log))));
    life_end(&s.life);
    free(directory);
    sim_disk_free(s.disk);
    model_free(&s.model);
}

TEST(a_log_start_in_the_unit_that_ends_a_checkpoint_is_kept)
{
    struct scene s;
    struct store *store = begin(&s);
    for (int i = 0; i < 10; i++)
        history_produce(&s.history, 0, 0);
    let_pass(&s, 30000);
    EXPECT(store_stats(store).checkpoints > 0); /* nothing of the log has changed since */
    struct note notes[2];
    uint64_t before = store_stats(store).checkpoints;
    for (int i = 0; i < 2; i++) { /* one makes the checkpoint that is due, one is for the next */
        notes[i] = (struct note){{.done = add_note}, (char[8]){""}, 'a'};
        entry(store, &notes[i]);
        let_pass(&s, 200);
    }
    EXPECT_INT(store_stats(store).checkpoints, before + 1);
    int64_t start = log_next_offset(log_of(&s, 0, 0));
    store_begin(store);
    store_set_log_start(store, log_of(&s, 0, 0), start);
    store_commit(store, NULL);
    uint64_t checkpoints = store_stats(store).checkpoints;
    life_turn(&s.life, 0, 30000); /* a checkpoint is due, with this unit */
    while (store_stats(store).checkpoints == checkpoints)
        EXPECT(life_step(&s.life));
    struct sim_disk *left = sim_disk_crash(s.disk, CRASH_LOSE_ALL, 1);
    struct life again;
    EXPECT_INT(life_recover(&again, left, 1, 1), ERR_OK);
    EXPECT_INT(life_open(&again), ERR_OK);
    struct log *log = store_log(again.stores[0], model_topic_id(0), 0, &life_log_config, false);
    EXPECT_INT(log_start_offset(log), start);
    life_close(&again);
    life_end(&again);
    sim_disk_free(left);
    finish(&s);
}

/* A failed checkpoint puts its rows back. If the log is then removed, the next checkpoint must not
 * write them. */
TEST(producers_of_a_removed_log_are_deleted_also_after_a_failed_checkpoint)
{
    struct scene s;
    struct store *store = begin(&s);
    for (int i = 0; i < 20; i++)
        history_produce(&s.history, 2, 0);
    s.disk->free_bytes = 0;
    let_pass(&s, 21000);
    EXPECT_INT(store_stats(store).checkpoints, 0);
    struct uuid id = model_topic_id(2);
    struct row_key topic = row_key_topic(id);
    store_begin(store);
    store_delete(store, row_key_view(&topic));
    store_remove_log(store, id, 0);
    store_commit(store, NULL);
    let_pass(&s, 300);
    s.disk->free_bytes = INT64_MAX;
    let_pass(&s, 3000);
    EXPECT(store_stats(store).checkpoints > 0);
    for (int i = 0; i < MODEL_PRODUCERS; i++) {
        struct row_key producer = row_key_producer(id, 0, 1000 + i);
        EXPECT(bytes_is_null(sim_disk_row(s.disk, row_key_view(&producer))));
    }
    finish(&s);
}

TEST(a_store_that_fails_while_a_unit_waits_for_room_can_be_closed)
{
    struct scene s;
    struct store *store = begin(&s);
    history_produce(&s.history, 0, 0);
    let_pass(&s, 100);
    life_turn(&s.life, 0, 850);
    s.disk->fail_error = ERR_NO_SPACE;
    s.disk->fail_from = s.disk->calls;
    s.disk->fail_to = UINT64_MAX;
    history_produce(&s.history, 0, 0);
    life_turn(&s.life, 0, 1);
    run_jobs(&s);
    EXPECT(store_is_full(store));
    s.disk->fail_error = ERR_IO;
    life_turn(&s.life, 0, 60); /* a flush is due, the unit is not tried again yet */
    run_jobs(&s);
    EXPECT_INT(s.life.failures, 1);
    EXPECT_INT(s.history.refused, 1);
    life_close(&s.life);
    EXPECT_INT(s.life.close_result, ERR_IO);
    life_end(&s.life);
    sim_disk_free(s.disk);
    model_free(&s.model);
}

TEST(a_checkpoint_under_way_at_closing_is_not_the_last_one)
{
    struct scene s;
    (void)begin(&s);
    history_produce(&s.history, 0, 0);
    life_turn(&s.life, 0, 30000); /* a checkpoint ends with this unit */
    history_produce(&s.history, 0, 0);
    life_close(&s.life);
    EXPECT_INT(s.life.close_result, ERR_OK);
    life_end(&s.life);
    EXPECT_INT(life_recover(&s.life, s.disk, 1, 1), ERR_OK);
    EXPECT(s.life.report.clean);
    life_end(&s.life);
    sim_disk_free(s.disk);
    model_free(&s.model);
}

TEST(a_journal_file_that_does_not_fit_on_the_disk_is_removed)
{
    struct scene s;
    (void)begin(&s);
    struct journal journal;
    struct message message;
    EXPECT_INT(journal_open(&journal, &s.life.env, "data/shard-9", 16 << 10, 2, &message), ERR_OK);
    struct journal_file *file = journal_file_create(&journal);
    s.disk->fail_error = ERR_NO_SPACE;
    s.disk->fail_from = s.disk->calls + 1; /* there is room for its name, but not for its blocks */
    s.disk->fail_to = UINT64_MAX;
    EXPECT_INT(journal_prepare(&journal, file, false), ERR_NO_SPACE);
    int files = 0;
    EXPECT_INT(s.disk->io.ops->list(&s.disk->io, "data/shard-9", count_name, &files), ERR_OK);
    EXPECT_INT(files, 1);
    s.disk->fail_to = 0;
    journal_file_free(&journal, file);
    journal_close(&journal);
    finish(&s);
}

static int64_t bytes_written;

static enum error write_and_count(struct io *io, struct io_file *file, const struct iovec *parts,
                                  int count, int64_t position)
{
    EXPECT_INT(position, bytes_written);
    for (int i = 0; i < count; i++)
        bytes_written += (int64_t)parts[i].iov_len;
    return disk_ops->write(io, file, parts, count, position);
}

/* Otherwise the first write to each block would change the file system's own data, too. */
TEST(a_spare_is_written_from_its_start_to_its_end)
{
    struct scene s;
    (void)begin(&s);
    struct journal journal;
    struct message message;
    EXPECT_INT(journal_open(&journal, &s.life.env, "data/shard-9", 3 << 20, 2, &message), ERR_OK);
    struct journal_file *file = journal_file_create(&journal);
    disk_ops = s.disk->io.ops;
    struct io_ops ops = *disk_ops;
    ops.write = write_and_count;
    s.disk->io.ops = &ops;
    bytes_written = 0;
    EXPECT_INT(journal_prepare(&journal, file, true), ERR_OK);
    EXPECT_INT(bytes_written, 3 << 20);
    s.disk->io.ops = disk_ops;
    journal_file_free(&journal, file);
    journal_close(&journal);
    finish(&s);
}

static void expect_batches(struct log *log, int64_t first, int64_t end)
{
    EXPECT_INT(log_next_offset(log), end);
    for (int64_t offset = first; offset < end;) {
        struct log_read_job read = {.job.done = nothing_more,
                                    .log = log,
                                    .offset = offset,
                                    .end_offset = end,
                                    .max_bytes = 1,
                                    .at_least_one = true};
        log_read_submit(executor_inline(), &read);
        EXPECT_INT(read.result, ERR_OK);
        offset = read.slice ? read.slice->next_offset : end;
        log_slice_unref(read.slice);
    }
}

/* A checkpoint meets the lost file. It must not write the state from before: its last segment is
 * the lost one, and batches that are in the new one would be appended once more. */
TEST(a_checkpoint_after_a_segment_vanished_has_the_new_segment)
{
    struct scene s;
    struct store *store = begin(&s);
    struct log *log = log_of(&s, 0, 0);
    int64_t lost, base;
    do { /* until a segment has both flushed batches and others */
        let_pass(&s, 3000);
        lost = log_flushed_offset(log);
        base = log_state(log).active_base;
        history_produce(&s.history, 0, 0);
        life_turn(&s.life, 0, 1);
        run_jobs(&s);
    } while (lost == base || log_state(log).active_base != base);
    char *directory = partition_directory("data", model_topic_id(0), 0);
    char *path = segment_path(directory, base, SEGMENT_LOG);
    EXPECT_INT(s.disk->io.ops->unlink(&s.disk->io, path), ERR_OK);
    int64_t end = log_next_offset(log);
    uint64_t checkpoints = store_stats(store).checkpoints;
    life_turn(&s.life, 0, 30000); /* a checkpoint is due, not only a flush */
    let_pass(&s, 3000);
    EXPECT(store_stats(store).checkpoints > checkpoints);
    EXPECT_INT(s.life.failures, 0);
    EXPECT_INT(log_state(log).active_base, lost);
    life_end(&s.life);

    struct sim_disk *left = sim_disk_crash(s.disk, CRASH_KILL, 1);
    struct life again;
    EXPECT_INT(life_recover(&again, left, 1, 2), ERR_OK);
    EXPECT_INT(again.report.damaged_logs, 0); /* the state names a file that exists */
    EXPECT_INT(life_open(&again), ERR_OK);
    expect_batches(store_log(again.stores[0], model_topic_id(0), 0, &life_log_config, false), lost,
                   end);
    free(path);
    free(directory);
    life_close(&again);
    life_end(&again);
    sim_disk_free(left);
    sim_disk_free(s.disk);
    model_free(&s.model);
}

TEST(after_a_clean_stop_there_is_nothing_to_redo)
{
    struct scene s;
    (void)begin(&s);
    for (int i = 0; i < 10; i++)
        history_produce(&s.history, 0, 0);
    life_close(&s.life);
    EXPECT_INT(s.life.close_result, ERR_OK);
    life_end(&s.life);
    EXPECT_INT(life_recover(&s.life, s.disk, 1, 1), ERR_OK);
    EXPECT(s.life.report.clean);
    EXPECT_INT(s.life.report.batches, 0);
    EXPECT_INT(s.life.report.logs, 0);
    life_end(&s.life);
    sim_disk_free(s.disk);
    model_free(&s.model);
}

static enum error move_and_sync_all(struct io *io, const char *path)
{
    CONTAINER_OF(io, struct sim_disk, io)->is_moved = true;
    return disk_ops->sync_all(io, path);
}

/* The names that the checkpoint has used may be those of another directory. */
TEST(a_checkpoint_during_which_the_data_directory_is_moved_fails)
{
    struct scene s;
    struct store *store = begin(&s);
    disk_ops = s.disk->io.ops;
    struct io_ops ops = *disk_ops;
    ops.sync_all = move_and_sync_all;
    history_produce(&s.history, 0, 0);
    let_pass(&s, 100);
    s.disk->io.ops = &ops;
    for (int i = 0; i < 300 && !s.disk->is_moved; i++)
        let_pass(&s, 100);
    EXPECT(s.disk->is_moved);
    EXPECT_INT(store_stats(store).checkpoints, 0);
    EXPECT_INT(s.life.failures, 1);
    s.disk->io.ops = disk_ops;
    finish(&s);
}

/* Cuts the power, starts again, and finds everything. */
static void expect_everything_after_a_power_cut(struct scene *s)
{
    struct sim_disk *left = sim_disk_crash(s->disk, CRASH_LOSE_ALL, 1);
    struct life again;
    uint32_t k[LIFE_SHARDS_MAX];
    enum error error = life_recover(&again, left, s->life.shard_count, 1);
    const char *wrong = error == ERR_OK ? model_compare(&s->model, left, k) : again.message.text;
    if (wrong)
        test_fail(__FILE__, __LINE__, "%s", wrong);
    EXPECT_INT(again.report.damaged_logs, 0);
    life_end(&again);
    sim_disk_free(left);
}

/* The failed checkpoint has synced nothing that the flush before it wrote. */
TEST(a_checkpoint_after_a_failed_one_syncs_the_flushes_before_it)
{
    struct scene s;
    struct store *store = begin(&s);
    history_produce(&s.history, 0, 0);
    let_pass(&s, 25000); /* the names of the log are durable */
    uint64_t checkpoints = store_stats(store).checkpoints, flushes = store_stats(store).flushes;
    EXPECT(checkpoints > 0);
    history_produce(&s.history, 0, 0);
    let_pass(&s, 1500);
    EXPECT(store_stats(store).flushes > flushes);
    s.disk->free_bytes = 0;
    history_produce(&s.history, 1, 0);
    let_pass(&s, 25000);
    EXPECT_INT(store_stats(store).checkpoints, checkpoints);
    s.disk->free_bytes = INT64_MAX;
    let_pass(&s, 3000);
    EXPECT(store_stats(store).checkpoints > checkpoints);
    expect_everything_after_a_power_cut(&s);
    finish(&s);
}

static bool no_descriptor;

static enum error sync_directory_without_descriptor(struct io *io, const char *path)
{
    return no_descriptor && strstr(path, "shard-") ? ERR_NO_FILES
                                                   : disk_ops->sync_directory(io, path);
}

TEST(a_recycled_file_whose_name_is_not_durable_is_not_used)
{
    struct scene s;
    struct store *store = begin(&s);
    disk_ops = s.disk->io.ops;
    struct io_ops ops = *disk_ops;
    ops.sync_directory = sync_directory_without_descriptor;
    s.disk->io.ops = &ops;
    uint64_t checkpoints = store_stats(store).checkpoints;
    for (int i = 0; i < 400 && store_stats(store).checkpoints < checkpoints + 3; i++) {
        no_descriptor = store_stats(store).checkpoints == checkpoints + 2;
        history_produce(&s.history, 0, i % MODEL_PARTITIONS);
        let_pass(&s, 100);
    }
    EXPECT_INT(store_stats(store).checkpoints, checkpoints + 3);
    for (int i = 0; i < 60; i++) { /* more than the files have room for */
        history_produce(&s.history, 0, 0);
        life_turn(&s.life, 0, 10);
        run_jobs(&s);
    }
    EXPECT(s.model.shards[0].acknowledged < s.model.shards[0].submitted);
    expect_everything_after_a_power_cut(&s);
    no_descriptor = false;
    let_pass(&s, 5000);
    EXPECT_INT(s.model.shards[0].acknowledged, s.model.shards[0].submitted);
    s.disk->io.ops = disk_ops;
    finish(&s);
}

TEST(the_witness_is_durable_after_a_second_of_rest)
{
    struct scene s;
    begin(&s);
    history_produce(&s.history, 0, 0);
    let_pass(&s, 3000);
    struct sim_disk *left = sim_disk_crash(s.disk, CRASH_LOSE_ALL, 1);
    EXPECT_BYTES(sim_disk_file(left, "data/shard-0/durable").data,
                 sim_disk_file(s.disk, "data/shard-0/durable").data);
    EXPECT(sim_disk_file(left, "data/shard-0/durable").data.size > 0);
    sim_disk_free(left);
    finish(&s);
}

static void expect_batch_after_power_cut(bool refuse_open)
{
    struct scene s;
    s.disk = sim_disk_create();
    s.disk->refuse_direct = refuse_open;
    s.disk->refuse_direct_writes = !refuse_open;
    open_scene(&s);
    history_produce(&s.history, 0, 0);
    life_turn(&s.life, 0, 1);
    run_jobs(&s);
    EXPECT_INT(s.model.shards[0].acknowledged, s.model.shards[0].submitted);
    expect_everything_after_a_power_cut(&s);
    finish(&s);
}

TEST(without_direct_io_a_unit_is_synced)
{
    expect_batch_after_power_cut(true);
    expect_batch_after_power_cut(false);
}

static struct io_file *journal_file;
static int units_written_again;
static bool unit_waits_for_sync;

static enum error open_and_note_journal(struct io *io, const char *path, int flags,
                                        struct io_file **out)
{
    enum error error = disk_ops->open(io, path, flags, out);
    if (error == ERR_OK && (flags & IO_WRITE) && strstr(path, "/journal-"))
        journal_file = *out;
    return error;
}

static enum error write_after_the_unit(struct io *io, struct io_file *file,
                                       const struct iovec *parts, int count, int64_t position)
{
    EXPECT(!unit_waits_for_sync);
    unit_waits_for_sync = file == journal_file;
    units_written_again += file == journal_file;
    return disk_ops->write(io, file, parts, count, position);
}

static enum error sync_the_unit(struct io *io, struct io_file *file)
{
    unit_waits_for_sync &= file != journal_file;
    if (file == journal_file)
        journal_file = NULL;
    return disk_ops->sync(io, file);
}

/* Its sync may have failed in the last run, and another one would do nothing. What the start
 * changes must not reach the disk without the unit that explains it. */
TEST(a_start_writes_the_last_unit_again_and_syncs_it_before_it_changes_anything)
{
    struct scene s;
    begin(&s);
    history_produce(&s.history, 0, 0);
    life_turn(&s.life, 0, 1);
    run_jobs(&s);
    struct sim_disk *left = sim_disk_crash(s.disk, CRASH_KILL, 1);
    disk_ops = left->io.ops;
    struct io_ops ops = *disk_ops;
    ops.open = open_and_note_journal;
    ops.write = write_after_the_unit;
    ops.sync = sync_the_unit;
    left->io.ops = &ops;
    journal_file = NULL;
    units_written_again = 0;
    unit_waits_for_sync = false;
    struct life again;
    EXPECT_INT(life_recover(&again, left, 1, 2), ERR_OK);
    EXPECT_INT(units_written_again, 1);
    EXPECT(!unit_waits_for_sync);
    left->io.ops = disk_ops;
    life_end(&again);
    sim_disk_free(left);
    finish(&s);
}

static void write_witnesses(struct scene *s, int count)
{
    for (int i = 0; i < count; i++) {
        history_produce(&s->history, 0, 0);
        let_pass(s, 3000);
    }
}

static struct journal_witness witness_of(struct life *life)
{
    struct journal_witness witness;
    EXPECT_INT(journal_witness_read(&life->env, "data/shard-0", &witness), ERR_OK);
    return witness;
}

TEST(the_witness_of_a_start_is_newer_than_that_of_the_last_run)
{
    for (int writes = 4; writes < 6; writes++) { /* the last one is in either slot */
        struct scene s;
        begin(&s);
        write_witnesses(&s, writes);
        struct journal_witness before = witness_of(&s.life);
        struct sim_disk *left = sim_disk_crash(s.disk, CRASH_KILL, 1);
        struct life again;
        EXPECT_INT(life_recover(&again, left, 1, 2), ERR_OK);
        EXPECT_INT(life_open(&again), ERR_OK);
        for (int i = 0; i < 30; i++) {
            life_settle(&again);
            life_turn(&again, 0, 100);
        }
        EXPECT(before.count >= (uint64_t)writes);
        EXPECT(witness_of(&again).run != before.run);
        life_close(&again);
        life_end(&again);
        sim_disk_free(left);
        finish(&s);
    }
}

static struct io_file *witness_file;
static bool witness_is_torn;
static int witnesses_torn;

static enum error open_and_note_witness(struct io *io, const char *path, int flags,
                                        struct io_file **out)
{
    enum error error = disk_ops->open(io, path, flags, out);
    if (error == ERR_OK && strcmp(path, "data/shard-0/durable") == 0)
        witness_file = *out;
    return error;
}

/* A full disk: half of the witness gets there. */
static enum error tear_witness(struct io *io, struct io_file *file, const struct iovec *parts,
                               int count, int64_t position)
{
    if (!witness_is_torn || file != witness_file)
        return disk_ops->write(io, file, parts, count, position);
    struct iovec half = {parts[0].iov_base, parts[0].iov_len / 2};
    EXPECT_INT(disk_ops->write(io, file, &half, 1, position), ERR_OK);
    witnesses_torn++;
    return ERR_NO_SPACE;
}

TEST(writes_of_the_witness_that_fail_leave_the_last_whole_one)
{
    struct scene s;
    begin(&s);
    disk_ops = s.disk->io.ops;
    struct io_ops ops = *disk_ops;
    ops.open = open_and_note_witness;
    ops.write = tear_witness;
    s.disk->io.ops = &ops;
    write_witnesses(&s, 2);
    struct journal_witness before = witness_of(&s.life);
    witness_is_torn = true;
    witnesses_torn = 0;
    write_witnesses(&s, 1);
    EXPECT(witnesses_torn >= 2);
    EXPECT_INT(witness_of(&s.life).count, before.count);
    EXPECT_INT(witness_of(&s.life).durable, before.durable);
    witness_is_torn = false;
    let_pass(&s, 3000);
    EXPECT(witness_of(&s.life).durable > before.durable);
    s.disk->io.ops = disk_ops;
    finish(&s);
}

/* The topic exists on, so nothing else says that the log is gone. */
TEST(a_removed_log_stays_removed_after_a_power_cut)
{
    struct scene s;
    struct store *store = begin(&s);
    struct uuid id = model_topic_id(2);
    struct row_key log = row_key_log(id, 0);
    history_produce(&s.history, 2, 0);
    let_pass(&s, 25000);
    EXPECT(!bytes_is_null(sim_disk_row(s.disk, row_key_view(&log))));
    store_begin(store);
    store_remove_log(store, id, 0);
    store_commit(store, NULL);
    life_turn(&s.life, 0, 1);
    run_jobs(&s);
    struct sim_disk *left = sim_disk_crash(s.disk, CRASH_LOSE_ALL, 1);
    struct life again;
    EXPECT_INT(life_recover(&again, left, 1, 1), ERR_OK);
    EXPECT(bytes_is_null(sim_disk_row(left, row_key_view(&log))));
    life_end(&again);
    sim_disk_free(left);
    finish(&s);
}

/* Retention and a request may move the start in one unit, the later one less far. */
TEST(an_older_log_start_behind_a_newer_one_changes_nothing)
{
    struct scene s;
    struct store *store = begin(&s);
    for (int i = 0; i < 5; i++)
        history_produce(&s.history, 0, 0);
    let_pass(&s, 100);
    struct log *log = log_of(&s, 0, 0);
    int64_t start = log_next_offset(log);
    store_begin(store);
    store_set_log_start(store, log, start);
    store_set_log_start(store, log, start - 1);
    store_commit(store, NULL);
    let_pass(&s, 100);
    EXPECT_INT(log_start_offset(log), start);
    finish(&s);
}
