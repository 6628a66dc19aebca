#include "protocol/schema.h"

#include "protocol/schema_table.h"

size_t schema_size(const struct schema *schema)
{
    return schema->size;
}

bool schema_is_flexible(const struct schema *schema, int version)
{
    return version >= schema->flexible_from;
}

static void default_scalar(const struct schema_field *f, uint8_t *at)
{
    switch ((enum field_type)f->type) {
    case FIELD_BOOL:
        *(bool *)at = f->default_value != 0;
        break;
    case FIELD_INT8:
        *(int8_t *)at = (int8_t)f->default_value;
        break;
    case FIELD_INT16:
        *(int16_t *)(void *)at = (int16_t)f->default_value;
        break;
    case FIELD_INT32:
        *(int32_t *)(void *)at = (int32_t)f->default_value;
        break;
    case FIELD_INT64:
        *(int64_t *)(void *)at = f->default_value;
        break;
    case FIELD_FLOAT64:
        *(double *)(void *)at = 0;
        break;
    case FIELD_UUID:
        *(struct uuid *)at = (struct uuid){{0}};
        break;
    case FIELD_STRING:
    case FIELD_BYTES:
        *(struct bytes *)(void *)at = f->null_by_default ? BYTES_NULL : BYTES_LITERAL("");
        break;
    case FIELD_RECORDS:
        *(struct records *)(void *)at =
            (struct records){.bytes = f->null_by_default ? BYTES_NULL : BYTES_LITERAL("")};
        break;
    case FIELD_STRUCT:
        schema_defaults(f->element, at);
        break;
    }
}

void schema_field_default(const struct schema_field *f, uint8_t *structure)
{
    uint8_t *at = structure + f->offset;
    if (f->is_array) {
        *(void **)(void *)at = NULL;
        *(int32_t *)(void *)(structure + f->count_offset) = f->null_by_default ? -1 : 0;
    } else if (f->is_pointer) {
        *(void **)(void *)at = NULL;
    } else {
        default_scalar(f, at);
    }
}

void schema_defaults(const struct schema *schema, void *out)
{
    for (unsigned i = 0; i < (unsigned)schema->plain_count + schema->tagged_count; i++)
        schema_field_default(&schema->fields[i], out);
}

static bool struct_is_default(const struct schema *schema, const uint8_t *structure)
{
    for (unsigned i = 0; i < (unsigned)schema->plain_count + schema->tagged_count; i++)
        if (!schema_field_is_default(&schema->fields[i], structure))
            return false;
    return true;
}

static bool bytes_are_default(const struct schema_field *f, struct bytes b)
{
    return b.size == 0 && bytes_is_null(b) == f->null_by_default;
}

static bool scalar_is_default(const struct schema_field *f, const uint8_t *at)
{
    switch ((enum field_type)f->type) {
    case FIELD_BOOL:
        return *(const bool *)at == (f->default_value != 0);
    case FIELD_INT8:
        return *(const int8_t *)at == f->default_value;
    case FIELD_INT16:
        return *(const int16_t *)(const void *)at == f->default_value;
    case FIELD_INT32:
        return *(const int32_t *)(const void *)at == f->default_value;
    case FIELD_INT64:
        return *(const int64_t *)(const void *)at == f->default_value;
    case FIELD_FLOAT64: /* compared by bits: minus zero and NaN are sent */
        return *(const int64_t *)(const void *)at == 0;
    case FIELD_UUID:
        return memcmp(at, &(struct uuid){{0}}, sizeof(struct uuid)) == 0;
    case FIELD_STRING:
    case FIELD_BYTES:
        return bytes_are_default(f, *(const struct bytes *)(const void *)at);
    case FIELD_RECORDS:
        return ((const struct records *)(const void *)at)->slice == NULL &&
               bytes_are_default(f, ((const struct records *)(const void *)at)->bytes);
    case FIELD_STRUCT:
        return struct_is_default(f->element, at);
    }
    return false;
}

bool schema_field_is_default(const struct schema_field *f, const uint8_t *structure)
{
    const uint8_t *at = structure + f->offset;
    if (f->is_array)
        return *(const int32_t *)(const void *)(structure + f->count_offset) ==
               (f->null_by_default ? -1 : 0);
    if (f->is_pointer)
        return *(void *const *)(const void *)at == NULL;
    return scalar_is_default(f, at);
}

void *schema_array(const struct schema *schema, size_t count, struct arena *arena)
{
    uint8_t *elements = arena_array(arena, count, schema->size);
    for (size_t i = 0; elements && i < count; i++)
        schema_defaults(schema, elements + i * schema->size);
    return elements;
}

size_t schema_type_size(const struct schema_field *f)
{
    static const uint8_t sizes[] = {
        [FIELD_BOOL] = sizeof(bool),          [FIELD_INT8] = sizeof(int8_t),
        [FIELD_INT16] = sizeof(int16_t),      [FIELD_INT32] = sizeof(int32_t),
        [FIELD_INT64] = sizeof(int64_t),      [FIELD_FLOAT64] = sizeof(double),
        [FIELD_UUID] = sizeof(struct uuid),   [FIELD_STRING] = sizeof(struct bytes),
        [FIELD_BYTES] = sizeof(struct bytes), [FIELD_RECORDS] = sizeof(struct records),
    };
    return f->type == FIELD_STRUCT ? f->element->size : sizes[f->type];
}
