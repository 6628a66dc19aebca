#include "tests/storage/support_log.h"

#include "storage/segment.h"

#include <stdlib.h>

/* Batches of two records, ten in a segment. */
static void fill(struct log_world *w, int batches)
{
    log_world_init(w);
    struct batch_spec spec = {.count = 2, .value_size = 100};
    struct shared_buffer *b = make_batch(spec);
    w->config.segment_bytes = 10 * (int64_t)b->size;
    w->config.index_interval_bytes = 500;
    shared_buffer_unref(b);
    log_world_open(w, (struct log_state){0});
    for (int i = 0; i < batches; i++) {
        spec.timestamp = 1000 + i * 10;
        log_world_append(w, spec);
    }
    log_world_flush(w);
}

static enum error cut(struct log_world *w, struct log_state state)
{
    log_world_close(w);
    return log_cut_files(&w->env, w->directory, &state);
}

static int64_t part_size(const struct log_world *w, int64_t base, enum segment_part part)
{
    char *path = segment_path(w->directory, base, part);
    int64_t size = file_size(path);
    free(path);
    return size;
}

static void unlink_part(const struct log_world *w, int64_t base, enum segment_part part)
{
    char *path = segment_path(w->directory, base, part);
    EXPECT_INT(io_posix()->ops->unlink(io_posix(), path), ERR_OK);
    free(path);
}

static void expect_readable(struct log_world *w, int64_t start)
{
    int64_t next = log_next_offset(w->log);
    for (int64_t offset = start; offset < next;) {
        struct read_result r = log_world_read(w, offset, next, 1 << 20, true);
        EXPECT_INT(r.error, ERR_OK);
        EXPECT_INT(r.first_offset, offset);
        expect_whole_batches(&r);
        offset = r.next_offset;
        read_result_free(&r);
    }
}

TEST(cutting_restores_every_earlier_state_and_appends_continue)
{
    for (int keep = 0; keep <= 25; keep++) {
        struct log_world w;
        fill(&w, keep);
        struct log_state state = log_state(w.log);
        for (int i = 0; i < 23; i++)
            log_world_append(&w,
                             (struct batch_spec){.count = 2, .timestamp = 5000, .value_size = 90});
        log_world_flush(&w);
        EXPECT_INT(cut(&w, state), ERR_OK);
        log_world_open(&w, state);
        EXPECT_INT(log_next_offset(w.log), keep * 2);
        if (state.active_size > 0)
            EXPECT_INT(part_size(&w, state.active_base, SEGMENT_LOG), state.active_size);
        EXPECT_INT(log_world_append(&w, (struct batch_spec){.count = 3, .timestamp = 4000}),
                   keep * 2);
        log_world_flush(&w);
        expect_readable(&w, 0);
        struct time_result found = log_world_time(&w, 4000, log_next_offset(w.log));
        EXPECT_INT(found.offset, keep * 2);
        log_world_close(&w);
    }
}

TEST(cutting_at_the_present_state_changes_nothing)
{
    struct log_world w;
    fill(&w, 25);
    struct log_state state = log_state(w.log);
    int64_t index = part_size(&w, state.active_base, SEGMENT_INDEX);
    EXPECT_INT(cut(&w, state), ERR_OK);
    EXPECT_INT(part_size(&w, 0, SEGMENT_LOG), w.config.segment_bytes);
    EXPECT_INT(part_size(&w, state.active_base, SEGMENT_LOG), state.active_size);
    EXPECT_INT(part_size(&w, state.active_base, SEGMENT_INDEX), index);
}

TEST(cutting_removes_the_index_entries_of_later_batches)
{
    struct log_world w;
    fill(&w, 5);
    struct log_state state = log_state(w.log);
    int64_t index = part_size(&w, 0, SEGMENT_INDEX), times = part_size(&w, 0, SEGMENT_TIME_INDEX);
    struct batch_spec spec = {.count = 2, .value_size = 100, .timestamp = 2000};
    for (int i = 0; i < 5; i++, spec.timestamp++)
        log_world_append(&w, spec);
    log_world_flush(&w);
    EXPECT(part_size(&w, 0, SEGMENT_INDEX) > index);
    EXPECT(part_size(&w, 0, SEGMENT_TIME_INDEX) > times);
    EXPECT_INT(cut(&w, state), ERR_OK);
    EXPECT_INT(part_size(&w, 0, SEGMENT_INDEX), index);
    EXPECT_INT(part_size(&w, 0, SEGMENT_TIME_INDEX), times);
}

