/* DeleteGroups: groups without members, with their offsets. */
#include "broker/groups/answer.h"
#include "broker/handlers/handlers.h"

struct delete_visits {
    struct group_visits visits;
    struct delete_groups_response_results *results;
};

static void visit(struct group_visits *visits, struct shard *shard, uint32_t item,
                  struct arena *arena)
{
    (void)arena;
    struct delete_visits *v = CONTAINER_OF(visits, struct delete_visits, visits);
    const struct delete_groups_request *in = visits->request->body;
    v->results[item] = (struct delete_groups_response_results){
        .group_id = in->groups_names[item],
        .error_code = (int16_t)coordinator_delete_group(shard->coordinator, in->groups_names[item]),
    };
}

static void finish(struct group_visits *visits)
{
    struct delete_visits *v = CONTAINER_OF(visits, struct delete_visits, visits);
    const struct delete_groups_request *in = visits->request->body;
    struct delete_groups_response out;
    schema_defaults(&delete_groups_response_schema, &out);
    out.results = v->results;
    out.results_count = in->groups_names_count;
    request_reply(visits->request, &out);
}

void delete_groups_handle(struct shard *shard, struct request *request)
{
    const struct delete_groups_request *in = request->body;
    size_t count = (size_t)in->groups_names_count;
    struct delete_visits *v = request_alloc(request, 1, sizeof *v);
    v->visits = (struct group_visits){.request = request, .visit = visit, .finish = finish};
    v->results = request_alloc(request, count, sizeof *v->results);
    group_visits_run(&v->visits, shard, in->groups_names, count);
}
