#include "processors/steps/kept_value.h"

#include "base/compiler.h"
#include "processors/json/json.h"
#include "processors/values/number.h"
#include "processors/values/wide.h"

#include <math.h>
#include <stdlib.h>

/* `text` holds a decimal as its scale (1 byte) and its unscaled value (16 bytes, as in memory). */
enum { DECIMAL_SIZE = 17 };

static void set_text(struct kept_value *k, struct bytes text)
{
    ASSERT(text.size <= UINT32_MAX);
    if (text.size > k->capacity) {
        k->capacity = (uint32_t)MAX(text.size, (size_t)16);
        k->text = xrealloc(k->text, k->capacity);
    }
    if (text.size > 0)
        memcpy(k->text, text.data, text.size);
    k->size = (uint32_t)text.size;
}

static void set_json(struct kept_value *k, const struct value *v, struct arena *arena)
{
    struct buffer json;
    buffer_init(&json, UINT32_MAX);
    json_append_value(&json, v, arena);
    k->type = json.overflowed ? VALUE_NULL : VALUE_JSON;
    set_text(k, buffer_view(&json));
    buffer_free(&json);
}

static void set_decimal(struct kept_value *k, const struct value *v)
{
    uint8_t text[DECIMAL_SIZE];
    text[0] = (uint8_t)v->decimal.scale;
    memcpy(text + 1, &v->decimal.unscaled, sizeof v->decimal.unscaled);
    set_text(k, bytes_of(text, sizeof text));
}

void kept_value_set(struct kept_value *k, const struct value *v, struct arena *arena)
{
    k->type = v->type;
    switch (v->type) {
    case VALUE_NULL:
        break;
    case VALUE_BOOL:
        k->boolean = v->boolean;
        break;
    case VALUE_INT:
    case VALUE_TIMESTAMP:
    case VALUE_DURATION:
        k->integer = v->integer;
        break;
    case VALUE_DOUBLE:
        k->real = v->real;
        break;
    case VALUE_DECIMAL:
        set_decimal(k, v);
        break;
    case VALUE_STRING:
    case VALUE_BYTES:
        set_text(k, v->bytes);
        break;
    case VALUE_JSON:
    case VALUE_LIST:
    case VALUE_MAP:
        set_json(k, v, arena);
        break;
    }
}

struct value kept_value_get(const struct kept_value *k)
{
    struct value v = {.type = k->type};
    switch (k->type) {
    case VALUE_BOOL:
        v.boolean = k->boolean;
        break;
    case VALUE_INT:
    case VALUE_TIMESTAMP:
    case VALUE_DURATION:
        v.integer = k->integer;
        break;
    case VALUE_DOUBLE:
        v.real = k->real;
        break;
    case VALUE_DECIMAL:
        ASSERT(k->size == DECIMAL_SIZE);
        v.decimal.scale = k->text[0];
        memcpy(&v.decimal.unscaled, k->text + 1, sizeof v.decimal.unscaled);
        break;
    default:
        v.bytes = bytes_of(k->text ? k->text : (const uint8_t *)"", k->size);
        break;
    }
    return v;
}

void kept_value_copy(struct kept_value *to, const struct kept_value *from)
{
    to->type = from->type;
    to->integer = from->integer;
    set_text(to, bytes_of(from->text, from->size));
}

void kept_value_clear(struct kept_value *k)
{
    k->type = VALUE_NULL;
    k->size = 0;
}

void kept_value_free(struct kept_value *k)
{
    free(k->text);
    *k = (struct kept_value){0};
}

static int order_i64(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int order_int_double(int64_t a, double b)
{
    if (b >= 0x1p63)
        return -1;
    if (b < -0x1p63)
        return 1;
    double whole = floor(b);
    int order = order_i64(a, (int64_t)whole);
    return order != 0 || whole == b ? order : -1;
}

static double as_double(const struct value *v)
{
    return v->type == VALUE_DECIMAL ? decimal_to_double(v->decimal.unscaled, v->decimal.scale)
                                    : v->real;
}

static int order_decimals(const struct value *a, const struct value *b)
{
    bool a_is_int = a->type == VALUE_INT, b_is_int = b->type == VALUE_INT;
    int a_scale = a_is_int ? 0 : a->decimal.scale, b_scale = b_is_int ? 0 : b->decimal.scale;
    struct wide x = wide_from(a_is_int ? a->integer : a->decimal.unscaled);
    struct wide y = wide_from(b_is_int ? b->integer : b->decimal.unscaled);
    wide_shift(&x, b_scale > a_scale ? b_scale - a_scale : 0);
    wide_shift(&y, a_scale > b_scale ? a_scale - b_scale : 0);
    return wide_compare(&x, &y);
}

int kept_value_order(const struct value *a, const struct value *b)
{
    if (a->type == VALUE_STRING || b->type == VALUE_STRING) {
        if (a->type != b->type)
            return a->type == VALUE_STRING ? 1 : -1;
        return bytes_compare(a->bytes, b->bytes);
    }
    if (a->type == VALUE_INT && b->type == VALUE_INT)
        return order_i64(a->integer, b->integer);
    if (a->type == VALUE_INT && b->type == VALUE_DOUBLE)
        return order_int_double(a->integer, b->real);
    if (a->type == VALUE_DOUBLE && b->type == VALUE_INT)
        return -order_int_double(b->integer, a->real);
    if (a->type == VALUE_DOUBLE || b->type == VALUE_DOUBLE) {
        double x = as_double(a), y = as_double(b);
        return x < y ? -1 : x > y;
    }
    return order_decimals(a, b);
}

void kept_value_encode(struct buffer *out, const struct kept_value *k)
{
    uint64_t bits = 0;
    buffer_append_u8(out, (uint8_t)k->type);
    switch (k->type) {
    case VALUE_NULL:
        break;
    case VALUE_BOOL:
        buffer_append_u8(out, k->boolean);
        break;
    case VALUE_INT:
    case VALUE_TIMESTAMP:
    case VALUE_DURATION:
    case VALUE_DOUBLE:
        memcpy(&bits, &k->integer, sizeof bits);
        buffer_append_be64(out, bits);
        break;
    default:
        buffer_append_be32(out, k->size);
        buffer_append(out, k->text, k->size);
        break;
    }
}

void kept_value_decode(struct reader *r, struct kept_value *k)
{
    uint8_t type = (uint8_t)read_i8(r);
    if (type > VALUE_JSON || r->failed) {
        r->failed = true;
        return;
    }
    struct kept_value v = {.type = type};
    int32_t size = 0;
    switch (v.type) {
    case VALUE_NULL:
        break;
    case VALUE_BOOL:
        v.boolean = read_i8(r) != 0;
        break;
    case VALUE_INT:
    case VALUE_TIMESTAMP:
    case VALUE_DURATION:
    case VALUE_DOUBLE:
        v.integer = read_i64(r);
        break;
    default:
        size = read_i32(r);
        break;
    }
    const uint8_t *text = size >= 0 ? read_raw(r, (size_t)size) : NULL;
    if (text == NULL || (v.type == VALUE_DECIMAL && size != DECIMAL_SIZE)) {
        r->failed = true;
        return;
    }
    set_text(&v, bytes_of(text, (size_t)size));
    *k = v;
}
