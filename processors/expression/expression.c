#include "processors/expression/expression.h"

#include "base/compiler.h"
#include "processors/expression/expression_internal.h"
#include "processors/values/utf8.h"

#include <stdlib.h>

/* Nodes are small; only many large constant patterns reach this limit. */
enum { MAX_COMPILED_SIZE = 8 << 20 };

static struct bytes trimmed(struct bytes source)
{
    static const char space[] = " \t\n\v\f\r";
    while (source.size > 0 && memchr(space, source.data[0], sizeof space - 1))
        source = bytes_from(source, 1);
    while (source.size > 0 && memchr(space, source.data[source.size - 1], sizeof space - 1))
        source.size--;
    return source;
}

enum error expression_compile_part(struct bytes source, size_t column_base, struct expression **out,
                                   struct message *message)
{
    if (source.size > EXPRESSION_MAX_SOURCE) {
        message_set(message, "the expression has %zu bytes, at most %d are allowed", source.size,
                    EXPRESSION_MAX_SOURCE);
        return ERR_INVALID;
    }
    if (!utf8_valid(source)) {
        message_set(message, "the expression is not UTF-8");
        return ERR_INVALID;
    }
    struct expression *e = xcalloc(1, sizeof *e);
    arena_init(&e->arena, MAX_COMPILED_SIZE);
    e->source = arena_copy(&e->arena, source.data ? source : BYTES_LITERAL(""));
    struct parser p = {.lexer = {.source = e->source,
                                 .column_base = column_base,
                                 .arena = &e->arena,
                                 .message = message},
                       .arena = &e->arena};
    e->root = parser_parse(&p);
    if (e->root == NULL) {
        expression_free(e);
        return ERR_INVALID;
    }
    ASSERT(e->root->depth <= EXPRESSION_MAX_DEPTH && p.depth == 0 && p.local_count == 0);
    e->reads_value = p.reads_value;
    e->source = trimmed(e->source);
    *out = e;
    return ERR_OK;
}

enum error expression_compile(struct bytes source, struct expression **out, struct message *message)
{
    *out = NULL;
    return expression_compile_part(source, 0, out, message);
}

static bool any_is_no_condition(const struct expression_node *first);

/* Whether the expression never gives true, false or null, for any record. */
static bool is_no_condition(const struct expression_node *n)
{
    switch (n->kind) {
    case NODE_CONSTANT:
        return n->constant.type != VALUE_BOOL && n->constant.type != VALUE_NULL;
    case NODE_VARIABLE:
        return n->variable != VARIABLE_VALUE;
    case NODE_LIST:
    case NODE_MAP:
    case NODE_NEGATE:
    case NODE_CHAIN:
    case NODE_FILTER:
    case NODE_MAP_EACH:
        return true;
    case NODE_NOT:
    case NODE_AND:
    case NODE_OR:
        return any_is_no_condition(n->first);
    case NODE_CHOOSE:
        return is_no_condition(n->first) ||
               (is_no_condition(n->first->next) && is_no_condition(n->last));
    default:
        return false;
    }
}

static bool any_is_no_condition(const struct expression_node *first)
{
    for (const struct expression_node *n = first; n; n = n->next) {
        if (is_no_condition(n))
            return true;
    }
    return false;
}

enum error expression_compile_condition(struct bytes source, struct expression **out,
                                        struct message *message)
{
    enum error e = expression_compile(source, out, message);
    if (e || !is_no_condition((*out)->root))
        return e;
    message_set(message,
                "is not a condition, because its value is never true or false; use a comparison");
    expression_free(*out);
    *out = NULL;
    return ERR_INVALID;
}

void expression_free(struct expression *e)
{
    if (e == NULL)
        return;
    struct arena arena = e->arena;
    free(e);
    arena_free(&arena);
}

bool expression_reads_value(const struct expression *e)
{
    return e->reads_value;
}

bool expression_equal(const struct expression *a, const struct expression *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return bytes_equal(a->source, b->source);
}

bool expression_is_key(const struct expression *e)
{
    return e->root->kind == NODE_VARIABLE && e->root->variable == VARIABLE_KEY;
}

struct bytes expression_name(const struct expression *e)
{
    const struct expression_node *n = e->root;
    if (n->kind == NODE_PATH)
        return n->path[n->path_depth - 1];
    if (n->kind == NODE_FIELD)
        return n->name;
    return expression_is_key(e) ? BYTES_LITERAL("key") : e->source;
}

struct bytes expression_source(const struct expression *e)
{
    return e->source;
}
