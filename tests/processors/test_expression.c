#include "processors/expression/expression.h"

#include "tests/harness/harness.h"
#include "tests/processors/support_expression.h"

#include <stdio.h>
#include <stdlib.h>

static const char document[] =
    "{\"id\":7,\"amount\":12.50,\"big\":12345678901234567890,\"name\":\"Zo\xc3\xab\",\"ok\":true,"
    "\"none\":null,\"user\":{\"country\":\"FR\",\"tier\":\"gold\",\"age\":41},"
    "\"tags\":[\"a\",\"b\",\"c\"],\"n\":[1,2,3,10],\"items\":[{\"sku\":\"x\",\"qty\":2},"
    "{\"sku\":\"y\",\"qty\":0}],\"price\":\"1234567890123456.789\",\"exact\":1234567890123456.789,"
    "\"ts\":1700000000123,\"at\":\"2023-11-14T22:13:20Z\",\"text\":\" Hello, World \","
    "\"esc\":\"q\\\"\\u00e9\",\"card\":4111111111111111,\"a-b\":1,\"max\":9223372036854775807,"
    "\"in\":5,\"deep\":{\"a\":{\"b\":{\"c\":\"end\"}}}}";

struct expression_case {
    const char *source, *expected;
};

static void check_cases(const struct expression_case *cases, size_t count)
{
    struct expression_world w;
    size_t wrong = 0;
    expression_world_init(&w, document);
    for (size_t i = 0; i < count; i++) {
        const char *result = expression_result(&w, cases[i].source);
        if (strcmp(result, cases[i].expected) == 0)
            continue;
        printf("\n  %s\n    gives    %s\n    expected %s", cases[i].source, result,
               cases[i].expected);
        wrong++;
    }
    expression_world_free(&w);
    EXPECT_INT(wrong, 0);
}

#define CHECK(...)                                                    \
    do {                                                              \
        static const struct expression_case cases_[] = {__VA_ARGS__}; \
        check_cases(cases_, COUNT_OF(cases_));                        \
    } while (0)

TEST(literals_are_those_of_cel)
{
    CHECK({"1", "1"}, {"-1", "-1"}, {"0x1F", "31"}, {"1.5", "1.5"}, {".5", "0.5"}, {"1e3", "1000"},
          {"2.50e-1", "0.25"}, {"true", "true"}, {"false", "false"}, {"null", "null"},
          {"9223372036854775807", "9223372036854775807"},
          {"-9223372036854775808", "-9223372036854775808"}, {"'a'", "\"a\""},
          {"\"a'b\"", "\"a'b\""}, {"'a\\n\\t\\\\\\'\\\"'", "\"a\\n\\t\\\\'\\\"\""},
          {"'\\x41\\u00e9\\U0001F600\\101'", "\"A\xc3\xa9\xf0\x9f\x98\x80"
                                             "A\""},
          {"r'\\d+'", "\"\\\\d+\""}, {"'''a'b'''", "\"a'b\""}, {"\"\"\"a\"b\"\"\"", "\"a\\\"b\""},
          {"''", "\"\""}, {"[]", "[]"}, {"{}", "{}"}, {"[1, 'a', null]", "[1,\"a\",null]"},
          {"{'b': 1, 'a': [value.id]}", "{\"a\":[7],\"b\":1}"}, {"  1  ", "1"});
}

TEST(variables_are_the_parts_of_the_record)
{
    CHECK({"key", "\"user-7\""}, {"timestamp", "1700000000123"}, {"partition", "3"},
          {"offset", "42"}, {"topic", "\"orders\""}, {"header('trace')", "\"abc\""},
          {"header('raw')", "\"/w==\""}, {"header('empty')", "null"}, {"header('none')", "null"},
          {"value.id", "7"}, {"value.user", "{\"age\":41,\"country\":\"FR\",\"tier\":\"gold\"}"});
}

