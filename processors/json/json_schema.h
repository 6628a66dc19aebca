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
 * ignored by name; any other keyword is refused when the schema is compiled, so that no rule is
 * silently not applied. */
#ifndef PROCESSORS_JSON_JSON_SCHEMA_H
#define PROCESSORS_JSON_JSON_SCHEMA_H

#include "base/arena.h"
#include "base/error.h"

enum { JSON_SCHEMA_MAX_TEXT = 64 << 10 };

struct json_schema;

/* Where and why a document does not fit. Values of the document are not said. */
struct schema_failure {
    char path[256]; /* JSON pointer; empty: the document itself */
    char reason[256];
};

/* Compiles a schema, which is copied. ERR_INVALID with a message that says where in the schema. */
MUST_USE enum error json_schema_compile(struct bytes text, struct json_schema **out,
                                        struct message *message);
void json_schema_free(struct json_schema *schema); /* NULL is fine */

/* Whether a document that passed json_check fits. On false *failure says the first place where it
 * does not. `scratch` holds unescaped strings. The work is bounded by the document's size. */
bool json_schema_accepts(const struct json_schema *schema, struct bytes document,
                         struct arena *scratch, struct schema_failure *failure);

#endif
