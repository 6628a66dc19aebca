#include "tests/harness/harness.h"
#include "tests/processors/support_task.h"

#include <stdlib.h>

#define M1 "[orders/m1]\ntype = aggregate\ngroup-by = key\noutput = out\n"

TEST(a_tumbling_window_speaks_once_when_the_watermark_reaches_its_end)
{
    struct world w;
    world_init(&w, 1, M1 "window = tumbling(10ms)\nselect = count() as n; sum(value.a) as s\n");
    world_put(&w, 1, "x", "{\"a\":1}");
    world_put(&w, 9, "x", "{\"a\":2}");
    world_put(&w, 5, "y", "{\"a\":5}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "out"), "");
    world_put(&w, 10, "x", "{\"a\":4}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "out"),
                  "9 {\"e\":10,\"key\":[\"x\"],\"s\":0} "
                  "{\"key\":\"x\",\"window_start\":0,\"window_end\":10,\"n\":2,\"s\":3}\n"
                  "5 {\"e\":10,\"key\":[\"y\"],\"s\":0} "
                  "{\"key\":\"y\",\"window_start\":0,\"window_end\":10,\"n\":1,\"s\":5}\n");
    EXPECT_STRING(world_output_header(&w, "out", 0, "sp.source"), "orders/0:0-1");
    EXPECT_STRING(world_output_header(&w, "out", 0, "sp.pane"), "final");
    EXPECT_STRING(world_output_header(&w, "out", 0, "sp.pane.index"), "0");
    EXPECT_STRING(world_output_header(&w, "out", 0, "sp.final"), "1");
    EXPECT_STRING(world_output_header(&w, "out", 0, "sp.processor"), "m1");
    world_free(&w);
}
