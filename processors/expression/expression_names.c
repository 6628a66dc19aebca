/* Names: variables, functions, methods and macros, and the messages about wrong ones. */
#include "base/compiler.h"
#include "base/suggest.h"
#include "processors/expression/expression_internal.h"

static const struct {
    const char *name;
    enum variable variable;
} variables[] = {
    {"key", VARIABLE_KEY},
    {"value", VARIABLE_VALUE},
    {"timestamp", VARIABLE_TIMESTAMP},
    {"partition", VARIABLE_PARTITION},
    {"offset", VARIABLE_OFFSET},
    {"topic", VARIABLE_TOPIC},
};

static const char *const variable_names[] = {"key",   "value", "timestamp", "partition", "offset",
                                             "topic", "true",  "false",     "null",      NULL};

/* Names that are refused, each with its own reason. */
static const struct {
    const char *name, *reason;
} unbuilt[] = {
    {"left", "is for joins, which are not built yet"},
    {"right", "is for joins, which are not built yet"},
    {"table", "is for enrich, which is not built yet"},
    {"steps", "is for patterns, which are not built yet"},
    {"hmac", "needs a key file of the broker, which is not built yet; hash(x) needs none"},
    {"now", "does not exist: an expression must always give the same result; use timestamp"},
    {"random", "does not exist: an expression must always give the same result"},
};

static bool refuse_unbuilt(struct parser *p, const struct token *name)
{
    for (size_t i = 0; i < COUNT_OF(unbuilt); i++)
        if (bytes_equal_string(name->text, unbuilt[i].name))
            return !lexer_refuse(&p->lexer, name->at, "'%s' %s", unbuilt[i].name,
                                 unbuilt[i].reason);
    return false;
}

static struct expression_node *refuse_name(struct parser *p, const struct token *name)
{
    if (refuse_unbuilt(p, name))
        return NULL;
    const struct function *function = function_find(name->text);
    const char *near = suggest(name->text, variable_names);
    if (function)
        lexer_refuse(&p->lexer, name->at, "'%s' is a function: %s", function->name,
                     function->usage);
    else if (near)
        lexer_refuse(&p->lexer, name->at, "unknown name '%.*s'; did you mean '%s'?",
                     BYTES_PRINTF(name->text), near);
    else
        lexer_refuse(&p->lexer, name->at,
                     "unknown name '%.*s'; the names are key, value, timestamp, partition, offset "
                     "and topic; a field of the record is value.<field>",
                     BYTES_PRINTF(name->text));
    return NULL;
}

struct expression_node *parser_constant(struct parser *p, size_t at, struct value constant)
{
    struct expression_node *n = parser_new_node(p, NODE_CONSTANT, at);
    if (n)
        n->constant = constant;
    return n;
}

struct expression_node *parser_name(struct parser *p, const struct token *name)
{
    for (size_t i = p->local_count; i-- > 0;) {
        if (!bytes_equal(p->locals[i], name->text))
            continue;
        struct expression_node *n = parser_new_node(p, NODE_LOCAL, name->at);
        if (n)
            n->local = (uint16_t)i;
        return n;
    }
    for (size_t i = 0; i < COUNT_OF(variables); i++) {
        if (!bytes_equal_string(name->text, variables[i].name))
            continue;
        struct expression_node *n = parser_new_node(p, NODE_VARIABLE, name->at);
        if (n)
            n->variable = variables[i].variable;
        p->reads_value |= variables[i].variable == VARIABLE_VALUE;
        return n;
    }
    if (bytes_equal_string(name->text, "true") || bytes_equal_string(name->text, "false"))
        return parser_constant(p, name->at, value_bool(name->text.data[0] == 't'));
    if (bytes_equal_string(name->text, "null"))
        return parser_constant(p, name->at, value_null());
    return refuse_name(p, name);
}

/* Calls. */

bool parser_arguments(struct parser *p, struct expression_node *n, enum token_kind close,
                      const char *expected)
{
    while (p->token.kind != close) {
        if (!parser_add_child(p, n, parser_expression(p)))
            return false;
        if (p->token.kind == close)
            break;
        if (!parser_expect(p, TOKEN_COMMA, expected))
            return false;
    }
    return parser_advance(p);
}

static struct expression_node *parse_coalesce(struct parser *p, struct expression_node *n)
{
    if (!parser_arguments(p, n, TOKEN_CLOSE, "',' or ')'"))
        return NULL;
    if (n->child_count > 0)
        return n;
    parser_refuse(p, n, "coalesce needs at least one argument");
    return NULL;
}

