/* A value that outlives its record, for min, max, first and last.
 *
 * It owns a copy of the text and reuses that memory, so a new value allocates only when it is
 * longer than all before. All zero means that nothing is kept. */
#ifndef PROCESSORS_STEPS_KEPT_VALUE_H
#define PROCESSORS_STEPS_KEPT_VALUE_H

#include "processors/values/value.h"
#include "protocol/reader.h"

struct kept_value {
    enum value_type type; /* VALUE_NULL: nothing; lists and maps are kept as VALUE_JSON */
    uint32_t size, capacity;
    union {
        bool boolean;
        int64_t integer;
        double real;
    };
    uint8_t *text; /* strings, bytes, canonical JSON; decimals as their encoding */
};

/* Keeps a copy of `v`. `arena` is for scratch. */
void kept_value_set(struct kept_value *k, const struct value *v, struct arena *arena);
/* The value as a view of what is kept. */
struct value kept_value_get(const struct kept_value *k);
void kept_value_copy(struct kept_value *to, const struct kept_value *from);
void kept_value_clear(struct kept_value *k); /* nothing is kept, the memory is */
void kept_value_free(struct kept_value *k);

/* Orders numbers by value and strings bytewise. Every number is below every string, so that a
 * minimum does not depend on the order of arrival. */
int kept_value_order(const struct value *a, const struct value *b);

void kept_value_encode(struct buffer *out, const struct kept_value *k);
/* Sets the reader's `failed` on invalid input. `k` must be empty. */
void kept_value_decode(struct reader *r, struct kept_value *k);

#endif
