/* The check of a whole document: one pass, no recursion.
 *
 * The only state is a bit per open container, which says whether the container is an object. */
#include "processors/json/json.h"
#include "processors/values/number.h"
#include "processors/values/utf8.h"

#include <math.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct checker {
    const uint8_t *p, *end;
    uint64_t objects; /* lowest bit: the innermost container is an object */
    int depth;
    const char *reason;
};

_Static_assert(JSON_MAX_DEPTH <= 64, "a bit per level");

static bool refuse(struct checker *c, const char *reason)
{
    c->reason = c->p < c->end ? reason : "the text ends in the middle of a value";
    return false;
}

static void skip_space(struct checker *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t'))
        c->p++;
}

/* The next byte of a string that needs a check: quote, backslash, control or not ASCII. */
static const uint8_t *find_special(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(' ');
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* Signed: bytes from 0x80 up are below the space as well. */
        __m128i odd = _mm_or_si128(_mm_cmplt_epi8(v, space), _mm_cmpeq_epi8(v, quote));
        int found = _mm_movemask_epi8(_mm_or_si128(odd, _mm_cmpeq_epi8(v, backslash)));
        if (found != 0)
            return p + __builtin_ctz((unsigned)found);
    }
#endif
    while (p < end && *p >= ' ' && *p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* Reads four hexadecimal digits at c->p and moves past them. */
static bool check_hex(struct checker *c, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++, c->p++) {
        if (c->p == c->end)
            return refuse(c, "");
        uint32_t digit = *c->p <= '9' ? *c->p - (uint32_t)'0' : (*c->p | 0x20u) - 'a' + 10;
        if (digit > 15 || (*c->p > '9' && digit < 10))
            return refuse(c, "\\u needs four hexadecimal digits");
        *unit = *unit << 4 | digit;
    }
    return true;
}

static bool check_unicode(struct checker *c)
{
    uint32_t high, low;
    if (!check_hex(c, &high))
        return false;
    if (high < 0xd800 || high >= 0xe000)
        return true;
    if (high >= 0xdc00 || c->end - c->p < 2 || c->p[0] != '\\' || c->p[1] != 'u')
        return refuse(c, "incomplete surrogate pair");
    c->p += 2;
    if (!check_hex(c, &low))
        return false;
    return (low >= 0xdc00 && low < 0xe000) || refuse(c, "incomplete surrogate pair");
}

static bool check_escape(struct checker *c)
{
    if (++c->p == c->end)
        return refuse(c, "");
    uint8_t name = *c->p;
    if (name == 0 || strchr("\"\\/bfnrtu", name) == NULL)
        return refuse(c, "unknown escape");
    c->p++;
    return name != 'u' || check_unicode(c);
}

static bool check_string(struct checker *c)
{
    if (c->p == c->end || *c->p != '"')
        return refuse(c, "a field name in quotes is expected");
    c->p++;
    for (;;) {
        c->p = find_special(c->p, c->end);
        if (c->p == c->end)
            return refuse(c, "");
        if (*c->p == '"') {
            c->p++;
            return true;
        }
        if (*c->p < ' ')
            return refuse(c, "control character in a string");
        if (*c->p == '\\') {
            if (!check_escape(c))
                return false;
            continue;
        }
        uint32_t code_point;
        size_t size = utf8_decode(c->p, c->end, &code_point);
        if (size == 0)
            return refuse(c, "not UTF-8");
        c->p += size;
    }
}

static bool check_digits(struct checker *c)
{
    const uint8_t *start = c->p;
    while (c->p < c->end && (unsigned)(*c->p - '0') <= 9)
        c->p++;
    return c->p > start || refuse(c, "a digit is expected");
}

