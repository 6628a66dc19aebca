/* The broker's settings while it runs: those of the start, overridden by the changes of admin
 * clients.
 *
 * There are two layers, as in Kafka: overrides for the cluster (resource name ""), and overrides
 * for this node, which are stronger. Both are durable (rows of shard 0). A key that is deleted
 * there falls back to the file. Only rows with `dynamic` can be in a layer.
 *
 * A snapshot is immutable and has an atomic reference count. The controller makes the next one and
 * sends it to every shard. A shard holds the snapshot that it received last, as with the
 * catalog. */
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
    struct settings now;          /* in effect; a value of any layer counts as explicit */
    const struct settings *fixed; /* as started */
    struct override_list layers[SETTINGS_LAYERS];
    struct arena arena; /* of the layers */
};

/* Without layers. `fixed` outlives the snapshot. */
struct live_settings *live_settings_create(const struct settings *fixed);
/* The snapshot with exactly these overrides in one layer; copies them. An override that this
 * release refuses is kept but has no effect. */
struct live_settings *live_settings_with(const struct live_settings *s, enum settings_layer layer,
                                         const struct override_list *overrides);
struct live_settings *live_settings_ref(struct live_settings *s);
void live_settings_unref(struct live_settings *s); /* NULL is fine */

/* The value in a layer, or null. */
struct bytes live_settings_override(const struct live_settings *s, enum settings_layer layer,
                                    struct bytes name);

/* Reads the layers of this node from the rows of shard 0. Called before the first entry. */
MUST_USE enum error live_settings_load(struct store *store, const struct settings *fixed,
                                       int32_t node_id, struct live_settings **out);
/* Writes the differences between two snapshots as rows of the open entry. */
void live_settings_store(struct store *store, int32_t node_id, const struct live_settings *before,
                         const struct live_settings *after);

#endif
