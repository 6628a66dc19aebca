#include "processors/task/dead_letter.h"

#include "tests/harness/harness.h"
#include "tests/processors/support_task.h"

#include <stdlib.h>

#define V "[orders/check]\ntype = validate\noutput = o\n"

static void expect_header(struct world *w, size_t n, const char *name, const char *value)
{
    EXPECT_STRING(world_output_header(w, "dlq.orders", n, name), value);
}

TEST(a_dead_letter_is_the_record_with_the_reason_in_headers)
{
    struct world w;
    world_init(&w, 1, V);
    world_put(&w, 1, "k", "{}");
    world_put(&w, 1234, "key", "{broken");
    world_header(&w, "trace", "abc");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "dlq.orders"), "1234 key {broken\n");
    expect_header(&w, 0, "trace", "abc");
    expect_header(&w, 0, "__dlq.errors.topic", "orders");
    expect_header(&w, 0, "__dlq.errors.partition", "0");
    expect_header(&w, 0, "__dlq.errors.offset", "1");
    expect_header(&w, 0, "__dlq.errors.group", "check");
    expect_header(&w, 0, "__dlq.errors.delivery.count", "1");
    expect_header(&w, 0, "__dlq.errors.class", "permanent-data");
    expect_header(&w, 0, "__dlq.errors.code", "MALFORMED_JSON");
    expect_header(&w, 0, "__dlq.errors.processor", "check");
    expect_header(&w, 0, "__dlq.errors.path", "");
    expect_header(&w, 0, "__dlq.errors.timestamp", "1234");
    expect_header(&w, 0, "__dlq.errors.first.failure", "2023-11-14T22:13:20Z");
    expect_header(&w, 0, "__dlq.errors.last.failure", "2023-11-14T22:13:20Z");
    const char *message = world_output_header(&w, "dlq.orders", 0, "__dlq.errors.message");
    EXPECT(strlen(message) > 5 && strlen(message) <= DEAD_LETTER_MESSAGE_MAX);
    EXPECT(strstr(message, "broken") == NULL); /* no part of the value */
    EXPECT_INT(w.outputs[1].record.header_count, 15);
    world_free(&w);
}

TEST(a_record_that_comes_back_keeps_its_first_failure_and_raises_the_count)
{
    struct world w;
    world_init(&w, 1, V);
    world_put(&w, 1, "k", "{");
    world_header(&w, "__dlq.errors.first.failure", "2020-01-01T00:00:00Z");
    world_header(&w, "__dlq.errors.delivery.count", "2");
    world_header(&w, "__dlq.errors.code", "SOMETHING_ELSE");
    world_header(&w, "__dlq.replay.count", "1");
    world_run(&w);
    expect_header(&w, 0, "__dlq.errors.first.failure", "2020-01-01T00:00:00Z");
    expect_header(&w, 0, "__dlq.errors.last.failure", "2023-11-14T22:13:20Z");
    expect_header(&w, 0, "__dlq.errors.delivery.count", "3");
    expect_header(&w, 0, "__dlq.errors.code", "MALFORMED_JSON");
    expect_header(&w, 0, "__dlq.replay.count", "1");
    EXPECT_INT(w.outputs[0].record.header_count, 15); /* the old ones are replaced */
    world_free(&w);
}

TEST(the_version_changes_with_the_configuration)
{
    static const char *const configs[] = {V, V "where = true\n", V "state.version = 2\n",
                                          "[orders/check]\noutput = o\ntype = validate\n"};
    char versions[COUNT_OF(configs)][64];
    for (size_t i = 0; i < COUNT_OF(configs); i++) {
        struct world w;
        world_init(&w, 1, configs[i]);
        world_put(&w, 1, "k", "{");
        world_run(&w);
        strcpy(versions[i],
               world_output_header(&w, "dlq.orders", 0, "__dlq.errors.processor.version"));
        world_free(&w);
    }
    EXPECT(strncmp(versions[0], "1-", 2) == 0 && strncmp(versions[2], "2-", 2) == 0);
    EXPECT(strcmp(versions[0], versions[1]) != 0);
    EXPECT_STRING(versions[3], versions[0]); /* order does not matter */
}

TEST(an_alias_of_the_parameter_names_the_topic_too)
{
    struct world w;
    world_init(&w, 1, V "errors.deadletterqueue.topic.name = bad\n");
    world_put(&w, 1, "k", "{");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "bad"), "1 k {\n");
    EXPECT_STRING(world_output(&w, "dlq.orders"), "");
    world_free(&w);
}

TEST(a_dead_letter_may_have_very_large_headers)
{
    enum { SIZE = 65 << 20 };
    struct outbox o;
    struct buffer headers;
    uint8_t *value = xcalloc(1, SIZE);
    outbox_init(&o);
    buffer_init(&headers, SIZE + 64);
    record_headers_append(&headers, BYTES_LITERAL("h"), bytes_of(value, SIZE));
    struct record record = {.headers = buffer_view(&headers), .header_count = 1};
    struct dead_letter_reason reason = {.code = DEAD_KEY_MISSING};
    struct dead_letter_origin origin = {.topic = BYTES_LITERAL("t")};
    dead_letter_add(&o, route_to(0, 0), &record, &origin, &reason);
    EXPECT_INT(o.count, 1);
    EXPECT(o.records[0].headers_size > headers.size);
    free(value);
    buffer_free(&headers);
    outbox_free(&o);
}

TEST(every_code_has_a_class)
{
    EXPECT_STRING(dead_letter_code_name(DEAD_LATE), "LATE");
    EXPECT_STRING(dead_letter_class(DEAD_LATE), "late");
    EXPECT_STRING(dead_letter_class(DEAD_EXPR_ERROR), "permanent-code");

    EXPECT_STRING(dead_letter_class(DEAD_OUTPUT_TOO_LARGE), "permanent-code");
    EXPECT_STRING(dead_letter_class(DEAD_KEY_MISSING), "permanent-data");
    EXPECT_STRING(dead_letter_code_name(DEAD_TIMESTAMP_FUTURE), "TIMESTAMP_FUTURE");
}
