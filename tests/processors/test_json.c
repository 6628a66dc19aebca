#include "processors/json/json.h"

#include "tests/harness/harness.h"

#include <stdio.h>

static struct bytes text_of(const char *text)
{
    return bytes_string(text);
}

static void expect_field(const char *document, const char *name, const char *expected)
{
    struct bytes value;
    bool found = json_field(text_of(document), text_of(name), &value);
    if (expected == NULL) {
        EXPECT(!found);
        return;
    }
    EXPECT(found);
    EXPECT_BYTES(value, text_of(expected));
}

TEST(a_field_is_found_at_any_place)
{
    const char *document =
        " {\"a\":1, \"b\" : \"x,}\\\"y\", \"c\":{\"a\":[2,\"]\"]},\"d\":[] ,\"e\":null}";
    expect_field(document, "a", "1");
    expect_field(document, "b", "\"x,}\\\"y\"");
    expect_field(document, "c", "{\"a\":[2,\"]\"]}");
    expect_field(document, "d", "[]");
    expect_field(document, "e", "null");
    expect_field(document, "f", NULL);
    expect_field(document, "", NULL);
}

TEST(a_value_that_is_no_object_has_no_fields)
{
    expect_field("{}", "a", NULL);
    expect_field("[{\"a\":1}]", "a", NULL);
    expect_field("\"a\"", "a", NULL);
    expect_field("12", "a", NULL);
}

TEST(the_first_of_two_equal_names_counts)
{
    expect_field("{\"a\":1,\"a\":2}", "a", "1");
}

TEST(names_are_compared_without_their_escapes)
{
    expect_field("{\"\\u0061b\":1}", "ab", "1");
    expect_field("{\"a\\nb\":1}", "a\nb", "1");
    expect_field("{\"a\\nb\":1}", "a\\nb", NULL);
    expect_field("{\"\\ud83d\\ude00\":1}", "\xf0\x9f\x98\x80", "1");
    expect_field("{\"a\\\"\":1,\"a\":2}", "a", "2");
}

TEST(a_path_goes_through_objects)
{
    const char *document = "{\"x\":{\"a\":0},\"user\":{\"x\":1,\"address\":{\"country\":\"FR\"}}}";
    struct bytes path[] = {text_of("user"), text_of("address"), text_of("country")}, value;
    EXPECT(json_path(text_of(document), path, 3, &value));
    EXPECT_BYTES(value, text_of("\"FR\""));
    EXPECT(json_path(text_of(document), path, 2, &value));
    EXPECT_BYTES(value, text_of("{\"country\":\"FR\"}"));
    EXPECT(json_path(text_of(" 1 "), path, 0, &value));
    EXPECT_BYTES(value, text_of("1"));
    path[1] = text_of("x");
    EXPECT(!json_path(text_of(document), path, 3, &value));
}

TEST(elements_are_counted_from_zero)
{
    struct bytes value;
    struct bytes array = text_of("[1, [2,3] ,\"4,5\"]");
    EXPECT(json_element(array, 1, &value));
    EXPECT_BYTES(value, text_of("[2,3]"));
    EXPECT(json_element(array, 2, &value));
    EXPECT_BYTES(value, text_of("\"4,5\""));
    EXPECT(!json_element(array, 3, &value));
    EXPECT(!json_element(text_of("[]"), 0, &value));
    EXPECT(!json_element(text_of("{\"a\":1}"), 0, &value));
}

TEST(a_walk_gives_names_and_values_in_order)
{
    struct bytes object = text_of("{ \"a\" : 1 ,\"\\u0062\":{\"c\":[]}, \"d\":\"\"}"), name, value;
    size_t at = 0;
    EXPECT(json_next(object, &at, &name, &value));
    EXPECT_BYTES(name, text_of("a"));
    EXPECT_BYTES(value, text_of("1"));
    EXPECT(json_next(object, &at, &name, &value));
    EXPECT_BYTES(name, text_of("\\u0062"));
    EXPECT_BYTES(value, text_of("{\"c\":[]}"));
    EXPECT(json_next(object, &at, &name, &value));
    EXPECT_BYTES(value, text_of("\"\""));
    EXPECT(!json_next(object, &at, &name, &value));
    at = 0;
    EXPECT(!json_next(text_of("{ }"), &at, &name, &value));
}

TEST(long_strings_and_containers_are_skipped_at_every_alignment)
{
    for (int length = 0; length < 200; length++) {
        char document[512];
        snprintf(document, sizeof document,
                 "{\"p\":\"%.*s\\\\\",\"q\":[%*s{\"r\":\"]\"}],\"z\":%d}", length,
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", length,
                 "", length);
        size_t at;
        EXPECT(json_check(text_of(document), &at) == NULL);
        char expected[16];
        snprintf(expected, sizeof expected, "%d", length);
        expect_field(document, "z", expected);
    }
}

