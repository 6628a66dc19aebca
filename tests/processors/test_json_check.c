/* Documents that strict JSON accepts or refuses, with the place. */
#include "processors/json/json.h"
#include "tests/harness/harness.h"

#include <stdio.h>

static const char *const accepted[] = {
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1.5",
    "1e5",
    "1E+5",
    "1e-5",
    "0.1e1",
    "\"\"",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "{\"a\":[]}",
    " \t\r\n[ \t\r\n1 , 2 ] \n",
    "{\"\":0}",
    "{\"a\":1,\"a\":2}",
    "[1,null,true,false,\"x\",{},[]]",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0000\"",
    "\"\\uD83D\\ude00\"",
    "\"\x7f\"",
    "\"\xc3\xa9\"",
    "\"\xe2\x82\xac\"",
    "\"\xf0\x9f\x98\x80\"",
    "\"\xf4\x8f\xbf\xbf\"",
    "\"\xef\xbf\xbf\"",
    "\"\xee\x80\x80\"",
    "1e308",
    "-1e-999",
    "123456789012345678901234567890",
    "\"a long string that fills more than one step of sixteen bytes: \xc3\xa9\\n!\"",
    "{\"a\":{\"b\":{\"c\":[1,[2,[3]]]}},\"d\":\"}\"}",
};

static const char *const refused[] = {
    "",
    " ",
    "nul",
    "nulll",
    "True",
    "NaN",
    "Infinity",
    "-Infinity",
    "-",
    "+1",
    "01",
    "-01",
    "1.",
    ".5",
    "1.e5",
    "1e",
    "1e+",
    "0x10",
    "1_000",
    "1 2",
    "1,",
    ",",
    "[",
    "]",
    "{",
    "}",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "{1:2}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\" 1}",
    "{\"a\":1,}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1]",
    "{a:1}",
    "{'a':1}",
    "{,}",
    "{\"a\"::1}",
    "\"",
    "\"a",
    "'a'",
    "\"\n\"",
    "\"\t\"",
    "\"\x01\"",
    "\"\\\"",
    "\"\\a\"",
    "\"\\x41\"",
    "\"\\u\"",
    "\"\\u12\"",
    "\"\\u12G4\"",
    "\"\\u:000\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0041\"",
    "\"\\ud800\\ud800\"",
    "\"\\ud800x\"",
    "\"\x80\"",
    "\"\xc0\xaf\"",
    "\"\xc3\"",
    "\"\xe2\x82\"",
    "\"\xe0\x80\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xf0\x80\x80\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xff\"",
    "\xef\xbb\xbf{}",
    "\xa0",
    "[1]x",
    "{}{}",
    "//x\n1",
    "1//x",
    "/**/1",
    "1e400",
    "-1e400",
    "\f1",
    "[\"a\",\n4\n,1,",
    "{\"a\":\"b\"}#",
    "\"a long string that fills more than one step of sixteen bytes: \xe9!\"",
    "\"a long string that fills more than one step of sixteen bytes: \n!\"",
    "\"a long string that never ends and fills more than one step of sixteen",
};

TEST(every_valid_document_is_accepted)
{
    for (size_t i = 0; i < COUNT_OF(accepted); i++) {
        size_t at;
        const char *reason = json_check(bytes_string(accepted[i]), &at);
        if (reason)
            test_fail(__FILE__, __LINE__, "'%s' refused at %zu: %s", accepted[i], at, reason);
    }
}

TEST(every_invalid_document_is_refused)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        size_t at;
        if (json_check(bytes_string(refused[i]), &at) == NULL)
            test_fail(__FILE__, __LINE__, "'%s' accepted", refused[i]);
        EXPECT(at <= strlen(refused[i]));
    }
}

TEST(every_beginning_of_a_document_is_refused)
{
    static const char document[] = "{\"a\":[1.5e3,\"x\\u00e9\xc3\xa9\",{\"b\":null}],\"c\":true}";
    size_t at, size = sizeof document - 1;
    EXPECT(json_check(bytes_of(document, size), &at) == NULL);
    while (--size > 0)
        EXPECT(json_check(bytes_of(document, size), &at) != NULL);
}

static void expect_reason(const char *text, size_t expected_at, const char *expected)
{
    size_t at;
    EXPECT_STRING(json_check(bytes_string(text), &at), expected);
    EXPECT_INT(at, expected_at);
}

TEST(a_refusal_says_where_and_why)
{
    expect_reason("", 0, "empty");
    expect_reason("{\"a\":tru}", 5, "a value is expected");
    expect_reason("{\"a\" 1}", 5, "':' is expected");
    expect_reason("[1 2]", 3, "',' or ']' is expected");
    expect_reason("{\"a\":1 2}", 7, "',' or '}' is expected");
    expect_reason("{a:1}", 1, "a field name in quotes is expected");
    expect_reason("[1", 2, "the text ends in the middle of a value");
    expect_reason("1 x", 2, "unexpected text after the value");
    expect_reason("\"a\x80\"", 2, "not UTF-8");
    expect_reason("[1e999]", 1, "number out of range");
}

static const char *check_nested(int depth, char open, char close)
{
    char text[400];
    size_t at;
    int size = 0;
    for (int i = 0; i < depth; i++)
        text[size++] = open;
    for (int i = 0; i < depth; i++)
        text[size++] = close;
    return json_check(bytes_of(text, (size_t)size), &at);
}

TEST(depth_ends_at_64)
{
    EXPECT(check_nested(64, '[', ']') == NULL);
    EXPECT_STRING(check_nested(65, '[', ']'), "nested more than 64 levels deep");
    EXPECT(check_nested(150, '[', ']') != NULL);
}

TEST(a_number_longer_than_the_limit_is_refused)
{
    char text[1100];
    size_t at;
    memset(text, '0', sizeof text);
    memcpy(text, "0.", 2);
    EXPECT(json_check(bytes_of(text, 1024), &at) == NULL);
    EXPECT_STRING(json_check(bytes_of(text, 1025), &at), "number out of range");
    memset(text, '9', sizeof text);
    EXPECT_STRING(json_check(bytes_of(text, 309), &at), "number out of range");
    EXPECT(json_check(bytes_of(text, 308), &at) == NULL);
}
