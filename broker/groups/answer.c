#include "broker/groups/answer.h"

#include "broker/broker.h"
#include "broker/request/repeats.h"

struct group_answer *group_answer_create(struct request *request, const struct schema *schema,
                                         void (*take)(struct group_waiter *waiter,
                                                      const struct group_reply *reply,
                                                      const struct group *group))
{
    struct group_answer *answer = request_alloc(request, 1, sizeof *answer);
    answer->waiter.take = take;
    answer->waiter.commit = &answer->reply.commit;
    void *response = request_alloc(request, 1, schema_size(schema));
    schema_defaults(schema, response);
    durable_reply_init(&answer->reply, request, response, NULL);
    return answer;
}

struct group_answer *group_answer_of(struct group_waiter *waiter)
{
    return CONTAINER_OF(waiter, struct group_answer, waiter);
}

/* --- several groups --- */

static void visit_part(struct scatter_part *part)
{
    struct group_visits *visits = CONTAINER_OF(part->scatter, struct group_visits, scatter);
    part->arena.max = SIZE_MAX; /* visits obey GROUP_ANSWER_MAX */
    for (uint32_t i = 0; i < part->count; i++)
        visits->visit(visits, part->shard, part->items[i], &part->arena);
    coordinator_when_durable(part->shard->coordinator, durable_part_commit(part));
}

static void gathered(struct scatter *scatter)
{
    struct group_visits *visits = CONTAINER_OF(scatter, struct group_visits, scatter);
    bool failed = false;
    for (int i = 0; i < scatter->part_count; i++)
        failed |= durable_part_of(scatter->parts[i])->result != ERR_OK;
    scatter_end(scatter, &visits->request->arena);
    if (failed)
        durable_reply_lost(visits->request);
    else
        visits->finish(visits);
}

static void run(struct group_visits *visits, struct shard *home, const int *owners, size_t count)
{
    scatter_init(&visits->scatter, home, &visits->request->arena, owners, count,
                 sizeof(struct durable_part));
    visits->scatter.gathered = gathered;
    scatter_run(&visits->scatter, visit_part);
}

bool group_visit_is_excessive(const struct group_visits *visits, uint32_t item,
                              const struct arena *arena)
{
    return (visits->repeats && visits->repeats[item]) || arena->used > GROUP_ANSWER_MAX;
}

void group_visits_run(struct group_visits *visits, struct shard *home, const struct bytes *names,
                      size_t count)
{
    int *owners = request_alloc(visits->request, count, sizeof *owners);
    for (size_t i = 0; i < count; i++)
        owners[i] = shard_for_group(home, names[i])->id;
    visits->repeats = repeats_find(&visits->request->arena, names, count);
    run(visits, home, owners, count);
}

void group_visits_run_shards(struct group_visits *visits, struct shard *home)
{
    size_t count = (size_t)home->broker->shard_count;
    int *owners = request_alloc(visits->request, count, sizeof *owners);
    for (size_t i = 0; i < count; i++)
        owners[i] = (int)i;
    run(visits, home, owners, count);
}
