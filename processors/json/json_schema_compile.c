#include "base/suggest.h"
#include "base/units.h"
#include "processors/json/json.h"
#include "processors/json/json_schema_internal.h"
#include "processors/values/number.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_COMPILED_SIZE = 16 << 20, MAX_DEPTH = 128 };

static const struct schema_node *compile_schema(struct schema_compiler *c, struct bytes text);

bool schema_refuse(struct schema_compiler *c, const char *format, ...)
{
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    message_set(c->message, "schema at #%s: %s", c->place, reason);
    return false;
}

void *schema_allocate(struct schema_compiler *c, size_t count, size_t size)
{
    void *memory = arena_array(c->arena, count, size);
    if (memory == NULL)
        schema_refuse(c, "too large");
    return memory;
}

/* Compiles the schema at a name (or, if that is null, an index) below the current schema. */
static const struct schema_node *compile_below(struct schema_compiler *c, const char *keyword,
                                               struct bytes name, size_t index, struct bytes text)
{
    size_t size = strlen(c->place), room = sizeof c->place - size;
    if (name.data)
        snprintf(c->place + size, room, "/%s/%.*s", keyword, BYTES_PRINTF(name));
    else if (index != SIZE_MAX)
        snprintf(c->place + size, room, "/%s/%zu", keyword, index);
    else
        snprintf(c->place + size, room, "/%s", keyword);
    const struct schema_node *schema = compile_schema(c, text);
    if (schema)
        c->place[size] = '\0';
    return schema;
}

static bool compile_one(struct schema_compiler *c, struct schema_node *s,
                        const struct schema_keyword *k, struct bytes text)
{
    const struct schema_node *below = compile_below(c, k->name, BYTES_NULL, SIZE_MAX, text);
    *(const struct schema_node **)schema_member(s, k) = below;
    return below != NULL;
}

static bool compile_list(struct schema_compiler *c, struct schema_node *s,
                         const struct schema_keyword *k, struct bytes text)
{
    struct schema_list *list = schema_member(s, k);
    size_t count = schema_count_items(text);
    if (text.data[0] != '[' || count == 0)
        return schema_refuse(c, "%s must be a list of schemas", k->name);
    list->items = schema_allocate(c, count, sizeof *list->items);
    if (list->items == NULL)
        return false;
    struct bytes name, item;
    for (size_t at = 0; json_next(text, &at, &name, &item); list->count++) {
        list->items[list->count] = compile_below(c, k->name, BYTES_NULL, list->count, item);
        if (list->items[list->count] == NULL)
            return false;
    }
    return true;
}

static struct schema_property *find_property(struct schema_node *s, struct bytes name)
{
    for (size_t i = 0; i < s->property_count; i++)
        if (bytes_equal(s->properties[i].name, name))
            return &s->properties[i];
    return NULL;
}

/* The entry of a name, made if absent. There is room: see reserve_properties. */
static struct schema_property *add_property(struct schema_node *s, struct bytes name)
{
    struct schema_property *p = find_property(s, name);
    if (p == NULL) {
        p = &s->properties[s->property_count++];
        *p = (struct schema_property){.name = name, .required_index = -1};
    }
    return p;
}

static bool compile_properties(struct schema_compiler *c, struct schema_node *s,
                               const struct schema_keyword *k, struct bytes text)
{
    if (text.data[0] != '{')
        return schema_refuse(c, "properties must be an object");
    struct bytes name, below;
    for (size_t at = 0; json_next(text, &at, &name, &below);) {
        name = json_unescape(name, c->arena);
        struct schema_property *p = name.data ? add_property(s, name) : NULL;
        const struct schema_node *schema = compile_below(c, k->name, name, 0, below);
        if (p == NULL || schema == NULL)
            return false;
        if (p->schema == NULL)
            p->schema = schema;
    }
    return true;
}

static bool compile_required(struct schema_compiler *c, struct schema_node *s,
                             const struct schema_keyword *k, struct bytes text)
{
    (void)k;
    struct bytes ignored, item;
    if (text.data[0] != '[')
        return schema_refuse(c, "required must be a list of names");
    for (size_t at = 0; json_next(text, &at, &ignored, &item);) {
        struct bytes name = schema_string(c, item);
        if (name.data == NULL)
            return schema_refuse(c, "required must be a list of names");
        struct schema_property *p = add_property(s, name);
        if (p->required_index < 0)
            p->required_index = s->required_count++;
    }
    return s->required_count <= SCHEMA_MAX_REQUIRED ||
           schema_refuse(c, "more than %d required fields", SCHEMA_MAX_REQUIRED);
}