TEST(cutting_removes_torn_bytes_after_the_state)
{
    struct log_world w;
    fill(&w, 5);
    struct log_state state = log_state(w.log);
    char *path = segment_path(w.directory, 0, SEGMENT_LOG);
    file_write_at(path, state.active_size, "torn", 4);
    free(path);
    EXPECT_INT(cut(&w, state), ERR_OK);
    EXPECT_INT(part_size(&w, 0, SEGMENT_LOG), state.active_size);
}

/* Redo writes the same batches again, over what the files already have of them and more. */
TEST(a_flush_after_redo_cuts_what_a_crash_left_behind_its_batches)
{
    for (int kept = 0; kept < 2; kept++) { /* whether the state has the batches of the file */
        struct log_world w;
        fill(&w, 5);
        EXPECT(part_size(&w, 0, SEGMENT_INDEX) > 0);
        struct log_state state = kept ? log_state(w.log) : (struct log_state){0};
        log_world_close(&w);
        char *path = segment_path(w.directory, 0, SEGMENT_LOG);
        uint8_t left[30000];
        memset(left, 0xaa, sizeof left);
        file_write_at(path, state.active_size, left, sizeof left);
        free(path);
        EXPECT_INT(log_cut_files_for_redo(&w.env, w.directory, &state), ERR_OK);
        log_world_open(&w, state);
        for (int i = 0; i < 3; i++) {
            log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = 1000});
            log_world_flush(&w);
        }
        log_trim_tail(w.log, 0);
        EXPECT_INT(part_size(&w, 0, SEGMENT_LOG), log_state(w.log).active_size);
        EXPECT(kept || part_size(&w, 0, SEGMENT_INDEX) == 0);
        EXPECT(kept || part_size(&w, 0, SEGMENT_TIME_INDEX) == 0);
        expect_readable(&w, 0);
        log_world_close(&w);
    }
}

TEST(cutting_back_to_nothing_empties_the_first_files_and_removes_the_others)
{
    struct log_world w;
    fill(&w, 25);
    EXPECT_INT(cut(&w, (struct log_state){0}), ERR_OK);
    EXPECT_INT(part_size(&w, 0, SEGMENT_LOG), 0);
    EXPECT_INT(part_size(&w, 0, SEGMENT_INDEX), 0);
    EXPECT_INT(part_size(&w, 0, SEGMENT_TIME_INDEX), 0);
    EXPECT_INT(part_size(&w, 20, SEGMENT_LOG), -1);
    EXPECT_INT(part_size(&w, 20, SEGMENT_INDEX), -1);
}

/* Bytes below the state are missing: appends continue after them, the rest stays readable. */
static void expect_contained(struct log_world *w, struct log_state state, int64_t readable_end)
{
    struct message message = {""};
    int64_t base = state.active_base, size = part_size(w, base, SEGMENT_LOG);
    EXPECT_INT(log_check_files(&w->env, w->directory, &state, &message), ERR_CORRUPT);
    char *path = segment_path(w->directory, base, SEGMENT_LOG);
    EXPECT(strstr(message.text, path) != NULL);
    free(path);
    EXPECT_INT(state.active_base, state.next_offset);
    EXPECT_INT(state.active_size, 0);
    EXPECT_INT(log_cut_files(&w->env, w->directory, &state), ERR_OK);
    EXPECT_INT(part_size(w, base, SEGMENT_LOG), size);
    log_world_open(w, state);
    EXPECT_INT(log_world_append(w, (struct batch_spec){.count = 1}), state.next_offset);
    log_world_flush(w);
    log_trim_tail(w->log, 0);
    for (int64_t offset = 0; offset <= state.next_offset; offset++) {
        struct read_result r = log_world_read(w, offset, state.next_offset + 1, 1, true);
        bool there = offset < readable_end || offset == state.next_offset;
        EXPECT_INT(r.error, there ? ERR_OK : ERR_CORRUPT);
        read_result_free(&r);
    }
    log_world_close(w);
}

