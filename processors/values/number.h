/* Numbers as text: exact decimals and doubles.
 *
 * A decimal is unscaled * 10^-scale with at most 38 digits. The sum of two fits an int128. */
#ifndef PROCESSORS_VALUES_NUMBER_H
#define PROCESSORS_VALUES_NUMBER_H

#include "processors/values/value.h"

enum { DECIMAL_MAX_DIGITS = 38 };

/* 10^n for 0 <= n <= 38. */
int128 power_of_ten(int n);

/* Reads "-12.340e2": digits, optional fraction and exponent, nothing else. Zeros at the end of a
 * fraction do not count. False when it is no number or has more than 38 digits. The scale is not
 * negative; it may be larger than 38 for tiny numbers. */
bool decimal_parse(struct bytes text, int128 *unscaled, int *scale);

/* Changes the scale, rounding half away from zero. False when the result has over 38 digits. */
bool decimal_round(int128 unscaled, int from_scale, int to_scale, int128 *out);
/* The same, rounding towards minus infinity. */
bool decimal_floor(int128 unscaled, int from_scale, int to_scale, int128 *out);

/* a * b, false over 38 digits. */
bool decimal_multiply(int128 a, int128 b, int128 *out);
double decimal_to_double(int128 unscaled, int scale);
/* Takes the shortest decimal form of the double, which is what people wrote. */
bool decimal_from_double(double v, int128 *unscaled, int *scale);

/* The double nearest to a number in JSON's form, of at most NUMBER_MAX_TEXT bytes. Infinite when it
 * is out of range. */
enum { NUMBER_MAX_TEXT = 1024 };
double number_to_double(struct bytes text);

/* `v` must be a number (int, double or decimal). */
double number_real(const struct value *v);
/* Negative, zero or positive. Exact between all kinds: an int64 is not rounded to a double. */
int number_compare(const struct value *a, const struct value *b);

/* Appends a finite double in its shortest form that reads back the same; no exponent where
 * 1e-6 <= |x| < 1e21. */
void number_append_double(struct buffer *out, double v);
/* Appends an int128 with exactly `scale` decimals, 0 to 38. */
void number_append_int128(struct buffer *out, int128 v, int scale);

#endif
