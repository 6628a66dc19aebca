/* Logs with holes. Kafka's own cleaner has made golden/cleaned: it has holes between batches and
 * inside them, two segments merged into one, empty batches, and a segment without any batch.
 * expected.txt has the records that Kafka reads from it. */
#include "tests/storage/support_log.h"

#include "base/crc32c.h"
#include "storage/segment.h"

#include <stdio.h>
#include <stdlib.h>

enum { END = 36, ACTIVE = 33, BATCHES_MAX = 16, RECORDS_MAX = 32 };

static const int64_t bases[] = {0, 17, 23, 25, 28, ACTIVE};

/* The batches and records that Kafka reads. */
struct expected {
    int64_t first[BATCHES_MAX], last[BATCHES_MAX];
    int64_t offset[RECORDS_MAX], timestamp[RECORDS_MAX];
    int batches, records;
};

static void golden_path(char path[4096], const char *name)
{
    char below_root[256];
    snprintf(below_root, sizeof below_root, "tests/storage/golden/cleaned/%s", name);
    snprintf(path, 4096, "%s", test_source_path(below_root));
}

static struct expected read_expected(void)
{
    struct expected e = {.batches = 0};
    char path[4096], line[256], key;
    golden_path(path, "expected.txt");
    FILE *file = fopen(path, "r");
    EXPECT(file != NULL);
    while (fgets(line, sizeof line, file)) {
        long long a, b;
        if (sscanf(line, "batch %lld %lld", &a, &b) == 2) {
            e.first[e.batches] = a;
            e.last[e.batches++] = b;
        } else if (sscanf(line, "record %lld %lld %c", &a, &b, &key) == 3) {
            e.offset[e.records] = a;
            e.timestamp[e.records++] = b;
        }
    }
    fclose(file);
    EXPECT_INT(e.batches, 9);
    EXPECT_INT(e.records, 14);
    return e;
}

/* --- the log --- */

static struct log_state cleaned_state(const struct log_world *w)
{
    char *path = segment_path(w->directory, ACTIVE, SEGMENT_LOG);
    struct log_state state = {.next_offset = END,
                              .active_base = ACTIVE,
                              .active_size = file_size(path),
                              .first_dirty_offset = ACTIVE};
    free(path);
    return state;
}

static void copy_part(const struct log_world *w, int64_t base, enum segment_part part)
{
    char *to = segment_path(w->directory, base, part), from[4096];
    struct buffer content;
    buffer_init(&content, 1 << 20);
    golden_path(from, strrchr(to, '/') + 1);
    EXPECT_INT(io_read_file(io_posix(), from, &content), ERR_OK);
    EXPECT_INT(io_replace_file(io_posix(), to, buffer_view(&content)), ERR_OK);
    buffer_free(&content);
    free(to);
}

static void make_files(struct log_world *w)
{
    log_world_init(w);
    EXPECT_INT(io_make_path(io_posix(), w->directory), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(bases); i++) {
        for (int part = 0; part < SEGMENT_PARTS; part++)
            copy_part(w, bases[i], (enum segment_part)part);
    }
}

static void open_cleaned(struct log_world *w)
{
    make_files(w);
    log_world_open(w, cleaned_state(w));
}

static struct segment_view view_of(const struct log_world *w, int64_t base, int64_t next)
{
    char *path = segment_path(w->directory, base, SEGMENT_LOG);
    struct segment_view view = {.directory = w->directory,
                                .base_offset = base,
                                .next_offset = next,
                                .size = file_size(path),
                                .sparse = true};
    EXPECT_INT(segment_file_open(w->env.io, w->directory, base, IO_READ, &view.file), ERR_OK);
    free(path);
    return view;
}

static void remove_indexes(const struct log_world *w, int64_t base)
{
    for (int part = SEGMENT_INDEX; part < SEGMENT_PARTS; part++) {
        char *path = segment_path(w->directory, base, (enum segment_part)part);
        EXPECT_INT(io_posix()->ops->unlink(io_posix(), path), ERR_OK);
        free(path);
    }
}

/* --- checks for every way to open it --- */

/* The first batch that ends at or after an offset. */
static int batch_at(const struct expected *e, int64_t offset)
{
    int i = 0;
    while (i < e->batches && e->last[i] < offset)
        i++;
    return i;
}

static void expect_read(struct log_world *w, const struct expected *e, int64_t offset)
{
    struct read_result r = log_world_read(w, offset, END, 1, true);
    int i = batch_at(e, offset);
    EXPECT_INT(r.error, ERR_OK);
    EXPECT_INT(r.first_offset, e->first[i]);
    EXPECT_INT(r.next_offset, e->last[i] + 1);
    EXPECT(batch_crc_is_right(buffer_view(&r.bytes)));
    read_result_free(&r);
}