TEST(missing_bytes_below_the_state_lose_only_their_own_range)
{
    struct log_world w;
    fill(&w, 25);
    struct log_state state = log_state(w.log);
    log_world_close(&w);
    char *path = segment_path(w.directory, state.active_base, SEGMENT_LOG);
    struct io_file *file;
    EXPECT_INT(w.env.io->ops->open(w.env.io, path, IO_READ | IO_WRITE, &file), ERR_OK);
    EXPECT_INT(w.env.io->ops->truncate(w.env.io, file, state.active_size - 1), ERR_OK);
    w.env.io->ops->close(w.env.io, file);
    free(path);
    expect_contained(&w, state, state.next_offset - 2);
}

TEST(a_missing_last_segment_loses_only_its_own_range)
{
    struct log_world w;
    fill(&w, 25);
    struct log_state state = log_state(w.log);
    log_world_close(&w);
    unlink_part(&w, state.active_base, SEGMENT_LOG);
    expect_contained(&w, state, state.active_base);
}

TEST(a_missing_only_segment_loses_only_its_own_range)
{
    struct log_world w;
    fill(&w, 5);
    struct log_state state = log_state(w.log);
    log_world_close(&w);
    unlink_part(&w, 0, SEGMENT_LOG);
    expect_contained(&w, state, 0);
}

TEST(a_log_that_was_never_flushed_needs_no_directory)
{
    struct log_world w;
    log_world_init(&w);
    EXPECT_INT(cut(&w, (struct log_state){0}), ERR_OK);
    struct log_state lost = {.next_offset = 10, .active_size = 100};
    struct message message;
    EXPECT_INT(log_check_files(&w.env, w.directory, &lost, &message), ERR_CORRUPT);
}

TEST(indexes_whose_segment_is_gone_are_removed)
{
    struct log_world w;
    fill(&w, 25);
    struct log_state state = log_state(w.log);
    state.log_start_offset = 20;
    unlink_part(&w, 0, SEGMENT_LOG);
    EXPECT_INT(cut(&w, state), ERR_OK);
    EXPECT_INT(part_size(&w, 0, SEGMENT_INDEX), -1);
    EXPECT_INT(part_size(&w, 0, SEGMENT_TIME_INDEX), -1);
    EXPECT(part_size(&w, 20, SEGMENT_INDEX) >= 0);
}

/* --- indexes --- */

/* Checks the indexes of the segment that ends before next_offset. */
static void check_indexes(const struct log_world *w, int64_t base, int64_t next_offset)
{
    struct segment_view view = {.directory = w->directory,
                                .base_offset = base,
                                .next_offset = next_offset,
                                .size = part_size(w, base, SEGMENT_LOG)};
    EXPECT_INT(segment_file_open(w->env.io, w->directory, base, IO_READ, &view.file), ERR_OK);
    EXPECT_INT(segment_check_indexes(&view, w->env.trace), ERR_OK);
    segment_file_unref(view.file);
}

static struct buffer content_of(const struct log_world *w, int64_t base, enum segment_part part)
{
    struct buffer content;
    buffer_init(&content, 1 << 20);
    char *path = segment_path(w->directory, base, part);
    EXPECT_INT(io_read_file(io_posix(), path, &content), ERR_OK);
    free(path);
    return content;
}

enum harm { MISSING, EMPTY_TAIL, ZEROED, GARBAGE, ODD_SIZE };

static void do_harm(const struct log_world *w, int64_t base, enum segment_part part, enum harm harm)
{
    char *path = segment_path(w->directory, base, part);
    int64_t size = file_size(path);
    uint8_t zeros[64] = {0};
    switch (harm) {
    case MISSING:
        EXPECT_INT(io_posix()->ops->unlink(io_posix(), path), ERR_OK);
        break;
    case EMPTY_TAIL:
        file_write_at(path, size, zeros, 24);
        break;
    case ZEROED:
        file_write_at(path, 0, zeros, (size_t)MIN(size, 64));
        break;
    case GARBAGE:
        file_write_at(path, size - 3, "xyz", 3);
        break;
    case ODD_SIZE:
        file_write_at(path, size, "x", 1);
        break;
    }
    free(path);
}

