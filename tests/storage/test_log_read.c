#include "tests/storage/support_log.h"

#include "storage/segment.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A log of batches with different sizes in several segments. `ends[offset]` is the end of the batch
 * with this offset, `sizes` its size. */
enum { BATCHES = 60, OFFSETS_MAX = BATCHES * 4 };
struct filled_log {
    struct log_world w;
    int64_t first_of[OFFSETS_MAX], next_of[OFFSETS_MAX];
    size_t size_of[OFFSETS_MAX];
    int64_t segment_of[OFFSETS_MAX];
    int64_t next;
};

static struct filled_log *fill(int64_t segment_bytes)
{
    struct filled_log *f = xcalloc(1, sizeof *f);
    log_world_init(&f->w);
    f->w.config.segment_bytes = segment_bytes;
    f->w.config.index_interval_bytes = 300;
    log_world_open(&f->w, (struct log_state){0});
    for (int i = 0; i < BATCHES; i++) {
        struct batch_spec spec = {.count = 1 + i % 4,
                                  .timestamp = 1000 + i * 10,
                                  .value_size = (size_t)(i * 7 % 90),
                                  .codec = i % 5 == 0 ? CODEC_GZIP : CODEC_NONE};
        size_t before = (size_t)log_size_bytes(f->w.log);
        int64_t base = log_world_append(&f->w, spec);
        f->next = log_next_offset(f->w.log);
        for (int64_t offset = base; offset < f->next; offset++) {
            f->first_of[offset] = base;
            f->next_of[offset] = f->next;
            f->size_of[offset] = (size_t)log_size_bytes(f->w.log) - before;
            f->segment_of[offset] = log_state(f->w.log).active_base;
        }
    }
    log_set_durable(f->w.log, f->next);
    return f;
}

static void drop(struct filled_log *f)
{
    log_world_close(&f->w);
    free(f);
}

/* Checks a read: it gives whole batches from the one with `offset` on, as many as fit.
 * `one_segment`: a read from files ends with its segment. */
static void expect_read(struct filled_log *f, struct read_result *r, int64_t offset, int64_t end,
                        size_t max_bytes, bool at_least_one, bool one_segment)
{
    int64_t next = f->first_of[offset];
    size_t size = 0;
    while (next < f->next && f->next_of[next] <= end &&
           (!one_segment || f->segment_of[next] == f->segment_of[offset]) &&
           (size + f->size_of[next] <= max_bytes || (size == 0 && at_least_one))) {
        size += f->size_of[next];
        next = f->next_of[next];
    }
    EXPECT_INT(r->error, ERR_OK);
    EXPECT_INT(r->bytes.size, size);
    if (size > 0) {
        EXPECT_INT(r->first_offset, f->first_of[offset]);
        EXPECT_INT(r->next_offset, next);
        expect_whole_batches(r);
    }
    read_result_free(r);
}

static void read_everywhere(struct filled_log *f, bool from_files)
{
    static const size_t limits[] = {0, 1, 100, 168, 169, 170, 300, 1000, 1 << 20};
    for (int64_t offset = 0; offset < f->next; offset++) {
        for (size_t i = 0; i < COUNT_OF(limits); i++) {
            for (int least = 0; least < 2; least++) {
                struct read_result r =
                    log_world_read(&f->w, offset, f->next, limits[i], least == 1);
                expect_read(f, &r, offset, f->next, limits[i], least == 1, from_files);
            }
        }
    }
}

TEST(every_offset_is_read_from_memory_within_every_limit)
{
    struct filled_log *f = fill(2000);
    read_everywhere(f, false);
    drop(f);
}

TEST(every_offset_is_read_from_files_within_every_limit)
{
    struct filled_log *f = fill(2000);
    log_world_flush(&f->w);
    log_trim_tail(f->w.log, 0);
    EXPECT_INT(log_tail_bytes(f->w.log), 0);
    read_everywhere(f, true);
    drop(f);
}

TEST(every_offset_is_read_after_opening_again)
{
    struct filled_log *f = fill(2000);
    log_world_flush(&f->w);
    log_world_open(&f->w, log_state(f->w.log));
    EXPECT(!log_is_loaded(f->w.log));
    read_everywhere(f, true);
    EXPECT(log_is_loaded(f->w.log));
    drop(f);
}

