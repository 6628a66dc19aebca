#include "processors/values/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

__extension__ typedef unsigned __int128 uint128;

int128 power_of_ten(int n)
{
    ASSERT(n >= 0 && n <= DECIMAL_MAX_DIGITS);
    static const uint64_t small[] = {1,
                                     10,
                                     100,
                                     1000,
                                     10000,
                                     100000,
                                     1000000,
                                     10000000,
                                     100000000,
                                     1000000000,
                                     10000000000,
                                     100000000000,
                                     1000000000000,
                                     10000000000000,
                                     100000000000000,
                                     1000000000000000,
                                     10000000000000000,
                                     100000000000000000,
                                     1000000000000000000,
                                     10000000000000000000u};
    if (n < (int)COUNT_OF(small))
        return (int128)small[n];
    return (int128)((uint128)small[19] * small[n - 19]);
}

/* Magnitudes below 10^38 leave room for one addition in an int128. */
static bool fits(uint128 magnitude)
{
    return magnitude < (uint128)power_of_ten(DECIMAL_MAX_DIGITS);
}

static uint128 magnitude_of(int128 v)
{
    return v < 0 ? -(uint128)v : (uint128)v;
}

/* Divides to check for overflow: the compilers' check of a 128 bit product calls a library function
 * that not every toolchain links. */
bool decimal_multiply(int128 a, int128 b, int128 *out)
{
    uint128 x = magnitude_of(a), y = magnitude_of(b);
    if (x != 0 && y > (uint128)power_of_ten(DECIMAL_MAX_DIGITS) / x)
        return false;
    uint128 product = x * y;
    if (!fits(product))
        return false;
    *out = (a < 0) != (b < 0) ? -(int128)product : (int128)product;
    return true;
}

/* The digits of a number's text, before its exponent is applied. */
struct digits {
    uint128 unscaled;
    int count; /* of significant digits */
    int zeros; /* read after them and not yet in `unscaled` */
    int scale; /* of all digits read */
    bool any, point;
};

static bool add_digit(struct digits *d, unsigned digit)
{
    d->any = true;
    d->scale += d->point;
    if (digit == 0) {
        d->zeros += d->unscaled != 0;
        return true;
    }
    if (d->count + d->zeros + 1 > DECIMAL_MAX_DIGITS)
        return false;
    if (d->unscaled != 0)
        d->unscaled *= (uint128)power_of_ten(d->zeros + 1);
    d->count += d->unscaled != 0 ? d->zeros + 1 : 1;
    d->unscaled += digit;
    d->zeros = 0;
    return true;
}

/* Reads an exponent such as "e-12", if there is one, up to the end; false on any other text. */
static bool read_exponent(const uint8_t *p, const uint8_t *end, int *exponent)
{
    *exponent = 0;
    if (p == end)
        return true;
    if ((*p | 0x20) != 'e' || ++p == end)
        return false;
    bool negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    if (p == end)
        return false;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        *exponent = MIN(*exponent * 10 + (*p - '0'), 100000);
    }
    if (negative)
        *exponent = -*exponent;
    return true;
}

bool decimal_parse(struct bytes text, int128 *unscaled, int *scale)
{
    if (text.size > NUMBER_MAX_TEXT)
        return false;
    const uint8_t *p = text.data, *end = p + text.size;
    bool negative = p < end && *p == '-';
    struct digits d = {0};
    for (p += negative; p < end; p++) {
        if (*p == '.' && d.any && !d.point && p + 1 < end && p[1] >= '0' && p[1] <= '9')
            d.point = true;
        else if (*p < '0' || *p > '9')
            break;
        else if (!add_digit(&d, *p - (unsigned)'0'))
            return false;
    }
    int exponent;
    if (!d.any || !read_exponent(p, end, &exponent))
        return false;
    exponent += d.zeros - d.scale;
    if (d.unscaled == 0)
        exponent = 0;
    if (exponent > 0) {
        if (d.count + exponent > DECIMAL_MAX_DIGITS)
            return false;
        d.unscaled *= (uint128)power_of_ten(exponent);
        exponent = 0;
    }
    *unscaled = negative ? -(int128)d.unscaled : (int128)d.unscaled;
    *scale = -exponent;
    return true;
}

