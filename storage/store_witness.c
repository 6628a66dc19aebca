/* The witness of the journal: a background job writes it while there is news. */
#include "storage/store_internal.h"

static void run_witness(struct job *job)
{
    struct witness_job *w = CONTAINER_OF(job, struct witness_job, job);
    struct journal *j = &w->store->journal;
    struct journal_witness before;
    w->result = j->env->io->ops->check_place(j->env->io, w->store->data_directory);
    if (w->result != ERR_OK)
        return; /* no file is made in another directory */
    /* The first slot to write is the one that the last run wrote before its last. */
    if (w->next.count == 0 && journal_witness_read(j->env, j->directory, &before) == ERR_OK)
        w->next.count = before.count;
    w->next.count++;
    w->result = journal_witness_write(j->env, j->directory, &w->next);
    if (w->result != ERR_OK)
        w->next.count--; /* the other slot is the only whole one */
}

/* A failure only weakens recovery's check, and the journal meets a broken disk itself. */
static void witness_done(struct job *job)
{
    struct witness_job *w = CONTAINER_OF(job, struct witness_job, job);
    struct store *s = w->store;
    store_enter(s);
    s->jobs--;
    w->running = false;
    if (w->result == ERR_OK)
        w->written = w->next.durable;
    else if (!w->has_failed)
        trace_log(s->env->trace, TRACE_WARN, "the witness of the journal cannot be written",
                  F_INT("shard", s->options.shard), F_STRING("reason", error_text(w->result)));
    w->has_failed = w->result != ERR_OK;
    w->exists |= w->result == ERR_OK;
    store_leave(s);
}

void store_witness_durable(struct store *s, const struct store_unit *u)
{
    struct journal_witness *known = &s->witness.known;
    known->durable = s->durable;
    known->sequence = u->place.file->sequence;
    known->position = u->place.position + (int64_t)(s->durable - u->place.lsn);
}

bool store_witness_is_behind(const struct store *s)
{
    return !s->witness.exists || s->witness.known.durable > s->witness.written;
}

void store_witness_turn(struct store *s)
{
    struct witness_job *w = &s->witness;
    if (w->running || s->has_failed || !store_witness_is_behind(s))
        return;
    uint64_t count = w->next.count;
    w->next = w->known;
    w->next.count = count;
    w->next.run = s->run;
    w->next.checkpoint = MIN(s->checkpoint_lsn, w->known.durable);
    w->next.file_bytes = s->journal.file_bytes;
    w->job = (struct job){.run = run_witness, .done = witness_done};
    w->store = s;
    w->running = true;
    s->jobs++;
    s->options.background_worker->submit(s->options.background_worker, &w->job);
}
