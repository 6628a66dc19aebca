/* Shared by the files of the expression language only.
 *
 *   expression_lexer.c      text to tokens
 *   expression_parser.c     tokens to a tree; constants are prepared on the way
 *   expression_names.c      the parser's part for variables, calls and macros
 *   expression.c            compiling whole sources
 *   expression_list.c       lists of them
 *   expression_evaluate.c        the tree over a record
 *   expression_operators.c  arithmetic, order, equality, access
 *   expression_functions.c  the table of functions; expression_text.c and _numbers.c hold them
 *
 * A tree is at most 32 levels deep (chains such as a + b + c are one level), so evaluating it may
 * recurse. */
#ifndef PROCESSORS_EXPRESSION_EXPRESSION_INTERNAL_H
#define PROCESSORS_EXPRESSION_EXPRESSION_INTERNAL_H

#include "processors/expression/expression.h"
#include "processors/expression/regex.h"

enum {
    EXPRESSION_MAX_SOURCE = 4096,
    EXPRESSION_MAX_DEPTH = 32,
    EXPRESSION_MAX_STEPS = 100000,
    EXPRESSION_MAX_ARGUMENTS = 4, /* of functions; macros have their own limits */
};

/* Tokens. */

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_CONSTANT, /* a number or a string */
    TOKEN_OR,
    TOKEN_AND,
    TOKEN_EQUAL,
    TOKEN_NOT_EQUAL,
    TOKEN_LESS,
    TOKEN_LESS_EQUAL,
    TOKEN_GREATER,
    TOKEN_GREATER_EQUAL,
    TOKEN_IN,
    TOKEN_PLUS,
    TOKEN_MINUS,
    TOKEN_TIMES,
    TOKEN_DIVIDE,
    TOKEN_MODULO,
    TOKEN_NOT,
    TOKEN_QUESTION,
    TOKEN_COLON,
    TOKEN_DOT,
    TOKEN_COMMA,
    TOKEN_SEMICOLON,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_OPEN_BRACKET,
    TOKEN_CLOSE_BRACKET,
    TOKEN_OPEN_BRACE,
    TOKEN_CLOSE_BRACE,
};

struct token {
    enum token_kind kind;
    size_t at; /* offset in the source */
    struct bytes text;
    struct value constant;
    bool is_lowest; /* 9223372036854775808, valid only after a minus */
};

struct lexer {
    struct bytes source;
    size_t at;
    size_t column_base; /* columns in messages count from here */
    struct arena *arena;
    struct message *message;
};

/* The next token; false with a message when there is none. */
MUST_USE bool lexer_next(struct lexer *l, struct token *out);
/* "column N: ..." into the message. Returns false. */
bool lexer_refuse(struct lexer *l, size_t at, const char *format, ...) PRINTF_LIKE(3, 4);

/* The tree. */

enum node_kind {
    NODE_CONSTANT,
    NODE_VARIABLE,
    NODE_LOCAL, /* the variable of a macro */
    NODE_PATH,  /* value.a.b */
    NODE_FIELD, /* first child, name */
    NODE_INDEX, /* first child [second] */
    NODE_LIST,
    NODE_MAP, /* children with their names */
    NODE_NOT,
    NODE_NEGATE,
    NODE_OR,
    NODE_AND,
    NODE_CHAIN, /* first child, then each with its own operator: a + b - c */
    NODE_RELATION,
    NODE_CHOOSE, /* a ? b : c */
    NODE_CALL,
    NODE_HAS,
    NODE_COALESCE,
    NODE_EXISTS, /* list, condition */
    NODE_ALL,
    NODE_FILTER,
    NODE_MAP_EACH, /* list, [condition,] result */
};

enum variable {
    VARIABLE_KEY,
    VARIABLE_VALUE,
    VARIABLE_TIMESTAMP,
    VARIABLE_PARTITION,
    VARIABLE_OFFSET,
    VARIABLE_TOPIC,
};

struct function;