TEST(a_read_ends_below_its_end_offset)
{
    struct filled_log *f = fill(1 << 20);
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t end = 0; end <= f->next; end++) {
            for (int64_t offset = 0; offset < f->next; offset += 3) {
                struct read_result r = log_world_read(&f->w, offset, end, 1 << 20, true);
                expect_read(f, &r, offset, end, 1 << 20, true, true);
            }
        }
        log_world_flush(&f->w);
        log_trim_tail(f->w.log, 0);
    }
    drop(f);
}

TEST(a_read_at_the_end_is_empty_and_outside_is_refused)
{
    struct filled_log *f = fill(2000);
    log_set_start(f->w.log, 7);
    for (int pass = 0; pass < 2; pass++) {
        struct log_slice *slice;
        EXPECT_INT(log_read(f->w.log, f->next, f->next, 1000, true, &slice), ERR_OK);
        EXPECT(slice == NULL);
        EXPECT_INT(log_read(f->w.log, f->next + 1, f->next, 1000, true, &slice), ERR_OUT_OF_RANGE);
        EXPECT_INT(log_read(f->w.log, 6, f->next, 1000, true, &slice), ERR_OUT_OF_RANGE);
        struct read_result r = log_world_read_job(&f->w, f->next + 1, f->next, 1000, true);
        EXPECT_INT(r.error, ERR_OUT_OF_RANGE);
        read_result_free(&r);
        r = log_world_read_job(&f->w, f->next, f->next, 1000, true);
        EXPECT_INT(r.error, ERR_OK);
        EXPECT_INT(r.bytes.size, 0);
        read_result_free(&r);
        r = log_world_read(&f->w, 7, f->next, 1000, true); /* in the middle of a batch */
        EXPECT_INT(r.error, ERR_OK);
        EXPECT_INT(r.first_offset, f->first_of[7]);
        read_result_free(&r);
        log_world_flush(&f->w);
        log_trim_tail(f->w.log, 0);
    }
    drop(f);
}

TEST(only_a_range_that_is_not_in_memory_needs_a_job)
{
    struct filled_log *f = fill(2000);
    log_world_flush(&f->w);
    log_trim_tail(f->w.log, 500);
    struct log_slice *slice;
    EXPECT_INT(log_read(f->w.log, 0, f->next, 1000, true, &slice), ERR_BUSY);
    EXPECT_INT(log_read(f->w.log, f->next - 1, f->next, 1000, true, &slice), ERR_OK);
    EXPECT(slice != NULL && slice->pieces[0].buffer != NULL);
    log_slice_unref(slice);
    struct read_result r = log_world_read_job(&f->w, f->next - 1, f->next, 1000, true);
    EXPECT_INT(r.error, ERR_OK);
    EXPECT(r.bytes.size > 0);
    read_result_free(&r);
    drop(f);
}

TEST(adjacent_batches_of_a_buffer_are_one_piece)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, (struct log_state){0});
    struct shared_buffer *one = make_batch((struct batch_spec){.count = 2});
    struct shared_buffer *both = shared_buffer_create(one->size * 2);
    memcpy(both->data, one->data, one->size);
    memcpy(both->data + one->size, one->data, one->size);
    log_append(w.log, both, both->data, one->size, 0);
    log_append(w.log, both, both->data + one->size, one->size, 0);
    log_append(w.log, one, one->data, one->size, 0);
    struct log_slice *slice;
    EXPECT_INT(log_read(w.log, 0, 6, 1 << 20, false, &slice), ERR_OK);
    EXPECT_INT(slice->piece_count, 2);
    EXPECT_INT(slice->pieces[0].size, one->size * 2);
    EXPECT_INT(slice->size, one->size * 3);
    log_slice_unref(slice);
    shared_buffer_unref(one);
    shared_buffer_unref(both);
    log_world_close(&w);
}

