/* JSON on the record path: read on demand, never built into a tree.
 *
 * A view is the text of one value inside a document that was checked once (json_check). The other
 * functions rely on that check and do not fail on checked text; on any other text they stay inside
 * it. The check is strict RFC 8259: no NaN, valid UTF-8, no trailing bytes, depth up to 64. It also
 * refuses values that cannot be used: escaped lone surrogates, and numbers out of the range of a
 * double or longer than 1024 characters. */
#ifndef PROCESSORS_JSON_JSON_H
#define PROCESSORS_JSON_JSON_H

#include "processors/values/value.h"

enum { JSON_MAX_DEPTH = 64 };

/* Checks a whole document. Returns NULL, or the reason why it is wrong, and its position in *at. */
const char *json_check(struct bytes text, size_t *at);

/* The field `name` of the object `object` (text of a checked object; the name is unescaped UTF-8).
 * If an object has a name twice, the first one counts, here and everywhere. False when the field is
 * absent or `object` is no object. */
bool json_field(struct bytes object, struct bytes name, struct bytes *value);

/* The n-th element of an array. */
bool json_element(struct bytes array, size_t n, struct bytes *value);

/* Walks an object or array: start with *at = 0. *raw_name is the text without quotes, escapes kept
 * (see json_unescape), and null for arrays. */
bool json_next(struct bytes container, size_t *at, struct bytes *raw_name, struct bytes *value);

/* A view of the field at a path such as {"user","country"}. */
bool json_path(struct bytes document, const struct bytes *path, size_t depth, struct bytes *value);

/* The value of JSON text. Strings with escapes are unescaped into the arena; the result is null
 * when the arena is exhausted. */
struct value json_value(struct bytes text, struct arena *arena);

/* Unescapes a raw string (without quotes); returns the input itself when nothing is escaped. */
struct bytes json_unescape(struct bytes raw, struct arena *arena);

/* Appends `text` as a JSON string, quotes included. UTF-8 stays; control characters, quote and
 * backslash are escaped. */
void json_append_string(struct buffer *out, struct bytes text);

/* Appends canonical JSON: no spaces, object keys sorted bytewise (the first of equal keys), UTF-8
 * unescaped, integers without a fraction, doubles shortest round-trip (an integral double prints as
 * the integer: 1.0 is 1), decimals without zeros at the end, times and durations as milliseconds.
 * Bytes become base64. Sorting uses `scratch`; when that is exhausted, out is `overflowed`. */
void json_append_value(struct buffer *out, const struct value *v, struct arena *scratch);

/* Identity for grouping, distinct and top (section 6): equality of canonical JSON. */
bool json_identical(const struct value *a, const struct value *b, struct arena *scratch);

#endif
