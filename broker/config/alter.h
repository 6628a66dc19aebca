/* Changes of configs, for AlterConfigs (the whole set) and IncrementalAlterConfigs (key by key).
 *
 * Each resource is checked by itself. The valid ones change together, in one entry. */
#ifndef BROKER_CONFIG_ALTER_H
#define BROKER_CONFIG_ALTER_H

#include "broker/config/overrides.h"
#include "broker/request/durable_reply.h"
#include "broker/topics/controller.h"

struct alter_resource {
    int8_t type; /* enum resource_type, or anything */
    struct bytes name;
    const struct alter_key *keys;
    int32_t key_count;
    bool is_repeated; /* set by alter_submit */
    struct api_error error;
};

/* It and everything that it points to are in the request's arena. */
struct alter {
    struct change change;
    struct durable_reply reply;
    struct request *request;
    void *response; /* sent when the change is done */
    struct alter_resource *resources;
    int32_t count;
    bool replaces, validate_only;
    void (*fill)(struct alter *alter); /* puts the errors into the response, maybe again */
};

/* On shard 0. Ends the request. */
void alter_submit(struct shard *shard, struct alter *alter);

/* Alters a config of the broker, within the change (alter_broker.c). */
struct api_error alter_broker(struct alter *a, struct controller *c,
                              const struct alter_resource *r);

#endif
