#include "tests/harness/harness.h"
#include "tests/processors/support_task.h"

#include <stdio.h>
#include <stdlib.h>

#define M1 "[orders/m1]\ntype = aggregate\ngroup-by = key\noutput = out\n"

TEST(a_tumbling_window_is_emitted_once_when_the_watermark_reaches_its_end)
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
    EXPECT_STRING(world_output_header(&w, "out", 0, "sp.wide"), "");
    world_free(&w);
}

/* The result of one select over these values, all in one window and group. */
static void expect_results(const char *select, const char *const *values, const char *result)
{
    struct world w;
    char sections[1024], expected[1024];
    snprintf(sections, sizeof sections, M1 "window = tumbling(1000ms)\nselect = %s\n", select);
    world_init(&w, 1, sections);
    for (size_t i = 0; values[i]; i++)
        world_put(&w, 10, "k", values[i]);
    world_put(&w, 1000, "k", "{}");
    world_run(&w);
    snprintf(expected, sizeof expected,
             "10 {\"e\":1000,\"key\":[\"k\"],\"s\":0} "
             "{\"key\":\"k\",\"window_start\":0,\"window_end\":1000,%s}\n",
             result);
    EXPECT_STRING(world_output(&w, "out"), expected);
    EXPECT_STRING(world_output(&w, "dlq.orders"), "");
    world_free(&w);
}

#define VALUES(...) ((const char *const[]){__VA_ARGS__, NULL})

TEST(counts_count_records_or_values)
{
    expect_results("count() as n; count(value.a) as a; count(where value.a == 1) as one",
                   VALUES("{\"a\":1}", "{\"a\":null}", "{}", "{\"a\":\"x\"}"),
                   "\"n\":4,\"a\":2,\"one\":1");
}

TEST(integers_sum_to_integers_and_any_double_makes_a_double)
{
    expect_results("sum(value.a) as s; avg(value.a) as m", VALUES("{\"a\":1}", "{\"a\":2}"),
                   "\"s\":3,\"m\":1.5");
    expect_results("sum(value.a) as s", VALUES("{\"a\":1}", "{\"a\":2.5}"), "\"s\":3.5");
    expect_results("sum(value.a) as s; avg(value.a) as m; min(value.a) as lo",
                   VALUES("{\"a\":null}", "{}"), "\"s\":null,\"m\":null,\"lo\":null");
}

TEST(sums_of_doubles_keep_what_additions_round_away)
{
    expect_results("sum(value.a) as s",
                   VALUES("{\"a\":1.0}", "{\"a\":1e100}", "{\"a\":1.0}", "{\"a\":-1e100}"),
                   "\"s\":2");
    expect_results("sum(value.a) as s; avg(value.a) as m",
                   VALUES("{\"a\":0.1}", "{\"a\":0.2}", "{\"a\":0.3}", "{\"a\":0.2}"),
                   "\"s\":0.8,\"m\":0.2");
}

TEST(sums_never_wrap)
{
    struct world w;
    world_init(&w, 1,
               M1 "window = tumbling(10ms)\nselect = sum(value.a) as s; max(value.a) as m\n");
    world_put(&w, 1, "k", "{\"a\":9223372036854775807}");
    world_put(&w, 1, "k", "{\"a\":9223372036854775807}");
    world_put(&w, 1, "k", "{\"a\":100000000000000000000}");
    world_put(&w, 10, "k", "{\"a\":1}");
    world_run(&w);
    EXPECT(strstr(world_output(&w, "out"), "\"s\":118446744073709551614,"
                                           "\"m\":100000000000000000000}") != NULL);
    EXPECT_STRING(world_output_header(&w, "out", 0, "sp.wide"), "1");
    world_free(&w);
}

TEST(decimals_sum_exactly)
{
    expect_results("sum(decimal(value.a,18,2)) as s; avg(decimal(value.a,18,2)) as m",
                   VALUES("{\"a\":\"0.10\"}", "{\"a\":\"0.20\"}", "{\"a\":0.3}"),
                   "\"s\":0.6,\"m\":0.2");
    expect_results("sum(decimal(value.a,38,2)) as s",
                   VALUES("{\"a\":\"999999999999999999999999999999999999.99\"}",
                          "{\"a\":\"999999999999999999999999999999999999.99\"}"),
                   "\"s\":1999999999999999999999999999999999999.98");
}

