#include "tests/harness/harness.h"
#include "tests/processors/support_task.h"

#define CHAIN                                                                              \
    "[t/check]\ntype = validate\n"                                                         \
    "[t/uniq]\ntype = dedup\nafter = check\nid = value.id\nwithin = 1m\noutput = unique\n" \
    "[t/sum]\ntype = aggregate\nafter = uniq\ngroup-by = key\nwindow = tumbling(10ms)\n"   \
    "select = sum(value.a) as s\noutput = sums\n"

TEST(a_record_goes_through_the_chain_in_one_step)
{
    struct world w;
    world_init(&w, 1, CHAIN);
    world_put(&w, 1, "k", "{\"id\":1,\"a\":1}");
    world_put(&w, 2, "k", "{\"id\":1,\"a\":1}");
    world_put(&w, 3, "k", "{\"id\":2,\"a\":2}");
    world_put(&w, 10, "k", "{\"id\":3,\"a\":4}");
    world_run(&w);
    EXPECT_INT(w.last_sequence, 1);
    EXPECT_STRING(world_output(&w, "sums"),
                  "3 {\"e\":10,\"key\":[\"k\"],\"s\":0} "
                  "{\"key\":\"k\",\"window_start\":0,\"window_end\":10,\"s\":3}\n");
    EXPECT_STRING(world_output(&w, "unique"), "1 k {\"id\":1,\"a\":1}\n3 k {\"id\":2,\"a\":2}\n"
                                              "10 k {\"id\":3,\"a\":4}\n");
    world_free(&w);
}

/* A record that fails after the dedup leaves no anchor and is not in the output of the dedup. A
 * corrected copy of it is no duplicate. */
TEST(a_record_that_fails_late_in_the_chain_leaves_no_trace)
{
    struct world w;
    world_init(&w, 1, CHAIN);
    world_put(&w, 1, "k", "{\"id\":1,\"a\":\"wrong\"}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "unique"), "");
    EXPECT_STRING(world_output_header(&w, "dlq.t", 0, "__dlq.errors.processor"), "sum");
    EXPECT_INT(task_watermark(w.task), INT64_MIN);
    EXPECT_INT(task_counters(w.task)->state_keys, 0);
    world_put(&w, 1, "k", "{\"id\":1,\"a\":1}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "unique"), "1 k {\"id\":1,\"a\":1}\n");
    world_free(&w);
}

TEST(later_steps_do_not_see_a_duplicate)
{
    struct world w;
    world_init(&w, 1, CHAIN);
    world_put(&w, 1, "k", "{\"id\":1,\"a\":1}");
    world_put(&w, 2, "k", "{\"id\":1,\"a\":\"wrong\"}");
    world_run(&w);
    EXPECT_INT(task_counters(w.task)->duplicates, 1);
    EXPECT_INT(task_counters(w.task)->dead_letters, 0);
    world_free(&w);
}

TEST(duplicates_and_filtered_records_move_the_watermark)
{
    struct world w;
    world_init(&w, 1, CHAIN "where = value.a > 0\n");
    world_put(&w, 1, "k", "{\"id\":1,\"a\":1}");
    world_put(&w, 15, "k", "{\"id\":1,\"a\":1}");
    world_run(&w);
    EXPECT(strstr(world_output(&w, "sums"), "\"window_end\":10,\"s\":1}") != NULL);
    world_put(&w, 25, "k", "{\"id\":9,\"a\":0}");
    world_run(&w);
    EXPECT_INT(task_watermark(w.task), 25);
    world_free(&w);
}

TEST(branches_of_a_tree_judge_lateness_on_their_own)
{
    struct world w;
    world_init(&w, 1,
               "[t/f]\ntype = filter\nwhere = true\n"
               "[t/strict]\ntype = aggregate\nafter = f\ngroup-by = key\nwindow = tumbling(10ms)\n"
               "select = count() as n\noutput = a\nlate = late-a\n"
               "[t/patient]\ntype = aggregate\nafter = f\ngroup-by = key\nwindow = tumbling(10ms)\n"
               "select = count() as n\noutput = b\nlate = late-b\nlateness = 20ms\n");
    world_put(&w, 15, "k", "1");
    world_put(&w, 5, "k", "1");
    world_put(&w, 40, "k", "1");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "late-a"), "5 k 1\n");
    EXPECT_STRING(world_output(&w, "late-b"), "");
    EXPECT(strstr(world_output(&w, "b"), "\"window_end\":10,\"n\":1}") != NULL);
    EXPECT(strstr(world_output(&w, "a"), "\"window_end\":10") == NULL);
    world_free(&w);
}

TEST(each_processor_has_its_own_dead_letters)
{
    struct world w;
    world_init(&w, 1,
               "[t/check]\ntype = validate\ndlq = bad-json\n"
               "[t/f]\ntype = filter\nafter = check\nwhere = 1 / value.a > 0\ndlq = "
               "bad-code\noutput = o\n");
    world_put(&w, 1, "k", "{");
    world_put(&w, 1, "k", "{\"a\":0}");
    world_put(&w, -1, "k", "{\"a\":1}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "bad-json"), "1 k {\n-1 k {\"a\":1}\n");
    EXPECT_STRING(world_output(&w, "bad-code"), "1 k {\"a\":0}\n");
    world_free(&w);
}

TEST(a_processor_in_the_middle_may_have_an_output_too)
{
    struct world w;
    world_init(&w, 1,
               "[t/f]\ntype = filter\nwhere = value > 1\noutput = a\n"
               "[t/g]\ntype = filter\nafter = f\nwhere = value > 2\noutput = b\n"
               "[t/h]\ntype = filter\nafter = f\nwhere = value < 3\noutput = c\n");
    world_put(&w, 1, "k", "1");
    world_put(&w, 1, "k", "2");
    world_put(&w, 1, "k", "3");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "a"), "1 k 2\n1 k 3\n");
    EXPECT_STRING(world_output(&w, "b"), "1 k 3\n");
    EXPECT_STRING(world_output(&w, "c"), "1 k 2\n");
    world_free(&w);
}
