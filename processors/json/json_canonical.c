/* Values as canonical JSON, the form that decides whether two values are the same. */
#include "processors/json/json.h"
#include "processors/values/number.h"

#include <stdlib.h>

/* One field while its object is sorted. Either `json` holds its text or `value` points to it. */
struct sorted_field {
    struct bytes name;
    size_t place;
    struct bytes json;
    const struct value *value;
};

static int compare_fields(const void *a, const void *b)
{
    const struct sorted_field *x = a, *y = b;
    int order = bytes_compare(x->name, y->name);
    return order != 0 ? order : x->place < y->place ? -1 : 1;
}

static void append_json_text(struct buffer *out, struct bytes text, struct arena *scratch);

static void append_fields(struct buffer *out, struct sorted_field *fields, size_t count,
                          struct arena *scratch)
{
    if (count > 1)
        qsort(fields, count, sizeof *fields, compare_fields);
    buffer_append_u8(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && bytes_equal(fields[i].name, fields[i - 1].name))
            continue;
        if (i > 0)
            buffer_append_u8(out, ',');
        json_append_string(out, fields[i].name);
        buffer_append_u8(out, ':');
        if (fields[i].value)
            json_append_value(out, fields[i].value, scratch);
        else
            append_json_text(out, fields[i].json, scratch);
    }
    buffer_append_u8(out, '}');
}

static struct sorted_field *fields_alloc(struct buffer *out, size_t count, struct arena *scratch)
{
    struct sorted_field *fields = arena_array(scratch, count, sizeof *fields);
    if (fields == NULL)
        out->overflowed = true;
    return fields;
}

static void append_object_text(struct buffer *out, struct bytes text, struct arena *scratch)
{
    struct bytes name, value;
    size_t count = 0;
    for (size_t at = 0; json_next(text, &at, &name, &value);)
        count++;
    struct sorted_field *fields = fields_alloc(out, count, scratch);
    if (fields == NULL)
        return;
    size_t i = 0;
    for (size_t at = 0; json_next(text, &at, &name, &value); i++)
        fields[i] = (struct sorted_field){json_unescape(name, scratch), i, value, NULL};
    if (scratch->exhausted)
        out->overflowed = true;
    else
        append_fields(out, fields, count, scratch);
}

/* The depth of checked text is bounded, and so is this recursion. */
static void append_json_text(struct buffer *out, struct bytes text, struct arena *scratch)
{
    if (out->overflowed || text.size == 0)
        return;
    if (text.data[0] == '{') {
        append_object_text(out, text, scratch);
    } else if (text.data[0] == '[') {
        struct bytes name, value;
        buffer_append_u8(out, '[');
        for (size_t at = 0, i = 0; json_next(text, &at, &name, &value); i++) {
            if (i > 0)
                buffer_append_u8(out, ',');
            append_json_text(out, value, scratch);
        }
        buffer_append_u8(out, ']');
    } else {
        struct value scalar = json_value(text, scratch);
        if (scratch->exhausted)
            out->overflowed = true;
        else
            json_append_value(out, &scalar, scratch);
    }
}

static void append_map(struct buffer *out, const struct value *v, struct arena *scratch)
{
    struct sorted_field *fields = fields_alloc(out, v->map.count, scratch);
    if (fields == NULL)
        return;
    for (size_t i = 0; i < v->map.count; i++)
        fields[i] = (struct sorted_field){
            .name = v->map.entries[i].name, .place = i, .value = &v->map.entries[i].value};
    append_fields(out, fields, v->map.count, scratch);
}

static void append_list(struct buffer *out, const struct value *v, struct arena *scratch)
{
    buffer_append_u8(out, '[');
    for (size_t i = 0; i < v->list.count; i++) {
        if (i > 0)
            buffer_append_u8(out, ',');
        json_append_value(out, &v->list.items[i], scratch);
    }
    buffer_append_u8(out, ']');
}

static void append_base64(struct buffer *out, struct bytes b)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buffer_append_u8(out, '"');
    for (size_t i = 0; i < b.size; i += 3) {
        size_t left = b.size - i;
        uint32_t three = (uint32_t)b.data[i] << 16 | (left > 1 ? (uint32_t)b.data[i + 1] << 8 : 0) |
                         (left > 2 ? b.data[i + 2] : 0);
        char text[4] = {alphabet[three >> 18], alphabet[three >> 12 & 63],
                        left > 1 ? alphabet[three >> 6 & 63] : '=',
                        left > 2 ? alphabet[three & 63] : '='};
        buffer_append(out, text, sizeof text);
    }
    buffer_append_u8(out, '"');
}

static void append_decimal(struct buffer *out, int128 unscaled, int scale)
{
    for (; scale > 0 && unscaled % 10 == 0; scale--)
        unscaled /= 10;
    number_append_int128(out, unscaled, scale);
}

/* Most numbers are int64, so they avoid the 128 bit division. */
static void append_int64(struct buffer *out, int64_t v)
{
    char text[24];
    char *at = text + sizeof text;
    uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;
    do
        *--at = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (v < 0)
        *--at = '-';
    buffer_append(out, at, (size_t)(text + sizeof text - at));
}

void json_append_value(struct buffer *out, const struct value *v, struct arena *scratch)
{
    switch (v->type) {
    case VALUE_NULL:
        buffer_append_string(out, "null");
        break;
    case VALUE_BOOL:
        buffer_append_string(out, v->boolean ? "true" : "false");
        break;
    case VALUE_INT:
    case VALUE_TIMESTAMP:
    case VALUE_DURATION:
        append_int64(out, v->integer);
        break;
    case VALUE_DOUBLE:
        number_append_double(out, v->real);
        break;
    case VALUE_DECIMAL:
        append_decimal(out, v->decimal.unscaled, v->decimal.scale);
        break;
    case VALUE_STRING:
        json_append_string(out, v->bytes);
        break;
    case VALUE_BYTES:
        append_base64(out, v->bytes);
        break;
    case VALUE_JSON:
        append_json_text(out, v->bytes, scratch);
        break;
    case VALUE_LIST:
        append_list(out, v, scratch);
        break;
    case VALUE_MAP:
        append_map(out, v, scratch);
        break;
    }
}

bool json_identical(const struct value *a, const struct value *b, struct arena *scratch)
{
    if (a->type == b->type && a->type == VALUE_INT)
        return a->integer == b->integer;
    if (a->type == b->type && a->type == VALUE_STRING)
        return bytes_equal(a->bytes, b->bytes);
    struct buffer x, y;
    buffer_init(&x, scratch->max);
    buffer_init(&y, scratch->max);
    json_append_value(&x, a, scratch);
    json_append_value(&y, b, scratch);
    bool identical =
        !x.overflowed && !y.overflowed && bytes_equal(buffer_view(&x), buffer_view(&y));
    buffer_free(&x);
    buffer_free(&y);
    return identical;
}
