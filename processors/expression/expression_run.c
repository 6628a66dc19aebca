#include "processors/expression/expression_internal.h"
#include "processors/json/json.h"
#include "processors/values/utf8.h"

#include <stdarg.h>
#include <stdio.h>

bool run_fail(struct run *r, const struct node *n, const char *format, ...)
{
    char reason[256];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    message_set(r->message, "column %u: %s", n->column, reason);
    return false;
}

bool run_spend(struct run *r, const struct node *n, size_t size)
{
    if (size > EXPRESSION_MAX_STEPS - r->steps) {
        r->steps = EXPRESSION_MAX_STEPS;
        return run_fail(r, n, "more than %d steps", EXPRESSION_MAX_STEPS);
    }
    r->steps += (uint32_t)size;
    return true;
}

void *run_alloc(struct run *r, const struct node *n, size_t count, size_t size)
{
    void *memory = arena_array(r->arena, count, size);
    if (memory == NULL)
        run_fail(r, n, "the result is too large");
    return memory;
}

bool run_json(struct run *r, const struct node *n, struct bytes text, struct value *out)
{
    *out = json_value(text, r->arena);
    return !r->arena->exhausted || run_fail(r, n, "the result is too large");
}

struct value text_value(struct bytes b)
{
    if (b.data == NULL)
        return value_null();
    return (struct value){.type = utf8_valid(b) ? VALUE_STRING : VALUE_BYTES, .bytes = b};
}

static bool run_variable(struct run *r, const struct node *n, struct value *out)
{
    const struct record *record = r->input->record;
    switch (n->variable) {
    case VARIABLE_KEY:
        *out = text_value(record->key);
        return true;
    case VARIABLE_VALUE:
        if (r->input->value_is_json && record->value.data)
            return json_path(record->value, NULL, 0, &out->bytes) &&
                   run_json(r, n, out->bytes, out);
        *out = text_value(record->value);
        return true;
    case VARIABLE_TIMESTAMP:
        *out = (struct value){.type = VALUE_TIMESTAMP, .integer = record->timestamp};
        return true;
    case VARIABLE_PARTITION:
        *out = value_int(r->input->partition);
        return true;
    case VARIABLE_OFFSET:
        *out = value_int(record->offset);
        return true;
    case VARIABLE_TOPIC:
        *out = value_string(r->input->topic);
        return true;
    }
    return run_fail(r, n, "no such variable");
}

/* The text at a path of the record. */
static bool find_path(const struct run *r, const struct node *n, struct bytes *text)
{
    struct bytes document = r->input->record->value;
    return r->input->value_is_json && document.data &&
           json_path(document, n->path, n->path_depth, text);
}

static bool run_path(struct run *r, const struct node *n, struct value *out)
{
    struct bytes text;
    if (find_path(r, n, &text))
        return run_json(r, n, text, out);
    *out = value_null();
    return true;
}

bool run_raw_text(struct run *r, const struct node *n, struct bytes *out)
{
    if (n->kind == NODE_PATH)
        return find_path(r, n, out);
    struct value container;
    return n->kind == NODE_FIELD && run_node(r, n->first, &container) &&
           container.type == VALUE_JSON && json_field(container.bytes, n->name, out);
}

/* Field, index and path with the answer whether it is there. */
static bool run_access(struct run *r, const struct node *n, struct value *out, bool *present)
{
    struct value container, index;
    switch (n->kind) {
    case NODE_PATH: {
        struct bytes text;
        *present = find_path(r, n, &text);
        *out = value_null();
        return !*present || run_json(r, n, text, out);
    }
    case NODE_FIELD:
        return run_node(r, n->first, &container) &&
               access_field(r, n, &container, n->name, out, present);
    case NODE_INDEX:
        return run_node(r, n->first, &container) && run_node(r, n->first->next, &index) &&
               access_index(r, n, &container, &index, out, present);
    default:
        if (!run_node(r, n, out))
            return false;
        *present = out->type != VALUE_NULL;
        return true;
    }
}

/* Collections. */