TEST(a_decimal_that_does_not_fit_is_a_dead_letter)
{
    struct world w;
    world_init(&w, 1, M1 "window = tumbling(10ms)\nselect = sum(decimal(value.a,5,2)) as s\n");
    world_put(&w, 1, "k", "{\"a\":\"1234.56\"}");
    world_run(&w);
    EXPECT_STRING(world_output_header(&w, "dlq.orders", 0, "__dlq.errors.code"), "TYPE_MISMATCH");
    world_free(&w);
}

TEST(extremes_order_numbers_by_value_and_strings_bytewise)
{
    expect_results("min(value.a) as lo; max(value.a) as hi",
                   VALUES("{\"a\":2}", "{\"a\":1.5}", "{\"a\":-3}", "{\"a\":2.25}"),
                   "\"lo\":-3,\"hi\":2.25");
    expect_results("min(value.a) as lo; max(value.a) as hi",
                   VALUES("{\"a\":\"b\"}", "{\"a\":\"B\"}", "{\"a\":\"\xc3\xa4\"}"),
                   "\"lo\":\"B\",\"hi\":\"\xc3\xa4\"");
    expect_results("min(value.a) as lo; max(value.a) as hi",
                   VALUES("{\"a\":9007199254740993}", "{\"a\":9007199254740992.0}"),
                   "\"lo\":9007199254740992,\"hi\":9007199254740993");
    expect_results("min(value.a) as lo; max(value.a) as hi",
                   VALUES("{\"a\":\"1\"}", "{\"a\":5}", "{\"a\":\"0\"}"), "\"lo\":5,\"hi\":\"1\"");
    expect_results("max(decimal(value.a,20,3)) as hi; min(decimal(value.a,20,3)) as lo",
                   VALUES("{\"a\":\"10.500\"}", "{\"a\":\"9.75\"}"), "\"hi\":10.5,\"lo\":9.75");
}

TEST(first_and_last_order_by_event_time_then_offset_and_skip_nulls)
{
    struct world w;
    world_init(&w, 1,
               M1 "window = tumbling(100ms)\nselect = first(value.a) as f; last(value.a) as l\n"
                  "timestamp = value.t\nout-of-order = 50ms\n");
    world_put(&w, 0, "k", "{\"t\":50,\"a\":\"middle\"}");
    world_put(&w, 0, "k", "{\"t\":20,\"a\":{\"z\":1, \"b\":2}}");
    world_put(&w, 0, "k", "{\"t\":20,\"a\":\"later arrival\"}");
    world_put(&w, 0, "k", "{\"t\":70,\"a\":[1, true]}");
    world_put(&w, 0, "k", "{\"t\":70,\"a\":\"newest\"}");
    world_put(&w, 0, "k", "{\"t\":90,\"a\":null}");
    world_put(&w, 0, "k", "{\"t\":10}");
    world_put(&w, 0, "k", "{\"t\":150}");
    world_run(&w);
    EXPECT(strstr(world_output(&w, "out"), "\"f\":{\"b\":2,\"z\":1},\"l\":\"newest\"}") != NULL);
    world_free(&w);
}

