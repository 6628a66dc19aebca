#include "broker/config/overrides.h"

#include "base/map.h"

static const struct api_error FINE = {KAFKA_NONE, NULL};

static struct topic_config *find(const struct overrides *o, struct bytes name)
{
    for (size_t i = 0; i < o->count; i++) {
        if (bytes_equal(o->configs[i].name, name))
            return &o->configs[i];
    }
    return NULL;
}

static void delete (struct overrides *o, struct bytes name)
{
    struct topic_config *found = find(o, name);
    if (found)
        *found = o->configs[--o->count];
}

static struct api_error set(struct overrides *o, struct bytes name, struct bytes value)
{
    struct topic_config *found = find(o, name);
    if (found == NULL) {
        found = &o->configs[o->count++];
        found->name = name;
    }
    return o->check(name, value, o->arena, &found->value);
}

/* The list that is in effect: the override, or the default. */
static struct bytes list_now(const struct overrides *o, const struct setting *row)
{
    const struct topic_config *found = find(o, bytes_string(row->key));
    struct buffer text;
    if (found)
        return found->value;
    buffer_init(&text, 1 << 20);
    setting_format(row, o->effective, &text);
    struct bytes copy = arena_copy(o->arena, buffer_view(&text));
    buffer_free(&text);
    return copy;
}

/* Uses a map, because both lists may be long. */
static void add_items(struct buffer *out, struct bytes from, struct bytes except)
{
    struct map excepted = MAP_EMPTY;
    size_t at = 0;
    for (struct bytes item; !bytes_is_null(item = setting_list_next(except, &at));)
        map_put(&excepted, item, (void *)(uintptr_t)item.data);
    at = 0;
    for (struct bytes item; !bytes_is_null(item = setting_list_next(from, &at));) {
        if (map_get(&excepted, item))
            continue;
        if (out->size > 0)
            buffer_append_string(out, ",");
        buffer_append_bytes(out, item);
    }
    map_free(&excepted);
}

static struct api_error change_list(struct overrides *o, const struct alter_key *key)
{
    const struct setting *row = setting_find(o->table, key->name);
    bool append = key->operation == ALTER_APPEND;
    struct buffer text;
    if (row == NULL || row->type != SETTING_LIST)
        return (struct api_error){
            KAFKA_INVALID_CONFIG,
            arena_printf(o->arena, "Can't %s to key %.*s because its type is not LIST.",
                         append ? "APPEND" : "SUBTRACT", BYTES_PRINTF(key->name))};
    struct bytes now = list_now(o, row);
    buffer_init(&text, 1 << 20);
    add_items(&text, now, append ? BYTES_NULL : key->value);
    if (append)
        add_items(&text, key->value, now);
    struct bytes value = arena_copy(o->arena, buffer_view(&text));
    buffer_free(&text);
    return set(o, key->name, value);
}

static struct api_error apply_key(struct overrides *o, const struct alter_key *key)
{
    switch (key->operation) {
    case ALTER_SET:
        return set(o, key->name, key->value);
    case ALTER_DELETE:
        delete (o, key->name);
        return FINE;
    default:
        return change_list(o, key);
    }
}

struct api_error overrides_apply(struct overrides *o, const struct override_list *before,
                                 const struct alter_key *keys, int32_t key_count)
{
    struct api_error error = FINE;
    size_t kept = before ? before->count : 0;
    o->configs = arena_array(o->arena, kept + (size_t)key_count, sizeof *o->configs);
    o->count = kept;
    for (size_t i = 0; i < kept; i++)
        o->configs[i] = before->configs[i];
    for (int32_t i = 0; i < key_count && error.code == KAFKA_NONE; i++)
        error = apply_key(o, &keys[i]);
    return error;
}