static bool run_list(struct run *r, const struct node *n, struct value *out)
{
    struct value *items = run_alloc(r, n, n->child_count, sizeof *items);
    if (items == NULL)
        return false;
    size_t i = 0;
    for (const struct node *child = n->first; child; child = child->next)
        if (!run_node(r, child, &items[i++]))
            return false;
    *out = (struct value){.type = VALUE_LIST, .list = {items, n->child_count}};
    return true;
}

static bool run_map(struct run *r, const struct node *n, struct value *out)
{
    struct value_entry *entries = run_alloc(r, n, n->child_count, sizeof *entries);
    if (entries == NULL)
        return false;
    size_t i = 0;
    for (const struct node *child = n->first; child; child = child->next, i++) {
        entries[i].name = child->name;
        if (!run_node(r, child, &entries[i].value))
            return false;
    }
    *out = (struct value){.type = VALUE_MAP, .map = {entries, n->child_count}};
    return true;
}

/* Conditions. Null, a missing field, is false. */

static bool run_condition(struct run *r, const struct node *n, bool *out)
{
    struct value v;
    *out = false;
    if (!run_node(r, n, &v))
        return false;
    if (v.type != VALUE_BOOL && v.type != VALUE_NULL)
        return run_fail(r, n, "a condition must be a bool, not %s", value_type_name(&v));
    *out = v.type == VALUE_BOOL && v.boolean;
    return true;
}

/* || and &&: an operand that decides does so even when others fail, as in CEL. */
static bool run_decision(struct run *r, const struct node *n, bool deciding, struct value *out)
{
    bool failed = false, v;
    for (const struct node *child = n->first; child; child = child->next) {
        if (!run_condition(r, child, &v)) {
            failed = true;
        } else if (v == deciding) {
            *out = value_bool(deciding);
            return true;
        }
    }
    *out = value_bool(!deciding);
    return !failed;
}

static bool run_choice(struct run *r, const struct node *n, struct value *out)
{
    bool condition;
    if (!run_condition(r, n->first, &condition))
        return false;
    const struct node *then = n->first->next;
    return run_node(r, condition ? then : then->next, out);
}

static bool run_coalesce(struct run *r, const struct node *n, struct value *out)
{
    for (const struct node *child = n->first; child; child = child->next) {
        if (!run_node(r, child, out))
            return false;
        if (out->type != VALUE_NULL)
            break;
    }
    return true;
}

static bool run_chain(struct run *r, const struct node *n, struct value *out)
{
    struct value left, right;
    if (!run_node(r, n->first, &left))
        return false;
    for (const struct node *child = n->first->next; child; child = child->next) {
        if (!run_node(r, child, &right) || !operate(r, n, child->joined_by, &left, &right, out))
            return false;
        left = *out;
    }
    return true;
}

static bool run_relation(struct run *r, const struct node *n, struct value *out)
{
    struct value a, b;
    bool result;
    if (!run_node(r, n->first, &a) || !run_node(r, n->first->next, &b) ||
        !relate(r, n, &a, &b, &result))
        return false;
    *out = value_bool(result);
    return true;
}

/* Macros. */

/* The list of a macro. A missing one (null) has no elements; *missing tells. */
static bool run_macro_list(struct run *r, const struct node *n, struct value *list, bool *missing)
{
    if (!run_node(r, n->first, list))
        return false;
    *missing = list->type == VALUE_NULL;
    return *missing || value_is_list(list) ||
           run_fail(r, n, "a list is needed, not %s", value_type_name(list));
}

/* exists and all are || and && over the elements, with the same rule for errors; of a missing list
 * both are false, as a comparison with a missing field is. */
static bool run_quantifier(struct run *r, const struct node *n, bool deciding, struct value *out)
{
    struct value list;
    bool missing, failed = false, v;
    if (!run_macro_list(r, n, &list, &missing))
        return false;
    struct list_walk walk = {.list = &list};
    *out = value_bool(missing ? false : !deciding);
    while (!missing && list_next(r, &walk, &r->locals[n->local])) {
        if (!run_condition(r, n->last, &v)) {
            failed = true;
        } else if (v == deciding) {
            *out = value_bool(deciding);
            return true;
        }
    }
    return !failed;
}

