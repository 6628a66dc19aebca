#include "broker/alter.h"

#include "base/map.h"
#include "base/units.h"
#include "broker/broker.h"
#include "broker/configs.h"
#include "broker/repeats.h"
#include "broker/topic_change.h"
#include "broker/topic_settings.h"

static const struct verdict FINE = {KAFKA_NONE, NULL};

/* The set of overrides that a resource's keys lead to. */
struct override_set {
    struct topic_config *configs;
    size_t count;
};

static struct verdict fault(enum kafka_error error, const char *message)
{
    return (struct verdict){error, message};
}

/* --- what must hold for any resource --- */

static struct verdict check_keys(const struct alter_resource *r, struct arena *arena)
{
    struct bytes *names = arena_array(arena, (size_t)r->key_count, sizeof *names);
    if (r->key_count > 2 * TOPIC_OVERRIDES_MAX)
        return config_too_many(arena);
    for (int32_t i = 0; i < r->key_count; i++)
        names[i] = r->keys[i].name;
    const bool *repeats = repeats_find(arena, names, (size_t)r->key_count);
    for (int32_t i = 0; i < r->key_count; i++) {
        const struct alter_key *key = &r->keys[i];
        if (repeats[i])
            return fault(KAFKA_INVALID_REQUEST, "Error due to duplicate config keys");
        if (key->operation < ALTER_SET || key->operation > ALTER_SUBTRACT)
            return fault(KAFKA_INVALID_REQUEST,
                         arena_printf(arena, "Unknown config operation type %d", key->operation));
        if (bytes_is_null(key->value) && key->operation != ALTER_DELETE)
            return fault(KAFKA_INVALID_REQUEST,
                         arena_printf(arena, "Null value not supported for : %.*s",
                                      BYTES_PRINTF(key->name)));
    }
    return FINE;
}

/* --- topics --- */

static struct topic_config *find_override(const struct override_set *set, struct bytes name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (bytes_equal(set->configs[i].name, name))
            return &set->configs[i];
    }
    return NULL;
}

static void delete_override(struct override_set *set, struct bytes name)
{
    struct topic_config *found = find_override(set, name);
    if (found)
        *found = set->configs[--set->count];
}

static struct verdict set_override(struct override_set *set, struct bytes name, struct bytes value,
                                   struct arena *arena)
{
    struct topic_config *found = find_override(set, name);
    if (found == NULL) {
        found = &set->configs[set->count++];
        found->name = name;
    }
    return config_check_value(name, value, arena, &found->value);
}

/* The list that is in effect: the override, or the default. */
static struct bytes list_now(struct shard *shard, const struct topic *topic,
                             const struct override_set *set, struct bytes name, struct arena *arena)
{
    const struct topic_config *found = find_override(set, name);
    struct topic_settings settings;
    struct buffer text;
    if (found)
        return found->value;
    const struct setting *row = setting_find(topic_setting_table, name);
    topic_settings_load(&settings, shard->broker->settings, topic);
    buffer_init(&text, 1 << 20);
    setting_format(row, &settings, &text);
    struct bytes copy = arena_copy(arena, buffer_view(&text));
    buffer_free(&text);
    topic_settings_free(&settings);
    return copy;
}

/* Both lists may be long: a map instead of comparing each with each. */
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

static struct verdict change_list(struct shard *shard, const struct topic *topic,
                                  struct override_set *set, const struct alter_key *key,
                                  struct arena *arena)
{
    bool append = key->operation == ALTER_APPEND;
    struct buffer text;
    if (!config_is_list(key->name))
        return fault(KAFKA_INVALID_CONFIG,
                     arena_printf(arena, "Can't %s to key %.*s because its type is not LIST.",
                                  append ? "APPEND" : "SUBTRACT", BYTES_PRINTF(key->name)));
    struct bytes now = list_now(shard, topic, set, key->name, arena);
    buffer_init(&text, 1 << 20);
    add_items(&text, now, append ? BYTES_NULL : key->value);
    if (append)
        add_items(&text, key->value, now);
    struct bytes value = arena_copy(arena, buffer_view(&text));
    buffer_free(&text);
    return set_override(set, key->name, value, arena);
}

static struct verdict apply_key(struct shard *shard, const struct topic *topic,
                                struct override_set *set, const struct alter_key *key,
                                struct arena *arena)
{
    switch (key->operation) {
    case ALTER_SET:
        return set_override(set, key->name, key->value, arena);
    case ALTER_DELETE:
        delete_override(set, key->name);
        return FINE;
    default:
        return change_list(shard, topic, set, key, arena);
    }
}