TEST(fields_are_reached_by_paths)
{
    CHECK({"value.user.country", "\"FR\""}, {"value['user']['country']", "\"FR\""},
          {"value['a-b']", "1"}, {"value.user.none", "null"}, {"value.none.more.still", "null"},
          {"value.id.more", "null"}, {"value.missing", "null"}, {"value.tags[1]", "\"b\""},
          {"value.tags[9]", "null"}, {"value.tags[-1]", "null"}, {"value.items[0].sku", "\"x\""},
          {"value.items[value.id - 6]['sku']", "\"y\""}, {"value.tags.a", "null"},
          {"value.esc", "\"q\\\"\xc3\xa9\""}, {"value.in", "5"}, {"{'a': {'b': 2}}.a.b", "2"},
          {"[1, 2, 3][1]", "2"}, {"value.user['coun' + 'try']", "\"FR\""},
          {"value.deep.a.b.c", "\"end\""}, {"key.a", "null"}, {"value.tags[null]", "null"},
          {"value.tags[1.5]", "error: column 11: an index must be an int or a string, not double"});
}

TEST(arithmetic_mixes_numbers_and_carries_null)
{
    CHECK({"1 + 2 * 3", "7"}, {"(1 + 2) * 3", "9"}, {"7 / 2", "3"}, {"-7 / 2", "-3"},
          {"-7 % 3", "-1"}, {"7.0 / 2", "3.5"}, {"1 + 0.5", "1.5"}, {"10 - 2 - 3", "5"},
          {"2 * 3 % 4", "2"}, {"value.amount * 2", "25"}, {"value.missing + 1", "null"},
          {"1 - value.none", "null"}, {"-value.missing", "null"}, {"--3", "3"}, {"-(3)", "-3"},
          {"'a' + 'b' + 'c'", "\"abc\""}, {"'a' + value.missing", "null"},
          {"[1] + value.n", "[1,1,2,3,10]"}, {"value.big + 1", "12345678901234567891"},
          {"value.big - value.big", "0"}, {"value.big * 10", "123456789012345678900"},
          {"value.big / 2", "6172839450617284000"}, {"value.big % 10", "0"});
}

TEST(arithmetic_errors_are_errors)
{
    CHECK({"9223372036854775807 + 1", "error: column 21: overflow"},
          {"-9223372036854775808 - 1", "error: column 22: overflow"},
          {"value.max * 2", "error: column 11: overflow"},
          {"-9223372036854775808 / -1", "error: column 22: overflow"},
          {"-9223372036854775808 % -1", "error: column 22: overflow"},
          {"1 / 0", "error: column 3: division by zero"},
          {"1 % 0", "error: column 3: division by zero"},
          {"1.0 / 0", "error: column 5: division by zero"},
          {"1e308 * 10", "error: column 7: overflow"},
          {"1.5 % 2", "error: column 5: double % int is not defined"},
          {"1 + 'a'", "error: column 3: int + string is not defined"},
          {"'a' - 'b'", "error: column 5: string - string is not defined"},
          {"true + 1", "error: column 6: bool + int is not defined"},
          {"-'a'", "error: column 1: -string is not defined"},
          {"{} + {}", "error: column 4: map + map is not defined"});
}

TEST(comparisons_follow_value_and_type)
{
    CHECK({"1 == 1.0", "true"}, {"1 != 2", "true"}, {"1 == '1'", "false"}, {"'a' < 'b'", "true"},
          {"'B' < 'a'", "true"}, {"'a' < 'ab'", "true"}, {"2 > 1.5", "true"}, {"2 >= 2.0", "true"},
          {"9007199254740993 > 9007199254740992.0", "true"},
          {"9223372036854775807 < 9223372036854775808.0", "true"}, {"false < true", "true"},
          {"value.big > 9223372036854775807", "true"}, {"value.big == value.big", "true"},
          {"value.id > 1.5e300", "false"}, {"[1, 2] == [1.0, 2]", "true"},
          {"value.user == {'age': 41.0, 'tier': 'gold', 'country': 'FR'}", "true"},
          {"value.tags == ['a', 'b']", "false"}, {"value.tags != []", "true"},
          {"[] == {}", "false"}, {"1 < 'a'", "error: column 3: int < string is not defined"},
          {"[1] < [2]", "error: column 5: list < list is not defined"},
          {"timestamp > 5", "error: column 11: timestamp > int is not defined"});
}

TEST(a_missing_field_is_null_and_no_order_with_it_is_true)
{
    CHECK({"value.missing == null", "true"}, {"value.none == null", "true"},
          {"value.missing != null", "false"}, {"value.id != null", "true"},
          {"value.missing == 5", "false"}, {"value.missing != 5", "true"},
          {"value.missing < 5", "false"}, {"value.missing >= 5", "false"},
          {"5 > value.missing", "false"}, {"value.missing > null", "false"},
          {"value.missing.startsWith('a')", "false"}, {"value.missing.size()", "null"},
          {"size(value.missing) > 3", "false"}, {"!value.missing", "true"},
          {"value.missing ? 1 : 2", "2"}, {"value.missing && true", "false"},
          {"value.missing || true", "true"});
}

