#include "broker/config/alter.h"

#include "broker/broker.h"
#include "broker/config/configs.h"
#include "broker/config/overrides.h"
#include "broker/config/topic_settings.h"
#include "broker/request/repeats.h"
#include "broker/topics/topic_change.h"

static const struct api_error FINE = {KAFKA_NONE, NULL};

static struct api_error fault(enum kafka_error error, const char *message)
{
    return (struct api_error){error, message};
}

/* --- what must hold for any resource --- */

static struct api_error check_keys(const struct alter_resource *r, struct arena *arena)
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

static struct api_error alter_topic(struct alter *a, struct controller *c,
                                    const struct alter_resource *r)
{
    struct shard *shard = controller_shard(c);
    struct arena *arena = &a->request->arena;
    struct topic *topic = catalog_draft_by_name(controller_draft(c), r->name);
    if (topic == NULL)
        return fault(
            KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
            arena_printf(arena, "The topic '%.*s' does not exist.", BYTES_PRINTF(r->name)));
    struct topic_settings effective;
    topic_settings_load(&effective, &shard->live->now, topic);
    struct overrides set = {.table = topic_setting_table,
                            .effective = &effective,
                            .check = config_check_value,
                            .arena = arena};
    const struct override_list before = {topic->configs, topic->config_count};
    struct api_error error =
        overrides_apply(&set, a->replaces ? NULL : &before, r->keys, r->key_count);
    topic_settings_free(&effective);
    if (error.code != KAFKA_NONE)
        return error;
    return topic_change_configure(c, topic, set.configs, set.count, a->validate_only, arena);
}

/* --- the change --- */

static struct api_error alter_one(struct alter *a, struct controller *c,
                                  const struct alter_resource *r)
{
    if (r->is_repeated)
        return fault(KAFKA_INVALID_REQUEST, "Each resource must appear at most once.");
    struct api_error error = check_keys(r, &a->request->arena);
    if (error.code != KAFKA_NONE)
        return error;
    switch (r->type) {
    case RESOURCE_TOPIC:
        return alter_topic(a, c, r);
    case RESOURCE_BROKER:
        return alter_broker(a, c, r);
    default:
        return fault(KAFKA_INVALID_REQUEST,
                     arena_printf(&a->request->arena, "Unknown resource type %d", r->type));
    }
}

static void apply(struct change *change, struct controller *c)
{
    struct alter *a = CONTAINER_OF(change, struct alter, change);
    for (int32_t i = 0; i < a->count; i++)
        a->resources[i].error = alter_one(a, c, &a->resources[i]);
    a->fill(a);
}

static void fail_all(struct durable_reply *reply, enum error result)
{
    struct alter *a = CONTAINER_OF(reply, struct alter, reply);
    for (int32_t i = 0; i < a->count; i++)
        a->resources[i].error = fault(controller_error(result), error_text(result));
    a->fill(a);
}

static void mark_repeats(struct alter *a)
{
    struct arena *arena = &a->request->arena;
    struct bytes *names = request_alloc(a->request, (size_t)a->count, sizeof *names);
    for (int32_t i = 0; i < a->count; i++)
        names[i] = repeats_name(arena, a->resources[i].type, a->resources[i].name);
    const bool *repeats = repeats_find(arena, names, (size_t)a->count);
    for (int32_t i = 0; i < a->count; i++)
        a->resources[i].is_repeated = repeats[i];
}

void alter_submit(struct shard *shard, struct alter *alter)
{
    alter->change.apply = apply;
    alter->change.commit = &alter->reply.commit;
    durable_reply_init(&alter->reply, alter->request, alter->response, fail_all);
    mark_repeats(alter);
    controller_submit(shard->controller, &alter->change);
}