TEST(a_slice_has_a_bounded_number_of_pieces)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, (struct log_state){0});
    for (int i = 0; i < 3000; i++)
        log_world_append(&w, (struct batch_spec){.count = 1});
    int64_t offset = 0;
    for (int reads = 0; offset < 3000; reads++) {
        struct log_slice *slice;
        EXPECT_INT(log_read(w.log, offset, 3000, 1 << 30, false, &slice), ERR_OK);
        EXPECT(slice->piece_count <= 1024);
        EXPECT_INT(slice->first_offset, offset);
        offset = slice->next_offset;
        log_slice_unref(slice);
        EXPECT(reads < 3);
    }
    log_world_close(&w);
}

static void nothing(struct job *job)
{
    (void)job;
}

static struct log_read_job read_job(struct filled_log *f, int64_t offset, size_t max_bytes)
{
    return (struct log_read_job){.job.done = nothing,
                                 .log = f->w.log,
                                 .offset = offset,
                                 .end_offset = f->next,
                                 .max_bytes = max_bytes,
                                 .at_least_one = true};
}

TEST(slices_of_memory_and_files_outlive_their_log)
{
    struct filled_log *f = fill(2000);
    struct io *io = f->w.env.io;
    log_world_flush(&f->w);
    struct log_slice *memory;
    EXPECT_INT(log_read(f->w.log, 0, f->next, 500, true, &memory), ERR_OK);
    log_trim_tail(f->w.log, 0);
    struct log_read_job job = read_job(f, 0, 500);
    log_read_submit(executor_inline(), &job);
    EXPECT_INT(job.result, ERR_OK);
    EXPECT(job.slice->pieces[0].file != NULL);
    EXPECT(segment_file_descriptor(io, job.slice->pieces[0].file) >= 0);
    EXPECT_INT(io_remove_tree(io, f->w.directory), ERR_OK);
    drop(f);
    EXPECT_INT(memory->size, job.slice->size);
    uint8_t *from_memory = xmalloc(memory->size), *from_file = xmalloc(memory->size);
    EXPECT_INT(log_slice_copy(io, memory, from_memory), ERR_OK);
    EXPECT_INT(log_slice_copy(io, job.slice, from_file), ERR_OK);
    EXPECT_BYTES(bytes_of(from_file, memory->size), bytes_of(from_memory, memory->size));
    free(from_memory);
    free(from_file);
    log_slice_unref(memory);
    log_slice_unref(job.slice);
}

TEST(a_log_is_busy_until_a_job_is_done_and_appends_continue)
{
    struct filled_log *f = fill(2000);
    struct stepped_executor e;
    stepped_executor_init(&e);
    log_world_flush(&f->w);
    log_trim_tail(f->w.log, 0);
    struct log_read_job first = read_job(f, 0, 400), second = read_job(f, 5, 400);
    log_read_submit(&e.executor, &first);
    log_read_submit(&e.executor, &second);
    EXPECT(log_busy(f->w.log));
    log_world_append(&f->w, (struct batch_spec){.count = 50, .value_size = 500});
    log_world_append(&f->w, (struct batch_spec){.count = 50, .value_size = 500});
    EXPECT(stepped_run(&e));
    log_world_flush(&f->w);
    log_trim_tail(f->w.log, 0);
    EXPECT(stepped_run(&e));
    EXPECT(stepped_finish(&e));
    EXPECT(log_busy(f->w.log));
    EXPECT(stepped_finish(&e));
    EXPECT(!log_busy(f->w.log));
    EXPECT_INT(first.slice->first_offset, 0);
    EXPECT_INT(second.slice->first_offset, f->first_of[5]);
    log_slice_unref(first.slice);
    log_slice_unref(second.slice);
    drop(f);
}

TEST(two_jobs_that_find_the_segments_at_the_same_time_agree)
{
    struct filled_log *f = fill(2000);
    struct stepped_executor e;
    stepped_executor_init(&e);
    log_world_flush(&f->w);
    int64_t size = log_size_bytes(f->w.log);
    log_world_open(&f->w, log_state(f->w.log));
    EXPECT(log_size_bytes(f->w.log) < size);
    struct log_read_job first = read_job(f, 0, 400), second = read_job(f, 1, 400);
    log_read_submit(&e.executor, &first);
    log_read_submit(&e.executor, &second);
    while (stepped_run(&e) || stepped_finish(&e))
        continue;
    EXPECT_INT(first.result, ERR_OK);
    EXPECT_INT(second.result, ERR_OK);
    EXPECT_INT(log_size_bytes(f->w.log), size);
    log_slice_unref(first.slice);
    log_slice_unref(second.slice);
    drop(f);
}