TEST(a_wrong_type_makes_the_whole_record_a_dead_letter)
{
    struct world w;
    world_init(&w, 1, M1 "window = tumbling(10ms)\nselect = count() as n; sum(value.a) as s\n");
    world_put(&w, 1, "k", "{\"a\":1}");
    world_put(&w, 50, "k", "{\"a\":\"5\"}");
    world_put(&w, 60, "k", "{\"a\":true}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "out"), ""); /* the watermark did not move either */
    EXPECT_INT(task_watermark(w.task), 1);
    EXPECT_STRING(world_output_header(&w, "dlq.orders", 0, "__dlq.errors.code"), "TYPE_MISMATCH");
    EXPECT_STRING(world_output_header(&w, "dlq.orders", 1, "__dlq.errors.message"),
                  "s: sum() cannot take a bool");
    world_put(&w, 10, "k", "{}");
    world_run(&w);
    EXPECT(strstr(world_output(&w, "out"), "\"n\":1,\"s\":1}") != NULL);
    world_free(&w);
}

TEST(on_type_error_skip_treats_it_as_null)
{
    struct world w;
    world_init(&w, 1,
               M1 "window = tumbling(10ms)\nselect = count() as n; sum(value.a) as s\n"
                  "on-type-error = skip\n");
    world_put(&w, 1, "k", "{\"a\":\"5\"}");
    world_put(&w, 10, "k", "{\"a\":1}");
    world_run(&w);
    EXPECT(strstr(world_output(&w, "out"), "\"n\":1,\"s\":null}") != NULL);
    world_free(&w);
}

TEST(tombstones_are_skipped_or_counted)
{
    struct world w;
    world_init(&w, 1, M1 "window = tumbling(10ms)\nselect = count() as n\n");
    world_put(&w, 1, "k", "1");
    world_put(&w, 2, "k", NULL);
    world_put(&w, 30, "k", NULL); /* moves the watermark */
    world_run(&w);
    EXPECT(strstr(world_output(&w, "out"), "\"n\":1}") != NULL);
    EXPECT_INT(task_counters(w.task)->nulls, 2);
    world_free(&w);
    world_init(&w, 1,
               M1 "window = tumbling(10ms)\nselect = count() as n; count(value.a) as a\n"
                  "nulls = count\n");
    world_put(&w, 1, "k", "{\"a\":1}");
    world_put(&w, 2, "k", NULL);
    world_put(&w, 30, "k", NULL);
    world_run(&w);
    EXPECT(strstr(world_output(&w, "out"), "\"n\":2,\"a\":1}") != NULL);
    world_free(&w);
}

TEST(a_late_record_goes_to_the_late_output_with_the_watermark)
{
    struct world w;
    world_init(&w, 1,
               M1 "window = tumbling(10ms)\nselect = count() as n\nlateness = 5ms\nlate = tardy\n");
    world_put(&w, 14, "k", "a"); /* W = 14 < 10 + 5 */
    world_put(&w, 3, "k", "b");  /* still taken */
    world_put(&w, 15, "k", "c"); /* closes [0,10) */
    world_put(&w, 9, "k", "d");  /* late */
    world_run(&w);
    EXPECT(strstr(world_output(&w, "out"), "\"window_end\":10,\"n\":1}") != NULL);
    EXPECT_STRING(world_output(&w, "tardy"), "9 k d\n");
    EXPECT_STRING(world_output_header(&w, "tardy", 0, "sp.watermark"), "15");
    EXPECT_STRING(world_output_header(&w, "tardy", 0, "__dlq.errors.code"), "LATE");
    EXPECT_STRING(world_output_header(&w, "tardy", 0, "__dlq.errors.class"), "late");
    EXPECT_INT(task_counters(w.task)->late, 1);
    world_free(&w);
}

TEST(lateness_is_judged_before_the_record_itself_moves_the_watermark)
{
    struct world w;
    world_init(&w, 1, M1 "window = tumbling(10ms)\nselect = count() as n\nlate = drop\n");
    world_put(&w, 9, "k", "a");
    world_put(&w, 1000, "k", "b"); /* far ahead, but counts in its own window */
    world_put(&w, 1010, "k", "c");
    world_run(&w);
    EXPECT(strstr(world_output(&w, "out"), "\"window_start\":1000,\"window_end\":1010,\"n\":1}"));
    EXPECT_INT(task_counters(w.task)->late, 0);
    world_free(&w);
}

TEST(a_hopping_window_counts_a_record_in_each_window)
{
    struct world w;
    world_init(&w, 1, M1 "window = hopping(30ms; 10ms)\nselect = sum(value.a) as s\n");
    world_put(&w, 5, "k", "{\"a\":1}");
    world_put(&w, 15, "k", "{\"a\":10}");
    world_put(&w, 100, "k", "{\"a\":100}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "out"),
                  "5 {\"e\":10,\"key\":[\"k\"],\"s\":-20} "
                  "{\"key\":\"k\",\"window_start\":-20,\"window_end\":10,\"s\":1}\n"
                  "15 {\"e\":20,\"key\":[\"k\"],\"s\":-10} "
                  "{\"key\":\"k\",\"window_start\":-10,\"window_end\":20,\"s\":11}\n"
                  "15 {\"e\":30,\"key\":[\"k\"],\"s\":0} "
                  "{\"key\":\"k\",\"window_start\":0,\"window_end\":30,\"s\":11}\n"
                  "15 {\"e\":40,\"key\":[\"k\"],\"s\":10} "
                  "{\"key\":\"k\",\"window_start\":10,\"window_end\":40,\"s\":10}\n");
    EXPECT_STRING(world_output_header(&w, "out", 1, "sp.source"), "orders/0:0-1");
    world_free(&w);
}

TEST(a_record_late_for_some_hopping_windows_counts_in_the_others)
{
    struct world w;
    world_init(&w, 1, M1 "window = hopping(30ms; 10ms)\nselect = count() as n\nlate = drop\n");
    world_put(&w, 25, "k", "a"); /* W = 25 */
    world_put(&w, 5, "k", "b");  /* [-20,10) and [-10,20) are closed, [0,30) is not */
    world_put(&w, 200, "k", "c");
    world_run(&w);
    EXPECT(strstr(world_output(&w, "out"), "\"window_end\":30,\"n\":2}") != NULL);
    EXPECT(strstr(world_output(&w, "out"), "\"window_end\":20") == NULL);
    EXPECT_INT(task_counters(w.task)->late, 0);
    EXPECT_INT(task_counters(w.task)->late_window_drops, 2);
    world_free(&w);
}

TEST(panes_are_ordered_by_end_then_key)
{
    struct world w;
    world_init(&w, 1, M1 "window = tumbling(10ms)\nselect = count() as n\nout-of-order = 100ms\n");
    static const char *const keys[] = {"b", "a", "c", "a longer key", "ab", ""};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        world_put(&w, 15, keys[i], "1");
        world_put(&w, 5, keys[i], "1");
    }
    world_put(&w, 200, "z", "1");
    world_run(&w);
    char order[256] = "";
    for (size_t i = 0; i < w.output_count; i++) {
        const char *text = (const char *)w.outputs[i].record.value.data + strlen("{\"key\":\"");
        strncat(order, text, strcspn(text, "\""));
        strcat(order, i == 5 ? "/" : ",");
    }
    EXPECT_STRING(order, ",a,a longer key,ab,b,c/,a,a longer key,ab,b,c,");
    world_free(&w);
}

