#include "client-tools/output/record_format.h"

#include "tests/harness/harness.h"

static void expect_format(const char *format, const char *expected)
{
    struct buffer headers, out;
    struct message why;
    buffer_init(&headers, 1024);
    buffer_init(&out, 4096);
    record_headers_append(&headers, BYTES_LITERAL("h"), BYTES_LITERAL("1"));
    record_headers_append(&headers, BYTES_LITERAL("i"), BYTES_LITERAL("2"));
    struct record record = {.offset = 42,
                            .timestamp = 1795181865120,
                            .key = BYTES_LITERAL("k1"),
                            .value = BYTES_LITERAL("hello"),
                            .header_count = 2,
                            .headers = buffer_view(&headers)};
    struct record_place place = {BYTES_LITERAL("orders"), 7, 5};
    EXPECT(record_format_check(bytes_string(format), &why));
    record_format_append(&out, bytes_string(format), &place, &record, 9);
    EXPECT_BYTES(buffer_view(&out), bytes_string(expected));
    buffer_free(&headers);
    buffer_free(&out);
}

TEST(every_verb_prints_its_field)
{
    expect_format("%t %p %o %k %v", "orders 7 42 k1 hello");
    expect_format("%T %K %V %H %i %e", "6 2 5 2 9 5");
    expect_format("%d|%d{iso}", "1795181865120|2026-11-20T13:37:45.120Z");
    expect_format("%k{hex} %v{base64}", "6b31 aGVsbG8=");
    expect_format("%h", "h=1 i=2");
    expect_format("%h{<%k:%v{hex}>}", "<h:31><i:32>");
    expect_format("100%%\\t\\n\\\\\\x41", "100%\t\n\\A");
    expect_format("", "");
}

static void expect_refused(const char *format, const char *part)
{
    struct message why;
    EXPECT(!record_format_check(bytes_string(format), &why));
    if (strstr(why.text, part) == NULL)
        test_fail(__FILE__, __LINE__, "%s: %s", format, why.text);
}

TEST(a_format_that_is_wrong_is_refused_with_the_position)
{
    expect_refused("%k %z", "%z at position 4");
    expect_refused("%", "position 1");
    expect_refused("%k{rot13}", "position 1");
    expect_refused("%k{hex", "position 1");
    expect_refused("a\\q", "position 2");
    expect_refused("\\x4", "position 1");
    expect_refused("%o{hex}", "position 1");
    expect_refused("%h{%o}", "%o at position 1");
}

static bool parse(const char *format, const char *line, struct record_place *place,
                  struct record *record, struct message *why)
{
    return record_format_check_input(bytes_string(format), why) &&
           record_format_parse(bytes_string(format), bytes_string(line), place, record, why);
}

TEST(lines_are_cut_at_the_text_between_the_fields)
{
    struct record_place place;
    struct record record;
    struct message why;
    EXPECT(
        parse("%p/%t %k\\t%v\\n", "3/orders a key\tthe value\twith tabs", &place, &record, &why));
    EXPECT_INT(place.partition, 3);
    EXPECT_BYTES(place.topic, BYTES_LITERAL("orders"));
    EXPECT_BYTES(record.key, BYTES_LITERAL("a key"));
    EXPECT_BYTES(record.value, BYTES_LITERAL("the value\twith tabs"));
    EXPECT(parse("[%d] %v", "[1700000000000] x", &place, &record, &why));
    EXPECT_INT(record.timestamp, 1700000000000);
    EXPECT(bytes_is_null(record.key));
}

TEST(lines_that_do_not_fit_are_refused)
{
    struct record_place place;
    struct record record;
    struct message why;
    EXPECT(!parse("%k:%v", "no colon", &place, &record, &why));
    EXPECT_STRING(why.text, "\":\" is missing after %k");
    EXPECT(!parse("<%v", "x", &place, &record, &why));
    EXPECT_STRING(why.text, "the line does not begin with \"<\"");
    EXPECT(!parse("%p %v", "one x", &place, &record, &why));
    EXPECT_STRING(why.text, "%p: \"one\" is not a number");
    EXPECT(!parse("%k%v", "x", &place, &record, &why));
    EXPECT_STRING(why.text, "%v must be separated from the field before it");
    EXPECT(!parse("%k{hex} %v", "x", &place, &record, &why));
    EXPECT(!parse("%o %v", "1 x", &place, &record, &why));
}