enum rounding { HALF_AWAY_FROM_ZERO, FLOOR };

static bool rescale(int128 v, int from, int to, enum rounding rounding, int128 *out)
{
    int distance = abs(to - from);
    bool is_far = distance > DECIMAL_MAX_DIGITS;
    int128 factor = power_of_ten(is_far ? DECIMAL_MAX_DIGITS : distance);
    *out = 0;
    if (to >= from)
        return v == 0 || (!is_far && decimal_multiply(v, factor, out));
    int128 quotient = is_far ? 0 : v / factor;
    int128 rest = is_far ? (v > 0) - (v < 0) : v % factor;
    if (rounding == FLOOR)
        quotient -= rest < 0;
    else if (magnitude_of(rest) >= (uint128)factor - magnitude_of(rest))
        quotient += v < 0 ? -1 : 1;
    *out = quotient;
    return true;
}

bool decimal_round(int128 unscaled, int from_scale, int to_scale, int128 *out)
{
    return rescale(unscaled, from_scale, to_scale, HALF_AWAY_FROM_ZERO, out);
}

bool decimal_floor(int128 unscaled, int from_scale, int to_scale, int128 *out)
{
    return rescale(unscaled, from_scale, to_scale, FLOOR, out);
}

double decimal_to_double(int128 unscaled, int scale)
{
    char text[64];
    struct buffer out;
    buffer_init(&out, sizeof text);
    number_append_int128(&out, unscaled, scale);
    double v = number_to_double(buffer_view(&out));
    buffer_free(&out);
    return v;
}

bool decimal_from_double(double v, int128 *unscaled, int *scale)
{
    struct buffer out;
    buffer_init(&out, 64);
    number_append_double(&out, v);
    bool ok = decimal_parse(buffer_view(&out), unscaled, scale);
    buffer_free(&out);
    return ok;
}

static const double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Up to 15 digits and a power of ten up to 22 are both exact doubles, so a single operation rounds
 * correctly. Nearly every number in real events is of this kind. */
static bool short_double(struct bytes text, double *out)
{
    const uint8_t *p = text.data, *end = p + text.size;
    bool negative = p < end && *p == '-';
    uint64_t mantissa = 0;
    int digits = 0, scale = 0;
    bool point = false;
    for (p += negative; p < end && digits <= 15; p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        if (*p < '0' || *p > '9')
            return false;
        mantissa = mantissa * 10 + (*p - (unsigned)'0');
        digits += mantissa != 0;
        scale += point;
    }
    if (p != end || digits > 15 || scale >= (int)COUNT_OF(exact_powers))
        return false;
    double v = (double)mantissa / exact_powers[scale];
    *out = negative ? -v : v;
    return true;
}

double number_to_double(struct bytes text)
{
    double v;
    if (short_double(text, &v))
        return v;
    char copy[NUMBER_MAX_TEXT + 1];
    size_t size = MIN(text.size, (size_t)NUMBER_MAX_TEXT);
    memcpy(copy, text.data, size);
    copy[size] = '\0';
    return strtod(copy, NULL);
}

/* Significant digits and the place of the point: 0.digits * 10^point. */
struct shortest {
    char digits[20];
    int count, point;
};

static void split_digits(const char *text, struct shortest *out)
{
    out->count = 0;
    for (; *text != 'e'; text++)
        if (*text != '.')
            out->digits[out->count++] = *text;
    out->point = atoi(text + 1) + 1;
    while (out->count > 1 && out->digits[out->count - 1] == '0')
        out->count--;
}

static void find_shortest(double v, struct shortest *out)
{
    char text[40];
    /* Subnormal numbers may have fewer than 15 digits. */
    for (int precision = v < 2.3e-308 ? 1 : 15;; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, v);
        if (precision >= 17 || strtod(text, NULL) == v)
            break;
    }
    split_digits(text, out);
}

static void append_zeros(struct buffer *out, int count)
{
    while (count-- > 0)
        buffer_append_u8(out, '0');
}