struct expression_node {
    enum node_kind kind;
    enum token_kind op;        /* RELATION */
    enum token_kind joined_by; /* the operator before a child of CHAIN; unset in the first one */
    enum variable variable;
    uint16_t depth;
    uint16_t local;  /* slot of LOCAL and of the macros */
    uint32_t column; /* from 1 */
    uint32_t child_count;
    struct expression_node *first, *last, *next; /* children; sibling */
    struct bytes name;                           /* FIELD; of a MAP's child */
    struct value constant;
    struct bytes *path; /* PATH */
    size_t path_depth;
    const struct function *function;
    const struct regex *regex; /* a constant pattern of matches */
};

struct expression {
    struct arena arena; /* owns everything below */
    struct bytes source;
    struct expression_node *root;
    bool reads_value; /* the variable `value` occurs */
};

/* Compiles a part of a longer text; columns in messages count from `column_base`. */
MUST_USE enum error expression_compile_part(struct bytes source, size_t column_base,
                                            struct expression **out, struct message *message);

struct parser {
    struct lexer lexer;
    struct token token; /* the current one */
    struct arena *arena;
    int depth;
    struct bytes locals[EXPRESSION_MAX_DEPTH];
    uint16_t local_count;
    bool reads_value; /* `value` was parsed, as the variable or the root of a path */
};

bool parser_advance(struct parser *p); /* to the next token */
/* Takes a token of this kind, or refuses the current one. */
bool parser_expect(struct parser *p, enum token_kind kind, const char *expected);
/* Writes "found ... where `expected` is expected" into the message. Returns NULL. */
struct expression_node *parser_refuse_token(struct parser *p, const char *expected);
bool parser_too_deep(struct parser *p, size_t at); /* refuses; false */
struct expression_node *parser_new_node(struct parser *p, enum node_kind kind, size_t at);
struct expression_node *parser_constant(struct parser *p, size_t at, struct value constant);
/* Appends a child. False if it is NULL, because of an earlier error. */
bool parser_add_child(struct parser *p, struct expression_node *parent,
                      struct expression_node *child);
struct expression_node *parser_expression(struct parser *p);
/* Parses arguments up to the closing token, and takes that too. */
bool parser_arguments(struct parser *p, struct expression_node *n, enum token_kind close,
                      const char *expected);
/* Parse a name, name(arguments) and receiver.name(arguments), from the token after the name on. */
struct expression_node *parser_name(struct parser *p, const struct token *name);
struct expression_node *parser_call(struct parser *p, const struct token *name);
struct expression_node *parser_method(struct parser *p, struct expression_node *receiver,
                                      const struct token *name);
