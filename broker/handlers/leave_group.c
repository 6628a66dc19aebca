/* LeaveGroup: one member (up to version 2) or several, each with its own result. */
#include "broker/groups/answer.h"
#include "broker/handlers/handlers.h"

enum { FIRST_WITH_MEMBERS = 3 };

struct bytes leave_group_name(const void *body)
{
    return ((const struct leave_group_request *)body)->group_id;
}

static struct group_leaver *leavers_of(struct request *request, size_t *count)
{
    const struct leave_group_request *in = request->body;
    bool several = request->header.api_version >= FIRST_WITH_MEMBERS;
    *count = several ? (size_t)in->members_count : 1;
    struct group_leaver *leavers = request_alloc(request, *count, sizeof *leavers);
    if (!several)
        leavers[0].member_id = in->member_id;
    for (size_t i = 0; several && i < *count; i++) {
        leavers[i].member_id = in->members[i].member_id;
        leavers[i].instance_id = in->members[i].group_instance_id;
    }
    return leavers;
}

static void take(struct group_waiter *waiter, const struct group_reply *reply,
                 const struct group *group)
{
    (void)group;
    struct group_answer *answer = group_answer_of(waiter);
    struct request *request = answer->reply.request;
    const struct leave_group_request *in = request->body;
    const struct group_leaver *leavers = answer->extra;
    struct leave_group_response *out = answer->reply.response;
    out->error_code = (int16_t)reply->error;
    if (reply->error)
        return;
    if (request->header.api_version < FIRST_WITH_MEMBERS) {
        out->error_code = (int16_t)leavers[0].error;
        return;
    }
    out->members = request_alloc(request, (size_t)in->members_count, sizeof *out->members);
    out->members_count = in->members_count;
    for (int32_t i = 0; i < in->members_count; i++) {
        out->members[i] = (struct leave_group_response_members){
            .member_id = leavers[i].member_id,
            .group_instance_id = leavers[i].instance_id,
            .error_code = (int16_t)leavers[i].error,
        };
    }
}

void leave_group_handle(struct shard *shard, struct request *request)
{
    const struct leave_group_request *in = request->body;
    struct group_answer *answer = group_answer_create(request, &leave_group_response_schema, take);
    struct leave_group_response *out = answer->reply.response;
    if (in->group_id.size == 0) {
        out->error_code = KAFKA_INVALID_GROUP_ID;
        durable_reply_now(&answer->reply);
        return;
    }
    struct group_event event = {.kind = GROUP_LEAVE, .token = &answer->waiter};
    event.leavers = leavers_of(request, &event.leaver_count);
    answer->extra = event.leavers;
    coordinator_step(shard->coordinator, in->group_id, &event, false);
}
