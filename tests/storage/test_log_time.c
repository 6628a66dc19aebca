#include "tests/storage/support_log.h"

#include <stdlib.h>

/* A log whose record timestamps are known: `at[offset]`. */
enum { RECORDS_MAX = 1000 };
struct timed_log {
    struct log_world w;
    int64_t at[RECORDS_MAX];
    int64_t next;
};

static void add(struct timed_log *t, struct batch_spec spec)
{
    int64_t base = log_world_append(&t->w, spec);
    for (int i = 0; i < spec.count; i++)
        t->at[base + i] = spec.timestamp + i * spec.step;
    t->next = base + spec.count;
}

/* The timestamps mostly rise, but some are late. All codecs are used. */
static struct timed_log *fill(int64_t segment_bytes)
{
    struct timed_log *t = xcalloc(1, sizeof *t);
    log_world_init(&t->w);
    t->w.config.segment_bytes = segment_bytes;
    t->w.config.index_interval_bytes = 400;
    log_world_open(&t->w, (struct log_state){0});
    for (int i = 0; i < 80; i++)
        add(t, (struct batch_spec){.count = 1 + i % 5,
                                   .timestamp = 10000 + i * 20 + (i % 9 == 0 ? -150 : 0) +
                                                (i == 65 ? 2000 : 0),
                                   .step = i % 3 == 0 ? -3 : 4,
                                   .codec = (enum codec)(i % CODEC_COUNT),
                                   .value_size = (size_t)(i % 40)});
    log_set_durable(t->w.log, t->next);
    return t;
}

static void drop(struct timed_log *t)
{
    log_world_close(&t->w);
    free(t);
}

static void expect_search(struct timed_log *t, int64_t timestamp, int64_t end)
{
    int64_t expected = log_start_offset(t->w.log);
    while (expected < end && t->at[expected] < timestamp)
        expected++;
    struct time_result found = log_world_time(&t->w, timestamp, end);
    EXPECT_INT(found.error, ERR_OK);
    EXPECT_INT(found.offset, expected < end ? expected : -1);
    EXPECT_INT(found.timestamp, expected < end ? t->at[expected] : -1);
}

static void search_everything(struct timed_log *t)
{
    for (int64_t timestamp = 9800; timestamp < 12700; timestamp += 7)
        expect_search(t, timestamp, t->next);
    expect_search(t, 0, t->next);
    expect_search(t, INT64_MAX, t->next);
}

TEST(the_first_record_at_or_after_a_timestamp_is_found_in_memory)
{
    struct timed_log *t = fill(1 << 20);
    search_everything(t);
    drop(t);
}

TEST(the_record_is_found_in_files_with_the_time_index)
{
    struct timed_log *t = fill(2500);
    log_world_flush(&t->w);
    log_trim_tail(t->w.log, 0);
    search_everything(t);
    drop(t);
}

TEST(the_record_is_found_partly_in_files_and_partly_in_memory)
{
    struct timed_log *t = fill(2500);
    struct log_flush *flush;
    log_set_durable(t->w.log, t->next);
    flush = log_flush_begin(t->w.log);
    for (int i = 0; i < 10; i++)
        add(t, (struct batch_spec){.count = 3, .timestamp = 12000 + i * 30, .step = 2});
    enum error error = log_flush_run(flush, true);
    log_flush_end(flush, error);
    EXPECT_INT(error, ERR_OK);
    log_set_durable(t->w.log, t->next);
    log_trim_tail(t->w.log, 0);
    search_everything(t);
    drop(t);
}

TEST(the_record_is_found_after_opening_again)
{
    struct timed_log *t = fill(2500);
    log_world_flush(&t->w);
    log_world_open(&t->w, log_state(t->w.log));
    search_everything(t);
    drop(t);
}

TEST(the_record_is_found_without_any_index)
{
    struct timed_log *t = fill(1 << 20);
    log_world_flush(&t->w);
    static const char *const names[] = {"00000000000000000000.index",
                                        "00000000000000000000.timeindex"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *path = log_world_path(&t->w, names[i]);
        EXPECT_INT(io_posix()->ops->unlink(io_posix(), path), ERR_OK);
        free(path);
    }
    log_world_open(&t->w, log_state(t->w.log));
    search_everything(t);
    drop(t);
}

TEST(a_flipped_byte_in_the_time_index_does_not_mislead)
{
    struct timed_log *t = fill(1 << 20);
    log_world_flush(&t->w);
    log_trim_tail(t->w.log, 0);
    char *path = log_world_path(&t->w, "00000000000000000000.timeindex");
    struct buffer content;
    buffer_init(&content, 1 << 20);
    EXPECT_INT(io_read_file(io_posix(), path, &content), ERR_OK);
    EXPECT(content.size > 100);
    for (size_t at = 0; at < content.size; at++) {
        uint8_t flipped = content.data[at] ^ 0x04;
        file_write_at(path, (int64_t)at, &flipped, 1);
        for (int64_t timestamp = 9900; timestamp < 12500; timestamp += 211)
            expect_search(t, timestamp, t->next);
        file_write_at(path, (int64_t)at, &content.data[at], 1);
    }
    buffer_free(&content);
    free(path);
    drop(t);
}

