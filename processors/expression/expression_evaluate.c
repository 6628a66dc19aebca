#include "base/compiler.h"
#include "processors/expression/expression_internal.h"
#include "processors/json/json.h"
#include "processors/values/utf8.h"

#include <stdarg.h>
#include <stdio.h>

bool evaluation_fail(struct evaluation *ev, const struct expression_node *n, const char *format,
                     ...)
{
    char reason[256];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    message_set(ev->message, "column %u: %s", n->column, reason);
    return false;
}

bool evaluation_spend(struct evaluation *ev, const struct expression_node *n, size_t size)
{
    ASSERT(ev->steps <= EXPRESSION_MAX_STEPS);
    if (size > EXPRESSION_MAX_STEPS - ev->steps) {
        ev->steps = EXPRESSION_MAX_STEPS;
        return evaluation_fail(ev, n, "more than %d steps", EXPRESSION_MAX_STEPS);
    }
    ev->steps += (uint32_t)size;
    return true;
}

void *evaluation_alloc(struct evaluation *ev, const struct expression_node *n, size_t count,
                       size_t size)
{
    void *memory = arena_array(ev->arena, count, size);
    if (memory == NULL)
        evaluation_fail(ev, n, "the result is too large");
    return memory;
}

bool evaluate_json(struct evaluation *ev, const struct expression_node *n, struct bytes text,
                   struct value *out)
{
    *out = json_value(text, ev->arena);
    return !ev->arena->exhausted || evaluation_fail(ev, n, "the result is too large");
}

struct value text_value(struct bytes b)
{
    if (b.data == NULL)
        return value_null();
    return (struct value){.type = utf8_valid(b) ? VALUE_STRING : VALUE_BYTES, .bytes = b};
}

static bool evaluate_variable(struct evaluation *ev, const struct expression_node *n,
                              struct value *out)
{
    const struct record *record = ev->input->record;
    switch (n->variable) {
    case VARIABLE_KEY:
        *out = text_value(record->key);
        return true;
    case VARIABLE_VALUE:
        if (ev->input->value_is_json && record->value.data)
            return json_path(record->value, NULL, 0, &out->bytes) &&
                   evaluate_json(ev, n, out->bytes, out);
        *out = text_value(record->value);
        return true;
    case VARIABLE_TIMESTAMP:
        *out = (struct value){.type = VALUE_TIMESTAMP, .integer = record->timestamp};
        return true;
    case VARIABLE_PARTITION:
        *out = value_int(ev->input->partition);
        return true;
    case VARIABLE_OFFSET:
        *out = value_int(record->offset);
        return true;
    case VARIABLE_TOPIC:
        *out = value_string(ev->input->topic);
        return true;
    }
    return evaluation_fail(ev, n, "no such variable");
}

/* The text at a path of the record. */
static bool find_path(const struct evaluation *ev, const struct expression_node *n,
                      struct bytes *text)
{
    struct bytes document = ev->input->record->value;
    return ev->input->value_is_json && document.data &&
           json_path(document, n->path, n->path_depth, text);
}

static bool evaluate_path(struct evaluation *ev, const struct expression_node *n, struct value *out)
{
    struct bytes text;
    if (find_path(ev, n, &text))
        return evaluate_json(ev, n, text, out);
    *out = value_null();
    return true;
}

bool evaluate_raw_text(struct evaluation *ev, const struct expression_node *n, struct bytes *out)
{
    if (n->kind == NODE_PATH)
        return find_path(ev, n, out);
    struct value container;
    return n->kind == NODE_FIELD && evaluate_node(ev, n->first, &container) &&
           container.type == VALUE_JSON && json_field(container.bytes, n->name, out);
}

/* Evaluates a field, index or path; *present says whether it exists. */
static bool evaluate_access(struct evaluation *ev, const struct expression_node *n,
                            struct value *out, bool *present)
{
    struct value container, index;
    switch (n->kind) {
    case NODE_PATH: {
        struct bytes text;
        *present = find_path(ev, n, &text);
        *out = value_null();
        return !*present || evaluate_json(ev, n, text, out);
    }
    case NODE_FIELD:
        return evaluate_node(ev, n->first, &container) &&
               access_field(ev, n, &container, n->name, out, present);
    case NODE_INDEX:
        return evaluate_node(ev, n->first, &container) &&
               evaluate_node(ev, n->first->next, &index) &&
               access_index(ev, n, &container, &index, out, present);
    default:
        if (!evaluate_node(ev, n, out))
            return false;
        *present = out->type != VALUE_NULL;
        return true;
    }
}

/* Collections. */