TEST(expressions_group_by_their_canonical_values)
{
    struct world w;
    world_init(&w, 1,
               "[orders/m1]\ntype = aggregate\ngroup-by = value.user.country; value.n\n"
               "window = tumbling(10ms)\nselect = count() as c\noutput = out\n");
    world_put(&w, 1, "x", "{\"user\":{\"country\":\"FR\"},\"n\":1}");
    world_put(&w, 2, "y", "{\"user\":{\"country\":\"FR\"},\"n\":1.0}");
    world_put(&w, 3, "z", "{\"user\":{\"country\":\"FR\"},\"n\":\"1\"}");
    world_put(&w, 4, "z", "{\"user\":{\"country\":null},\"n\":1}");
    world_put(&w, 10, "x", "{\"user\":{\"country\":\"FR\"},\"n\":1}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "out"),
                  "3 {\"e\":10,\"key\":[\"FR\",\"1\"],\"s\":0} "
                  "{\"country\":\"FR\",\"n\":\"1\",\"window_start\":0,\"window_end\":10,\"c\":1}\n"
                  "2 {\"e\":10,\"key\":[\"FR\",1],\"s\":0} "
                  "{\"country\":\"FR\",\"n\":1,\"window_start\":0,\"window_end\":10,\"c\":2}\n");
    EXPECT_STRING(world_output_header(&w, "dlq.orders", 0, "__dlq.errors.code"), "KEY_MISSING");
    world_free(&w);
}

