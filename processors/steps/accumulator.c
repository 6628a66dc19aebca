/* The accumulators: count, sum, avg, min, max, first, last. */
#include "processors/steps/accumulator.h"

#include "base/compiler.h"
#include "processors/json/json.h"
#include "processors/steps/kept_value.h"
#include "processors/values/number.h"
#include "processors/values/wide.h"

#include <math.h>

/* Exact numbers and doubles have separate sums, so the result is exact as long as there was no
 * double. The sum of doubles uses Neumaier's method, which keeps what an addition rounds away. */
struct sum {
    struct wide exact; /* times 10^scale */
    double real, rounded_away;
    uint64_t count;
    uint32_t scale;
    uint32_t has_double;
};

struct count {
    uint64_t count;
};

struct extreme {
    struct kept_value value;
};

struct edge {
    struct arrival at;
    struct kept_value value;
};

static enum admission admit_any(const struct value *v)
{
    return v->type == VALUE_NULL ? SKIPPED : ADMITTED;
}

static enum admission admit_number(const struct value *v)
{
    switch (v->type) {
    case VALUE_NULL:
        return SKIPPED;
    case VALUE_INT:
    case VALUE_DURATION:
        return ADMITTED;
    case VALUE_DOUBLE:
        return isfinite(v->real) ? ADMITTED : MISMATCHED;
    case VALUE_DECIMAL:
        return v->decimal.scale <= WIDE_MAX_SCALE ? ADMITTED : MISMATCHED;
    default:
        return MISMATCHED;
    }
}

static enum admission admit_ordered(const struct value *v)
{
    if (v->type == VALUE_STRING || v->type == VALUE_TIMESTAMP)
        return ADMITTED;
    return admit_number(v);
}

static void count_add(void *state, const struct value *v UNUSED, const struct arrival *from UNUSED,
                      struct arena *scratch UNUSED)
{
    ((struct count *)state)->count++;
}

static void count_merge(void *into, const void *from)
{
    ((struct count *)into)->count += ((const struct count *)from)->count;
}

static void count_result(const void *state, struct buffer *out, bool *wide UNUSED,
                         struct arena *scratch UNUSED)
{
    number_append_int128(out, ((const struct count *)state)->count, 0);
}

static void count_encode(const void *state, struct buffer *out)
{
    buffer_append_be64(out, ((const struct count *)state)->count);
}

static void count_decode(void *state, struct reader *r)
{
    ((struct count *)state)->count = (uint64_t)read_i64(r);
}

static void count_clear(void *state)
{
    *(struct count *)state = (struct count){0};
}

static void add_exact(struct sum *s, struct wide v, uint32_t scale)
{
    ASSERT(scale <= WIDE_MAX_SCALE && s->scale <= WIDE_MAX_SCALE);
    if (scale > s->scale) {
        wide_shift(&s->exact, (int)(scale - s->scale));
        s->scale = scale;
    } else {
        wide_shift(&v, (int)(s->scale - scale));
    }
    wide_add(&s->exact, &v);
}

static void add_double(struct sum *s, double v)
{
    double total = s->real + v;
    if (fabs(s->real) >= fabs(v))
        s->rounded_away += (s->real - total) + v;
    else
        s->rounded_away += (v - total) + s->real;
    s->real = total;
    s->has_double = 1;
}

static void sum_add(void *state, const struct value *v, const struct arrival *from UNUSED,
                    struct arena *scratch UNUSED)
{
    struct sum *s = state;
    s->count++;
    if (v->type == VALUE_DOUBLE)
        add_double(s, v->real);
    else if (v->type == VALUE_DECIMAL)
        add_exact(s, wide_from(v->decimal.unscaled), (uint32_t)v->decimal.scale);
    else
        add_exact(s, wide_from(v->integer), 0);
}

static void sum_merge(void *into, const void *from)
{
    struct sum *s = into;
    const struct sum *other = from;
    s->count += other->count;
    add_exact(s, other->exact, other->scale);
    if (other->has_double) {
        add_double(s, other->real);
        s->rounded_away += other->rounded_away;
    }
}

static double sum_as_double(const struct sum *s)
{
    double exact = wide_to_double(&s->exact, (int)s->scale);
    if (!s->has_double)
        return exact;
    struct sum with_exact = *s;
    add_double(&with_exact, exact);
    return with_exact.real + with_exact.rounded_away;
}

/* JSON has no infinity, so a sum out of the range of doubles is null. */
static void append_result(struct buffer *out, double v)
{
    if (isfinite(v))
        number_append_double(out, v);
    else
        buffer_append_string(out, "null");
}

static void sum_result(const void *state, struct buffer *out, bool *wide,
                       struct arena *scratch UNUSED)
{
    const struct sum *s = state;
    if (s->count == 0) {
        buffer_append_string(out, "null");
    } else if (s->has_double) {
        append_result(out, sum_as_double(s));
    } else {
        *wide |= s->scale == 0 && !wide_fits_i64(&s->exact);
        wide_append(out, &s->exact, (int)s->scale);
    }
}

