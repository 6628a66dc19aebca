/* A row is one override: "Bconfig." + layer + '.' + key -> value in canonical form. The layer is
 * empty for the cluster and the id for a node, so rows of another node id stay as they are. */
#include "broker/config/live_settings.h"

#include "storage/store.h"

#include <stdio.h>
#include <stdlib.h>

enum { LAYER_BYTES_MAX = 64 << 20, PREFIX_MAX = 32 };

/* --- snapshots --- */

static void copy_layer(struct live_settings *s, enum settings_layer layer,
                       const struct override_list *from)
{
    struct topic_config *configs = arena_array(&s->arena, from->count, sizeof *configs);
    for (size_t i = 0; i < from->count; i++) {
        configs[i].name = arena_copy(&s->arena, from->configs[i].name);
        configs[i].value = arena_copy(&s->arena, from->configs[i].value);
    }
    s->layers[layer] = (struct override_list){configs, from->count};
}

static struct live_settings *make(const struct settings *fixed,
                                  const struct override_list layers[SETTINGS_LAYERS])
{
    struct live_settings *s = xcalloc(1, sizeof *s);
    struct message message;
    atomic_init(&s->references, 1);
    s->fixed = fixed;
    arena_init(&s->arena, LAYER_BYTES_MAX);
    settings_copy(&s->now, fixed);
    for (int layer = 0; layer < SETTINGS_LAYERS; layer++) {
        copy_layer(s, layer, &layers[layer]);
        for (size_t i = 0; i < layers[layer].count; i++) {
            const struct topic_config *config = &layers[layer].configs[i];
            const struct setting *row = setting_find(broker_setting_table, config->name);
            if (row && row->dynamic &&
                settings_set(&s->now, row, config->value, &message) != ERR_OK)
                continue;
        }
    }
    return s;
}

struct live_settings *live_settings_create(const struct settings *fixed)
{
    return make(fixed, (struct override_list[SETTINGS_LAYERS]){{0}});
}

struct live_settings *live_settings_with(const struct live_settings *s, enum settings_layer layer,
                                         const struct override_list *overrides)
{
    struct override_list layers[SETTINGS_LAYERS];
    memcpy(layers, s->layers, sizeof layers);
    layers[layer] = *overrides;
    return make(s->fixed, layers);
}

struct live_settings *live_settings_ref(struct live_settings *s)
{
    atomic_fetch_add(&s->references, 1);
    return s;
}

void live_settings_unref(struct live_settings *s)
{
    if (s == NULL)
        return;
    int before = atomic_fetch_sub(&s->references, 1);
    ASSERT(before > 0);
    if (before > 1)
        return;
    settings_unload(&s->now);
    arena_free(&s->arena);
    free(s);
}

struct bytes live_settings_override(const struct live_settings *s, enum settings_layer layer,
                                    struct bytes name)
{
    const struct override_list *list = &s->layers[layer];
    for (size_t i = 0; i < list->count; i++) {
        if (bytes_equal(list->configs[i].name, name))
            return list->configs[i].value;
    }
    return BYTES_NULL;
}

/* --- rows --- */

static struct bytes prefix_of(enum settings_layer layer, int32_t node_id, char text[PREFIX_MAX])
{
    if (layer == LAYER_CLUSTER)
        snprintf(text, PREFIX_MAX, "Bconfig..");
    else
        snprintf(text, PREFIX_MAX, "Bconfig.%d.", node_id);
    return bytes_string(text);
}

struct layer_load {
    struct arena *arena;
    size_t prefix_size, count;
    struct topic_config configs[BROKER_SETTINGS_MAX];
};

static enum error take_row(void *context, struct bytes key, struct bytes value)
{
    struct layer_load *l = context;
    if (l->count == COUNT_OF(l->configs))
        return ERR_TOO_LARGE;
    struct topic_config *config = &l->configs[l->count++];
    config->name = arena_copy(l->arena, bytes_from(key, l->prefix_size));
    config->value = value.size ? arena_copy(l->arena, value) : BYTES_LITERAL("");
    return ERR_OK;
}

enum error live_settings_load(struct store *store, const struct settings *fixed, int32_t node_id,
                              struct live_settings **out)
{
    struct arena arena;
    enum error error = ERR_OK;
    arena_init(&arena, LAYER_BYTES_MAX);
    *out = live_settings_create(fixed);
    for (int layer = 0; layer < SETTINGS_LAYERS && error == ERR_OK; layer++) {
        char text[PREFIX_MAX];
        struct bytes prefix = prefix_of(layer, node_id, text);
        struct layer_load load = {.arena = &arena, .prefix_size = prefix.size};
        error = store_scan(store, prefix, take_row, &load);
        struct override_list list = {load.configs, load.count};
        struct live_settings *next = live_settings_with(*out, layer, &list);
        live_settings_unref(*out);
        *out = next;
    }
    arena_free(&arena);
    return error;
}

static void store_layer(struct store *store, enum settings_layer layer, struct bytes prefix,
                        const struct live_settings *before, const struct live_settings *after)
{
    struct buffer key;
    buffer_init(&key, 4096);
    for (size_t i = 0; i < before->layers[layer].count; i++) {
        struct bytes name = before->layers[layer].configs[i].name;
        if (!bytes_is_null(live_settings_override(after, layer, name)))
            continue;
        buffer_clear(&key);
        buffer_append_bytes(&key, prefix);
        buffer_append_bytes(&key, name);
        store_delete(store, buffer_view(&key));
    }
    for (size_t i = 0; i < after->layers[layer].count; i++) {
        const struct topic_config *config = &after->layers[layer].configs[i];
        struct bytes old = live_settings_override(before, layer, config->name);
        if (!bytes_is_null(old) && bytes_equal(old, config->value))
            continue;
        buffer_clear(&key);
        buffer_append_bytes(&key, prefix);
        buffer_append_bytes(&key, config->name);
        store_put(store, buffer_view(&key), config->value);
    }
    buffer_free(&key);
}

void live_settings_store(struct store *store, int32_t node_id, const struct live_settings *before,
                         const struct live_settings *after)
{
    for (int layer = 0; layer < SETTINGS_LAYERS; layer++) {
        char text[PREFIX_MAX];
        store_layer(store, layer, prefix_of(layer, node_id, text), before, after);
    }
}
