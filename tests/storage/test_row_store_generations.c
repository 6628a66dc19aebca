/* Generations of the row file: many writers, rows of megabytes, and data directories without row
 * files. */
#include "tests/storage/support_row_store.h"

#include "storage/io.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WRITERS = 4 };

struct writer {
    struct scene *s;
    int number, failures;
};

static void *write_many(void *context)
{
    struct writer *w = context;
    char key[32];
    for (int i = 0; i < 150; i++) {
        snprintf(key, sizeof key, "writer-%d-%03d", w->number, i % 50);
        w->failures += put(w->s, key, (char)('a' + i % 26), 2000) != ERR_OK;
    }
    return NULL;
}

TEST(generations_begin_while_writers_continue)
{
    struct scene s;
    set_scene(&s, "generations");
    s.driver.generation_bytes = 50000;
    open_well(&s, KV_OPEN_OR_CREATE);
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){&s, i, 0};
        EXPECT_INT(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        EXPECT_INT(writers[i].failures, 0);
    }
    read_rows(&s, &s.expected);
    close_store(&s);
    struct names names = files_of(&s, "rows", "rows-");
    EXPECT_INT(names.count, 1);
    EXPECT(strstr(names.at[0], "rows-00000000000000000001.log") == NULL);
    EXPECT(size_of(names.at[0]) < 3 * s.expected.size + 100000);
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(rows_are_expected(&s) && s.log.size == 0);
    close_store(&s);
    run(&s, "rm -rf kv");
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(rows_are_expected(&s) && log_has(&s, "WARN"));
    close_store(&s);
    clear_scene(&s);
}

TEST(megabytes_of_rows_are_written_again_from_either_copy)
{
    struct scene s;
    int repaired = 0, refused = 0;
    set_scene(&s, "megabytes");
    s.driver.generation_bytes = 1 << 20;
    open_well(&s, KV_OPEN_OR_CREATE);
    for (int i = 0; i < 200; i++)
        write_batch(&s, i, 40000);
    read_rows(&s, &s.expected);
    EXPECT(s.expected.size > 6 << 20);
    close_store(&s);
    run(&s, "cp -r . \"$PWD.kept\"");
    struct names tables = files_of(&s, "kv", ".ldb");
    EXPECT(tables.count > 1);
    flip(tables.at[0], size_of(tables.at[0]) / 2, 4);
    expect_nothing_lost(&s, "a table", &repaired, &refused);
    struct names names = files_of(&s, "rows", ".log");
    flip(names.at[0], size_of(names.at[0]) / 2, 4);
    expect_nothing_lost(&s, "the row file", &repaired, &refused);
    EXPECT_INT(repaired, 2);
    flip(tables.at[0], size_of(tables.at[0]) / 2, 4);
    flip(names.at[0], size_of(names.at[0]) / 2, 4);
    expect_refused(&s, "/megabytes/kv", names.at[0]);
    clear_scene(&s);
}

/* The kernel's files. Counts the bytes that wait for a sync, and may fail the next sync. */
struct counting_io {
    struct io io;
    struct io_ops ops;
    size_t unsynced, most;
    bool fails;
};

static struct counting_io counting;

static enum error write_counted(struct io *io, struct io_file *file, const struct iovec *parts,
                                int count, int64_t position)
{
    (void)io;
    for (int i = 0; i < count; i++)
        counting.unsynced += parts[i].iov_len;
    counting.most = MAX(counting.most, counting.unsynced);
    return io_posix()->ops->write(io_posix(), file, parts, count, position);
}

static enum error sync_counted(struct io *io, struct io_file *file)
{
    (void)io;
    counting.unsynced = 0;
    return counting.fails ? ERR_IO : io_posix()->ops->sync(io_posix(), file);
}

/* A store of 12 megabytes whose next write begins a generation, with files that are counted. */
static void open_before_generation(struct scene *s, const char *name)
{
    char key[32];
    set_scene(s, name);
    open_well(s, KV_OPEN_OR_CREATE);
    for (int i = 0; i < 120; i++) {
        snprintf(key, sizeof key, "row-%03d", i);
        EXPECT_INT(put(s, key, 'x', 100000), ERR_OK);
    }
    read_rows(s, &s->expected);
    close_store(s);
    counting = (struct counting_io){.ops = *io_posix()->ops};
    counting.ops.write = write_counted;
    counting.ops.sync = sync_counted;
    counting.io.ops = &counting.ops;
    s->env.io = &counting.io;
    s->driver.generation_bytes = 1;
    open_well(s, KV_OPEN_EXISTING);
    counting.unsynced = counting.most = 0;
}

/* The disk must not get it all at once: the shards' journals write to it meanwhile. */
TEST(a_snapshot_is_synced_every_few_megabytes)
{
    struct scene s;
    open_before_generation(&s, "slices");
    EXPECT_INT(put(&s, "row-000", 'x', 100000), ERR_OK);
    EXPECT(counting.most > 1 << 20); /* it was the snapshot */
    EXPECT(counting.most <= 6 << 20);
    EXPECT(rows_are_expected(&s));
    close_store(&s);
    s.env.io = io_posix();
    struct names names = files_of(&s, "rows", "rows-");
    EXPECT_INT(names.count, 1);
    EXPECT(strstr(names.at[0], "rows-00000000000000000002.log") != NULL);
    EXPECT_INT(state_of_file(&s), ROW_FILE_WHOLE);
    run(&s, "rm -rf kv"); /* all rows are in the snapshot */
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(rows_are_expected(&s));
    close_store(&s);
    clear_scene(&s);
}

