/* What has to change so that the broker has what files declare. */
#ifndef CLIENT_TOOLS_PIPELINE_PROCESSOR_PLAN_H
#define CLIENT_TOOLS_PIPELINE_PROCESSOR_PLAN_H

#include "client-tools/pipeline/processor_file.h"

enum plan_action { PLAN_SET, PLAN_CHANGE, PLAN_REMOVE };

struct plan_change {
    enum plan_action action;
    struct bytes topic, processor, key, value, previous;
};

struct plan {
    struct plan_change *changes; /* those of one topic stand together */
    size_t count;
    size_t removed_processors; /* whole ones: their state goes too */
};

/* A processor that is declared gets exactly the declared parameters; ordinary settings are set and
 * never removed. With `prune`, processors of the declared topics that are not declared are removed.
 * `current` is sorted as processor_configs_fetch gives it. */
void processor_plan_make(const struct declarations *declared, const struct declarations *current,
                         bool prune, struct arena *arena, struct plan *out);

const char *plan_action_name(enum plan_action action);

#endif
