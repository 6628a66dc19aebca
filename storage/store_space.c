/* Checks the free space of the disk, on the background worker. */
#include "storage/store_internal.h"

#include <stdlib.h>

struct space_job {
    struct job job;
    struct store *store;
    int64_t free_bytes;
    enum error result, place;
};

static void run_space(struct job *job)
{
    struct space_job *p = CONTAINER_OF(job, struct space_job, job);
    struct io *io = p->store->env->io;
    p->place = io->ops->check_place(io, p->store->data_directory);
    if (p->place == ERR_OK)
        p->result = io->ops->free_bytes(io, p->store->data_directory, &p->free_bytes);
}

static void space_done(struct job *job)
{
    struct space_job *p = CONTAINER_OF(job, struct space_job, job);
    struct store *s = p->store;
    store_enter(s);
    s->jobs--;
    s->space_job_running = false;
    if (p->place == ERR_MOVED)
        store_fail(s, ERR_MOVED);
    bool low =
        p->place == ERR_OK && p->result == ERR_OK && p->free_bytes < s->options.min_free_bytes;
    bool was_low = s->full & FULL_LOW;
    if (low != was_low)
        trace_log(s->env->trace, low ? TRACE_WARN : TRACE_INFO,
                  low ? "the disk is nearly full: produce requests are refused"
                      : "the disk has enough free space again",
                  F_INT("free_bytes", p->free_bytes));
    s->full = low ? s->full | FULL_LOW : s->full & ~(unsigned)FULL_LOW;
    free(p);
    store_leave(s);
}

void store_check_space(struct store *s)
{
    if (s->space_job_running || s->has_failed)
        return;
    struct space_job *p = xcalloc(1, sizeof *p);
    p->job = (struct job){.run = run_space, .done = space_done};
    p->store = s;
    s->space_job_running = true;
    s->jobs++;
    s->options.background_worker->submit(s->options.background_worker, &p->job);
}
