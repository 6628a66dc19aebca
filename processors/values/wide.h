/* Exact sums: a signed integer of 256 bits.
 *
 * No sum of decimals with 38 digits can wrap within 2^63 additions, even if they have to be brought
 * to a common scale of up to WIDE_MAX_SCALE. */
#ifndef PROCESSORS_VALUES_WIDE_H
#define PROCESSORS_VALUES_WIDE_H

#include "base/buffer.h"
#include "processors/values/value.h"
#include "protocol/reader.h"

enum { WIDE_MAX_SCALE = 18 };

struct wide {
    uint64_t word[4]; /* two's complement, least significant first */
};

struct wide wide_from(int128 v);
void wide_add(struct wide *to, const struct wide *v);
/* Multiplies by 10^digits. */
void wide_shift(struct wide *to, int digits);
/* Negative, zero or positive as a is below, equal to or above b. */
int wide_compare(const struct wide *a, const struct wide *b);
bool wide_is_negative(const struct wide *v);
bool wide_fits_i64(const struct wide *v);
/* The nearest double of v * 10^-scale. */
double wide_to_double(const struct wide *v, int scale);
/* The nearest double of v * 10^-scale / divisor, rounded once. */
double wide_quotient(const struct wide *v, int scale, uint64_t divisor);
/* Appends v * 10^-scale as a JSON number without zeros at the end of its fraction. */
void wide_append(struct buffer *out, const struct wide *v, int scale);

/* A compact binary form. Decoding sets the reader's `failed` when the input is invalid. */
void wide_encode(struct buffer *out, const struct wide *v);
struct wide wide_decode(struct reader *r);

#endif
