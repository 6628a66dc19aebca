/* Shared by json.c and json_text.c only. */
#ifndef PROCESSORS_JSON_JSON_INTERNAL_H
#define PROCESSORS_JSON_JSON_INTERNAL_H

#include "base/bytes.h"

/* Decodes the escape after a backslash, at p < end. Writes up to 4 bytes, never more than the
 * escape with its backslash has. Returns the byte after the escape. */
const uint8_t *json_decode_escape(const uint8_t *p, const uint8_t *end, uint8_t *out, size_t *size);

#endif
