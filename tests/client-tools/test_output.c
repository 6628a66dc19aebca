#include "client-tools/output/output.h"

#include "client-tools/failure.h"
#include "tests/harness/harness.h"

static const struct column columns[] = {
    {"topic", CELL_TEXT, false},        {"size_bytes", CELL_SIZE, false},
    {"lag_records", CELL_COUNT, false}, {"retention_ms", CELL_DURATION, true},
    {"isr", CELL_INTS, true},           {"error", CELL_ERROR, false},
    {"message", CELL_TEXT, false},      END_OF_COLUMNS,
};

struct sample {
    struct arena arena;
    struct document document;
    struct buffer out;
};

static void sample_init(struct sample *s, bool with_error)
{
    arena_init(&s->arena, 1 << 20);
    buffer_init(&s->out, 1 << 20);
    document_init(&s->document, "topic list", &s->arena);
    struct table *t = document_table(&s->document, "topics", columns);
    table_row(t);
    table_text(t, BYTES_LITERAL("orders"));
    table_int(t, 9771050598);
    table_int(t, 18234567);
    table_int(t, 604800000);
    table_text(t, BYTES_LITERAL("1,2"));
    table_error(t, 0, BYTES_NULL);
    if (!with_error)
        return;
    table_row(t);
    table_text(t, BYTES_LITERAL("b\"\t"));
    table_error(t, 3, BYTES_NULL);
}

static const char *render(struct sample *s, enum output_format format)
{
    buffer_clear(&s->out);
    document_render(&s->document, NULL, format, false, &s->out);
    return buffer_c_string(&s->out);
}

static void sample_free(struct sample *s)
{
    buffer_free(&s->out);
    arena_free(&s->arena);
}

TEST(a_long_text_is_cut_to_the_line_but_only_for_people)
{
    static const struct column long_columns[] = {
        {"key", CELL_TEXT, false}, {"value", CELL_LONG, false}, END_OF_COLUMNS};
    static const char shown[] =
        "KEY   VALUE\n"
        "name  ëaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\n"
        "k     short\n";
    struct sample s;
    arena_init(&s.arena, 1 << 20);
    buffer_init(&s.out, 1 << 20);
    document_init(&s.document, "topic set", &s.arena);
    struct table *t = document_table(&s.document, "configs", long_columns);
    char text[203] = "ë";
    memset(text + 2, 'a', 200);
    table_row(t);
    table_text(t, BYTES_LITERAL("name"));
    table_text(t, bytes_string(text));
    table_row(t);
    table_text(t, BYTES_LITERAL("k"));
    table_text(t, BYTES_LITERAL("short"));
    EXPECT_STRING(render(&s, OUTPUT_TEXT), shown);
    EXPECT(strstr(render(&s, OUTPUT_WIDE), text) != NULL);
    EXPECT(strstr(render(&s, OUTPUT_JSON), text) != NULL);
    EXPECT(strstr(render(&s, OUTPUT_TSV), text) != NULL);
    sample_free(&s);
}

TEST(text_is_aligned_short_and_without_needless_columns)
{
    struct sample s;
    sample_init(&s, false);
    EXPECT_STRING(render(&s, OUTPUT_TEXT), "TOPIC     SIZE  LAG-RECORDS  STATUS\n"
                                           "orders  9.1GiB        18.2M  OK\n");
    EXPECT_STRING(render(&s, OUTPUT_WIDE),
                  "TOPIC         SIZE  LAG-RECORDS  RETENTION  ISR  STATUS\n"
                  "orders  9771050598     18234567         1w  1,2  OK\n");
    sample_free(&s);
}

TEST(an_error_is_shown_with_its_name_and_message)
{
    struct sample s;
    sample_init(&s, true);
    EXPECT_STRING(render(&s, OUTPUT_TEXT),
                  "TOPIC     SIZE  LAG-RECORDS  STATUS                      MESSAGE\n"
                  "orders  9.1GiB        18.2M  OK                          -\n"
                  "b\"           -            -  UNKNOWN_TOPIC_OR_PARTITION  no such topic or "
                  "partition here\n");
    EXPECT_INT(document_errors(&s.document), 1);
    sample_free(&s);
}

TEST(json_is_one_document_with_exact_numbers)
{
    struct sample s;
    sample_init(&s, true);
    document_text(&s.document, "cluster_id", BYTES_LITERAL("x"));
    document_int(&s.document, "controller_id", CELL_INT, INT64_MAX);
    EXPECT_STRING(render(&s, OUTPUT_JSON),
                  "{\"command\":\"topic list\",\"version\":1,\"cluster_id\":\"x\","
                  "\"controller_id\":9223372036854775807,\"topics\":["
                  "{\"topic\":\"orders\",\"size_bytes\":9771050598,\"lag_records\":18234567,"
                  "\"retention_ms\":604800000,\"isr\":[1,2],\"error\":null,\"message\":null},"
                  "{\"topic\":\"b\\\"\\t\",\"size_bytes\":null,\"lag_records\":null,"
                  "\"retention_ms\":null,\"isr\":null,\"error\":\"UNKNOWN_TOPIC_OR_PARTITION\","
                  "\"message\":\"no such topic or partition here\"}]}\n");
    sample_free(&s);
}

