#include "broker/groups/answer.h"

#include "broker/broker.h"
#include "broker/request/repeats.h"

static const char journal_failed[] = "the journal failed";

static void send_answer(struct commit *commit, enum error result)
{
    struct group_answer *answer = CONTAINER_OF(commit, struct group_answer, commit);
    if (result)
        request_fail(answer->request, journal_failed);
    else
        request_reply(answer->request, answer->response);
}

struct group_answer *group_answer_create(struct request *request, const struct schema *schema,
                                         void (*take)(struct group_waiter *waiter,
                                                      const struct group_reply *reply,
                                                      const struct group *group))
{
    struct group_answer *answer = request_alloc(request, 1, sizeof *answer);
    answer->waiter.take = take;
    answer->waiter.commit = &answer->commit;
    answer->commit.done = send_answer;
    answer->request = request;
    answer->response = request_alloc(request, 1, schema_size(schema));
    schema_defaults(schema, answer->response);
    return answer;
}

struct group_answer *group_answer_of(struct group_waiter *waiter)
{
    return CONTAINER_OF(waiter, struct group_answer, waiter);
}

void group_answer_now(struct group_answer *answer)
{
    request_reply(answer->request, answer->response);
}

/* --- several groups --- */

struct visit_part {
    struct scatter_part part;
    struct commit commit;
    enum error result;
};

static void part_is_durable(struct commit *commit, enum error result)
{
    struct visit_part *vp = CONTAINER_OF(commit, struct visit_part, commit);
    vp->result = result;
    scatter_part_done(&vp->part);
}

static void visit_part(struct scatter_part *part)
{
    struct group_visits *visits = CONTAINER_OF(part->scatter, struct group_visits, scatter);
    struct visit_part *vp = CONTAINER_OF(part, struct visit_part, part);
    part->arena.max = SIZE_MAX; /* what visits heed is GROUP_ANSWER_MAX */
    for (uint32_t i = 0; i < part->count; i++)
        visits->visit(visits, part->shard, part->items[i], &part->arena);
    vp->commit.done = part_is_durable;
    coordinator_when_durable(part->shard->coordinator, &vp->commit);
}

static void gathered(struct scatter *scatter)
{
    struct group_visits *visits = CONTAINER_OF(scatter, struct group_visits, scatter);
    bool failed = false;
    for (int i = 0; i < scatter->part_count; i++)
        failed |= CONTAINER_OF(scatter->parts[i], struct visit_part, part)->result != ERR_OK;
    scatter_end(scatter, &visits->request->arena);
    if (failed)
        request_fail(visits->request, journal_failed);
    else
        visits->finish(visits);
}

static void run(struct group_visits *visits, struct shard *home, const int *owners, size_t count)
{
    scatter_init(&visits->scatter, home, &visits->request->arena, owners, count,
                 sizeof(struct visit_part));
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
