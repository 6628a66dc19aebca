/* Operators over values. Arithmetic with null gives null, and every order with null is false.
 * Numbers of all kinds mix; other operands must have the same type. */
#include "processors/expression/expression_internal.h"
#include "processors/json/json.h"
#include "processors/time/civil_time.h"
#include "processors/values/number.h"

#include <math.h>

static const char *const symbols[] = {
    [TOKEN_PLUS] = "+",        [TOKEN_MINUS] = "-",      [TOKEN_TIMES] = "*",
    [TOKEN_DIVIDE] = "/",      [TOKEN_MODULO] = "%",     [TOKEN_LESS] = "<",
    [TOKEN_LESS_EQUAL] = "<=", [TOKEN_GREATER] = ">",    [TOKEN_GREATER_EQUAL] = ">=",
    [TOKEN_EQUAL] = "==",      [TOKEN_NOT_EQUAL] = "!=", [TOKEN_IN] = "in",
};

static bool undefined(struct evaluation *ev, const struct expression_node *n, enum token_kind op,
                      const struct value *a, const struct value *b)
{
    return evaluation_fail(ev, n, "%s %s %s is not defined", value_type_name(a), symbols[op],
                           value_type_name(b));
}

static bool overflow(struct evaluation *ev, const struct expression_node *n)
{
    return evaluation_fail(ev, n, "overflow");
}

static bool division_by_zero(struct evaluation *ev, const struct expression_node *n)
{
    return evaluation_fail(ev, n, "division by zero");
}

/* Arithmetic. */

static bool operate_integers(struct evaluation *ev, const struct expression_node *n,
                             enum token_kind op, int64_t a, int64_t b, int64_t *out)
{
    switch (op) {
    case TOKEN_PLUS:
        return !__builtin_add_overflow(a, b, out) || overflow(ev, n);
    case TOKEN_MINUS:
        return !__builtin_sub_overflow(a, b, out) || overflow(ev, n);
    case TOKEN_TIMES:
        return !__builtin_mul_overflow(a, b, out) || overflow(ev, n);
    default:
        if (b == 0)
            return division_by_zero(ev, n);
        if (a == INT64_MIN && b == -1)
            return overflow(ev, n);
        *out = op == TOKEN_DIVIDE ? a / b : a % b;
        return true;
    }
}

static bool operate_doubles(struct evaluation *ev, const struct expression_node *n,
                            enum token_kind op, const struct value *a, const struct value *b,
                            struct value *out)
{
    double x = number_real(a), y = number_real(b), v;
    if (op == TOKEN_MODULO)
        return undefined(ev, n, op, a, b);
    if (op == TOKEN_DIVIDE && y == 0)
        return division_by_zero(ev, n);
    v = op == TOKEN_PLUS ? x + y : op == TOKEN_MINUS ? x - y : op == TOKEN_TIMES ? x * y : x / y;
    if (!isfinite(v))
        return overflow(ev, n);
    *out = (struct value){.type = VALUE_DOUBLE, .real = v};
    return true;
}

/* An int or a decimal at a scale. */
static bool at_scale(const struct value *v, int scale, int128 *out)
{
    if (v->type == VALUE_INT)
        return decimal_round(v->integer, 0, scale, out);
    return decimal_round(v->decimal.unscaled, v->decimal.scale, scale, out);
}

static int scale_of(const struct value *v)
{
    return v->type == VALUE_INT ? 0 : v->decimal.scale;
}

static bool operate_decimals(struct evaluation *ev, const struct expression_node *n,
                             enum token_kind op, const struct value *a, const struct value *b,
                             struct value *out)
{
    if (op == TOKEN_DIVIDE)
        return operate_doubles(ev, n, op, a, b, out);
    int scale = MAX(scale_of(a), scale_of(b));
    int128 x, y, v = 0;
    bool ok;
    if (op == TOKEN_TIMES) {
        scale = scale_of(a) + scale_of(b);
        ok = at_scale(a, scale_of(a), &x) && at_scale(b, scale_of(b), &y) &&
             scale <= DECIMAL_MAX_DIGITS && decimal_multiply(x, y, &v);
    } else {
        ok = at_scale(a, scale, &x) && at_scale(b, scale, &y);
        if (ok && op == TOKEN_MODULO) {
            if (y == 0)
                return division_by_zero(ev, n);
            v = x % y;
        } else if (ok) {
            v = op == TOKEN_PLUS ? x + y : x - y;
            ok = v < power_of_ten(DECIMAL_MAX_DIGITS) && v > -power_of_ten(DECIMAL_MAX_DIGITS);
        }
    }
    if (!ok)
        return overflow(ev, n);
    *out = (struct value){.type = VALUE_DECIMAL, .decimal = {.unscaled = v, .scale = scale}};
    return true;
}