TEST(membership_looks_into_lists_and_maps)
{
    CHECK({"value.user.country in ['FR', 'DE']", "true"}, {"'x' in value.tags", "false"},
          {"'b' in value.tags", "true"}, {"1.0 in value.n", "true"},
          {"'tier' in value.user", "true"}, {"'x' in value.user", "false"},
          {"1 in value.user", "false"}, {"'a' in {'a': null}", "true"}, {"null in [null]", "true"},
          {"1 in value.missing", "false"}, {"{'sku': 'y', 'qty': 0} in value.items", "true"},
          {"'a' in 'abc'", "error: column 5: string in string is not defined"});
}

TEST(logic_absorbs_errors_when_the_other_side_decides)
{
    CHECK({"true && false", "false"}, {"true || false", "true"}, {"!true", "false"},
          {"!!true", "true"}, {"1 / 0 > 1 || true", "true"}, {"true || 1 / 0 > 1", "true"},
          {"1 / 0 > 1 && false", "false"}, {"false && 1 / 0 > 1", "false"},
          {"1 / 0 > 1 || false", "error: column 3: division by zero"},
          {"true && 1 / 0 > 1", "error: column 11: division by zero"}, {"1 || true", "true"},
          {"1 || false", "error: column 1: a condition must be a bool, not int"},
          {"true || true && false", "true"}, {"true && true && true", "true"},
          {"value.ok ? 'y' : 'n'", "\"y\""}, {"false ? 1 : true ? 2 : 3", "2"},
          {"true ? 1 : 1 / 0", "1"},
          {"1 ? 2 : 3", "error: column 1: a condition must be a bool, not int"},
          {"!1", "error: column 2: a condition must be a bool, not int"});
}

TEST(macros_go_over_lists)
{
    CHECK({"value.items.exists(i, i.qty == 0)", "true"}, {"value.items.all(i, i.qty > 0)", "false"},
          {"value.items.map(i, i.sku)", "[\"x\",\"y\"]"},
          {"value.n.filter(x, x % 2 == 0)", "[2,10]"}, {"value.n.map(x, x > 1, x * 2)", "[4,6,20]"},
          {"[].exists(x, true)", "false"}, {"[].all(x, false)", "true"},
          {"value.missing.exists(x, true)", "false"}, {"value.missing.all(x, true)", "false"},
          {"value.missing.map(x, 1)", "null"}, {"[0, 1].exists(x, 1 / x == 1)", "true"},
          {"[1, 0].all(x, 1 / x > 5)", "false"},
          {"[0].exists(x, 1 / x == 1)", "error: column 17: division by zero"},
          {"value.n.exists(x, value.n.exists(y, x + y == 20))", "true"},
          {"[1, 2].map(x, [10, 20].map(x, x))", "[[10,20],[10,20]]"},
          {"[1, 2].map(value, value + 1)", "[2,3]"},
          {"value.tags.map(t, t + t).join('-')", "\"aa-bb-cc\""},
          {"value.user.exists(x, true)", "error: column 12: expected a list, not map"},
          {"value.n.filter(x, x)", "error: column 19: a condition must be a bool, not int"});
}

TEST(presence_is_not_the_same_as_null)
{
    CHECK({"has(value.id)", "true"}, {"has(value.none)", "true"}, {"has(value.missing)", "false"},
          {"has(value.user.tier)", "true"}, {"has(value.missing.tier)", "false"},
          {"has(value['a-b'])", "true"}, {"has(value.tags[2])", "true"},
          {"has(value.tags[3])", "false"}, {"has(value.items[0].sku)", "true"},
          {"has(header('trace'))", "true"}, {"has(header('x'))", "false"}, {"has(key)", "true"},
          {"has(1 + 2)", "error: column 1: has takes one field, such as has(value.user.name)"},
          {"coalesce(value.missing, value.none, 5, 1 / 0)", "5"}, {"coalesce(null)", "null"},
          {"coalesce()", "error: column 1: coalesce needs at least one argument"});
}