static void avg_result(const void *state, struct buffer *out, bool *wide UNUSED,
                       struct arena *scratch UNUSED)
{
    const struct sum *s = state;
    if (s->count == 0)
        buffer_append_string(out, "null");
    else if (s->has_double)
        append_result(out, sum_as_double(s) / (double)s->count);
    else
        append_result(out, wide_quotient(&s->exact, (int)s->scale, s->count));
}

static void append_double_bits(struct buffer *out, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    buffer_append_be64(out, bits);
}

static void sum_encode(const void *state, struct buffer *out)
{
    const struct sum *s = state;
    buffer_append_be64(out, s->count);
    buffer_append_u8(out, (uint8_t)s->scale);
    buffer_append_u8(out, (uint8_t)s->has_double);
    wide_encode(out, &s->exact);
    if (s->has_double) {
        append_double_bits(out, s->real);
        append_double_bits(out, s->rounded_away);
    }
}

static void sum_decode(void *state, struct reader *r)
{
    struct sum *s = state;
    s->count = (uint64_t)read_i64(r);
    s->scale = (uint8_t)read_i8(r);
    s->has_double = read_i8(r) != 0;
    s->exact = wide_decode(r);
    if (s->has_double) {
        s->real = read_f64(r);
        s->rounded_away = read_f64(r);
    }
    if (s->scale > WIDE_MAX_SCALE)
        r->failed = true;
}

static void sum_clear(void *state)
{
    *(struct sum *)state = (struct sum){.count = 0};
}

static bool is_wanted(const struct extreme *e, const struct value *v, int wanted)
{
    struct value kept = kept_value_get(&e->value);
    return kept.type == VALUE_NULL || kept_value_order(v, &kept) * wanted > 0;
}

static void keep_if(struct extreme *e, const struct value *v, int wanted, struct arena *scratch)
{
    if (is_wanted(e, v, wanted))
        kept_value_set(&e->value, v, scratch);
}

/* Times and durations are compared and printed as milliseconds. */
static struct value as_number(const struct value *v)
{
    if (v->type != VALUE_TIMESTAMP && v->type != VALUE_DURATION)
        return *v;
    return (struct value){.type = VALUE_INT, .integer = v->integer};
}

static void min_add(void *state, const struct value *v, const struct arrival *from UNUSED,
                    struct arena *scratch)
{
    struct value number = as_number(v);
    keep_if(state, &number, -1, scratch);
}

static void max_add(void *state, const struct value *v, const struct arrival *from UNUSED,
                    struct arena *scratch)
{
    struct value number = as_number(v);
    keep_if(state, &number, 1, scratch);
}

static size_t extreme_text_size(const struct extreme *e, const struct value *v, int wanted)
{
    if (v == NULL)
        return e->value.size;
    struct value number = as_number(v);
    return is_wanted(e, &number, wanted) ? value_text_size(v) : e->value.size;
}

static size_t min_text_size(const void *state, const struct value *v,
                            const struct arrival *from UNUSED)
{
    return extreme_text_size(state, v, -1);
}

static size_t max_text_size(const void *state, const struct value *v,
                            const struct arrival *from UNUSED)
{
    return extreme_text_size(state, v, 1);
}

static void merge_extreme(struct extreme *into, const struct extreme *from, int wanted)
{
    struct value mine = kept_value_get(&into->value), theirs = kept_value_get(&from->value);
    if (theirs.type == VALUE_NULL)
        return;
    if (mine.type == VALUE_NULL || kept_value_order(&theirs, &mine) * wanted > 0)
        kept_value_copy(&into->value, &from->value);
}

static void min_merge(void *into, const void *from)
{
    merge_extreme(into, from, -1);
}

static void max_merge(void *into, const void *from)
{
    merge_extreme(into, from, 1);
}

static bool is_wide(const struct value *v)
{
    return v->type == VALUE_DECIMAL && v->decimal.scale == 0 &&
           v->decimal.unscaled != (int64_t)v->decimal.unscaled;
}

static void extreme_result(const void *state, struct buffer *out, bool *wide, struct arena *scratch)
{
    struct value v = kept_value_get(&((const struct extreme *)state)->value);
    *wide |= is_wide(&v);
    json_append_value(out, &v, scratch);
}

static void extreme_encode(const void *state, struct buffer *out)
{
    kept_value_encode(out, &((const struct extreme *)state)->value);
}

static void extreme_decode(void *state, struct reader *r)
{
    kept_value_decode(r, &((struct extreme *)state)->value);
}

static void extreme_clear(void *state)
{
    kept_value_clear(&((struct extreme *)state)->value);
}

static void extreme_free(void *state)
{
    kept_value_free(&((struct extreme *)state)->value);
}

/* Two arrivals are never equal, because a partition's offsets are unique. */
static bool is_earlier(const struct arrival *a, const struct arrival *b)
{
    return a->time_ms != b->time_ms ? a->time_ms < b->time_ms : a->offset < b->offset;
}

static void set_edge(struct edge *e, const struct value *v, const struct arrival *from,
                     struct arena *scratch)
{
    e->at = *from;
    kept_value_set(&e->value, v, scratch);
}