/* The uses of + and - that make sense for timestamps and durations. */
static bool operate_times(struct evaluation *ev, const struct expression_node *n,
                          enum token_kind op, const struct value *a, const struct value *b,
                          struct value *out)
{
    enum value_type x = a->type, y = b->type, type;
    if (x == VALUE_TIMESTAMP && y == VALUE_TIMESTAMP && op == TOKEN_MINUS)
        type = VALUE_DURATION;
    else if (x == VALUE_DURATION && y == VALUE_DURATION)
        type = VALUE_DURATION;
    else if (x == VALUE_TIMESTAMP && y == VALUE_DURATION)
        type = VALUE_TIMESTAMP;
    else if (x == VALUE_DURATION && y == VALUE_TIMESTAMP && op == TOKEN_PLUS)
        type = VALUE_TIMESTAMP;
    else
        return undefined(ev, n, op, a, b);
    int64_t v;
    if (!operate_integers(ev, n, op, a->integer, b->integer, &v))
        return false;
    if (type == VALUE_TIMESTAMP && (v > TIME_MAX_MS || v < -TIME_MAX_MS))
        return overflow(ev, n);
    *out = (struct value){.type = type, .integer = v};
    return true;
}

static bool concatenate_text(struct evaluation *ev, const struct expression_node *n,
                             const struct value *a, const struct value *b, struct value *out)
{
    size_t size = a->bytes.size + b->bytes.size;
    uint8_t *text = evaluation_spend(ev, n, size / 64) ? evaluation_alloc(ev, n, size, 1) : NULL;
    if (text == NULL)
        return false;
    memcpy(text, a->bytes.data, a->bytes.size);
    memcpy(text + a->bytes.size, b->bytes.data, b->bytes.size);
    *out = (struct value){.type = a->type, .bytes = bytes_of(text, size)};
    return true;
}

static bool concatenate_lists(struct evaluation *ev, const struct expression_node *n,
                              const struct value *a, const struct value *b, struct value *out)
{
    size_t max = list_count(a) + list_count(b), count = 0;
    struct value *items =
        evaluation_spend(ev, n, max) ? evaluation_alloc(ev, n, max, sizeof *items) : NULL;
    if (items == NULL)
        return false;
    struct list_walk first = {.list = a}, second = {.list = b};
    while (count < max && list_next(ev, &first, &items[count]))
        count++;
    while (count < max && list_next(ev, &second, &items[count]))
        count++;
    *out = (struct value){.type = VALUE_LIST, .list = {items, count}};
    return true;
}

static bool is_text(const struct value *v)
{
    return v->type == VALUE_STRING || v->type == VALUE_BYTES;
}

static bool is_time(const struct value *v)
{
    return v->type == VALUE_TIMESTAMP || v->type == VALUE_DURATION;
}

bool operator_apply(struct evaluation *ev, const struct expression_node *n, enum token_kind op,
                    const struct value *a, const struct value *b, struct value *out)
{
    if (a->type == VALUE_INT && b->type == VALUE_INT) {
        out->type = VALUE_INT;
        return operate_integers(ev, n, op, a->integer, b->integer, &out->integer);
    }
    if (a->type == VALUE_NULL || b->type == VALUE_NULL) {
        *out = value_null();
        return true;
    }
    if (value_is_number(a) && value_is_number(b)) {
        if (a->type == VALUE_DOUBLE || b->type == VALUE_DOUBLE)
            return operate_doubles(ev, n, op, a, b, out);
        return operate_decimals(ev, n, op, a, b, out);
    }
    if (is_time(a) && is_time(b) && (op == TOKEN_PLUS || op == TOKEN_MINUS))
        return operate_times(ev, n, op, a, b, out);
    if (op == TOKEN_PLUS && a->type == b->type && is_text(a))
        return concatenate_text(ev, n, a, b, out);
    if (op == TOKEN_PLUS && value_is_list(a) && value_is_list(b))
        return concatenate_lists(ev, n, a, b, out);
    return undefined(ev, n, op, a, b);
}

bool operator_negate(struct evaluation *ev, const struct expression_node *n, struct value *v)
{
    switch (v->type) {
    case VALUE_NULL:
        return true;
    case VALUE_INT:
    case VALUE_DURATION:
        return !__builtin_sub_overflow(0, v->integer, &v->integer) || overflow(ev, n);
    case VALUE_DOUBLE:
        v->real = -v->real;
        return true;
    case VALUE_DECIMAL:
        v->decimal.unscaled = -v->decimal.unscaled;
        return true;
    default:
        return evaluation_fail(ev, n, "-%s is not defined", value_type_name(v));
    }
}

/* Order and equality. */

static bool are_equal(struct evaluation *ev, const struct value *a, const struct value *b)
{
    if (value_is_number(a) && value_is_number(b))
        return number_compare(a, b) == 0;
    if ((value_is_list(a) && value_is_list(b)) || (value_is_map(a) && value_is_map(b)))
        return json_identical(a, b, ev->arena);
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case VALUE_NULL:
        return true;
    case VALUE_BOOL:
        return a->boolean == b->boolean;
    case VALUE_TIMESTAMP:
    case VALUE_DURATION:
        return a->integer == b->integer;
    default:
        return is_text(a) && bytes_equal(a->bytes, b->bytes);
    }
}

