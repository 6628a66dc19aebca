#include "base/random.h"
#include "tests/harness/harness.h"
#include "tests/processors/support_task.h"

#include <stdio.h>
#include <stdlib.h>

#define D "[t/d]\ntype = dedup\nid = value.id\nwithin = 100ms\noutput = o\n"

TEST(the_first_arrival_wins_in_both_directions)
{
    struct world w;
    world_init(&w, 1, D "out-of-order = 1s\n");
    world_put(&w, 1000, "k", "{\"id\":1,\"n\":1}");
    world_put(&w, 1099, "k", "{\"id\":1,\"n\":2}"); /* 99 later */
    world_put(&w, 901, "k", "{\"id\":1,\"n\":3}");  /* 99 earlier */
    world_put(&w, 1100, "k", "{\"id\":1,\"n\":4}"); /* exactly `within`: not a duplicate */
    world_put(&w, 900, "k", "{\"id\":1,\"n\":5}");
    world_put(&w, 1000, "k", "{\"id\":2,\"n\":6}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "o"), "1000 k {\"id\":1,\"n\":1}\n1100 k {\"id\":1,\"n\":4}\n"
                                         "900 k {\"id\":1,\"n\":5}\n1000 k {\"id\":2,\"n\":6}\n");
    EXPECT_INT(task_counters(w.task)->duplicates, 2);
    world_free(&w);
}

TEST(duplicates_do_not_extend_unless_they_refresh)
{
    struct world w;
    for (int refresh = 0; refresh < 2; refresh++) {
        world_init(&w, 1, refresh ? D "refresh = true\n" : D);
        for (int i = 0; i < 6; i++)
            world_put(&w, 1000 + i * 60, "k", "{\"id\":1}");
        world_run(&w);
        EXPECT_INT(w.output_count, refresh ? 1 : 3); /* at 1000, 1120 and 1240 */
        world_free(&w);
    }
}

TEST(duplicates_may_be_tagged_or_go_to_a_topic)
{
    struct world w;
    world_init(&w, 1, D "duplicates = tag\n");
    world_put(&w, 1, "k", "{\"id\":1}");
    world_put(&w, 2, "k", "{\"id\":1}");
    world_header(&w, "trace", "t");
    world_run(&w);
    EXPECT_INT(w.output_count, 2);
    EXPECT_STRING(world_output_header(&w, "o", 0, "sp.duplicate"), "");
    EXPECT_STRING(world_output_header(&w, "o", 1, "sp.duplicate"), "1");
    EXPECT_STRING(world_output_header(&w, "o", 1, "trace"), "t");
    EXPECT_INT(task_counters(w.task)->tagged, 1);
    EXPECT_INT(task_counters(w.task)->duplicates, 0);
    world_free(&w);
    world_init(&w, 1, D "duplicates = dups\n");
    world_put(&w, 1, "k", "{\"id\":1}");
    world_put(&w, 2, "k", "{\"id\":1}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "o"), "1 k {\"id\":1}\n");
    EXPECT_STRING(world_output(&w, "dups"), "2 k {\"id\":1}\n");
    world_free(&w);
}

TEST(later_steps_see_the_tag_of_a_duplicate)
{
    struct world w;
    world_init(
        &w, 1,
        "[t/d]\ntype = dedup\nid = key\nwithin = 1m\nduplicates = tag\n"
        "[t/f]\ntype = filter\nafter = d\nwhere = header('sp.duplicate') == '1'\noutput = o\n");
    world_put(&w, 1, "k", "first");
    world_put(&w, 2, "k", "second");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "o"), "2 k second\n");
    world_free(&w);
}

TEST(a_missing_id_is_a_dead_letter)
{
    struct world w;
    world_init(&w, 1, D);
    world_put(&w, 1, "k", "{\"id\":null}");
    world_put(&w, 1, "k", "{}");
    world_run(&w);
    EXPECT_STRING(world_output_header(&w, "dlq.t", 1, "__dlq.errors.code"), "DEDUP_ID_MISSING");
    EXPECT_INT(task_counters(w.task)->dead_letters, 2);
    world_free(&w);
}

TEST(ids_are_equal_by_their_canonical_value)
{
    struct world w;
    world_init(&w, 1, "[t/d]\ntype = dedup\nid = value.a; value.b\nwithin = 1m\noutput = o\n");
    world_put(&w, 1, "k", "{\"a\":1,\"b\":{\"x\":1,\"y\":2}}");
    world_put(&w, 1, "k", "{\"b\":{\"y\":2, \"x\":1.0},\"a\":1.0}"); /* the same */
    world_put(&w, 1, "k", "{\"a\":\"1\",\"b\":{\"x\":1,\"y\":2}}");
    world_put(&w, 1, "k", "{\"a\":\"1,\",\"b\":2}");
    world_put(&w, 1, "k", "{\"a\":\"1\",\"b\":\",2\"}");
    world_run(&w);
    EXPECT_INT(task_counters(w.task)->duplicates, 1);
    world_free(&w);
}