/* One step of a JSON pointer, with ~0 and ~1 resolved. */
static struct bytes pointer_step(struct schema_compiler *c, struct bytes raw)
{
    uint8_t *step = arena_alloc(c->arena, raw.size);
    size_t size = 0;
    for (size_t i = 0; step && i < raw.size; i++) {
        bool is_escape = raw.data[i] == '~' && i + 1 < raw.size;
        step[size++] = !is_escape ? raw.data[i] : raw.data[i + 1] == '1' ? '/' : '~';
        i += is_escape;
    }
    return bytes_of(step, size);
}

static bool resolve_pointer(struct schema_compiler *c, struct bytes pointer, struct bytes *text)
{
    *text = c->root;
    while (pointer.size > 0 && pointer.data[0] == '/') {
        pointer = bytes_from(pointer, 1);
        const uint8_t *slash = memchr(pointer.data, '/', pointer.size);
        size_t size = slash ? (size_t)(slash - pointer.data) : pointer.size;
        struct bytes step = pointer_step(c, bytes_of(pointer.data, size));
        int64_t index;
        if (!json_field(*text, step, text) &&
            (!parse_i64(step, &index) || index < 0 || !json_element(*text, (size_t)index, text)))
            return false;
        pointer = bytes_from(pointer, size);
    }
    return pointer.size == 0;
}

static bool compile_reference(struct schema_compiler *c, struct schema_node *s,
                              const struct schema_keyword *k, struct bytes text)
{
    (void)k;
    struct bytes reference = schema_string(c, text), target;
    if (reference.data == NULL || reference.size == 0 || reference.data[0] != '#')
        return schema_refuse(c, "$ref must point into this schema, such as #/$defs/name");
    if (!resolve_pointer(c, bytes_from(reference, 1), &target))
        return schema_refuse(c, "$ref '%.*s' does not exist", BYTES_PRINTF(reference));
    s->reference = compile_below(c, "$ref", BYTES_NULL, SIZE_MAX, target);
    return s->reference != NULL;
}

/* Compiles every definition in its place too, so that a wrong one is refused even if unused. */
static bool compile_definitions(struct schema_compiler *c, struct schema_node *s,
                                const struct schema_keyword *k, struct bytes text)
{
    (void)s;
    if (text.data[0] != '{')
        return schema_refuse(c, "%s must be an object", k->name);
    struct bytes name, below;
    for (size_t at = 0; json_next(text, &at, &name, &below);)
        if (compile_below(c, k->name, name, 0, below) == NULL)
            return false;
    return true;
}

static bool ignore(struct schema_compiler *c, struct schema_node *s, const struct schema_keyword *k,
                   struct bytes text)
{
    (void)c, (void)s, (void)k, (void)text;
    return true;
}

static const struct schema_keyword keywords[] = {
    {"type", schema_compile_type, 0},
    {"enum", schema_compile_enum, 0},
    {"const", schema_compile_const, 0},
    {"minimum", schema_compile_bound, offsetof(struct schema_node, minimum)},
    {"maximum", schema_compile_bound, offsetof(struct schema_node, maximum)},
    {"exclusiveMinimum", schema_compile_bound, offsetof(struct schema_node, above)},
    {"exclusiveMaximum", schema_compile_bound, offsetof(struct schema_node, below)},
    {"multipleOf", schema_compile_multiple, 0},
    {"minLength", schema_compile_count, offsetof(struct schema_node, min_length)},
    {"maxLength", schema_compile_count, offsetof(struct schema_node, max_length)},
    {"pattern", schema_compile_pattern, 0},
    {"properties", compile_properties, 0},
    {"required", compile_required, 0},
    {"additionalProperties", compile_one, offsetof(struct schema_node, additional)},
    {"items", compile_one, offsetof(struct schema_node, items)},
    {"minItems", schema_compile_count, offsetof(struct schema_node, min_items)},
    {"maxItems", schema_compile_count, offsetof(struct schema_node, max_items)},
    {"allOf", compile_list, offsetof(struct schema_node, all_of)},
    {"anyOf", compile_list, offsetof(struct schema_node, any_of)},
    {"oneOf", compile_list, offsetof(struct schema_node, one_of)},
    {"not", compile_one, offsetof(struct schema_node, not_this)},
    {"$ref", compile_reference, 0},
    {"$defs", compile_definitions, 0},
    {"definitions", compile_definitions, 0},
    /* Annotations. */
    {"title", ignore, 0},
    {"description", ignore, 0},
    {"default", ignore, 0},
    {"examples", ignore, 0},
    {"format", ignore, 0},
    {"deprecated", ignore, 0},
    {"readOnly", ignore, 0},
    {"writeOnly", ignore, 0},
    {"$schema", ignore, 0},
    {"$id", ignore, 0},
    {"$comment", ignore, 0},
};

