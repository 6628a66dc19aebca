#include "tests/storage/support_log.h"

#include "storage/log_internal.h"
#include "storage/offset_index.h"
#include "storage/time_index.h"

#include <stdlib.h>
#include <unistd.h>

static int64_t part_size(const struct log_world *w, int64_t base, enum segment_part part)
{
    char *path = segment_path(w->directory, base, part);
    int64_t size = file_size(path);
    free(path);
    return size;
}

static struct buffer part_content(const struct log_world *w, int64_t base, enum segment_part part)
{
    struct buffer content;
    buffer_init(&content, 64 << 20);
    char *path = segment_path(w->directory, base, part);
    if (part == SEGMENT_LOG || file_size(path) >= 0)
        EXPECT_INT(io_read_file(io_posix(), path, &content), ERR_OK);
    free(path);
    return content;
}

static void expect_epoch_file(struct log_world *w)
{
    struct buffer text;
    char *path = log_world_path(w, "leader-epoch-checkpoint");
    buffer_init(&text, 100);
    EXPECT_INT(io_read_file(w->env.io, path, &text), ERR_OK);
    free(path);
    EXPECT_STRING(buffer_c_string(&text), "0\n1\n0 0\n");
    buffer_free(&text);
}

/* Kafka's own format (CheckpointFile): version, number of entries, "epoch start-offset". */
TEST(the_first_flush_and_each_new_segment_write_the_leader_epoch_file)
{
    struct log_world w;
    log_world_init(&w);
    w.config.segment_bytes = 1; /* a segment for each batch */
    log_world_open(&w, (struct log_state){0});
    log_world_append(&w, (struct batch_spec){.count = 1});
    log_world_flush(&w);
    expect_epoch_file(&w);
    /* A power failure may leave the file empty. */
    char *path = log_world_path(&w, "leader-epoch-checkpoint");
    EXPECT_INT(truncate(path, 0), 0);
    free(path);
    log_world_append(&w, (struct batch_spec){.count = 1});
    log_world_flush(&w);
    expect_epoch_file(&w);
    log_world_close(&w);
}

TEST(only_durable_batches_are_flushed)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, (struct log_state){0});
    log_world_append(&w, (struct batch_spec){.count = 2});
    int64_t size = log_size_bytes(w.log);
    log_world_append(&w, (struct batch_spec){.count = 2});
    EXPECT(log_flush_begin(w.log) == NULL);
    log_set_durable(w.log, 3); /* in the middle of the second batch */
    struct log_flush *flush = log_flush_begin(w.log);
    EXPECT(flush != NULL);
    EXPECT(log_busy(w.log));
    EXPECT(log_flush_begin(w.log) == NULL); /* one at a time */
    EXPECT_INT(log_flush_run(flush, true), ERR_OK);
    EXPECT_INT(log_flushed_offset(w.log), 0);
    log_flush_end(flush, ERR_OK);
    EXPECT(!log_busy(w.log));
    EXPECT_INT(log_flushed_offset(w.log), 2);
    EXPECT_INT(part_size(&w, 0, SEGMENT_LOG), size);
    EXPECT(log_flush_begin(w.log) == NULL);
    log_world_close(&w);
}

TEST(the_files_have_the_appended_bytes)
{
    struct log_world w;
    struct buffer expected;
    log_world_init(&w);
    buffer_init(&expected, 1 << 20);
    log_world_open(&w, (struct log_state){0});
    for (int i = 0; i < 50; i++) {
        struct shared_buffer *b =
            make_batch((struct batch_spec){.count = 1 + i % 3, .timestamp = i, .value_size = 30});
        log_append(w.log, b, b->data, b->size, 0);
        buffer_append(&expected, b->data, b->size);
        shared_buffer_unref(b);
        if (i % 7 == 0)
            log_world_flush(&w);
    }
    log_world_flush(&w);
    struct buffer content = part_content(&w, 0, SEGMENT_LOG);
    EXPECT_BYTES(buffer_view(&content), buffer_view(&expected));
    buffer_free(&content);
    buffer_free(&expected);
    EXPECT_INT(log_unflushed_bytes(w.log), 0);
    log_world_close(&w);
}

