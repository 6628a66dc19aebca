/* Validation of one document: a recursive walk over the document and the schema together. */
#include "processors/json/json_schema.h"

#include "processors/json/json.h"
#include "processors/json/json_schema_internal.h"
#include "processors/values/number.h"
#include "processors/values/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The path from the root to the current value. */
struct schema_place {
    const struct schema_place *above;
    struct bytes name; /* null: an index */
    size_t index;
};

struct validator {
    struct arena *scratch;
    struct schema_failure *failure; /* NULL inside anyOf and the like: only the outcome counts */
    size_t steps_left;
    int depth;
    bool gave_up; /* a bound was reached: the document fails, even if an alternative fits */
};

static bool check_place(struct validator *v, const struct schema_node *s, struct bytes text,
                        const struct schema_place *place);

static size_t append_text(char *out, size_t at, size_t size, struct bytes text)
{
    for (size_t i = 0; i < text.size && at + 3 < size; i++) {
        if (text.data[i] == '~' || text.data[i] == '/') {
            out[at++] = '~';
            out[at++] = text.data[i] == '~' ? '0' : '1';
        } else {
            out[at++] = (char)text.data[i];
        }
    }
    out[at] = '\0';
    return at;
}

static size_t append_place(char *out, size_t size, const struct schema_place *place)
{
    if (place->above == NULL)
        return 0;
    size_t at = append_place(out, size, place->above);
    if (at + 3 >= size)
        return at;
    out[at++] = '/';
    char index[24];
    snprintf(index, sizeof index, "%zu", place->index);
    return append_text(out, at, size, place->name.data ? place->name : bytes_string(index));
}

static bool fail_at(struct validator *v, const struct schema_place *place, const char *format, ...)
    PRINTF_LIKE(3, 4);
static bool fail_at(struct validator *v, const struct schema_place *place, const char *format, ...)
{
    if (v->failure == NULL)
        return false;
    va_list args;
    va_start(args, format);
    vsnprintf(v->failure->reason, sizeof v->failure->reason, format, args);
    va_end(args);
    v->failure->path[0] = '\0';
    append_place(v->failure->path, sizeof v->failure->path, place);
    return false;
}

/* A failure that anyOf, oneOf and not cannot undo. */
static bool give_up(struct validator *v, const struct schema_place *place, const char *reason)
{
    v->gave_up = true;
    return fail_at(v, place, "%s", reason);
}

/* Types, enum and const. */

static unsigned types_of(struct bytes text, const struct value *v)
{
    switch (text.data[0]) {
    case '{':
        return TYPE_OBJECT;
    case '[':
        return TYPE_ARRAY;
    case '"':
        return TYPE_STRING;
    case 't':
    case 'f':
        return TYPE_BOOLEAN;
    case 'n':
        return TYPE_NULL;
    default:
        if (v->type == VALUE_DOUBLE && v->real != floor(v->real))
            return TYPE_NUMBER;
        return TYPE_NUMBER | TYPE_INTEGER;
    }
}

static const char *type_names(unsigned types, char *out, size_t size)
{
    static const char *const names[] = {"null",   "boolean", "integer", "number",
                                        "string", "array",   "object"};
    size_t at = 0;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (types >> i & 1)
            at += (size_t)snprintf(out + at, size - at, "%s%s", at ? " or " : "", names[i]);
    return out;
}

static bool check_type(struct validator *v, const struct schema_node *s, unsigned types,
                       const struct schema_place *place)
{
    char expected[80], found[80];
    if (s->types == 0 || (s->types & types))
        return true;
    unsigned shown = types & TYPE_INTEGER ? TYPE_INTEGER : types;
    return fail_at(v, place, "expected %s, found %s",
                   type_names(s->types, expected, sizeof expected),
                   type_names(shown, found, sizeof found));
}

static bool equals_one(struct bytes text, const struct bytes *allowed, size_t count)
{
    return bsearch(&text, allowed, count, sizeof *allowed, schema_order) != NULL;
}

/* A string without escapes is its own canonical text, and so are the words. */
static bool is_canonical(struct bytes text)
{
    return (text.data[0] == '"' && memchr(text.data, '\\', text.size) == NULL) ||
           text.data[0] == 't' || text.data[0] == 'f' || text.data[0] == 'n';
}

static bool check_allowed(struct validator *v, const struct schema_node *s, struct bytes text,
                          const struct schema_place *place)
{
    if (!s->has_allowed && s->constant.data == NULL)
        return true;
    struct buffer json;
    buffer_init(&json, v->scratch->max);
    if (!is_canonical(text)) {
        struct value value = json_value(text, v->scratch);
        json_append_value(&json, &value, v->scratch);
        text = buffer_view(&json);
    }
    bool in_enum = !s->has_allowed || equals_one(text, s->allowed, s->allowed_count);
    bool is_constant = s->constant.data == NULL || bytes_equal(text, s->constant);
    bool overflowed = json.overflowed;
    buffer_free(&json);
    if (overflowed)
        return give_up(v, place, "too large to compare");
    if (!in_enum)
        return fail_at(v, place, "is none of the allowed values");
    return is_constant || fail_at(v, place, "is not the expected constant");
}

