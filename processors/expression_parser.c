#include "processors/expression_tree.h"

#include "base/suggest.h"

#include <stdarg.h>
#include <stdio.h>

static struct node *parse_expression(struct parser *p);

bool parser_refuse(struct parser *p, const struct node *n, const char *format, ...)
{
    char reason[768];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    message_set(p->lexer.message, "column %u: %s", n->column, reason);
    return false;
}

static bool advance(struct parser *p)
{
    return lexer_next(&p->lexer, &p->token);
}

/* Refuses the token at hand, saying what was expected instead. */
static struct node *refuse_token(struct parser *p, const char *expected)
{
    if (p->token.kind == TOKEN_END)
        lexer_refuse(&p->lexer, p->token.at, "the expression ends where %s is expected", expected);
    else
        lexer_refuse(&p->lexer, p->token.at, "found '%.*s' where %s is expected",
                     BYTES_PRINTF(p->token.text), expected);
    return NULL;
}

static bool expect(struct parser *p, enum token_kind kind, const char *expected)
{
    if (p->token.kind != kind) {
        refuse_token(p, expected);
        return false;
    }
    return advance(p);
}

static struct node *new_node(struct parser *p, enum node_kind kind, size_t at)
{
    struct node *n = arena_alloc(p->arena, sizeof *n);
    if (n == NULL) {
        lexer_refuse(&p->lexer, at, "the expression is too large");
        return NULL;
    }
    n->kind = kind;
    n->column = (uint32_t)(p->lexer.column_base + at + 1);
    n->depth = 1;
    return n;
}

static bool too_deep(struct parser *p, size_t at)
{
    lexer_refuse(&p->lexer, at, "nested more than %d levels deep", EXPRESSION_MAX_DEPTH);
    return false;
}

/* Appends a child; NULL children (errors) give false. */
static bool add_child(struct parser *p, struct node *parent, struct node *child)
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
    return parent->depth <= EXPRESSION_MAX_DEPTH || too_deep(p, p->token.at);
}

/* Variables. */

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

/* Names that are refused with their own reason. */
static const struct {
    const char *name, *reason;
} unbuilt[] = {
    {"left", "is for joins, which are not built yet"},
    {"right", "is for joins, which are not built yet"},
    {"table", "is for enrich, which is not built yet"},
    {"steps", "is for patterns, which are not built yet"},
    {"hmac", "needs a key file of the broker, which is not built yet; hash(x) needs none"},
    {"now", "does not exist: an expression gives the same result whenever it runs; use timestamp"},
    {"random", "does not exist: an expression gives the same result whenever it runs"},
};

static bool refuse_unbuilt(struct parser *p, const struct token *name)
{
    for (size_t i = 0; i < COUNT_OF(unbuilt); i++)
        if (bytes_equal_string(name->text, unbuilt[i].name))
            return !lexer_refuse(&p->lexer, name->at, "'%s' %s", unbuilt[i].name,
                                 unbuilt[i].reason);
    return false;
}

static struct node *refuse_name(struct parser *p, const struct token *name)
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
                     "unknown name '%.*s'; known are key, value, timestamp, partition, offset and "
                     "topic; fields of the record are value.<field>",
                     BYTES_PRINTF(name->text));
    return NULL;
}

static struct node *constant_node(struct parser *p, size_t at, struct value constant)
{
    struct node *n = new_node(p, NODE_CONSTANT, at);
    if (n)
        n->constant = constant;
    return n;
}

static struct node *resolve_name(struct parser *p, const struct token *name)
{
    for (size_t i = p->local_count; i-- > 0;) {
        if (!bytes_equal(p->locals[i], name->text))
            continue;
        struct node *n = new_node(p, NODE_LOCAL, name->at);
        if (n)
            n->local = (uint16_t)i;
        return n;
    }
    for (size_t i = 0; i < COUNT_OF(variables); i++) {
        if (!bytes_equal_string(name->text, variables[i].name))
            continue;
        struct node *n = new_node(p, NODE_VARIABLE, name->at);
        if (n)
            n->variable = variables[i].variable;
        return n;
    }
    if (bytes_equal_string(name->text, "true") || bytes_equal_string(name->text, "false"))
        return constant_node(p, name->at, value_bool(name->text.data[0] == 't'));
    if (bytes_equal_string(name->text, "null"))
        return constant_node(p, name->at, value_null());
    return refuse_name(p, name);
}

