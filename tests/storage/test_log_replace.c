/* The swap of closed segments while readers read. Batches have one record, segments 10 batches. The
 * timestamp of offset n is 1000 + n. */
#include "storage/log_replace.h"

#include "storage/log_internal.h"

#include "storage/segment.h"
#include "tests/storage/support_log.h"

#include <stdlib.h>

enum { ROOM = 10, SEGMENTS = 6, END = ROOM * SEGMENTS };

static const int64_t old_bases[] = {10, 20, 30};

static void make_log(struct log_world *w)
{
    log_world_init(w);
    struct batch_spec spec = {.count = 1, .value_size = 100};
    struct shared_buffer *b = make_batch(spec);
    w->config.segment_bytes = ROOM * (int64_t)b->size;
    w->config.index_interval_bytes = 300;
    shared_buffer_unref(b);
    log_world_open(w, (struct log_state){0});
    for (int i = 0; i < END; i++) {
        spec.timestamp = 1000 + i;
        log_world_append(w, spec);
    }
    log_world_flush(w);
    log_trim_tail(w->log, 0);
}

/* [10, 40) becomes one segment at 10. */
static struct new_segments *clean(struct log_world *w)
{
    struct new_segments *n = NULL;
    log_set_first_dirty(w->log, 40);
    make_swap_files(w, old_bases, COUNT_OF(old_bases), 10, 40);
    EXPECT_INT(new_segments_open(&w->env, w->directory, (int64_t[]){10}, 1, 40, &n), ERR_OK);
    return n;
}

static int64_t next_staying(int64_t offset)
{
    while (offset >= 10 && offset < 40 && !stays_in_swap(offset))
        offset++;
    return offset;
}

static void expect_cleaned(struct log_world *w)
{
    for (int64_t offset = 0; offset < END; offset++) {
        struct read_result r = log_world_read(w, offset, END, 1, true);
        EXPECT_INT(r.error, ERR_OK);
        EXPECT_INT(r.first_offset, next_staying(offset));
        read_result_free(&r);
        struct time_result found = log_world_time(w, 1000 + offset, END);
        EXPECT_INT(found.error, ERR_OK);
        EXPECT_INT(found.offset, next_staying(offset));
    }
}

static bool give_names(struct log_world *w)
{
    struct log_delete *names = log_delete_begin(w->log);
    if (names == NULL)
        return false;
    enum error error = log_delete_run(names);
    log_delete_end(names);
    return error == ERR_OK;
}

static int64_t size_of(const struct log_world *w, int64_t base, bool swap)
{
    char *path = (swap ? segment_swap_path : segment_path)(w->directory, base, SEGMENT_LOG);
    int64_t size = file_size(path);
    free(path);
    return size;
}

static void nothing(struct job *job)
{
    (void)job;
}

TEST(a_swap_is_visible_at_once_and_the_names_follow)
{
    struct log_world w;
    make_log(&w);
    struct new_segments *n = clean(&w);
    int64_t size = log_size_bytes(w.log);
    EXPECT_INT(log_replace_segments(w.log, n), ERR_OK);
    EXPECT_INT(log_size_bytes(w.log), size / 60 * 40); /* 10 of 30 are left */
    expect_cleaned(&w);
    EXPECT_INT(size_of(&w, 20, false), w.config.segment_bytes);
    log_close_idle_files(w.log, INT64_MAX); /* files without a name stay open */
    expect_cleaned(&w);
    EXPECT(give_names(&w));
    EXPECT_INT(size_of(&w, 10, false), size / 60 * 10);
    EXPECT_INT(size_of(&w, 10, true), -1);
    EXPECT_INT(size_of(&w, 20, false), -1);
    EXPECT_INT(size_of(&w, 30, false), -1);
    log_close_idle_files(w.log, INT64_MAX);
    expect_cleaned(&w);
    EXPECT(!give_names(&w)); /* nothing is left to do */
    log_world_open(&w, log_state(w.log));
    expect_cleaned(&w);
    log_world_load(&w);
    EXPECT_INT(log_size_bytes(w.log), size / 60 * 40);
    log_world_close(&w);
}

TEST(a_slice_from_before_the_swap_stays_readable)
{
    struct log_world w;
    make_log(&w);
    struct log_read_job job = {.job.done = nothing,
                               .log = w.log,
                               .offset = 21,
                               .end_offset = END,
                               .max_bytes = 1 << 20,
                               .at_least_one = true};
    log_read_submit(executor_inline(), &job);
    size_t size = job.slice->size;
    uint8_t *before = xmalloc(size), *after = xmalloc(size);
    EXPECT_INT(log_slice_copy(w.env.io, job.slice, before), ERR_OK);
    EXPECT_INT(log_replace_segments(w.log, clean(&w)), ERR_OK);
    EXPECT(give_names(&w));
    EXPECT_INT(log_slice_copy(w.env.io, job.slice, after), ERR_OK);
    EXPECT_BYTES(bytes_of(after, size), bytes_of(before, size));
    free(before);
    free(after);
    log_slice_unref(job.slice);
    log_world_close(&w);
}