static void expect_time(struct log_world *w, const struct expected *e, int64_t timestamp)
{
    int i = 0;
    while (i < e->records && e->timestamp[i] < timestamp)
        i++;
    struct time_result found = log_world_time(w, timestamp, END);
    EXPECT_INT(found.error, ERR_OK);
    EXPECT_INT(found.offset, i < e->records ? e->offset[i] : -1);
    EXPECT_INT(found.timestamp, i < e->records ? e->timestamp[i] : -1);
}

static void expect_all(struct log_world *w)
{
    struct expected e = read_expected();
    for (int64_t offset = 0; offset < END; offset++)
        expect_read(w, &e, offset);
    for (int64_t timestamp = 990; timestamp < 1420; timestamp++)
        expect_time(w, &e, timestamp);
    struct time_result peak = log_world_time(w, LOG_MAX_TIMESTAMP, END);
    EXPECT_INT(peak.error, ERR_OK);
    EXPECT_INT(peak.offset, 35); /* not 27, whose batch has lost its records */
    EXPECT_INT(peak.timestamp, 1370);
}

TEST(a_log_that_kafka_has_cleaned_is_read_at_every_offset_and_timestamp)
{
    struct log_world w;
    open_cleaned(&w);
    expect_all(&w);
    EXPECT_INT(log_start_offset(w.log), 0);
    EXPECT_INT(log_next_offset(w.log), END);
    EXPECT_INT(log_size_bytes(w.log), 346 + 79 + 0 + 61 + 135 + 176);
    log_world_close(&w);
}

TEST(the_first_read_after_opening_may_be_in_any_hole)
{
    struct expected e = read_expected();
    struct log_world w;
    open_cleaned(&w);
    for (int64_t offset = 0; offset < END; offset++) {
        log_world_open(&w, cleaned_state(&w));
        expect_read(&w, &e, offset);
    }
    log_world_close(&w);
}

TEST(a_reader_that_continues_sees_every_batch_once)
{
    struct expected e = read_expected();
    struct log_world w;
    int seen = 0;
    open_cleaned(&w);
    for (int64_t offset = 0; offset < END; seen++) {
        struct read_result r = log_world_read(&w, offset, END, 1, true);
        EXPECT_INT(r.error, ERR_OK);
        EXPECT_INT(r.first_offset, e.first[seen]);
        offset = r.next_offset;
        read_result_free(&r);
    }
    EXPECT_INT(seen, e.batches);
    log_world_close(&w);
}

TEST(a_slice_may_have_holes_but_no_batch_after_its_end)
{
    struct log_world w;
    open_cleaned(&w);
    struct read_result r = log_world_read(&w, 0, 15, 1 << 20, true);
    EXPECT_INT(r.first_offset, 0);
    EXPECT_INT(r.next_offset, 14); /* [0, 4] [5, 6] [10, 13], but not [15, 16] */
    read_result_free(&r);
    r = log_world_read(&w, 21, 26, 1 << 20, true); /* only a hole, up to the end */
    EXPECT_INT(r.error, ERR_OK);
    EXPECT_INT(r.bytes.size, 0);
    read_result_free(&r);
    log_world_close(&w);
}

TEST(a_read_in_a_hole_at_the_end_of_the_files_continues_in_memory)
{
    struct log_world w;
    make_files(&w);
    log_world_open(
        &w, (struct log_state){.next_offset = 28, .active_base = 28, .first_dirty_offset = 28});
    EXPECT_INT(log_world_append(&w, (struct batch_spec){.count = 2, .timestamp = 1500}), 28);
    log_set_durable(w.log, 30);
    copy_part(&w, 23, SEGMENT_LOG);
    char *path = segment_path(w.directory, 25, SEGMENT_LOG);
    EXPECT_INT(io_replace_file(io_posix(), path, BYTES_LITERAL("")), ERR_OK);
    free(path);
    for (int64_t offset = 21; offset <= 28; offset++) {
        struct read_result r = log_world_read(&w, offset, 30, 1, true);
        EXPECT_INT(r.error, ERR_OK);
        EXPECT_INT(r.first_offset, 28);
        read_result_free(&r);
    }
    EXPECT_INT(log_world_time(&w, 1400, 30).offset, 28);
    log_world_flush(&w);
    log_trim_tail(w.log, 0);
    struct read_result r = log_world_read(&w, 22, 30, 1, true);
    EXPECT_INT(r.first_offset, 28);
    read_result_free(&r);
    log_world_close(&w);
}

