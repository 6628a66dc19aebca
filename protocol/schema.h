/* Messages are data: one decoder and one encoder walk field tables for every API and version.
 *
 * messages/<api>.msg holds one API each; generate.py makes generated/protocol/messages.h with, for
 * each API, plain structures and tables:
 *
 *   enum { API_PRODUCE = 0, ... };
 *   struct produce_request {
 *       struct bytes transactional_id;
 *       ...
 *       struct produce_request_topic_data *topic_data;
 *       int32_t topic_data_count;
 *   };
 *   struct produce_request_topic_data { ... };
 *   extern const struct schema produce_request_schema, produce_response_schema;
 *
 * Names are Kafka's field names in snake_case. A nested structure is named after its parent and the
 * field. An array is a pointer and a count beside it (`x`, `x_count`, count -1: null). Strings and
 * bytes are struct bytes (data NULL: null); records are struct records; a UUID is struct uuid; bool
 * is bool; a nullable structure is a pointer. When decoding, fields that the version does not have
 * get their default. schema_defaults() sets a structure to its defaults. */
#ifndef PROTOCOL_SCHEMA_H
#define PROTOCOL_SCHEMA_H

#include "base/arena.h"
#include "base/error.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

struct schema; /* defined in schema_table.h for the generated tables */

/* Decodes one body of `version` into `out` (a generated structure, from schema_size bytes). Arrays
 * and copies go to the arena; strings are views of the input. The remaining bytes bound the number
 * of elements, before anything is allocated. ERR_INVALID: malformed. ERR_NO_MEMORY: the arena is
 * full. Bytes after the body are ignored, as in Kafka. */
MUST_USE enum error schema_decode(const struct schema *schema, int version, struct reader *r,
                                  struct arena *arena, void *out);

/* Encodes `in`, without fields that the version does not have. ERR_TOO_LARGE: the buffer is full.
 * ERR_INVALID: null where the version forbids it. */
MUST_USE enum error schema_encode(const struct schema *schema, int version, const void *in,
                                  struct writer *w);

/* Sets every field to its default (zero, null, or the default in the .msg). */
void schema_defaults(const struct schema *schema, void *out);

/* `count` structures set to their defaults, for an array. NULL if the arena is full. Every nested
 * structure also has a schema: fetch_response_responses_partitions_schema. */
void *schema_array(const struct schema *schema, size_t count, struct arena *arena);

size_t schema_size(const struct schema *schema);

/* Whether this version has the tag buffers and compact types. */
bool schema_is_flexible(const struct schema *schema, int version);

#endif
