/* Lists of expressions: "a; b; c". */
#include "processors/expression/expression_internal.h"

#include <stdlib.h>

enum { MAX_LIST_SOURCE = 64 << 10 };

/* Finds the next semicolon outside of brackets from `start` on (or the end). */
static bool find_part_end(struct bytes source, size_t start, size_t *end, struct message *message)
{
    struct arena scratch;
    arena_init(&scratch, 1 << 20);
    struct lexer lexer = {.source = source, .at = start, .arena = &scratch, .message = message};
    struct token t;
    size_t depth = 0;
    bool ok;
    while ((ok = lexer_next(&lexer, &t)) && t.kind != TOKEN_END) {
        if (t.kind == TOKEN_OPEN || t.kind == TOKEN_OPEN_BRACKET || t.kind == TOKEN_OPEN_BRACE)
            depth++;
        else if (t.kind == TOKEN_CLOSE || t.kind == TOKEN_CLOSE_BRACKET ||
                 t.kind == TOKEN_CLOSE_BRACE)
            depth -= depth > 0;
        else if (t.kind == TOKEN_SEMICOLON && depth == 0)
            break;
    }
    *end = t.at;
    arena_free(&scratch);
    return ok;
}

/* Compiles the part of `source` that begins at *start, and moves *start past its semicolon. */
static enum error compile_next(struct bytes source, size_t *start, struct expression **out,
                               struct message *message)
{
    size_t end;
    if (!find_part_end(source, *start, &end, message))
        return ERR_INVALID;
    struct bytes part = bytes_of(source.data + *start, end - *start);
    enum error e = expression_compile_part(part, *start, out, message);
    *start = end + 1;
    return e;
}

enum error expression_list_compile(struct bytes source, struct expression_list *out,
                                   struct message *message)
{
    *out = (struct expression_list){0};
    if (source.size > MAX_LIST_SOURCE) {
        message_set(message, "the expressions have %zu bytes, at most %d are allowed", source.size,
                    MAX_LIST_SOURCE);
        return ERR_INVALID;
    }
    for (size_t start = 0; start <= source.size;) {
        out->items = xrealloc(out->items, (out->count + 1) * sizeof(struct expression *));
        enum error e = compile_next(source, &start, &out->items[out->count], message);
        if (e) {
            expression_list_free(out);
            return e;
        }
        out->count++;
    }
    ASSERT(out->count > 0);
    return ERR_OK;
}

void expression_list_free(struct expression_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        expression_free(list->items[i]);
    free(list->items);
    *list = (struct expression_list){0};
}

bool expression_list_equal(const struct expression_list *a, const struct expression_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!expression_equal(a->items[i], b->items[i]))
            return false;
    }
    return true;
}

bool expression_list_reads_value(const struct expression_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (expression_reads_value(list->items[i]))
            return true;
    }
    return false;
}

bool expression_list_has_key(const struct expression_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (expression_is_key(list->items[i]))
            return true;
    }
    return false;
}

bool expression_list_is_key(const struct expression_list *list)
{
    return list->count == 1 && expression_is_key(list->items[0]);
}
