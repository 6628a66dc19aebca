/* SyncGroup: the leader sends the assignment, and every member fetches its part. */
#include "broker/groups/answer.h"
#include "broker/handlers/handlers.h"

struct bytes sync_group_name(const void *body)
{
    return ((const struct sync_group_request *)body)->group_id;
}

static void take(struct group_waiter *waiter, const struct group_reply *reply,
                 const struct group *group)
{
    (void)group;
    struct group_answer *answer = group_answer_of(waiter);
    struct arena *arena = &answer->reply.request->arena;
    struct sync_group_response *out = answer->reply.response;
    out->error_code = (int16_t)reply->error;
    if (reply->error)
        return;
    out->protocol_type = arena_copy(arena, reply->protocol_type);
    out->protocol_name = arena_copy(arena, reply->protocol_name);
    out->assignment = arena_copy(arena, reply->assignment);
}

void sync_group_handle(struct shard *shard, struct request *request)
{
    const struct sync_group_request *in = request->body;
    struct group_answer *answer = group_answer_create(request, &sync_group_response_schema, take);
    struct sync_group_response *out = answer->reply.response;
    if (in->group_id.size == 0) {
        out->error_code = KAFKA_INVALID_GROUP_ID;
        durable_reply_now(&answer->reply);
        return;
    }
    size_t count = (size_t)in->assignments_count;
    struct group_assignment *assignments = request_alloc(request, count, sizeof *assignments);
    for (size_t i = 0; i < count; i++)
        assignments[i] =
            (struct group_assignment){in->assignments[i].member_id, in->assignments[i].assignment};
    struct group_event event = {
        .kind = GROUP_SYNC,
        .token = &answer->waiter,
        .member_id = in->member_id,
        .instance_id = in->group_instance_id,
        .generation = in->generation_id,
        .sync = {in->protocol_type, in->protocol_name, assignments, count},
    };
    coordinator_step(shard->coordinator, in->group_id, &event, false);
}