TEST(text_functions_work_as_methods_and_as_functions)
{
    CHECK({"'abc'.startsWith('ab')", "true"}, {"startsWith('abc', 'ab')", "true"},
          {"'abc'.endsWith('bc')", "true"}, {"'abc'.endsWith('abcd')", "false"},
          {"contains(value.text, 'World')", "true"}, {"'abc'.contains('')", "true"},
          {"value.name.size()", "3"}, {"size('')", "0"}, {"value.tags.size()", "3"},
          {"size(value.user)", "3"}, {"size([1, 2])", "2"},
          {"lower('AbC\xc3\x89')", "\"abc\xc3\x89\""}, {"'abz'.upper()", "\"ABZ\""},
          {"value.text.trim()", "\"Hello, World\""},
          {"'a,b,,c'.split(',')", "[\"a\",\"b\",\"\",\"c\"]"}, {"''.split(',')", "[\"\"]"},
          {"'a--b'.split('--')", "[\"a\",\"b\"]"},
          {"'abc'.split('')", "error: column 7: split needs a separator that is not empty"},
          {"['a', 1, null, true].join('|')", "\"a|1||true\""}, {"value.tags.join()", "\"abc\""},
          {"[].join(',')", "\"\""}, {"substr('h\xc3\xa9llo', 1, 3)", "\"\xc3\xa9ll\""},
          {"'hello'.substr(2)", "\"llo\""}, {"'hello'.substr(-2)", "\"lo\""},
          {"'hello'.substr(-9, 2)", "\"he\""}, {"'hello'.substr(9)", "\"\""},
          {"'hello'.substr(1, -1)", "\"\""}, {"'aXbX'.replace('X', '--')", "\"a--b--\""},
          {"'abc'.replace('', 'x')", "\"abc\""}, {"'aaa'.replace('aa', 'b')", "\"ba\""},
          {"1.startsWith('a')", "error: column 3: startsWith needs text, not int"},
          {"startsWith(1, 'a')", "error: column 1: startsWith needs text, not int"},
          {"lower(5)", "error: column 1: lower needs text, not int"});
}

TEST(patterns_match_anywhere_in_the_text)
{
    CHECK({"value.text.matches('W.rld')", "true"}, {"matches('abc', '^b')", "false"},
          {"'555-1234'.matches(r'^\\d{3}-\\d{4}$')", "true"},
          {"'abc'.matches('b' + value.missing)", "false"}, {"'abc'.matches('^' + 'a')", "true"},
          {"'abc'.matches('(')", "error: column 15: pattern, character 2: ')' is missing"},
          {"'abc'.matches('(' + '')", "error: column 7: the pattern is not valid"});
}

TEST(conversions_are_strict)
{
    CHECK({"int('42')", "42"}, {"int(3.9)", "3"}, {"int(-3.9)", "-3"},
          {"int(timestamp)", "1700000000123"}, {"int(value.missing)", "null"},
          {"int('4x')", "error: column 1: int: the text is not a valid 64-bit int"},
          {"int(1e30)", "error: column 1: int: out of range"},
          {"int(true)", "error: column 1: int needs a number or text, not bool"},
          {"int(value.big)", "error: column 1: int: out of range"}, {"double('2.5')", "2.5"},
          {"double(3)", "3"},
          {"double('0x10')", "error: column 1: double: the text is not a valid number"},
          {"double(' 1')", "error: column 1: double: the text is not a valid number"},
          {"string(1.50)", "\"1.5\""}, {"string(7)", "\"7\""}, {"string(true)", "\"true\""},
          {"string(timestamp)", "\"2023-11-14T22:13:20.123Z\""},
          {"string(duration('90s'))", "\"90s\""},
          {"string(value.tags)", "\"[\\\"a\\\",\\\"b\\\",\\\"c\\\"]\""},
          {"string(value.big)", "\"12345678901234567890\""},
          {"string(header('raw'))",
           "error: column 1: string needs text, but the bytes are not UTF-8"},
          {"bool('true')", "true"}, {"bool('F')", "false"},
          {"bool('yes')", "error: column 1: bool: the text is not a valid bool"},
          {"bool(1)", "error: column 1: bool needs a bool or text, not int"});
}

