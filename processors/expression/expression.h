/* The expression language: the CEL subset of processors-semantics section 10.
 *
 * Compiled once, evaluated per record; no I/O, always ends (100,000 steps, 32 levels, 4 KiB of
 * source).
 */
#ifndef PROCESSORS_EXPRESSION_EXPRESSION_H
#define PROCESSORS_EXPRESSION_EXPRESSION_H

#include "base/error.h"
#include "processors/values/value.h"
#include "protocol/record_batch.h"

struct expression;

/* What an expression can see. `value` is NULL text for a tombstone; `value_is_json` says that it
 * was checked (json_check), otherwise `value` is a string or bytes. */
struct expression_input {
    const struct record *record;
    int32_t partition;
    struct bytes topic;
    bool value_is_json;
};

/* Compiles; on ERR_INVALID the message says column, what was found and what is allowed ("did you
 * mean" for unknown names). The source is copied. */
MUST_USE enum error expression_compile(struct bytes source, struct expression **out,
                                       struct message *message);
/* The same for a condition: refuses what can never be true or false, such as a sum. */
MUST_USE enum error expression_compile_condition(struct bytes source, struct expression **out,
                                                 struct message *message);
void expression_free(struct expression *e); /* NULL is fine */

/* Evaluates it. ERR_INVALID with a message: an evaluation error (overflow, division by zero,
 * mixed-type ordering, steps). The result lives as long as the record and the arena. */
MUST_USE enum error expression_evaluate(const struct expression *e,
                                        const struct expression_input *input, struct arena *arena,
                                        struct value *out, struct message *message);

/* True for true, false for false and null (a missing field); any other type is an error. */
MUST_USE enum error expression_test(const struct expression *e,
                                    const struct expression_input *input, struct arena *arena,
                                    bool *out, struct message *message);

/* Whether its result may depend on the record's value: `value` occurs in it as the variable, not as
 * text or as a part of another name. Known from compiling. */
bool expression_reads_value(const struct expression *e);
/* Whether both have the same source, or neither is there (NULL). */
bool expression_equal(const struct expression *a, const struct expression *b);
/* Whether the whole expression is just the variable `key`. */
bool expression_is_key(const struct expression *e);
/* A name for the result: the last field of a plain path (value.user.country: country), `key` for
 * key, otherwise the source text. */
struct bytes expression_name(const struct expression *e);
struct bytes expression_source(const struct expression *e);

/* Several expressions, as written "a; b; c". All zero: none. */
struct expression_list {
    struct expression **items;
    size_t count;
};

/* Compiles every part between semicolons at top level (quotes and parentheses respected), at least
 * one. Nothing is left to free after an error. */
MUST_USE enum error expression_list_compile(struct bytes source, struct expression_list *out,
                                            struct message *message);
void expression_list_free(struct expression_list *list);
/* The same questions about all of them: the same sources in the same order; any reads the value. */
bool expression_list_equal(const struct expression_list *a, const struct expression_list *b);
bool expression_list_reads_value(const struct expression_list *list);
/* Whether `key` is one of them, and the only one. */
bool expression_list_has_key(const struct expression_list *list);
bool expression_list_is_key(const struct expression_list *list);

#endif
