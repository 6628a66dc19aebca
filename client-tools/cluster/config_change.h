/* Changes of one topic's settings, sent as one IncrementalAlterConfigs: all or nothing. */
#ifndef CLIENT_TOOLS_CLUSTER_CONFIG_CHANGE_H
#define CLIENT_TOOLS_CLUSTER_CONFIG_CHANGE_H

#include "client-tools/cluster/client.h"

struct config_change {
    struct bytes key, value; /* value null: back to the default */
};

struct config_changes {
    struct bytes topic;
    struct config_change *items;
    size_t count, capacity;
};

struct config_result {
    int16_t error_code;
    struct bytes message;
};

/* Adds a change; a null value takes the setting away. */
void config_changes_set(struct config_changes *c, struct bytes key, struct bytes value,
                        struct arena *arena);
/* Sends them. False only when there is no answer; a refusal is in `result`. */
bool config_changes_send(struct client *client, const struct config_changes *c, bool validate_only,
                         struct arena *arena, struct config_result *result, struct failure *f);

/* The change that a refusal is about: the broker's message names it. NULL: all of them.
 */
const struct config_change *config_changes_blamed(const struct config_changes *c,
                                                  struct bytes message);

#endif