static struct verdict alter_topic(struct alter *a, struct controller *c,
                                  const struct alter_resource *r)
{
    struct shard *shard = controller_shard(c);
    struct arena *arena = &a->request->arena;
    struct topic *topic = catalog_draft_by_name(controller_draft(c), r->name);
    if (topic == NULL)
        return fault(
            KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
            arena_printf(arena, "The topic '%.*s' does not exist.", BYTES_PRINTF(r->name)));
    size_t room = topic->config_count + (size_t)r->key_count;
    struct override_set set = {arena_array(arena, room, sizeof *set.configs), 0};
    for (size_t i = 0; !a->replaces && i < topic->config_count; i++)
        set.configs[set.count++] = topic->configs[i];
    for (int32_t i = 0; i < r->key_count; i++) {
        struct verdict verdict = apply_key(shard, topic, &set, &r->keys[i], arena);
        if (verdict.error != KAFKA_NONE)
            return verdict;
    }
    return topic_change_configure(c, topic, set.configs, set.count, a->validate_only, arena);
}

/* --- the broker --- */

/* Nothing of the broker changes while it runs: what the file says is what holds. */
static struct verdict alter_broker(struct alter *a, struct controller *c,
                                   const struct alter_resource *r)
{
    const struct broker *broker = controller_shard(c)->broker;
    struct arena *arena = &a->request->arena;
    int64_t id;
    if (r->name.size > 0 && (!parse_i64(r->name, &id) || id != broker->node_id))
        return fault(KAFKA_INVALID_REQUEST,
                     arena_printf(arena,
                                  "Unexpected broker id, expected %d or empty string, but received "
                                  "%.*s",
                                  broker->node_id, BYTES_PRINTF(r->name)));
    if (r->key_count == 0)
        return FINE;
    return fault(KAFKA_INVALID_REQUEST,
                 arena_printf(arena,
                              "Cannot update these configs dynamically: Set(%.*s). Change the "
                              "broker's configuration file and restart it.",
                              BYTES_PRINTF(r->keys[0].name)));
}

/* --- the change --- */

static struct verdict alter_one(struct alter *a, struct controller *c,
                                const struct alter_resource *r)
{
    if (r->is_repeated)
        return fault(KAFKA_INVALID_REQUEST, "Each resource must appear at most once.");
    struct verdict verdict = check_keys(r, &a->request->arena);
    if (verdict.error != KAFKA_NONE)
        return verdict;
    switch (r->type) {
    case RESOURCE_TOPIC:
        return alter_topic(a, c, r);
    case RESOURCE_BROKER:
        return alter_broker(a, c, r);
    default:
        return fault(KAFKA_INVALID_REQUEST,
                     arena_printf(&a->request->arena, "Unsupported resource type: %d", r->type));
    }
}

static void apply(struct change *change, struct controller *c)
{
    struct alter *a = CONTAINER_OF(change, struct alter, change);
    for (int32_t i = 0; i < a->count; i++)
        a->resources[i].verdict = alter_one(a, c, &a->resources[i]);
}

static void done(struct change *change, enum error result)
{
    struct alter *a = CONTAINER_OF(change, struct alter, change);
    for (int32_t i = 0; result != ERR_OK && i < a->count; i++)
        a->resources[i].verdict = fault(controller_error(result), error_text(result));
    a->answer(a);
}

static void mark_repeats(struct alter *a)
{
    struct arena *arena = &a->request->arena;
    struct bytes *names = request_alloc(a->request, (size_t)a->count, sizeof *names);
    for (int32_t i = 0; i < a->count; i++) {
        const struct alter_resource *r = &a->resources[i];
        uint8_t *name = arena_alloc(arena, r->name.size + 1);
        name[0] = (uint8_t)r->type;
        if (r->name.size > 0)
            memcpy(name + 1, r->name.data, r->name.size);
        names[i] = bytes_of(name, r->name.size + 1);
    }
    const bool *repeats = repeats_find(arena, names, (size_t)a->count);
    for (int32_t i = 0; i < a->count; i++)
        a->resources[i].is_repeated = repeats[i];
}

void alter_submit(struct shard *shard, struct alter *alter)
{
    alter->change.apply = apply;
    alter->change.done = done;
    mark_repeats(alter);
    controller_submit(shard->controller, &alter->change);
}
