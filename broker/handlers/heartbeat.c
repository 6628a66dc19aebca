/* Heartbeat: extends a member's session. The answer says whether the group rebalances. */
#include "broker/groups/answer.h"
#include "broker/handlers/handlers.h"

struct bytes heartbeat_name(const void *body)
{
    return ((const struct heartbeat_request *)body)->group_id;
}

static void take(struct group_waiter *waiter, const struct group_reply *reply,
                 const struct group *group)
{
    (void)group;
    struct heartbeat_response *out = group_answer_of(waiter)->reply.response;
    out->error_code = (int16_t)reply->error;
}

void heartbeat_handle(struct shard *shard, struct request *request)
{
    const struct heartbeat_request *in = request->body;
    struct group_answer *answer = group_answer_create(request, &heartbeat_response_schema, take);
    struct heartbeat_response *out = answer->reply.response;
    if (in->group_id.size == 0) {
        out->error_code = KAFKA_INVALID_GROUP_ID;
        durable_reply_now(&answer->reply);
        return;
    }
    struct group_event event = {
        .kind = GROUP_HEARTBEAT,
        .token = &answer->waiter,
        .member_id = in->member_id,
        .instance_id = in->group_instance_id,
        .generation = in->generation_id,
    };
    coordinator_step(shard->coordinator, in->group_id, &event, false);
}
