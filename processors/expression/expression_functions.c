#include "base/compiler.h"
#include "processors/expression/expression_internal.h"

#include "processors/json/json.h"
#include "processors/time/civil_time.h"

static const struct function functions[] = {
    {"header", "header(name)", 1, 1, NULL_GIVES_NULL, function_header, NULL},
    {"size", "size(text, list or map)", 1, 1, NULL_GIVES_NULL, function_size, NULL},
    {"int", "int(x)", 1, 1, NULL_GIVES_NULL, function_to_int, NULL},
    {"double", "double(x)", 1, 1, NULL_GIVES_NULL, function_to_double, NULL},
    {"string", "string(x)", 1, 1, NULL_GIVES_NULL, function_to_string, NULL},
    {"bool", "bool(x)", 1, 1, NULL_GIVES_NULL, function_to_bool, NULL},
    {"timestamp", "timestamp(x)", 1, 1, NULL_GIVES_NULL, function_to_timestamp, NULL},
    {"duration", "duration(x)", 1, 1, NULL_GIVES_NULL, function_to_duration, NULL},
    {"startsWith", "startsWith(text, prefix)", 2, 2, NULL_GIVES_FALSE, function_starts_with, NULL},
    {"endsWith", "endsWith(text, suffix)", 2, 2, NULL_GIVES_FALSE, function_ends_with, NULL},
    {"contains", "contains(text, part)", 2, 2, NULL_GIVES_FALSE, function_contains, NULL},
    {"matches", "matches(text, pattern)", 2, 2, NULL_GIVES_FALSE, function_matches,
     prepare_matches},
    {"lower", "lower(text)", 1, 1, NULL_GIVES_NULL, function_lower, NULL},
    {"upper", "upper(text)", 1, 1, NULL_GIVES_NULL, function_upper, NULL},
    {"trim", "trim(text)", 1, 1, NULL_GIVES_NULL, function_trim, NULL},
    {"split", "split(text, separator)", 2, 2, NULL_GIVES_NULL, function_split, NULL},
    {"join", "join(list, separator)", 1, 2, NULL_GIVES_NULL, function_join, NULL},
    {"substr", "substr(text, start, length)", 2, 3, NULL_GIVES_NULL, function_substr, NULL},
    {"replace", "replace(text, from, to)", 3, 3, NULL_GIVES_NULL, function_replace, NULL},
    {"year", "year(timestamp, zone)", 1, 2, NULL_GIVES_NULL, function_year, prepare_zone},
    {"month", "month(timestamp, zone)", 1, 2, NULL_GIVES_NULL, function_month, prepare_zone},
    {"day", "day(timestamp, zone)", 1, 2, NULL_GIVES_NULL, function_day, prepare_zone},
    {"hour", "hour(timestamp, zone)", 1, 2, NULL_GIVES_NULL, function_hour, prepare_zone},
    {"geo_distance", "geo_distance(latitude, longitude, latitude, longitude)", 4, 4,
     NULL_GIVES_NULL, function_geo_distance, NULL},
    {"decimal", "decimal(x, precision, scale)", 3, 3, NULL_GIVES_NULL, function_to_decimal,
     prepare_decimal},
    {"hash", "hash(x)", 1, 1, NULL_GIVES_NULL, function_hash, NULL},
    {"mask", "mask(text, keepLast)", 2, 2, NULL_GIVES_NULL, function_mask, NULL},
};

static const char *const names[] = {
    "header",   "size",       "int",          "double",   "string",  "bool",  "timestamp",
    "duration", "startsWith", "endsWith",     "contains", "matches", "lower", "upper",
    "trim",     "split",      "join",         "substr",   "replace", "year",  "month",
    "day",      "hour",       "geo_distance", "decimal",  "hash",    "mask",  "has",
    "coalesce", "exists",     "all",          "map",      "filter",  NULL,
};
_Static_assert(COUNT_OF(names) == COUNT_OF(functions) + 7, "has, coalesce, four macros, the end");

const struct function *function_find(struct bytes name)
{
    for (size_t i = 0; i < COUNT_OF(functions); i++)
        if (bytes_equal_string(name, functions[i].name))
            return &functions[i];
    return NULL;
}

const char *const *function_names(void)
{
    return names;
}

bool function_call(struct evaluation *ev, const struct expression_node *n, struct value *out)
{
    const struct function *f = n->function;
    struct call c;
    c.evaluation = ev;
    c.node = n;
    c.count = 0;
    ASSERT(n->child_count <= EXPRESSION_MAX_ARGUMENTS);
    bool has_null = false;
    for (const struct expression_node *child = n->first; child; child = child->next) {
        if (!evaluate_node(ev, child, &c.arguments[c.count]))
            return false;
        has_null |= c.arguments[c.count++].type == VALUE_NULL;
    }
    if (!has_null)
        return f->call(&c, out);
    *out = f->null_rule == NULL_GIVES_FALSE ? value_bool(false) : value_null();
    return true;
}

bool call_fail_type(struct call *c, size_t argument, const char *expected)
{
    return evaluation_fail(c->evaluation, c->node, "%s needs %s, not %s", c->node->function->name,
                           expected, value_type_name(&c->arguments[argument]));
}

/* Seconds with up to three decimals, as CEL prints durations. */
static void append_duration(struct buffer *out, int64_t ms)
{
    struct value seconds = {.type = VALUE_DECIMAL, .decimal = {.unscaled = ms, .scale = 3}};
    json_append_value(out, &seconds, NULL);
    buffer_append_u8(out, 's');
}

bool text_of(struct call *c, const struct value *v, struct bytes *out)
{
    if (v->type == VALUE_STRING) {
        *out = v->bytes;
        return true;
    }
    if (v->type == VALUE_BYTES)
        return evaluation_fail(c->evaluation, c->node, "%s needs text, but the bytes are not UTF-8",
                               c->node->function->name);
    struct buffer text;
    buffer_init(&text, c->evaluation->arena->max);
    if (v->type == VALUE_TIMESTAMP)
        rfc3339_append(&text, v->integer);
    else if (v->type == VALUE_DURATION)
        append_duration(&text, v->integer);
    else
        json_append_value(&text, v, c->evaluation->arena);
    *out = text.overflowed ? BYTES_NULL : arena_copy(c->evaluation->arena, buffer_view(&text));
    buffer_free(&text);
    if (out->data == NULL)
        return evaluation_fail(c->evaluation, c->node, "the result is too large");
    return evaluation_spend(c->evaluation, c->node, out->size / 64);
}

bool function_header(struct call *c, struct value *out)
{
    struct record_header header;
    if (c->arguments[0].type != VALUE_STRING)
        return call_fail_type(c, 0, "a name");
    *out = value_null();
    if (record_header_find(c->evaluation->input->record, c->arguments[0].bytes, &header))
        *out = text_value(header.value);
    return true;
}
