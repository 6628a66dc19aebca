/* The processors declared on one topic, parsed and checked: chains, ready to become tasks.
 *
 * The input is the topic's whole set of configs (processor.<name>.<param>). Parsing gives either
 * the complete topology or the first error, in the form of Kafka's error message:
 * "processor.m1.window: ...". Topologies are immutable, reference counted, and shared by shards. */
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

/* Whether a config name has our prefix "processor.". */
bool topology_is_processor_key(struct bytes config_name);

/* Parses and validates `pairs` (keys without our prefix are ignored). Without processors *out is
 * NULL and the result ERR_OK. Unknown parameters, and types and values that are not built yet, are
 * refused by name (ERR_INVALID). Warnings (such as dedup by an id without key) go to `warnings`,
 * one per line; it may be NULL. */
MUST_USE enum error topology_parse(const struct topology_topic *topic,
                                   const struct config_pair *pairs, size_t count,
                                   struct topology **out, struct message *message,
                                   struct buffer *warnings);
struct topology *topology_ref(struct topology *t);
void topology_unref(struct topology *t);

/* Whether `next` may replace `running` and keep its state (section 12 Versioning); if not, the
 * message says why. */
MUST_USE enum error topology_can_replace(const struct topology *running,
                                         const struct topology *next, struct message *message);

/* Every topic that the topology may write to (outputs, late, duplicates, dead letters), to check
 * that the graph of topics is acyclic, and to create them. index from 0; false at the end. */
bool topology_output(const struct topology *t, size_t index, struct bytes *topic,
                     bool *is_dead_letter);
/* The first parameter that names this topic: "processor.m1.output". */
struct bytes topology_output_parameter(const struct topology *t, size_t index);
/* The names of all of them, in the same order; valid as long as the topology. */
const struct bytes *topology_output_names(const struct topology *t, size_t *count);
/* The number of partitions with which to create the topic: output.partitions, else the input's. */
int32_t topology_output_partitions(const struct topology *t, struct bytes topic);
/* The chains, in the order in which their first processors were declared. */
size_t topology_chain_count(const struct topology *t);
const struct chain *topology_chain(const struct topology *t, size_t index);

#endif