TEST(times_have_their_own_arithmetic)
{
    CHECK({"timestamp('2023-11-14T22:13:20Z')", "1700000000000"},
          {"timestamp(value.ts) == timestamp", "true"}, {"timestamp(value.at) < timestamp", "true"},
          {"timestamp('2023-11-14')",
           "error: column 1: timestamp: the text is not a valid RFC 3339 time with a zone"},
          {"duration('1h30m')", "5400000"}, {"duration('-1.5s')", "-1500"},
          {"duration('7d')", "604800000"},
          {"duration('10')",
           "error: column 1: duration: the text is not a valid duration such as 1h30m"},
          {"duration('')",
           "error: column 1: duration: the text is not a valid duration such as 1h30m"},
          {"timestamp - timestamp(value.at)", "123"},
          {"timestamp + duration('1s')", "1700000001123"},
          {"duration('1s') + timestamp == timestamp + duration('1s')", "true"},
          {"timestamp - timestamp(value.at) < duration('1s')", "true"},
          {"duration('1m') - duration('1s')", "59000"}, {"-duration('1m')", "-60000"},
          {"timestamp + timestamp", "error: column 11: timestamp + timestamp is not defined"},
          {"timestamp * 2", "error: column 11: timestamp * int is not defined"},
          {"year(timestamp)", "2023"}, {"month(timestamp)", "11"}, {"day(timestamp)", "14"},
          {"hour(timestamp)", "22"}, {"timestamp.hour('+02:00')", "0"},
          {"day(value.ts, '+02:00')", "15"}, {"hour(-1)", "23"}, {"year(-1)", "1969"},
          {"hour(timestamp, 'Europe/Paris')", "23"},
          {"hour(timestamp + duration('240d'), 'Europe/Paris')", "0"},
          {"hour(timestamp, 'Europe/Paries')",
           "error: column 17: 'Europe/Paries' is not a time zone such as UTC, +02:00 or "
           "Europe/Paris; did you mean Europe/Paris?"},
          {"hour(timestamp, key)", "error: column 1: unknown time zone"},
          {"hour('x')", "error: column 1: hour needs a timestamp or milliseconds, not string"});
}

TEST(decimals_are_exact)
{
    CHECK(
        {"decimal(value.amount, 18, 2)", "12.5"},
        {"decimal('0.1', 18, 2) + decimal('0.2', 18, 2)", "0.3"},
        {"decimal(value.price, 38, 3)", "1234567890123456.789"},
        {"decimal(value.exact, 38, 3)", "1234567890123456.789"}, {"decimal(1.005, 5, 2)", "1.01"},
        {"decimal(-1.005, 5, 2)", "-1.01"}, {"decimal(value.id, 3, 1) * 2", "14"},
        {"decimal(5, 3, 0) + 0.5", "5.5"}, {"decimal(5, 3, 0) == 5", "true"},
        {"decimal('1.10', 5, 2) < decimal('1.2', 5, 1)", "true"}, {"-decimal('1.5', 5, 1)", "-1.5"},
        {"decimal(12345, 4, 0)", "error: column 1: the number does not fit decimal(4, 0)"},
        {"decimal('x', 4, 0)",
         "error: column 1: decimal: the text is not a valid number of at most 38 digits"},
        {"decimal(1, 39, 0)", "error: column 1: decimal(x, precision, scale) needs literals, "
                              "precision from 1 to 38 and scale from 0 to precision"},
        {"decimal(1, value.id, 0)", "error: column 1: decimal(x, precision, scale) needs literals, "
                                    "precision from 1 to 38 and scale from 0 to precision"},
        {"decimal(true, 4, 0)", "error: column 1: decimal needs a number or text, not bool"});
}

TEST(identities_can_be_hashed_and_masked)
{
    CHECK({"hash('abc')", "\"ba7816bf8f01cfea414140de5dae2223\""},
          {"hash(value.user) == hash({'tier': 'gold', 'age': 41, 'country': 'FR'})", "true"},
          {"hash(value.missing)", "null"}, {"mask('4111111111111111', 4)", "\"************1111\""},
          {"value.card.mask(4)", "\"************1111\""},
          {"mask('\xc3\xa9\xc3\xa8\xc3\xaa', 1)", "\"**\xc3\xaa\""}, {"mask('123', 4)", "\"***\""},
          {"mask('123', 3)", "\"***\""}, {"mask('123', 0)", "\"***\""},
          {"mask('1', -1)",
           "error: column 1: mask needs the number of characters to keep, at least 0"});
}

