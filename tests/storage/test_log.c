#include "tests/storage/support_log.h"

#include "storage/log_internal.h"

#include <stdlib.h>

static const struct log_state fresh = {0};

TEST(a_new_log_is_empty)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, fresh);
    EXPECT_INT(log_start_offset(w.log), 0);
    EXPECT_INT(log_next_offset(w.log), 0);
    EXPECT_INT(log_durable_offset(w.log), 0);
    EXPECT(log_is_loaded(w.log));
    EXPECT(log_flush_begin(w.log) == NULL);
    EXPECT_INT(file_size(w.directory), -1);
    log_world_close(&w);
}

TEST(appending_stamps_offset_and_epoch_and_keeps_the_checksum)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w,
                   (struct log_state){.log_start_offset = 5, .next_offset = 5, .active_base = 5});
    struct shared_buffer *b = make_batch((struct batch_spec){.count = 3, .timestamp = 9});
    batch_stamp(b->data, 77, 7);
    EXPECT_INT(log_append(w.log, b, b->data, b->size, 0), 5);
    struct batch_header header;
    EXPECT(batch_header_read(bytes_of(b->data, b->size), &header));
    EXPECT_INT(header.base_offset, 5);
    EXPECT_INT(header.leader_epoch, 0);
    EXPECT(batch_crc_is_right(bytes_of(b->data, b->size)));
    EXPECT_INT(log_next_offset(w.log), 8);
    EXPECT_INT(log_size_bytes(w.log), b->size);
    EXPECT_INT(log_unflushed_bytes(w.log), b->size);
    EXPECT_INT(log_tail_bytes(w.log), b->size);
    EXPECT_INT(atomic_load(&b->references), 2);
    log_world_close(&w);
    EXPECT_INT(atomic_load(&b->references), 1);
    shared_buffer_unref(b);
}

TEST(the_durable_offset_never_falls)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, fresh);
    log_world_append(&w, (struct batch_spec){.count = 10});
    log_set_durable(w.log, 10);
    log_set_durable(w.log, 4);
    EXPECT_INT(log_durable_offset(w.log), 10);
    log_world_close(&w);
}

TEST(appending_updates_the_states_of_producers)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, fresh);
    log_world_append(&w, (struct batch_spec){.count = 2});
    EXPECT_INT(producer_states_count(log_producers(w.log)), 0);
    struct batch_spec spec = {.count = 2, .producer_id = 77, .timestamp = 5, .step = 1};
    EXPECT_INT(log_world_append(&w, spec), 2);
    EXPECT_INT(producer_states_count(log_producers(w.log)), 1);
    struct shared_buffer *again = make_batch(spec);
    struct batch_header header;
    int64_t offset, timestamp;
    EXPECT(batch_header_read(bytes_of(again->data, again->size), &header));
    EXPECT_INT(producer_check(log_producers(w.log), &header, &offset, &timestamp),
               PRODUCER_DUPLICATE);
    EXPECT_INT(offset, 2);
    EXPECT_INT(timestamp, 6);
    shared_buffer_unref(again);
    log_world_close(&w);
}

TEST(a_recovered_batch_must_be_the_next_one_and_whole)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, fresh);
    struct shared_buffer *b = make_batch((struct batch_spec){.count = 3});
    batch_stamp(b->data, 1, 0);
    EXPECT_INT(log_append_recovered(w.log, b, b->data, b->size), ERR_CORRUPT);
    batch_stamp(b->data, 0, 0);
    EXPECT_INT(log_append_recovered(w.log, b, b->data, b->size - 1), ERR_CORRUPT);
    EXPECT_INT(log_append_recovered(w.log, b, b->data, BATCH_HEADER_SIZE - 1), ERR_CORRUPT);
    EXPECT_INT(log_append_recovered(w.log, b, b->data, b->size), ERR_OK);
    EXPECT_INT(log_next_offset(w.log), 3);
    EXPECT_INT(log_append_recovered(w.log, b, b->data, b->size), ERR_CORRUPT);
    shared_buffer_unref(b);
    log_world_close(&w);
}

/* --- rolling --- */

static size_t segments(const struct log_world *w)
{
    return w->log->segment_count;
}

TEST(a_segment_rolls_when_a_batch_would_exceed_its_size)
{
    struct log_world w;
    log_world_init(&w);
    struct batch_spec spec = {.count = 1, .value_size = 100};
    struct shared_buffer *b = make_batch(spec);
    w.config.segment_bytes = 3 * (int64_t)b->size;
    shared_buffer_unref(b);
    log_world_open(&w, fresh);
    for (int i = 0; i < 3; i++)
        log_world_append(&w, spec);
    EXPECT_INT(segments(&w), 1); /* exactly full */
    log_world_append(&w, spec);
    EXPECT_INT(segments(&w), 2);
    EXPECT_INT(log_state(w.log).active_base, 3);
    log_world_append(&w, (struct batch_spec){.count = 1, .value_size = 5000});
    EXPECT_INT(segments(&w), 3); /* a batch larger than a segment has one of its own */
    log_world_append(&w, spec);
    EXPECT_INT(segments(&w), 4);
    log_world_close(&w);
}