TEST(damaged_indexes_are_rebuilt)
{
    for (int part = SEGMENT_INDEX; part < SEGMENT_PARTS; part++) {
        for (int harm = MISSING; harm <= ODD_SIZE; harm++) {
            struct log_world w;
            fill(&w, 28); /* closed segments at 0 and 20, the active one at 40 */
            struct log_state state = log_state(w.log);
            w.config.index_interval_bytes = 4096;
            for (int64_t base = 0; base <= 40; base += 20)
                do_harm(&w, base, (enum segment_part)part, (enum harm)harm);
            for (int64_t base = 0; base <= 40; base += 20)
                check_indexes(&w, base, MIN(base + 20, 56));
            for (int64_t base = 0; base <= 40; base += 20) {
                EXPECT_INT(part_size(&w, base, SEGMENT_INDEX) % 8, 0);
                EXPECT_INT(part_size(&w, base, SEGMENT_TIME_INDEX), 12); /* the last entry */
            }
            log_world_open(&w, state);
            expect_readable(&w, 0);
            for (int64_t i = 0; i < 28; i++)
                EXPECT_INT(log_world_time(&w, 1000 + i * 10, 56).offset, i * 2);
            log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = 9000});
            log_world_flush(&w);
            EXPECT_INT(log_world_time(&w, 8999, 57).offset, 56);
            log_world_close(&w);
        }
    }
}

/* The entries rise, and are inside the segment. */
TEST(an_index_that_leads_between_two_batches_is_rebuilt)
{
    struct log_world w;
    fill(&w, 28);
    int64_t size = part_size(&w, 0, SEGMENT_INDEX);
    EXPECT(size > 8);
    struct buffer before = content_of(&w, 0, SEGMENT_INDEX);
    char *path = segment_path(w.directory, 0, SEGMENT_INDEX);
    file_write_at(path, size - 1, &(uint8_t){(uint8_t)(before.data[size - 1] + 1)}, 1);
    free(path);
    w.config.index_interval_bytes = 4096;
    check_indexes(&w, 0, 20);
    EXPECT_INT(part_size(&w, 0, SEGMENT_INDEX), 0); /* 4096 apart */
    buffer_free(&before);
    log_world_close(&w);
}

TEST(sound_indexes_are_not_changed)
{
    struct log_world w;
    fill(&w, 28);
    struct buffer before = content_of(&w, 0, SEGMENT_INDEX);
    EXPECT(before.size > 8);
    check_indexes(&w, 0, 20);
    struct buffer after = content_of(&w, 0, SEGMENT_INDEX);
    EXPECT_BYTES(buffer_view(&after), buffer_view(&before)); /* 4096 apart it would be empty */
    buffer_free(&before);
    buffer_free(&after);
    log_world_close(&w);
}

TEST(a_rebuilt_index_equals_the_one_that_appending_makes)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, (struct log_state){0});
    for (int i = 0; i < 100; i++)
        log_world_append(
            &w, (struct batch_spec){.count = 3, .timestamp = (i * 7) % 50 + i, .value_size = 200});
    log_world_flush(&w);
    struct buffer before = content_of(&w, 0, SEGMENT_INDEX);
    EXPECT(before.size > 5 * 8);
    unlink_part(&w, 0, SEGMENT_INDEX);
    check_indexes(&w, 0, 300);
    struct buffer after = content_of(&w, 0, SEGMENT_INDEX);
    EXPECT_BYTES(buffer_view(&after), buffer_view(&before));
    buffer_free(&before);
    buffer_free(&after);
    log_world_close(&w);
}

TEST(the_index_entries_after_a_damaged_batch_stay)
{
    struct log_world w;
    log_world_init(&w);
    w.config.index_interval_bytes = 100;
    log_world_open(&w, (struct log_state){0});
    for (int i = 0; i < 20; i++)
        log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = i, .value_size = 200});
    log_world_flush(&w);
    struct log_state state = log_state(w.log);
    int64_t size = state.active_size / 20, index = part_size(&w, 0, SEGMENT_INDEX);
    char *path = segment_path(w.directory, 0, SEGMENT_LOG);
    file_write_at(path, size * 5, "garbage over the header of a batch", 34);
    free(path);
    check_indexes(&w, 0, 20);
    EXPECT_INT(part_size(&w, 0, SEGMENT_INDEX), index);
    log_world_open(&w, state);
    for (int64_t offset = 0; offset < 20; offset++) {
        struct read_result r = log_world_read(&w, offset, 20, 1, true);
        EXPECT_INT(r.error, offset == 5 ? ERR_CORRUPT : ERR_OK);
        read_result_free(&r);
    }
    log_world_close(&w);
}
