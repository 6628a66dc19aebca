#include "base/random.h"
#include "tests/harness/harness.h"
#include "tests/processors/support_host.h"

#include <stdio.h>
#include <stdlib.h>

#define COPY "[in/f]\ntype = filter\nwhere = true\noutput = out\n"

/* Duplicates, windows, garbage, late records. */
#define MIXED                                                                                   \
    "[in/check]\ntype = validate\njson = true\nout-of-order = 15ms\n"                           \
    "[in/uniq]\ntype = dedup\nafter = check\nid = value.id\nwithin = 40ms\nduplicates = dups\n" \
    "output = unique\n"                                                                         \
    "[in/hop]\ntype = aggregate\nafter = uniq\ngroup-by = key\nwindow = hopping(30ms; 10ms)\n"  \
    "select = count() as n; sum(value.a) as s; last(value.id) as l\noutput = hops\n"

enum { RECORDS = 120 };

static void put_random(struct model *m, size_t input, uint64_t seed, bool holes)
{
    struct random_seeded seeded;
    random_seeded_init(&seeded, seed + input);
    struct random *random = &seeded.random;
    int64_t now = 1000;
    for (int i = 0; i < RECORDS; i++) {
        char key[16], value[64], header[16];
        struct buffer headers;
        now += (int64_t)random_below(random, 8);
        snprintf(key, sizeof key, "k%d", (int)random_below(random, 4));
        snprintf(header, sizeof header, "h%d", i);
        snprintf(value, sizeof value, "{\"id\":%d,\"a\":%d%s", (int)random_below(random, 60), i,
                 random_below(random, 12) ? "}" : "");
        buffer_init(&headers, 1 << 10);
        record_headers_append(&headers, bytes_string(header), bytes_string("x"));
        struct record r = {
            .timestamp = now - (int64_t)random_below(random, 25),
            .key = random_below(random, 9) ? bytes_string(key) : BYTES_NULL,
            .value = random_below(random, 15) ? bytes_string(value) : BYTES_NULL,
            .headers = buffer_view(&headers),
            .header_count = 1,
        };
        int64_t hole = holes && random_below(random, 4) == 0 ? (int64_t)random_below(random, 9) : 0;
        model_put(m, input, hole, &r);
        buffer_free(&headers);
    }
}

struct shape {
    size_t inputs, batch_size, slice;
    enum codec codec;
    bool has_control;
};

/* Runs a host over random records, with a step per slice, or one step at the end. */
static void run_shape(struct model *m, const struct shape *s, bool as_messages)
{
    model_init(m, s->inputs, MIXED);
    m->as_messages = as_messages;
    m->slice.max_records = s->slice;
    for (size_t i = 0; i < s->inputs; i++) {
        m->inputs[i].batch_size = s->batch_size;
        m->inputs[i].codec = s->codec;
        m->inputs[i].has_control = s->has_control;
        put_random(m, i, test_seed(), true);
    }
    model_start(m);
    host_run(&m->host, &m->slice);
    while (host_run(&m->host, &m->slice)) {
        if (s->slice < RECORDS)
            host_flush(&m->host);
    }
}

TEST(batches_and_messages_make_the_same_steps)
{
    static const struct shape shapes[] = {{1, 1, 1000, CODEC_NONE, false},
                                          {1, 7, 1000, CODEC_LZ4, false},
                                          {1, 50, 1000, CODEC_NONE, true},
                                          {2, 7, 1000, CODEC_NONE, true},
                                          {3, 13, 1000, CODEC_ZSTD, false}};
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct model batches, messages;
        run_shape(&batches, &shapes[i], false);
        run_shape(&messages, &shapes[i], true);
        EXPECT_BYTES(buffer_view(&batches.steps), buffer_view(&messages.steps));
        EXPECT_INT(batches.step_count, 1);
        EXPECT(batches.world.output_count > RECORDS / 2);
        model_free(&batches);
        model_free(&messages);
    }
}

TEST(steps_in_the_middle_of_a_batch_are_those_of_single_messages)
{
    static const struct shape shapes[] = {
        {1, 50, 1, CODEC_NONE, false}, {1, 7, 3, CODEC_GZIP, false}, {2, 11, 5, CODEC_NONE, false}};
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct model batches, messages;
        run_shape(&batches, &shapes[i], false);
        run_shape(&messages, &shapes[i], true);
        EXPECT(batches.step_count >= RECORDS / shapes[i].slice);
        EXPECT_BYTES(buffer_view(&batches.steps), buffer_view(&messages.steps));
        model_free(&batches);
        model_free(&messages);
    }
}

TEST(the_position_moves_over_holes_control_batches_and_empty_ones)
{
    struct model m;
    model_init(&m, 1, COPY);
    m.inputs[0].has_control = true;
    struct record r = {.timestamp = 1, .key = bytes_string("a"), .value = bytes_string("1")};
    model_put(&m, 0, 6, &r);
    model_put(&m, 0, 0, &r);
    model_put(&m, 0, 5, &r);
    m.inputs[0].end += 4; /* a hole after the last record too */
    model_start(&m);
    model_run(&m);
    EXPECT_INT(m.world.output_count, 3);
    EXPECT_INT(m.cursors[0], 6 + 2 + 5 + 1 + 4);
    EXPECT(host_is_idle(&m.host, 30000));
    model_free(&m);
}

TEST(a_batch_without_records_ends_a_slice_when_the_budget_is_used_up)
{
    struct model m;
    model_init(&m, 1, COPY);
    m.inputs[0].has_control = true;
    m.inputs[0].end = 20;
    m.slice.max_records = 5;
    model_start(&m);
    model_run(&m); /* begins */
    EXPECT_INT(task_position(m.host.task, 0), 20);
    model_restart(&m);
    EXPECT_INT(task_position(m.host.task, 0), 20);
    m.inputs[0].end = 40;
    EXPECT(host_run(&m.host, &m.slice));
    EXPECT_INT(task_position(m.host.task, 0), 25);
    model_free(&m);
}

