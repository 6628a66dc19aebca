#include "tests/harness/harness.h"
#include "tests/processors/support_task.h"

TEST(a_filter_passes_records_with_key_headers_and_timestamp_if_where_is_true)
{
    struct world w;
    world_init(&w, 1, "[t/f]\ntype = filter\nwhere = value.a > 1\noutput = o\n");
    world_put(&w, 5, "k1", "{\"a\":1}");
    world_put(&w, 6, "k2", "{\"a\": 2}");
    world_header(&w, "trace", "x");
    world_put(&w, 7, NULL, "{\"a\":3}");
    world_put(&w, 8, "k4", "{\"b\":3}"); /* missing: null orders as false */
    world_put(&w, 9, "k5", NULL);
    world_run(&w);
    EXPECT_STRING(world_output(&w, "o"), "6 k2 {\"a\": 2}\n7 - {\"a\":3}\n");
    EXPECT_STRING(world_output_header(&w, "o", 0, "trace"), "x");
    EXPECT_INT(w.outputs[0].record.header_count, 1);
    EXPECT_INT(task_counters(w.task)->filtered, 3);
    EXPECT_INT(task_counters(w.task)->passed, 2);
    EXPECT_INT(task_watermark(w.task), 9); /* filtered records move it too */
    world_free(&w);
}

TEST(a_filter_can_read_every_part_of_a_record)
{
    struct world w;
    world_init(&w, 1,
               "[t/f]\ntype = filter\noutput = o\n"
               "where = key == 'k' && header('h') == 'v' && timestamp == timestamp(7) "
               "&& offset == 1 && partition == 0 && topic == 't' && value == 'text'\n");
    world_put(&w, 7, "k", "text"); /* offset 0 */
    world_put(&w, 7, "k", "text");
    world_header(&w, "h", "v");
    world_run(&w);
    EXPECT_INT(w.output_count, 1);
    world_free(&w);
}

TEST(an_error_is_a_dead_letter_or_false)
{
    struct world w;
    world_init(&w, 1, "[t/f]\ntype = filter\nwhere = 1 / value.a > 0\noutput = o\n");
    world_put(&w, 5, "k", "{\"a\":0}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "dlq.t"), "5 k {\"a\":0}\n");
    EXPECT_STRING(world_output_header(&w, "dlq.t", 0, "__dlq.errors.code"), "EXPR_ERROR");
    world_free(&w);
    world_init(&w, 1,
               "[t/f]\ntype = filter\nwhere = 1 / value.a > 0\non-error = false\noutput = o\n");
    world_put(&w, 5, "k", "{\"a\":0}");
    world_run(&w);
    EXPECT_INT(w.output_count, 0);
    EXPECT_INT(task_counters(w.task)->filtered, 1);
    world_free(&w);
}

TEST(other_types_filter_with_where_too)
{
    struct world w;
    world_init(&w, 1, "[t/d]\ntype = dedup\nid = key\nwithin = 1m\nwhere = value.ok\noutput = o\n");
    world_put(&w, 5, "k", "{\"ok\":false}");
    world_put(&w, 6, "k", "{\"ok\":true}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "o"), "6 k {\"ok\":true}\n");
    world_free(&w);
}