TEST(a_range_that_is_deleted_during_a_job_is_out_of_range)
{
    struct filled_log *f = fill(2000);
    struct stepped_executor e;
    stepped_executor_init(&e);
    log_world_flush(&f->w);
    log_trim_tail(f->w.log, 0);
    log_close_idle_files(f->w.log, INT64_MAX);
    struct log_read_job job = read_job(f, 0, 400);
    log_read_submit(&e.executor, &job);
    log_set_start(f->w.log, f->next / 2);
    struct log_delete *d = log_delete_begin(f->w.log);
    EXPECT(d != NULL);
    EXPECT_INT(log_delete_run(d), ERR_OK);
    log_delete_end(d);
    stepped_run(&e);
    stepped_finish(&e);
    EXPECT_INT(job.result, ERR_OUT_OF_RANGE);
    EXPECT(job.slice == NULL);
    drop(f);
}

TEST(files_are_closed_when_idle_and_opened_again)
{
    struct filled_log *f = fill(2000);
    struct fault_io faults;
    fault_io_init(&faults);
    log_world_flush(&f->w);
    f->w.env.io = &faults.io;
    log_world_open(&f->w, log_state(f->w.log));
    for (int round = 0; round < 2; round++) {
        for (int64_t offset = 0; offset < f->next; offset++) {
            struct read_result r = log_world_read(&f->w, offset, f->next, 1, true);
            EXPECT_INT(r.error, ERR_OK);
            read_result_free(&r);
        }
        EXPECT(faults.open_files > 1);
        log_close_idle_files(f->w.log, 5000); /* all were used at 5000 */
        EXPECT(faults.open_files > 1);
        log_close_idle_files(f->w.log, 5001);
        EXPECT_INT(faults.open_files, 0);
    }
    drop(f);
}

/* --- damage --- */

static char *path_of_segment(struct filled_log *f, int64_t base, enum segment_part part)
{
    return segment_path(f->w.directory, base, part);
}

TEST(a_flipped_bit_is_an_error_for_its_batch_alone)
{
    struct filled_log *f = fill(1 << 20);
    log_world_flush(&f->w);
    log_trim_tail(f->w.log, 0);
    int64_t damaged = 30, position = 0;
    for (int64_t at = 0; at < f->first_of[damaged]; at = f->next_of[at])
        position += (int64_t)f->size_of[at];
    char *path = path_of_segment(f, 0, SEGMENT_LOG);
    file_write_at(path, position + (int64_t)f->size_of[damaged] - 1, "X", 1);
    free(path);
    for (int64_t offset = 0; offset < f->next; offset++) {
        struct read_result r = log_world_read(&f->w, offset, f->next, 1 << 20, true);
        if (f->first_of[offset] == f->first_of[damaged]) {
            EXPECT_INT(r.error, ERR_CORRUPT);
        } else {
            EXPECT_INT(r.error, ERR_OK);
            EXPECT_INT(r.next_offset, offset < damaged ? f->first_of[damaged] : f->next);
            expect_whole_batches(&r);
        }
        read_result_free(&r);
    }
    drop(f);
}

TEST(every_single_flipped_byte_of_a_file_gives_right_data_or_an_error)
{
    struct filled_log *f = fill(1 << 20);
    log_world_flush(&f->w);
    struct log_state state = log_state(f->w.log);
    static const enum segment_part parts[] = {SEGMENT_LOG, SEGMENT_INDEX, SEGMENT_TIME_INDEX};
    for (size_t part = 0; part < COUNT_OF(parts); part++) {
        char *path = path_of_segment(f, 0, parts[part]);
        struct buffer content;
        buffer_init(&content, 1 << 20);
        EXPECT_INT(io_read_file(f->w.env.io, path, &content), ERR_OK);
        for (size_t at = 0; at < content.size; at += parts[part] == SEGMENT_LOG ? 13 : 1) {
            uint8_t flipped = content.data[at] ^ 0x10;
            file_write_at(path, (int64_t)at, &flipped, 1);
            log_world_open(&f->w, state);
            for (int64_t offset = 0; offset < f->next; offset += 11) {
                struct read_result r = log_world_read(&f->w, offset, f->next, 1000, true);
                EXPECT(r.error == ERR_OK || (r.error == ERR_CORRUPT && parts[part] == SEGMENT_LOG));
                if (r.error == ERR_OK) {
                    EXPECT_INT(r.first_offset, f->first_of[offset]);
                    expect_whole_batches(&r);
                }
                read_result_free(&r);
            }
            file_write_at(path, (int64_t)at, &content.data[at], 1);
        }
        buffer_free(&content);
        free(path);
    }
    drop(f);
}