static bool evaluate_list(struct evaluation *ev, const struct expression_node *n, struct value *out)
{
    struct value *items = evaluation_alloc(ev, n, n->child_count, sizeof *items);
    if (items == NULL)
        return false;
    size_t i = 0;
    for (const struct expression_node *child = n->first; child; child = child->next)
        if (!evaluate_node(ev, child, &items[i++]))
            return false;
    *out = (struct value){.type = VALUE_LIST, .list = {items, n->child_count}};
    return true;
}

static bool evaluate_map(struct evaluation *ev, const struct expression_node *n, struct value *out)
{
    struct value_entry *entries = evaluation_alloc(ev, n, n->child_count, sizeof *entries);
    if (entries == NULL)
        return false;
    size_t i = 0;
    for (const struct expression_node *child = n->first; child; child = child->next, i++) {
        entries[i].name = child->name;
        if (!evaluate_node(ev, child, &entries[i].value))
            return false;
    }
    *out = (struct value){.type = VALUE_MAP, .map = {entries, n->child_count}};
    return true;
}

/* Conditions. Null, a missing field, is false. */

static bool evaluate_condition(struct evaluation *ev, const struct expression_node *n, bool *out)
{
    struct value v;
    *out = false;
    if (!evaluate_node(ev, n, &v))
        return false;
    if (v.type != VALUE_BOOL && v.type != VALUE_NULL)
        return evaluation_fail(ev, n, "a condition must be a bool, not %s", value_type_name(&v));
    *out = v.type == VALUE_BOOL && v.boolean;
    return true;
}

/* || and &&: an operand that decides the result does so even when the others fail, as in CEL. */
static bool evaluate_decision(struct evaluation *ev, const struct expression_node *n, bool deciding,
                              struct value *out)
{
    bool failed = false, v;
    for (const struct expression_node *child = n->first; child; child = child->next) {
        if (!evaluate_condition(ev, child, &v)) {
            failed = true;
        } else if (v == deciding) {
            *out = value_bool(deciding);
            return true;
        }
    }
    *out = value_bool(!deciding);
    return !failed;
}

static bool evaluate_choice(struct evaluation *ev, const struct expression_node *n,
                            struct value *out)
{
    bool condition;
    if (!evaluate_condition(ev, n->first, &condition))
        return false;
    const struct expression_node *then = n->first->next;
    return evaluate_node(ev, condition ? then : then->next, out);
}

static bool evaluate_coalesce(struct evaluation *ev, const struct expression_node *n,
                              struct value *out)
{
    for (const struct expression_node *child = n->first; child; child = child->next) {
        if (!evaluate_node(ev, child, out))
            return false;
        if (out->type != VALUE_NULL)
            break;
    }
    return true;
}

static bool evaluate_chain(struct evaluation *ev, const struct expression_node *n,
                           struct value *out)
{
    struct value left, right;
    if (!evaluate_node(ev, n->first, &left))
        return false;
    for (const struct expression_node *child = n->first->next; child; child = child->next) {
        if (!evaluate_node(ev, child, &right) ||
            !operator_apply(ev, n, child->joined_by, &left, &right, out))
            return false;
        left = *out;
    }
    return true;
}

static bool evaluate_relation(struct evaluation *ev, const struct expression_node *n,
                              struct value *out)
{
    struct value a, b;
    bool result;
    if (!evaluate_node(ev, n->first, &a) || !evaluate_node(ev, n->first->next, &b) ||
        !operator_relate(ev, n, &a, &b, &result))
        return false;
    *out = value_bool(result);
    return true;
}

/* Macros. */

/* The list of a macro. A missing list (null) has no elements and sets *missing. */
static bool evaluate_macro_list(struct evaluation *ev, const struct expression_node *n,
                                struct value *list, bool *missing)
{
    if (!evaluate_node(ev, n->first, list))
        return false;
    *missing = list->type == VALUE_NULL;
    return *missing || value_is_list(list) ||
           evaluation_fail(ev, n, "expected a list, not %s", value_type_name(list));
}

/* exists and all are || and && over the elements, with the same rule for errors. Over a missing
 * list both are false, like a comparison with a missing field. */
static bool evaluate_quantifier(struct evaluation *ev, const struct expression_node *n,
                                bool deciding, struct value *out)
{
    struct value list;
    bool missing, failed = false, v;
    if (!evaluate_macro_list(ev, n, &list, &missing))
        return false;
    struct list_walk walk = {.list = &list};
    *out = value_bool(missing ? false : !deciding);
    while (!missing && list_next(ev, &walk, &ev->locals[n->local])) {
        if (!evaluate_condition(ev, n->last, &v)) {
            failed = true;
        } else if (v == deciding) {
            *out = value_bool(deciding);
            return true;
        }
    }
    return !failed;
}