struct generator {
    uint64_t state;
    struct buffer out;
};

static unsigned pick(struct generator *g, unsigned below)
{
    g->state ^= g->state << 13, g->state ^= g->state >> 7, g->state ^= g->state << 17;
    return (unsigned)(g->state >> 33) % below;
}

static void generate(struct generator *g, int depth)
{
    static const char *const scalars[] = {"1",
                                          "-12.5e3",
                                          "true",
                                          "null",
                                          "\"\"",
                                          "\"a,b]}{[\"",
                                          "\"q\\\"]\\\\\"",
                                          "\"{\"",
                                          "\"0123456789012345678901234567890123456789\"",
                                          "[]",
                                          "{}"};
    if (depth == 0 || pick(g, 3) == 0) {
        buffer_append_string(&g->out, scalars[pick(g, COUNT_OF(scalars))]);
        return;
    }
    bool is_object = pick(g, 2);
    buffer_append_u8(&g->out, is_object ? '{' : '[');
    for (unsigned i = 0, count = 1 + pick(g, 4); i < count; i++) {
        if (i > 0)
            buffer_append_string(&g->out, pick(g, 2) ? "," : " , ");
        if (is_object)
            buffer_append_string(&g->out, pick(g, 2) ? "\"n\":" : "\"n}\" : ");
        generate(g, depth - 1);
    }
    buffer_append_u8(&g->out, is_object ? '}' : ']');
}

TEST(the_end_of_random_values_is_found)
{
    struct generator g = {.state = test_seed() * 0x9e3779b97f4a7c15u + 1};
    buffer_init(&g.out, 1 << 20);
    for (int i = 0; i < 3000; i++) {
        buffer_clear(&g.out);
        buffer_append_string(&g.out, "{\"v\":");
        size_t start = g.out.size, at;
        generate(&g, 5);
        size_t size = g.out.size - start;
        buffer_append_string(&g.out, ",\"z\":0}");
        struct bytes value, document = buffer_view(&g.out);
        EXPECT(json_check(document, &at) == NULL);
        EXPECT(json_field(document, text_of("v"), &value));
        EXPECT_BYTES(value, bytes_of(document.data + start, size));
        EXPECT(json_field(document, text_of("z"), &value));
    }
    buffer_free(&g.out);
}

static struct value value_of(const char *text, struct arena *arena)
{
    return json_value(text_of(text), arena);
}

TEST(numbers_keep_their_type_and_value)
{
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct value v = value_of("9223372036854775807", &arena);
    EXPECT_INT(v.type, VALUE_INT);
    EXPECT_INT(v.integer, INT64_MAX);
    v = value_of("-9223372036854775808", &arena);
    EXPECT_INT(v.type, VALUE_INT);
    EXPECT_INT(v.integer, INT64_MIN);
    v = value_of("9223372036854775808", &arena);
    EXPECT_INT(v.type, VALUE_DECIMAL);
    EXPECT(v.decimal.unscaled == (int128)INT64_MAX + 1 && v.decimal.scale == 0);
    v = value_of("123456789012345678901234567890", &arena);
    EXPECT_INT(v.type, VALUE_DECIMAL);
    v = value_of("1e3", &arena);
    EXPECT_INT(v.type, VALUE_DOUBLE);
    EXPECT(v.real == 1000);
    v = value_of("-0.25", &arena);
    EXPECT(v.type == VALUE_DOUBLE && v.real == -0.25);
    v = value_of("100000000000000000000000000000000000000000000000001", &arena);
    EXPECT(v.type == VALUE_DOUBLE && v.real == 1e50);
    arena_free(&arena);
}

TEST(strings_are_unescaped_once)
{
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct value v = value_of("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00z\"", &arena);
    EXPECT_INT(v.type, VALUE_STRING);
    EXPECT_BYTES(v.bytes, text_of("a\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80z"));
    struct bytes plain = text_of("plain");
    EXPECT(json_unescape(plain, &arena).data == plain.data);
    v = value_of("\"\"", &arena);
    EXPECT(v.type == VALUE_STRING && v.bytes.size == 0 && v.bytes.data != NULL);
    arena_free(&arena);
}

TEST(appended_strings_are_escaped_and_stay_utf8)
{
    struct buffer out;
    buffer_init(&out, 1000);
    json_append_string(&out, text_of("a\"\\/\b\f\n\r\t\x0b\x01\x7f\xc3\xa9"));
    EXPECT_STRING(buffer_c_string(&out), "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u000b\\u0001\x7f\xc3\xa9\"");
    buffer_free(&out);
}