TEST(a_flush_of_more_batches_than_fit_in_one_write_is_complete)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, (struct log_state){0});
    for (int i = 0; i < 2600; i++)
        log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = i});
    log_world_flush(&w);
    EXPECT_INT(part_size(&w, 0, SEGMENT_LOG), log_size_bytes(w.log));
    log_trim_tail(w.log, 0);
    struct read_result r = log_world_read(&w, 0, 2600, 1 << 30, false);
    EXPECT_INT(r.next_offset, 2600);
    expect_whole_batches(&r);
    read_result_free(&r);
    log_world_close(&w);
}

/* A broker may have thousands of small partitions, and each file costs time. */
TEST(a_small_active_segment_has_index_files_from_their_first_entries_on)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, (struct log_state){0});
    log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = 77});
    log_world_flush(&w);
    EXPECT_INT(part_size(&w, 0, SEGMENT_INDEX), -1);
    EXPECT_INT(part_size(&w, 0, SEGMENT_TIME_INDEX), -1);
    for (int i = 0; i < 200; i++)
        log_world_append(&w, (struct batch_spec){.count = 21, .timestamp = 78});
    log_world_flush(&w);
    EXPECT(part_size(&w, 0, SEGMENT_INDEX) > 0);
    EXPECT(part_size(&w, 0, SEGMENT_TIME_INDEX) > 0);
    log_world_close(&w);
}

TEST(file_names_are_kafkas)
{
    struct log_world w;
    log_world_init(&w);
    w.config.segment_bytes = 1;
    log_world_open(&w, (struct log_state){0});
    for (int i = 0; i < 3; i++)
        log_world_append(&w, (struct batch_spec){.count = 21, .timestamp = 5});
    log_world_flush(&w);
    static const char *const names[] = {
        "00000000000000000000.log",       "00000000000000000021.log",
        "00000000000000000042.log",       "00000000000000000021.index",
        "00000000000000000021.timeindex", "00000000000000000000.timeindex"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *path = log_world_path(&w, names[i]);
        EXPECT(file_size(path) >= 0);
        free(path);
    }
    log_world_close(&w);
}

/* Checks every entry of the indexes as Kafka's dump tool does. The batch at the position of an
 * offset entry ends with its offset. A time entry names a batch by its last offset; the batch has
 * the timestamp, which is the largest one so far. */
static void expect_indexes_match(const struct log_world *w, int64_t base, bool closed)
{
    struct buffer log = part_content(w, base, SEGMENT_LOG);
    struct buffer index = part_content(w, base, SEGMENT_INDEX);
    struct buffer times = part_content(w, base, SEGMENT_TIME_INDEX);
    size_t index_at = 0, times_at = 0;
    int64_t max = -1, since = 0;
    for (size_t at = 0; at < log.size;) {
        struct bytes batch = bytes_from(buffer_view(&log), at);
        struct batch_header header;
        EXPECT(batch_header_read(batch, &header));
        if (since > w->config.index_interval_bytes) {
            struct offset_index_entry entry = offset_index_decode(index.data + index_at, base);
            EXPECT(index_at < index.size);
            EXPECT_INT(entry.offset, batch_last_offset(&header));
            EXPECT_INT(entry.position, at);
            index_at += OFFSET_INDEX_ENTRY;
            since = 0;
        }
        while (times_at < times.size) {
            struct time_index_entry entry = time_index_decode(times.data + times_at, base);
            if (entry.offset > batch_last_offset(&header))
                break;
            EXPECT_INT(entry.offset, batch_last_offset(&header));
            EXPECT_INT(entry.timestamp, header.max_timestamp);
            EXPECT(entry.timestamp > max);
            times_at += TIME_INDEX_ENTRY;
        }
        max = MAX(max, header.max_timestamp);
        since += (int64_t)batch_size(batch);
        at += batch_size(batch);
    }
    EXPECT_INT(index_at, index.size);
    EXPECT_INT(times_at, times.size);
    if (closed) {
        EXPECT(times.size > 0);
        EXPECT_INT(time_index_decode(times.data + times.size - TIME_INDEX_ENTRY, base).timestamp,
                   max);
    }
    EXPECT(time_index_is_sound(buffer_view(&times), base, INT64_MAX));
    buffer_free(&log);
    buffer_free(&index);
    buffer_free(&times);
}