TEST(distances_are_in_metres)
{
    CHECK({"int(geo_distance(48.8566, 2.3522, 51.5074, -0.1278) / 1000)", "343"},
          {"geo_distance(10, 20, 10, 20)", "0"}, {"geo_distance(1, 2, 3, value.missing)", "null"},
          {"geo_distance(91, 0, 0, 0)", "error: column 1: geo_distance: invalid latitude"});
}

TEST(wrong_expressions_say_where_and_what)
{
    CHECK({"", "error: column 1: the expression ends where a value is expected"},
          {"1 +", "error: column 4: the expression ends where a value is expected"},
          {"(1", "error: column 3: the expression ends where ')' is expected"},
          {"1 2", "error: column 3: found '2' where an operator or the end is expected"},
          {"value.", "error: column 7: the expression ends where a field or a method is expected"},
          {"value.[1]", "error: column 7: found '[' where a field or a method is expected"},
          {"a == 1", "error: column 1: unknown name 'a'; the names are key, value, timestamp, "
                     "partition, offset and topic; a field of the record is value.<field>"},
          {"value.a = 1", "error: column 9: found '='; did you mean '=='?"},
          {"true & false", "error: column 6: found '&'; did you mean '&&'?"},
          {"vlaue.a", "error: column 1: unknown name 'vlaue'; did you mean 'value'?"},
          {"'a'.startWith('b')",
           "error: column 5: unknown function 'startWith'; did you mean 'startsWith'?"},
          {"frobnicate(1)", "error: column 1: unknown function 'frobnicate'"},
          {"startsWith('a')",
           "error: column 1: wrong number of arguments, 1: startsWith(text, prefix)"},
          {"size", "error: column 1: 'size' is a function: size(text, list or map)"},
          {"hmac(key, 'k')", "error: column 1: 'hmac' needs a key file of the broker, which is not "
                             "built yet; hash(x) needs none"},
          {"left.a == right.a", "error: column 1: 'left' is for joins, which are not built yet"},
          {"now()", "error: column 1: 'now' does not exist: an expression must always give the "
                    "same result; use timestamp"},
          {"exists(value.a, 1)",
           "error: column 1: exists is a method of a list: list.exists(x, ...)"},
          {"value.a.exists(1, true)",
           "error: column 16: found '1' where a name for the element is expected"},
          {"value.a.exists(x)", "error: column 17: found ')' where ',' is expected"},
          {"value.a.exists(x, true, true)", "error: column 9: exists takes a name and a condition"},
          {"1 < 2 < 3", "error: column 7: comparisons cannot be chained: use && between them"},
          {"'abc", "error: column 1: the string has no closing quote"},
          {"'\\q'", "error: column 2: unknown escape in a string; a backslash is written '\\\\'"},
          {"'\\ud800'", "error: column 2: the escape is not a valid character"},
          {"9223372036854775808", "error: column 1: the number does not fit 64 bits"},
          {"0x8000000000000000", "error: column 1: the number does not fit 64 bits"},
          {"1e999", "error: column 1: the number is out of range"},
          {"5u", "error: column 2: unexpected 'u' after a number"},
          {"b'x'", "error: column 1: byte literals are not supported"},
          {"value.a @ 2", "error: column 9: unexpected '@'"},
          {"\xc3\xa9", "error: column 1: found byte 0xc3 outside a string"},
          {"'\xff'", "error: the expression is not UTF-8"},
          {"{'a': 1, 'a': 2}", "error: column 10: the name 'a' occurs twice"},
          {"{a: 1}", "error: column 2: found 'a' where a name in quotes is expected"},
          {"true ? 1", "error: column 9: the expression ends where ':' is expected"},
          {"1; 2", "error: column 2: found ';' where an operator or the end is expected"});
}

static char *repeated(const char *before, const char *part, int count, const char *after)
{
    struct buffer out;
    buffer_init(&out, 1 << 16);
    buffer_append_string(&out, before);
    for (int i = 0; i < count; i++)
        buffer_append_string(&out, part);
    buffer_append_string(&out, after);
    char *text = xstrdup(buffer_c_string(&out));
    buffer_free(&out);
    return text;
}

static void expect_repeated(const char *before, const char *part, int count, const char *after,
                            const char *expected)
{
    struct expression_world w;
    expression_world_init(&w, document);
    char *source = repeated(before, part, count, after);
    EXPECT_STRING(expression_result(&w, source), expected);
    free(source);
    expression_world_free(&w);
}

