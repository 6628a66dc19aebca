#include "tests/storage/support_log.h"

#include "storage/log_internal.h"

#include <stdlib.h>
#include <unistd.h>

/* A log of segments with ten offsets each. The n-th has timestamps 1000 n to 1000 n + 9. */
static void fill(struct log_world *w, int segments)
{
    log_world_init(w);
    w->config.segment_ms = 500;
    log_world_open(w, (struct log_state){0});
    for (int i = 1; i <= segments; i++) {
        for (int j = 0; j < 2; j++)
            log_world_append(
                w, (struct batch_spec){
                       .count = 5, .timestamp = 1000 * i + 5 * j, .step = 1, .value_size = 50});
    }
    EXPECT_INT(w->log->segment_count, segments);
    log_set_durable(w->log, log_next_offset(w->log));
}

static int64_t start_at(struct log_world *w, int64_t retention_ms, int64_t retention_bytes,
                        int64_t wall_ms)
{
    w->config.retention_ms = retention_ms;
    w->config.retention_bytes = retention_bytes;
    log_configure(w->log, &w->config);
    return log_retention_start(w->log, wall_ms);
}

static int files(const struct log_world *w)
{
    int count = 0;
    for (int64_t base = 0; base < 200; base++) {
        char *path = segment_path(w->directory, base, SEGMENT_LOG);
        count += file_size(path) >= 0;
        free(path);
    }
    return count;
}

static void delete_dead(struct log_world *w)
{
    struct log_delete *d = log_delete_begin(w->log);
    if (d == NULL)
        return;
    EXPECT(log_busy(w->log));
    EXPECT_INT(log_delete_run(d), ERR_OK);
    log_delete_end(d);
    EXPECT(!log_busy(w->log));
}

TEST(retention_by_time_deletes_whole_segments_from_the_front)
{
    struct log_world w;
    fill(&w, 5);
    EXPECT_INT(start_at(&w, -1, -1, INT64_MAX), 0);
    EXPECT_INT(start_at(&w, 100, -1, 1109), 0); /* exactly at the limit */
    EXPECT_INT(start_at(&w, 100, -1, 1110), 10);
    EXPECT_INT(start_at(&w, 100, -1, 3110), 30);
    EXPECT_INT(start_at(&w, 100, -1, 5109), 40);
    EXPECT_INT(start_at(&w, 100, -1, 5110), 50); /* everything */
    EXPECT_INT(start_at(&w, 100, -1, INT64_MIN), 0);
    EXPECT_INT(start_at(&w, 0, -1, 3000), 20);
    log_world_close(&w);
}

/* A batch without records and timestamps for `count` offsets. */
static void append_empty_batch(struct log_world *w, int32_t count)
{
    struct shared_buffer *buffer = shared_buffer_create(BATCH_HEADER_SIZE);
    memset(buffer->data, 0xff, BATCH_HEADER_SIZE);
    store_be32(buffer->data + 8, BATCH_HEADER_SIZE - BATCH_OVERHEAD);
    buffer->data[16] = BATCH_MAGIC;
    store_be16(buffer->data + 21, 0);
    store_be32(buffer->data + 23, (uint32_t)count - 1);
    store_be32(buffer->data + 57, 0);
    log_append(w->log, buffer, buffer->data, BATCH_HEADER_SIZE, 0);
    shared_buffer_unref(buffer);
}

TEST(a_segment_with_nothing_but_an_empty_batch_does_not_stop_retention)
{
    struct log_world w;
    log_world_init(&w);
    w.config.segment_bytes = 1;
    log_world_open(&w, (struct log_state){0});
    append_empty_batch(&w, 5); /* as a repair leaves it when a whole segment was damaged */
    log_world_append(&w, (struct batch_spec){.count = 5, .timestamp = 1000, .value_size = 50});
    append_empty_batch(&w, 5);
    log_world_append(&w, (struct batch_spec){.count = 5, .timestamp = 9000, .value_size = 50});
    log_set_durable(w.log, log_next_offset(w.log));
    EXPECT_INT(w.log->segment_count, 4);
    EXPECT_INT(start_at(&w, 100, -1, 1050), 5);
    EXPECT_INT(start_at(&w, 100, -1, 5000), 15);
    EXPECT_INT(start_at(&w, 100, -1, 9500), 20);
    log_world_close(&w);
}

