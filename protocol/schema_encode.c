/* The encoder. It keeps an error until the end, like the buffer's overflow. */
#include "protocol/schema.h"
#include "protocol/schema_table.h"

struct encoder {
    struct writer *w;
    int version;
    bool flexible;
    bool invalid;
};

static void encode_struct(struct encoder *e, const struct schema *schema, const uint8_t *in);

static void require(struct encoder *e, bool condition)
{
    if (!condition)
        e->invalid = true;
}

static bool null_allowed(const struct encoder *e, const struct schema_field *f)
{
    return e->version >= f->null_first && e->version <= f->null_last;
}

static void encode_string(struct encoder *e, struct bytes b)
{
    require(e, b.size <= INT16_MAX);
    if (e->invalid)
        return;
    if (e->flexible)
        write_compact(e->w, b);
    else
        write_string16(e->w, b);
}

static void encode_bytes(struct encoder *e, struct bytes b)
{
    require(e, b.size < INT32_MAX);
    if (e->invalid)
        return;
    if (e->flexible)
        write_compact(e->w, b);
    else
        write_bytes32(e->w, b);
}

static void encode_records(struct encoder *e, const struct records *records)
{
    if (records->slice == NULL) {
        encode_bytes(e, records->bytes);
        return;
    }
    require(e, records->slice_size < INT32_MAX);
    if (e->invalid)
        return;
    if (e->flexible)
        write_uvarint(e->w, (uint32_t)records->slice_size + 1);
    else
        write_i32(e->w, (int32_t)records->slice_size);
    write_splice(e->w, records->slice, records->slice_size);
}

static void encode_value(struct encoder *e, const struct schema_field *f, bool nullable,
                         const uint8_t *at)
{
    switch ((enum field_type)f->type) {
    case FIELD_BOOL:
        write_i8(e->w, *(const bool *)at ? 1 : 0);
        break;
    case FIELD_INT8:
        write_i8(e->w, *(const int8_t *)at);
        break;
    case FIELD_INT16:
        write_i16(e->w, *(const int16_t *)(const void *)at);
        break;
    case FIELD_INT32:
        write_i32(e->w, *(const int32_t *)(const void *)at);
        break;
    case FIELD_INT64:
        write_i64(e->w, *(const int64_t *)(const void *)at);
        break;
    case FIELD_FLOAT64:
        write_f64(e->w, *(const double *)(const void *)at);
        break;
    case FIELD_UUID:
        write_uuid(e->w, *(const struct uuid *)at);
        break;
    case FIELD_STRING:
    case FIELD_BYTES: {
        const struct bytes *b = (const void *)at;
        require(e, nullable || !bytes_is_null(*b));
        if (f->type == FIELD_STRING)
            encode_string(e, *b);
        else
            encode_bytes(e, *b);
        break;
    }
    case FIELD_RECORDS: {
        const struct records *records = (const void *)at;
        require(e, nullable || records->slice || !bytes_is_null(records->bytes));
        encode_records(e, records);
        break;
    }
    case FIELD_STRUCT:
        encode_struct(e, f->element, at);
        break;
    }
}

static void encode_array(struct encoder *e, const struct schema_field *f, const uint8_t *structure)
{
    int32_t count = *(const int32_t *)(const void *)(structure + f->count_offset);
    const uint8_t *elements = *(uint8_t *const *)(const void *)(structure + f->offset);
    require(e, count >= 0 || (count == -1 && null_allowed(e, f)));
    if (e->flexible)
        write_uvarint(e->w, (uint32_t)count + 1);
    else
        write_i32(e->w, count);
    size_t size = schema_type_size(f);
    for (int32_t i = 0; i < count && !e->invalid; i++)
        encode_value(e, f, false, elements + (size_t)i * size);
}

static void encode_field(struct encoder *e, const struct schema_field *f, const uint8_t *structure)
{
    if (f->is_array) {
        encode_array(e, f, structure);
    } else if (f->is_pointer) {
        const uint8_t *element = *(uint8_t *const *)(const void *)(structure + f->offset);
        require(e, element || null_allowed(e, f));
        write_i8(e->w, element ? 1 : -1);
        if (element)
            encode_struct(e, f->element, element);
    } else {
        encode_value(e, f, null_allowed(e, f), structure + f->offset);
    }
}

/* The size of a tagged field is written before the field, but known only after it. One byte is
 * reserved; a longer size is rare and moves the content. */
static void encode_tagged(struct encoder *e, const struct schema_field *f, const uint8_t *structure)
{
    struct buffer *out = e->w->out;
    size_t splices = e->w->splice_count;
    write_uvarint(e->w, (uint32_t)f->tag);
    write_i8(e->w, 0);
    size_t start = out->size;
    encode_field(e, f, structure);
    ASSERT(e->w->splice_count == splices); /* they would have the wrong position after the move */
    if (out->overflowed)
        return;
    uint32_t size = (uint32_t)(out->size - start);
    size_t more = 0;
    while (size >> (7 * (more + 1)) != 0)
        more++;
    if (more > 0 && buffer_extend(out, more) == NULL)
        return;
    memmove(out->data + start + more, out->data + start, size);
    for (size_t i = 0; i <= more; i++)
        out->data[start - 1 + i] = (uint8_t)((size >> (7 * i) & 0x7f) | (i < more ? 0x80 : 0));
}

static bool present(const struct encoder *e, const struct schema_field *f, const uint8_t *in)
{
    return e->version >= f->first_version && e->version <= f->last_version &&
           !schema_field_is_default(f, in);
}

static void encode_struct(struct encoder *e, const struct schema *schema, const uint8_t *in)
{
    const struct schema_field *f = schema->fields;
    for (unsigned i = 0; i < schema->plain_count && !e->invalid; i++, f++)
        if (e->version >= f->first_version && e->version <= f->last_version)
            encode_field(e, f, in);
    if (!e->flexible || e->invalid)
        return;
    uint32_t count = 0;
    for (unsigned i = 0; i < schema->tagged_count; i++)
        count += present(e, &f[i], in);
    write_uvarint(e->w, count);
    for (unsigned i = 0; i < schema->tagged_count; i++, f++)
        if (present(e, f, in))
            encode_tagged(e, f, in);
}

enum error schema_encode(const struct schema *schema, int version, const void *in, struct writer *w)
{
    struct encoder e = {
        .w = w,
        .version = version,
        .flexible = schema_is_flexible(schema, version),
    };
    encode_struct(&e, schema, in);
    if (e.invalid)
        return ERR_INVALID;
    return w->out->overflowed ? ERR_TOO_LARGE : ERR_OK;
}
