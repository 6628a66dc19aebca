#include "client-tools/output/record_json.h"

#include "client-tools/output/json_text.h"
#include "tests/harness/harness.h"

#include <stdio.h>

struct round_trip {
    struct arena arena;
    struct buffer headers, line;
    struct record record, again;
    struct record_place place;
    struct message why;
};

static const struct record_place orders = {{(const uint8_t *)"orders", 6}, 3, 0};

static void begin(struct round_trip *r, struct bytes key, struct bytes value)
{
    *r = (struct round_trip){0};
    arena_init(&r->arena, 1 << 20);
    buffer_init(&r->headers, 4096);
    buffer_init(&r->line, 1 << 16);
    r->record = (struct record){.offset = 88121,
                                .timestamp = 1795181865120,
                                .key = key,
                                .value = value,
                                .headers = BYTES_NULL};
}

static void end(struct round_trip *r)
{
    arena_free(&r->arena);
    buffer_free(&r->headers);
    buffer_free(&r->line);
}

static const char *print(struct round_trip *r)
{
    record_json_append(&r->line, &orders, &r->record);
    return buffer_c_string(&r->line);
}

static void add_header(struct round_trip *r, struct bytes key, struct bytes value)
{
    record_headers_append(&r->headers, key, value);
    r->record.headers = buffer_view(&r->headers);
    r->record.header_count++;
}

TEST(a_record_is_one_line_of_json)
{
    struct round_trip r;
    begin(&r, BYTES_LITERAL("c-481"), BYTES_LITERAL("{\"a\": 1.0}"));
    add_header(&r, BYTES_LITERAL("trace"), BYTES_LITERAL("9f"));
    add_header(&r, BYTES_LITERAL("none"), BYTES_NULL);
    EXPECT_STRING(print(&r), "{\"topic\":\"orders\",\"partition\":3,\"offset\":88121,"
                             "\"timestamp\":\"2026-11-20T13:37:45.120Z\",\"key\":\"c-481\","
                             "\"headers\":[{\"key\":\"trace\",\"value\":\"9f\"},{\"key\":\"none\","
                             "\"value\":null}],\"value\":{\"a\": 1.0}}\n");
    end(&r);
}

/* Expects this form of the bytes as a key and as a value, and that they read back unchanged. */
static void expect_field(struct bytes bytes, const char *as_key, const char *as_value)
{
    struct round_trip r;
    char expected[256];
    begin(&r, bytes, bytes);
    snprintf(expected, sizeof expected, "%s,\"headers\":[],%s}\n", as_key, as_value);
    const char *line = print(&r);
    if (strstr(line, expected) == NULL)
        test_fail(__FILE__, __LINE__, "%s does not hold %s", line, expected);
    EXPECT(record_json_parse(bytes_of(r.line.data, r.line.size - 1), &r.arena, &r.place, &r.again,
                             &r.why));
    EXPECT_BYTES(r.again.key, bytes);
    EXPECT_BYTES(r.again.value, bytes);
    EXPECT_BYTES(r.place.topic, BYTES_LITERAL("orders"));
    EXPECT_INT(r.place.partition, 3);
    EXPECT_INT(r.again.timestamp, r.record.timestamp);
    end(&r);
}

TEST(every_kind_of_bytes_comes_back_unchanged)
{
    expect_field(BYTES_NULL, "\"key\":null", "\"value\":null");
    expect_field(BYTES_LITERAL(""), "\"key\":\"\"", "\"value\":\"\"");
    expect_field(BYTES_LITERAL("plain"), "\"key\":\"plain\"", "\"value\":\"plain\"");
    expect_field(BYTES_LITERAL("481"), "\"key\":\"481\"", "\"value\":481");
    expect_field(BYTES_LITERAL("1e2"), "\"key\":\"1e2\"", "\"value\":1e2");
    expect_field(BYTES_LITERAL("true"), "\"key\":\"true\"", "\"value\":true");
    expect_field(BYTES_LITERAL("null"), "\"key\":\"null\"", "\"value\":\"null\"");
    expect_field(BYTES_LITERAL("\"s\""), "\"key\":\"\\\"s\\\"\"", "\"value\":\"\\\"s\\\"\"");
    expect_field(BYTES_LITERAL("[1, 2]"), "\"key\":[1, 2]", "\"value\":[1, 2]");
    expect_field(BYTES_LITERAL(" {}"), "\"key\":\" {}\"", "\"value\":\" {}\"");
    expect_field(BYTES_LITERAL("{\n}"), "\"key\":\"{\\n}\"", "\"value\":\"{\\n}\"");
    expect_field(BYTES_LITERAL("{\"a\":}"), "\"key\":\"{\\\"a\\\":}\"",
                 "\"value\":\"{\\\"a\\\":}\"");
    expect_field(BYTES_LITERAL("\xc3\xa9"), "\"key\":\"\xc3\xa9\"", "\"value\":\"\xc3\xa9\"");
    expect_field(BYTES_LITERAL("\xff\x00\x01"), "\"key_base64\":\"/wAB\"",
                 "\"value_base64\":\"/wAB\"");
}