static void append_some(struct log_world *w, int from, int count)
{
    for (int i = from; i < from + count; i++)
        log_world_append(w, (struct batch_spec){.count = 1 + i % 3,
                                                .timestamp = 1000 + (i * 37) % 200 + i,
                                                .step = i % 2 ? 5 : -5,
                                                .value_size = (size_t)(i % 50)});
}

static void expect_all_indexes_match(const struct log_world *w)
{
    for (size_t i = 0; i < w->log->segment_count; i++) {
        if (w->log->segments[i].size > 0)
            expect_indexes_match(w, w->log->segments[i].base_offset,
                                 &w->log->segments[i] != log_active(w->log));
    }
}

TEST(indexes_are_kafkas_after_any_sequence_of_flushes)
{
    for (int every = 1; every <= 64; every *= 4) {
        struct log_world w;
        log_world_init(&w);
        w.config.index_interval_bytes = 200;
        w.config.segment_bytes = 4000;
        log_world_open(&w, (struct log_state){0});
        for (int i = 0; i < 160; i += every) {
            append_some(&w, i, every);
            log_world_flush(&w);
        }
        EXPECT(w.log->segment_count > 3);
        expect_all_indexes_match(&w);
        log_world_close(&w);
    }
}

TEST(a_segment_closed_after_its_flush_gets_its_last_time_entry)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, (struct log_state){0});
    log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = 77});
    log_world_flush(&w);
    log_trim_tail(w.log, 0);
    EXPECT_INT(part_size(&w, 0, SEGMENT_TIME_INDEX), -1);
    w.config.segment_bytes = 1;
    log_configure(w.log, &w.config);
    log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = 78});
    struct log_flush *flush = log_flush_begin(w.log); /* nothing new is durable */
    EXPECT(flush != NULL);
    enum error error = log_flush_run(flush, true);
    log_flush_end(flush, error);
    EXPECT_INT(error, ERR_OK);
    EXPECT_INT(part_size(&w, 0, SEGMENT_TIME_INDEX), TIME_INDEX_ENTRY);
    EXPECT_INT(part_size(&w, 1, SEGMENT_LOG), -1);
    EXPECT(log_flush_begin(w.log) == NULL);
    log_world_flush(&w);
    expect_all_indexes_match(&w);
    log_world_close(&w);
}

/* After opening again, a log does not know the timestamps of its active segment. */
TEST(indexes_continue_correctly_after_opening_again)
{
    for (int before = 1; before < 40; before += 3) {
        struct log_world w;
        log_world_init(&w);
        w.config.index_interval_bytes = 500;
        log_world_open(&w, (struct log_state){0});
        append_some(&w, 0, before);
        log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = 9000});
        log_world_flush(&w);
        log_world_open(&w, log_state(w.log));
        for (int i = 0; i < 8; i++)
            log_world_append(
                &w, (struct batch_spec){.count = 1, .timestamp = 8000 + i, .value_size = 300});
        log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = 9500, .value_size = 900});
        log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = 9100});
        log_world_flush(&w);
        struct buffer times = part_content(&w, 0, SEGMENT_TIME_INDEX);
        EXPECT(time_index_is_sound(buffer_view(&times), 0, log_next_offset(w.log)));
        buffer_free(&times);
        struct time_result found = log_world_time(&w, 8500, log_next_offset(w.log));
        EXPECT_INT(found.error, ERR_OK);
        EXPECT_INT(found.timestamp, 9000);
        found = log_world_time(&w, 9001, log_next_offset(w.log));
        EXPECT_INT(found.timestamp, 9500);
        log_world_close(&w);
    }
}

static void append_zeros(const struct log_world *w, enum segment_part part, size_t size)
{
    static const uint8_t zeros[64];
    ASSERT(size <= sizeof zeros);
    char *path = segment_path(w->directory, 0, part);
    file_write_at(path, file_size(path), zeros, size);
    free(path);
}

