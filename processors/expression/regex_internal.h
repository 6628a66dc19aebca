/* Shared by the files of the regular expressions only: the tree that the parser makes and the
 * program that the search runs. */
#ifndef PROCESSORS_EXPRESSION_REGEX_INTERNAL_H
#define PROCESSORS_EXPRESSION_REGEX_INTERNAL_H

#include "processors/expression/regex.h"

enum { REGEX_UNLIMITED = -1 };

/* Ranges of code points, both ends inclusive. `ascii` has a bit for each code point below 128. */
struct regex_range {
    uint32_t first, last;
};
struct regex_class {
    struct regex_range *ranges;
    size_t count, capacity;
    bool negated;
    uint64_t ascii[2];
};

enum regex_op {
    REGEX_MATCH,
    REGEX_CHAR,  /* code_point */
    REGEX_CLASS, /* class */
    REGEX_ANY,
    REGEX_SPLIT, /* next and other */
    REGEX_JUMP,
    REGEX_TEXT_START,
    REGEX_TEXT_END,
    REGEX_LINE_START,
    REGEX_LINE_END,
    REGEX_WORD_EDGE,
    REGEX_NO_WORD_EDGE,
    /* Only in the tree: */
    REGEX_EMPTY,
    REGEX_CONCAT,
    REGEX_ALTERNATIVES,
    REGEX_REPEAT,
};

struct regex_node {
    enum regex_op op;
    uint32_t code_point;
    const struct regex_class *set;
    int min, max;                    /* REPEAT; max may be REGEX_UNLIMITED */
    struct regex_node *child, *next; /* first child; sibling */
};

struct regex_instruction {
    enum regex_op op;
    uint16_t next, other;
    uint32_t code_point;
    const struct regex_class *set;
};

struct regex {
    const struct regex_instruction *program; /* starts at 0 */
    size_t count;
    uint64_t first_bytes[4]; /* a match can only start with one of these; all set when unknown */
};

bool regex_class_has(const struct regex_class *set, uint32_t code_point);

/* Parsing. `p` is the next character; functions named "take" move it. */

struct regex_parser {
    const uint8_t *start, *p, *end;
    struct arena *arena;
    struct message *message;
    int depth;
    bool fold_case, dot_all, multi_line;
};

/* Puts the reason and the place into the message. */
struct regex_node *regex_refuse(struct regex_parser *r, const char *reason);
struct regex_node *regex_new_node(struct regex_parser *r, enum regex_op op);
bool regex_at(const struct regex_parser *r, const char *text);
bool regex_take(struct regex_parser *r, const char *text);
uint32_t regex_take_code_point(struct regex_parser *r);

/* After a backslash: the set of \d and the like as pairs of characters; NULL when there is none. */
const char *regex_escape_set(const struct regex_parser *r, bool *opposite);
/* After a backslash: takes the escaped character. */
bool regex_take_escaped(struct regex_parser *r, uint32_t *out);
/* Parses a class from after its opening bracket. */
struct regex_node *regex_parse_class(struct regex_parser *r);
/* The class of ranges given as pairs of characters. */
struct regex_node *regex_set_node(struct regex_parser *r, const char *pairs, bool opposite);

/* NULL with a message when the pattern is wrong. */
struct regex_node *regex_parse(struct bytes pattern, struct arena *arena, struct message *message);

#endif
