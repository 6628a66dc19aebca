#include "client-tools/pipeline/processor_file.h"

#include "client-tools/pipeline/processor_plan.h"
#include "tests/harness/harness.h"

static void parse(const char *text, struct arena *arena, struct declarations *d)
{
    struct failure f;
    *d = (struct declarations){0};
    if (!processor_file_parse("x", bytes_string(text), arena, d, &f))
        test_fail(__FILE__, __LINE__, "%s", f.message.text);
}

static void expect_refused(const char *text, const char *message)
{
    struct arena arena;
    struct declarations d = {0};
    struct failure f;
    arena_init(&arena, 1 << 20);
    EXPECT(!processor_file_parse("x", bytes_string(text), &arena, &d, &f));
    EXPECT_STRING(f.message.text, message);
    EXPECT_INT(f.exit, EXIT_USAGE);
    arena_free(&arena);
}

#define PIPELINE                                                             \
    "# counts\n[orders]\nretention.ms = 7d\n[orders/m1]\ntype = aggregate\n" \
    "select = count() as n; \\\n  sum(value.x) as s\n"

TEST(sections_become_settings_of_topics)
{
    struct arena arena;
    struct declarations d;
    arena_init(&arena, 1 << 20);
    parse(PIPELINE, &arena, &d);
    EXPECT_INT(d.count, 3);
    EXPECT_BYTES(d.items[0].topic, BYTES_LITERAL("orders"));
    EXPECT(bytes_is_null(d.items[0].processor));
    EXPECT_BYTES(d.items[0].key, BYTES_LITERAL("retention.ms"));
    EXPECT_BYTES(d.items[1].processor, BYTES_LITERAL("m1"));
    EXPECT_BYTES(d.items[1].key, BYTES_LITERAL("processor.m1.type"));
    EXPECT_BYTES(d.items[1].parameter, BYTES_LITERAL("type"));
    EXPECT_BYTES(d.items[2].value, BYTES_LITERAL("count() as n; sum(value.x) as s"));
    EXPECT_INT(d.items[1].line, 5);
    arena_free(&arena);
}

TEST(a_file_that_is_wrong_is_refused_with_its_line)
{
    expect_refused("a = 1\n", "x:1: a is before the first section");
    expect_refused("[orders/M1]\ntype=filter\n", "x:2: [orders/M1] is not [TOPIC/PROCESSOR]");
    expect_refused("[orders/]\ntype=filter\n", "x:2: [orders/] is not [TOPIC/PROCESSOR]");
    expect_refused("[/m1]\ntype=filter\n", "x:2: [/m1] is not [TOPIC/PROCESSOR]");
    expect_refused("[t/a]\ntype=filter\n[t/b]\ntype=map\n[t/a]\ntype=dedup\n",
                   "x:6: processor.a.type of topic t is declared twice");
}

TEST(a_written_file_reads_back_the_same)
{
    static const char *const values[] = {
        "plain",  "",           "a \\d+ b", "\\\\",      "\\u0041",
        " ends ", "two\nlines", "tab\t",    "x = y # z", "[not] a section"};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct arena arena;
        struct declarations d = {0}, again;
        struct buffer out;
        arena_init(&arena, 1 << 20);
        buffer_init(&out, 4096);
        struct declared_config item = {.topic = BYTES_LITERAL("t"),
                                       .processor = BYTES_LITERAL("p"),
                                       .key = BYTES_LITERAL("processor.p.where"),
                                       .parameter = BYTES_LITERAL("where"),
                                       .value = bytes_string(values[i])};
        declarations_add(&d, &item, &arena);
        processor_file_format(&d, &out);
        parse(buffer_c_string(&out), &arena, &again);
        EXPECT_INT(again.count, 1);
        EXPECT_BYTES(again.items[0].value, item.value);
        EXPECT_BYTES(again.items[0].key, item.key);
        buffer_free(&out);
        arena_free(&arena);
    }
}

TEST(sections_are_written_once)
{
    struct arena arena;
    struct declarations d;
    struct buffer out;
    arena_init(&arena, 1 << 20);
    buffer_init(&out, 4096);
    parse(PIPELINE, &arena, &d);
    processor_file_format(&d, &out);
    EXPECT_STRING(buffer_c_string(&out), "[orders]\nretention.ms = 7d\n\n[orders/m1]\n"
                                         "type = aggregate\n"
                                         "select = count() as n; sum(value.x) as s\n");
    buffer_free(&out);
    arena_free(&arena);
}

TEST(keys_of_processors_are_split)
{
    struct bytes processor, parameter;
    EXPECT(processor_key_split(BYTES_LITERAL("processor.m1.output.key"), &processor, &parameter));
    EXPECT_BYTES(processor, BYTES_LITERAL("m1"));
    EXPECT_BYTES(parameter, BYTES_LITERAL("output.key"));
    EXPECT(!processor_key_split(BYTES_LITERAL("retention.ms"), &processor, &parameter));
    EXPECT(!processor_key_split(BYTES_LITERAL("processor.m1"), &processor, &parameter));
    EXPECT(!processor_key_split(BYTES_LITERAL("processor.m1."), &processor, &parameter));
}

