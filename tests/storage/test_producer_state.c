#include "storage/producer_state.h"

#include "tests/harness/harness.h"

#include <stdlib.h>

static struct batch_header batch_of(int64_t id, int16_t epoch, int32_t sequence, int32_t count)
{
    return (struct batch_header){.producer_id = id,
                                 .producer_epoch = epoch,
                                 .base_sequence = sequence,
                                 .last_offset_delta = count - 1,
                                 .record_count = count};
}

static int64_t original, original_ms;

static enum producer_check check(const struct producer_states *p, int64_t id, int16_t epoch,
                                 int32_t sequence, int32_t count)
{
    struct batch_header batch = batch_of(id, epoch, sequence, count);
    return producer_check(p, &batch, &original, &original_ms);
}

static void append(struct producer_states *p, int64_t id, int16_t epoch, int32_t sequence,
                   int32_t count, int64_t offset)
{
    struct batch_header batch = batch_of(id, epoch, sequence, count);
    batch.base_offset = offset;
    batch.max_timestamp = offset * 10;
    producer_appended(p, &batch, offset * 100);
}

TEST(an_unknown_producer_may_start_anywhere)
{
    struct producer_states *p = producer_states_create();
    EXPECT_INT(check(p, 7, 0, 0, 1), PRODUCER_NEW);
    EXPECT_INT(check(p, 7, 3, 500, 1), PRODUCER_NEW);
    producer_states_free(p);
}

TEST(sequences_must_follow_each_other)
{
    struct producer_states *p = producer_states_create();
    append(p, 7, 0, 0, 10, 100);
    EXPECT_INT(check(p, 7, 0, 10, 1), PRODUCER_NEW);
    EXPECT_INT(check(p, 7, 0, 11, 1), PRODUCER_OUT_OF_ORDER);
    EXPECT_INT(check(p, 7, 0, 9, 1), PRODUCER_OUT_OF_ORDER);
    EXPECT_INT(check(p, 7, 0, 0, 9), PRODUCER_OUT_OF_ORDER);
    EXPECT_INT(check(p, 8, 0, 11, 1), PRODUCER_NEW);
    producer_states_free(p);
}

TEST(a_duplicate_of_the_last_five_gets_its_first_offset)
{
    struct producer_states *p = producer_states_create();
    for (int i = 0; i < 6; i++)
        append(p, 7, 0, i * 2, 2, 100 + i * 2);
    for (int i = 1; i < 6; i++) {
        EXPECT_INT(check(p, 7, 0, i * 2, 2), PRODUCER_DUPLICATE);
        EXPECT_INT(original, 100 + i * 2);
        EXPECT_INT(original_ms, (100 + i * 2) * 10);
    }
    EXPECT_INT(check(p, 7, 0, 0, 2), PRODUCER_OUT_OF_ORDER); /* the sixth is forgotten */
    EXPECT_INT(check(p, 7, 0, 2, 1), PRODUCER_OUT_OF_ORDER); /* the same start, another end */
    producer_states_free(p);
}

TEST(sequences_wrap_to_zero)
{
    struct producer_states *p = producer_states_create();
    append(p, 7, 0, INT32_MAX - 1, 2, 0); /* ends at INT32_MAX */
    EXPECT_INT(check(p, 7, 0, 0, 1), PRODUCER_NEW);
    EXPECT_INT(check(p, 7, 0, 1, 1), PRODUCER_OUT_OF_ORDER);
    append(p, 8, 0, INT32_MAX, 3, 0); /* INT32_MAX, 0, 1 */
    EXPECT_INT(check(p, 8, 0, INT32_MAX, 3), PRODUCER_DUPLICATE);
    EXPECT_INT(check(p, 8, 0, 2, 1), PRODUCER_NEW);
    EXPECT_INT(check(p, 8, 0, 0, 1), PRODUCER_OUT_OF_ORDER);
    producer_states_free(p);
}

TEST(an_older_epoch_is_fenced_and_a_newer_one_starts_at_zero)
{
    struct producer_states *p = producer_states_create();
    append(p, 7, 5, 0, 10, 0);
    EXPECT_INT(check(p, 7, 4, 10, 1), PRODUCER_FENCED);
    EXPECT_INT(check(p, 7, 4, 0, 10), PRODUCER_FENCED);
    EXPECT_INT(check(p, 7, 6, 10, 1), PRODUCER_OUT_OF_ORDER);
    EXPECT_INT(check(p, 7, 6, 0, 10), PRODUCER_NEW); /* not a duplicate of epoch 5 */
    append(p, 7, 6, 0, 1, 10);
    EXPECT_INT(check(p, 7, 5, 10, 1), PRODUCER_FENCED);
    EXPECT_INT(check(p, 7, 6, 0, 10), PRODUCER_OUT_OF_ORDER);
    EXPECT_INT(check(p, 7, 6, 1, 1), PRODUCER_NEW);
    producer_states_free(p);
}

