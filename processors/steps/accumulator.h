/* Accumulators: the state of the functions of `select`.
 *
 * Every accumulator can be merged, is exact where section 6 of the semantics says so, and has a
 * compact binary form that reads back the same. In memory an accumulator is a fixed number of
 * bytes; all zero means empty. */
#ifndef PROCESSORS_STEPS_ACCUMULATOR_H
#define PROCESSORS_STEPS_ACCUMULATOR_H

#include "base/error.h"
#include "processors/values/value.h"
#include "protocol/reader.h"

/* Whether a function takes a value: nulls are skipped, other types are refused. */
enum admission { ADMITTED, SKIPPED, MISMATCHED };

/* When a value came: the order of first and last. */
struct arrival {
    int64_t time_ms, offset;
};

struct accumulator_type {
    const char *name;
    size_t size;          /* of its state, a multiple of 8 */
    bool argument_wanted; /* only count may lack an argument */
    enum admission (*admit)(const struct value *v);
    /* Adds a value that was admitted (null only for count without argument). */
    void (*add)(void *state, const struct value *v, const struct arrival *from,
                struct arena *scratch);
    void (*merge)(void *into, const void *from);
    /* The bytes of text that the accumulator keeps once `v` is added (`v` NULL: that it keeps now),
     * in O(1) for a scalar. NULL: it keeps no text. */
    size_t (*text_size)(const void *state, const struct value *v, const struct arrival *from);
    /* Appends the result as JSON; *wide is set when it is an integer beyond int64. */
    void (*result)(const void *state, struct buffer *out, bool *wide, struct arena *scratch);
    void (*encode)(const void *state, struct buffer *out);
    void (*decode)(void *state, struct reader *r); /* sets `failed` if invalid */
    void (*clear)(void *state);                    /* empties it, may keep memory */
    void (*free)(void *state);
};

/* The type called `name`, or NULL. */
const struct accumulator_type *accumulator_find(struct bytes name);
/* NULL-terminated names of what is built, for messages. */
const char *const *accumulator_names(void);
/* Whether `name` is a function of the language that is not built yet. */
bool accumulator_is_planned(struct bytes name);

#endif