/* Numbers. */

static bool is_multiple(struct bytes text, const struct value *number, struct bytes unit)
{
    int128 x, y;
    int x_scale, y_scale;
    if (decimal_parse(text, &x, &x_scale) && decimal_parse(unit, &y, &y_scale)) {
        int scale = MAX(x_scale, y_scale);
        if (scale <= DECIMAL_MAX_DIGITS && decimal_round(x, x_scale, scale, &x) &&
            decimal_round(y, y_scale, scale, &y))
            return x % y == 0;
    }
    return fmod(number_real(number), number_to_double(unit)) == 0;
}

enum { LESS = 1, EQUAL = 2, GREATER = 4 };

static const struct {
    size_t bound; /* offset in the schema */
    int allowed;
    const char *words;
} bounds[] = {
    {offsetof(struct schema_node, minimum), EQUAL | GREATER, "at least"},
    {offsetof(struct schema_node, maximum), LESS | EQUAL, "at most"},
    {offsetof(struct schema_node, above), GREATER, "above"},
    {offsetof(struct schema_node, below), LESS, "below"},
};

static bool check_bounds(struct validator *v, const struct schema_node *s,
                         const struct value *number, const struct schema_place *place)
{
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        const struct value *bound = (const void *)((const char *)s + bounds[i].bound);
        int order = bound->type == VALUE_NULL ? 0 : number_compare(number, bound);
        int relation = order < 0 ? LESS : order == 0 ? EQUAL : GREATER;
        if (bound->type == VALUE_NULL || (relation & bounds[i].allowed))
            continue;
        struct buffer text;
        buffer_init(&text, 64);
        json_append_value(&text, bound, NULL);
        fail_at(v, place, "must be %s %s", bounds[i].words, buffer_c_string(&text));
        buffer_free(&text);
        return false;
    }
    return true;
}

static bool check_number(struct validator *v, const struct schema_node *s, struct bytes text,
                         const struct value *number, const struct schema_place *place)
{
    if (!check_bounds(v, s, number, place))
        return false;
    if (s->multiple_of.data && !is_multiple(text, number, s->multiple_of))
        return fail_at(v, place, "must be a multiple of %.*s", BYTES_PRINTF(s->multiple_of));
    return true;
}

/* Strings. */

static bool check_string(struct validator *v, const struct schema_node *s, struct bytes text,
                         const struct schema_place *place)
{
    if (s->min_length < 0 && s->max_length < 0 && s->pattern == NULL)
        return true;
    struct value string = json_value(text, v->scratch);
    if (string.type != VALUE_STRING)
        return give_up(v, place, "too large");
    int64_t count = (int64_t)utf8_count(string.bytes);
    if (count < s->min_length)
        return fail_at(v, place, "has %" PRId64 " characters, at least %" PRId64 " are required",
                       count, s->min_length);
    if (s->max_length >= 0 && count > s->max_length)
        return fail_at(v, place, "has %" PRId64 " characters, at most %" PRId64 " are allowed",
                       count, s->max_length);
    if (s->pattern == NULL || regex_search(s->pattern, string.bytes))
        return true;
    return fail_at(v, place, "does not match the pattern %.*s", BYTES_PRINTF(s->pattern_text));
}

/* Arrays and objects. */

static bool check_array(struct validator *v, const struct schema_node *s, struct bytes text,
                        const struct schema_place *place)
{
    if (s->items == NULL && s->min_items < 0 && s->max_items < 0)
        return true;
    struct bytes name, item;
    struct schema_place below = {.above = place};
    for (size_t at = 0; json_next(text, &at, &name, &item); below.index++)
        if (s->items && !check_place(v, s->items, item, &below))
            return false;
    int64_t count = (int64_t)below.index;
    if (count < s->min_items)
        return fail_at(v, place, "has %" PRId64 " elements, at least %" PRId64 " are required",
                       count, s->min_items);
    if (s->max_items >= 0 && count > s->max_items)
        return fail_at(v, place, "has %" PRId64 " elements, at most %" PRId64 " are allowed", count,
                       s->max_items);
    return true;
}

static int compare_name(const void *name, const void *property)
{
    return bytes_compare(*(const struct bytes *)name,
                         ((const struct schema_property *)property)->name);
}

struct seen_properties {
    uint64_t bits[SCHEMA_MAX_REQUIRED / 64];
    int count;
};

static void mark_seen(struct seen_properties *seen, int index)
{
    uint64_t bit = (uint64_t)1 << index % 64;
    seen->count += !(seen->bits[index / 64] & bit);
    seen->bits[index / 64] |= bit;
}

