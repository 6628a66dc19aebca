/* DeleteTopics: by name, or from version 6 on by name or id. The topics are gone before the
 * answer. */
#include "broker/broker.h"
#include "broker/handlers/handlers.h"
#include "broker/request/durable_reply.h"
#include "broker/topics/controller.h"
#include "protocol/kafka_error.h"
#include "protocol/messages.h"

struct delete_topics {
    struct change change;
    struct durable_reply reply;
    struct delete_topics_response response;
};

enum { IDS_SINCE_VERSION = 6, DISABLED_ERROR_SINCE_VERSION = 3 };

static bool is_zero(struct uuid id)
{
    static const struct uuid zero;
    return memcmp(id.bytes, zero.bytes, sizeof id.bytes) == 0;
}

static void fail(struct delete_topics_response_responses *out, enum kafka_error error,
                 const char *message)
{
    out->error_code = (int16_t)error;
    out->error_message = reply_text(message);
}

static void remove_topic(struct delete_topics *dt, struct controller *c, struct topic *topic,
                         struct delete_topics_response_responses *out)
{
    struct shard *shard = controller_shard(c);
    /* The topic may be freed before the answer. */
    out->name = arena_copy(&dt->reply.request->arena, topic->name);
    out->topic_id = topic->id;
    trace_log(shard->env->trace, TRACE_INFO, "topic deleted", F_BYTES("topic", topic->name),
              F_INT("partitions", topic->partitions));
    controller_remove_topic(c, topic);
}

static void delete_by_name(struct delete_topics *dt, struct controller *c, struct bytes name,
                           struct delete_topics_response_responses *out)
{
    struct topic *topic = catalog_draft_by_name(controller_draft(c), name);
    out->name = name;
    if (topic)
        remove_topic(dt, c, topic, out);
    else
        fail(out, KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
             "This server does not host this topic-partition.");
}

static void delete_by_id(struct delete_topics *dt, struct controller *c, struct uuid id,
                         struct delete_topics_response_responses *out)
{
    struct topic *topic = catalog_draft_by_id(controller_draft(c), id);
    out->topic_id = id;
    if (topic)
        remove_topic(dt, c, topic, out);
    else
        fail(out, KAFKA_UNKNOWN_TOPIC_ID, "This server does not host this topic ID.");
}

static void delete_either(struct delete_topics *dt, struct controller *c,
                          const struct delete_topics_request_topics *t,
                          struct delete_topics_response_responses *out)
{
    out->name = t->name;
    out->topic_id = t->topic_id;
    if (bytes_is_null(t->name) && is_zero(t->topic_id))
        fail(out, KAFKA_INVALID_REQUEST, "Neither topic name nor id were specified.");
    else if (!bytes_is_null(t->name) && !is_zero(t->topic_id))
        fail(out, KAFKA_INVALID_REQUEST, "You may not specify both topic name and topic id.");
    else if (bytes_is_null(t->name))
        delete_by_id(dt, c, t->topic_id, out);
    else
        delete_by_name(dt, c, t->name, out);
}

static void apply(struct change *change, struct controller *c)
{
    struct delete_topics *dt = CONTAINER_OF(change, struct delete_topics, change);
    const struct delete_topics_request *in = dt->reply.request->body;
    for (int32_t i = 0; i < dt->response.responses_count; i++) {
        struct delete_topics_response_responses *out = &dt->response.responses[i];
        if (dt->reply.request->header.api_version >= IDS_SINCE_VERSION)
            delete_either(dt, c, &in->topics[i], out);
        else
            delete_by_name(dt, c, in->topic_names[i], out);
    }
}

static void fail_all(struct durable_reply *reply, enum error result)
{
    struct delete_topics_response *out = reply->response;
    for (int32_t i = 0; i < out->responses_count; i++)
        out->responses[i].error_code = (int16_t)controller_error(result);
}

static void refuse_all(struct delete_topics *dt)
{
    const struct delete_topics_request *in = dt->reply.request->body;
    int16_t version = dt->reply.request->header.api_version;
    for (int32_t i = 0; i < dt->response.responses_count; i++) {
        struct delete_topics_response_responses *out = &dt->response.responses[i];
        out->name = version >= IDS_SINCE_VERSION ? in->topics[i].name : in->topic_names[i];
        fail(out,
             version >= DISABLED_ERROR_SINCE_VERSION ? KAFKA_TOPIC_DELETION_DISABLED
                                                     : KAFKA_INVALID_REQUEST,
             "Topic deletion is disabled.");
    }
    durable_reply_now(&dt->reply);
}

void delete_topics_handle(struct shard *shard, struct request *request)
{
    const struct delete_topics_request *in = request->body;
    struct delete_topics *dt = request_alloc(request, 1, sizeof *dt);
    bool by_either = request->header.api_version >= IDS_SINCE_VERSION;
    dt->change.apply = apply;
    dt->change.commit = &dt->reply.commit;
    durable_reply_init(&dt->reply, request, &dt->response, fail_all);
    schema_defaults(&delete_topics_response_schema, &dt->response);
    dt->response.responses_count = by_either ? in->topics_count : in->topic_names_count;
    dt->response.responses = schema_array(&delete_topics_response_responses_schema,
                                          (size_t)dt->response.responses_count, &request->arena);
    if (shard->broker->settings->delete_topic_enable)
        controller_submit(shard->controller, &dt->change);
    else
        refuse_all(dt);
}
