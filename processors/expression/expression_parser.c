#include "processors/expression/expression_internal.h"

#include "base/suggest.h"

#include <stdarg.h>
#include <stdio.h>

bool parser_refuse(struct parser *p, const struct expression_node *n, const char *format, ...)
{
    char reason[768];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    message_set(p->lexer.message, "column %u: %s", n->column, reason);
    return false;
}

bool parser_advance(struct parser *p)
{
    return lexer_next(&p->lexer, &p->token);
}

struct expression_node *parser_refuse_token(struct parser *p, const char *expected)
{
    if (p->token.kind == TOKEN_END)
        lexer_refuse(&p->lexer, p->token.at, "the expression ends where %s is expected", expected);
    else
        lexer_refuse(&p->lexer, p->token.at, "found '%.*s' where %s is expected",
                     BYTES_PRINTF(p->token.text), expected);
    return NULL;
}

bool parser_expect(struct parser *p, enum token_kind kind, const char *expected)
{
    if (p->token.kind != kind) {
        parser_refuse_token(p, expected);
        return false;
    }
    return parser_advance(p);
}

struct expression_node *parser_new_node(struct parser *p, enum node_kind kind, size_t at)
{
    struct expression_node *n = arena_alloc(p->arena, sizeof *n);
    if (n == NULL) {
        lexer_refuse(&p->lexer, at, "the expression is too large");
        return NULL;
    }
    n->kind = kind;
    n->column = (uint32_t)(p->lexer.column_base + at + 1);
    n->depth = 1;
    return n;
}

bool parser_too_deep(struct parser *p, size_t at)
{
    lexer_refuse(&p->lexer, at, "nested more than %d levels deep", EXPRESSION_MAX_DEPTH);
    return false;
}

bool parser_add_child(struct parser *p, struct expression_node *parent,
                      struct expression_node *child)
{
    if (child == NULL)
        return false;
    if (parent->first)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->child_count++;
    parent->depth = MAX(parent->depth, (uint16_t)(child->depth + 1));
    return parent->depth <= EXPRESSION_MAX_DEPTH || parser_too_deep(p, p->token.at);
}

/* Access. */

static bool is_path(const struct expression_node *n)
{
    return n->kind == NODE_PATH || (n->kind == NODE_VARIABLE && n->variable == VARIABLE_VALUE);
}

/* Adds .b to the path node value.a. */
static struct expression_node *extend_path(struct parser *p, struct expression_node *n,
                                           struct bytes name)
{
    enum { STEP = 8 };
    if (n->path_depth % STEP == 0) {
        struct bytes *path = arena_array(p->arena, n->path_depth + STEP, sizeof *path);
        if (path == NULL) {
            parser_refuse(p, n, "the expression is too large");
            return NULL;
        }
        if (n->path_depth > 0)
            memcpy(path, n->path, n->path_depth * sizeof *path);
        n->path = path;
    }
    n->kind = NODE_PATH;
    n->path[n->path_depth++] = name;
    return n;
}

static struct expression_node *field_node(struct parser *p, struct expression_node *n,
                                          struct bytes name, size_t at)
{
    if (is_path(n))
        return extend_path(p, n, name);
    struct expression_node *field = parser_new_node(p, NODE_FIELD, at);
    if (field == NULL || !parser_add_child(p, field, n))
        return NULL;
    field->name = name;
    return field;
}

static struct expression_node *parse_member(struct parser *p, struct expression_node *n)
{
    struct token name = p->token;
    if (name.kind != TOKEN_NAME && name.kind != TOKEN_IN)
        return parser_refuse_token(p, "a field or a method");
    if (!parser_advance(p))
        return NULL;
    if (p->token.kind == TOKEN_OPEN)
        return parser_method(p, n, &name);
    return field_node(p, n, name.text, name.at);
}

static struct expression_node *parse_index(struct parser *p, struct expression_node *n, size_t at)
{
    struct expression_node *index = parser_expression(p);
    if (index == NULL || !parser_expect(p, TOKEN_CLOSE_BRACKET, "']'"))
        return NULL;
    if (index->kind == NODE_CONSTANT && index->constant.type == VALUE_STRING)
        return field_node(p, n, index->constant.bytes, at);
    struct expression_node *access = parser_new_node(p, NODE_INDEX, at);
    return access && parser_add_child(p, access, n) && parser_add_child(p, access, index) ? access
                                                                                          : NULL;
}

