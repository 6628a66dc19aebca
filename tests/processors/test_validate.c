#include "tests/harness/harness.h"
#include "tests/processors/support_task.h"

#define V "[t/v]\ntype = validate\noutput = o\n"
#define SCHEMA                                                                \
    "json-schema = inline:{\"type\":\"object\",\"required\":[\"id\"],"        \
    "\"properties\":{\"id\":{\"type\":\"integer\"},\"user\":{\"properties\":" \
    "{\"age\":{\"minimum\":0}}}}}\n"

TEST(valid_json_passes_byte_for_byte)
{
    struct world w;
    world_init(&w, 1, V);
    world_put(&w, 1, "k", " {\"a\" : 1.0e0 } ");
    world_put(&w, 2, NULL, "[]");
    world_put(&w, 3, "k", NULL); /* a tombstone */
    world_run(&w);
    EXPECT_STRING(world_output(&w, "o"), "1 k  {\"a\" : 1.0e0 } \n2 - []\n3 k -\n");
    world_free(&w);
}

TEST(a_value_that_is_no_json_is_malformed)
{
    static const char *const bad[] = {"", "{", "nul", "{\"a\":1}x", "NaN", "\"\xff\""};
    struct world w;
    world_init(&w, 1, V);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        world_put(&w, 5 + (int64_t)i, "k", bad[i]);
    world_run(&w);
    EXPECT_STRING(world_output(&w, "o"), "");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        EXPECT_STRING(world_output_header(&w, "dlq.t", i, "__dlq.errors.code"), "MALFORMED_JSON");
    EXPECT_INT(task_watermark(w.task), INT64_MIN); /* a dead letter does not move it */
    world_free(&w);
}

TEST(a_dead_letter_says_where_a_value_does_not_fit_the_schema)
{
    struct world w;
    world_init(&w, 1, V SCHEMA);
    world_put(&w, 1, "k", "{\"id\":1,\"user\":{\"age\":3}}");
    world_put(&w, 2, "k", "{\"user\":{}}");
    world_put(&w, 3, "k", "{\"id\":1,\"user\":{\"age\":-1}}");
    world_put(&w, 4, "k", "{\"id\"");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "o"), "1 k {\"id\":1,\"user\":{\"age\":3}}\n");
    EXPECT_STRING(world_output_header(&w, "dlq.t", 0, "__dlq.errors.code"), "SCHEMA_VIOLATION");
    EXPECT_STRING(world_output_header(&w, "dlq.t", 1, "__dlq.errors.path"), "/user/age");
    EXPECT_STRING(world_output_header(&w, "dlq.t", 2, "__dlq.errors.code"), "MALFORMED_JSON");
    EXPECT_INT(task_counters(w.task)->dead_letters, 3);
    world_free(&w);
}

TEST(without_output_it_only_reports_dead_letters)
{
    struct world w;
    world_init(&w, 1, "[t/v]\ntype = validate\n");
    world_put(&w, 1, "k", "{}");
    world_put(&w, 2, "k", "}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "dlq.t"), "2 k }\n");
    EXPECT_INT(w.output_count, 1);
    EXPECT_INT(task_counters(w.task)->passed, 1);
    world_free(&w);
}

/* The order of section 1: decode and validate, then extract the event time, then `where`. */
TEST(validation_comes_before_the_event_time)
{
    struct world w;
    world_init(&w, 1, V "timestamp = value.ts\nwhere = value.keep\n");
    world_put(&w, 0, "k", "{\"ts\":");
    world_put(&w, 0, "k", "{\"keep\":true}");
    world_put(&w, 0, "k", "{\"ts\":77,\"keep\":false}");
    world_run(&w);
    EXPECT_STRING(world_output_header(&w, "dlq.t", 0, "__dlq.errors.code"), "MALFORMED_JSON");
    EXPECT_STRING(world_output_header(&w, "dlq.t", 1, "__dlq.errors.code"), "TIMESTAMP_MISSING");
    EXPECT_INT(task_watermark(w.task), 77);
    EXPECT_INT(task_counters(w.task)->filtered, 1);
    world_free(&w);
}
