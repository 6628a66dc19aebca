/* The broker's settings while it runs: as started, with what admin clients changed since laid over.
 *
 * Two layers, as in Kafka: what was set for the cluster (resource name ""), and over it what was
 * set for this node. Both are durable (rows of shard 0) and outlive a restart; a key that was
 * deleted there falls back to the file. Only rows with `dynamic` can be in a layer.
 *
 * A snapshot is immutable and reference counted (atomic): the controller makes the next one, every
 * shard is sent it, and each holds the one that it was sent last, as with the catalog. */
#ifndef BROKER_CONFIG_LIVE_SETTINGS_H
#define BROKER_CONFIG_LIVE_SETTINGS_H

#include "base/arena.h"
#include "broker/config/settings.h"
#include "storage/catalog.h"

struct store;

enum settings_layer { LAYER_CLUSTER, LAYER_NODE, SETTINGS_LAYERS }; /* the weaker one first */

struct override_list {
    const struct topic_config *configs; /* values in canonical form */
    size_t count;
};

struct live_settings {
    atomic_int references;
    struct settings now;          /* in effect; what any layer gives counts as explicit */
    const struct settings *fixed; /* as started */
    struct override_list layers[SETTINGS_LAYERS];
    struct arena arena; /* of the layers */
};

/* Without layers. `fixed` outlives the snapshot. */
struct live_settings *live_settings_create(const struct settings *fixed);
/* The snapshot with exactly these overrides in one layer; copies them. One that a newer release
 * would refuse is kept but has no effect. */
struct live_settings *live_settings_with(const struct live_settings *s, enum settings_layer layer,
                                         const struct override_list *overrides);
struct live_settings *live_settings_ref(struct live_settings *s);
void live_settings_unref(struct live_settings *s); /* NULL is fine */

/* What a layer says, or null. */
struct bytes live_settings_override(const struct live_settings *s, enum settings_layer layer,
                                    struct bytes name);

/* Reads the layers of this node from the rows of shard 0; before the first entry. */
MUST_USE enum error live_settings_load(struct store *store, const struct settings *fixed,
                                       int32_t node_id, struct live_settings **out);
/* Writes what differs between two snapshots as rows of the open entry. */
void live_settings_store(struct store *store, int32_t node_id, const struct live_settings *before,
                         const struct live_settings *after);

#endif