TEST(reading_needs_no_index)
{
    struct filled_log *f = fill(2000);
    log_world_flush(&f->w);
    log_trim_tail(f->w.log, 0);
    for (int64_t base = 0; base < f->next; base++) {
        for (int part = SEGMENT_INDEX; part < SEGMENT_PARTS; part++) {
            char *path = path_of_segment(f, base, (enum segment_part)part);
            f->w.env.io->ops->unlink(f->w.env.io, path);
            free(path);
        }
    }
    read_everywhere(f, true);
    drop(f);
}

TEST(lost_indexes_of_a_large_closed_segment_are_rebuilt_when_it_is_found)
{
    struct log_world w;
    log_world_init(&w);
    w.config.segment_bytes = 2 << 20;
    log_world_open(&w, (struct log_state){0});
    for (int i = 0; i < 30; i++)
        log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = i, .value_size = 99000});
    log_world_flush(&w);
    char *index = segment_path(w.directory, 0, SEGMENT_INDEX);
    char *times = segment_path(w.directory, 0, SEGMENT_TIME_INDEX);
    int64_t index_size = file_size(index), times_size = file_size(times);
    EXPECT(index_size > 0 && times_size > 0);
    EXPECT_INT(w.env.io->ops->unlink(w.env.io, index), ERR_OK);
    file_write_at(times, times_size - 4, "lost", 4);
    log_world_open(&w, log_state(w.log));
    log_world_load(&w);
    EXPECT_INT(file_size(index), index_size);
    EXPECT_INT(file_size(times), times_size);
    EXPECT_INT(log_world_time(&w, 7, 30).offset, 7);
    free(index);
    free(times);
    log_world_close(&w);
}

TEST(a_truncated_index_is_rebuilt_and_a_sound_empty_one_is_not)
{
    struct log_world w;
    log_world_init(&w);
    w.config.segment_bytes = 8 << 20;
    log_world_open(&w, (struct log_state){0});
    for (int i = 0; i < 80; i++)
        log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = i, .value_size = 99000});
    log_world_append(&w, (struct batch_spec){.count = 1, .value_size = 2 << 20});
    log_world_append(&w, (struct batch_spec){.count = 1, .value_size = 7 << 20});
    log_world_flush(&w);
    char *index = segment_path(w.directory, 0, SEGMENT_INDEX);
    char *of_one_batch = segment_path(w.directory, 80, SEGMENT_INDEX);
    int64_t index_size = file_size(index);
    EXPECT_INT(truncate(index, 16), 0);
    struct log_state state = log_state(w.log);
    log_world_open(&w, state);
    struct stat before, after;
    EXPECT_INT(stat(of_one_batch, &before), 0);
    struct read_result r = log_world_read(&w, 50, 51, 1, true); /* finds the segments */
    EXPECT_INT(r.error, ERR_OK);
    read_result_free(&r);
    EXPECT_INT(file_size(index), index_size);
    EXPECT_INT(stat(of_one_batch, &after), 0);
    EXPECT_INT(before.st_ino, after.st_ino);
    free(index);
    free(of_one_batch);
    log_world_close(&w);
}

static struct log_damage damage_at(struct filled_log *f, int64_t offset)
{
    struct log_read_job job = {.job.done = nothing,
                               .log = f->w.log,
                               .offset = offset,
                               .end_offset = f->next,
                               .max_bytes = 100,
                               .at_least_one = true};
    log_read_submit(executor_inline(), &job);
    EXPECT_INT(job.result, ERR_CORRUPT);
    return job.damage;
}

