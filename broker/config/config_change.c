#include "broker/config/config_change.h"

#include "base/env.h"
#include "base/map.h"
#include "broker/config/topic_settings.h"
#include "processors/topology/topology.h"

#include <stdlib.h>

/* Of one override. Strings on the wire are not longer, so no client could read a longer one. */
enum { VALUE_BYTES_MAX = INT16_MAX };

static const struct api_error FINE = {KAFKA_NONE, NULL};

static struct api_error invalid(const char *message)
{
    return (struct api_error){KAFKA_INVALID_CONFIG, message};
}

struct api_error config_too_many(struct arena *arena)
{
    return invalid(
        arena_printf(arena, "A topic may have at most %d configs", (int)TOPIC_OVERRIDES_MAX));
}

static struct api_error unknown_name(struct bytes name, struct arena *arena)
{
    const char *near = setting_suggest(topic_setting_table, name);
    if (near)
        return invalid(arena_printf(arena, "Unknown topic config name: %.*s (did you mean %s?)",
                                    BYTES_PRINTF(name), near));
    return invalid(arena_printf(arena, "Unknown topic config name: %.*s", BYTES_PRINTF(name)));
}

/* Refuses values that Kafka knows and this broker does not support. */
static struct api_error check_availability(const struct setting *row,
                                           const struct topic_settings *s)
{
    if (row->field == offsetof(struct topic_settings, remote_storage) && s->remote_storage)
        return invalid("Tiered Storage functionality is disabled in the broker. Topic cannot be "
                       "configured with remote log storage.");
    return FINE;
}

struct api_error config_check_value(struct bytes name, struct bytes value, struct arena *arena,
                                    struct bytes *canonical)
{
    struct topic_settings parsed = {0};
    struct message message = {""};
    struct buffer text;
    if (value.size > VALUE_BYTES_MAX)
        return invalid(arena_printf(arena, "The value of %.*s is longer than %d bytes",
                                    BYTES_PRINTF(name), (int)VALUE_BYTES_MAX));
    *canonical = value;
    if (topology_is_processor_key(name))
        return FINE; /* checked with the whole set */
    const struct setting *row = setting_find(topic_setting_table, name);
    if (row == NULL)
        return unknown_name(name, arena);
    if (setting_set(row, &parsed, value, &message) != ERR_OK)
        return invalid((const char *)arena_copy(arena, bytes_string(message.text)).data);
    struct api_error error = check_availability(row, &parsed);
    buffer_init(&text, VALUE_BYTES_MAX + 64);
    setting_format(row, &parsed, &text);
    *canonical = arena_copy(arena, buffer_view(&text));
    buffer_free(&text);
    topic_settings_free(&parsed);
    return error;
}

/* --- processors --- */

static enum error parse(const struct topic *topic, struct topology **out, struct message *message,
                        struct buffer *warnings)
{
    struct config_pair *pairs = xcalloc(topic->config_count + 1, sizeof *pairs);
    for (size_t i = 0; i < topic->config_count; i++)
        pairs[i] = (struct config_pair){topic->configs[i].name, topic->configs[i].value};
    const struct topology_topic self = {topic->name, topic->partitions};
    enum error error = topology_parse(&self, pairs, topic->config_count, out, message, warnings);
    free(pairs);
    return error;
}

/* A walk over the topics that can be reached through processors. */
struct graph_walk {
    const struct catalog_draft *catalog;
    const struct topic *candidate;
    struct map seen; /* topics of the catalog, by name */
    const struct topic *stack[64];
    size_t depth;
    bool cycle, too_deep;
};

static void visit_output(struct graph_walk *w, struct bytes name)
{
    if (bytes_equal(name, w->candidate->name)) {
        w->cycle = true;
        return;
    }
    struct topic *next = catalog_draft_by_name(w->catalog, name);
    if (next == NULL || map_get(&w->seen, next->name))
        return;
    if (w->depth == COUNT_OF(w->stack)) {
        w->too_deep = true;
        return;
    }
    map_put(&w->seen, next->name, next);
    w->stack[w->depth++] = next;
}

static void visit_outputs(struct graph_walk *w, const struct topology *topology)
{
    struct bytes name;
    bool is_dead_letter;
    for (size_t i = 0; topology_output(topology, i, &name, &is_dead_letter); i++)
        visit_output(w, name);
}

/* Continues from one output of the candidate to all topics that can be reached. */
static void walk_from(struct graph_walk *w, struct bytes output)
{
    struct message message;
    visit_output(w, output);
    while (w->depth > 0 && !w->cycle && !w->too_deep) {
        struct topology *next = NULL;
        if (parse(w->stack[--w->depth], &next, &message, NULL) == ERR_OK && next)
            visit_outputs(w, next);
        topology_unref(next);
    }
}