static void append_shortest(struct buffer *out, const struct shortest *s)
{
    if (s->point > 21 || s->point < -5) {
        buffer_append(out, s->digits, 1);
        if (s->count > 1) {
            buffer_append_u8(out, '.');
            buffer_append(out, s->digits + 1, (size_t)s->count - 1);
        }
        buffer_printf(out, "e%+d", s->point - 1);
    } else if (s->point <= 0) {
        buffer_append_string(out, "0.");
        append_zeros(out, -s->point);
        buffer_append(out, s->digits, (size_t)s->count);
    } else {
        int whole = MIN(s->point, s->count);
        buffer_append(out, s->digits, (size_t)whole);
        append_zeros(out, s->point - whole);
        if (s->count > whole) {
            buffer_append_u8(out, '.');
            buffer_append(out, s->digits + whole, (size_t)(s->count - whole));
        }
    }
}

/* A number with few decimals, such as an amount of money, without the general search. */
static bool append_few_decimals(struct buffer *out, double v)
{
    for (int scale = 0; scale <= 6; scale++) {
        double scaled = v * exact_powers[scale];
        if (!(fabs(scaled) < 1e15))
            return false;
        int64_t rounded = llround(scaled);
        if ((double)rounded / exact_powers[scale] == v) {
            number_append_int128(out, rounded, scale);
            return true;
        }
    }
    return false;
}

void number_append_double(struct buffer *out, double v)
{
    if (append_few_decimals(out, v))
        return;
    ASSERT(isfinite(v));
    struct shortest s;
    find_shortest(fabs(v), &s);
    if (v < 0)
        buffer_append_u8(out, '-');
    append_shortest(out, &s);
}

void number_append_int128(struct buffer *out, int128 v, int scale)
{
    char text[64];
    char *at = text + sizeof text;
    uint128 rest = magnitude_of(v);
    ASSERT(scale >= 0 && scale <= DECIMAL_MAX_DIGITS);
    for (int written = 0; rest != 0 || written <= scale; written++) {
        if (written == scale && scale > 0)
            *--at = '.';
        uint64_t digit = (uint64_t)(rest % 10);
        rest /= 10;
        *--at = (char)('0' + digit);
    }
    if (v < 0)
        *--at = '-';
    buffer_append(out, at, (size_t)(text + sizeof text - at));
}

double number_real(const struct value *v)
{
    if (v->type == VALUE_DOUBLE)
        return v->real;
    if (v->type == VALUE_INT)
        return (double)v->integer;
    return decimal_to_double(v->decimal.unscaled, v->decimal.scale);
}

static int scale_of(const struct value *v)
{
    return v->type == VALUE_INT ? 0 : v->decimal.scale;
}

/* An int or a decimal at a scale. */
static bool at_scale(const struct value *v, int scale, int128 *out)
{
    if (v->type == VALUE_INT)
        return decimal_round(v->integer, 0, scale, out);
    return decimal_round(v->decimal.unscaled, v->decimal.scale, scale, out);
}

static int compare_with_real(int64_t a, double b)
{
    if (b >= 9223372036854775808.0)
        return -1;
    if (b < -9223372036854775808.0)
        return 1;
    int64_t whole = (int64_t)b;
    if (a != whole)
        return a < whole ? -1 : 1;
    double fraction = b - (double)whole;
    return fraction > 0 ? -1 : fraction < 0;
}

int number_compare(const struct value *a, const struct value *b)
{
    if (a->type == VALUE_INT && b->type == VALUE_INT)
        return (a->integer > b->integer) - (a->integer < b->integer);
    if (a->type == VALUE_INT && b->type == VALUE_DOUBLE)
        return compare_with_real(a->integer, b->real);
    if (a->type == VALUE_DOUBLE && b->type == VALUE_INT)
        return -compare_with_real(b->integer, a->real);
    int128 x, y;
    int scale = MAX(scale_of(a), scale_of(b));
    if (a->type != VALUE_DOUBLE && b->type != VALUE_DOUBLE && at_scale(a, scale, &x) &&
        at_scale(b, scale, &y))
        return (x > y) - (x < y);
    double u = number_real(a), v = number_real(b);
    return (u > v) - (u < v);
}
