/* The cache of open files: its limit, its order, and its references. */
#include "storage/segment_file.h"
#include "tests/storage/support_log.h"

#include <pthread.h>
#include <stdio.h>

enum { LIMIT = 4, FILES = 12, THREADS = 4, ROUNDS = 3000 };

static const char *directory(void)
{
    return test_directory();
}

static struct segment_file *open_file(int64_t base_offset)
{
    struct segment_file *f = NULL;
    EXPECT_INT(
        segment_file_open(io_posix(), directory(), base_offset, IO_READ | IO_WRITE | IO_CREATE, &f),
        ERR_OK);
    return f;
}

static void open_and_remember(struct segment_file_memo *memo, int64_t base_offset)
{
    struct segment_file *f = open_file(base_offset);
    segment_file_remember(memo, f);
    segment_file_unref(f);
}

static bool is_open(const struct segment_file_memo *memo)
{
    struct segment_file *f = segment_file_recall(memo);
    segment_file_unref(f);
    return f != NULL;
}

static void forget_all(struct segment_file_memo *memos, int count)
{
    for (int i = 0; i < count; i++)
        segment_file_forget(&memos[i]);
    EXPECT_INT(segment_file_count().open, 0);
    EXPECT_INT(segment_file_count().cached, 0);
    segment_file_set_limit(INT32_MAX);
}

TEST(the_cache_closes_the_file_that_was_used_longest_ago)
{
    struct segment_file_memo memos[LIMIT + 2] = {{NULL}};
    segment_file_set_limit(LIMIT);
    for (int i = 0; i < LIMIT; i++)
        open_and_remember(&memos[i], i);
    EXPECT(is_open(&memos[0])); /* used again: now 1 is the oldest */
    open_and_remember(&memos[LIMIT], LIMIT);
    EXPECT_INT(segment_file_count().open, LIMIT);
    EXPECT(segment_file_recall(&memos[1]) == NULL);
    open_and_remember(&memos[LIMIT + 1], LIMIT + 1);
    EXPECT(segment_file_recall(&memos[2]) == NULL);
    EXPECT(is_open(&memos[0]));
    EXPECT(is_open(&memos[3]));
    forget_all(memos, LIMIT + 2);
}

TEST(a_file_in_use_stays_open_and_is_closed_when_it_is_free)
{
    struct segment_file_memo memos[LIMIT + 1] = {{NULL}};
    struct segment_file *used[LIMIT], *f = NULL;
    char byte;
    segment_file_set_limit(LIMIT);
    for (int i = 0; i < LIMIT; i++) {
        used[i] = open_file(i);
        EXPECT_INT(io_write(io_posix(), used[i]->file, "x", 1, 0), ERR_OK);
        segment_file_remember(&memos[i], used[i]);
    }
    /* A reader is refused, a flush is not. */
    EXPECT_INT(segment_file_open(io_posix(), directory(), 0, IO_READ, &f), ERR_NO_FILES);
    open_and_remember(&memos[LIMIT], LIMIT);
    EXPECT_INT(segment_file_count().open, LIMIT + 1);
    for (int i = 0; i < LIMIT; i++) {
        EXPECT_INT(segment_file_read(io_posix(), used[i], &byte, 1, 0), ERR_OK);
        segment_file_unref(used[i]);
        EXPECT(!is_open(&memos[i]));
    }
    EXPECT_INT(segment_file_count().open, 1);
    EXPECT_INT(segment_file_open(io_posix(), directory(), 0, IO_READ, &f), ERR_OK);
    segment_file_unref(f);
    forget_all(memos, LIMIT + 1);
}

TEST(the_last_memo_takes_a_file_out_of_the_cache)
{
    struct segment_file_memo memos[2] = {{NULL}};
    open_and_remember(&memos[0], 7);
    segment_file_copy_memo(&memos[1], &memos[0]);
    segment_file_forget(&memos[0]);
    EXPECT(is_open(&memos[1]));
    struct segment_file *f = segment_file_recall(&memos[1]);
    segment_file_forget(&memos[1]);
    EXPECT_INT(segment_file_count().cached, 0);
    EXPECT_INT(segment_file_count().open, 1);
    segment_file_unref(f);
    EXPECT_INT(segment_file_count().open, 0);
}

TEST(a_limit_holds_for_many_logs)
{
    struct log_world worlds[FILES];
    segment_file_set_limit(LIMIT);
    for (int i = 0; i < FILES; i++) {
        log_world_init(&worlds[i]);
        log_world_open(&worlds[i], (struct log_state){0});
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < FILES; i++) {
            log_world_append(&worlds[i], (struct batch_spec){.count = 1, .value_size = 100});
            log_world_flush(&worlds[i]);
            EXPECT(segment_file_count().open <= LIMIT);
        }
    }
    for (int i = 0; i < FILES; i++) {
        log_trim_tail(worlds[i].log, 0);
        for (int64_t offset = 0; offset < 3;) {
            struct read_result r = log_world_read(&worlds[i], offset, 3, 1 << 20, true);
            EXPECT_INT(r.error, ERR_OK);
            expect_whole_batches(&r);
            EXPECT(r.next_offset > offset);
            offset = r.error == ERR_OK ? r.next_offset : 3;
            read_result_free(&r);
        }
        EXPECT(segment_file_count().open <= LIMIT);
    }
    for (int i = 0; i < FILES; i++)
        log_world_close(&worlds[i]);
    EXPECT_INT(segment_file_count().open, 0);
    segment_file_set_limit(INT32_MAX);
}

/* --- threads: a shard that recalls and forgets, workers that open --- */

struct party {
    pthread_t thread;
    int number;
    struct segment_file_memo memos[FILES];
};

static void *use_files(void *context)
{
    struct party *p = context;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t base = (i * 7 + p->number) % FILES;
        struct segment_file *f = segment_file_recall(&p->memos[base]);
        if (f == NULL)
            f = open_file(base);
        if (i % 5 == 0)
            segment_file_forget(&p->memos[base]);
        else
            segment_file_remember(&p->memos[base], f);
        EXPECT_INT(io_write(io_posix(), f->file, "x", 1, 0), ERR_OK);
        segment_file_unref(f);
    }
    return NULL;
}

TEST(threads_share_the_cache)
{
    struct party parties[THREADS] = {{.number = 0}};
    segment_file_set_limit(LIMIT);
    for (int i = 0; i < THREADS; i++) {
        parties[i].number = i;
        EXPECT_INT(pthread_create(&parties[i].thread, NULL, use_files, &parties[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(parties[i].thread, NULL);
    EXPECT(segment_file_count().open <= LIMIT + THREADS);
    for (int i = 0; i < THREADS; i++) {
        for (int at = 0; at < FILES; at++)
            segment_file_forget(&parties[i].memos[at]);
    }
    forget_all(NULL, 0);
}

/* Two memos of one file in two threads: the shard's, and the one of a flush. */
static void *forget_one(void *context)
{
    segment_file_forget(context);
    return NULL;
}

TEST(memos_of_one_file_end_in_any_order)
{
    for (int i = 0; i < 300; i++) {
        struct segment_file_memo mine = {NULL}, other = {NULL};
        pthread_t thread;
        open_and_remember(&mine, 1);
        segment_file_copy_memo(&other, &mine);
        EXPECT_INT(pthread_create(&thread, NULL, forget_one, &other), 0);
        struct segment_file *f = segment_file_recall(&mine);
        segment_file_forget(&mine);
        segment_file_unref(f);
        pthread_join(thread, NULL);
        EXPECT(segment_file_count().open <= 1);
    }
    forget_all(NULL, 0);
}