/* filter and map. In map the condition is optional; in filter the result is the element. */
static bool evaluate_selection(struct evaluation *ev, const struct expression_node *n,
                               struct value *out)
{
    struct value list;
    bool missing;
    if (!evaluate_macro_list(ev, n, &list, &missing))
        return false;
    *out = value_null();
    if (missing)
        return true;
    const struct expression_node *condition =
        n->kind == NODE_FILTER || n->child_count == 3 ? n->first->next : NULL;
    const struct expression_node *result = n->kind == NODE_FILTER ? NULL : n->last;
    size_t max = list_count(&list), count = 0;
    if (!evaluation_spend(ev, n, max))
        return false;
    struct value *items = evaluation_alloc(ev, n, max, sizeof *items);
    if (items == NULL)
        return false;
    struct list_walk walk = {.list = &list};
    while (count < max && list_next(ev, &walk, &ev->locals[n->local])) {
        bool take = true;
        if (condition && !evaluate_condition(ev, condition, &take))
            return false;
        items[count] = ev->locals[n->local];
        if (take && result && !evaluate_node(ev, result, &items[count]))
            return false;
        count += take;
    }
    *out = (struct value){.type = VALUE_LIST, .list = {items, count}};
    return true;
}

static bool evaluate_not(struct evaluation *ev, const struct expression_node *n, struct value *out)
{
    bool v;
    if (!evaluate_condition(ev, n->first, &v))
        return false;
    *out = value_bool(!v);
    return true;
}

static bool evaluate_has(struct evaluation *ev, const struct expression_node *n, struct value *out)
{
    struct value v;
    bool present;
    if (!evaluate_access(ev, n->first, &v, &present))
        return false;
    *out = value_bool(present);
    return true;
}

bool evaluate_node(struct evaluation *ev, const struct expression_node *n, struct value *out)
{
    bool present;
    if (!evaluation_spend(ev, n, 1))
        return false;
    switch (n->kind) {
    case NODE_CONSTANT:
        *out = n->constant;
        return true;
    case NODE_VARIABLE:
        return evaluate_variable(ev, n, out);
    case NODE_LOCAL:
        ASSERT(n->local < EXPRESSION_MAX_DEPTH);
        *out = ev->locals[n->local];
        return true;
    case NODE_PATH:
        return evaluate_path(ev, n, out);
    case NODE_FIELD:
    case NODE_INDEX:
        return evaluate_access(ev, n, out, &present);
    case NODE_LIST:
        return evaluate_list(ev, n, out);
    case NODE_MAP:
        return evaluate_map(ev, n, out);
    case NODE_NOT:
        return evaluate_not(ev, n, out);
    case NODE_NEGATE:
        return evaluate_node(ev, n->first, out) && operator_negate(ev, n, out);
    case NODE_OR:
        return evaluate_decision(ev, n, true, out);
    case NODE_AND:
        return evaluate_decision(ev, n, false, out);
    case NODE_CHAIN:
        return evaluate_chain(ev, n, out);
    case NODE_RELATION:
        return evaluate_relation(ev, n, out);
    case NODE_CHOOSE:
        return evaluate_choice(ev, n, out);
    case NODE_CALL:
        return function_call(ev, n, out);
    case NODE_HAS:
        return evaluate_has(ev, n, out);
    case NODE_COALESCE:
        return evaluate_coalesce(ev, n, out);
    case NODE_EXISTS:
        return evaluate_quantifier(ev, n, true, out);
    case NODE_ALL:
        return evaluate_quantifier(ev, n, false, out);
    case NODE_FILTER:
    case NODE_MAP_EACH:
        return evaluate_selection(ev, n, out);
    }
    return evaluation_fail(ev, n, "no such operation");
}

enum error expression_evaluate(const struct expression *e, const struct expression_input *input,
                               struct arena *arena, struct value *out, struct message *message)
{
    struct evaluation ev; /* not cleared: slots of locals are written before they are read */
    ev.input = input;
    ev.arena = arena;
    ev.message = message;
    ev.steps = 0;
    if (!evaluate_node(&ev, e->root, out))
        return ERR_INVALID;
    /* A value that did not fit the arena may have become null on the way. */
    return !arena->exhausted || evaluation_fail(&ev, e->root, "too large") ? ERR_OK : ERR_INVALID;
}

enum error expression_test(const struct expression *e, const struct expression_input *input,
                           struct arena *arena, bool *out, struct message *message)
{
    struct value v;
    *out = false;
    enum error error = expression_evaluate(e, input, arena, &v, message);
    if (error != ERR_OK || v.type == VALUE_NULL)
        return error;
    if (v.type != VALUE_BOOL) {
        message_set(message, "the condition gives %s, not a bool", value_type_name(&v));
        return ERR_INVALID;
    }
    *out = v.boolean;
    return ERR_OK;
}
