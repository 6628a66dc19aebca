/* The processors declared on one topic, parsed and checked: chains, ready to become tasks.
 *
 * Input is the topic's whole set of configs (processor.<name>.<param>); parsing either gives the
 * complete topology or the first reason why not, in the form Kafka's error message will carry:
 * "processor.m1.window: ...". Immutable once made; reference counted, shared between shards. */
#ifndef PROCESSORS_TOPOLOGY_TOPOLOGY_H
#define PROCESSORS_TOPOLOGY_TOPOLOGY_H

#include "base/error.h"
#include "processors/topology/chain.h"

struct topology;

struct config_pair {
    struct bytes name, value;
};

struct topology_topic {
    struct bytes name;
    int32_t partitions;
};

/* Whether a config name belongs to us ("processor." prefix). */
bool topology_is_processor_key(struct bytes config_name);

/* Parses and validates `pairs` (keys without our prefix are ignored). No processors: *out is NULL
 * and the result ERR_OK. Unknown parameters, types and values that are not built yet are refused
 * by name (ERR_INVALID). Warnings (such as dedup by an id without key) go to `warnings`, one per
 * line; may be NULL. */
MUST_USE enum error topology_parse(const struct topology_topic *topic,
                                   const struct config_pair *pairs, size_t count,
                                   struct topology **out, struct message *message,
                                   struct buffer *warnings);
struct topology *topology_ref(struct topology *t);
void topology_unref(struct topology *t);

/* Whether `next` may replace `running` keeping state (section 12 Versioning); says why not. */
MUST_USE enum error topology_can_replace(const struct topology *running,
                                         const struct topology *next, struct message *message);

/* Every topic that it may write to (outputs, late, duplicates, dead letters): for the check that
 * the graph of topics is acyclic and to create them. index from 0; false at the end. */
bool topology_output(const struct topology *t, size_t index, struct bytes *topic,
                     bool *is_dead_letter);
/* The parameter that names it, of several the first: "processor.m1.output". */
struct bytes topology_output_parameter(const struct topology *t, size_t index);
/* The names of all of them, in the same order; valid as long as the topology. */
const struct bytes *topology_output_names(const struct topology *t, size_t *count);
/* How many partitions that topic is to be created with: output.partitions, else the input's. */
int32_t topology_output_partitions(const struct topology *t, struct bytes topic);
/* Chains in the order of declaration of their first processor. */
size_t topology_chain_count(const struct topology *t);
const struct chain *topology_chain(const struct topology *t, size_t index);

#endif