TEST(a_young_segment_protects_those_after_it)
{
    struct log_world w;
    log_world_init(&w);
    w.config.segment_bytes = 1;
    log_world_open(&w, (struct log_state){0});
    static const int64_t timestamps[] = {100, 900000, 200, 300};
    for (size_t i = 0; i < COUNT_OF(timestamps); i++)
        log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = timestamps[i]});
    log_set_durable(w.log, 4);
    EXPECT_INT(start_at(&w, 1000, -1, 500000), 1);
    log_world_close(&w);
}

#define DAY INT64_C(86400000)

static void append_at(struct log_world *w, int64_t timestamp)
{
    log_world_append(w, (struct batch_spec){.count = 1, .timestamp = timestamp});
    log_set_durable(w->log, log_next_offset(w->log));
}

/* A clock that stood years ahead has stamped them. They would stay for years, and all after them.
 */
TEST(segments_with_impossible_timestamps_go_with_those_after_them)
{
    struct log_world w;
    log_world_init(&w);
    w.config.segment_bytes = 1;
    log_world_open(&w, (struct log_state){0});
    const int64_t timestamps[] = {1000, 9000 * DAY, 9001 * DAY, 2000, 9002 * DAY};
    for (size_t i = 0; i < COUNT_OF(timestamps); i++)
        append_at(&w, timestamps[i]);
    EXPECT_INT(start_at(&w, DAY, -1, DAY + 1500), 1); /* 2000 is too young */
    EXPECT_INT(start_at(&w, DAY, -1, DAY + 3000), 4); /* nothing is known of the last one */
    append_at(&w, 3500);
    EXPECT_INT(start_at(&w, DAY, -1, DAY + 3000), 4);
    EXPECT_INT(start_at(&w, DAY, -1, DAY + 4000), 6);
    log_world_close(&w);
}

TEST(timestamps_that_the_topic_accepts_keep_their_segment)
{
    struct log_world w;
    log_world_init(&w);
    w.config.segment_bytes = 1;
    w.config.timestamp_after_max_ms = 10000 * DAY;
    log_world_open(&w, (struct log_state){0});
    append_at(&w, 9000 * DAY);
    append_at(&w, 2000);
    EXPECT_INT(start_at(&w, DAY, -1, DAY + 3000), 0);
    w.config.timestamp_after_max_ms = INT64_MAX;
    EXPECT_INT(start_at(&w, DAY, -1, DAY + 3000), 0);
    log_world_close(&w);
}

/* Else the records that follow could not expire before it is full. */
TEST(a_segment_with_impossible_timestamps_is_closed_by_the_next_possible_one)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, (struct log_state){0});
    append_at(&w, 9000 * DAY);
    append_at(&w, 9000 * DAY);
    EXPECT_INT(start_at(&w, DAY, -1, DAY), 0);
    append_at(&w, 9000 * DAY); /* the clock is still wrong */
    EXPECT_INT(w.log->segment_count, 1);
    append_at(&w, DAY);
    append_at(&w, DAY + 5);
    EXPECT_INT(w.log->segment_count, 2);
    EXPECT_INT(start_at(&w, DAY, -1, 2 * DAY + 6), 5);
    log_world_close(&w);
}

TEST(retention_by_size_deletes_segments_while_enough_bytes_are_left)
{
    struct log_world w;
    fill(&w, 5);
    int64_t segment = log_size_bytes(w.log) / 5;
    EXPECT_INT(start_at(&w, -1, 5 * segment, 0), 0);
    EXPECT_INT(start_at(&w, -1, 4 * segment + 1, 0), 0);
    EXPECT_INT(start_at(&w, -1, 4 * segment, 0), 10);
    EXPECT_INT(start_at(&w, -1, segment, 0), 40);
    EXPECT_INT(start_at(&w, -1, 1, 0), 40);
    EXPECT_INT(start_at(&w, -1, 0, 0), 50);
    EXPECT_INT(start_at(&w, 100, 2 * segment, 2200), 30); /* both: the larger start counts */
    log_world_close(&w);
}