TEST(tsv_has_every_column_no_header_and_no_stray_tabs)
{
    struct sample s;
    sample_init(&s, true);
    EXPECT_STRING(
        render(&s, OUTPUT_TSV),
        "orders\t9771050598\t18234567\t604800000\t1,2\t-\t-\n"
        "b\" \t-\t-\t-\t-\tUNKNOWN_TOPIC_OR_PARTITION\tno such topic or partition here\n");
    EXPECT_STRING(render(&s, OUTPUT_TSV_HEADER),
                  "topic\tsize_bytes\tlag_records\tretention_ms\tisr\terror\tmessage\n");
    sample_free(&s);
}

TEST(a_failure_is_part_of_the_json_document)
{
    struct sample s;
    struct failure f;
    sample_init(&s, false);
    fail_unreachable(&f, "cannot reach %s", "a:1");
    message_set(&f.from, "default");
    s.document.table_count = 0;
    document_render(&s.document, &f, OUTPUT_JSON, false, &s.out);
    EXPECT_STRING(buffer_c_string(&s.out),
                  "{\"command\":\"topic list\",\"version\":1,\"error\":\"UNREACHABLE\","
                  "\"message\":\"cannot reach a:1\",\"from\":\"default\"}\n");
    sample_free(&s);
}

TEST(a_failure_has_up_to_three_lines)
{
    struct failure f;
    struct buffer out;
    buffer_init(&out, 4096);
    fail_kafka(&f, 36, BYTES_LITERAL("Topic 'x' already exists."), "create");
    message_set(&f.from, "--brokers");
    message_set(&f.hint, "try again");
    failure_format(&f, &out);
    EXPECT_STRING(buffer_c_string(&out), "error: create: Topic 'x' already exists.\n"
                                         "  from  --brokers\n"
                                         "  hint  try again\n");
    EXPECT_STRING(f.name, "TOPIC_ALREADY_EXISTS");
    buffer_free(&out);
}

TEST(tables_grow)
{
    struct arena arena;
    struct document d;
    static const struct column one[] = {{"n", CELL_INT, false}, END_OF_COLUMNS};
    arena_init(&arena, 1 << 20);
    document_init(&d, "x", &arena);
    struct table *t = document_table(&d, "rows", one);
    for (int i = 0; i < 1000; i++) {
        table_row(t);
        table_int(t, i);
    }
    EXPECT_INT(t->row_count, 1000);
    for (int i = 0; i < 1000; i++)
        EXPECT_INT(t->cells[i].integer, i);
    arena_free(&arena);
}

TEST(text_that_is_not_utf8_is_still_json)
{
    struct arena arena;
    struct document d;
    struct buffer out;
    arena_init(&arena, 1 << 20);
    buffer_init(&out, 4096);
    document_init(&d, "x", &arena);
    document_text(&d, "name",
                  BYTES_LITERAL("a\xff"
                                "b"));
    document_render(&d, NULL, OUTPUT_JSON, false, &out);
    EXPECT_STRING(buffer_c_string(&out), "{\"command\":\"x\",\"version\":1,\"name\":\"a\xef\xbf\xbd"
                                         "b\"}\n");
    buffer_free(&out);
    arena_free(&arena);
}

TEST(a_plan_shows_no_status)
{
    struct sample s;
    sample_init(&s, false);
    s.document.tables[0].planned = true;
    EXPECT_STRING(render(&s, OUTPUT_TEXT), "TOPIC     SIZE  LAG-RECORDS\n"
                                           "orders  9.1GiB        18.2M\n");
    sample_free(&s);
}

TEST(an_error_is_shown_even_where_only_wide_text_has_its_column)
{
    static const struct column narrow[] = {
        {"topic", CELL_TEXT, false},
        {"error", CELL_ERROR, true},
        {"message", CELL_TEXT, true},
        END_OF_COLUMNS,
    };
    struct sample s;
    sample_init(&s, false);
    s.document.table_count = 0;
    struct table *t = document_table(&s.document, "topics", narrow);
    table_row(t);
    table_text(t, BYTES_LITERAL("a"));
    EXPECT_STRING(render(&s, OUTPUT_TEXT), "TOPIC\na\n");
    table_row(t);
    table_text(t, BYTES_LITERAL("b"));
    table_error(t, 3, BYTES_LITERAL("gone"));
    EXPECT_STRING(render(&s, OUTPUT_TEXT), "TOPIC  STATUS                      MESSAGE\n"
                                           "a      OK                          -\n"
                                           "b      UNKNOWN_TOPIC_OR_PARTITION  gone\n");
    sample_free(&s);
}

TEST(an_empty_text_is_a_dash_in_tsv)
{
    struct sample s;
    sample_init(&s, false);
    s.document.table_count = 0;
    struct table *t = document_table(&s.document, "topics", columns);
    table_row(t);
    table_text(t, BYTES_LITERAL(""));
    table_int(t, 0);
    EXPECT_STRING(render(&s, OUTPUT_TSV), "-\t0\t-\t-\t-\t-\t-\n");
    sample_free(&s);
}
