/* ListGroups: the groups of all shards. */
#include "broker/broker.h"
#include "broker/groups/answer.h"
#include "broker/handlers/handlers.h"

#include <strings.h>

struct list_part {
    struct list_groups_response_groups *groups;
    size_t count;
};

struct list_visits {
    struct group_visits visits;
    struct list_part *parts; /* one per shard */
};

static bool passes(const struct bytes *filter, int32_t count, const char *name)
{
    for (int32_t i = 0; i < count; i++) {
        if (filter[i].size == strlen(name) &&
            strncasecmp((const char *)filter[i].data, name, filter[i].size) == 0)
            return true;
    }
    return count <= 0;
}

static void visit(struct group_visits *visits, struct shard *shard, uint32_t item,
                  struct arena *arena)
{
    struct list_visits *v = CONTAINER_OF(visits, struct list_visits, visits);
    const struct list_groups_request *in = visits->request->body;
    struct list_part *part = &v->parts[item];
    size_t at = 0, total = 0;
    while (coordinator_next(shard->coordinator, &at, NULL))
        total++;
    part->groups = arena_array(arena, total, sizeof *part->groups);
    at = 0;
    for (const struct group *g; (g = coordinator_next(shard->coordinator, &at, NULL));) {
        const char *state = group_state_name(g->state);
        if (!passes(in->states_filter, in->states_filter_count, state) ||
            !passes(in->types_filter, in->types_filter_count, "classic"))
            continue;
        part->groups[part->count++] = (struct list_groups_response_groups){
            .group_id = arena_copy(arena, g->id),
            .protocol_type = bytes_is_null(g->protocol_type) ? BYTES_LITERAL("")
                                                             : arena_copy(arena, g->protocol_type),
            .group_state = bytes_string(state),
            .group_type = BYTES_LITERAL("classic"),
        };
    }
}

static void finish(struct group_visits *visits)
{
    struct list_visits *v = CONTAINER_OF(visits, struct list_visits, visits);
    int shards = visits->request->home->broker->shard_count;
    size_t total = 0;
    for (int i = 0; i < shards; i++)
        total += v->parts[i].count;
    struct list_groups_response out;
    schema_defaults(&list_groups_response_schema, &out);
    out.groups = request_alloc(visits->request, total, sizeof *out.groups);
    for (int i = 0; i < shards; i++) {
        for (size_t g = 0; g < v->parts[i].count; g++)
            out.groups[out.groups_count++] = v->parts[i].groups[g];
    }
    request_reply(visits->request, &out);
}

void list_groups_handle(struct shard *shard, struct request *request)
{
    struct list_visits *v = request_alloc(request, 1, sizeof *v);
    v->visits = (struct group_visits){.request = request, .visit = visit, .finish = finish};
    v->parts = request_alloc(request, (size_t)shard->broker->shard_count, sizeof *v->parts);
    group_visits_run_shards(&v->visits, shard);
}
