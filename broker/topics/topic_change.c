#include "broker/topics/topic_change.h"

#include "broker/broker.h"
#include "broker/config/topic_settings.h"

#include <stdlib.h>

enum { PARTITIONS_MAX = 100000 }; /* of one topic */

static const struct api_error FINE = {KAFKA_NONE, NULL};

static struct api_error fault(enum kafka_error error, const char *message)
{
    return (struct api_error){error, message};
}

/* --- names and numbers --- */

static struct api_error check_name(const struct catalog_draft *catalog, struct bytes name,
                                   struct arena *arena)
{
    const char *why = topic_name_fault(name);
    if (why)
        return fault(KAFKA_INVALID_TOPIC_EXCEPTION,
                     arena_printf(arena, "Topic name is invalid: %s", why));
    if (topic_name_is_internal(name))
        return fault(KAFKA_INVALID_REQUEST,
                     arena_printf(arena, "Creation of internal topic %.*s is prohibited.",
                                  BYTES_PRINTF(name)));
    if (catalog_draft_by_name(catalog, name))
        return fault(KAFKA_TOPIC_ALREADY_EXISTS,
                     arena_printf(arena, "Topic '%.*s' already exists.", BYTES_PRINTF(name)));
    struct topic *other = catalog_draft_collision(catalog, name);
    if (other)
        return fault(KAFKA_INVALID_TOPIC_EXCEPTION,
                     arena_printf(arena, "Topic '%.*s' collides with existing topic: %.*s",
                                  BYTES_PRINTF(name), BYTES_PRINTF(other->name)));
    return FINE;
}

static struct api_error check_replication(const struct settings *s, int32_t factor,
                                          struct arena *arena)
{
    if (factor == -1)
        factor = (int32_t)s->default_replication_factor;
    if (factor <= 0)
        return fault(KAFKA_INVALID_REPLICATION_FACTOR,
                     "Replication factor was set to an invalid non-positive value.");
    if (factor > 1 && !s->clamp_replication_factor)
        return fault(KAFKA_INVALID_REPLICATION_FACTOR,
                     arena_printf(arena, "Replication factor: %d larger than available brokers: 1.",
                                  factor));
    return FINE;
}

/* One partition's replicas: this broker, once. */
static struct api_error check_replicas(const struct broker *broker,
                                       const struct topic_assignment *a, struct arena *arena)
{
    if (a->broker_count <= 0)
        return fault(KAFKA_INVALID_REPLICA_ASSIGNMENT,
                     "The manual partition assignment includes an empty replica list.");
    for (int32_t i = 0; i < a->broker_count; i++) {
        if (a->brokers[i] != broker->node_id)
            return fault(KAFKA_INVALID_REPLICA_ASSIGNMENT,
                         arena_printf(arena,
                                      "The manual partition assignment includes broker %d, but no "
                                      "such broker is registered.",
                                      a->brokers[i]));
        if (i > 0)
            return fault(KAFKA_INVALID_REPLICA_ASSIGNMENT,
                         arena_printf(arena,
                                      "The manual partition assignment includes the broker %d more "
                                      "than once.",
                                      a->brokers[i]));
    }
    return FINE;
}

/* Partitions 0 to n-1, each once. */
static struct api_error check_assignments(const struct broker *broker,
                                          const struct topic_spec *spec, struct arena *arena)
{
    bool *seen = arena_array(arena, (size_t)spec->assignment_count, sizeof *seen);
    for (int32_t i = 0; i < spec->assignment_count; i++) {
        const struct topic_assignment *a = &spec->assignments[i];
        if (a->partition < 0 || a->partition >= spec->assignment_count)
            return fault(KAFKA_INVALID_REPLICA_ASSIGNMENT,
                         "partitions should be a consecutive 0-based integer sequence");
        if (seen[a->partition])
            return fault(
                KAFKA_INVALID_REPLICA_ASSIGNMENT,
                arena_printf(arena, "Found multiple assignments for partition %d.", a->partition));
        seen[a->partition] = true;
        struct api_error error = check_replicas(broker, a, arena);
        if (error.code != KAFKA_NONE)
            return error;
    }
    return FINE;
}