TEST(retention_keeps_records_that_are_not_durable_or_not_deletable)
{
    struct log_world w;
    fill(&w, 3);
    for (int j = 0; j < 2; j++)
        log_world_append(&w, (struct batch_spec){.count = 5, .timestamp = 4000});
    EXPECT_INT(start_at(&w, 100, -1, INT64_MAX), 30);
    EXPECT_INT(start_at(&w, -1, 0, 0), 30);
    w.config.delete_enabled = false;
    EXPECT_INT(start_at(&w, 100, -1, INT64_MAX), 0);
    log_world_close(&w);
}

TEST(the_start_never_falls)
{
    struct log_world w;
    fill(&w, 3);
    log_set_start(w.log, 15);
    EXPECT_INT(log_start_offset(w.log), 15);
    log_set_start(w.log, 12);
    EXPECT_INT(log_start_offset(w.log), 15);
    EXPECT_INT(start_at(&w, 100, -1, 1200), 15);
    EXPECT_INT(start_at(&w, 100, -1, 2200), 20);
    log_world_close(&w);
}

static int errors_logged;

static void count_line(struct trace *trace, struct bytes line)
{
    (void)trace, (void)line;
    errors_logged++;
}

static void ignore_read(struct job *job)
{
    log_slice_unref(CONTAINER_OF(job, struct log_read_job, job)->slice);
}

/* The read job has its plan from a time when the log was not loaded. Another job loads the log, and
 * then retention deletes segments that the plan still counts on. */
TEST(a_read_that_waits_while_segments_are_deleted_reports_no_damage)
{
    struct log_world w;
    struct stepped_executor slow;
    struct trace trace = {.level = TRACE_ERROR, .clock = clock_system(), .write = count_line};
    errors_logged = 0;
    fill(&w, 5);
    log_world_flush(&w);
    w.env.trace = &trace;
    struct log_state state = {
        .next_offset = 50, .active_base = 40, .active_size = w.log->segments[4].flushed_size};
    log_world_open(&w, state);
    log_set_durable(w.log, 50);
    stepped_executor_init(&slow);
    struct log_read_job job = {
        .job.done = ignore_read, .log = w.log, .end_offset = 50, .max_bytes = 1000};
    log_read_submit(&slow.executor, &job);
    log_world_load(&w);
    log_set_start(w.log, 30);
    struct log_delete *d = log_delete_begin(w.log);
    EXPECT_INT(log_delete_run(d), ERR_OK);
    log_delete_end(d);
    EXPECT(stepped_run(&slow));
    EXPECT(stepped_finish(&slow));
    EXPECT_INT(errors_logged, 0);
    log_world_close(&w);
}

/* The same, if nothing was deleted on purpose. */
TEST(the_job_that_loads_a_log_reports_missing_and_damaged_segments_once)
{
    struct log_world w;
    struct trace trace = {.level = TRACE_ERROR, .clock = clock_system(), .write = count_line};
    errors_logged = 0;
    fill(&w, 5);
    log_world_flush(&w);
    w.env.trace = &trace;
    struct log_state state = {
        .next_offset = 50, .active_base = 40, .active_size = w.log->segments[4].flushed_size};
    for (int64_t base = 0; base <= 20; base += 20) {
        char *path = segment_path(w.directory, base, SEGMENT_LOG);
        EXPECT_INT(unlink(path), 0);
        free(path);
    }
    log_world_open(&w, state);
    log_set_durable(w.log, 50);
    log_world_load(&w);
    EXPECT_INT(errors_logged, 2); /* [0, 10) is missing, [10, 30) has only ten offsets */
    log_world_load(&w);
    EXPECT_INT(errors_logged, 2);
    log_world_close(&w);
}

TEST(the_files_of_dead_segments_are_deleted)
{
    struct log_world w;
    fill(&w, 5);
    int64_t size = log_size_bytes(w.log);
    log_set_start(w.log, 25);
    EXPECT(log_delete_begin(w.log) == NULL); /* they are only in memory yet */
    log_world_flush(&w);
    EXPECT_INT(files(&w), 5);
    delete_dead(&w);
    EXPECT_INT(files(&w), 3);
    EXPECT_INT(log_size_bytes(w.log), size / 5 * 3);
    EXPECT(log_delete_begin(w.log) == NULL);
    for (int part = 0; part < SEGMENT_PARTS; part++) {
        char *path = segment_path(w.directory, 10, (enum segment_part)part);
        EXPECT_INT(file_size(path), -1);
        free(path);
    }
    log_trim_tail(w.log, 0);
    struct read_result r = log_world_read(&w, 25, 50, 1 << 20, true);
    EXPECT_INT(r.error, ERR_OK);
    EXPECT_INT(r.first_offset, 25);
    read_result_free(&r);
    log_world_close(&w);
}