/* A number that is long or has an exponent may be out of the range of doubles. */
static bool check_range(struct checker *c, const uint8_t *start, bool has_exponent)
{
    size_t size = (size_t)(c->p - start);
    if (size > NUMBER_MAX_TEXT ||
        ((has_exponent || size > 300) && !isfinite(number_to_double(bytes_of(start, size))))) {
        c->p = start;
        return refuse(c, "number out of range");
    }
    return true;
}

static bool check_number(struct checker *c)
{
    const uint8_t *start = c->p;
    bool has_exponent = false;
    c->p += *c->p == '-';
    if (c->p < c->end && *c->p == '0')
        c->p++;
    else if (!check_digits(c))
        return false;
    if (c->p < c->end && *c->p == '.') {
        c->p++;
        if (!check_digits(c))
            return false;
    }
    if (c->p < c->end && (*c->p | 0x20) == 'e') {
        has_exponent = true;
        c->p++;
        if (c->p < c->end && (*c->p == '+' || *c->p == '-'))
            c->p++;
        if (!check_digits(c))
            return false;
    }
    return check_range(c, start, has_exponent);
}

static bool check_word(struct checker *c, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(c->end - c->p) < size || memcmp(c->p, word, size) != 0)
        return refuse(c, "a value is expected");
    c->p += size;
    return true;
}

static bool check_scalar(struct checker *c)
{
    switch (*c->p) {
    case '"':
        return check_string(c);
    case 't':
        return check_word(c, "true");
    case 'f':
        return check_word(c, "false");
    case 'n':
        return check_word(c, "null");
    default:
        if (*c->p != '-' && (unsigned)(*c->p - '0') > 9)
            return refuse(c, "a value is expected");
        return check_number(c);
    }
}

static bool check_name(struct checker *c)
{
    skip_space(c);
    if (!check_string(c))
        return false;
    skip_space(c);
    if (c->p == c->end || *c->p != ':')
        return refuse(c, "':' is expected");
    c->p++;
    return true;
}

/* Reads the start of one value: a whole scalar or empty container, or an opening bracket. */
static bool check_start(struct checker *c, bool *entered)
{
    skip_space(c);
    *entered = false;
    if (c->p == c->end)
        return refuse(c, "");
    if (*c->p != '{' && *c->p != '[')
        return check_scalar(c);
    bool is_object = *c->p == '{';
    if (c->depth == JSON_MAX_DEPTH)
        return refuse(c, "nested more than 64 levels deep");
    c->p++;
    skip_space(c);
    if (c->p < c->end && *c->p == (is_object ? '}' : ']')) {
        c->p++;
        return true;
    }
    c->depth++;
    c->objects = c->objects << 1 | is_object;
    *entered = true;
    return !is_object || check_name(c);
}

/* After a value: closes the containers that end here. *more: another value follows. */
static bool check_end(struct checker *c, bool *more)
{
    for (*more = false; c->depth > 0;) {
        bool is_object = c->objects & 1;
        skip_space(c);
        if (c->p < c->end && *c->p == ',') {
            c->p++;
            *more = true;
            return !is_object || check_name(c);
        }
        if (c->p == c->end || *c->p != (is_object ? '}' : ']'))
            return refuse(c, is_object ? "',' or '}' is expected" : "',' or ']' is expected");
        c->p++;
        c->depth--;
        c->objects >>= 1;
    }
    return true;
}

static bool check_document(struct checker *c)
{
    bool more = true;
    while (more) {
        bool entered;
        if (!check_start(c, &entered))
            return false;
        if (!entered && !check_end(c, &more))
            return false;
    }
    skip_space(c);
    return c->p == c->end || refuse(c, "unexpected text after the value");
}

const char *json_check(struct bytes text, size_t *at)
{
    const uint8_t *start = text.data ? text.data : (const uint8_t *)"";
    struct checker c = {.p = start, .end = start + text.size};
    *at = 0;
    if (text.size == 0)
        return "empty";
    if (check_document(&c))
        return NULL;
    *at = (size_t)(c.p - start);
    return c.reason;
}