static bool check_field(struct validator *v, const struct schema_node *s, struct bytes name,
                        struct bytes value, const struct schema_place *place,
                        struct seen_properties *seen)
{
    struct schema_place below = {.above = place, .name = name};
    const struct schema_property *p =
        bsearch(&name, s->properties, s->property_count, sizeof *s->properties, compare_name);
    if (p && p->required_index >= 0)
        mark_seen(seen, p->required_index);
    if (p && p->schema)
        return check_place(v, p->schema, value, &below);
    if (s->additional == NULL)
        return true;
    if (s->additional->never)
        return fail_at(v, &below, "this field is not allowed");
    return check_place(v, s->additional, value, &below);
}

static bool check_object(struct validator *v, const struct schema_node *s, struct bytes text,
                         const struct schema_place *place)
{
    if (s->property_count == 0 && s->additional == NULL)
        return true;
    struct seen_properties seen = {0};
    struct bytes raw, value;
    for (size_t at = 0; json_next(text, &at, &raw, &value);) {
        struct bytes name = json_unescape(raw, v->scratch);
        if (name.data == NULL)
            return give_up(v, place, "too large");
        if (!check_field(v, s, name, value, place, &seen))
            return false;
    }
    for (size_t i = 0; seen.count < s->required_count && i < s->property_count; i++) {
        int index = s->properties[i].required_index;
        if (index >= 0 && !(seen.bits[index / 64] >> index % 64 & 1))
            return fail_at(v, place, "the required field '%.*s' is missing",
                           BYTES_PRINTF(s->properties[i].name));
    }
    return true;
}

/* Combinations. */

static bool matches(struct validator *v, const struct schema_node *s, struct bytes text,
                    const struct schema_place *place)
{
    struct schema_failure *failure = v->failure;
    v->failure = NULL;
    bool result = check_place(v, s, text, place);
    v->failure = failure;
    return result;
}

static size_t count_matches(struct validator *v, const struct schema_list *list, struct bytes text,
                            const struct schema_place *place, size_t enough)
{
    size_t count = 0;
    for (size_t i = 0; i < list->count && count < enough && !v->gave_up; i++)
        count += matches(v, list->items[i], text, place);
    return count;
}

static const char too_much_work[] = "needs too much work or recursion to check";

static bool check_combinations(struct validator *v, const struct schema_node *s, struct bytes text,
                               const struct schema_place *place)
{
    for (size_t i = 0; i < s->all_of.count; i++)
        if (!check_place(v, s->all_of.items[i], text, place))
            return false;
    size_t any = s->any_of.count ? count_matches(v, &s->any_of, text, place, 1) : 1;
    size_t one = s->one_of.count ? count_matches(v, &s->one_of, text, place, 2) : 1;
    bool excluded = s->not_this && matches(v, s->not_this, text, place);
    if (v->gave_up)
        return fail_at(v, place, too_much_work);
    if (any == 0)
        return fail_at(v, place, "matches none of anyOf");
    if (one != 1)
        return fail_at(v, place, "matches %s of oneOf", one == 0 ? "none" : "more than one");
    return !excluded || fail_at(v, place, "matches the schema of not");
}

static bool check_content(struct validator *v, const struct schema_node *s, struct bytes text,
                          const struct schema_place *place)
{
    bool is_number = text.data[0] == '-' || (text.data[0] >= '0' && text.data[0] <= '9');
    struct value number = is_number ? json_value(text, v->scratch) : value_null();
    if (!check_type(v, s, types_of(text, &number), place) || !check_allowed(v, s, text, place))
        return false;
    if (is_number)
        return check_number(v, s, text, &number, place);
    switch (text.data[0]) {
    case '"':
        return check_string(v, s, text, place);
    case '[':
        return check_array(v, s, text, place);
    case '{':
        return check_object(v, s, text, place);
    default:
        return true;
    }
}

static bool check_place(struct validator *v, const struct schema_node *s, struct bytes text,
                        const struct schema_place *place)
{
    if (s->never)
        return fail_at(v, place, "no value is allowed here");
    if (v->gave_up || v->steps_left == 0 || v->depth == SCHEMA_MAX_RECURSION)
        return give_up(v, place, too_much_work);
    v->steps_left--;
    v->depth++;
    bool ok = check_content(v, s, text, place) && check_combinations(v, s, text, place) &&
              (s->reference == NULL || check_place(v, s->reference, text, place));
    v->depth--;
    return ok;
}

bool json_schema_accepts(const struct json_schema *schema, struct bytes document,
                         struct arena *scratch, struct schema_failure *failure)
{
    /* Enough for any schema that checks a value a few times; it stops schemas that explode. */
    struct validator v = {
        .scratch = scratch, .failure = failure, .steps_left = 10000 + 16 * document.size};
    struct schema_place root = {0};
    *failure = (struct schema_failure){{0}, {0}};
    if (!json_path(document, NULL, 0, &document) || document.size == 0)
        return fail_at(&v, &root, "empty");
    return check_place(&v, schema->root, document, &root);
}
