/* Finding things in text that was checked once.
 *
 * Checked text needs no parser to be walked: a value ends where its string's quote, its last
 * bracket or the next separator stands. So everything here comes down to two searches that look at
 * 16 bytes at a time: for the end of a string, and for the end of a container. */
#include "processors/json.h"

#include "processors/number.h"
#include "processors/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const uint8_t *skip_space(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p <= ' ')
        p++;
    return p;
}

/* The next quote or backslash, or the end. */
static const uint8_t *find_quote(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        int found =
            _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)));
        if (found != 0)
            return p + __builtin_ctz((unsigned)found);
    }
#endif
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* From behind a string's first quote to its last one (or the end). */
static const uint8_t *string_end(const uint8_t *p, const uint8_t *end, bool *escaped)
{
    *escaped = false;
    for (;;) {
        p = find_quote(p, end);
        if (p >= end || *p == '"')
            return p;
        *escaped = true;
        p = end - p > 2 ? p + 2 : end;
    }
}

/* The next quote or bracket of any kind, or the end. '[' and '{' differ in one bit, as do their
 * partners. */
static const uint8_t *find_bracket(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), bit = _mm_set1_epi8(0x20);
    const __m128i open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}');
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i curly = _mm_or_si128(v, bit);
        __m128i bracket = _mm_or_si128(_mm_cmpeq_epi8(curly, open), _mm_cmpeq_epi8(curly, close));
        int found = _mm_movemask_epi8(_mm_or_si128(bracket, _mm_cmpeq_epi8(v, quote)));
        if (found != 0)
            return p + __builtin_ctz((unsigned)found);
    }
#endif
    while (p < end && *p != '"' && (*p | 0x20) != '{' && (*p | 0x20) != '}')
        p++;
    return p;
}

static const uint8_t *skip_container(const uint8_t *p, const uint8_t *end)
{
    size_t depth = 0;
    bool escaped;
    while ((p = find_bracket(p, end)) < end) {
        if (*p == '"') {
            p = string_end(p + 1, end, &escaped);
            if (p == end)
                break;
        } else if ((*p | 0x20) == '{') {
            depth++;
        } else if (--depth == 0) {
            return p + 1;
        }
        p++;
    }
    return end;
}

/* From a value's first byte to behind its last one. */
static const uint8_t *skip_value(const uint8_t *p, const uint8_t *end)
{
    if (p == end)
        return end;
    if (*p == '"') {
        bool escaped;
        p = string_end(p + 1, end, &escaped);
        return p < end ? p + 1 : end;
    }
    if (*p == '{' || *p == '[')
        return skip_container(p, end);
    while (p<end && * p> ' ' && *p != ',' && *p != '}' && *p != ']')
        p++;
    return p;
}

/* One code unit of an escape: \uXXXX from its first digit. */
static uint32_t hex_unit(const uint8_t *p)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++)
        unit = unit << 4 | (p[i] <= '9' ? p[i] - (uint32_t)'0' : (p[i] | 0x20u) - 'a' + 10);
    return unit & 0xffff;
}

/* Decodes the escape behind a backslash at p; returns what follows it. */
static const uint8_t *unescape_one(const uint8_t *p, const uint8_t *end, uint8_t *out, size_t *size)
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
    /* An escape is never shorter than what it stands for. */
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
        from = unescape_one(p, end, text + size, &written);
        size += written;
        p = from < end ? memchr(from, '\\', (size_t)(end - from)) : NULL;
    }
    memcpy(text + size, from, (size_t)(end - from));
    return bytes_of(text, size + (size_t)(end - from));
}

/* Whether a name as it stands in the text, with escapes, is `name`. Decodes escape by escape, so
 * that a search needs no memory. */
static bool escaped_name_is(struct bytes raw, struct bytes name)
{
    const uint8_t *p = raw.data, *end = p + raw.size;
    size_t at = 0;
    while (p < end) {
        uint8_t one[4] = {*p};
        size_t size = 1;
        if (*p == '\\' && p + 1 < end)
            p = unescape_one(p + 1, end, one, &size);
        else
            p++;
        if (name.size - at < size || memcmp(name.data + at, one, size) != 0)
            return false;
        at += size;
    }
    return at == name.size;
}

static bool name_is(struct bytes raw, bool escaped, struct bytes name)
{
    if (escaped)
        return escaped_name_is(raw, name);
    return raw.size == name.size && memcmp(raw.data, name.data, raw.size) == 0;
}

/* Finds a field from behind an object's bracket: where its value starts, or NULL. */
static const uint8_t *find_field(const uint8_t *p, const uint8_t *end, struct bytes name)
{
    for (;; p++) {
        p = skip_space(p, end);
        if (p == end || *p != '"')
            return NULL;
        bool escaped;
        const uint8_t *start = p + 1;
        p = string_end(start, end, &escaped);
        struct bytes raw = bytes_of(start, (size_t)(p - start));
        p = skip_space(p < end ? p + 1 : end, end);
        p = skip_space(p < end ? p + 1 : end, end); /* behind the colon */
        if (p == end)
            return NULL;
        if (name_is(raw, escaped, name))
            return p;
        p = skip_space(skip_value(p, end), end);
        if (p == end || *p != ',')
            return NULL;
    }
}

bool json_path(struct bytes document, const struct bytes *path, size_t depth, struct bytes *value)
{
    const uint8_t *end = document.data + document.size;
    const uint8_t *p = document.size ? skip_space(document.data, end) : end;
    for (size_t i = 0; i < depth; i++) {
        if (p == end || *p != '{')
            return false;
        p = find_field(p + 1, end, path[i]);
        if (p == NULL)
            return false;
    }
    *value = bytes_of(p, (size_t)(skip_value(p, end) - p));
    return true;
}

bool json_field(struct bytes object, struct bytes name, struct bytes *value)
{
    return json_path(object, &name, 1, value);
}

bool json_element(struct bytes array, size_t n, struct bytes *value)
{
    if (array.size == 0 || array.data[0] != '[')
        return false;
    struct bytes name;
    size_t at = 0;
    while (json_next(array, &at, &name, value))
        if (n-- == 0)
            return true;
    return false;
}

bool json_next(struct bytes container, size_t *at, struct bytes *raw_name, struct bytes *value)
{
    const uint8_t *end = container.data + container.size;
    const uint8_t *p = container.data + *at;
    if (container.size == 0 || (container.data[0] != '{' && container.data[0] != '['))
        return false;
    p = skip_space(*at == 0 ? p + 1 : p, end);
    if (p < end && *p == ',')
        p = skip_space(p + 1, end);
    if (p == end || *p == '}' || *p == ']')
        return false;
    *raw_name = BYTES_NULL;
    if (container.data[0] == '{') {
        bool escaped;
        const uint8_t *start = *p == '"' ? p + 1 : p;
        p = string_end(start, end, &escaped);
        *raw_name = bytes_of(start, (size_t)(p - start));
        p = skip_space(p < end ? p + 1 : end, end);
        p = skip_space(p < end ? p + 1 : end, end);
    }
    const uint8_t *value_end = skip_value(p, end);
    *value = bytes_of(p, (size_t)(value_end - p));
    *at = (size_t)(value_end - container.data);
    return value_end > p;
}

/* A literal without a fraction: int64 where it fits, else exact, else a double. */
static struct value integer_value(struct bytes text)
{
    bool negative = text.data[0] == '-';
    int64_t v = 0;
    for (size_t i = negative; i < text.size; i++) {
        int digit = text.data[i] - '0';
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_sub_overflow(v, digit, &v)) { /* downwards: INT64_MIN has no partner */
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
