/* A compiled schema, for the files of json_schema only. */
#ifndef PROCESSORS_JSON_JSON_SCHEMA_INTERNAL_H
#define PROCESSORS_JSON_JSON_SCHEMA_INTERNAL_H

#include "processors/expression/regex.h"
#include "processors/json/json_schema.h"
#include "processors/values/value.h"

enum { SCHEMA_MAX_REQUIRED = 256, SCHEMA_MAX_RECURSION = 256 };

enum schema_type {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_INTEGER = 4, /* also a number without a fraction: 1.0 */
    TYPE_NUMBER = 8,
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64,
};

struct schema_node;

struct schema_property {
    struct bytes name;
    const struct schema_node *schema; /* NULL: only required */
    int required_index;               /* -1: not required */
};

struct schema_list {
    const struct schema_node **items;
    size_t count;
};

/* Absent bounds are null values, or -1. */
struct schema_node {
    bool never;            /* the schema `false` */
    unsigned types;        /* 0: any */
    struct bytes *allowed; /* enum, as canonical JSON, in the order of schema_order */
    size_t allowed_count;
    bool has_allowed;
    struct bytes constant; /* const, as canonical JSON; null: any */
    struct value minimum, maximum, above, below;
    struct bytes multiple_of; /* text; null: any */
    int64_t min_length, max_length, min_items, max_items;
    struct bytes pattern_text;
    const struct regex *pattern;
    struct schema_property *properties; /* by name */
    size_t property_count;
    int required_count;
    const struct schema_node *additional, *items, *not_this, *reference;
    struct schema_list all_of, any_of, one_of;
};

struct json_schema {
    struct arena arena; /* owns everything */
    const struct schema_node *root;
};

/* For qsort and bsearch of struct bytes, by content. */
int schema_order(const void *a, const void *b);

/* Compilation. */

/* The schemas compiled so far, by the place of their text, so that references may form cycles. */
struct schema_met {
    const uint8_t *text;
    struct schema_node *schema;
    struct schema_met *next;
};

struct schema_compiler {
    struct bytes root;
    struct arena *arena;
    struct message *message;
    struct schema_met *met;
    int depth;
    char place[256]; /* JSON pointer of the current schema */
};

struct schema_keyword {
    const char *name;
    bool (*compile)(struct schema_compiler *c, struct schema_node *s,
                    const struct schema_keyword *k, struct bytes text);
    size_t member; /* offset of the field that a generic function sets */
};

/* Writes "schema at #/...: reason" into the message. Returns false. */
bool schema_refuse(struct schema_compiler *c, const char *format, ...) PRINTF_LIKE(2, 3);
void *schema_allocate(struct schema_compiler *c, size_t count, size_t size);
void *schema_member(struct schema_node *s, const struct schema_keyword *k);
/* The string of JSON text; null when it is no string. */
struct bytes schema_string(struct schema_compiler *c, struct bytes text);
size_t schema_count_items(struct bytes container);

#define SCHEMA_RULES(X) X(type) X(enum) X(const) X(bound) X(multiple) X(count) X(pattern)
#define X(name)                                                                  \
    bool schema_compile_##name(struct schema_compiler *c, struct schema_node *s, \
                               const struct schema_keyword *k, struct bytes text);
SCHEMA_RULES(X)
#undef X

#endif
