/* A record to evaluate expressions over, and the evaluation as text. */
#ifndef TESTS_PROCESSORS_SUPPORT_EXPRESSION_H
#define TESTS_PROCESSORS_SUPPORT_EXPRESSION_H

#include "processors/expression/expression.h"

struct expression_world {
    struct record record;
    struct expression_input input;
    struct buffer headers;
    struct buffer result;
    struct message message;
};

/* Topic "orders", partition 3, offset 42, timestamp 2023-11-14T22:13:20.123Z, key "user-7",
 * headers trace=abc, raw=\xff, and an empty one. */
void expression_world_init(struct expression_world *w, const char *json);
void expression_world_free(struct expression_world *w);

/* The result as canonical JSON, or "error: ..." from compilation or evaluation. */
const char *expression_result(struct expression_world *w, const char *source);

#endif