/* The cost of a comparison, at most. */
static size_t weight(const struct value *v)
{
    if (is_text(v) || v->type == VALUE_JSON)
        return v->bytes.size / 64;
    return v->type == VALUE_LIST ? v->list.count : v->type == VALUE_MAP ? v->map.count : 0;
}

static bool is_in(struct evaluation *ev, const struct expression_node *n, const struct value *a,
                  const struct value *b, bool *out)
{
    *out = false;
    if (b->type == VALUE_NULL)
        return true;
    if (value_is_map(b)) {
        struct value ignored;
        return a->type != VALUE_STRING || access_field(ev, n, b, a->bytes, &ignored, out);
    }
    if (!value_is_list(b))
        return undefined(ev, n, TOKEN_IN, a, b);
    struct list_walk walk = {.list = b};
    struct value item;
    while (!*out && list_next(ev, &walk, &item)) {
        if (!evaluation_spend(ev, n, 1 + weight(a) + weight(&item)))
            return false;
        *out = are_equal(ev, a, &item);
    }
    return true;
}

static bool compare(struct evaluation *ev, const struct expression_node *n, const struct value *a,
                    const struct value *b, int *out)
{
    if (value_is_number(a) && value_is_number(b)) {
        *out = number_compare(a, b);
    } else if (a->type != b->type) {
        return undefined(ev, n, n->op, a, b);
    } else if (is_text(a)) {
        *out = bytes_compare(a->bytes, b->bytes);
    } else if (is_time(a)) {
        *out = (a->integer > b->integer) - (a->integer < b->integer);
    } else if (a->type == VALUE_BOOL) {
        *out = a->boolean - b->boolean;
    } else {
        return undefined(ev, n, n->op, a, b);
    }
    return true;
}

bool operator_relate(struct evaluation *ev, const struct expression_node *n, const struct value *a,
                     const struct value *b, bool *out)
{
    if (n->op == TOKEN_EQUAL || n->op == TOKEN_NOT_EQUAL) {
        *out = are_equal(ev, a, b) == (n->op == TOKEN_EQUAL);
        return evaluation_spend(ev, n, weight(a) + weight(b));
    }
    if (n->op == TOKEN_IN)
        return is_in(ev, n, a, b, out);
    *out = false;
    if (a->type == VALUE_NULL || b->type == VALUE_NULL)
        return true;
    int order = 0;
    if (!compare(ev, n, a, b, &order))
        return false;
    *out = n->op == TOKEN_LESS         ? order < 0
           : n->op == TOKEN_LESS_EQUAL ? order <= 0
           : n->op == TOKEN_GREATER    ? order > 0
                                       : order >= 0;
    return true;
}

/* Access. */

bool access_field(struct evaluation *ev, const struct expression_node *n, const struct value *map,
                  struct bytes name, struct value *out, bool *present)
{
    struct bytes text;
    *present = false;
    if (map->type == VALUE_JSON && json_field(map->bytes, name, &text)) {
        *present = true;
        return evaluate_json(ev, n, text, out);
    }
    if (map->type == VALUE_MAP)
        for (size_t i = 0; i < map->map.count; i++)
            if (bytes_equal(map->map.entries[i].name, name)) {
                *present = true;
                *out = map->map.entries[i].value;
                return true;
            }
    *out = value_null();
    return true;
}

bool access_index(struct evaluation *ev, const struct expression_node *n,
                  const struct value *container, const struct value *index, struct value *out,
                  bool *present)
{
    if (index->type == VALUE_STRING)
        return access_field(ev, n, container, index->bytes, out, present);
    *present = false;
    if (index->type != VALUE_INT && index->type != VALUE_NULL)
        return evaluation_fail(ev, n, "an index must be an int or a string, not %s",
                               value_type_name(index));
    struct bytes text;
    size_t at = index->type == VALUE_INT && index->integer >= 0 ? (size_t)index->integer : SIZE_MAX;
    if (container->type == VALUE_JSON && at != SIZE_MAX &&
        json_element(container->bytes, at, &text)) {
        *present = true;
        return evaluate_json(ev, n, text, out);
    }
    *present = container->type == VALUE_LIST && at < container->list.count;
    *out = *present ? container->list.items[at] : value_null();
    return true;
}

bool list_next(struct evaluation *ev, struct list_walk *walk, struct value *item)
{
    if (walk->list->type == VALUE_LIST) {
        if (walk->at == walk->list->list.count)
            return false;
        *item = walk->list->list.items[walk->at++];
        return true;
    }
    struct bytes name, text;
    if (!json_next(walk->list->bytes, &walk->at, &name, &text))
        return false;
    *item = json_value(text, ev->arena);
    return true;
}

size_t list_count(const struct value *list)
{
    if (list->type == VALUE_LIST)
        return list->list.count;
    if (list->type == VALUE_MAP)
        return list->map.count;
    struct bytes name, text;
    size_t count = 0;
    for (size_t at = 0; json_next(list->bytes, &at, &name, &text);)
        count++;
    return count;
}