static bool becomes_first(const struct edge *e, const struct arrival *from)
{
    return e->value.type == VALUE_NULL || is_earlier(from, &e->at);
}

static bool becomes_last(const struct edge *e, const struct arrival *from)
{
    return e->value.type == VALUE_NULL || is_earlier(&e->at, from);
}

static size_t first_text_size(const void *state, const struct value *v, const struct arrival *from)
{
    const struct edge *e = state;
    return v && becomes_first(e, from) ? value_text_size(v) : e->value.size;
}

static size_t last_text_size(const void *state, const struct value *v, const struct arrival *from)
{
    const struct edge *e = state;
    return v && becomes_last(e, from) ? value_text_size(v) : e->value.size;
}

static void first_add(void *state, const struct value *v, const struct arrival *from,
                      struct arena *scratch)
{
    struct edge *e = state;
    if (becomes_first(e, from))
        set_edge(e, v, from, scratch);
}

static void last_add(void *state, const struct value *v, const struct arrival *from,
                     struct arena *scratch)
{
    struct edge *e = state;
    if (becomes_last(e, from))
        set_edge(e, v, from, scratch);
}

static void copy_edge(struct edge *to, const struct edge *from)
{
    to->at = from->at;
    kept_value_copy(&to->value, &from->value);
}

static void first_merge(void *into, const void *from)
{
    struct edge *e = into;
    const struct edge *other = from;
    if (other->value.type != VALUE_NULL &&
        (e->value.type == VALUE_NULL || is_earlier(&other->at, &e->at)))
        copy_edge(e, other);
}

static void last_merge(void *into, const void *from)
{
    struct edge *e = into;
    const struct edge *other = from;
    if (other->value.type != VALUE_NULL &&
        (e->value.type == VALUE_NULL || is_earlier(&e->at, &other->at)))
        copy_edge(e, other);
}

static void edge_result(const void *state, struct buffer *out, bool *wide, struct arena *scratch)
{
    struct value v = kept_value_get(&((const struct edge *)state)->value);
    *wide |= is_wide(&v);
    if (v.type == VALUE_JSON)
        buffer_append_bytes(out, v.bytes); /* canonical already */
    else
        json_append_value(out, &v, scratch);
}

static void edge_encode(const void *state, struct buffer *out)
{
    const struct edge *e = state;
    buffer_append_be64(out, (uint64_t)e->at.time_ms);
    buffer_append_be64(out, (uint64_t)e->at.offset);
    kept_value_encode(out, &e->value);
}

static void edge_decode(void *state, struct reader *r)
{
    struct edge *e = state;
    e->at.time_ms = read_i64(r);
    e->at.offset = read_i64(r);
    kept_value_decode(r, &e->value);
}

static void edge_clear(void *state)
{
    kept_value_clear(&((struct edge *)state)->value);
}

static void edge_free(void *state)
{
    kept_value_free(&((struct edge *)state)->value);
}

static const struct accumulator_type types[] = {
    {"count", sizeof(struct count), false, admit_any, count_add, count_merge, NULL, count_result,
     count_encode, count_decode, count_clear, count_clear},
    {"sum", sizeof(struct sum), true, admit_number, sum_add, sum_merge, NULL, sum_result,
     sum_encode, sum_decode, sum_clear, sum_clear},
    {"avg", sizeof(struct sum), true, admit_number, sum_add, sum_merge, NULL, avg_result,
     sum_encode, sum_decode, sum_clear, sum_clear},
    {"min", sizeof(struct extreme), true, admit_ordered, min_add, min_merge, min_text_size,
     extreme_result, extreme_encode, extreme_decode, extreme_clear, extreme_free},
    {"max", sizeof(struct extreme), true, admit_ordered, max_add, max_merge, max_text_size,
     extreme_result, extreme_encode, extreme_decode, extreme_clear, extreme_free},
    {"first", sizeof(struct edge), true, admit_any, first_add, first_merge, first_text_size,
     edge_result, edge_encode, edge_decode, edge_clear, edge_free},
    {"last", sizeof(struct edge), true, admit_any, last_add, last_merge, last_text_size,
     edge_result, edge_encode, edge_decode, edge_clear, edge_free},
};

const struct accumulator_type *accumulator_find(struct bytes name)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (bytes_equal_string(name, types[i].name))
            return &types[i];
    }
    return NULL;
}

const char *const *accumulator_names(void)
{
    static const char *const names[] = {"count", "sum", "avg", "min", "max", "first", "last", NULL};
    return names;
}

bool accumulator_is_planned(struct bytes name)
{
    static const char *const planned[] = {
        "stddev",      "stddev_pop",          "count_distinct", "quantile",
        "top_values",  "top_frequent",        "freq",           "collect",
        "collect_set", "top_values_distinct", "first_offset",   "last_offset",
        "prev"};
    for (size_t i = 0; i < COUNT_OF(planned); i++) {
        if (bytes_equal_string(name, planned[i]))
            return true;
    }
    return false;
}
