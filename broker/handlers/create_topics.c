/* CreateTopics: one change of the catalog for all topics of the request. The answer is sent when
 * their partitions are open on all shards. */
#include "broker/broker.h"
#include "broker/config/configs.h"
#include "broker/handlers/handlers.h"
#include "broker/request/durable_reply.h"
#include "broker/request/repeats.h"
#include "broker/topics/topic_change.h"
#include "protocol/messages.h"

struct create_topics {
    struct change change;
    struct durable_reply reply;
    struct shard *shard;
    bool *repeats; /* beside the request's topics */
    bool excessive;
    struct create_topics_response response;
};

enum {
    CONFIGS_SINCE_VERSION = 5,
    PARTITIONS_MAX = 10000, /* of one request, as in Kafka */
};

static struct topic_spec spec_of(const struct create_topics_request_topics *in, struct arena *arena)
{
    struct topic_assignment *assignments =
        arena_array(arena, (size_t)in->assignments_count, sizeof *assignments);
    struct topic_config *configs = arena_array(arena, (size_t)in->configs_count, sizeof *configs);
    for (int32_t i = 0; i < in->assignments_count; i++)
        assignments[i] = (struct topic_assignment){in->assignments[i].partition_index,
                                                   in->assignments[i].broker_ids,
                                                   in->assignments[i].broker_ids_count};
    for (int32_t i = 0; i < in->configs_count; i++)
        configs[i] = (struct topic_config){in->configs[i].name, in->configs[i].value};
    return (struct topic_spec){
        .name = in->name,
        .partitions = in->num_partitions,
        .replication_factor = in->replication_factor,
        .assignments = assignments,
        .assignment_count = in->assignments_count,
        .configs = configs,
        .config_count = (size_t)in->configs_count,
    };
}

static void describe(struct create_topics *ct, const struct topic *topic,
                     struct create_topics_response_topics *out)
{
    struct config_entry *entries;
    struct arena *arena = &ct->reply.request->arena;
    const struct create_topics_request *in = ct->reply.request->body;
    if (!in->validate_only)
        out->topic_id = topic->id;
    out->num_partitions = topic->partitions;
    out->replication_factor = 1;
    if (ct->reply.request->header.api_version < CONFIGS_SINCE_VERSION)
        return;
    size_t count = topic_config_entries(ct->shard->live, topic, arena, &entries);
    out->configs = schema_array(&create_topics_response_topics_configs_schema, count, arena);
    out->configs_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        out->configs[i].name = entries[i].name;
        /* The topic may be freed before the answer. */
        out->configs[i].value = arena_copy(arena, entries[i].value);
        out->configs[i].read_only = entries[i].read_only;
        out->configs[i].config_source = entries[i].source;
        out->configs[i].is_sensitive = entries[i].is_sensitive;
        if (entries[i].source == CONFIG_OF_TOPIC)
            out->configs[i].name = arena_copy(arena, entries[i].name);
    }
}

static struct api_error create(struct create_topics *ct, struct controller *c, int32_t index,
                               struct topic **made)
{
    const struct create_topics_request *in = ct->reply.request->body;
    struct arena *arena = &ct->reply.request->arena;
    const struct topic_spec spec = spec_of(&in->topics[index], arena);
    if (ct->excessive)
        return (struct api_error){KAFKA_POLICY_VIOLATION,
                                  "Excessively large number of partitions per request."};
    if (ct->repeats[index])
        return (struct api_error){KAFKA_INVALID_REQUEST, "Duplicate topic name."};
    return topic_change_create(c, &spec, in->validate_only, arena, made);
}

static void apply(struct change *change, struct controller *c)
{
    struct create_topics *ct = CONTAINER_OF(change, struct create_topics, change);
    const struct create_topics_request *in = ct->reply.request->body;
    for (int32_t i = 0; i < in->topics_count; i++) {
        struct create_topics_response_topics *out = &ct->response.topics[i];
        struct topic *made = NULL;
        struct api_error error = create(ct, c, i, &made);
        out->name = in->topics[i].name;
        out->error_code = (int16_t)error.code;
        out->error_message = reply_text(error.message);
        if (made)
            describe(ct, made, out);
        topic_unref(made);
    }
}

static void fail_all(struct durable_reply *reply, enum error result)
{
    struct create_topics_response *out = reply->response;
    for (int32_t i = 0; i < out->topics_count; i++)
        out->topics[i].error_code = (int16_t)controller_error(result);
}

static void look_over(struct create_topics *ct)
{
    const struct create_topics_request *in = ct->reply.request->body;
    int64_t partitions = 0;
    struct bytes *names = request_alloc(ct->reply.request, (size_t)in->topics_count, sizeof *names);
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct create_topics_request_topics *t = &in->topics[i];
        names[i] = t->name;
        partitions += MAX(t->num_partitions, MAX(t->assignments_count, 1));
    }
    ct->repeats = repeats_find(&ct->reply.request->arena, names, (size_t)in->topics_count);
    ct->excessive = partitions > PARTITIONS_MAX;
}

void create_topics_handle(struct shard *shard, struct request *request)
{
    const struct create_topics_request *in = request->body;
    struct create_topics *ct = request_alloc(request, 1, sizeof *ct);
    ct->shard = shard;
    ct->change.apply = apply;
    ct->change.commit = &ct->reply.commit;
    durable_reply_init(&ct->reply, request, &ct->response, fail_all);
    schema_defaults(&create_topics_response_schema, &ct->response);
    ct->response.topics_count = in->topics_count;
    ct->response.topics = schema_array(&create_topics_response_topics_schema,
                                       (size_t)in->topics_count, &request->arena);
    look_over(ct);
    controller_submit(shard->controller, &ct->change);
}
