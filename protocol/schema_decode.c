/* The decoder. It never stops in the middle: after a failure every read gives zero and every loop
 * ends. schema_decode checks for failure once. */
#include "protocol/schema.h"
#include "protocol/schema_table.h"

struct decoder {
    struct reader *r;
    struct arena *arena;
    int version;
    bool flexible;
    bool no_memory;
};

static void decode_struct(struct decoder *d, const struct schema *schema, uint8_t *out);

static void require(struct decoder *d, bool condition)
{
    if (!condition)
        d->r->failed = true;
}

static bool null_allowed(const struct decoder *d, const struct schema_field *f)
{
    return d->version >= f->null_first && d->version <= f->null_last;
}

/* Memory from the arena. If it is full, the result is NULL and the decoding fails. */
static void *allocate(struct decoder *d, size_t count, size_t size)
{
    void *memory = arena_array(d->arena, count, size);
    if (memory == NULL) {
        d->no_memory = true;
        d->r->failed = true;
    }
    return memory;
}

static struct bytes decode_string(struct decoder *d)
{
    if (!d->flexible)
        return read_string16(d->r);
    struct bytes b = read_compact(d->r);
    require(d, b.size <= INT16_MAX); /* Kafka's limit for strings of either kind */
    return b;
}

static struct bytes decode_bytes(struct decoder *d)
{
    return d->flexible ? read_compact(d->r) : read_bytes32(d->r);
}

/* Decodes one value. Inside arrays, null is never legal. */
static void decode_value(struct decoder *d, const struct schema_field *f, bool nullable,
                         uint8_t *at)
{
    switch ((enum field_type)f->type) {
    case FIELD_BOOL:
        *(bool *)at = read_i8(d->r) != 0;
        break;
    case FIELD_INT8:
        *(int8_t *)at = read_i8(d->r);
        break;
    case FIELD_INT16:
        *(int16_t *)(void *)at = read_i16(d->r);
        break;
    case FIELD_INT32:
        *(int32_t *)(void *)at = read_i32(d->r);
        break;
    case FIELD_INT64:
        *(int64_t *)(void *)at = read_i64(d->r);
        break;
    case FIELD_FLOAT64:
        *(double *)(void *)at = read_f64(d->r);
        break;
    case FIELD_UUID:
        *(struct uuid *)at = read_uuid(d->r);
        break;
    case FIELD_STRING: {
        struct bytes b = decode_string(d);
        require(d, nullable || !bytes_is_null(b));
        *(struct bytes *)(void *)at = b;
        break;
    }
    case FIELD_BYTES:
    case FIELD_RECORDS: {
        struct bytes b = decode_bytes(d);
        require(d, nullable || !bytes_is_null(b));
        if (f->type == FIELD_BYTES)
            *(struct bytes *)(void *)at = b;
        else
            *(struct records *)(void *)at = (struct records){.bytes = b};
        break;
    }
    case FIELD_STRUCT:
        decode_struct(d, f->element, at);
        break;
    }
}

/* The smallest size of an element on the wire. */
static size_t min_element_size(const struct decoder *d, const struct schema_field *f)
{
    switch ((enum field_type)f->type) {
    case FIELD_BOOL:
    case FIELD_INT8:
        return 1;
    case FIELD_INT16:
        return 2;
    case FIELD_INT32:
        return 4;
    case FIELD_INT64:
    case FIELD_FLOAT64:
        return 8;
    case FIELD_UUID:
        return 16;
    case FIELD_STRING:
        return d->flexible ? 1 : 2;
    case FIELD_BYTES:
    case FIELD_RECORDS:
        return d->flexible ? 1 : 4;
    case FIELD_STRUCT:
        return f->element->min_wire_size;
    }
    return 1;
}