TEST(depth_and_size_are_bounded)
{
    expect_repeated("", "(", 31, "1)))))))))))))))))))))))))))))))", "1");
    expect_repeated("", "(", 32, "1))))))))))))))))))))))))))))))))",
                    "error: column 33: nested more than 32 levels deep");
    expect_repeated("", "!", 40, "true", "error: column 32: nested more than 32 levels deep");
    expect_repeated("", "[", 2000, "", "error: column 33: nested more than 32 levels deep");
    expect_repeated("1", "+1", 2000, "", "2001");
    expect_repeated("true", "&&true", 600, "", "true");
    expect_repeated("'a'", ".trim()", 40, "", "error: column 227: nested more than 32 levels deep");
    expect_repeated("value", ".a", 2000, "", "null");
    expect_repeated("1", " ", 4096, "",
                    "error: the expression has 4097 bytes, at most 4096 are allowed");
}

TEST(work_is_bounded)
{
    struct expression_world w;
    struct buffer json;
    buffer_init(&json, 1 << 20);
    buffer_append_string(&json, "{\"n\":[0");
    for (int i = 1; i < 400; i++)
        buffer_printf(&json, ",%d", i);
    buffer_append_string(&json, "]}");
    expression_world_init(&w, buffer_c_string(&json));
    EXPECT_STRING(expression_result(&w, "value.n.exists(x, x == 399)"), "true");
    EXPECT_STRING(expression_result(&w, "value.n.all(x, value.n.exists(y, x + y == -1))"), "false");
    EXPECT_STRING(expression_result(&w, "value.n.all(x, value.n.all(y, x + y != -1))"),
                  "error: column 24: more than 100000 steps");
    EXPECT_STRING(expression_result(&w, "value.n.all(x, value.n.all(y, x + y != -1)) || true"),
                  "error: column 48: more than 100000 steps");
    expression_world_free(&w);
    buffer_free(&json);
}

TEST(a_value_that_is_not_json_is_text_or_bytes)
{
    struct expression_world w;
    expression_world_init(&w, "plain text");
    w.input.value_is_json = false;
    EXPECT_STRING(expression_result(&w, "value"), "\"plain text\"");
    EXPECT_STRING(expression_result(&w, "value.contains('text')"), "true");
    EXPECT_STRING(expression_result(&w, "value.a"), "null");
    w.record.value = BYTES_LITERAL("\xff\xfe");
    EXPECT_STRING(expression_result(&w, "value"), "\"//4=\"");
    EXPECT_STRING(expression_result(&w, "value == 'a'"), "false");
    w.record.value = BYTES_NULL;
    EXPECT_STRING(expression_result(&w, "value == null"), "true");
    w.record.key = BYTES_NULL;
    EXPECT_STRING(expression_result(&w, "key"), "null");
    w.input.value_is_json = true;
    EXPECT_STRING(expression_result(&w, "value.a.b"), "null");
    w.record.value = bytes_string(" 12 ");
    EXPECT_STRING(expression_result(&w, "value + 1"), "13");
    expression_world_free(&w);
}

static void expect_test(const char *source, enum error expected_error, bool expected)
{
    struct expression_world w;
    struct expression *e;
    struct arena arena;
    expression_world_init(&w, document);
    arena_init(&arena, 1 << 16);
    EXPECT_INT(expression_compile(bytes_string(source), &e, &w.message), ERR_OK);
    bool result = !expected;
    EXPECT_INT(expression_test(e, &w.input, &arena, &result, &w.message), expected_error);
    EXPECT_INT(result, expected);
    expression_free(e);
    arena_free(&arena);
    expression_world_free(&w);
}

TEST(a_condition_is_true_false_or_an_error)
{
    expect_test("value.id == 7", ERR_OK, true);
    expect_test("value.id == 8", ERR_OK, false);
    expect_test("value.missing", ERR_OK, false);
    expect_test("value.id", ERR_INVALID, false);
    expect_test("value.id / 0 == 1", ERR_INVALID, false);
}

static void expect_name(const char *source, const char *expected, bool is_key)
{
    struct expression *e;
    EXPECT_INT(expression_compile(bytes_string(source), &e, NULL), ERR_OK);
    EXPECT_BYTES(expression_name(e), bytes_string(expected));
    EXPECT_INT(expression_is_key(e), is_key);
    expression_free(e);
}