/* --- indexes --- */

TEST(indexes_of_a_log_with_holes_are_not_needed_and_are_rebuilt)
{
    struct log_world w;
    make_files(&w);
    for (size_t i = 0; i < COUNT_OF(bases) - 1; i++)
        remove_indexes(&w, bases[i]);
    log_world_open(&w, cleaned_state(&w));
    expect_all(&w);
    log_world_close(&w);
    for (size_t i = 0; i < COUNT_OF(bases) - 1; i++) {
        struct segment_view view = view_of(&w, bases[i], bases[i + 1]);
        EXPECT_INT(segment_rebuild_indexes(&view, w.env.trace), ERR_OK);
        segment_file_unref(view.file);
    }
    log_world_open(&w, cleaned_state(&w));
    expect_all(&w);
    log_world_close(&w);
}

static void stamp_delta(struct shared_buffer *batch, int32_t last_offset_delta)
{
    store_be32(batch->data + 23, (uint32_t)last_offset_delta);
    store_be32(batch->data + 17, crc32c(0, batch->data + 21, batch->size - 21));
}

/* A segment at base 1000 with 200 batches, 10 offsets apart, with holes between them. */
static struct segment_view make_sparse(struct log_world *w)
{
    log_world_init(w);
    EXPECT_INT(io_make_path(io_posix(), w->directory), ERR_OK);
    struct buffer content;
    buffer_init(&content, 1 << 20);
    for (int i = 0; i < 200; i++) {
        struct shared_buffer *b = make_batch(
            (struct batch_spec){.count = 2, .timestamp = (i * 7) % 50 + i, .value_size = 100});
        stamp_delta(b, 1 + i % 3);
        batch_stamp(b->data, 1000 + (i + 1) * 10, 0);
        buffer_append(&content, b->data, b->size);
        shared_buffer_unref(b);
    }
    char *path = segment_path(w->directory, 1000, SEGMENT_LOG);
    EXPECT_INT(io_replace_file(io_posix(), path, buffer_view(&content)), ERR_OK);
    free(path);
    buffer_free(&content);
    return view_of(w, 1000, 4000);
}

static struct bytes part_of(const struct log_world *w, enum segment_part part, struct buffer *out)
{
    char *path = segment_path(w->directory, 1000, part);
    buffer_init(out, 1 << 20);
    EXPECT_INT(io_read_file(io_posix(), path, out), ERR_OK);
    free(path);
    return buffer_view(out);
}

TEST(an_index_with_holes_is_sound_and_a_rebuilt_one_is_equal)
{
    struct log_world w;
    struct segment_view view = make_sparse(&w);
    struct buffer before[SEGMENT_PARTS], after[SEGMENT_PARTS];
    EXPECT_INT(segment_rebuild_indexes(&view, w.env.trace), ERR_OK);
    for (int part = SEGMENT_INDEX; part < SEGMENT_PARTS; part++)
        EXPECT(part_of(&w, (enum segment_part)part, &before[part]).size > 60);
    remove_indexes(&w, 1000);
    EXPECT_INT(segment_check_indexes(&view, w.env.trace), ERR_OK);
    for (int part = SEGMENT_INDEX; part < SEGMENT_PARTS; part++) {
        EXPECT_BYTES(part_of(&w, (enum segment_part)part, &after[part]),
                     buffer_view(&before[part]));
        buffer_free(&before[part]);
        buffer_free(&after[part]);
    }
    struct segment_summary summary;
    EXPECT_INT(segment_summarize(&view, &summary), ERR_OK);
    EXPECT(summary.index_bytes > 0); /* it is sound */
    segment_file_unref(view.file);
}

TEST(a_place_for_an_offset_in_a_hole_is_not_after_the_next_batch)
{
    struct log_world w;
    struct segment_view view = make_sparse(&w);
    EXPECT_INT(segment_rebuild_indexes(&view, w.env.trace), ERR_OK);
    for (int64_t offset = 1000; offset < 4000; offset++) {
        struct segment_place place;
        struct segment_scan scan;
        EXPECT_INT(segment_locate(&view, offset, &place), ERR_OK);
        EXPECT(place.offset <= offset);
        int64_t since = 0;
        segment_scan_init(&scan, &view, place);
        while (segment_scan_next(&scan) && scan.next_offset <= offset)
            since += (int64_t)scan.batch_size;
        EXPECT_INT(scan.error, ERR_OK);
        EXPECT(since < 3 * 4096); /* near it */
        int64_t next = 1010 + (MAX(offset - 1010, 0) / 10) * 10;
        next += offset > next + 1 + (next / 10 - 101) % 3 ? 10 : 0;
        if (next <= 3000)
            EXPECT_INT(scan.header.base_offset, next);
        segment_scan_free(&scan);
    }
    segment_file_unref(view.file);
}