TEST(a_marker_moves_the_epoch_and_has_no_sequence)
{
    struct producer_states *p = producer_states_create();
    append(p, 7, 0, 0, 1, 0);
    struct batch_header marker = batch_of(7, 1, -1, 1);
    marker.attributes = BATCH_CONTROL | BATCH_TRANSACTIONAL;
    producer_appended(p, &marker, 5);
    EXPECT_INT(check(p, 7, 0, 1, 1), PRODUCER_FENCED);
    EXPECT_INT(check(p, 7, 1, 0, 1), PRODUCER_NEW);
    EXPECT_INT(check(p, 7, 1, 1, 1), PRODUCER_OUT_OF_ORDER);
    producer_states_free(p);
}

/* Without a limit. */
static void expire(struct producer_states *p, int64_t steady_ms, int64_t expiration_ms)
{
    size_t budget = SIZE_MAX;
    EXPECT(producer_states_expire(p, steady_ms, expiration_ms, &budget));
}

struct rows {
    struct {
        int64_t id;
        struct bytes row;
    } at[16];
    int count;
};

static void keep_row(void *context, int64_t id, struct bytes row)
{
    struct rows *rows = context;
    rows->at[rows->count].id = id;
    rows->at[rows->count++].row = bytes_copy(row);
}

static void free_rows(struct rows *rows)
{
    for (int i = 0; i < rows->count; i++)
        free((void *)(uintptr_t)rows->at[i].row.data);
    rows->count = 0;
}

TEST(rows_restore_the_state)
{
    struct producer_states *p = producer_states_create(), *loaded = producer_states_create();
    for (int i = 0; i < 7; i++)
        append(p, 7, 2, i, 1, 100 + i);
    append(p, 9, 0, INT32_MAX, 2, 200);
    struct rows rows = {0};
    producer_states_changed(p, keep_row, &rows);
    EXPECT_INT(rows.count, 2);
    for (int i = 0; i < rows.count; i++)
        EXPECT_INT(producer_states_load(loaded, rows.at[i].id, rows.at[i].row), ERR_OK);
    EXPECT_INT(producer_states_count(loaded), 2);
    EXPECT_INT(check(loaded, 7, 2, 2, 1), PRODUCER_DUPLICATE);
    EXPECT_INT(original, 102);
    EXPECT_INT(original_ms, 1020);
    EXPECT_INT(check(loaded, 7, 2, 1, 1), PRODUCER_OUT_OF_ORDER);
    EXPECT_INT(check(loaded, 7, 2, 7, 1), PRODUCER_NEW);
    EXPECT_INT(check(loaded, 7, 1, 7, 1), PRODUCER_FENCED);
    EXPECT_INT(check(loaded, 9, 0, 1, 1), PRODUCER_NEW);
    for (size_t size = 0; size < rows.at[0].row.size; size++)
        EXPECT_INT(producer_states_load(loaded, 7, bytes_of(rows.at[0].row.data, size)),
                   ERR_CORRUPT);
    free_rows(&rows);
    producer_states_free(p);
    producer_states_free(loaded);
}

TEST(only_producers_that_changed_are_reported)
{
    struct producer_states *p = producer_states_create();
    struct rows rows = {0};
    append(p, 7, 0, 0, 1, 0);
    append(p, 8, 0, 0, 1, 1);
    producer_states_changed(p, keep_row, &rows);
    free_rows(&rows);
    append(p, 8, 0, 1, 1, 2);
    append(p, 8, 0, 2, 1, 3);
    producer_states_changed(p, keep_row, &rows);
    EXPECT_INT(rows.count, 1);
    EXPECT_INT(rows.at[0].id, 8);
    free_rows(&rows);
    producer_states_changed(p, keep_row, &rows);
    EXPECT_INT(rows.count, 0);
    producer_states_free(p);
}

TEST(silent_producers_expire_and_their_rows_are_deleted)
{
    struct producer_states *p = producer_states_create();
    struct rows rows = {0};
    append(p, 7, 3, 0, 1, 10); /* at 1000 ms */
    append(p, 8, 3, 0, 1, 20); /* at 2000 ms */
    producer_states_changed(p, keep_row, &rows);
    free_rows(&rows);
    expire(p, 2000, 1000);
    EXPECT_INT(producer_states_count(p), 2);
    expire(p, 2001, 1000);
    EXPECT_INT(producer_states_count(p), 1);
    EXPECT_INT(check(p, 7, 0, 55, 1), PRODUCER_NEW);
    producer_states_changed(p, keep_row, &rows);
    EXPECT_INT(rows.count, 1);
    EXPECT_INT(rows.at[0].id, 7);
    EXPECT(bytes_is_null(rows.at[0].row));
    EXPECT_INT(producer_states_count(p), 1);
    producer_states_free(p);
}