static void decode_array(struct decoder *d, const struct schema_field *f, uint8_t *structure)
{
    int64_t count = d->flexible ? (int64_t)read_uvarint(d->r) - 1 : read_i32(d->r);
    uint8_t *elements = NULL;
    if (count < 0) {
        require(d, count == -1 && null_allowed(d, f));
        count = -1;
    } else if (count > 0) {
        /* Every element takes at least a byte, so the frame's size bounds the arena's use, whatever
         * the count is. */
        require(d, (uint64_t)count <= reader_left(d->r) / min_element_size(d, f));
        size_t size = schema_type_size(f);
        if (!d->r->failed)
            elements = allocate(d, (size_t)count, size);
        for (int64_t i = 0; i < count && !d->r->failed; i++)
            decode_value(d, f, false, elements + (size_t)i * size);
    }
    *(void **)(void *)(structure + f->offset) = elements;
    *(int32_t *)(void *)(structure + f->count_offset) = d->r->failed ? 0 : (int32_t)count;
}

/* A nullable structure begins with a byte: -1 for null, 1 otherwise. */
static void decode_pointer(struct decoder *d, const struct schema_field *f, uint8_t *structure)
{
    uint8_t *element = NULL;
    int8_t flag = read_i8(d->r);
    require(d, flag == 1 || flag == -1);
    if (flag == 1 && !d->r->failed)
        element = allocate(d, 1, f->element->size);
    if (element)
        decode_struct(d, f->element, element);
    *(void **)(void *)(structure + f->offset) = element;
}

static void decode_field(struct decoder *d, const struct schema_field *f, uint8_t *structure)
{
    if (f->is_array)
        decode_array(d, f, structure);
    else if (f->is_pointer)
        decode_pointer(d, f, structure);
    else
        decode_value(d, f, null_allowed(d, f), structure + f->offset);
}

static const struct schema_field *find_tag(const struct decoder *d, const struct schema *schema,
                                           uint32_t tag)
{
    const struct schema_field *f = schema->fields + schema->plain_count;
    for (unsigned i = 0; i < schema->tagged_count; i++, f++)
        if ((uint32_t)f->tag == tag && d->version >= f->first_version &&
            d->version <= f->last_version)
            return f;
    return NULL;
}

/* Tags ascend. An unknown tag is skipped. The value of a known tag must fill its size exactly. */
static void decode_tags(struct decoder *d, const struct schema *schema, uint8_t *out)
{
    struct reader *outer = d->r;
    uint32_t count = read_uvarint(outer);
    int64_t previous = -1;
    for (uint32_t i = 0; i < count && !outer->failed; i++) {
        uint32_t tag = read_uvarint(outer);
        uint32_t size = read_uvarint(outer);
        require(d, tag > previous);
        previous = tag;
        const uint8_t *content = read_raw(outer, size);
        const struct schema_field *f = find_tag(d, schema, tag);
        if (outer->failed || f == NULL)
            continue;
        struct reader inner = reader_of(bytes_of(content, size));
        d->r = &inner;
        decode_field(d, f, out);
        require(d, reader_left(&inner) == 0);
        d->r = outer;
        require(d, !inner.failed);
    }
}

static void decode_struct(struct decoder *d, const struct schema *schema, uint8_t *out)
{
    const struct schema_field *f = schema->fields;
    for (unsigned i = 0; i < schema->plain_count; i++, f++) {
        if (d->version >= f->first_version && d->version <= f->last_version)
            decode_field(d, f, out);
        else
            schema_field_default(f, out);
    }
    for (unsigned i = 0; i < schema->tagged_count; i++, f++)
        schema_field_default(f, out);
    if (d->flexible)
        decode_tags(d, schema, out);
}

enum error schema_decode(const struct schema *schema, int version, struct reader *r,
                         struct arena *arena, void *out)
{
    struct decoder d = {
        .r = r,
        .arena = arena,
        .version = version,
        .flexible = schema_is_flexible(schema, version),
    };
    decode_struct(&d, schema, out);
    if (d.no_memory)
        return ERR_NO_MEMORY;
    return r->failed ? ERR_INVALID : ERR_OK;
}