static struct api_error check_counts(const struct broker *broker, const struct topic_spec *spec,
                                     struct arena *arena, int32_t *partitions)
{
    if (spec->assignment_count > 0) {
        *partitions = spec->assignment_count;
        if (spec->partitions != -1)
            return fault(KAFKA_INVALID_REQUEST, "A manual partition assignment was specified, but "
                                                "numPartitions was not set to -1.");
        if (spec->replication_factor != -1)
            return fault(KAFKA_INVALID_REQUEST, "A manual partition assignment was specified, but "
                                                "replication factor was not set to -1.");
        return check_assignments(broker, spec, arena);
    }
    *partitions =
        spec->partitions == -1 ? (int32_t)broker->settings->num_partitions : spec->partitions;
    if (*partitions <= 0)
        return fault(KAFKA_INVALID_PARTITIONS,
                     "Number of partitions was set to an invalid non-positive value.");
    if (*partitions > PARTITIONS_MAX)
        return fault(
            KAFKA_INVALID_PARTITIONS,
            arena_printf(arena, "A topic may have at most %d partitions.", (int)PARTITIONS_MAX));
    return check_replication(broker->settings, spec->replication_factor, arena);
}

/* --- configs --- */

static struct api_error check_values(const struct topic_spec *spec, struct arena *arena,
                                     struct topic_config **out)
{
    struct topic_config *configs = arena_array(arena, spec->config_count, sizeof *configs);
    if (spec->config_count > TOPIC_OVERRIDES_MAX)
        return config_too_many(arena);
    for (size_t i = 0; i < spec->config_count; i++) {
        const struct topic_config *given = &spec->configs[i];
        if (bytes_is_null(given->value))
            return fault(KAFKA_INVALID_CONFIG,
                         arena_printf(arena, "Null value not supported for topic configs: %.*s",
                                      BYTES_PRINTF(given->name)));
        for (size_t j = 0; j < i; j++) {
            if (bytes_equal(spec->configs[j].name, given->name))
                return fault(KAFKA_INVALID_REQUEST,
                             arena_printf(arena, "Duplicate topic config name: %.*s",
                                          BYTES_PRINTF(given->name)));
        }
        configs[i].name = given->name;
        struct api_error error =
            config_check_value(given->name, given->value, arena, &configs[i].value);
        if (error.code != KAFKA_NONE)
            return error;
    }
    *out = configs;
    return FINE;
}

static struct uuid fresh_id(struct controller *c)
{
    struct uuid id;
    do
        random_uuid(controller_shard(c)->env->random, id.bytes);
    while (catalog_draft_by_id(controller_draft(c), id));
    return id;
}

static bool is_compacted(const struct shard *shard, const struct topic *topic)
{
    return topic && topic_is_compacted(topic, &shard->live->now);
}

static void put(struct controller *c, struct topic *topic, const struct topic *before)
{
    struct shard *shard = controller_shard(c);
    /* The snapshot may free `before`. */
    bool was_compacted = is_compacted(shard, before);
    controller_put_topic(c, topic);
    if (!shard->broker->settings->cleaner_enable && is_compacted(shard, topic) && !was_compacted)
        trace_log(shard->env->trace, TRACE_WARN,
                  "log.cleaner.enable is false: the topic keeps all records",
                  F_BYTES("topic", topic->name));
}

/* --- the changes --- */

struct api_error topic_change_create(struct controller *c, const struct topic_spec *spec,
                                     bool only_check, struct arena *arena, struct topic **out)
{
    struct shard *shard = controller_shard(c);
    struct topic_config *configs = NULL;
    int32_t partitions = 0;
    struct api_error error = check_name(controller_draft(c), spec->name, arena);
    *out = NULL;
    if (error.code == KAFKA_NONE)
        error = check_counts(shard->broker, spec, arena, &partitions);
    if (error.code == KAFKA_NONE)
        error = check_values(spec, arena, &configs);
    if (error.code != KAFKA_NONE)
        return error;
    struct topic *topic = topic_create(spec->name, fresh_id(c), partitions, shard->wall_ms, configs,
                                       spec->config_count);
    error = config_check_topic(shard->env, controller_draft(c), topic, NULL, arena);
    if (error.code != KAFKA_NONE) {
        topic_unref(topic);
        return error;
    }
    if (!only_check) {
        put(c, topic, NULL);
        trace_log(shard->env->trace, TRACE_INFO, "topic created", F_BYTES("topic", topic->name),
                  F_INT("partitions", partitions));
    }
    *out = topic;
    return FINE;
}

