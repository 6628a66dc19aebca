#include "tests/processors/support_expression.h"

#include "processors/json/json.h"
#include "tests/harness/harness.h"

void expression_world_init(struct expression_world *w, const char *json)
{
    buffer_init(&w->headers, 1000);
    buffer_init(&w->result, 1 << 20);
    record_headers_append(&w->headers, BYTES_LITERAL("trace"), BYTES_LITERAL("abc"));
    record_headers_append(&w->headers, BYTES_LITERAL("raw"), BYTES_LITERAL("\xff"));
    record_headers_append(&w->headers, BYTES_LITERAL("empty"), BYTES_NULL);
    w->record = (struct record){.offset = 42,
                                .timestamp = 1700000000123,
                                .key = BYTES_LITERAL("user-7"),
                                .value = bytes_string(json),
                                .header_count = 3,
                                .headers = buffer_view(&w->headers)};
    w->input = (struct expression_input){.record = &w->record,
                                         .partition = 3,
                                         .topic = BYTES_LITERAL("orders"),
                                         .value_is_json = true};
}

void expression_world_free(struct expression_world *w)
{
    buffer_free(&w->headers);
    buffer_free(&w->result);
}

static const char *error_result(struct expression_world *w)
{
    buffer_clear(&w->result);
    buffer_printf(&w->result, "error: %s", w->message.text);
    return buffer_c_string(&w->result);
}

const char *expression_result(struct expression_world *w, const char *source)
{
    struct expression *e;
    if (expression_compile(bytes_string(source), &e, &w->message) != ERR_OK)
        return error_result(w);
    struct arena arena;
    arena_init(&arena, 4 << 20);
    struct value v;
    enum error error = expression_evaluate(e, &w->input, &arena, &v, &w->message);
    buffer_clear(&w->result);
    if (error == ERR_OK)
        json_append_value(&w->result, &v, &arena);
    arena_free(&arena);
    expression_free(e);
    return error == ERR_OK ? buffer_c_string(&w->result) : error_result(w);
}
