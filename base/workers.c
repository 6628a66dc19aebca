#include "base/workers.h"

static void submit_inline(struct executor *executor, struct job *job)
{
    (void)executor;
    job->run(job);
    job->done(job);
}

struct executor *executor_inline(void)
{
    static struct executor executor = {submit_inline};
    return &executor;
}
