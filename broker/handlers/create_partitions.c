/* CreatePartitions: raises the number of partitions of topics. */
#include "broker/broker.h"
#include "broker/handlers/handlers.h"
#include "broker/request/durable_reply.h"
#include "broker/request/repeats.h"
#include "broker/topics/topic_change.h"
#include "protocol/messages.h"

struct create_partitions {
    struct change change;
    struct durable_reply reply;
    bool *repeats; /* beside the request's topics */
    struct create_partitions_response response;
};

static struct api_error grow(struct create_partitions *cp, struct controller *c, int32_t index)
{
    const struct create_partitions_request *in = cp->reply.request->body;
    const struct create_partitions_request_topics *t = &in->topics[index];
    struct arena *arena = &cp->reply.request->arena;
    if (cp->repeats[index])
        return (struct api_error){KAFKA_INVALID_REQUEST, "Duplicate topic name."};
    struct topic *topic = catalog_draft_by_name(controller_draft(c), t->name);
    if (topic == NULL)
        return (struct api_error){KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                                  "This server does not host this topic-partition."};
    int32_t given = MAX(t->assignments_count, 0);
    struct topic_assignment *assignments =
        t->assignments_count < 0 ? NULL : arena_array(arena, (size_t)given, sizeof *assignments);
    for (int32_t i = 0; i < given; i++)
        assignments[i] =
            (struct topic_assignment){topic->partitions + i, t->assignments[i].broker_ids,
                                      t->assignments[i].broker_ids_count};
    return topic_change_grow(c, topic, t->count, assignments, given, in->validate_only, arena);
}

static void apply(struct change *change, struct controller *c)
{
    struct create_partitions *cp = CONTAINER_OF(change, struct create_partitions, change);
    const struct create_partitions_request *in = cp->reply.request->body;
    for (int32_t i = 0; i < in->topics_count; i++) {
        struct api_error error = grow(cp, c, i);
        cp->response.results[i].name = in->topics[i].name;
        cp->response.results[i].error_code = (int16_t)error.code;
        cp->response.results[i].error_message = reply_text(error.message);
    }
}

static void fail_all(struct durable_reply *reply, enum error result)
{
    struct create_partitions_response *out = reply->response;
    for (int32_t i = 0; i < out->results_count; i++)
        out->results[i].error_code = (int16_t)controller_error(result);
}

void create_partitions_handle(struct shard *shard, struct request *request)
{
    const struct create_partitions_request *in = request->body;
    struct create_partitions *cp = request_alloc(request, 1, sizeof *cp);
    cp->change.apply = apply;
    cp->change.commit = &cp->reply.commit;
    durable_reply_init(&cp->reply, request, &cp->response, fail_all);
    schema_defaults(&create_partitions_response_schema, &cp->response);
    cp->response.results_count = in->topics_count;
    cp->response.results = schema_array(&create_partitions_response_results_schema,
                                        (size_t)in->topics_count, &request->arena);
    struct bytes *names = request_alloc(request, (size_t)in->topics_count, sizeof *names);
    for (int32_t i = 0; i < in->topics_count; i++)
        names[i] = in->topics[i].name;
    cp->repeats = repeats_find(&request->arena, names, (size_t)in->topics_count);
    controller_submit(shard->controller, &cp->change);
}