/* What the power cut has left behind the checkpoint: zeros, or entries of batches that are lost. */
TEST(a_torn_end_of_the_indexes_is_cut_by_the_first_flush_after_opening)
{
    for (int torn = 0; torn < 4; torn++) {
        struct log_world w;
        log_world_init(&w);
        w.config.index_interval_bytes = 200;
        log_world_open(&w, (struct log_state){0});
        append_some(&w, 0, 60);
        log_world_flush(&w);
        struct log_state checkpoint = log_state(w.log);
        int64_t offsets = part_size(&w, 0, SEGMENT_INDEX);
        int64_t times = part_size(&w, 0, SEGMENT_TIME_INDEX);
        EXPECT(offsets > 0 && times > 0);
        if (torn == 3) {
            append_some(&w, 200, 60);
            log_world_flush(&w);
            EXPECT(part_size(&w, 0, SEGMENT_INDEX) > offsets);
            EXPECT(part_size(&w, 0, SEGMENT_TIME_INDEX) > times);
        }
        log_world_open(&w, checkpoint);
        if (torn != 1 && torn != 3)
            append_zeros(&w, SEGMENT_INDEX, (size_t)5 * OFFSET_INDEX_ENTRY);
        if (torn != 0 && torn != 3)
            append_zeros(&w, SEGMENT_TIME_INDEX, (size_t)3 * TIME_INDEX_ENTRY);
        log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = 1});
        log_world_flush(&w);
        EXPECT_INT(part_size(&w, 0, SEGMENT_INDEX), offsets);
        EXPECT_INT(part_size(&w, 0, SEGMENT_TIME_INDEX), times);
        expect_indexes_match(&w, 0, false);
        log_world_close(&w);
    }
}

TEST(a_time_entry_that_became_zeros_hides_no_timestamp)
{
    static const uint8_t zeros[TIME_INDEX_ENTRY];
    struct log_world w;
    log_world_init(&w);
    w.config.index_interval_bytes = 200;
    log_world_open(&w, (struct log_state){0});
    append_some(&w, 0, 60);
    log_world_flush(&w);
    log_world_open(&w, log_state(w.log));
    char *path = segment_path(w.directory, 0, SEGMENT_TIME_INDEX);
    file_write_at(path, file_size(path) - (int64_t)sizeof zeros, zeros, sizeof zeros);
    free(path);
    w.config.segment_bytes = 1;
    log_configure(w.log, &w.config);
    log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = 1});
    log_world_flush(&w);
    expect_indexes_match(&w, 0, true);
    log_world_close(&w);
}

TEST(after_a_failed_sync_no_flush_succeeds)
{
    struct log_world w;
    struct fault_io faults;
    log_world_init(&w);
    fault_io_init(&faults);
    w.env.io = &faults.io;
    log_world_open(&w, (struct log_state){0});
    append_some(&w, 0, 5);
    log_set_durable(w.log, log_next_offset(w.log));
    faults.call = FAULT_SYNC;
    faults.countdown = 1;
    faults.error = ERR_NO_SPACE;
    for (int i = 0; i < 2; i++) { /* the disk refuses only the first one */
        struct log_flush *flush = log_flush_begin(w.log);
        enum error error = log_flush_run(flush, true);
        EXPECT_INT(error, ERR_IO);
        log_flush_end(flush, error);
        EXPECT_INT(log_flushed_offset(w.log), 0);
    }
    log_world_close(&w);
}

