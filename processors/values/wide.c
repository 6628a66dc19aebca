#include "processors/values/wide.h"

#include "base/compiler.h"
#include "processors/values/number.h"

enum { WORDS = 4, MAX_DIGITS = 78, CHUNK_DIGITS = 18 };

static const uint64_t CHUNK = 1000000000000000000u; /* 10^CHUNK_DIGITS */

__extension__ typedef unsigned __int128 uint128;

struct wide wide_from(int128 v)
{
    uint64_t sign = v < 0 ? UINT64_MAX : 0;
    return (struct wide){{(uint64_t)v, (uint64_t)((uint128)v >> 64), sign, sign}};
}

bool wide_is_negative(const struct wide *v)
{
    return v->word[WORDS - 1] >> 63;
}

void wide_add(struct wide *to, const struct wide *v)
{
    uint128 carry = 0;
    for (int i = 0; i < WORDS; i++) {
        carry += (uint128)to->word[i] + v->word[i];
        to->word[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

static void negate_wide(struct wide *v)
{
    uint128 carry = 1;
    for (int i = 0; i < WORDS; i++) {
        carry += (uint64_t)~v->word[i];
        v->word[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

/* Two's complement multiplies like unsigned, modulo 2^256. */
static void multiply_wide(struct wide *v, uint64_t by)
{
    uint128 carry = 0;
    for (int i = 0; i < WORDS; i++) {
        carry += (uint128)v->word[i] * by;
        v->word[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

/* Divides a value that is not negative; returns the remainder. */
static uint64_t divide_wide(struct wide *v, uint64_t by)
{
    uint128 rest = 0;
    for (int i = WORDS - 1; i >= 0; i--) {
        rest = rest << 64 | v->word[i];
        v->word[i] = (uint64_t)(rest / by);
        rest %= by;
    }
    return (uint64_t)rest;
}

void wide_shift(struct wide *to, int digits)
{
    for (; digits > 0; digits -= CHUNK_DIGITS)
        multiply_wide(to, (uint64_t)power_of_ten(MIN(digits, CHUNK_DIGITS)));
}

int wide_compare(const struct wide *a, const struct wide *b)
{
    if (wide_is_negative(a) != wide_is_negative(b))
        return wide_is_negative(a) ? -1 : 1;
    for (int i = WORDS - 1; i >= 0; i--) {
        if (a->word[i] != b->word[i])
            return a->word[i] < b->word[i] ? -1 : 1;
    }
    return 0;
}

bool wide_fits_i64(const struct wide *v)
{
    uint64_t sign = v->word[0] >> 63 ? UINT64_MAX : 0;
    return v->word[1] == sign && v->word[2] == sign && v->word[3] == sign;
}

/* Writes the digits right-aligned into `digits`; returns their number, at least one. */
static int to_digits(struct wide v, char digits[MAX_DIGITS])
{
    int at = MAX_DIGITS;
    do {
        uint64_t chunk = divide_wide(&v, CHUNK);
        bool more = v.word[0] || v.word[1] || v.word[2] || v.word[3];
        for (int i = 0; i < CHUNK_DIGITS && at > 0 && (more || chunk || i == 0); i++) {
            digits[--at] = (char)('0' + chunk % 10);
            chunk /= 10;
        }
        if (!more)
            break;
    } while (at > 0);
    return MAX_DIGITS - at;
}

void wide_append(struct buffer *out, const struct wide *v, int scale)
{
    char digits[MAX_DIGITS];
    struct wide magnitude = *v;
    bool negative = wide_is_negative(v);
    if (negative)
        negate_wide(&magnitude);
    int count = to_digits(magnitude, digits);
    const char *text = digits + MAX_DIGITS - count;
    while (scale > 0 && count > 0 && text[count - 1] == '0') {
        count--;
        scale--;
    }
    if (count == 0)
        scale = 0;
    if (negative)
        buffer_append_u8(out, '-');
    int whole = count - scale;
    if (whole > 0)
        buffer_append(out, text, (size_t)whole);
    else
        buffer_append_u8(out, '0');
    if (scale == 0)
        return;
    buffer_append_u8(out, '.');
    for (int i = whole; i < 0; i++)
        buffer_append_u8(out, '0');
    buffer_append(out, text + MAX(whole, 0), (size_t)(count - MAX(whole, 0)));
}

double wide_to_double(const struct wide *v, int scale)
{
    if (scale == 0 && wide_fits_i64(v))
        return (double)(int64_t)v->word[0];
    struct buffer text;
    buffer_init(&text, NUMBER_MAX_TEXT);
    wide_append(&text, v, scale);
    double result = number_to_double(buffer_view(&text));
    buffer_free(&text);
    return result;
}

/* Long division to more digits than a double has; one more digit marks that a remainder is left. */
double wide_quotient(const struct wide *v, int scale, uint64_t divisor)
{
    enum { MORE_DIGITS = 36 };
    struct wide limit = wide_from(power_of_ten(38)), quotient = *v;
    bool negative = wide_is_negative(v);
    if (negative)
        negate_wide(&quotient);
    int digits = wide_compare(&quotient, &limit) < 0 ? MORE_DIGITS : 0;
    wide_shift(&quotient, digits);
    bool is_exact = divide_wide(&quotient, divisor) == 0;
    struct buffer text;
    buffer_init(&text, NUMBER_MAX_TEXT);
    if (negative)
        buffer_append_u8(&text, '-');
    wide_append(&text, &quotient, 0);
    buffer_printf(&text, "%se-%d", is_exact ? "" : "1", scale + digits + !is_exact);
    double result = number_to_double(buffer_view(&text));
    buffer_free(&text);
    return result;
}

void wide_encode(struct buffer *out, const struct wide *v)
{
    uint64_t sign = wide_is_negative(v) ? UINT64_MAX : 0;
    int words = WORDS;
    while (words > 1 && v->word[words - 1] == sign && v->word[words - 2] >> 63 == sign >> 63)
        words--;
    buffer_append_u8(out, (uint8_t)words);
    for (int i = 0; i < words; i++)
        buffer_append_be64(out, v->word[i]);
}

struct wide wide_decode(struct reader *r)
{
    struct wide v = {{0}};
    int words = read_i8(r);
    if (words < 1 || words > WORDS) {
        r->failed = true;
        return v;
    }
    for (int i = 0; i < words; i++)
        v.word[i] = (uint64_t)read_i64(r);
    uint64_t sign = v.word[words - 1] >> 63 ? UINT64_MAX : 0;
    for (int i = words; i < WORDS; i++)
        v.word[i] = sign;
    return v;
}
