/* The result of an expression, or a field of a record.
 *
 * Scalars are in the structure; strings are views (of the record or of the arena); lists and maps
 * are either views of JSON text, read on demand, or built in the arena. Numbers follow the
 * rules of processors-semantics section 6: an integer literal that fits int64 is an integer, a
 * longer one keeps its text and is an exact decimal for sum. */
#ifndef PROCESSORS_VALUES_VALUE_H
#define PROCESSORS_VALUES_VALUE_H

#include "base/arena.h"
#include "base/buffer.h"

enum value_type {
    VALUE_NULL, /* also a missing field */
    VALUE_BOOL,
    VALUE_INT,
    VALUE_DOUBLE,
    VALUE_DECIMAL,   /* scaled int128: integer * 10^-scale; also integers beyond int64 (scale 0) */
    VALUE_STRING,    /* UTF-8 */
    VALUE_BYTES,     /* key or header that is not UTF-8 */
    VALUE_TIMESTAMP, /* int64 milliseconds */
    VALUE_DURATION,  /* int64 milliseconds */
    VALUE_JSON,      /* an object or an array as JSON text */
    VALUE_LIST,
    VALUE_MAP,
};

__extension__ typedef __int128 int128;

struct value;
struct value_entry;

struct value {
    enum value_type type;
    union {
        bool boolean;
        int64_t integer; /* INT, TIMESTAMP, DURATION */
        double real;
        struct {
            int128 unscaled;
            int scale, precision; /* precision 0: any */
        } decimal;
        struct bytes bytes; /* STRING, BYTES, JSON */
        struct {
            const struct value *items;
            size_t count;
        } list;
        struct {
            const struct value_entry *entries;
            size_t count;
        } map;
    };
};

struct value_entry {
    struct bytes name;
    struct value value;
};

static inline struct value value_null(void)
{
    return (struct value){.type = VALUE_NULL};
}

/* The name of a value's type in messages: "null", "int", "string", "list"... */
const char *value_type_name(const struct value *v);
bool value_is_list(const struct value *v); /* built, or an array in JSON text */
bool value_is_map(const struct value *v);

/* Bytes of text in the value. Its canonical JSON has at most VALUE_JSON_GROWTH times as many bytes,
 * and a few more: a control character becomes six bytes, 1e20 becomes 21. */
size_t value_text_size(const struct value *v);
enum { VALUE_JSON_GROWTH = 6 };

#endif