/* Primaries. */

/* A list whose elements are all constants becomes a constant itself. */
static struct expression_node *fold_list(struct parser *p, struct expression_node *n)
{
    for (const struct expression_node *child = n->first; child; child = child->next)
        if (child->kind != NODE_CONSTANT)
            return n;
    struct value *items = arena_array(p->arena, n->child_count, sizeof *items);
    if (items == NULL) {
        parser_refuse(p, n, "the expression is too large");
        return NULL;
    }
    n->constant = (struct value){.type = VALUE_LIST, .list = {items, n->child_count}};
    for (const struct expression_node *child = n->first; child; child = child->next)
        *items++ = child->constant;
    n->kind = NODE_CONSTANT;
    n->depth = 1;
    return n;
}

static struct expression_node *parse_list(struct parser *p, size_t at)
{
    struct expression_node *n = parser_new_node(p, NODE_LIST, at);
    if (n == NULL || !parser_arguments(p, n, TOKEN_CLOSE_BRACKET, "',' or ']'"))
        return NULL;
    return fold_list(p, n);
}

static bool parse_entry(struct parser *p, struct expression_node *map)
{
    if (p->token.kind != TOKEN_CONSTANT || p->token.constant.type != VALUE_STRING) {
        parser_refuse_token(p, "a name in quotes");
        return false;
    }
    struct token name = p->token;
    for (const struct expression_node *entry = map->first; entry; entry = entry->next)
        if (bytes_equal(entry->name, name.constant.bytes))
            return lexer_refuse(&p->lexer, name.at, "the name %.*s occurs twice",
                                BYTES_PRINTF(name.text));
    if (!parser_advance(p) || !parser_expect(p, TOKEN_COLON, "':'"))
        return false;
    struct expression_node *result = parser_expression(p);
    if (!parser_add_child(p, map, result))
        return false;
    result->name = name.constant.bytes;
    return true;
}

static struct expression_node *parse_map(struct parser *p, size_t at)
{
    struct expression_node *n = parser_new_node(p, NODE_MAP, at);
    if (n == NULL)
        return NULL;
    while (p->token.kind != TOKEN_CLOSE_BRACE) {
        if (!parse_entry(p, n))
            return NULL;
        if (p->token.kind != TOKEN_CLOSE_BRACE && !parser_expect(p, TOKEN_COMMA, "',' or '}'"))
            return NULL;
    }
    return parser_advance(p) ? n : NULL;
}

static struct expression_node *parse_constant(struct parser *p)
{
    struct token t = p->token;
    if (t.is_lowest) {
        lexer_refuse(&p->lexer, t.at, "the number does not fit 64 bits");
        return NULL;
    }
    return parser_advance(p) ? parser_constant(p, t.at, t.constant) : NULL;
}

static struct expression_node *parse_primary(struct parser *p)
{
    struct token t = p->token;
    switch (t.kind) {
    case TOKEN_CONSTANT:
        return parse_constant(p);
    case TOKEN_NAME:
        if (!parser_advance(p))
            return NULL;
        return p->token.kind == TOKEN_OPEN ? parser_call(p, &t) : parser_name(p, &t);
    case TOKEN_OPEN: {
        if (!parser_advance(p))
            return NULL;
        struct expression_node *n = parser_expression(p);
        return n && parser_expect(p, TOKEN_CLOSE, "')'") ? n : NULL;
    }
    case TOKEN_OPEN_BRACKET:
        return parser_advance(p) ? parse_list(p, t.at) : NULL;
    case TOKEN_OPEN_BRACE:
        return parser_advance(p) ? parse_map(p, t.at) : NULL;
    default:
        return parser_refuse_token(p, "a value");
    }
}

static struct expression_node *parse_postfix(struct parser *p)
{
    struct expression_node *n = parse_primary(p);
    while (n && (p->token.kind == TOKEN_DOT || p->token.kind == TOKEN_OPEN_BRACKET)) {
        struct token t = p->token;
        if (!parser_advance(p))
            return NULL;
        n = t.kind == TOKEN_DOT ? parse_member(p, n) : parse_index(p, n, t.at);
    }
    return n;
}