TEST(when_everything_is_deleted_the_log_continues_at_its_end)
{
    struct log_world w;
    fill(&w, 3);
    log_world_flush(&w);
    log_set_start(w.log, 30);
    struct log_state state = log_state(w.log);
    EXPECT_INT(state.active_base, 30);
    EXPECT_INT(state.active_size, 0);
    log_world_flush(&w);
    delete_dead(&w);
    EXPECT_INT(files(&w), 0);
    EXPECT_INT(log_size_bytes(w.log), 0);
    log_world_open(&w, log_state(w.log));
    EXPECT_INT(log_world_append(&w, (struct batch_spec){.count = 5, .timestamp = 9}), 30);
    log_world_flush(&w);
    log_trim_tail(w.log, 0);
    struct read_result r = log_world_read(&w, 30, 35, 1 << 20, true);
    EXPECT_INT(r.next_offset, 35);
    read_result_free(&r);
    log_world_close(&w);
}

TEST(a_log_that_is_not_loaded_deletes_nothing)
{
    struct log_world w;
    fill(&w, 5);
    log_world_flush(&w);
    log_world_open(&w, log_state(w.log));
    EXPECT_INT(start_at(&w, 1, -1, INT64_MAX), 0);
    log_set_start(w.log, 20);
    EXPECT(log_delete_begin(w.log) == NULL);
    log_world_load(&w);
    EXPECT_INT(start_at(&w, 100, -1, 3110), 30);
    delete_dead(&w);
    EXPECT_INT(files(&w), 3);
    log_world_close(&w);
}

TEST(a_load_finds_timestamps_that_are_only_in_batches)
{
    struct log_world w;
    fill(&w, 2); /* the second segment is active: no entry in its time index */
    log_world_flush(&w);
    log_world_open(&w, log_state(w.log));
    log_world_load(&w);
    EXPECT_INT(start_at(&w, 100, -1, 2109), 10);
    EXPECT_INT(start_at(&w, 100, -1, 2110), 20);
    log_world_close(&w);
}

TEST(retention_by_time_keeps_a_damaged_segment)
{
    struct log_world w;
    fill(&w, 3);
    log_world_flush(&w);
    char *path = segment_path(w.directory, 0, SEGMENT_LOG);
    file_write_at(path, 16, "\x07", 1); /* the magic of the first batch */
    log_world_open(&w, log_state(w.log));
    log_world_load(&w);
    EXPECT_INT(start_at(&w, 1, -1, INT64_MAX), 0);
    EXPECT_INT(start_at(&w, -1, 0, 0), 30); /* size needs no timestamps */
    /* The first batch is old and can be read. The timestamps of the second are lost. */
    file_write_at(path, 16, "\x02", 1);
    file_write_at(path, file_size(path) / 2 + 16, "\x07", 1);
    free(path);
    log_world_open(&w, log_state(w.log));
    log_world_load(&w);
    EXPECT_INT(start_at(&w, 1, -1, INT64_MAX), 0);
    log_world_close(&w);
}

TEST(files_that_a_crash_left_below_the_start_are_deleted_after_a_load)
{
    struct log_world w;
    fill(&w, 5);
    log_world_flush(&w);
    log_set_start(w.log, 30);
    log_world_open(&w, log_state(w.log)); /* stopped before the files were deleted */
    EXPECT_INT(files(&w), 5);
    log_world_load(&w);
    delete_dead(&w);
    EXPECT_INT(files(&w), 2);
    log_world_close(&w);
}

TEST(nothing_is_deleted_during_a_flush)
{
    struct log_world w;
    fill(&w, 3);
    log_world_flush(&w);
    log_world_append(&w, (struct batch_spec){.count = 5, .timestamp = 3010});
    log_set_durable(w.log, 35);
    struct log_flush *flush = log_flush_begin(w.log);
    log_set_start(w.log, 20);
    EXPECT(log_delete_begin(w.log) == NULL);
    EXPECT_INT(log_flush_run(flush, false), ERR_OK);
    log_flush_end(flush, ERR_OK);
    delete_dead(&w);
    EXPECT_INT(files(&w), 1);
    log_world_close(&w);
}