TEST(a_segment_rolls_by_the_timestamps_of_its_batches)
{
    struct log_world w;
    log_world_init(&w);
    w.config.segment_ms = 1000;
    log_world_open(&w, fresh);
    log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = 50000});
    log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = 1});
    log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = 51000});
    EXPECT_INT(segments(&w), 1);
    log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = 51001});
    EXPECT_INT(segments(&w), 2);
    log_world_append(&w, (struct batch_spec){.count = 1, .timestamp = -1});
    EXPECT_INT(segments(&w), 2);
    log_world_close(&w);
}

TEST(a_segment_rolls_when_its_index_is_full)
{
    struct log_world w;
    log_world_init(&w);
    w.config.index_interval_bytes = 1;
    w.config.segment_index_bytes = 12 * 4; /* four time entries, one kept for closing */
    log_world_open(&w, fresh);
    for (int i = 0; i < 4; i++)
        log_world_append(&w, (struct batch_spec){.count = 1});
    EXPECT_INT(segments(&w), 1);
    log_world_append(&w, (struct batch_spec){.count = 1});
    EXPECT_INT(segments(&w), 2);
    log_world_close(&w);
}

TEST(a_segment_rolls_before_relative_offsets_overflow)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, fresh);
    log_world_append(&w, (struct batch_spec){.count = 1});
    struct shared_buffer *b = make_batch((struct batch_spec){.count = 1});
    store_be32(b->data + 23, INT32_MAX - 1); /* last offset delta: ends at offset INT32_MAX */
    EXPECT_INT(log_append(w.log, b, b->data, b->size, 0), 1);
    EXPECT_INT(segments(&w), 1);
    shared_buffer_unref(b);
    EXPECT_INT(log_world_append(&w, (struct batch_spec){.count = 1}), (int64_t)INT32_MAX + 1);
    EXPECT_INT(segments(&w), 2);
    EXPECT_INT(log_state(w.log).active_base, (int64_t)INT32_MAX + 1);
    log_world_close(&w);
}

TEST(configs_may_change_while_open)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, fresh);
    log_world_append(&w, (struct batch_spec){.count = 1});
    w.config.segment_bytes = 1;
    log_configure(w.log, &w.config);
    log_world_append(&w, (struct batch_spec){.count = 1});
    EXPECT_INT(segments(&w), 2);
    log_world_close(&w);
}

/* --- the tail --- */

TEST(trimming_drops_flushed_batches_from_the_front_only)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, fresh);
    size_t size = 0;
    for (int i = 0; i < 4; i++) {
        log_world_append(&w, (struct batch_spec){.count = 1, .value_size = 10});
        size = log_tail_bytes(w.log) / (size_t)(i + 1);
    }
    EXPECT_INT(log_trim_tail(w.log, 0), 0); /* nothing is flushed */
    log_set_durable(w.log, 3);
    struct log_flush *flush = log_flush_begin(w.log);
    enum error error = log_flush_run(flush, false);
    log_flush_end(flush, error);
    EXPECT_INT(error, ERR_OK);
    EXPECT_INT(log_flushed_offset(w.log), 3);
    EXPECT_INT(log_trim_tail(w.log, 3 * size), size);
    EXPECT_INT(log_trim_tail(w.log, 2 * size + 1), size);
    EXPECT_INT(log_trim_tail(w.log, 0), size);
    EXPECT_INT(log_trim_tail(w.log, 0), 0); /* the fourth is not flushed */
    EXPECT_INT(log_tail_bytes(w.log), size);
    EXPECT_INT(log_unflushed_bytes(w.log), size);
    log_world_close(&w);
}

TEST(the_tail_keeps_order_while_it_grows_and_shrinks)
{
    struct log_world w;
    log_world_init(&w);
    log_world_open(&w, fresh);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i <= round; i++)
            log_world_append(&w, (struct batch_spec){.count = 1 + i % 3});
        log_world_flush(&w);
        log_trim_tail(w.log, log_tail_bytes(w.log) * 2 / 3);
        if (round == 0)
            continue; /* its only batch is gone */
        int64_t first = tail_at(&w.log->tail, 0)->base_offset;
        for (int64_t offset = first; offset < log_next_offset(w.log); offset++) {
            size_t at = tail_find(&w.log->tail, offset);
            EXPECT(tail_at(&w.log->tail, at)->base_offset <= offset);
            EXPECT(tail_at(&w.log->tail, at)->next_offset > offset);
        }
        EXPECT_INT(tail_find(&w.log->tail, first - 1), w.log->tail.count);
        EXPECT_INT(tail_find(&w.log->tail, log_next_offset(w.log)), w.log->tail.count);
    }
    log_world_close(&w);
}

TEST(the_owner_is_kept)
{
    struct log_world w;
    log_world_init(&w);
    int owner;
    log_world_open(&w, fresh);
    EXPECT(log_owner(w.log) == NULL);
    log_set_owner(w.log, &owner);
    EXPECT(log_owner(w.log) == &owner);
    log_world_close(&w);
}
