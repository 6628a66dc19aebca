/* Finds values in text that was checked before.
 *
 * Checked text can be walked without a parser: a value ends at its string's last quote, at its last
 * bracket, or before the next separator. So all functions here use two searches that read 16 bytes
 * at a time: for the end of a string, and for the end of a container. */
#include "processors/json/json.h"

#include "processors/json/json_internal.h"

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

/* From after a string's first quote to its last quote (or the end). */
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

/* The next quote or bracket, or the end. '[' and '{' differ in one bit, as do ']' and '}'. */
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

/* The state of a search for the end of a container. */
struct skipping {
    size_t depth;
    uint64_t in_string; /* all bits, or none */
};

/* Skips string by string: for texts with escapes, and for machines without vector instructions. */
static const uint8_t *skip_by_strings(const uint8_t *p, const uint8_t *end, struct skipping s)
{
    bool escaped;
    if (s.in_string) {
        p = string_end(p, end, &escaped);
        p += p < end;
    }
    while ((p = find_bracket(p, end)) < end) {
        if (*p == '"') {
            p = string_end(p + 1, end, &escaped);
            if (p == end)
                break;
        } else if ((*p | 0x20) == '{') {
            s.depth++;
        } else if (--s.depth == 0) {
            return p + 1;
        }
        p++;
    }
    return end;
}

#ifdef __SSE2__
/* The kinds of 64 bytes, one bit per byte. */
struct block {
    uint64_t quotes, backslashes, opens, closes;
};

static struct block read_block(const uint8_t *p)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}'), bit = _mm_set1_epi8(0x20);
    struct block b = {0};
    for (int i = 0; i < 64; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i curly = _mm_or_si128(v, bit);
        b.quotes |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, quote)) << i;
        b.backslashes |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, backslash)) << i;
        b.opens |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(curly, open)) << i;
        b.closes |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(curly, close)) << i;
    }
    return b;
}

/* Each bit becomes the parity of the bits up to it. For bits of quotes, the result marks the bytes
 * inside of strings. */
static uint64_t parity_of_prefixes(uint64_t v)
{
    for (int distance = 1; distance < 64; distance *= 2)
        v ^= v << distance;
    return v;
}

static const uint8_t *skip_container(const uint8_t *p, const uint8_t *end)
{
    struct skipping s = {0};
    for (; p < end; p += MIN(end - p, 64)) {
        uint8_t tail[64] = {0};
        const uint8_t *bytes = p;
        if (end - p < 64)
            bytes = memcpy(tail, p, (size_t)(end - p));
        struct block b = read_block(bytes);
        if (b.backslashes)
            return skip_by_strings(p, end, s);
        uint64_t strings = parity_of_prefixes(b.quotes) ^ s.in_string;
        for (uint64_t left = (b.opens | b.closes) & ~strings; left; left &= left - 1) {
            if (b.opens & left & -left)
                s.depth++;
            else if (--s.depth == 0)
                return p + __builtin_ctzll(left) + 1;
        }
        s.in_string = strings >> 63 ? ~(uint64_t)0 : 0;
    }
    return end;
}
#else
static const uint8_t *skip_container(const uint8_t *p, const uint8_t *end)
{
    return skip_by_strings(p, end, (struct skipping){0});
}
#endif

/* The end of a number or a word. */
static const uint8_t *skip_scalar(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
    const __m128i comma = _mm_set1_epi8(','), close = _mm_set1_epi8('}');
    const __m128i space = _mm_set1_epi8(' '), bit = _mm_set1_epi8(0x20);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i stop =
            _mm_or_si128(_mm_cmpeq_epi8(v, comma), _mm_cmpeq_epi8(_mm_or_si128(v, bit), close));
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(_mm_max_epu8(v, space), space));
        int found = _mm_movemask_epi8(stop);
        if (found != 0)
            return p + __builtin_ctz((unsigned)found);
    }
#endif
    while (p<end && * p> ' ' && *p != ',' && (*p | 0x20) != '}')
        p++;
    return p;
}

/* From a value's first byte to the byte after its last one. */
static const uint8_t *skip_value(const uint8_t *p, const uint8_t *end)
{
    if (p == end)
        return end;
    if (*p == '"') {
        bool escaped;
        p = string_end(p + 1, end, &escaped);
        return p < end ? p + 1 : end;
    }
    return *p == '{' || *p == '[' ? skip_container(p, end) : skip_scalar(p, end);
}

/* Whether a name in the text, with its escapes, equals `name`. Decodes one escape at a time, so
 * that a search needs no memory. */
static bool escaped_name_is(struct bytes raw, struct bytes name)
{
    const uint8_t *p = raw.data, *end = p + raw.size;
    size_t at = 0;
    while (p < end) {
        uint8_t one[4] = {*p};
        size_t size = 1;
        if (*p == '\\' && p + 1 < end)
            p = json_decode_escape(p + 1, end, one, &size);
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

/* Finds a field from after an object's bracket on. Gives the start of its value, or NULL. */
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
        p = skip_space(p < end ? p + 1 : end, end); /* after the colon */
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