TEST(a_record_with_a_missing_key_is_dropped_or_grouped_under_null)
{
    struct world w;
    world_init(&w, 1, M1 "window = tumbling(10ms)\nselect = count() as n\non-missing-key = drop\n");
    world_put(&w, 1, NULL, "a");
    world_run(&w);
    EXPECT_INT(w.output_count, 0);
    EXPECT_INT(task_counters(w.task)->filtered, 1);
    world_free(&w);
    world_init(&w, 1,
               "[orders/m1]\ntype = aggregate\ngroup-by = value.g\nwindow = tumbling(10ms)\n"
               "select = count() as n\noutput = out\non-missing-key = null\n");
    world_put(&w, 1, NULL, "{}");
    world_put(&w, 10, NULL, "{}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "out"),
                  "1 {\"e\":10,\"key\":[null],\"s\":0} "
                  "{\"g\":null,\"window_start\":0,\"window_end\":10,\"n\":1}\n");
    world_free(&w);
}

TEST(output_keys_have_three_forms)
{
    struct world w;
    world_init(&w, 1, M1 "window = tumbling(10ms)\nselect = count() as n\noutput.key = group\n");
    world_put(&w, 1, "k", "a");
    world_put(&w, 10, "k", "a");
    world_run(&w);
    EXPECT_BYTES(w.outputs[0].record.key, BYTES_LITERAL("k"));
    world_free(&w);
    world_init(&w, 1,
               M1 "window = tumbling(256ms)\nselect = count() as n\noutput.key = kafka-windowed\n");
    world_put(&w, 300, "k", "a");
    world_put(&w, 600, "k", "a");
    world_run(&w);
    EXPECT_BYTES(w.outputs[0].record.key, BYTES_LITERAL("k\0\0\0\0\0\0\x01\0"));
    world_free(&w);
}

TEST(all_windows_of_a_key_go_to_the_partition_of_the_key)
{
    struct world w;
    world_init(&w, 1, M1 "window = tumbling(10ms)\nselect = count() as n\n");
    w.output_partitions = 7;
    world_put(&w, 1, "21", "a"); /* murmur2("21") = -973932308 */
    world_put(&w, 11, "21", "a");
    world_put(&w, 21, "21", "a");
    world_run(&w);
    EXPECT_INT(w.output_count, 2);
    EXPECT_INT(w.outputs[0].partition, (-973932308 & 0x7fffffff) % 7);
    EXPECT_INT(w.outputs[1].partition, w.outputs[0].partition);
    world_free(&w);
}

TEST(times_of_results_can_be_chosen)
{
    struct world w;
    world_init(&w, 1,
               M1 "window = tumbling(1s)\nselect = count() as n\noutput.timestamp = window-end\n"
                  "window.format = iso\n");
    world_put(&w, 1500, "k", "a");
    world_put(&w, 2000, "k", "a");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "out"),
                  "1999 {\"e\":2000,\"key\":[\"k\"],\"s\":1000} "
                  "{\"key\":\"k\",\"window_start\":\"1970-01-01T00:00:01Z\","
                  "\"window_end\":\"1970-01-01T00:00:02Z\",\"n\":1}\n");
    world_free(&w);
}

TEST(a_key_that_is_not_text_is_given_in_base64)
{
    struct world w;
    world_init(&w, 1, M1 "window = tumbling(10ms)\nselect = count() as n\n");
    world_put(&w, 1, "\xff\xfe", "a");
    world_put(&w, 10, "k", "a");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "out"),
                  "1 {\"e\":10,\"key\":[\"//4=\"],\"s\":0} "
                  "{\"key\":\"//4=\",\"window_start\":0,\"window_end\":10,\"n\":1}\n");
    world_free(&w);
}

TEST(where_filters_before_grouping_and_still_moves_the_watermark)
{
    struct world w;
    world_init(&w, 1,
               M1 "window = tumbling(10ms)\nselect = count() as n\nwhere = value.type == 'view'\n");
    world_put(&w, 1, "k", "{\"type\":\"view\"}");
    world_put(&w, 2, NULL, "{\"type\":\"click\"}"); /* no key, but filtered first */
    world_put(&w, 10, "k", "{\"type\":\"click\"}");
    world_run(&w);
    EXPECT(strstr(world_output(&w, "out"), "\"n\":1}") != NULL);
    EXPECT_INT(task_counters(w.task)->filtered, 2);
    EXPECT_INT(task_counters(w.task)->dead_letters, 0);
    world_free(&w);
}