TEST(a_failed_flush_loses_nothing_and_the_next_one_writes_it)
{
    static const enum fault_call calls[] = {FAULT_OPEN, FAULT_WRITE};
    for (size_t call = 0; call < COUNT_OF(calls); call++) {
        for (int countdown = 1; countdown <= 10; countdown++) {
            struct log_world w;
            struct fault_io faults;
            log_world_init(&w);
            fault_io_init(&faults);
            faults.error = ERR_NO_SPACE;
            w.env.io = &faults.io;
            w.config.index_interval_bytes = 200;
            w.config.segment_bytes = 1500;
            log_world_open(&w, (struct log_state){0});
            append_some(&w, 0, 5);
            log_world_flush(&w);
            append_some(&w, 5, 40);
            log_set_durable(w.log, log_next_offset(w.log));
            int64_t flushed = log_flushed_offset(w.log), unflushed = log_unflushed_bytes(w.log);
            faults.call = calls[call];
            faults.countdown = countdown;
            struct log_flush *flush = log_flush_begin(w.log);
            enum error error = log_flush_run(flush, true);
            EXPECT_INT(error, faults.countdown == 0 ? ERR_NO_SPACE : ERR_OK);
            log_flush_end(flush, error);
            if (error != ERR_OK) {
                EXPECT_INT(log_flushed_offset(w.log), flushed);
                EXPECT_INT(log_unflushed_bytes(w.log), unflushed);
                struct read_result r =
                    log_world_read(&w, flushed, log_next_offset(w.log), 1 << 20, true);
                EXPECT_INT(r.next_offset, log_next_offset(w.log));
                read_result_free(&r);
            }
            faults.countdown = 0;
            append_some(&w, 45, 5);
            log_world_flush(&w);
            EXPECT_INT(log_flushed_offset(w.log), log_next_offset(w.log));
            expect_all_indexes_match(&w);
            log_trim_tail(w.log, 0);
            for (int64_t offset = 0; offset < log_next_offset(w.log);) {
                struct read_result r =
                    log_world_read(&w, offset, log_next_offset(w.log), 1 << 20, true);
                EXPECT_INT(r.error, ERR_OK);
                expect_whole_batches(&r);
                offset = r.next_offset;
                read_result_free(&r);
            }
            log_world_close(&w);
            EXPECT_INT(faults.open_files, 0);
        }
    }
}

TEST(appends_and_rolls_continue_during_a_flush)
{
    struct log_world w;
    log_world_init(&w);
    w.config.segment_bytes = 1000;
    w.config.index_interval_bytes = 200;
    log_world_open(&w, (struct log_state){0});
    append_some(&w, 0, 20);
    log_set_durable(w.log, log_next_offset(w.log));
    int64_t end = log_next_offset(w.log);
    struct log_flush *flush = log_flush_begin(w.log);
    append_some(&w, 20, 20);
    log_set_durable(w.log, log_next_offset(w.log));
    EXPECT_INT(log_flush_run(flush, true), ERR_OK);
    append_some(&w, 40, 20);
    EXPECT_INT(log_trim_tail(w.log, 0), 0);
    log_flush_end(flush, ERR_OK);
    EXPECT_INT(log_flushed_offset(w.log), end);
    EXPECT(log_trim_tail(w.log, 0) > 0);
    log_world_flush(&w);
    expect_all_indexes_match(&w);
    log_world_close(&w);
}

TEST(the_state_opens_the_log_again)
{
    struct log_world w;
    log_world_init(&w);
    w.config.segment_bytes = 1000;
    log_world_open(&w, (struct log_state){0});
    append_some(&w, 0, 30);
    log_world_flush(&w);
    log_set_start(w.log, 4);
    struct log_state state = log_state(w.log);
    int64_t size = log_size_bytes(w.log);
    log_world_open(&w, state);
    struct log_state again = log_state(w.log);
    EXPECT_INT(again.log_start_offset, 4);
    EXPECT_INT(again.next_offset, state.next_offset);
    EXPECT_INT(again.active_base, state.active_base);
    EXPECT_INT(again.active_size, state.active_size);
    EXPECT_INT(log_durable_offset(w.log), state.next_offset);
    log_world_load(&w);
    EXPECT_INT(log_size_bytes(w.log), size);
    append_some(&w, 30, 30);
    log_world_flush(&w);
    expect_all_indexes_match(&w);
    log_world_close(&w);
}

/* --- files that vanish --- */

enum vanishing { FILE_IS_CLOSED, FILE_IS_OPEN, DIRECTORY_GOES, VANISHINGS };

static enum error flush_once(struct log_world *w)
{
    log_set_durable(w->log, log_next_offset(w->log));
    struct log_flush *flush = log_flush_begin(w->log);
    EXPECT(flush != NULL);
    enum error error = log_flush_run(flush, true);
    log_flush_end(flush, error);
    return error;
}