/* Calls. */

/* Arguments up to and with the closing token. */
static bool parse_arguments(struct parser *p, struct node *n, enum token_kind close,
                            const char *expected)
{
    while (p->token.kind != close) {
        if (!add_child(p, n, parse_expression(p)))
            return false;
        if (p->token.kind == close)
            break;
        if (!expect(p, TOKEN_COMMA, expected))
            return false;
    }
    return advance(p);
}

static struct node *parse_coalesce(struct parser *p, struct node *n)
{
    if (!parse_arguments(p, n, TOKEN_CLOSE, "',' or ')'"))
        return NULL;
    if (n->child_count > 0)
        return n;
    parser_refuse(p, n, "coalesce needs at least one argument");
    return NULL;
}

/* has() asks for a field, so its argument must name one. */
static struct node *parse_has(struct parser *p, struct node *n)
{
    if (!parse_arguments(p, n, TOKEN_CLOSE, "')'"))
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

static struct node *finish_call(struct parser *p, struct node *n)
{
    const struct function *f = n->function;
    if (!parse_arguments(p, n, TOKEN_CLOSE, "',' or ')'"))
        return NULL;
    if (n->child_count < f->min || n->child_count > f->max) {
        parser_refuse(p, n, "wrong number of arguments, %u: %s", n->child_count, f->usage);
        return NULL;
    }
    return f->prepare && !f->prepare(p, n) ? NULL : n;
}

static struct node *refuse_function(struct parser *p, const struct token *name)
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

/* name(arguments), the token at hand being the parenthesis. */
static struct node *parse_call(struct parser *p, const struct token *name)
{
    if (find_macro(name->text) >= 0) {
        lexer_refuse(&p->lexer, name->at, "%.*s belongs to a list: list.%.*s(x, ...)",
                     BYTES_PRINTF(name->text), BYTES_PRINTF(name->text));
        return NULL;
    }
    if (!advance(p))
        return NULL;
    struct node *n = new_node(p, NODE_CALL, name->at);
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

/* list.exists(x, condition), behind the parenthesis. */
static struct node *parse_macro(struct parser *p, struct node *list, const struct token *name,
                                int macro)
{
    struct node *n = new_node(p, macros[macro].kind, name->at);
    if (n == NULL || !add_child(p, n, list))
        return NULL;
    if (p->token.kind != TOKEN_NAME)
        return refuse_token(p, "a name for the element");
    if (p->local_count == EXPRESSION_MAX_DEPTH) {
        too_deep(p, name->at);
        return NULL;
    }
    n->local = p->local_count;
    p->locals[p->local_count++] = p->token.text;
    if (!advance(p) || !expect(p, TOKEN_COMMA, "','") || !parse_arguments(p, n, TOKEN_CLOSE, "')'"))
        return NULL;
    p->local_count--;
    if (n->child_count >= 2 && n->child_count <= macros[macro].max_children)
        return n;
    parser_refuse(p, n, "%s takes a name and %s", macros[macro].name,
                  macros[macro].max_children == 2 ? "a condition"
                                                  : "a result (or a condition and a result)");
    return NULL;
}

/* receiver.name(arguments), the token at hand being the parenthesis. */
static struct node *parse_method(struct parser *p, struct node *receiver, const struct token *name)
{
    int macro = find_macro(name->text);
    if (!advance(p))
        return NULL;
    if (macro >= 0)
        return parse_macro(p, receiver, name, macro);
    struct node *n = new_node(p, NODE_CALL, name->at);
    if (n == NULL)
        return NULL;
    n->function = function_find(name->text);
    if (n->function == NULL)
        return refuse_function(p, name);
    return add_child(p, n, receiver) ? finish_call(p, n) : NULL;
}

/* Access. */

static bool is_path(const struct node *n)
{
    return n->kind == NODE_PATH || (n->kind == NODE_VARIABLE && n->variable == VARIABLE_VALUE);
}

/* value.a and then .b: one node with a path. */
static struct node *extend_path(struct parser *p, struct node *n, struct bytes name)
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

static struct node *field_of(struct parser *p, struct node *n, struct bytes name, size_t at)
{
    if (is_path(n))
        return extend_path(p, n, name);
    struct node *field = new_node(p, NODE_FIELD, at);
    if (field == NULL || !add_child(p, field, n))
        return NULL;
    field->name = name;
    return field;
}

static struct node *parse_member(struct parser *p, struct node *n)
{
    struct token name = p->token;
    if (name.kind != TOKEN_NAME && name.kind != TOKEN_IN)
        return refuse_token(p, "a field or a method");
    if (!advance(p))
        return NULL;
    if (p->token.kind == TOKEN_OPEN)
        return parse_method(p, n, &name);
    return field_of(p, n, name.text, name.at);
}

static struct node *parse_index(struct parser *p, struct node *n, size_t at)
{
    struct node *index = parse_expression(p);
    if (index == NULL || !expect(p, TOKEN_CLOSE_BRACKET, "']'"))
        return NULL;
    if (index->kind == NODE_CONSTANT && index->constant.type == VALUE_STRING)
        return field_of(p, n, index->constant.bytes, at);
    struct node *access = new_node(p, NODE_INDEX, at);
    return access && add_child(p, access, n) && add_child(p, access, index) ? access : NULL;
}

/* Primaries. */

/* A list whose elements are all constants is one itself. */
static struct node *fold_list(struct parser *p, struct node *n)
{
    for (const struct node *child = n->first; child; child = child->next)
        if (child->kind != NODE_CONSTANT)
            return n;
    struct value *items = arena_array(p->arena, n->child_count, sizeof *items);
    if (items == NULL) {
        parser_refuse(p, n, "the expression is too large");
        return NULL;
    }
    n->constant = (struct value){.type = VALUE_LIST, .list = {items, n->child_count}};
    for (const struct node *child = n->first; child; child = child->next)
        *items++ = child->constant;
    n->kind = NODE_CONSTANT;
    n->depth = 1;
    return n;
}

static struct node *parse_list(struct parser *p, size_t at)
{
    struct node *n = new_node(p, NODE_LIST, at);
    if (n == NULL || !parse_arguments(p, n, TOKEN_CLOSE_BRACKET, "',' or ']'"))
        return NULL;
    return fold_list(p, n);
}

static bool parse_entry(struct parser *p, struct node *map)
{
    if (p->token.kind != TOKEN_CONSTANT || p->token.constant.type != VALUE_STRING) {
        refuse_token(p, "a name in quotes");
        return false;
    }
    struct token name = p->token;
    for (const struct node *entry = map->first; entry; entry = entry->next)
        if (bytes_equal(entry->name, name.constant.bytes))
            return lexer_refuse(&p->lexer, name.at, "the name %.*s stands twice",
                                BYTES_PRINTF(name.text));
    if (!advance(p) || !expect(p, TOKEN_COLON, "':'"))
        return false;
    struct node *result = parse_expression(p);
    if (!add_child(p, map, result))
        return false;
    result->name = name.constant.bytes;
    return true;
}

static struct node *parse_map(struct parser *p, size_t at)
{
    struct node *n = new_node(p, NODE_MAP, at);
    if (n == NULL)
        return NULL;
    while (p->token.kind != TOKEN_CLOSE_BRACE) {
        if (!parse_entry(p, n))
            return NULL;
        if (p->token.kind != TOKEN_CLOSE_BRACE && !expect(p, TOKEN_COMMA, "',' or '}'"))
            return NULL;
    }
    return advance(p) ? n : NULL;
}

static struct node *parse_constant(struct parser *p)
{
    struct token t = p->token;
    if (t.is_lowest) {
        lexer_refuse(&p->lexer, t.at, "the number does not fit 64 bits");
        return NULL;
    }
    return advance(p) ? constant_node(p, t.at, t.constant) : NULL;
}

static struct node *parse_primary(struct parser *p)
{
    struct token t = p->token;
    switch (t.kind) {
    case TOKEN_CONSTANT:
        return parse_constant(p);
    case TOKEN_NAME:
        if (!advance(p))
            return NULL;
        return p->token.kind == TOKEN_OPEN ? parse_call(p, &t) : resolve_name(p, &t);
    case TOKEN_OPEN: {
        if (!advance(p))
            return NULL;
        struct node *n = parse_expression(p);
        return n && expect(p, TOKEN_CLOSE, "')'") ? n : NULL;
    }
    case TOKEN_OPEN_BRACKET:
        return advance(p) ? parse_list(p, t.at) : NULL;
    case TOKEN_OPEN_BRACE:
        return advance(p) ? parse_map(p, t.at) : NULL;
    default:
        return refuse_token(p, "a value");
    }
}

static struct node *parse_postfix(struct parser *p)
{
    struct node *n = parse_primary(p);
    while (n && (p->token.kind == TOKEN_DOT || p->token.kind == TOKEN_OPEN_BRACKET)) {
        struct token t = p->token;
        if (!advance(p))
            return NULL;
        n = t.kind == TOKEN_DOT ? parse_member(p, n) : parse_index(p, n, t.at);
    }
    return n;
}

/* Operators, from the tightest on. */

static struct node *parse_unary(struct parser *p)
{
    struct token t = p->token;
    if (t.kind != TOKEN_NOT && t.kind != TOKEN_MINUS)
        return parse_postfix(p);
    if (!advance(p))
        return NULL;
    if (t.kind == TOKEN_MINUS && p->token.is_lowest) {
        struct value lowest = p->token.constant;
        return advance(p) ? constant_node(p, t.at, lowest) : NULL;
    }
    if (++p->depth > EXPRESSION_MAX_DEPTH) {
        too_deep(p, t.at);
        return NULL;
    }
    struct node *operand = parse_unary(p);
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
    struct node *n = new_node(p, t.kind == TOKEN_NOT ? NODE_NOT : NODE_NEGATE, t.at);
    return n && add_child(p, n, operand) ? n : NULL;
}

/* Operators of one level of precedence, their node, and what is below. */
struct level {
    enum token_kind first, last;
    enum node_kind kind;
};

static const struct level levels[] = {
    {TOKEN_OR, TOKEN_OR, NODE_OR},           {TOKEN_AND, TOKEN_AND, NODE_AND},
    {TOKEN_EQUAL, TOKEN_IN, NODE_RELATION},  {TOKEN_PLUS, TOKEN_MINUS, NODE_CHAIN},
    {TOKEN_TIMES, TOKEN_MODULO, NODE_CHAIN},
};

static struct node *parse_level(struct parser *p, size_t at_level)
{
    if (at_level == COUNT_OF(levels))
        return parse_unary(p);
    const struct level *level = &levels[at_level];
    struct node *left = parse_level(p, at_level + 1), *n = NULL;
    while (left && p->token.kind >= level->first && p->token.kind <= level->last) {
        struct token t = p->token;
        if (n && level->kind == NODE_RELATION) {
            lexer_refuse(&p->lexer, t.at, "comparisons cannot be chained: use && between them");
            return NULL;
        }
        if (n == NULL) {
            n = new_node(p, level->kind, t.at);
            if (n == NULL || !add_child(p, n, left))
                return NULL;
            n->op = t.kind;
        }
        if (!advance(p))
            return NULL;
        struct node *right = parse_level(p, at_level + 1);
        if (!add_child(p, n, right))
            return NULL;
        if (level->kind == NODE_CHAIN)
            right->joined_by = t.kind;
    }
    return n ? n : left;
}

static struct node *parse_choice(struct parser *p)
{
    struct node *condition = parse_level(p, 0);
    if (condition == NULL || p->token.kind != TOKEN_QUESTION)
        return condition;
    struct node *n = new_node(p, NODE_CHOOSE, p->token.at);
    if (n == NULL || !advance(p) || !add_child(p, n, condition) ||
        !add_child(p, n, parse_expression(p)) || !expect(p, TOKEN_COLON, "':'") ||
        !add_child(p, n, parse_expression(p)))
        return NULL;
    return n;
}

static struct node *parse_expression(struct parser *p)
{
    if (++p->depth > EXPRESSION_MAX_DEPTH) {
        too_deep(p, p->token.at);
        return NULL;
    }
    struct node *n = parse_choice(p);
    p->depth--;
    return n;
}

struct node *parser_parse(struct parser *p)
{
    if (!advance(p))
        return NULL;
    if (p->token.kind == TOKEN_END)
        return refuse_token(p, "a value");
    struct node *n = parse_expression(p);
    return n && p->token.kind != TOKEN_END ? refuse_token(p, "an operator or the end") : n;
}