TEST(a_failed_sync_inside_a_snapshot_ends_the_writes_and_loses_nothing)
{
    struct scene s;
    open_before_generation(&s, "slices-failed");
    counting.fails = true;
    EXPECT_INT(put(&s, "row-000", 'y', 10), ERR_IO);
    EXPECT(counting.most > 1 << 20);
    EXPECT(counting.most <= 6 << 20); /* nothing is written after the failed sync */
    EXPECT_INT(put(&s, "row-000", 'y', 10), ERR_IO);
    close_store(&s);
    s.env.io = io_posix();
    struct names names = files_of(&s, "rows", "rows-");
    EXPECT_INT(names.count, 1);
    EXPECT(strstr(names.at[0], "rows-00000000000000000001.log") != NULL);
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(rows_are_expected(&s));
    close_store(&s);
    clear_scene(&s);
}

/* Damage while the broker runs: the present file gets all further writes. */
TEST(damage_that_a_new_generation_finds_is_repaired_by_the_next_open)
{
    struct scene s;
    set_scene(&s, "running");
    fill(&s);
    s.driver.generation_bytes = 20000;
    open_well(&s, KV_OPEN_EXISTING);
    struct names tables = files_of(&s, "kv", ".ldb");
    for (size_t i = 0; i < tables.count; i++)
        flip(tables.at[i], 500, 4);
    for (int i = BATCHES; i < 2 * BATCHES; i++)
        write_batch(&s, i, 3000);
    EXPECT(log_has(&s, "WARN"));
    EXPECT(log_has(&s, "the key-value store is damaged, the next start repairs it"));
    EXPECT(log_has(&s, "/running/kv"));
    EXPECT(strstr(strstr(buffer_c_string(&s.log), "WARN") + 1, "WARN") == NULL);
    close_store(&s);
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(log_has(&s, "it was written again and no row is lost"));
    read_rows(&s, &s.expected);
    EXPECT(memmem(s.expected.data, s.expected.size, "row-0001", 8) != NULL);
    EXPECT(memmem(s.expected.data, s.expected.size, "row-0059", 8) != NULL);
    close_store(&s);
    clear_scene(&s);
}

/* Data directories of format 1 have no row files. */

static void make_format_1(struct scene *s)
{
    char *path = io_path(s->directory, "kv");
    for (int half = 0; half < 2; half++) {
        EXPECT_INT(kv_leveldb()->open(kv_leveldb(), path, KV_OPEN_OR_CREATE, &s->kv, &s->message),
                   ERR_OK);
        for (int i = 0; i < BATCHES / 2; i++)
            write_batch(s, half * BATCHES / 2 + i, 3000);
        read_rows(s, &s->expected);
        close_store(s);
    }
    free(path);
    run(s, "cp -r . \"$PWD.kept\"");
}

TEST(a_store_without_row_files_is_upgraded)
{
    struct scene s;
    int repaired = 0, refused = 0;
    set_scene(&s, "upgrade");
    make_format_1(&s);
    EXPECT_INT(open_as(&s, KV_OPEN_EXISTING), ERR_CORRUPT);
    for (int i = 0; i < 2; i++) { /* the second one after an upgrade that was cut off */
        open_well(&s, KV_OPEN_ALONE);
        EXPECT(!log_has(&s, "WARN") && rows_are_expected(&s));
        close_store(&s);
        EXPECT_INT(files_of(&s, "rows", "").count, 1);
    }
    run(&s, "rm -rf \"$PWD.kept\" && cp -r . \"$PWD.kept\" && rm kv/*.ldb");
    expect_nothing_lost(&s, "tables after an upgrade", &repaired, &refused);
    EXPECT_INT(repaired, 1);
    clear_scene(&s);
}

TEST(a_damaged_store_without_row_files_is_not_upgraded)
{
    static const char *const harms[] = {"rm kv/CURRENT", "rm kv/*.ldb", "rm kv/*.log",
                                        "truncate -s -10 kv/*.log"};
    struct scene s;
    set_scene(&s, "upgrade-damaged");
    make_format_1(&s);
    for (size_t i = 0; i < COUNT_OF(harms); i++) {
        run(&s, "%s", harms[i]);
        EXPECT_INT(open_as(&s, KV_OPEN_ALONE), ERR_CORRUPT);
        EXPECT(strstr(s.message.text, "/upgrade-damaged/kv") != NULL);
        EXPECT(strstr(s.message.text,
                      ": the store of data format 1 cannot be upgraded: start and "
                      "stop it once with the version that wrote it, or restore the "
                      "whole data directory from a copy. No row was changed") != NULL);
        run(&s, "test ! -e rows/rows-*");
        restore(&s);
    }
    open_well(&s, KV_OPEN_ALONE);
    EXPECT(rows_are_expected(&s));
    close_store(&s);
    clear_scene(&s);
}