static struct api_error check_growth(const struct broker *broker, const struct topic *topic,
                                     int32_t count, const struct topic_assignment *assignments,
                                     int32_t assignment_count, struct arena *arena)
{
    int32_t more = count - topic->partitions;
    if (more == 0)
        return fault(KAFKA_INVALID_PARTITIONS,
                     arena_printf(arena, "Topic already has %d partition(s).", topic->partitions));
    if (count < topic->partitions)
        return fault(
            KAFKA_INVALID_PARTITIONS,
            arena_printf(arena,
                         "The topic %.*s currently has %d partition(s); %d would not be an "
                         "increase.",
                         BYTES_PRINTF(topic->name), topic->partitions, count));
    if (count > PARTITIONS_MAX)
        return fault(
            KAFKA_INVALID_PARTITIONS,
            arena_printf(arena, "A topic may have at most %d partitions.", (int)PARTITIONS_MAX));
    if (assignments && assignment_count != more)
        return fault(KAFKA_INVALID_REPLICA_ASSIGNMENT,
                     arena_printf(arena,
                                  "Attempted to add %d additional partition(s), but only %d "
                                  "assignment(s) were specified.",
                                  more, assignment_count));
    for (int32_t i = 0; assignments && i < assignment_count; i++) {
        struct api_error error = check_replicas(broker, &assignments[i], arena);
        if (error.code != KAFKA_NONE)
            return error;
    }
    return FINE;
}

struct api_error topic_change_grow(struct controller *c, struct topic *topic, int32_t count,
                                   const struct topic_assignment *assignments,
                                   int32_t assignment_count, bool only_check, struct arena *arena)
{
    struct shard *shard = controller_shard(c);
    struct api_error error =
        check_growth(shard->broker, topic, count, assignments, assignment_count, arena);
    if (error.code != KAFKA_NONE)
        return error;
    struct topic *next = topic_create(topic->name, topic->id, count, topic->created_ms,
                                      topic->configs, topic->config_count);
    error = config_check_topic(shard->env, controller_draft(c), next, topic, arena);
    if (error.code == KAFKA_NONE && !only_check) {
        trace_log(shard->env->trace, TRACE_INFO, "partitions added", F_BYTES("topic", topic->name),
                  F_INT("from", topic->partitions), F_INT("to", count));
        put(c, next, topic);
    }
    topic_unref(next);
    return error;
}

static bool same_configs(const struct topic *a, const struct topic *b)
{
    if (a->config_count != b->config_count)
        return false;
    for (size_t i = 0; i < a->config_count; i++) {
        if (!bytes_equal(a->configs[i].name, b->configs[i].name) ||
            !bytes_equal(a->configs[i].value, b->configs[i].value))
            return false;
    }
    return true;
}

struct api_error topic_change_configure(struct controller *c, const struct topic *topic,
                                        const struct topic_config *configs, size_t config_count,
                                        bool only_check, struct arena *arena)
{
    struct shard *shard = controller_shard(c);
    struct topic *next = topic_create(topic->name, topic->id, topic->partitions, topic->created_ms,
                                      configs, config_count);
    struct api_error error =
        config_check_topic(shard->env, controller_draft(c), next, topic, arena);
    if (error.code == KAFKA_NONE && !only_check && !same_configs(topic, next)) {
        trace_log(shard->env->trace, TRACE_INFO, "topic configs changed",
                  F_BYTES("topic", topic->name), F_INT("overrides", config_count));
        put(c, next, topic);
    }
    topic_unref(next);
    return error;
}
