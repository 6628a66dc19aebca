/* The expression language: the CEL subset of processors-semantics section 10.
 *
 * An expression is compiled once and evaluated per record. It does no I/O and always ends (100,000
 * steps, 32 levels, 4 KiB of source). */
#ifndef PROCESSORS_EXPRESSION_EXPRESSION_H
#define PROCESSORS_EXPRESSION_EXPRESSION_H

#include "base/error.h"
#include "processors/values/value.h"
#include "protocol/record_batch.h"

struct expression;

/* The input of an expression. value_is_json: json_check accepted the record's value; otherwise the
 * variable `value` is a string or bytes. It is null for a tombstone. */
struct expression_input {
    const struct record *record;
    int32_t partition;
    struct bytes topic;
    bool value_is_json;
};

/* Compiles a copy of the source. On ERR_INVALID the message says the column, what was found and
 * what is allowed ("did you mean" for unknown names). */
MUST_USE enum error expression_compile(struct bytes source, struct expression **out,
                                       struct message *message);
/* The same for a condition: refuses an expression that is never true or false, such as a sum. */
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

/* Whether the result may depend on the record's value: `value` occurs in the source as the
 * variable, not as text or as a part of another name. */
bool expression_reads_value(const struct expression *e);
/* Whether both have the same source, or both are NULL. */
bool expression_equal(const struct expression *a, const struct expression *b);
/* Whether the whole expression is just the variable `key`. */
bool expression_is_key(const struct expression *e);
/* A name for the result: the last field of a plain path (value.user.country: country), `key` for
 * key, otherwise the source text. */
struct bytes expression_name(const struct expression *e);
struct bytes expression_source(const struct expression *e);

/* Several expressions, written "a; b; c". All zero: an empty list. */
struct expression_list {
    struct expression **items;
    size_t count;
};

/* Compiles every part between semicolons (those outside quotes and brackets), at least one part.
 * After an error there is nothing to free. */
MUST_USE enum error expression_list_compile(struct bytes source, struct expression_list *out,
                                            struct message *message);
void expression_list_free(struct expression_list *list);
/* The same for lists: equal sources in the same order; any expression that reads the value. */
bool expression_list_equal(const struct expression_list *a, const struct expression_list *b);
bool expression_list_reads_value(const struct expression_list *list);
/* Whether `key` is one of the expressions; whether it is the only one. */
bool expression_list_has_key(const struct expression_list *list);
bool expression_list_is_key(const struct expression_list *list);

#endif