/* --- damage --- */

TEST(a_flipped_byte_damages_only_its_own_batch)
{
    struct expected e = read_expected();
    struct log_world w;
    make_files(&w);
    struct segment_view view = view_of(&w, 0, 17);
    struct segment_scan scan;
    segment_scan_init(&scan, &view, segment_start(&view));
    while (segment_scan_next(&scan)) {
        int64_t first = scan.header.base_offset, next = scan.next_offset;
        int64_t checksum = scan.batch_position + 17;
        char *path = segment_path(w.directory, 0, SEGMENT_LOG);
        file_write_at(path, checksum, "????", 4);
        log_world_open(&w, cleaned_state(&w));
        for (int64_t offset = 0; offset < END; offset++) {
            int64_t at = e.first[batch_at(&e, offset)];
            struct read_result r = log_world_read(&w, offset, END, 1, true);
            EXPECT_INT(r.error, at == first ? ERR_CORRUPT : ERR_OK);
            EXPECT(at == first || r.first_offset == at);
            read_result_free(&r);
        }
        EXPECT(next > first);
        copy_part(&w, 0, SEGMENT_LOG);
        free(path);
    }
    segment_scan_free(&scan);
    segment_file_unref(view.file);
    log_world_close(&w);
}

TEST(offsets_that_do_not_rise_or_are_outside_the_segment_are_damage)
{
    static const int64_t wrong[] = {3, 4, 16, 17, INT64_MAX, INT64_MIN, -1};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct log_world w;
        struct segment_summary summary;
        uint8_t base[8];
        make_files(&w);
        char *path = segment_path(w.directory, 0, SEGMENT_LOG);
        store_be64(base, (uint64_t)wrong[i]);
        file_write_at(path, 97, base, 8); /* of the second batch, [5, 6] */
        remove_indexes(&w, 0);
        struct segment_view view = view_of(&w, 0, 17);
        EXPECT_INT(segment_summarize(&view, &summary), ERR_CORRUPT);
        segment_file_unref(view.file);
        free(path);
    }
}

/* The same files, but the log knows of no cleaner. */
TEST(a_gap_where_no_cleaner_has_been_is_damage)
{
    struct log_world w;
    make_files(&w);
    remove_indexes(&w, 0);
    struct log_state state = cleaned_state(&w);
    state.first_dirty_offset = 0;
    w.config.retention_ms = 1;
    log_world_open(&w, state);
    for (int64_t offset = 0; offset < END; offset++) {
        bool sound = offset < 7 || offset >= 25; /* before the first gap; without gaps */
        struct read_result r = log_world_read(&w, offset, END, 1, true);
        EXPECT_INT(r.error, sound ? ERR_OK : ERR_CORRUPT);
        read_result_free(&r);
    }
    EXPECT_INT(log_retention_start(w.log, 1000000), 0); /* a damaged segment stays */
    log_world_close(&w);
}

/* Only the first two segments were cleaned. */
TEST(gaps_are_allowed_only_below_the_first_dirty_offset)
{
    struct log_world w;
    make_files(&w);
    struct log_state state = cleaned_state(&w);
    state.first_dirty_offset = 23;
    log_world_open(&w, state);
    for (int64_t offset = 0; offset < END; offset++) {
        bool lost = offset >= 21 && offset < 25; /* [23, 25) should have batches and has none */
        struct read_result r = log_world_read(&w, offset, END, 1, true);
        EXPECT_INT(r.error, lost ? ERR_CORRUPT : ERR_OK);
        read_result_free(&r);
    }
    log_world_close(&w);
}

/* --- retention and truncation --- */

TEST(retention_by_time_also_deletes_segments_that_a_cleaner_has_emptied)
{
    static const struct {
        int64_t now, start;
    } cases[] = {{1131, 0}, {1132, 17}, {1200, 17}, {1201, 25}, {1413, END}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct log_world w;
        make_files(&w);
        w.config.retention_ms = 10;
        log_world_open(&w, cleaned_state(&w));
        log_world_load(&w);
        EXPECT_INT(log_retention_start(w.log, cases[i].now), cases[i].start);
        log_world_close(&w);
    }
}

TEST(retention_by_size_counts_the_remaining_bytes)
{
    static const struct {
        int64_t keep, start;
    } cases[] = {{797, 0}, {452, 0}, {451, 17}, {373, 17}, {372, 25}, {311, 28}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct log_world w;
        make_files(&w);
        w.config.retention_bytes = cases[i].keep;
        log_world_open(&w, cleaned_state(&w));
        log_world_load(&w);
        EXPECT_INT(log_retention_start(w.log, 0), cases[i].start);
        log_world_close(&w);
    }
}