/* filter and map: the condition is optional in map, the result is the element in filter. */
static bool run_selection(struct run *r, const struct node *n, struct value *out)
{
    struct value list;
    bool missing;
    if (!run_macro_list(r, n, &list, &missing))
        return false;
    *out = value_null();
    if (missing)
        return true;
    const struct node *condition =
        n->kind == NODE_FILTER || n->child_count == 3 ? n->first->next : NULL;
    const struct node *result = n->kind == NODE_FILTER ? NULL : n->last;
    size_t max = list_count(&list), count = 0;
    if (!run_spend(r, n, max))
        return false;
    struct value *items = run_alloc(r, n, max, sizeof *items);
    if (items == NULL)
        return false;
    struct list_walk walk = {.list = &list};
    while (count < max && list_next(r, &walk, &r->locals[n->local])) {
        bool take = true;
        if (condition && !run_condition(r, condition, &take))
            return false;
        items[count] = r->locals[n->local];
        if (take && result && !run_node(r, result, &items[count]))
            return false;
        count += take;
    }
    *out = (struct value){.type = VALUE_LIST, .list = {items, count}};
    return true;
}

static bool run_not(struct run *r, const struct node *n, struct value *out)
{
    bool v;
    if (!run_condition(r, n->first, &v))
        return false;
    *out = value_bool(!v);
    return true;
}

static bool run_has(struct run *r, const struct node *n, struct value *out)
{
    struct value v;
    bool present;
    if (!run_access(r, n->first, &v, &present))
        return false;
    *out = value_bool(present);
    return true;
}

bool run_node(struct run *r, const struct node *n, struct value *out)
{
    bool present;
    if (!run_spend(r, n, 1))
        return false;
    switch (n->kind) {
    case NODE_CONSTANT:
        *out = n->constant;
        return true;
    case NODE_VARIABLE:
        return run_variable(r, n, out);
    case NODE_LOCAL:
        *out = r->locals[n->local];
        return true;
    case NODE_PATH:
        return run_path(r, n, out);
    case NODE_FIELD:
    case NODE_INDEX:
        return run_access(r, n, out, &present);
    case NODE_LIST:
        return run_list(r, n, out);
    case NODE_MAP:
        return run_map(r, n, out);
    case NODE_NOT:
        return run_not(r, n, out);
    case NODE_NEGATE:
        return run_node(r, n->first, out) && negate(r, n, out);
    case NODE_OR:
        return run_decision(r, n, true, out);
    case NODE_AND:
        return run_decision(r, n, false, out);
    case NODE_CHAIN:
        return run_chain(r, n, out);
    case NODE_RELATION:
        return run_relation(r, n, out);
    case NODE_CHOOSE:
        return run_choice(r, n, out);
    case NODE_CALL:
        return function_call(r, n, out);
    case NODE_HAS:
        return run_has(r, n, out);
    case NODE_COALESCE:
        return run_coalesce(r, n, out);
    case NODE_EXISTS:
        return run_quantifier(r, n, true, out);
    case NODE_ALL:
        return run_quantifier(r, n, false, out);
    case NODE_FILTER:
    case NODE_MAP_EACH:
        return run_selection(r, n, out);
    }
    return run_fail(r, n, "no such operation");
}

enum error expression_run(const struct expression *e, const struct expression_input *input,
                          struct arena *arena, struct value *out, struct message *message)
{
    struct run r; /* the slots of the locals are written before they are read */
    r.input = input;
    r.arena = arena;
    r.message = message;
    r.steps = 0;
    if (!run_node(&r, e->root, out))
        return ERR_INVALID;
    /* A value that did not fit anymore may have been taken for null on the way. */
    return !arena->exhausted || run_fail(&r, e->root, "too large") ? ERR_OK : ERR_INVALID;
}

enum error expression_test(const struct expression *e, const struct expression_input *input,
                           struct arena *arena, bool *out, struct message *message)
{
    struct value v;
    *out = false;
    enum error error = expression_run(e, input, arena, &v, message);
    if (error != ERR_OK || v.type == VALUE_NULL)
        return error;
    if (v.type != VALUE_BOOL) {
        message_set(message, "the condition gives %s, not a bool", value_type_name(&v));
        return ERR_INVALID;
    }
    *out = v.boolean;
    return ERR_OK;
}
