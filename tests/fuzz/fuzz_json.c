/* Reads the input as JSON. Text that passes the check can be walked and printed, and its canonical
 * form is JSON that prints as itself. A walk over any other text must stay inside it. A schema is
 * compiled from the text and applied to it. */
#include "processors/json/json.h"
#include "processors/json/json_schema.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct bytes container, int depth)
{
    struct bytes name, value, found;
    for (size_t at = 0; depth > 0 && json_next(container, &at, &name, &value);) {
        ASSERT(value.data >= container.data &&
               value.data + value.size <= container.data + container.size);
        json_field(container, name, &found);
        walk(value, depth - 1);
    }
}

static void print(struct bytes text, struct arena *arena, struct buffer *out)
{
    struct value v = json_value(text, arena);
    json_append_value(out, &v, arena);
}

static void check_canonical(struct bytes text, struct arena *arena)
{
    struct buffer once, twice;
    size_t at;
    buffer_init(&once, 1 << 20);
    buffer_init(&twice, 1 << 20);
    print(text, arena, &once);
    if (!once.overflowed) {
        ASSERT(json_check(buffer_view(&once), &at) == NULL);
        print(buffer_view(&once), arena, &twice);
        ASSERT(twice.overflowed || bytes_equal(buffer_view(&once), buffer_view(&twice)));
    }
    buffer_free(&once);
    buffer_free(&twice);
}

static void check_schema(struct bytes text, struct arena *arena)
{
    struct json_schema *schema;
    struct schema_failure failure;
    struct message message;
    if (json_schema_compile(text, &schema, &message) != ERR_OK)
        return;
    json_schema_accepts(schema, text, arena, &failure);
    json_schema_free(schema);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1); /* exact size, so that the sanitizer sees a read past it */
    if (copy == NULL)
        return 0;
    memcpy(copy + 1, data, size);
    struct bytes text = bytes_of(copy + 1, size), trimmed;
    struct arena arena;
    size_t at;
    arena_init(&arena, 4 << 20);
    walk(text, JSON_MAX_DEPTH);
    if (json_check(text, &at) == NULL && json_path(text, NULL, 0, &trimmed)) {
        walk(trimmed, JSON_MAX_DEPTH);
        check_canonical(trimmed, &arena);
        check_schema(text, &arena);
    } else {
        ASSERT(at <= size);
    }
    arena_free(&arena);
    free(copy);
    return 0;
}
