/* Whether a new configuration may continue with the state of the running one.
 *
 * Kept state must keep its meaning. So the clock must not change, and no parameter whose change the
 * type refuses. Outputs, lateness and `where` may change. A higher state.version starts without
 * state, so it allows every change. */
#include "base/compiler.h"
#include "processors/topology/topology_internal.h"

static const struct chain *find_chain(const struct topology *t, struct bytes name)
{
    for (size_t i = 0; t && i < t->chain_count; i++) {
        if (bytes_equal(chain_name(&t->chains[i]), name))
            return &t->chains[i];
    }
    return NULL;
}

static const struct processor *find_in_chain(const struct chain *c, struct bytes name)
{
    for (size_t i = 0; i < c->count; i++) {
        if (bytes_equal(c->processors[i]->name, name))
            return c->processors[i];
    }
    return NULL;
}

static enum error compare_processor(const struct processor *a, const struct processor *b,
                                    struct message *message)
{
    ASSERT(a->type->replace);
    if (a->type != b->type)
        return processor_refuse_change(message, b, "type");
    return a->type->replace(a, b, message);
}

static enum error compare_clock(const struct chain *a, const struct chain *b,
                                struct message *message)
{
    const struct processor *x = chain_first(a), *y = chain_first(b);
    if (!expression_equal(x->time.timestamp, y->time.timestamp))
        return processor_refuse_change(message, y, "timestamp");
    if (!bytes_equal(x->timestamp_format, y->timestamp_format))
        return processor_refuse_change(message, y, "timestamp.format");
    if (!bytes_equal(x->timestamp_tz, y->timestamp_tz))
        return processor_refuse_change(message, y, "timestamp.tz");
    return x->time.on_missing == y->time.on_missing
               ? ERR_OK
               : processor_refuse_change(message, y, "timestamp.on-missing");
}

static bool is_stateful(const struct processor *p)
{
    return p->type->replace != NULL;
}

/* A processor with state may be deleted (its state is dropped), but must not move: it would
 * continue in another chain with another cursor. */
static enum error check_not_moved(const struct topology *next, const struct processor *p,
                                  struct message *message)
{
    for (size_t i = 0; i < next->chain_count; i++) {
        const struct processor *moved = find_in_chain(&next->chains[i], p->name);
        if (moved && !bytes_is_null(moved->after) && is_stateful(moved))
            return processor_refuse(message, p->name, "after",
                                    "the processor would move to the chain of %.*s and lose its "
                                    "state; use another name there",
                                    BYTES_PRINTF(chain_name(&next->chains[i])));
    }
    return ERR_OK;
}

static enum error compare_chain(const struct chain *a, const struct chain *b,
                                const struct topology *next, struct message *message)
{
    bool has_state = false;
    for (size_t i = 0; i < a->count; i++) {
        const struct processor *p = a->processors[i], *q = find_in_chain(b, p->name);
        if (!is_stateful(p))
            continue;
        has_state = true;
        enum error e = q ? compare_processor(p, q, message) : check_not_moved(next, p, message);
        if (e)
            return e;
    }
    return has_state ? compare_clock(a, b, message) : ERR_OK;
}

enum error topology_can_replace(const struct topology *running, const struct topology *next,
                                struct message *message)
{
    if (running == NULL || next == NULL)
        return ERR_OK;
    for (size_t i = 0; i < running->chain_count; i++) {
        const struct chain *a = &running->chains[i], *b = find_chain(next, chain_name(a));
        if (b == NULL)
            continue; /* deleted, and its state with it */
        int64_t from = chain_state_version(a), to = chain_state_version(b);
        if (to < from)
            return processor_refuse(message, chain_name(b), "state.version",
                                    "%lld is below the running version %lld", (long long)to,
                                    (long long)from);
        enum error e = to > from ? ERR_OK : compare_chain(a, b, next, message);
        if (e)
            return e;
    }
    return ERR_OK;
}
