/* CreatePartitions: topics grow, never shrink. */
#include "broker/broker.h"
#include "broker/handlers/handlers.h"
#include "broker/request/repeats.h"
#include "broker/request/request.h"
#include "broker/topics/topic_change.h"
#include "protocol/messages.h"

struct create_partitions {
    struct change change;
    struct request *request;
    bool *repeats; /* beside the request's topics */
    struct create_partitions_response response;
};

static struct api_error grow(struct create_partitions *cp, struct controller *c, int32_t index)
{
    const struct create_partitions_request *in = cp->request->body;
    const struct create_partitions_request_topics *t = &in->topics[index];
    struct arena *arena = &cp->request->arena;
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
    const struct create_partitions_request *in = cp->request->body;
    for (int32_t i = 0; i < in->topics_count; i++) {
        struct api_error error = grow(cp, c, i);
        cp->response.results[i].name = in->topics[i].name;
        cp->response.results[i].error_code = (int16_t)error.code;
        cp->response.results[i].error_message = reply_text(error.message);
    }
}

static void done(struct change *change, enum error result)
{
    struct create_partitions *cp = CONTAINER_OF(change, struct create_partitions, change);
    for (int32_t i = 0; result != ERR_OK && i < cp->response.results_count; i++)
        cp->response.results[i].error_code = (int16_t)controller_error(result);
    request_reply(cp->request, &cp->response);
}

void create_partitions_handle(struct shard *shard, struct request *request)
{
    const struct create_partitions_request *in = request->body;
    struct create_partitions *cp = request_alloc(request, 1, sizeof *cp);
    cp->request = request;
    cp->change.apply = apply;
    cp->change.done = done;
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
