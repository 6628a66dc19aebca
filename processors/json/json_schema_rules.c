/* The keywords that check a value by itself and have no schemas below them. */
#include "processors/json/json.h"
#include "processors/json/json_schema_internal.h"
#include "processors/values/number.h"

#include <stdlib.h>

void *schema_member(struct schema_node *s, const struct schema_keyword *k)
{
    return (char *)s + k->member;
}

struct bytes schema_string(struct schema_compiler *c, struct bytes text)
{
    if (text.data[0] != '"')
        return BYTES_NULL;
    return json_value(text, c->arena).bytes;
}

size_t schema_count_items(struct bytes array)
{
    struct bytes name, item;
    size_t count = 0;
    for (size_t at = 0; json_next(array, &at, &name, &item);)
        count++;
    return count;
}

static const struct {
    const char *name;
    enum schema_type type;
} types[] = {
    {"null", TYPE_NULL},     {"boolean", TYPE_BOOLEAN}, {"integer", TYPE_INTEGER},
    {"number", TYPE_NUMBER}, {"string", TYPE_STRING},   {"array", TYPE_ARRAY},
    {"object", TYPE_OBJECT},
};

static bool add_type(struct schema_compiler *c, struct schema_node *s, struct bytes text)
{
    struct bytes name = schema_string(c, text);
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (name.data && bytes_equal_string(name, types[i].name)) {
            s->types |= types[i].type;
            return true;
        }
    return schema_refuse(
        c, "type must be null, boolean, integer, number, string, array or object, or a "
           "list of these");
}

bool schema_compile_type(struct schema_compiler *c, struct schema_node *s,
                         const struct schema_keyword *k, struct bytes text)
{
    (void)k;
    if (text.data[0] != '[')
        return add_type(c, s, text);
    struct bytes name, item;
    for (size_t at = 0; json_next(text, &at, &name, &item);)
        if (!add_type(c, s, item))
            return false;
    return s->types != 0 || schema_refuse(c, "type is an empty list");
}

static bool canonical(struct schema_compiler *c, struct bytes text, struct bytes *out)
{
    struct buffer json;
    buffer_init(&json, JSON_SCHEMA_MAX_TEXT * 2);
    struct value v = json_value(text, c->arena);
    json_append_value(&json, &v, c->arena);
    *out = json.overflowed ? BYTES_NULL : arena_copy(c->arena, buffer_view(&json));
    buffer_free(&json);
    return out->data || schema_refuse(c, "too large");
}

int schema_order(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

bool schema_compile_enum(struct schema_compiler *c, struct schema_node *s,
                         const struct schema_keyword *k, struct bytes text)
{
    (void)k;
    if (text.data[0] != '[')
        return schema_refuse(c, "enum must be a list");
    s->has_allowed = true;
    s->allowed = schema_allocate(c, schema_count_items(text), sizeof *s->allowed);
    if (s->allowed == NULL)
        return false;
    struct bytes name, item;
    for (size_t at = 0; json_next(text, &at, &name, &item);)
        if (!canonical(c, item, &s->allowed[s->allowed_count++]))
            return false;
    qsort(s->allowed, s->allowed_count, sizeof *s->allowed, schema_order);
    return true;
}

bool schema_compile_const(struct schema_compiler *c, struct schema_node *s,
                          const struct schema_keyword *k, struct bytes text)
{
    (void)k;
    return canonical(c, text, &s->constant);
}

static bool is_number(const struct value *v)
{
    return v->type == VALUE_INT || v->type == VALUE_DOUBLE || v->type == VALUE_DECIMAL;
}

bool schema_compile_bound(struct schema_compiler *c, struct schema_node *s,
                          const struct schema_keyword *k, struct bytes text)
{
    struct value v = json_value(text, c->arena);
    *(struct value *)schema_member(s, k) = v;
    return is_number(&v) || schema_refuse(c, "%s must be a number", k->name);
}

bool schema_compile_multiple(struct schema_compiler *c, struct schema_node *s,
                             const struct schema_keyword *k, struct bytes text)
{
    (void)k;
    struct value v = json_value(text, c->arena);
    s->multiple_of = text;
    return (is_number(&v) && number_real(&v) > 0) ||
           schema_refuse(c, "multipleOf must be a number above zero");
}

bool schema_compile_count(struct schema_compiler *c, struct schema_node *s,
                          const struct schema_keyword *k, struct bytes text)
{
    struct value v = json_value(text, c->arena);
    if (v.type == VALUE_DOUBLE && v.real >= 0 && v.real < 1e15 && v.real == (double)(int64_t)v.real)
        v = (struct value){.type = VALUE_INT, .integer = (int64_t)v.real};
    *(int64_t *)schema_member(s, k) = v.integer;
    return (v.type == VALUE_INT && v.integer >= 0) ||
           schema_refuse(c, "%s must be an integer from 0", k->name);
}

bool schema_compile_pattern(struct schema_compiler *c, struct schema_node *s,
                            const struct schema_keyword *k, struct bytes text)
{
    (void)k;
    struct message message;
    s->pattern_text = schema_string(c, text);
    if (s->pattern_text.data == NULL)
        return schema_refuse(c, "pattern must be a string");
    return regex_compile(s->pattern_text, c->arena, &s->pattern, &message) == ERR_OK ||
           schema_refuse(c, "%s", message.text);
}
