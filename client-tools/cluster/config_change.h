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

/* Adds a change; a null value removes the setting. */
void config_changes_set(struct config_changes *c, struct bytes key, struct bytes value,
                        struct arena *arena);
/* Sends the changes. False only when there is no response; a refusal is in `result`. */
bool config_changes_send(struct client *client, const struct config_changes *c, bool validate_only,
                         struct arena *arena, struct config_result *result, struct failure *f);

/* The change that the broker's message names as the reason of a refusal. NULL: all of them. */
const struct config_change *config_changes_blamed(const struct config_changes *c,
                                                  struct bytes message);

#endif