/* Operators. */

static struct expression_node *parse_unary(struct parser *p)
{
    struct token t = p->token;
    if (t.kind != TOKEN_NOT && t.kind != TOKEN_MINUS)
        return parse_postfix(p);
    if (!parser_advance(p))
        return NULL;
    if (t.kind == TOKEN_MINUS && p->token.is_lowest) {
        struct value lowest = p->token.constant;
        return parser_advance(p) ? parser_constant(p, t.at, lowest) : NULL;
    }
    if (++p->depth > EXPRESSION_MAX_DEPTH) {
        parser_too_deep(p, t.at);
        return NULL;
    }
    struct expression_node *operand = parse_unary(p);
    p->depth--;
    if (operand && t.kind == TOKEN_MINUS && operand->kind == NODE_CONSTANT) {
        if (operand->constant.type == VALUE_INT && operand->constant.integer != INT64_MIN) {
            operand->constant.integer = -operand->constant.integer;
            return operand;
        }
        if (operand->constant.type == VALUE_DOUBLE) {
            operand->constant.real = -operand->constant.real;
            return operand;
        }
    }
    struct expression_node *n =
        parser_new_node(p, t.kind == TOKEN_NOT ? NODE_NOT : NODE_NEGATE, t.at);
    return n && parser_add_child(p, n, operand) ? n : NULL;
}

/* The operators of one level of precedence, and their node. */
struct level {
    enum token_kind first, last;
    enum node_kind kind;
};

static const struct level levels[] = {
    {TOKEN_OR, TOKEN_OR, NODE_OR},           {TOKEN_AND, TOKEN_AND, NODE_AND},
    {TOKEN_EQUAL, TOKEN_IN, NODE_RELATION},  {TOKEN_PLUS, TOKEN_MINUS, NODE_CHAIN},
    {TOKEN_TIMES, TOKEN_MODULO, NODE_CHAIN},
};

static struct expression_node *parse_level(struct parser *p, size_t at_level)
{
    if (at_level == COUNT_OF(levels))
        return parse_unary(p);
    const struct level *level = &levels[at_level];
    struct expression_node *left = parse_level(p, at_level + 1), *n = NULL;
    while (left && p->token.kind >= level->first && p->token.kind <= level->last) {
        struct token t = p->token;
        if (n && level->kind == NODE_RELATION) {
            lexer_refuse(&p->lexer, t.at, "comparisons cannot be chained: use && between them");
            return NULL;
        }
        if (n == NULL) {
            n = parser_new_node(p, level->kind, t.at);
            if (n == NULL || !parser_add_child(p, n, left))
                return NULL;
            n->op = t.kind;
        }
        if (!parser_advance(p))
            return NULL;
        struct expression_node *right = parse_level(p, at_level + 1);
        if (!parser_add_child(p, n, right))
            return NULL;
        if (level->kind == NODE_CHAIN)
            right->joined_by = t.kind;
    }
    return n ? n : left;
}

static struct expression_node *parse_choice(struct parser *p)
{
    struct expression_node *condition = parse_level(p, 0);
    if (condition == NULL || p->token.kind != TOKEN_QUESTION)
        return condition;
    struct expression_node *n = parser_new_node(p, NODE_CHOOSE, p->token.at);
    if (n == NULL || !parser_advance(p) || !parser_add_child(p, n, condition) ||
        !parser_add_child(p, n, parser_expression(p)) || !parser_expect(p, TOKEN_COLON, "':'") ||
        !parser_add_child(p, n, parser_expression(p)))
        return NULL;
    return n;
}

struct expression_node *parser_expression(struct parser *p)
{
    if (++p->depth > EXPRESSION_MAX_DEPTH) {
        parser_too_deep(p, p->token.at);
        return NULL;
    }
    struct expression_node *n = parse_choice(p);
    p->depth--;
    return n;
}

struct expression_node *parser_parse(struct parser *p)
{
    if (!parser_advance(p))
        return NULL;
    if (p->token.kind == TOKEN_END)
        return parser_refuse_token(p, "a value");
    struct expression_node *n = parser_expression(p);
    return n && p->token.kind != TOKEN_END ? parser_refuse_token(p, "an operator or the end") : n;
}