TEST(each_place_of_damage_is_new_once)
{
    struct filled_log *f = fill(1 << 20);
    log_world_flush(&f->w);
    log_trim_tail(f->w.log, 0);
    char *path = path_of_segment(f, 0, SEGMENT_LOG);
    int64_t position = 0, places = 0;
    for (int64_t at = 0; at < f->next; at = f->next_of[at]) {
        file_write_at(path, position + (int64_t)f->size_of[at] - 1, "\xfe", 1);
        struct log_damage first = damage_at(f, at), second = damage_at(f, at);
        EXPECT(first.is_new && !second.is_new);
        EXPECT_INT(first.segment_base, 0);
        EXPECT_INT(first.byte, position);
        EXPECT_INT(second.byte, position);
        position += (int64_t)f->size_of[at];
        places++;
    }
    EXPECT(places > 3);
    EXPECT(!damage_at(f, f->first_of[f->next - 1]).is_new);
    EXPECT_INT(f->w.env.io->ops->unlink(f->w.env.io, path), ERR_OK);
    log_close_idle_files(f->w.log, INT64_MAX);
    struct log_damage missing = damage_at(f, 0);
    EXPECT(missing.is_new && !damage_at(f, 0).is_new);
    EXPECT_INT(missing.byte, -1);
    free(path);
    drop(f);
}

TEST(a_missing_segment_is_an_error_for_its_offsets_alone)
{
    struct filled_log *f = fill(2000);
    log_world_flush(&f->w);
    int64_t gone = f->segment_of[f->next / 2];
    EXPECT(gone > 0 && gone < f->segment_of[f->next - 1]);
    char *path = path_of_segment(f, gone, SEGMENT_LOG);
    EXPECT_INT(f->w.env.io->ops->unlink(f->w.env.io, path), ERR_OK);
    free(path);
    for (int pass = 0; pass < 2; pass++) {
        log_trim_tail(f->w.log, 0);
        log_close_idle_files(f->w.log, INT64_MAX);
        for (int64_t offset = 0; offset < f->next; offset++) {
            struct read_result r = log_world_read(&f->w, offset, f->next, 100, true);
            EXPECT_INT(r.error, f->segment_of[offset] == gone ? ERR_CORRUPT : ERR_OK);
            read_result_free(&r);
        }
        log_world_open(&f->w, log_state(f->w.log));
    }
    drop(f);
}

TEST(an_error_of_the_disk_fails_only_one_read)
{
    struct filled_log *f = fill(2000);
    struct fault_io faults;
    fault_io_init(&faults);
    log_world_flush(&f->w);
    f->w.env.io = &faults.io;
    log_world_open(&f->w, log_state(f->w.log));
    faults.call = FAULT_LIST;
    faults.countdown = 1;
    struct read_result r = log_world_read(&f->w, 0, f->next, 100, true);
    EXPECT_INT(r.error, ERR_IO);
    read_result_free(&r);
    EXPECT(!log_is_loaded(f->w.log));
    faults.call = FAULT_OPEN;
    faults.countdown = 4;
    r = log_world_read(&f->w, 0, f->next, 100, true);
    EXPECT_INT(r.error, ERR_IO);
    read_result_free(&r);
    r = log_world_read(&f->w, 0, f->next, 100, true);
    EXPECT_INT(r.error, ERR_OK);
    read_result_free(&r);
    drop(f);
}

TEST(a_lack_of_descriptors_is_no_damage)
{
    struct filled_log *f = fill(2000);
    log_world_flush(&f->w);
    log_world_open(&f->w, log_state(f->w.log));
    int64_t other = f->segment_of[f->next / 2];
    EXPECT(other > 0);
    struct read_result all = log_world_read(&f->w, other, f->next, 1, true); /* finds them */
    read_result_free(&all);
    log_close_idle_files(f->w.log, INT64_MAX);
    segment_file_set_limit(0);
    struct read_result r = log_world_read(&f->w, other, f->next, 1, true);
    EXPECT_INT(r.error, ERR_NO_FILES);
    segment_file_set_limit(INT_MAX);
    read_result_free(&r);
    r = log_world_read(&f->w, other, f->next, 1, true);
    EXPECT_INT(r.error, ERR_OK);
    read_result_free(&r);
    drop(f);
}