TEST(without_limits_an_empty_segment_stays)
{
    struct log_world w;
    open_cleaned(&w);
    log_world_load(&w);
    log_set_start(w.log, 23);
    EXPECT_INT(log_retention_start(w.log, 1000000), 23);
    log_world_close(&w);
}

TEST(a_start_in_a_hole_deletes_the_segments_below_it)
{
    struct expected e = read_expected();
    struct log_world w;
    open_cleaned(&w);
    log_world_load(&w);
    log_set_start(w.log, 22);
    struct log_delete *files = log_delete_begin(w.log);
    EXPECT_INT(log_delete_run(files), ERR_OK);
    log_delete_end(files);
    EXPECT_INT(log_size_bytes(w.log), 79 + 0 + 61 + 135 + 176);
    for (int64_t offset = 22; offset < END; offset++)
        expect_read(&w, &e, offset);
    EXPECT_INT(log_world_time(&w, 0, END).offset, 28); /* 20 is below the start */
    log_set_start(w.log, 26);
    files = log_delete_begin(w.log);
    EXPECT_INT(log_delete_run(files), ERR_OK);
    log_delete_end(files);
    EXPECT_INT(log_size_bytes(w.log), 61 + 135 + 176);
    char *path = segment_path(w.directory, 23, SEGMENT_LOG);
    EXPECT_INT(file_size(path), -1);
    free(path);
    log_world_close(&w);
}

/* --- recovery --- */

TEST(redo_appends_without_a_gap_to_a_log_with_holes)
{
    struct log_world w;
    struct message message;
    make_files(&w);
    struct log_state state = cleaned_state(&w);
    char *path = segment_path(w.directory, ACTIVE, SEGMENT_LOG);
    file_write_at(path, state.active_size, "not durable", 11);
    free(path);
    EXPECT_INT(log_check_files(&w.env, w.directory, &state, &message), ERR_OK);
    EXPECT_INT(log_cut_files(&w.env, w.directory, &state), ERR_OK);
    log_world_open(&w, state);
    struct shared_buffer *batch = make_batch((struct batch_spec){.count = 3, .timestamp = 1365});
    batch_stamp(batch->data, END + 1, 0);
    EXPECT_INT(log_append_recovered(w.log, batch, batch->data, batch->size), ERR_CORRUPT);
    batch_stamp(batch->data, END, 0);
    EXPECT_INT(log_append_recovered(w.log, batch, batch->data, batch->size), ERR_OK);
    shared_buffer_unref(batch);
    log_world_flush(&w);
    log_trim_tail(w.log, 0);
    EXPECT_INT(log_state(w.log).next_offset, END + 3);
    EXPECT_INT(log_state(w.log).first_dirty_offset, ACTIVE);
    expect_all(&w);
    log_world_open(&w, log_state(w.log));
    expect_all(&w);
    log_world_close(&w);
}

/* The last sequence follows from the last offset delta, which a cleaner keeps. */
TEST(the_remaining_batches_have_the_last_sequence_of_their_producer)
{
    static const struct {
        int64_t id;
        int32_t next;
    } producers[] = {{7, 2}, {8, 3}, {9, 3}};
    struct log_world w;
    struct producer_states *states = producer_states_create();
    make_files(&w);
    for (size_t i = 0; i < COUNT_OF(bases) - 1; i++) {
        struct segment_view view = view_of(&w, bases[i], bases[i + 1]);
        struct segment_scan scan;
        segment_scan_init(&scan, &view, segment_start(&view));
        while (segment_scan_next(&scan)) {
            if (scan.header.producer_id >= 0)
                producer_appended(states, &scan.header, 0);
        }
        EXPECT_INT(scan.error, ERR_OK);
        segment_scan_free(&scan);
        segment_file_unref(view.file);
    }
    EXPECT_INT(producer_states_count(states), COUNT_OF(producers));
    for (size_t i = 0; i < COUNT_OF(producers); i++) {
        int64_t offset, timestamp;
        struct batch_header next = {.producer_id = producers[i].id,
                                    .producer_epoch = 3,
                                    .base_sequence = producers[i].next};
        EXPECT_INT(producer_check(states, &next, &offset, &timestamp), PRODUCER_NEW);
        next.base_sequence++;
        EXPECT_INT(producer_check(states, &next, &offset, &timestamp), PRODUCER_OUT_OF_ORDER);
    }
    producer_states_free(states);
}
