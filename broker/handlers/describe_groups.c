/* DescribeGroups: while the group is stable, members have their metadata and assignment. */
#include "broker/groups/answer.h"
#include "broker/handlers/handlers.h"
#include "broker/request/operations.h"

enum {
    FIRST_WITH_NOT_FOUND = 6, /* in older versions a missing group is "Dead" */
};

struct describe_visits {
    struct group_visits visits;
    struct describe_groups_response_groups *results;
};

static struct bytes copy_or_empty(struct arena *arena, struct bytes b)
{
    return bytes_is_null(b) ? BYTES_LITERAL("") : arena_copy(arena, b);
}

static void describe_members(const struct group *g, struct describe_groups_response_groups *out,
                             struct arena *arena)
{
    bool is_stable = g->state == GROUP_STABLE;
    out->members = arena_array(arena, g->member_count, sizeof *out->members);
    LIST_FOR_EACH (node, &g->members) {
        const struct group_member *m = CONTAINER_OF(node, struct group_member, node);
        struct bytes metadata = is_stable ? group_member_metadata(m, g->protocol_name) : BYTES_NULL;
        struct bytes assignment = is_stable ? m->assignment : BYTES_NULL;
        out->members[out->members_count++] = (struct describe_groups_response_groups_members){
            .member_id = arena_copy(arena, m->id),
            .group_instance_id = arena_copy(arena, m->instance_id),
            .client_id = copy_or_empty(arena, m->client_id),
            .client_host = copy_or_empty(arena, m->client_host),
            .member_metadata = copy_or_empty(arena, metadata),
            .member_assignment = copy_or_empty(arena, assignment),
        };
    }
}

static void describe_missing(const struct request *request, struct bytes name,
                             struct describe_groups_response_groups *out, struct arena *arena)
{
    out->group_state = bytes_string(group_state_name(GROUP_DEAD));
    if (request->header.api_version < FIRST_WITH_NOT_FOUND)
        return;
    out->error_code = KAFKA_GROUP_ID_NOT_FOUND;
    out->error_message =
        reply_text(arena_printf(arena, "Group %.*s not found.", BYTES_PRINTF(name)));
}

static void visit(struct group_visits *visits, struct shard *shard, uint32_t item,
                  struct arena *arena)
{
    struct describe_visits *v = CONTAINER_OF(visits, struct describe_visits, visits);
    const struct describe_groups_request *in = visits->request->body;
    struct describe_groups_response_groups *out = &v->results[item];
    const struct group *g = coordinator_group(shard->coordinator, in->groups[item]);
    schema_defaults(&describe_groups_response_groups_schema, out);
    out->group_id = in->groups[item];
    out->authorized_operations =
        in->include_authorized_operations ? OPERATIONS_OF_GROUP : OPERATIONS_NOT_ASKED;
    if (g == NULL) {
        describe_missing(visits->request, in->groups[item], out, arena);
        return;
    }
    if (group_visit_is_excessive(visits, item, arena)) {
        out->error_code = KAFKA_INVALID_REQUEST;
        return;
    }
    out->group_state = bytes_string(group_state_name(g->state));
    out->protocol_type = copy_or_empty(arena, g->protocol_type);
    if (g->state == GROUP_STABLE)
        out->protocol_data = copy_or_empty(arena, g->protocol_name);
    describe_members(g, out, arena);
}

static void finish(struct group_visits *visits)
{
    struct describe_visits *v = CONTAINER_OF(visits, struct describe_visits, visits);
    const struct describe_groups_request *in = visits->request->body;
    struct describe_groups_response out;
    schema_defaults(&describe_groups_response_schema, &out);
    out.groups = v->results;
    out.groups_count = in->groups_count;
    request_reply(visits->request, &out);
}

void describe_groups_handle(struct shard *shard, struct request *request)
{
    const struct describe_groups_request *in = request->body;
    struct describe_visits *v = request_alloc(request, 1, sizeof *v);
    v->visits = (struct group_visits){.request = request, .visit = visit, .finish = finish};
    v->results = request_alloc(request, (size_t)in->groups_count, sizeof *v->results);
    group_visits_run(&v->visits, shard, in->groups, (size_t)in->groups_count);
}