static const struct schema_keyword *find_keyword(struct schema_compiler *c, struct bytes name)
{
    const char *names[COUNT_OF(keywords) + 1] = {NULL};
    for (size_t i = 0; i < COUNT_OF(keywords); i++) {
        if (bytes_equal_string(name, keywords[i].name))
            return &keywords[i];
        names[i] = keywords[i].name;
    }
    const char *near = suggest(name, names);
    schema_refuse(c, "keyword '%.*s' is not supported%s%s%s", BYTES_PRINTF(name),
                  near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return NULL;
}

static int compare_properties(const void *a, const void *b)
{
    const struct schema_property *x = a, *y = b;
    return bytes_compare(x->name, y->name);
}

/* Makes room for every name in `properties` and `required`. */
static bool reserve_properties(struct schema_compiler *c, struct schema_node *s, struct bytes text)
{
    struct bytes properties = BYTES_NULL, required = BYTES_NULL;
    size_t count = 0;
    if (json_field(text, BYTES_LITERAL("properties"), &properties))
        count += schema_count_items(properties);
    if (json_field(text, BYTES_LITERAL("required"), &required))
        count += schema_count_items(required);
    s->properties = schema_allocate(c, count, sizeof *s->properties);
    return s->properties != NULL;
}

static bool compile_keywords(struct schema_compiler *c, struct schema_node *s, struct bytes text)
{
    struct bytes raw, value, first;
    if (!reserve_properties(c, s, text))
        return false;
    for (size_t at = 0; json_next(text, &at, &raw, &value);) {
        struct bytes name = json_unescape(raw, c->arena);
        const struct schema_keyword *k = name.data ? find_keyword(c, name) : NULL;
        if (k == NULL)
            return false;
        if (json_field(text, name, &first) && first.data != value.data)
            return schema_refuse(c, "%s occurs twice", k->name);
        if (!k->compile(c, s, k, value))
            return false;
    }
    qsort(s->properties, s->property_count, sizeof *s->properties, compare_properties);
    return true;
}

static struct schema_node *new_schema(struct schema_compiler *c, struct bytes text)
{
    struct schema_node *s = schema_allocate(c, 1, sizeof *s);
    struct schema_met *met = s ? schema_allocate(c, 1, sizeof *met) : NULL;
    if (met == NULL)
        return NULL;
    s->min_length = s->max_length = s->min_items = s->max_items = -1;
    *met = (struct schema_met){text.data, s, c->met};
    c->met = met;
    return s;
}

static const struct schema_node *compile_schema(struct schema_compiler *c, struct bytes text)
{
    for (const struct schema_met *met = c->met; met; met = met->next)
        if (met->text == text.data)
            return met->schema;
    struct schema_node *s = new_schema(c, text);
    if (s == NULL)
        return NULL;
    if (text.data[0] == 't' || text.data[0] == 'f') {
        s->never = text.data[0] == 'f';
        return s;
    }
    if (text.data[0] != '{') {
        schema_refuse(c, "a schema must be an object, true or false");
        return NULL;
    }
    if (++c->depth > MAX_DEPTH) {
        schema_refuse(c, "nested more than %d levels deep", MAX_DEPTH);
        return NULL;
    }
    bool ok = compile_keywords(c, s, text);
    c->depth--;
    return ok ? s : NULL;
}

static bool trim_and_check(struct bytes *text, struct message *message)
{
    size_t at;
    const char *reason =
        text->size > JSON_SCHEMA_MAX_TEXT ? "larger than 64 KiB" : json_check(*text, &at);
    if (reason == NULL)
        return json_path(*text, NULL, 0, text);
    if (text->size > JSON_SCHEMA_MAX_TEXT)
        message_set(message, "the schema is %s", reason);
    else
        message_set(message, "the schema is not valid JSON: at byte %zu: %s", at + 1, reason);
    return false;
}

enum error json_schema_compile(struct bytes text, struct json_schema **out, struct message *message)
{
    *out = NULL;
    if (!trim_and_check(&text, message))
        return ERR_INVALID;
    struct json_schema *schema = xcalloc(1, sizeof *schema);
    arena_init(&schema->arena, MAX_COMPILED_SIZE);
    struct schema_compiler c = {
        .root = arena_copy(&schema->arena, text), .arena = &schema->arena, .message = message};
    schema->root = compile_schema(&c, c.root);
    if (schema->root == NULL) {
        json_schema_free(schema);
        return ERR_INVALID;
    }
    *out = schema;
    return ERR_OK;
}

void json_schema_free(struct json_schema *schema)
{
    if (schema == NULL)
        return;
    struct arena arena = schema->arena;
    free(schema);
    arena_free(&arena);
}
