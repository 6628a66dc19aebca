/* The changes after which the broker has the processors and settings that files declare. */
#ifndef CLIENT_TOOLS_PIPELINE_PROCESSOR_PLAN_H
#define CLIENT_TOOLS_PIPELINE_PROCESSOR_PLAN_H

#include "client-tools/pipeline/processor_file.h"

enum plan_action { PLAN_SET, PLAN_CHANGE, PLAN_REMOVE };

struct plan_change {
    enum plan_action action;
    struct bytes topic, processor, key, value, previous;
};

struct plan {
    struct plan_change *changes; /* those of one topic are adjacent */
    size_t count;
    size_t removed_processors; /* whole processors; the broker deletes their state too */
};

/* A declared processor gets exactly the declared parameters. Ordinary settings are set, never
 * removed. With `prune`, the other processors of the declared topics are removed. `current` must
 * have the order of processor_configs_fetch. */
void processor_plan_make(const struct declarations *declared, const struct declarations *current,
                         bool prune, struct arena *arena, struct plan *out);

const char *plan_action_name(enum plan_action action);

#endif
