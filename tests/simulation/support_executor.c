#include "tests/simulation/support_executor.h"

static void submit(struct executor *executor, struct job *job)
{
    struct sim_executor *e = CONTAINER_OF(executor, struct sim_executor, executor);
    job->node = (struct list_node){0};
    list_append(&e->queued, &job->node);
}

void sim_executor_init(struct sim_executor *e)
{
    e->executor.submit = submit;
    list_init(&e->queued);
    list_init(&e->finished);
}

bool sim_executor_is_idle(const struct sim_executor *e)
{
    return list_is_empty(&e->queued) && list_is_empty(&e->finished);
}

static bool run_one(struct sim_executor *e)
{
    struct list_node *node = list_pop(&e->queued);
    if (node == NULL)
        return false;
    struct job *job = CONTAINER_OF(node, struct job, node);
    job->run(job);
    list_append(&e->finished, &job->node);
    return true;
}

static bool deliver_one(struct sim_executor *e)
{
    struct list_node *node = list_pop(&e->finished);
    if (node == NULL)
        return false;
    struct job *job = CONTAINER_OF(node, struct job, node);
    job->done(job);
    return true;
}

bool sim_executors_step(struct sim_executor *executors, int count, struct random *random)
{
    int first = (int)random_below(random, (uint64_t)count * 2);
    for (int i = 0; i < count * 2; i++) {
        int at = (first + i) % (count * 2);
        struct sim_executor *e = &executors[at / 2];
        if (at % 2 == 0 ? run_one(e) : deliver_one(e))
            return true;
    }
    return false;
}