/* The argument of has() must name a field. */
static struct expression_node *parse_has(struct parser *p, struct expression_node *n)
{
    if (!parser_arguments(p, n, TOKEN_CLOSE, "')'"))
        return NULL;
    if (n->child_count == 1) {
        enum node_kind kind = n->first->kind;
        bool is_header =
            kind == NODE_CALL && n->first->function == function_find(BYTES_LITERAL("header"));
        if (kind == NODE_PATH || kind == NODE_FIELD || kind == NODE_INDEX ||
            kind == NODE_VARIABLE || is_header)
            return n;
    }
    parser_refuse(p, n, "has takes one field, such as has(value.user.name)");
    return NULL;
}

static struct expression_node *finish_call(struct parser *p, struct expression_node *n)
{
    const struct function *f = n->function;
    ASSERT(f->min <= f->max && f->max <= EXPRESSION_MAX_ARGUMENTS);
    if (!parser_arguments(p, n, TOKEN_CLOSE, "',' or ')'"))
        return NULL;
    if (n->child_count < f->min || n->child_count > f->max) {
        parser_refuse(p, n, "wrong number of arguments, %u: %s", n->child_count, f->usage);
        return NULL;
    }
    return f->prepare && !f->prepare(p, n) ? NULL : n;
}

static struct expression_node *refuse_function(struct parser *p, const struct token *name)
{
    if (refuse_unbuilt(p, name))
        return NULL;
    const char *near = suggest(name->text, function_names());
    if (near)
        lexer_refuse(&p->lexer, name->at, "unknown function '%.*s'; did you mean '%s'?",
                     BYTES_PRINTF(name->text), near);
    else
        lexer_refuse(&p->lexer, name->at, "unknown function '%.*s'", BYTES_PRINTF(name->text));
    return NULL;
}

static const struct {
    const char *name;
    enum node_kind kind;
    uint32_t max_children; /* the list, then expressions */
} macros[] = {
    {"exists", NODE_EXISTS, 2},
    {"all", NODE_ALL, 2},
    {"filter", NODE_FILTER, 2},
    {"map", NODE_MAP_EACH, 3},
};

static int find_macro(struct bytes name)
{
    for (size_t i = 0; i < COUNT_OF(macros); i++)
        if (bytes_equal_string(name, macros[i].name))
            return (int)i;
    return -1;
}

/* Parses name(arguments). The current token is the parenthesis. */
struct expression_node *parser_call(struct parser *p, const struct token *name)
{
    if (find_macro(name->text) >= 0) {
        lexer_refuse(&p->lexer, name->at, "%.*s is a method of a list: list.%.*s(x, ...)",
                     BYTES_PRINTF(name->text), BYTES_PRINTF(name->text));
        return NULL;
    }
    if (!parser_advance(p))
        return NULL;
    struct expression_node *n = parser_new_node(p, NODE_CALL, name->at);
    if (n == NULL)
        return NULL;
    if (bytes_equal_string(name->text, "coalesce")) {
        n->kind = NODE_COALESCE;
        return parse_coalesce(p, n);
    }
    if (bytes_equal_string(name->text, "has")) {
        n->kind = NODE_HAS;
        return parse_has(p, n);
    }
    n->function = function_find(name->text);
    return n->function ? finish_call(p, n) : refuse_function(p, name);
}

/* Parses list.exists(x, condition) from after the parenthesis. */
static struct expression_node *parse_macro(struct parser *p, struct expression_node *list,
                                           const struct token *name, int macro)
{
    struct expression_node *n = parser_new_node(p, macros[macro].kind, name->at);
    if (n == NULL || !parser_add_child(p, n, list))
        return NULL;
    if (p->token.kind != TOKEN_NAME)
        return parser_refuse_token(p, "a name for the element");
    if (p->local_count == EXPRESSION_MAX_DEPTH) {
        parser_too_deep(p, name->at);
        return NULL;
    }
    n->local = p->local_count;
    p->locals[p->local_count++] = p->token.text;
    if (!parser_advance(p) || !parser_expect(p, TOKEN_COMMA, "','") ||
        !parser_arguments(p, n, TOKEN_CLOSE, "')'"))
        return NULL;
    ASSERT(p->local_count > 0);
    p->local_count--;
    if (n->child_count >= 2 && n->child_count <= macros[macro].max_children)
        return n;
    parser_refuse(p, n, "%s takes a name and %s", macros[macro].name,
                  macros[macro].max_children == 2 ? "a condition"
                                                  : "a result (or a condition and a result)");
    return NULL;
}

/* Parses receiver.name(arguments). The current token is the parenthesis. */
struct expression_node *parser_method(struct parser *p, struct expression_node *receiver,
                                      const struct token *name)
{
    int macro = find_macro(name->text);
    if (!parser_advance(p))
        return NULL;
    if (macro >= 0)
        return parse_macro(p, receiver, name, macro);
    struct expression_node *n = parser_new_node(p, NODE_CALL, name->at);
    if (n == NULL)
        return NULL;
    n->function = function_find(name->text);
    if (n->function == NULL)
        return refuse_function(p, name);
    return parser_add_child(p, n, receiver) ? finish_call(p, n) : NULL;
}