/* No file is open when the readers begin: they open the old ones by name. */
TEST(a_reader_from_before_the_swap_finishes_with_the_old_segments)
{
    struct log_world w;
    struct stepped_executor steps;
    make_log(&w);
    struct new_segments *n = clean(&w);
    stepped_executor_init(&steps);
    log_close_idle_files(w.log, INT64_MAX);
    struct log_read_job read = {.job.done = nothing,
                                .log = w.log,
                                .offset = 13, /* its segment's name is used again */
                                .end_offset = END,
                                .max_bytes = 1,
                                .at_least_one = true};
    struct log_time_job time = {
        .job.done = nothing, .log = w.log, .timestamp = 1032, .end_offset = END};
    log_read_submit(&steps.executor, &read);
    log_time_submit(&steps.executor, &time);
    EXPECT_INT(log_replace_segments(w.log, n), ERR_OK);
    EXPECT(!give_names(&w));
    EXPECT(stepped_run(&steps));
    EXPECT(stepped_finish(&steps));
    EXPECT_INT(read.result, ERR_OK);
    EXPECT_INT(read.slice->first_offset, 13);
    log_slice_unref(read.slice);
    EXPECT(!give_names(&w)); /* the other reader is not done */
    EXPECT(stepped_run(&steps));
    EXPECT_INT(time.offset, 32);
    EXPECT(!give_names(&w));
    EXPECT(stepped_finish(&steps));
    expect_cleaned(&w); /* the log kept neither its file nor its position */
    EXPECT(give_names(&w));
    expect_cleaned(&w);
    log_world_close(&w);
}

TEST(readers_that_begin_after_the_swap_do_not_delay_the_names)
{
    struct log_world w;
    struct stepped_executor steps;
    make_log(&w);
    stepped_executor_init(&steps);
    EXPECT_INT(log_replace_segments(w.log, clean(&w)), ERR_OK);
    struct log_read_job read = {.job.done = nothing,
                                .log = w.log,
                                .offset = 22,
                                .end_offset = END,
                                .max_bytes = 1,
                                .at_least_one = true};
    log_read_submit(&steps.executor, &read);
    EXPECT(give_names(&w));
    EXPECT(stepped_run(&steps));
    EXPECT(stepped_finish(&steps));
    EXPECT_INT(read.slice->first_offset, 24);
    log_slice_unref(read.slice);
    log_world_close(&w);
}

TEST(a_reader_does_not_continue_at_a_position_in_the_old_file)
{
    struct log_world w;
    make_log(&w);
    struct read_result r = log_world_read(&w, 10, END, 1, true);
    EXPECT_INT(r.next_offset, 11); /* the log remembers its position */
    read_result_free(&r);
    EXPECT_INT(log_replace_segments(w.log, clean(&w)), ERR_OK);
    r = log_world_read(&w, 11, END, 1, true);
    EXPECT_INT(r.error, ERR_OK);
    EXPECT_INT(r.first_offset, 12);
    read_result_free(&r);
    log_world_close(&w);
}

TEST(several_segments_may_replace_several)
{
    struct log_world w;
    struct new_segments *n = NULL;
    make_log(&w);
    log_set_first_dirty(w.log, 50);
    make_swap_files(&w, (int64_t[]){10, 20}, 2, 10, 30);
    make_swap_files(&w, (int64_t[]){30}, 1, 30, 40);
    EXPECT_INT(new_segments_open(&w.env, w.directory, (int64_t[]){10, 30}, 2, 40, &n), ERR_OK);
    EXPECT_INT(log_replace_segments(w.log, n), ERR_OK);
    expect_cleaned(&w);
    EXPECT(give_names(&w));
    EXPECT_INT(size_of(&w, 20, false), -1);
    EXPECT(size_of(&w, 30, false) > 0);
    expect_cleaned(&w);
    log_world_open(&w, log_state(w.log));
    expect_cleaned(&w);
    log_world_close(&w);
}

TEST(a_segment_may_be_replaced_by_an_empty_one)
{
    struct log_world w;
    struct new_segments *n = NULL;
    make_log(&w);
    log_set_first_dirty(w.log, 20);
    make_swap_files(&w, NULL, 0, 10, 20);
    EXPECT_INT(new_segments_open(&w.env, w.directory, (int64_t[]){10}, 1, 20, &n), ERR_OK);
    EXPECT_INT(log_replace_segments(w.log, n), ERR_OK);
    for (int names = 0; names < 2; names++) {
        struct read_result r = log_world_read(&w, 13, END, 1, true);
        EXPECT_INT(r.error, ERR_OK);
        EXPECT_INT(r.first_offset, 20);
        read_result_free(&r);
        EXPECT_INT(log_world_time(&w, 1013, END).offset, 20);
        EXPECT_INT(give_names(&w), names == 0);
    }
    log_world_close(&w);
}

