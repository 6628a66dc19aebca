/* JSON Schema, the part of draft 2020-12 that validates events:
 *
 *   type enum const
 *   minimum maximum exclusiveMinimum exclusiveMaximum multipleOf
 *   minLength maxLength pattern                    (lengths in code points, patterns as regex.h)
 *   properties required additionalProperties
 *   items minItems maxItems
 *   allOf anyOf oneOf not, $ref within the schema (#, #/$defs/name)
 *
 * Annotations (title, description, default, examples, format, $schema, $id, $comment, ...) are
 * ignored by name. Compiling refuses any other keyword, so that no rule is silently ignored. */
#ifndef PROCESSORS_JSON_JSON_SCHEMA_H
#define PROCESSORS_JSON_JSON_SCHEMA_H

#include "base/arena.h"
#include "base/error.h"

enum { JSON_SCHEMA_MAX_TEXT = 64 << 10 };

struct json_schema;

/* Where and why a document does not fit. Contains no values of the document. */
struct schema_failure {
    char path[256]; /* JSON pointer; empty: the document itself */
    char reason[256];
};

/* Compiles a copy of a schema. On ERR_INVALID the message says where in the schema the error is. */
MUST_USE enum error json_schema_compile(struct bytes text, struct json_schema **out,
                                        struct message *message);
void json_schema_free(struct json_schema *schema); /* NULL is fine */

/* Whether a document that passed json_check fits. On false *failure says the first place where it
 * does not. `scratch` holds unescaped strings. The document's size bounds the work. */
bool json_schema_accepts(const struct json_schema *schema, struct bytes document,
                         struct arena *scratch, struct schema_failure *failure);

#endif
