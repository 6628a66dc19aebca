/* The tables that generate.py writes and schema*.c walk. Only these files and tests use the
 * structures. */
#ifndef PROTOCOL_SCHEMA_TABLE_H
#define PROTOCOL_SCHEMA_TABLE_H

#include "base/bytes.h"

enum field_type {
    FIELD_BOOL,
    FIELD_INT8,
    FIELD_INT16,
    FIELD_INT32,
    FIELD_INT64,
    FIELD_FLOAT64,
    FIELD_UUID,
    FIELD_STRING,
    FIELD_BYTES,
    FIELD_RECORDS,
    FIELD_STRUCT,
};

struct schema_field {
    const char *name;
    const struct schema *element;       /* of a FIELD_STRUCT, single or in an array */
    int64_t default_value;              /* of numbers and booleans */
    uint16_t offset;                    /* in the generated structure */
    uint16_t count_offset;              /* of an array's count */
    int16_t tag;                        /* -1: a plain field */
    int8_t first_version, last_version; /* both inclusive */
    int8_t null_first, null_last;       /* where null is legal; first > last: nowhere */
    uint8_t type;                       /* enum field_type, of the element when an array */
    bool is_array;
    bool is_pointer;      /* a nullable structure */
    bool null_by_default; /* otherwise empty */
};

struct schema {
    const char *name;                  /* of the generated structure, "produce_request" */
    const struct schema_field *fields; /* plain fields in wire order, then tagged ones by tag */
    uint16_t plain_count, tagged_count;
    uint16_t size;          /* of the generated structure */
    uint16_t min_wire_size; /* the shortest encoding over all versions that have it, at least 1 */
    int8_t flexible_from;   /* INT8_MAX: never */
};

/* For one field of a structure: sets its default, or checks whether it has its default (then a
 * tagged field is not sent). */
void schema_field_default(const struct schema_field *f, uint8_t *structure);
bool schema_field_is_default(const struct schema_field *f, const uint8_t *structure);
/* The size of one value in memory, for an array that of an element. */
size_t schema_type_size(const struct schema_field *f);

#endif
