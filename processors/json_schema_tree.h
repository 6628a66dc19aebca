/* A compiled schema. Not for others. */
#ifndef PROCESSORS_JSON_SCHEMA_TREE_H
#define PROCESSORS_JSON_SCHEMA_TREE_H

#include "processors/json_schema.h"
#include "processors/regex.h"
#include "processors/value.h"

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

struct schema;

struct schema_property {
    struct bytes name;
    const struct schema *schema; /* NULL: only required */
    int required_index;          /* -1: not required */
};

struct schema_list {
    const struct schema **items;
    size_t count;
};

/* Bounds that are not there are null values, or -1. */
struct schema {
    bool never;            /* the schema `false` */
    unsigned types;        /* 0: any */
    struct bytes *allowed; /* enum, as canonical JSON */
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
    const struct schema *additional, *items, *not_this, *reference;
    struct schema_list all_of, any_of, one_of;
};

struct json_schema {
    struct arena arena; /* owns everything */
    const struct schema *root;
};

#endif
