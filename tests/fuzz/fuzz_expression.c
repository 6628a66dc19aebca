/* The first line is an expression, the rest is the value of a record. An expression that compiles
 * must end within its bounds, and its result must be printable. */
#include "processors/expression/expression.h"
#include "processors/json/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char document[] =
    "{\"a\":1,\"b\":2.5,\"s\":\"text\",\"l\":[1,2,3],\"m\":{\"x\":null}}";

static void run(const struct expression *e, struct bytes value)
{
    struct record record = {
        .timestamp = 1700000000000, .key = BYTES_LITERAL("key"), .value = value};
    struct expression_input input = {.record = &record, .topic = BYTES_LITERAL("topic")};
    struct message message;
    struct buffer out;
    struct value result;
    struct arena arena;
    size_t at;
    input.value_is_json = json_check(value, &at) == NULL;
    arena_init(&arena, 1 << 20);
    buffer_init(&out, 1 << 20);
    if (expression_evaluate(e, &input, &arena, &result, &message) == ERR_OK) {
        json_append_value(&out, &result, &arena);
        ASSERT(out.overflowed || json_check(buffer_view(&out), &at) == NULL);
    }
    buffer_free(&out);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line_end = size ? memchr(data, '\n', size) : NULL;
    struct bytes source = bytes_of(data, line_end ? (size_t)(line_end - data) : size);
    struct expression *e;
    struct expression_list list;
    struct message message;
    if (expression_compile(source, &e, &message) == ERR_OK) {
        run(e, bytes_string(document));
        if (line_end)
            run(e, bytes_from(bytes_of(data, size), source.size + 1));
        expression_free(e);
    }
    if (expression_list_compile(source, &list, &message) == ERR_OK)
        expression_list_free(&list);
    return 0;
}