TEST(records_below_the_start_and_from_the_end_on_do_not_count)
{
    struct timed_log *t = fill(2500);
    log_world_flush(&t->w);
    log_trim_tail(t->w.log, 0);
    for (int64_t start = 0; start < t->next; start += 13) {
        log_set_start(t->w.log, start);
        expect_search(t, 0, t->next);
        expect_search(t, t->at[start], t->next);
        expect_search(t, 10500, t->next);
        expect_search(t, 11500, start);
    }
    drop(t);
}

TEST(batches_that_cross_the_end_offset_do_not_count)
{
    struct timed_log *t = fill(2500);
    for (int pass = 0; pass < 2; pass++) {
        struct time_result found = log_world_time(&t->w, 0, 0);
        EXPECT_INT(found.offset, -1);
        found = log_world_time(&t->w, t->at[1], 2); /* the batch [1, 3) */
        EXPECT_INT(found.offset, -1);
        log_world_flush(&t->w);
        log_trim_tail(t->w.log, 0);
    }
    drop(t);
}

static void expect_peak(struct timed_log *t)
{
    int64_t expected = log_start_offset(t->w.log);
    for (int64_t offset = expected; offset < t->next; offset++) {
        if (t->at[offset] > t->at[expected])
            expected = offset;
    }
    struct time_result found = log_world_time(&t->w, LOG_MAX_TIMESTAMP, t->next);
    EXPECT_INT(found.error, ERR_OK);
    EXPECT_INT(found.offset, expected);
    EXPECT_INT(found.timestamp, t->at[expected]);
}

TEST(the_record_with_the_largest_timestamp_is_found)
{
    struct timed_log *t = fill(2500);
    expect_peak(t); /* in memory */
    log_world_flush(&t->w);
    log_trim_tail(t->w.log, 0);
    expect_peak(t); /* in files */
    add(t, (struct batch_spec){.count = 3, .timestamp = 15000, .step = -5});
    expect_peak(t); /* in memory, after files */
    add(t, (struct batch_spec){.count = 3, .timestamp = 14990, .step = 5});
    expect_peak(t); /* the same timestamp again: the first one counts */
    log_world_flush(&t->w);
    add(t, (struct batch_spec){.count = 3, .timestamp = 15000});
    expect_peak(t); /* in files, and the same in memory */
    log_world_open(&t->w, (struct log_state){0});
    drop(t);
}

TEST(the_largest_timestamp_is_found_after_opening_again)
{
    struct timed_log *t = fill(2500);
    log_world_flush(&t->w);
    log_world_open(&t->w, log_state(t->w.log));
    expect_peak(t);
    add(t, (struct batch_spec){.count = 1, .timestamp = 15000});
    expect_peak(t);
    drop(t);
}

TEST(the_largest_timestamp_counts_from_the_start_on)
{
    struct timed_log *t = fill(2500);
    log_world_flush(&t->w);
    log_trim_tail(t->w.log, 0);
    int64_t peak = log_world_time(&t->w, LOG_MAX_TIMESTAMP, t->next).offset;
    struct time_result before = log_world_time(&t->w, LOG_MAX_TIMESTAMP, peak - 10);
    EXPECT_INT(before.error, ERR_OK);
    EXPECT(before.offset >= 0 && before.offset < peak - 10);
    for (int64_t offset = 0; offset < peak - 15; offset++)
        EXPECT(t->at[offset] <= before.timestamp);
    log_set_start(t->w.log, peak + 20);
    struct time_result after = log_world_time(&t->w, LOG_MAX_TIMESTAMP, t->next);
    EXPECT(after.offset >= peak + 20);
    drop(t);
}

TEST(an_empty_log_has_no_timestamps)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, (struct log_state){0});
    EXPECT_INT(log_world_time(&w, 0, 0).offset, -1);
    EXPECT_INT(log_world_time(&w, LOG_MAX_TIMESTAMP, 0).offset, -1);
    EXPECT_INT(log_world_time(&w, LOG_MAX_TIMESTAMP, 0).error, ERR_OK);
    log_world_close(&w);
}

static void nothing(struct job *job)
{
    (void)job;
}

TEST(batches_in_memory_may_be_dropped_during_a_search)
{
    struct timed_log *t = fill(1 << 20);
    struct stepped_executor e;
    stepped_executor_init(&e);
    struct log_time_job job = {
        .job.done = nothing, .log = t->w.log, .timestamp = t->at[50], .end_offset = t->next};
    log_time_submit(&e.executor, &job);
    log_world_flush(&t->w);
    log_trim_tail(t->w.log, 0);
    EXPECT(stepped_run(&e));
    EXPECT(stepped_finish(&e));
    EXPECT_INT(job.result, ERR_OK);
    EXPECT(job.found_timestamp >= t->at[50]);
    EXPECT_INT(job.found_timestamp, t->at[job.offset]);
    drop(t);
}
