/* The items of `select`: a function, its argument, and the name of its result. */
#ifndef PROCESSORS_STEPS_SELECT_H
#define PROCESSORS_STEPS_SELECT_H

#include "base/error.h"
#include "processors/expression/expression.h"
#include "processors/steps/accumulator.h"

enum { SELECT_MAX = 64 }; /* per processor: a row's flags are one word */

/* One item of `select`. */
struct select_item {
    struct bytes name;
    const struct accumulator_type *type;
    struct expression *argument, *where; /* NULL: none */
    uint32_t identity;                   /* of function, argument and where; not of the name */
    size_t at;                           /* its place in the row */
};

struct select {
    struct select_item *items;
    size_t count;
    size_t row_size;
};

/* Parses "count() as n; sum(value.amount where value.ok) as revenue". The names are views of
 * `text`, which must outlive the result. */
MUST_USE enum error select_parse(struct bytes text, struct select *out, struct message *message);
void select_free(struct select *a);
/* Whether an item reads the record's value. */
bool select_reads_value(const struct select *a);

#endif
