/* Configs of the broker that may change while it runs: for the cluster (no name) or this node.
 *
 * As in Kafka, a broker config is refused with INVALID_REQUEST, a topic config with
 * INVALID_CONFIG. */
#include "base/units.h"
#include "broker/broker.h"
#include "broker/config/alter.h"

enum { VALUE_BYTES_MAX = INT16_MAX };

static const struct api_error FINE = {KAFKA_NONE, NULL};

static struct api_error refuse(const char *message)
{
    return (struct api_error){KAFKA_INVALID_REQUEST, message};
}

static struct api_error unknown_name(struct bytes name, struct arena *arena)
{
    const char *near = setting_suggest(broker_setting_table, name);
    return refuse(
        near ? arena_printf(arena, "Unknown broker config name: %.*s (did you mean %s?)",
                            BYTES_PRINTF(name), near)
             : arena_printf(arena, "Unknown broker config name: %.*s", BYTES_PRINTF(name)));
}

/* The canonical form: plain numbers instead of 7d or 1MiB. */
static struct api_error canonical_value(const struct setting *row, struct bytes value,
                                        struct arena *arena, struct bytes *canonical)
{
    struct settings parsed = {0};
    struct message message = {""};
    struct buffer text;
    if (setting_set(row, &parsed, value, &message) != ERR_OK)
        return refuse((const char *)arena_copy(arena, bytes_string(message.text)).data);
    buffer_init(&text, VALUE_BYTES_MAX + 64);
    setting_format(row, &parsed, &text);
    *canonical = arena_copy(arena, buffer_view(&text));
    buffer_free(&text);
    settings_unload(&parsed);
    return FINE;
}

static struct api_error check_value(struct bytes name, struct bytes value, struct arena *arena,
                                    struct bytes *canonical)
{
    const struct setting *row = setting_find(broker_setting_table, name);
    if (row == NULL)
        return unknown_name(name, arena);
    if (!row->dynamic)
        return refuse(arena_printf(arena,
                                   "Cannot update these configs dynamically: Set(%s). Change the "
                                   "broker's configuration file and restart it.",
                                   row->key));
    if (value.size > VALUE_BYTES_MAX)
        return refuse(arena_printf(arena, "The value of %s is longer than %d bytes", row->key,
                                   (int)VALUE_BYTES_MAX));
    return canonical_value(row, value, arena, canonical);
}

static struct api_error check_node(const struct broker *broker, struct bytes name,
                                   struct arena *arena)
{
    int64_t id;
    if (name.size > 0 && !parse_i64(name, &id))
        return refuse(
            arena_printf(arena, "Node id must be an integer, but it is: %.*s", BYTES_PRINTF(name)));
    if (name.size > 0 && id != broker->node_id)
        return refuse(arena_printf(arena, "Unexpected broker id, expected %d, but received %.*s",
                                   broker->node_id, BYTES_PRINTF(name)));
    return FINE;
}

static bool is_same(const struct override_list *before, const struct overrides *after)
{
    if (before->count != after->count)
        return false;
    for (size_t i = 0; i < before->count; i++) {
        if (!bytes_equal(before->configs[i].name, after->configs[i].name) ||
            !bytes_equal(before->configs[i].value, after->configs[i].value))
            return false;
    }
    return true;
}

static void put(struct controller *c, enum settings_layer layer, const struct overrides *set)
{
    const struct live_settings *before = controller_settings(c);
    const struct override_list list = {set->configs, set->count};
    struct trace *trace = controller_shard(c)->env->trace;
    struct live_settings *next = live_settings_with(before, layer, &list);
    trace_log(trace, TRACE_INFO, "broker configs changed",
              F_STRING("scope", layer == LAYER_NODE ? "node" : "cluster"),
              F_INT("overrides", list.count));
    if (!next->now.cleaner_enable && strstr(next->now.log_cleanup_policy, "compact") &&
        !strstr(before->now.log_cleanup_policy, "compact"))
        trace_log(trace, TRACE_WARN, "log.cleaner.enable is false: the topic keeps all records",
                  F_STRING("topic", "(all topics that do not set cleanup.policy)"));
    controller_put_settings(c, next);
}

struct api_error alter_broker(struct alter *a, struct controller *c, const struct alter_resource *r)
{
    const struct live_settings *live = controller_settings(c);
    enum settings_layer layer = r->name.size > 0 ? LAYER_NODE : LAYER_CLUSTER;
    struct overrides set = {.table = broker_setting_table,
                            .effective = &live->now,
                            .check = check_value,
                            .arena = &a->request->arena};
    struct api_error error = check_node(controller_shard(c)->broker, r->name, set.arena);
    if (error.code == KAFKA_NONE)
        error =
            overrides_apply(&set, a->replaces ? NULL : &live->layers[layer], r->keys, r->key_count);
    if (error.code == KAFKA_NONE && !a->validate_only && !is_same(&live->layers[layer], &set))
        put(c, layer, &set);
    return error;
}
