/* The processors that the broker has, as declarations. */
#ifndef CLIENT_TOOLS_PIPELINE_PROCESSOR_CONFIGS_H
#define CLIENT_TOOLS_PIPELINE_PROCESSOR_CONFIGS_H

#include "client-tools/cluster/cluster.h"
#include "client-tools/pipeline/processor_file.h"

struct topic_failure {
    struct bytes topic;
    int16_t code;
    struct bytes message;
};

struct topic_failures {
    struct topic_failure *items;
    size_t count;
};

/* Reads the configs of these topics, or of all topics that are not internal (names NULL), in the
 * order of declarations_sort. Topics that could not be read go to `failures`. */
bool processor_configs_fetch(struct client *c, const struct bytes *names, size_t count,
                             struct arena *arena, struct declarations *out,
                             struct topic_failures *failures, struct failure *f);

/* Splits "TOPIC/PROCESSOR" or "TOPIC" (processor null). */
void processor_name_split(struct bytes text, struct bytes *topic, struct bytes *processor);

#endif