TEST(long_ids_are_kept_as_a_digest)
{
    struct world w;
    char first[400], second[400];
    world_init(&w, 1, D);
    snprintf(first, sizeof first, "{\"id\":\"%0300d\"}", 1);
    snprintf(second, sizeof second, "{\"id\":\"%0300d\"}", 2);
    world_put(&w, 1, "k", first);
    world_put(&w, 2, "k", second);
    world_put(&w, 3, "k", first);
    world_run(&w);
    EXPECT_INT(task_counters(w.task)->duplicates, 1);
    EXPECT_INT(w.output_count, 2);
    for (size_t i = 0; i < w.state_count; i++)
        EXPECT(w.state[i].value.size < 200);
    world_free(&w);
}

TEST(late_records_go_to_the_late_output_or_pass_unchecked)
{
    struct world w;
    world_init(&w, 1, D "lateness = 10ms\n");
    world_put(&w, 1000, "k", "{\"id\":1}");
    world_put(&w, 990, "k", "{\"id\":2}"); /* exactly W - L: not late */
    world_put(&w, 989, "k", "{\"id\":3}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "dlq.t"), "989 k {\"id\":3}\n");
    EXPECT_STRING(world_output_header(&w, "dlq.t", 0, "__dlq.errors.code"), "LATE");
    EXPECT_INT(task_counters(w.task)->late, 1);
    world_free(&w);
    world_init(&w, 1, D "late = pass\n");
    world_put(&w, 1000, "k", "{\"id\":1}");
    world_put(&w, 950, "k", "{\"id\":2}");  /* passes, and is an anchor */
    world_put(&w, 1000, "k", "{\"id\":2}"); /* less than 100 from it */
    world_put(&w, 950, "k", "{\"id\":2}");  /* passes again */
    world_run(&w);
    EXPECT_INT(w.output_count, 3);
    EXPECT_INT(task_counters(w.task)->duplicates, 1);
    world_free(&w);
    world_init(&w, 1, D "late = drop\n");
    world_put(&w, 1000, "k", "{\"id\":1}");
    world_put(&w, 950, "k", "{\"id\":2}");
    world_run(&w);
    EXPECT_INT(w.output_count, 1);
    EXPECT_INT(task_counters(w.task)->late, 1);
    world_free(&w);
}

TEST(the_processing_time_clock_uses_the_time_of_arrival)
{
    struct world w;
    world_init(&w, 1, D "clock = processing\n");
    world_put(&w, 1000, "k", "{\"id\":1}");
    world_put(&w, 5000, "k", "{\"id\":1}"); /* duplicate: arrives at once */
    world_run(&w);
    w.wall_ms += 99;
    world_put(&w, 5000, "k", "{\"id\":1}");
    world_run(&w);
    EXPECT_INT(w.output_count, 1);
    w.wall_ms += 1;
    world_put(&w, 10, "k", "{\"id\":1}"); /* old, but nothing is late by this clock */
    world_run(&w);
    EXPECT_INT(w.output_count, 2);
    world_free(&w);
}

TEST(expired_anchors_leave_memory_and_state)
{
    struct world w;
    world_init(&w, 1, D);
    char value[64];
    for (int i = 0; i < 500; i++) {
        snprintf(value, sizeof value, "{\"id\":%d}", i);
        world_put(&w, 1000 + i * 10, "k", value);
    }
    world_run_in(&w, 5, SIZE_MAX);
    EXPECT_INT(w.output_count, 500);
    EXPECT(task_counters(w.task)->state_keys <= 12); /* within / 10, and those of one slice */
    EXPECT(w.state_count <= 4);                      /* rows of 5 ids, and the meta entry */
    world_free(&w);
}

TEST(the_ids_of_a_step_are_one_row_that_expires_with_the_latest)
{
    struct world w;
    world_init(&w, 1, D);
    world_put(&w, 1000, "k", "{\"id\":1}");
    world_put(&w, 1000, "k", "{\"id\":2}");
    world_put(&w, 1050, "k", "{\"id\":3}");
    world_run(&w);
    EXPECT_INT(w.state_writes, 2);
    EXPECT_INT(w.state_count, 2); /* the row and the meta entry */
    world_put(&w, 1149, "k", "{\"id\":3}");
    world_put(&w, 1149, "k", "{\"id\":4}");
    world_run(&w);
    EXPECT_INT(w.state_count, 3); /* 1 and 2 have expired, 3 has not */
    world_put(&w, 1150, "k", "{\"id\":5}");
    world_run(&w);
    EXPECT_INT(w.state_count, 3); /* the row of the first step is deleted */
    world_restart(&w);
    world_put(&w, 1160, "k", "{\"id\":4}");
    world_put(&w, 1160, "k", "{\"id\":3}");
    world_run(&w);
    EXPECT_INT(task_counters(w.task)->duplicates, 2);
    EXPECT_INT(w.output_count, 6);
    world_free(&w);
}

/* Useless anchors of a hot id are removed. A restart restores exactly the others. */
TEST(removed_anchors_stay_removed_over_a_restart)
{
    struct world w;
    world_init(&w, 1, D "refresh = true\nout-of-order = 1s\n");
    for (int i = 0; i < 60; i++) {
        world_put(&w, 1000 + i * 10, "k", "{\"id\":1}");
        world_step(&w);
        int64_t before = task_counters(w.task)->state_keys;
        world_restart(&w);
        EXPECT_INT(task_counters(w.task)->state_keys, before);
    }
    EXPECT(task_counters(w.task)->state_keys < 10);
    EXPECT_INT(w.output_count, 1);
    world_free(&w);
}

TEST(over_max_ids_the_oldest_are_forgotten_and_counted)
{
    struct world w;
    world_init(&w, 1,
               "[t/d]\ntype = dedup\nid = value.id\nwithin = 1h\noutput = o\nmax-ids = 100\n");
    char value[64];
    for (int i = 0; i < 300; i++) {
        snprintf(value, sizeof value, "{\"id\":%d}", i);
        world_put(&w, 1000000 + i * 60000, "k", value);
    }
    world_run(&w);
    EXPECT(task_counters(w.task)->state_keys <= 100);
    EXPECT_INT(w.output_count, 300);
    world_free(&w);
    world_init(&w, 1, "[t/d]\ntype = dedup\nid = value.id\nwithin = 1h\noutput = o\nmax-ids = 3\n");
    for (int i = 0; i < 5; i++) {
        snprintf(value, sizeof value, "{\"id\":%d}", i);
        world_put(&w, 1000000 + i * 60000, "k", value);
    }
    world_put(&w, 1400000, "k", "{\"id\":0}"); /* forgotten */
    world_put(&w, 1400000, "k", "{\"id\":4}"); /* remembered */
    world_run(&w);
    EXPECT_INT(task_counters(w.task)->evicted, 3);
    EXPECT_INT(task_counters(w.task)->duplicates, 1);
    world_free(&w);
}

/* The rule of the semantics, without any expiry: every anchor is kept for ever. */
struct rule {
    int64_t times[4096];
    int ids[4096];
    size_t count;
    int64_t watermark, within, out_of_order;
    bool refresh;
};

enum answer { PASSES, IS_DUPLICATE, IS_LATE };

static enum answer rule_take(struct rule *r, int id, int64_t time)
{
    enum answer answer = PASSES;
    if (time < r->watermark)
        answer = IS_LATE;
    for (size_t i = 0; i < r->count && answer == PASSES; i++) {
        if (r->ids[i] == id && llabs(r->times[i] - time) < r->within)
            answer = IS_DUPLICATE;
    }
    if (answer == PASSES || (answer == IS_DUPLICATE && r->refresh)) {
        r->times[r->count] = time;
        r->ids[r->count++] = id;
    }
    if (time - r->out_of_order > r->watermark)
        r->watermark = time - r->out_of_order;
    return answer;
}

TEST(expiry_never_changes_a_result)
{
    enum { COUNT = 3000 };
    for (int refresh = 0; refresh < 2; refresh++) {
        struct rule *rule = xcalloc(1, sizeof *rule);
        *rule = (struct rule){
            .watermark = INT64_MIN, .within = 100, .out_of_order = 250, .refresh = refresh};
        struct world w;
        struct random_seeded seeded;
        random_seeded_init(&seeded, test_seed());
        world_init(&w, 1,
                   refresh ? D "out-of-order = 250ms\nrefresh = true\nlate = drop\n"
                           : D "out-of-order = 250ms\nlate = drop\n");
        int64_t now = 10000;
        uint64_t expected[3] = {0};
        for (int i = 0; i < COUNT; i++) {
            char value[64];
            now += (int64_t)random_below(&seeded.random, 12);
            int id = (int)random_below(&seeded.random, 12);
            int64_t time = now - (int64_t)random_below(&seeded.random, 300);
            snprintf(value, sizeof value, "{\"id\":%d}", id);
            world_put(&w, time, "k", value);
            world_step(&w);
            if (i % 97 == 0)
                world_restart(&w);
            expected[rule_take(rule, id, time)]++;
            EXPECT_INT(w.output_count, expected[PASSES]);
            EXPECT_INT(task_counters(w.task)->duplicates, expected[IS_DUPLICATE]);
            EXPECT_INT(task_counters(w.task)->late, expected[IS_LATE]);
        }
        EXPECT(expected[PASSES] > 100 && expected[IS_DUPLICATE] > 100 && expected[IS_LATE] > 10);
        EXPECT(task_counters(w.task)->state_keys < 200);
        world_free(&w);
        free(rule);
    }
}

TEST(a_hot_id_that_refreshes_keeps_few_anchors)
{
    struct world w;
    world_init(&w, 1, D "refresh = true\nout-of-order = 1s\n");
    for (int i = 0; i < 2000; i++)
        world_put(&w, 1000 + i, "k", "{\"id\":1}");
    world_run(&w);
    EXPECT_INT(w.output_count, 1);
    EXPECT(task_counters(w.task)->state_keys < 30);
    world_free(&w);
}