static void vanish(struct log_world *w, enum vanishing how)
{
    struct io *io = w->env.io;
    char *path = segment_path(w->directory, 0, SEGMENT_LOG);
    if (how != FILE_IS_OPEN)
        log_close_idle_files(w->log, INT64_MAX);
    if (how == DIRECTORY_GOES)
        EXPECT_INT(io_remove_tree(io, w->directory), ERR_OK);
    else
        EXPECT_INT(io->ops->unlink(io, path), ERR_OK);
    free(path);
}

static void expect_offsets(struct log_world *w, int64_t lost, int64_t end)
{
    for (int64_t offset = 0; offset < end; offset++) {
        struct read_result r = log_world_read(w, offset, end, 1, true);
        EXPECT_INT(r.error, offset < lost ? ERR_CORRUPT : ERR_OK);
        EXPECT_INT(r.first_offset, offset < lost ? -1 : offset);
        read_result_free(&r);
    }
}

TEST(a_log_whose_file_vanished_continues_in_a_new_segment)
{
    for (int how = 0; how < VANISHINGS; how++) {
        struct log_world w;
        log_world_init(&w);
        w.config.index_interval_bytes = 100;
        log_world_open(&w, (struct log_state){0});
        for (int i = 0; i < 10; i++)
            log_world_append(&w, (struct batch_spec){.count = 1, .value_size = 100});
        log_world_flush(&w);
        log_trim_tail(w.log, 0);
        for (int i = 0; i < 10; i++)
            log_world_append(&w, (struct batch_spec){.count = 1, .value_size = 100});
        vanish(&w, (enum vanishing)how);
        EXPECT_INT(flush_once(&w), ERR_NOT_FOUND);
        EXPECT_INT(log_flushed_offset(w.log), 10);
        log_world_append(&w, (struct batch_spec){.count = 1, .value_size = 100});
        EXPECT_INT(flush_once(&w), ERR_OK);
        EXPECT_INT(log_flushed_offset(w.log), 21);
        EXPECT_INT(log_state(w.log).active_base, 10);
        EXPECT_INT(log_unflushed_bytes(w.log), 0);
        log_trim_tail(w.log, 0);
        log_close_idle_files(w.log, INT64_MAX);
        expect_offsets(&w, 10, 21);
        struct log_state state = log_state(w.log);
        log_world_open(&w, state);
        expect_offsets(&w, 10, 21);
        log_world_append(&w, (struct batch_spec){.count = 1, .value_size = 100});
        log_world_flush(&w);
        expect_offsets(&w, 10, 22);
        log_world_close(&w);
    }
}

/* The last entries of a closed segment's indexes are missing, and later segments have batches. */
TEST(a_closed_segment_may_vanish_too)
{
    struct log_world w;
    log_world_init(&w);
    w.config.segment_bytes = 2000;
    log_world_open(&w, (struct log_state){0});
    for (int i = 0; i < 5; i++)
        log_world_append(&w, (struct batch_spec){.count = 1, .value_size = 100});
    log_world_flush(&w);
    for (int i = 0; i < 40; i++)
        log_world_append(&w, (struct batch_spec){.count = 1, .value_size = 100});
    EXPECT(log_state(w.log).active_base > 20);
    vanish(&w, FILE_IS_CLOSED);
    EXPECT_INT(flush_once(&w), ERR_NOT_FOUND);
    EXPECT_INT(flush_once(&w), ERR_OK);
    EXPECT_INT(log_flushed_offset(w.log), 45);
    log_trim_tail(w.log, 0);
    expect_offsets(&w, 5, 45);
    log_world_open(&w, log_state(w.log));
    expect_offsets(&w, 5, 45);
    log_world_close(&w);
}

TEST(a_flush_that_syncs_leaves_no_file_and_no_name_behind)
{
    struct log_world w;
    log_world_init(&w);
    w.env.io = sync_watch_begin();
    w.config.segment_bytes = 5000;
    w.config.index_interval_bytes = 100;
    log_world_open(&w, (struct log_state){0});
    for (int i = 0; i < 60; i++) {
        log_world_append(&w,
                         (struct batch_spec){.count = 3, .timestamp = 1000 + i, .value_size = 100});
        if (i % 7 == 0)
            log_world_flush(&w);
    }
    log_world_flush(&w);
    EXPECT(w.log->segment_count > 2);
    log_world_close(&w);
    EXPECT_INT(sync_watch_end(), 0);
}
