/* JoinGroup: makes the group's event of the request, and the response of its reply. */
#include "broker/broker.h"
#include "broker/groups/answer.h"
#include "broker/handlers/handlers.h"

enum {
    CLIENT_ID_IN_MEMBER_ID = 1000, /* so that the member id still fits a string */
    FIRST_WITH_KNOWN_ID = 4,       /* KIP-394 */
    FIRST_WITH_NULL_PROTOCOL = 7,
    FIRST_WITH_SKIP_ASSIGNMENT = 9,
};

struct bytes join_group_name(const void *body)
{
    return ((const struct join_group_request *)body)->group_id;
}

static void take_members(struct request *request, const struct group *group,
                         struct bytes protocol_name, struct join_group_response *out)
{
    out->members = request_alloc(request, group->member_count, sizeof *out->members);
    LIST_FOR_EACH (node, &group->members) {
        const struct group_member *m = CONTAINER_OF(node, struct group_member, node);
        out->members[out->members_count++] = (struct join_group_response_members){
            .member_id = arena_copy(&request->arena, m->id),
            .group_instance_id = arena_copy(&request->arena, m->instance_id),
            .metadata = arena_copy(&request->arena, group_member_metadata(m, protocol_name)),
        };
    }
}

static void take(struct group_waiter *waiter, const struct group_reply *reply,
                 const struct group *group)
{
    struct group_answer *answer = group_answer_of(waiter);
    struct arena *arena = &answer->reply.request->arena;
    struct join_group_response *out = answer->reply.response;
    out->error_code = (int16_t)reply->error;
    if (!bytes_is_null(reply->member_id))
        out->member_id = arena_copy(arena, reply->member_id);
    if (reply->error)
        return;
    out->generation_id = reply->generation;
    out->protocol_type = arena_copy(arena, reply->protocol_type);
    out->protocol_name = arena_copy(arena, reply->protocol_name);
    out->leader = arena_copy(arena, reply->leader);
    out->skip_assignment = reply->skip_assignment;
    if (reply->with_members)
        take_members(answer->reply.request, group, reply->protocol_name, out);
}

/* As in Kafka: "client-uuid", or "instance-uuid" for a static member. */
static struct bytes new_member_id(struct shard *shard, struct request *request,
                                  struct bytes instance_id)
{
    struct bytes prefix = bytes_is_null(instance_id) ? request->header.client_id : instance_id;
    uint8_t u[16];
    random_uuid(shard->env->random, u);
    return bytes_string(
        arena_printf(&request->arena,
                     "%.*s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                     (int)MIN(prefix.size, (size_t)CLIENT_ID_IN_MEMBER_ID),
                     prefix.data ? (const char *)prefix.data : "", u[0], u[1], u[2], u[3], u[4],
                     u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]));
}

static struct group_join join_of(struct shard *shard, struct request *request)
{
    const struct join_group_request *in = request->body;
    struct group_protocol *protocols =
        request_alloc(request, (size_t)in->protocols_count, sizeof *protocols);
    for (int32_t i = 0; i < in->protocols_count; i++)
        protocols[i] = (struct group_protocol){in->protocols[i].name, in->protocols[i].metadata};
    /* Version 0 has one timeout for both. */
    int32_t rebalance_timeout_ms =
        in->rebalance_timeout_ms < 0 ? in->session_timeout_ms : in->rebalance_timeout_ms;
    struct bytes client_id = request->header.client_id;
    return (struct group_join){
        .member_id = in->member_id,
        .instance_id = in->group_instance_id,
        .client_id = bytes_is_null(client_id) ? BYTES_LITERAL("") : client_id,
        .client_host = bytes_string(request->client_host),
        .protocol_type = in->protocol_type,
        .protocols = protocols,
        .protocol_count = (size_t)in->protocols_count,
        .session_timeout_ms = in->session_timeout_ms,
        .rebalance_timeout_ms = rebalance_timeout_ms,
        .new_member_id = new_member_id(shard, request, in->group_instance_id),
        .requires_known_id = request->header.api_version >= FIRST_WITH_KNOWN_ID,
        .can_skip_assignment = request->header.api_version >= FIRST_WITH_SKIP_ASSIGNMENT,
    };
}

void join_group_handle(struct shard *shard, struct request *request)
{
    const struct join_group_request *in = request->body;
    struct group_answer *answer = group_answer_create(request, &join_group_response_schema, take);
    struct join_group_response *out = answer->reply.response;
    out->member_id = in->member_id;
    bool null_allowed = request->header.api_version >= FIRST_WITH_NULL_PROTOCOL;
    out->protocol_name = null_allowed ? BYTES_NULL : BYTES_LITERAL("");
    if (in->group_id.size == 0) {
        out->error_code = KAFKA_INVALID_GROUP_ID;
        durable_reply_now(&answer->reply);
        return;
    }
    struct group_event event = {
        .kind = GROUP_JOIN, .token = &answer->waiter, .join = join_of(shard, request)};
    coordinator_step(shard->coordinator, in->group_id, &event, in->member_id.size == 0);
}
