/* A chain: a first processor and all processors that follow it (`after`). It reads one topic; a
 * task is one chain on one partition. */
#ifndef PROCESSORS_TOPOLOGY_CHAIN_H
#define PROCESSORS_TOPOLOGY_CHAIN_H

#include "processors/topology/processor.h"

struct chain {
    struct bytes topic;            /* the input */
    struct processor **processors; /* parents before their followers */
    size_t count;
};

static inline const struct processor *chain_first(const struct chain *c)
{
    return c->processors[0];
}

/* The chain's name: its first processor's. */
struct bytes chain_name(const struct chain *c);
/* Names of its processors, in topological order. */
size_t chain_processor_count(const struct chain *c);
struct bytes chain_processor_name(const struct chain *c, size_t index);

/* False (enabled=false): the chain's tasks do nothing. */
bool chain_is_enabled(const struct chain *c);
/* state.version: the name space of the chain's durable state. Never give a task state of another
 * version. A new version starts at the place that `start` names. */
int64_t chain_state_version(const struct chain *c);
int64_t chain_commit_interval_ms(const struct chain *c);
/* retention.guard.max: how many bytes of each partition retention keeps for the chain. -1: off. */
int64_t chain_retention_guard_bytes(const struct chain *c);
/* Where a chain without state begins; *time_ms for START_TIME: the first record at or after it. */
enum chain_start chain_start(const struct chain *c, int64_t *time_ms);

#endif