TEST(an_input_continues_in_a_batch_whose_memory_moved)
{
    for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        struct model m;
        model_init(&m, 1, COPY);
        m.inputs[0].codec = (enum codec)codec;
        m.slice.max_records = 2;
        for (int i = 0; i < 7; i++)
            model_put_text(&m, 0, i, "k", "v");
        model_start(&m);
        model_run(&m);
        for (int i = 7; i < 14; i++)
            model_put_text(&m, 0, i, "k", "v");
        for (bool more = true; more;) {
            more = host_run(&m.host, &m.slice);
            batch_input_release(&m.inputs[0].batches);
            free((void *)(uintptr_t)m.inputs[0].memory.data);
            m.inputs[0].memory = BYTES_NULL;
        }
        EXPECT_INT(m.world.output_count, 14);
        model_free(&m);
    }
}

/* --- several inputs --- */

static void put_times(struct model *m, size_t input, const char *key, const int64_t *times)
{
    for (; *times; times++)
        model_put_text(m, input, *times, key, "1");
}

TEST(records_of_several_inputs_are_taken_by_timestamp_and_then_by_input)
{
    struct model m;
    model_init(&m, 3, COPY);
    put_times(&m, 0, "a", (const int64_t[]){3, 5, 5, 9, 0});
    put_times(&m, 1, "b", (const int64_t[]){1, 5, 7, 0});
    put_times(&m, 2, "c", (const int64_t[]){4, 2, 10, 0});
    model_start(&m);
    model_run(&m);
    EXPECT_STRING(world_output(&m.world, "out"),
                  "1 b 1\n3 a 1\n4 c 1\n2 c 1\n5 a 1\n5 a 1\n5 b 1\n7 b 1\n9 a 1\n10 c 1\n");
    EXPECT_INT(m.cursors[0], 4);
    EXPECT_INT(m.cursors[1], 3);
    EXPECT_INT(m.cursors[2], 3);
    model_free(&m);
}

TEST(a_task_waits_for_an_input_that_is_being_read_but_not_for_one_at_its_end)
{
    struct model m;
    model_init(&m, 2, COPY);
    put_times(&m, 0, "a", (const int64_t[]){1, 5, 0});
    put_times(&m, 1, "b", (const int64_t[]){3, 0});
    m.inputs[1].mood = MODEL_WAITS;
    model_start(&m);
    model_run(&m);
    EXPECT_INT(m.world.output_count, 0);
    m.inputs[1].mood = MODEL_GIVES;
    model_run(&m);
    EXPECT_STRING(world_output(&m.world, "out"), "1 a 1\n3 b 1\n5 a 1\n");
    model_free(&m);
}

TEST(a_record_that_was_read_ahead_is_not_below_the_cursor)
{
    struct model m;
    model_init(&m, 2, COPY);
    put_times(&m, 0, "a", (const int64_t[]){1, 2, 0});
    put_times(&m, 1, "b", (const int64_t[]){9, 0});
    m.slice.max_records = 1;
    model_start(&m);
    EXPECT(!host_run(&m.host, &m.slice)); /* placed */
    EXPECT(host_run(&m.host, &m.slice));
    host_flush(&m.host);
    EXPECT_INT(m.cursors[0], 1);
    EXPECT_INT(m.cursors[1], 0);
    model_restart(&m);
    model_run(&m);
    EXPECT_STRING(world_output(&m.world, "out"), "1 a 1\n2 a 1\n9 b 1\n");
    model_free(&m);
}

/* --- restarts --- */

struct crash {
    size_t inputs, after_steps;
    bool as_messages;
};

static void run_to_end(struct model *m)
{
    while (host_run(&m->host, &m->slice))
        host_flush(&m->host);
    host_flush(&m->host);
}

/* Commits a step per slice of 9 records. Crashes after some steps, with a slice that was not
 * committed, or that was committed but is not durable. */
static char *run_crashing(const struct crash *crash, size_t *steps)
{
    struct model m;
    model_init(&m, crash->inputs, MIXED);
    m.as_messages = crash->as_messages;
    m.slice.max_records = 9;
    m.keeps_open = true;
    for (size_t i = 0; i < crash->inputs; i++)
        put_random(&m, i, test_seed(), false);
    model_start(&m);
    host_run(&m.host, &m.slice);
    while (m.step_count < crash->after_steps && host_run(&m.host, &m.slice))
        host_flush(&m.host);
    if (crash->after_steps != SIZE_MAX) {
        m.holds_answers = crash->after_steps % 2;
        host_run(&m.host, &m.slice);
        if (m.holds_answers)
            host_flush(&m.host);
        m.holds_answers = false;
        model_restart(&m);
    }
    run_to_end(&m);
    *steps = m.step_count;
    char *dump = xstrdup(world_dump(&m.world));
    model_free(&m);
    return dump;
}

TEST(a_restart_at_every_step_equals_an_uninterrupted_run)
{
    for (size_t inputs = 1; inputs <= 2; inputs++) {
        size_t steps, ignored;
        char *expected = run_crashing(&(struct crash){inputs, SIZE_MAX, false}, &steps);
        EXPECT(steps > inputs * RECORDS / 9);
        for (size_t at = 0; at <= steps; at++) {
            char *found = run_crashing(&(struct crash){inputs, at, at % 3 == 0}, &ignored);
            EXPECT_STRING(found, expected);
            free(found);
        }
        free(expected);
    }
}