/* Parses the whole source. NULL with a message on an error. */
struct expression_node *parser_parse(struct parser *p);
/* Refuses at a node, for checks of functions at compile time. Returns false. */
bool parser_refuse(struct parser *p, const struct expression_node *n, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Evaluating. */

struct evaluation {
    const struct expression_input *input;
    struct arena *arena;
    struct message *message;
    uint32_t steps;
    struct value locals[EXPRESSION_MAX_DEPTH];
};

/* Evaluates a node; false with a message on an error. */
MUST_USE bool evaluate_node(struct evaluation *ev, const struct expression_node *n,
                            struct value *out);
/* Writes "column N: ..." into the message, never with values of the record. Returns false. */
bool evaluation_fail(struct evaluation *ev, const struct expression_node *n, const char *format,
                     ...) PRINTF_LIKE(3, 4);
/* Counts work of `size` units; false when the record's budget is used up. */
MUST_USE bool evaluation_spend(struct evaluation *ev, const struct expression_node *n, size_t size);
/* Memory for the result; NULL with a message when the arena is exhausted. */
void *evaluation_alloc(struct evaluation *ev, const struct expression_node *n, size_t count,
                       size_t size);
/* The value of JSON text; false when the arena is exhausted. */
MUST_USE bool evaluate_json(struct evaluation *ev, const struct expression_node *n,
                            struct bytes text, struct value *out);

/* The value of text from outside: a string, bytes if it is not UTF-8, or null. */
struct value text_value(struct bytes b);
/* The whole text of a JSON value at a path or field node, for functions that need its exact digits.
 * False when the node is of another kind or the value is missing. */
bool evaluate_raw_text(struct evaluation *ev, const struct expression_node *n, struct bytes *out);

/* Operators. */

bool operator_apply(struct evaluation *ev, const struct expression_node *n, enum token_kind op,
                    const struct value *a, const struct value *b, struct value *out);
bool operator_relate(struct evaluation *ev, const struct expression_node *n, const struct value *a,
                     const struct value *b, bool *out);
bool operator_negate(struct evaluation *ev, const struct expression_node *n, struct value *v);
/* The field of a map, or null; *present says whether it is there. */
MUST_USE bool access_field(struct evaluation *ev, const struct expression_node *n,
                           const struct value *map, struct bytes name, struct value *out,
                           bool *present);
MUST_USE bool access_index(struct evaluation *ev, const struct expression_node *n,
                           const struct value *container, const struct value *index,
                           struct value *out, bool *present);

/* Walks a list of either form: start with {list}. */
struct list_walk {
    const struct value *list;
    size_t at;
};
bool list_next(struct evaluation *ev, struct list_walk *walk, struct value *item);
/* Number of elements, or of a map's fields. */
size_t list_count(const struct value *list);

static inline struct value value_bool(bool v)
{
    return (struct value){.type = VALUE_BOOL, .boolean = v};
}
static inline struct value value_int(int64_t v)
{
    return (struct value){.type = VALUE_INT, .integer = v};
}
static inline struct value value_string(struct bytes v)
{
    return (struct value){.type = VALUE_STRING, .bytes = v};
}
static inline bool value_is_number(const struct value *v)
{
    return v->type == VALUE_INT || v->type == VALUE_DOUBLE || v->type == VALUE_DECIMAL;
}

/* Functions. */

enum null_rule {
    NULL_GIVES_NULL,  /* a null argument makes the result null */
    NULL_GIVES_FALSE, /* the same for predicates */
};

struct call {
    struct evaluation *evaluation;
    const struct expression_node *node;
    struct value arguments[EXPRESSION_MAX_ARGUMENTS];
    size_t count;
};

struct function {
    const char *name;
    const char *usage; /* for messages */
    uint8_t min, max;  /* number of arguments, the receiver of a method included */
    enum null_rule null_rule;
    bool (*call)(struct call *c, struct value *out);
    bool (*prepare)(struct parser *p,
                    struct expression_node *n); /* checks constants; may be NULL */
};

const struct function *function_find(struct bytes name);
/* Names of all functions and macros, for suggestions; NULL at the end. */
const char *const *function_names(void);
MUST_USE bool function_call(struct evaluation *ev, const struct expression_node *n,
                            struct value *out);

/* string(v): the text of any value but null. */
MUST_USE bool text_of(struct call *c, const struct value *v, struct bytes *out);
bool call_fail_type(struct call *c, size_t argument, const char *expected);

/* clang-format off */
#define FUNCTION_BODIES(X)                                                                         \
    X(header)                                                                                      \
    X(size)                                                                                        \
    X(to_int)                                                                                      \
    X(to_double)                                                                                   \
    X(to_string) X(to_bool) X(to_timestamp) X(to_duration) X(starts_with) X(ends_with) X(contains) \
        X(matches) X(lower) X(upper) X(trim) X(split) X(join) X(substr) X(replace) X(year)         \
            X(month) X(day) X(hour) X(geo_distance) X(to_decimal) X(hash) X(mask)
/* clang-format on */
#define X(name) bool function_##name(struct call *c, struct value *out);
FUNCTION_BODIES(X)
#undef X
bool prepare_matches(struct parser *p, struct expression_node *n);
bool prepare_zone(struct parser *p, struct expression_node *n);
bool prepare_decimal(struct parser *p, struct expression_node *n);

#endif
