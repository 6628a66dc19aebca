/* From the text of a scalar to its value, and from text to a JSON string. */
#include "processors/json/json_internal.h"

#include "processors/json/json.h"
#include "processors/values/number.h"
#include "processors/values/utf8.h"

/* One code unit of an escape: \uXXXX from its first digit. */
static uint32_t hex_unit(const uint8_t *p)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++)
        unit = unit << 4 | (p[i] <= '9' ? p[i] - (uint32_t)'0' : (p[i] | 0x20u) - 'a' + 10);
    return unit & 0xffff;
}

const uint8_t *json_decode_escape(const uint8_t *p, const uint8_t *end, uint8_t *out, size_t *size)
{
    static const char names[] = "bfnrt", controls[] = "\b\f\n\r\t";
    const char *name = strchr(names, *p);
    *size = 1;
    if (*p != 'u' || end - p < 5) {
        *out = name && *name ? (uint8_t)controls[name - names] : *p;
        return p + 1;
    }
    uint32_t c = hex_unit(p + 1);
    p += 5;
    if (c >= 0xd800 && c < 0xdc00 && end - p >= 6) {
        c = 0x10000 + ((c - 0xd800) << 10) + ((hex_unit(p + 2) - 0xdc00) & 0x3ff);
        p += 6;
    }
    *size = utf8_encode(c, out);
    return p;
}

struct bytes json_unescape(struct bytes raw, struct arena *arena)
{
    const uint8_t *p = raw.size ? memchr(raw.data, '\\', raw.size) : NULL;
    if (p == NULL)
        return raw;
    /* An escape is never shorter than its character. */
    uint8_t *text = arena_alloc(arena, raw.size);
    if (text == NULL)
        return BYTES_NULL;
    const uint8_t *end = raw.data + raw.size, *from = raw.data;
    size_t size = 0;
    while (p != NULL) {
        memcpy(text + size, from, (size_t)(p - from));
        size += (size_t)(p - from);
        if (++p == end)
            return bytes_of(text, size);
        size_t written;
        from = json_decode_escape(p, end, text + size, &written);
        size += written;
        p = from < end ? memchr(from, '\\', (size_t)(end - from)) : NULL;
    }
    memcpy(text + size, from, (size_t)(end - from));
    return bytes_of(text, size + (size_t)(end - from));
}

/* A literal without a fraction: int64 if it fits, else an exact decimal, else a double. */
static struct value integer_value(struct bytes text)
{
    bool negative = text.data[0] == '-';
    int64_t v = 0;
    for (size_t i = negative; i < text.size; i++) {
        int digit = text.data[i] - '0';
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_sub_overflow(v, digit, &v)) { /* down, as -INT64_MIN does not exist */
            struct value wide = {.type = VALUE_DECIMAL};
            if (decimal_parse(text, &wide.decimal.unscaled, &wide.decimal.scale))
                return wide;
            return (struct value){.type = VALUE_DOUBLE, .real = number_to_double(text)};
        }
    }
    if (negative)
        return (struct value){.type = VALUE_INT, .integer = v};
    if (v != INT64_MIN)
        return (struct value){.type = VALUE_INT, .integer = -v};
    return (struct value){.type = VALUE_DECIMAL, .decimal = {.unscaled = -(int128)v}};
}

static struct value number_value(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '.' || (text.data[i] | 0x20) == 'e')
            return (struct value){.type = VALUE_DOUBLE, .real = number_to_double(text)};
    return integer_value(text);
}

struct value json_value(struct bytes text, struct arena *arena)
{
    if (text.size == 0)
        return value_null();
    switch (text.data[0]) {
    case '"': {
        struct bytes raw = bytes_of(text.data + 1, text.size >= 2 ? text.size - 2 : 0);
        struct bytes string = json_unescape(raw, arena);
        if (string.data == NULL)
            return value_null();
        return (struct value){.type = VALUE_STRING, .bytes = string};
    }
    case '{':
    case '[':
        return (struct value){.type = VALUE_JSON, .bytes = text};
    case 't':
    case 'f':
        return (struct value){.type = VALUE_BOOL, .boolean = text.data[0] == 't'};
    case 'n':
        return value_null();
    default:
        return number_value(text);
    }
}

void json_append_string(struct buffer *out, struct bytes text)
{
    static const char names[] = "btn\0fr"; /* from \b (8) to \r (13) */
    buffer_append_u8(out, '"');
    size_t from = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        buffer_append(out, text.data + from, i - from);
        from = i + 1;
        if (c >= ' ')
            buffer_append(out, (char[]){'\\', (char)c}, 2);
        else if (c >= '\b' && c <= '\r' && c != '\v')
            buffer_append(out, (char[]){'\\', names[c - '\b']}, 2);
        else
            buffer_printf(out, "\\u%04x", c);
    }
    buffer_append(out, text.data + from, text.size - from);
    buffer_append_u8(out, '"');
}