TEST(an_error_in_an_expression_is_a_dead_letter_or_false)
{
    struct world w;
    world_init(&w, 1, M1 "window = tumbling(10ms)\nselect = count(where 1 / value.a > 0) as n\n");
    world_put(&w, 1, "k", "{\"a\":0}");
    world_run(&w);
    EXPECT_STRING(world_output_header(&w, "dlq.orders", 0, "__dlq.errors.code"), "EXPR_ERROR");
    EXPECT_STRING(world_output_header(&w, "dlq.orders", 0, "__dlq.errors.class"), "permanent-code");
    world_free(&w);
    world_init(&w, 1,
               M1 "window = tumbling(10ms)\nselect = count(where 1 / value.a > 0) as n\n"
                  "on-error = false\n");
    world_put(&w, 1, "k", "{\"a\":0}");
    world_put(&w, 10, "k", "{\"a\":0}");
    world_run(&w);
    EXPECT(strstr(world_output(&w, "out"), "\"n\":0}") != NULL);
    world_free(&w);
}

/* The definition, computed directly: counts every window of every key from scratch. */
TEST(hopping_windows_agree_with_a_recount)
{
    enum { SIZE = 35, ADVANCE = 10, COUNT = 300 };
    struct world w;
    world_init(&w, 1,
               M1
               "window = hopping(35ms; 10ms; offset=4ms)\nselect = count() as n; sum(value) as s\n"
               "out-of-order = 30ms\n");
    int64_t times[COUNT];
    uint32_t seed = 12345;
    for (int i = 0; i < COUNT; i++) {
        char value[16], key[2] = {(char)('a' + i % 3), 0};
        seed = seed * 1664525 + 1013904223;
        times[i] = 500 + i * 4 - (int64_t)(seed >> 24) % 30;
        snprintf(value, sizeof value, "%d", i);
        world_put(&w, times[i], key, value);
    }
    world_put(&w, 10000, "z", "0");
    world_run(&w);
    EXPECT_INT(task_counters(w.task)->late, 0);
    size_t at = 0;
    for (int64_t start = 394; start < 2000; start += ADVANCE) {
        for (int k = 0; k < 3; k++) {
            int count = 0, sum = 0;
            for (int i = k; i < COUNT; i += 3) {
                if (times[i] >= start && times[i] < start + SIZE) {
                    count++;
                    sum += i;
                }
            }
            if (count == 0)
                continue;
            char expected[256];
            snprintf(expected, sizeof expected,
                     "{\"key\":\"%c\",\"window_start\":%lld,\"window_end\":%lld,\"n\":%d,\"s\":%d}",
                     'a' + k, (long long)start, (long long)start + SIZE, count, sum);
            EXPECT(at < w.output_count);
            EXPECT_BYTES(w.outputs[at++].record.value, bytes_string(expected));
        }
    }
    EXPECT_INT(at, w.output_count);
    world_free(&w);
}

/* {"t":"xxx..."} of `size` bytes; the caller frees it. */
static char *large_value(size_t size)
{
    char *value = xmalloc(size + 16);
    strcpy(value, "{\"t\":\"");
    memset(value + 6, 'x', size);
    strcpy(value + 6 + size, "\"}");
    return value;
}

/* "<call> as a0; <call> as a1..." */
static void append_select(struct buffer *out, const char *call, int count)
{
    buffer_append_string(out, "select = ");
    for (int i = 0; i < count; i++)
        buffer_printf(out, "%s%s as a%d", i ? "; " : "", call, i);
    buffer_append_u8(out, '\n');
}

