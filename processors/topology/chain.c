#include "processors/topology/chain.h"

#include "base/compiler.h"

struct bytes chain_name(const struct chain *c)
{
    return chain_first(c)->name;
}

size_t chain_processor_count(const struct chain *c)
{
    return c->count;
}

struct bytes chain_processor_name(const struct chain *c, size_t index)
{
    ASSERT(index < c->count);
    return c->processors[index]->name;
}

bool chain_is_enabled(const struct chain *c)
{
    return chain_first(c)->enabled;
}

int64_t chain_state_version(const struct chain *c)
{
    return chain_first(c)->state_version;
}

int64_t chain_commit_interval_ms(const struct chain *c)
{
    return chain_first(c)->commit_interval_ms;
}

int64_t chain_retention_guard_bytes(const struct chain *c)
{
    const struct processor *first = chain_first(c);
    return first->holds_retention ? first->retention_guard_bytes : -1;
}

enum chain_start chain_start(const struct chain *c, int64_t *time_ms)
{
    *time_ms = chain_first(c)->start_ms;
    return chain_first(c)->start;
}