TEST(results_have_names)
{
    expect_name("value.user.country", "country", false);
    expect_name("value['a b']", "a b", false);
    expect_name("value.items[0].sku", "sku", false);
    expect_name(" key ", "key", true);
    expect_name("(key)", "key", true);
    expect_name(" value.a + 1 ", "value.a + 1", false);
    expect_name("topic", "topic", false);
}

TEST(a_list_is_split_at_top_level_semicolons)
{
    struct expression_list list;
    struct message message;
    EXPECT_INT(expression_list_compile(BYTES_LITERAL("value.a; key;['x;', \"y\"][0] + (';') "),
                                       &list, &message),
               ERR_OK);
    EXPECT_INT(list.count, 3);
    EXPECT_BYTES(expression_source(list.items[0]), BYTES_LITERAL("value.a"));
    EXPECT(expression_is_key(list.items[1]));
    EXPECT_BYTES(expression_source(list.items[2]), BYTES_LITERAL("['x;', \"y\"][0] + (';')"));
    expression_list_free(&list);
    static const struct expression_case wrong[] = {
        {"", "column 1: the expression ends where a value is expected"},
        {"key;", "column 5: the expression ends where a value is expected"},
        {"key; ;key", "column 6: the expression ends where a value is expected"},
        {"key; kye", "column 6: unknown name 'kye'; did you mean 'key'?"},
        {"key; 'a", "column 6: the string has no closing quote"},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        EXPECT_INT(expression_list_compile(bytes_string(wrong[i].source), &list, &message),
                   ERR_INVALID);
        EXPECT_STRING(message.text, wrong[i].expected);
        EXPECT(list.items == NULL && list.count == 0);
    }
}

static bool reads_value(const char *source)
{
    struct expression *e;
    EXPECT_INT(expression_compile(bytes_string(source), &e, NULL), ERR_OK);
    bool reads = expression_reads_value(e);
    expression_free(e);
    return reads;
}

TEST(an_expression_reads_the_value_when_the_variable_is_in_it)
{
    static const char *const readers[] = {
        "value",
        "value.x == 1",
        "value['x'] > 2",
        "has(value.x)",
        "has(value)",
        "key == 'a' || !has(value.x)",
        "string(value)",
        "[1, value.x].exists(e, e == 2)",
        "value.items.exists(value, value.x == 1)",
        "header('a') == null ? topic : value.x",
    };
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        if (!reads_value(readers[i]))
            test_fail(__FILE__, __LINE__, "reads the value: %s", readers[i]);
    }
}

TEST(an_expression_does_not_read_the_value_when_the_word_is_only_in_text_or_another_name)
{
    static const char *const others[] = {
        "key",
        "key == 'value'",
        "key == 'value.x' && topic != \"values\"",
        "header('value') == 'a'",
        "[1, 2].exists(value, value == 2)",
        "[1, 2].map(value_of, value_of + 1)[0] == 2",
        "{'value': 1}.value == 1",
        "timestamp > timestamp('2026-01-01T00:00:00Z')",
    };
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (reads_value(others[i]))
            test_fail(__FILE__, __LINE__, "does not read the value: %s", others[i]);
    }
}

TEST(scalars_need_no_memory)
{
    struct expression_world w;
    struct expression *e;
    struct arena arena;
    struct value v;
    expression_world_init(&w, document);
    arena_init(&arena, 0);
    EXPECT_INT(expression_compile(
                   BYTES_LITERAL("value.user.country in ['FR', 'DE'] && value.amount * 2 > 20 && "
                                 "value.tags.exists(t, t == 'c') && topic.startsWith('ord')"),
                   &e, NULL),
               ERR_OK);
    EXPECT_INT(expression_evaluate(e, &w.input, &arena, &v, &w.message), ERR_OK);
    EXPECT(v.type == VALUE_BOOL && v.boolean);
    EXPECT_INT(arena.used, 0);
    expression_free(e);
    EXPECT_INT(expression_compile(BYTES_LITERAL("value.name + 'x' == null"), &e, NULL), ERR_OK);
    EXPECT_INT(expression_evaluate(e, &w.input, &arena, &v, &w.message), ERR_INVALID);
    EXPECT_STRING(w.message.text, "column 12: the result is too large");
    expression_free(e);
    arena_free(&arena);
    expression_world_free(&w);
}