TEST(retention_deletes_the_new_segments_after_they_have_their_names)
{
    struct log_world w;
    make_log(&w);
    w.config.retention_ms = 10;
    log_configure(w.log, &w.config);
    EXPECT_INT(log_replace_segments(w.log, clean(&w)), ERR_OK);
    EXPECT_INT(log_retention_start(w.log, 1039 + 10), 10); /* 39, the youngest of all, stays */
    EXPECT_INT(log_retention_start(w.log, 1039 + 11), 40);
    log_set_start(w.log, 40);
    EXPECT(give_names(&w));
    EXPECT(size_of(&w, 10, false) > 0);
    EXPECT(give_names(&w)); /* the dead segments are deleted */
    EXPECT_INT(size_of(&w, 10, false), -1);
    EXPECT_INT(log_size_bytes(w.log), 2 * w.config.segment_bytes);
    log_world_close(&w);
}

TEST(a_failed_rename_is_tried_again_but_no_failed_sync)
{
    for (int failing = 1; failing <= 5; failing++) {
        struct log_world w;
        struct fault_io faults;
        fault_io_init(&faults);
        make_log(&w);
        w.env.io = &faults.io;
        EXPECT_INT(log_replace_segments(w.log, clean(&w)), ERR_OK);
        faults.call = failing <= 3 ? FAULT_RENAME : FAULT_SYNC;
        faults.countdown = failing <= 3 ? failing : failing - 3;
        EXPECT(!give_names(&w));
        expect_cleaned(&w);
        EXPECT(give_names(&w) == (failing <= 3));
        EXPECT(failing > 3 || size_of(&w, 10, true) == -1);
        expect_cleaned(&w);
        log_world_close(&w);
        EXPECT_INT(faults.open_files, 0);
    }
}

static void expect_refused(struct log_world *w, int64_t end, enum error expected)
{
    struct new_segments *n = NULL;
    EXPECT_INT(new_segments_open(&w->env, w->directory, (int64_t[]){10}, 1, end, &n), ERR_OK);
    EXPECT_INT(log_replace_segments(w->log, n), expected);
    new_segments_free(n);
}

TEST(only_whole_closed_segments_that_a_cleaner_may_change_are_replaced)
{
    struct log_world w;
    make_log(&w);
    make_swap_files(&w, old_bases, COUNT_OF(old_bases), 10, 40);
    expect_refused(&w, 40, ERR_NOT_FOUND); /* the first dirty offset is 0 */
    log_set_first_dirty(w.log, 50);
    expect_refused(&w, 45, ERR_NOT_FOUND);  /* not an end */
    expect_refused(&w, END, ERR_NOT_FOUND); /* the range has the active segment */
    struct segment *one = log_segment_at(w.log, old_bases[1]);
    one->damaged = true;
    expect_refused(&w, 40, ERR_NOT_FOUND);
    one->damaged = false;
    one->flushed_size--; /* its last bytes are only in memory */
    expect_refused(&w, 40, ERR_NOT_FOUND);
    one->flushed_size++;
    log_world_open(&w, log_state(w.log));
    expect_refused(&w, 40, ERR_BUSY); /* not loaded */
    log_world_load(&w);
    log_set_start(w.log, 20);
    EXPECT(give_names(&w));
    expect_refused(&w, 40, ERR_NOT_FOUND); /* retention has deleted some */
    log_world_close(&w);
}

TEST(a_second_swap_waits_for_the_names_of_the_first)
{
    struct log_world w;
    struct new_segments *n = NULL;
    make_log(&w);
    EXPECT_INT(log_replace_segments(w.log, clean(&w)), ERR_OK);
    log_set_first_dirty(w.log, 50);
    make_swap_files(&w, (int64_t[]){40}, 1, 40, 50);
    EXPECT_INT(new_segments_open(&w.env, w.directory, (int64_t[]){40}, 1, 50, &n), ERR_OK);
    EXPECT_INT(log_replace_segments(w.log, n), ERR_BUSY);
    EXPECT(give_names(&w));
    EXPECT_INT(log_replace_segments(w.log, n), ERR_OK);
    EXPECT(give_names(&w));
    struct read_result r = log_world_read(&w, 40, END, 1, true);
    EXPECT_INT(r.first_offset, 42);
    read_result_free(&r);
    log_world_close(&w);
}

TEST(new_segments_that_do_not_fit_are_refused)
{
    struct log_world w;
    struct new_segments *n = NULL;
    make_log(&w);
    make_swap_files(&w, old_bases, COUNT_OF(old_bases), 10, 40);
    EXPECT_INT(new_segments_open(&w.env, w.directory, (int64_t[]){10}, 1, 39, &n), ERR_CORRUPT);
    EXPECT_INT(new_segments_open(&w.env, w.directory, (int64_t[]){20}, 1, 40, &n), ERR_NOT_FOUND);
    char *path = segment_swap_path(w.directory, 10, SEGMENT_TIME_INDEX);
    file_write_at(path, file_size(path) - 1, "x", 1);
    EXPECT_INT(new_segments_open(&w.env, w.directory, (int64_t[]){10}, 1, 40, &n), ERR_CORRUPT);
    free(path);
    log_world_close(&w);
}
