/* The structure of a topology. */
#ifndef PROCESSORS_TOPOLOGY_TOPOLOGY_INTERNAL_H
#define PROCESSORS_TOPOLOGY_TOPOLOGY_INTERNAL_H

#include "processors/topology/topology.h"

#include <stdatomic.h>

enum { MAX_PROCESSORS = 64 }; /* per topic */

/* A topic that the topology may write to. */
struct output_topic {
    struct bytes name, parameter; /* the first parameter that names it */
    bool is_dead_letter;          /* holds only dead letters and late records */
    int32_t partitions;           /* 0: as many as the input */
};

struct topology {
    atomic_int references;
    struct arena arena; /* all texts */
    struct bytes topic;
    int32_t partitions;
    struct processor *processors;
    size_t processor_count;
    struct chain *chains;
    size_t chain_count;
    struct output_topic *outputs;
    struct bytes *output_names; /* the same, for the outbox */
    size_t output_count;
};

/* The processor of that name, or NULL. */
struct processor *topology_find(const struct topology *t, struct bytes name);

/* topology_check.c: makes the chains, then the outputs, and checks the whole topology. */
MUST_USE enum error topology_link(struct topology *t, struct message *message);
MUST_USE enum error topology_check(const struct topology *t, struct message *message,
                                   struct buffer *warnings);
MUST_USE enum error topology_route(struct topology *t, struct message *message);

#endif