TEST(a_producer_with_an_unknown_time_ages_from_the_first_look)
{
    struct producer_states *p = producer_states_create();
    struct rows rows = {0};
    struct batch_header batch = batch_of(7, 3, 0, 1);
    producer_appended(p, &batch, PRODUCER_TIME_UNKNOWN);
    producer_states_changed(p, keep_row, &rows);
    struct producer_states *loaded = producer_states_create();
    EXPECT_INT(producer_states_load(loaded, 7, rows.at[0].row), ERR_OK);
    free_rows(&rows);
    expire(loaded, 100000, 1000);
    EXPECT_INT(producer_states_count(loaded), 1);
    producer_states_changed(loaded, keep_row, &rows);
    EXPECT_INT(rows.count, 1); /* it has its time now */
    free_rows(&rows);
    expire(loaded, 101001, 1000);
    EXPECT_INT(producer_states_count(loaded), 0);
    producer_states_free(loaded);
    producer_states_free(p);
}

TEST(an_expired_producer_that_returns_starts_anew)
{
    struct producer_states *p = producer_states_create();
    struct rows rows = {0};
    append(p, 7, 3, 0, 1, 10);
    expire(p, 100000, 1000);
    append(p, 7, 0, 41, 1, 2000);
    EXPECT_INT(producer_states_count(p), 1);
    EXPECT_INT(check(p, 7, 0, 42, 1), PRODUCER_NEW);
    EXPECT_INT(check(p, 7, 0, 0, 1), PRODUCER_OUT_OF_ORDER);
    producer_states_changed(p, keep_row, &rows);
    EXPECT_INT(rows.count, 1);
    EXPECT(!bytes_is_null(rows.at[0].row));
    free_rows(&rows);
    producer_states_free(p);
}

TEST(one_call_forgets_no_more_producers_than_its_budget)
{
    enum { PRODUCERS = 10 };
    struct producer_states *p = producer_states_create();
    for (int i = 0; i < PRODUCERS; i++)
        append(p, i, 0, 0, 1, i); /* at i * 100 ms */
    append(p, 0, 0, 1, 1, PRODUCERS);
    size_t budget = 4;
    EXPECT(!producer_states_expire(p, 5000, 4200, &budget)); /* 1 to 7 are due */
    EXPECT_INT(budget, 0);
    EXPECT_INT(producer_states_count(p), PRODUCERS - 4);
    budget = 4;
    EXPECT(producer_states_expire(p, 5000, 4200, &budget));
    EXPECT_INT(budget, 1);
    EXPECT_INT(producer_states_count(p), PRODUCERS - 7);
    EXPECT_INT(check(p, 0, 0, 2, 1), PRODUCER_NEW); /* the first one has written again */
    EXPECT_INT(check(p, 0, 0, 3, 1), PRODUCER_OUT_OF_ORDER);
    EXPECT_INT(check(p, 9, 0, 2, 1), PRODUCER_OUT_OF_ORDER);
    producer_states_free(p);
}

/* Rows are loaded in the order of the ids. */
TEST(after_a_restart_only_the_producers_that_are_due_are_looked_at)
{
    enum { PRODUCERS = 8 };
    struct producer_states *p = producer_states_create(), *loaded = producer_states_create();
    struct rows rows = {0};
    for (int i = 0; i < PRODUCERS; i++)
        append(p, PRODUCERS - i, 0, 0, 1, i);
    struct batch_header batch = batch_of(99, 0, 0, 1);
    producer_appended(p, &batch, PRODUCER_TIME_UNKNOWN);
    producer_states_changed(p, keep_row, &rows);
    EXPECT_INT(producer_states_load(loaded, rows.at[PRODUCERS].id, rows.at[PRODUCERS].row), ERR_OK);
    for (int i = PRODUCERS; i-- > 0;)
        EXPECT_INT(producer_states_load(loaded, rows.at[i].id, rows.at[i].row), ERR_OK);
    producer_states_loaded(loaded);
    size_t budget = 2;
    EXPECT(producer_states_expire(loaded, 1050, 1000, &budget)); /* only the one of 0 ms is due */
    EXPECT_INT(budget, 0);                                       /* and 99 has its time now */
    EXPECT_INT(producer_states_count(loaded), PRODUCERS);
    EXPECT_INT(check(loaded, PRODUCERS, 0, 7, 1), PRODUCER_NEW);
    EXPECT_INT(check(loaded, PRODUCERS - 1, 0, 7, 1), PRODUCER_OUT_OF_ORDER);
    EXPECT_INT(check(loaded, 99, 0, 7, 1), PRODUCER_OUT_OF_ORDER);
    free_rows(&rows);
    producer_states_free(p);
    producer_states_free(loaded);
}
