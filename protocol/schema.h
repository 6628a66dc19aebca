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
 * Names are Kafka's field names in snake_case. A nested structure is named after its parent and
 * the field. An array is a pointer and a count beside it (`x`, `x_count`, count -1: null). Strings
 * and bytes are struct bytes (data NULL: null); records are struct records; a UUID is struct uuid;
 * bool is bool; a nullable structure is a pointer. Fields a version does not have get their default
 * when decoding. Set a structure to its defaults with schema_defaults(). */
#ifndef PROTOCOL_SCHEMA_H
#define PROTOCOL_SCHEMA_H

#include "base/arena.h"
#include "base/error.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

struct schema; /* defined in schema_table.h for the generated tables */

/* Decodes one body of `version` into `out` (a generated structure, from schema_size bytes).
 * Arrays and copies go to the arena; strings are views of the input. The number of elements is
 * bounded by the bytes that are left, before anything is allocated. ERR_INVALID: malformed;
 * ERR_NO_MEMORY: the arena's maximum. Bytes behind the body are ignored, as Kafka does. */
MUST_USE enum error schema_decode(const struct schema *schema, int version, struct reader *r,
                                  struct arena *arena, void *out);

/* Encodes `in`. Fields that the version does not have are left out. ERR_TOO_LARGE: the buffer's
 * maximum; ERR_INVALID: null where the version forbids it. */
MUST_USE enum error schema_encode(const struct schema *schema, int version, const void *in,
                                  struct writer *w);

/* Sets every field to its default (zero, null, or what the .msg says). */
void schema_defaults(const struct schema *schema, void *out);

/* `count` structures set to their defaults, for an array; NULL over the arena's maximum. Every
 * nested structure has its schema too: fetch_response_responses_partitions_schema. */
void *schema_array(const struct schema *schema, size_t count, struct arena *arena);

size_t schema_size(const struct schema *schema);

/* Whether this version has the tag buffers and compact types. */
bool schema_is_flexible(const struct schema *schema, int version);

#endif