static struct api_error check_acyclic(const struct catalog_draft *catalog,
                                      const struct topic *candidate,
                                      const struct topology *topology, struct arena *arena)
{
    struct graph_walk w = {.catalog = catalog, .candidate = candidate};
    struct api_error error = FINE;
    struct bytes name;
    bool is_dead_letter;
    for (size_t i = 0;
         error.code == KAFKA_NONE && topology_output(topology, i, &name, &is_dead_letter); i++) {
        struct bytes parameter = topology_output_parameter(topology, i);
        walk_from(&w, name);
        if (w.cycle)
            error = invalid(arena_printf(arena,
                                         "%.*s: output topic %.*s leads back to input topic %.*s: "
                                         "topics must not form a cycle",
                                         BYTES_PRINTF(parameter), BYTES_PRINTF(name),
                                         BYTES_PRINTF(candidate->name)));
        else if (w.too_deep)
            error = invalid(arena_printf(arena,
                                         "%.*s: the graph of output topics is too large to check",
                                         BYTES_PRINTF(parameter)));
    }
    map_free(&w.seen);
    return error;
}

/* Dead letters keep the keys of their records, which may have none. */
static bool loses_dead_letters(const struct topic *topic)
{
    struct bytes policy = topic_config_get(topic, BYTES_LITERAL("cleanup.policy"));
    return policy.size > 0 && memmem(policy.data, policy.size, "compact", 7);
}

static struct api_error check_outputs(const struct catalog_draft *catalog,
                                      const struct topology *topology, struct arena *arena)
{
    struct bytes name;
    bool is_dead_letter;
    for (size_t i = 0; topology_output(topology, i, &name, &is_dead_letter); i++) {
        const char *fault = topic_name_fault(name);
        if (fault)
            return invalid(arena_printf(arena, "%.*s: cannot create the topic '%.*s': %s",
                                        BYTES_PRINTF(topology_output_parameter(topology, i)),
                                        BYTES_PRINTF(name), fault));
        struct topic *existing = catalog_draft_by_name(catalog, name);
        if (existing && is_dead_letter && loses_dead_letters(existing))
            return invalid(arena_printf(arena,
                                        "%.*s: the topic '%.*s' has cleanup.policy=compact, which "
                                        "removes dead letters without a key: set its "
                                        "cleanup.policy to delete, or name another topic",
                                        BYTES_PRINTF(topology_output_parameter(topology, i)),
                                        BYTES_PRINTF(name)));
        struct topic *other = existing ? NULL : catalog_draft_collision(catalog, name);
        if (other)
            return invalid(arena_printf(arena,
                                        "%.*s: the topic '%.*s' collides with existing topic: %.*s",
                                        BYTES_PRINTF(topology_output_parameter(topology, i)),
                                        BYTES_PRINTF(name), BYTES_PRINTF(other->name)));
    }
    return FINE;
}

static struct api_error check_replacement(const struct topic *before, const struct topology *next,
                                          struct arena *arena)
{
    struct topology *running = NULL;
    struct message message = {""};
    struct api_error error = FINE;
    if (parse(before, &running, &message, NULL) == ERR_OK && running &&
        topology_can_replace(running, next, &message) != ERR_OK)
        error = invalid((const char *)arena_copy(arena, bytes_string(message.text)).data);
    topology_unref(running);
    return error;
}

static void log_warnings(struct env *env, const struct topic *topic, struct buffer *warnings)
{
    struct bytes left = buffer_view(warnings);
    while (left.size > 0) {
        const uint8_t *end = memchr(left.data, '\n', left.size);
        size_t size = end ? (size_t)(end - left.data) : left.size;
        trace_log(env->trace, TRACE_WARN, "processor configs were accepted, but check them",
                  F_BYTES("topic", topic->name), F_BYTES("reason", bytes_of(left.data, size)));
        left = bytes_from(left, MIN(size + 1, left.size));
    }
}

static bool has_processors(const struct topic *topic)
{
    for (size_t i = 0; i < topic->config_count; i++) {
        if (topology_is_processor_key(topic->configs[i].name))
            return true;
    }
    return false;
}

static struct api_error check_processors(const struct catalog_draft *catalog,
                                         const struct topic *before, const struct topic *candidate,
                                         const struct topology *topology, struct arena *arena)
{
    struct api_error error = check_acyclic(catalog, candidate, topology, arena);
    if (error.code == KAFKA_NONE)
        error = check_outputs(catalog, topology, arena);
    if (error.code == KAFKA_NONE && before)
        error = check_replacement(before, topology, arena);
    return error;
}

struct api_error config_check_topic(struct env *env, const struct catalog_draft *catalog,
                                    const struct topic *candidate, const struct topic *before,
                                    struct arena *arena)
{
    struct message message = {""};
    struct topology *topology = NULL;
    struct buffer warnings;
    struct api_error error = FINE;
    if (candidate->config_count > TOPIC_OVERRIDES_MAX)
        return config_too_many(arena);
    if (!has_processors(candidate))
        return FINE;
    buffer_init(&warnings, 1 << 16);
    if (parse(candidate, &topology, &message, &warnings) != ERR_OK)
        error = invalid((const char *)arena_copy(arena, bytes_string(message.text)).data);
    else if (topology)
        error = check_processors(catalog, before, candidate, topology, arena);
    if (error.code == KAFKA_NONE)
        log_warnings(env, candidate, &warnings);
    topology_unref(topology);
    buffer_free(&warnings);
    return error;
}
