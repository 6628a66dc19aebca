#include "processors/values/value.h"

#include "base/compiler.h"

bool value_is_list(const struct value *v)
{
    return v->type == VALUE_LIST ||
           (v->type == VALUE_JSON && v->bytes.size > 0 && v->bytes.data[0] == '[');
}

bool value_is_map(const struct value *v)
{
    return v->type == VALUE_MAP ||
           (v->type == VALUE_JSON && v->bytes.size > 0 && v->bytes.data[0] == '{');
}

const char *value_type_name(const struct value *v)
{
    static const char *const names[] = {
        [VALUE_NULL] = "null",     [VALUE_BOOL] = "bool",           [VALUE_INT] = "int",
        [VALUE_DOUBLE] = "double", [VALUE_DECIMAL] = "decimal",     [VALUE_STRING] = "string",
        [VALUE_BYTES] = "bytes",   [VALUE_TIMESTAMP] = "timestamp", [VALUE_DURATION] = "duration",
        [VALUE_JSON] = "map",      [VALUE_LIST] = "list",           [VALUE_MAP] = "map",
    };
    ASSERT(v->type < COUNT_OF(names));
    return value_is_list(v) ? "list" : names[v->type];
}

enum { SCALAR_SIZE = 8 }; /* of an item: a number's JSON is at most six times as long */

static size_t list_text_size(const struct value *v)
{
    size_t size = 0;
    for (size_t i = 0; i < v->list.count; i++)
        size += SCALAR_SIZE + value_text_size(&v->list.items[i]);
    return size;
}

static size_t map_text_size(const struct value *v)
{
    size_t size = 0;
    for (size_t i = 0; i < v->map.count; i++)
        size +=
            SCALAR_SIZE + v->map.entries[i].name.size + value_text_size(&v->map.entries[i].value);
    return size;
}

size_t value_text_size(const struct value *v)
{
    switch (v->type) {
    case VALUE_STRING:
    case VALUE_BYTES:
    case VALUE_JSON:
        return v->bytes.size;
    case VALUE_LIST:
        return list_text_size(v);
    case VALUE_MAP:
        return map_text_size(v);
    default:
        return 0;
    }
}