TEST(headers_come_back_unchanged)
{
    struct round_trip r;
    begin(&r, BYTES_NULL, BYTES_NULL);
    add_header(&r, BYTES_LITERAL("a"), BYTES_LITERAL("{}"));
    add_header(&r, BYTES_LITERAL(""), BYTES_NULL);
    add_header(&r, BYTES_LITERAL("bin"), BYTES_LITERAL("\xfe\xff"));
    print(&r);
    EXPECT(record_json_parse(bytes_of(r.line.data, r.line.size - 1), &r.arena, &r.place, &r.again,
                             &r.why));
    EXPECT_INT(r.again.header_count, 3);
    EXPECT_BYTES(r.again.headers, r.record.headers);
    end(&r);
}

TEST(fields_that_are_missing_have_no_value)
{
    struct round_trip r;
    begin(&r, BYTES_NULL, BYTES_NULL);
    EXPECT(record_json_parse(BYTES_LITERAL("{\"value\":7}"), &r.arena, &r.place, &r.again, &r.why));
    EXPECT(bytes_is_null(r.place.topic));
    EXPECT_INT(r.place.partition, -1);
    EXPECT_INT(r.again.timestamp, -1);
    EXPECT(bytes_is_null(r.again.key));
    EXPECT_BYTES(r.again.value, BYTES_LITERAL("7"));
    end(&r);
}

TEST(a_line_that_is_no_record_is_refused_with_the_reason)
{
    static const struct {
        struct bytes line;
        const char *why;
    } cases[] = {
        {BYTES_LITERAL("[1]"), "not a JSON object"},
        {BYTES_LITERAL("{\"partition\":-1}"), "partition -1 is not a partition number"},
        {BYTES_LITERAL("{\"timestamp\":\"soon\"}"),
         "timestamp soon is neither RFC 3339 nor milliseconds"},
        {BYTES_LITERAL("{\"value_base64\":\"a\"}"), "value_base64 is not base64"},
        {BYTES_LITERAL("{\"headers\":{}}"), "headers is not a list of {\"key\":...,\"value\":...}"},
        {BYTES_LITERAL("{\"headers\":[{\"value\":\"x\"}]}"), "a header has no key"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct round_trip r;
        begin(&r, BYTES_NULL, BYTES_NULL);
        EXPECT(!record_json_parse(cases[i].line, &r.arena, &r.place, &r.again, &r.why));
        EXPECT_STRING(r.why.text, cases[i].why);
        end(&r);
    }
}

TEST(base64_pads_and_reads_back)
{
    static const char *const texts[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const encoded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                          "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    struct arena arena;
    arena_init(&arena, 4096);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct buffer out;
        buffer_init(&out, 64);
        append_base64(&out, bytes_string(texts[i]));
        EXPECT_BYTES(buffer_view(&out), bytes_string(encoded[i]));
        EXPECT_BYTES(decode_base64(buffer_view(&out), &arena), bytes_string(texts[i]));
        buffer_free(&out);
    }
    EXPECT(bytes_is_null(decode_base64(BYTES_LITERAL("Zg="), &arena)));
    EXPECT(bytes_is_null(decode_base64(BYTES_LITERAL("Z!=="), &arena)));
    EXPECT(bytes_is_null(decode_base64(BYTES_LITERAL("=g=="), &arena)));
    arena_free(&arena);
}
