/* The broker: its shards and the data that they share, which is immutable while they run. */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include "broker/config/settings.h"
#include "broker/net/listener.h"

#include <stdatomic.h>

struct shard;
struct clean_gate;

struct broker {
    struct env *env;
    const struct settings *settings; /* as started; what may change is in shard->live */
    struct shard **shards;
    int shard_count;
    int32_t node_id;
    const char *data_directory; /* log.dirs as an absolute path */
    int64_t started_ms;         /* monotonic */
    char cluster_id[24];        /* base64url of a random UUID, made at first start */
    struct listener listeners[LISTENERS_MAX];
    int listener_count;
    struct clean_gate *clean_gate; /* of all cleaners; NULL: no limits */
    size_t descriptors;            /* for connections; a limit besides max.connections */
    atomic_size_t connections;     /* open, or accepted and on their way to a shard */
    atomic_size_t connections_max; /* max.connections as it is now; shard 0 sets it */
    /* Trusted and steady time less monotonic time (timekeeper.h). */
    _Atomic int64_t trusted_offset_ms, steady_offset_ms;
    /* Called on any shard when the journal failed or a stop was requested. */
    void (*stop)(struct broker *broker, int exit_code, const char *reason);
    void *context;
};

#endif