TEST(a_record_that_makes_a_state_too_large_is_a_dead_letter)
{
    struct world w;
    struct buffer sections;
    buffer_init(&sections, 1 << 20);
    buffer_append_string(&sections, M1 "window = tumbling(10ms)\n");
    append_select(&sections, "last(value)", 64);
    world_init(&w, 1, buffer_c_string(&sections));
    char *large = large_value(17500000);
    world_put(&w, 1, "x", "{\"t\":\"a\"}");
    world_put(&w, 2, "x", large);
    world_put(&w, 3, "y", large);
    world_run_in(&w, 1, 1);
    world_restart(&w);
    world_put(&w, 10, "x", "{}");
    world_run(&w);
    EXPECT_STRING(world_output_header(&w, "dlq.orders", 1, "__dlq.errors.offset"), "2");
    EXPECT_STRING(world_output_header(&w, "dlq.orders", 0, "__dlq.errors.offset"), "1");
    EXPECT_STRING(world_output_header(&w, "dlq.orders", 0, "__dlq.errors.code"),
                  "OUTPUT_TOO_LARGE");
    EXPECT(strstr(world_output_header(&w, "dlq.orders", 0, "__dlq.errors.message"), "1120000512"));
    EXPECT(world_output_header(&w, "dlq.orders", 2, "__dlq.errors.code") == NULL);
    EXPECT(strstr(world_output(&w, "out"), "\"a63\":{\"t\":\"a\"}}\n") != NULL);
    free(large);
    buffer_free(&sections);
    world_free(&w);
}

TEST(the_slices_of_a_hopping_window_share_the_size_limit_of_its_result)
{
    struct world w;
    char *large = large_value(36 << 20);
    world_init(&w, 1,
               M1 "window = hopping(20ms; 5ms)\n"
                  "select = last(value) as a; first(value) as b; count() as n\n");
    world_put(&w, 1, "x", large);
    world_run(&w);
    EXPECT_STRING(world_output_header(&w, "dlq.orders", 0, "__dlq.errors.code"),
                  "OUTPUT_TOO_LARGE");
    world_free(&w);
    world_init(&w, 1,
               M1 "window = tumbling(20ms)\n"
                  "select = last(value) as a; first(value) as b; count() as n\n");
    world_put(&w, 1, "x", large);
    world_run(&w);
    EXPECT(world_output_header(&w, "dlq.orders", 0, "__dlq.errors.code") == NULL);
    free(large);
    world_free(&w);
}

TEST(a_value_that_is_not_kept_does_not_count_against_the_limit)
{
    struct world w;
    char *large = large_value(40 << 20), *larger = large_value(30 << 20);
    larger[6] = 'y';
    world_init(&w, 1,
               M1 "window = tumbling(10ms)\nselect = first(value) as a; min(value.t) as b\n");
    world_put(&w, 5, "x", large); /* 80 MiB */
    world_put(&w, 6, "x", larger);
    world_run_in(&w, 1, 1);
    EXPECT(world_output_header(&w, "dlq.orders", 0, "__dlq.errors.code") == NULL);
    free(large);
    free(larger);
    world_free(&w);
}

TEST(a_grouping_key_that_is_too_large_for_a_row_is_a_dead_letter)
{
    struct world w;
    char *key = large_value(61440 - 8), *longer = large_value(61441 - 8);
    world_init(&w, 1, M1 "window = tumbling(10ms)\nselect = count() as n\n");
    world_put(&w, 1, key, "{}");
    world_put(&w, 1, longer, "{}");
    world_put(&w, 10, "x", "{}");
    world_run(&w);
    EXPECT(world_output_header(&w, "out", 0, "sp.pane") != NULL);
    EXPECT(world_output_header(&w, "out", 1, "sp.pane") == NULL);
    EXPECT_STRING(world_output_header(&w, "dlq.orders", 0, "__dlq.errors.offset"), "1");
    EXPECT_STRING(world_output_header(&w, "dlq.orders", 0, "__dlq.errors.message"),
                  "group-by: the value is larger than 61440 bytes");
    free(key);
    free(longer);
    world_free(&w);
}

TEST(large_results_of_windows_are_committed_one_by_one)
{
    struct world w;
    char *large = large_value(1 << 20);
    world_init(&w, 1, M1 "window = tumbling(10ms)\nselect = last(value) as a\n");
    world_put(&w, 1, "x", large);
    world_put(&w, 2, "y", large);
    world_put(&w, 3, "z", large);
    world_run(&w);
    uint64_t before = w.last_sequence;
    world_put(&w, 10, "x", "{}");
    world_run(&w);
    EXPECT(world_output_header(&w, "out", 2, "sp.pane") != NULL);
    EXPECT_INT(w.last_sequence - before, 3);
    free(large);
    world_free(&w);
}