/* Expects this plan as text, with one line per change. */
static void expect_plan(const char *declared, const char *current, bool prune, size_t removed,
                        const char *expected)
{
    struct arena arena;
    struct declarations want, have;
    struct plan plan;
    struct buffer out;
    arena_init(&arena, 1 << 20);
    buffer_init(&out, 4096);
    parse(declared, &arena, &want);
    parse(current, &arena, &have);
    processor_plan_make(&want, &have, prune, &arena, &plan);
    for (size_t i = 0; i < plan.count; i++)
        buffer_printf(&out, "%s %.*s %.*s=%.*s\n", plan_action_name(plan.changes[i].action),
                      BYTES_PRINTF(plan.changes[i].topic), BYTES_PRINTF(plan.changes[i].key),
                      BYTES_PRINTF(plan.changes[i].value));
    EXPECT_STRING(buffer_c_string(&out), expected);
    EXPECT_INT(plan.removed_processors, removed);
    buffer_free(&out);
    arena_free(&arena);
}

TEST(only_differences_are_planned)
{
    expect_plan("[t/a]\ntype=filter\nwhere=x\n", "[t/a]\ntype=filter\nwhere=x\n", true, 0, "");
    expect_plan("[t/a]\ntype=filter\nwhere=x\n", "[t/a]\ntype=filter\nwhere=y\n", false, 0,
                "change t processor.a.where=x\n");
    expect_plan("[t/a]\ntype=filter\n[u/b]\ntype=dedup\n", "", false, 0,
                "set t processor.a.type=filter\nset u processor.b.type=dedup\n");
}

TEST(a_declared_processor_loses_parameters_that_are_not_declared)
{
    expect_plan("[t/a]\ntype=filter\n", "[t/a]\ntype=filter\nwhere=y\n", false, 0,
                "remove t processor.a.where=\n");
}

TEST(other_processors_are_removed_only_with_prune)
{
    const char *have = "[t/a]\ntype=filter\n[t/b]\ntype=dedup\nid=key\n[t/c]\ntype=map\n"
                       "[u/z]\ntype=filter\n";
    expect_plan("[t/a]\ntype=filter\n", have, false, 0, "");
    expect_plan("[t/a]\ntype=filter\n", have, true, 2,
                "remove t processor.b.type=\nremove t processor.b.id=\n"
                "remove t processor.c.type=\n");
}

TEST(ordinary_settings_compare_in_base_units_and_stay)
{
    expect_plan("[t]\nretention.ms=7d\nsegment.bytes=1MiB\n",
                "[t]\nretention.ms=604800000\nsegment.bytes=1048576\ncleanup.policy=compact\n",
                true, 0, "");
    expect_plan("[t]\nretention.ms=1d\n", "[t]\nretention.ms=604800000\n", false, 0,
                "change t retention.ms=1d\n");
}

/* Expects the declarations of `text` in this order after sorting. */
static void expect_order(const char *text, const char *expected)
{
    struct arena arena;
    struct declarations d;
    struct buffer out;
    arena_init(&arena, 1 << 20);
    buffer_init(&out, 4096);
    parse(text, &arena, &d);
    declarations_sort(&d, &arena);
    for (size_t i = 0; i < d.count; i++)
        buffer_printf(&out, "%.*s/%.*s.%.*s ", BYTES_PRINTF(d.items[i].topic),
                      BYTES_PRINTF(d.items[i].processor), BYTES_PRINTF(d.items[i].parameter));
    EXPECT_STRING(buffer_c_string(&out), expected);
    buffer_free(&out);
    arena_free(&arena);
}

TEST(a_processor_comes_after_the_one_it_follows)
{
    expect_order("[t/a]\nafter=c\ntype=filter\n[t/b]\ntype=filter\n[t/c]\ntype=filter\n"
                 "[t/a-b]\ntype=filter\nafter=a\n[t/d]\nafter=b\n[t]\nretention.ms=1\n",
                 "t/.retention.ms t/b.type t/d.after t/c.type t/a.type t/a.after t/a-b.type "
                 "t/a-b.after ");
}

TEST(a_processor_follows_one_of_its_own_topic)
{
    expect_order("[t/b]\nafter=a\n[t/a]\ntype=filter\n[s/b]\ntype=filter\n[s/a]\nafter=b\n",
                 "s/b.type s/a.after t/a.type t/b.after ");
}

TEST(a_circle_of_processors_is_sorted_too)
{
    expect_order("[t/a]\nafter=b\n[t/b]\nafter=a\n", "t/a.after t/b.after ");
}
