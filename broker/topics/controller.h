/* Changes of what all shards know: topics, partitions, configs, blocks of producer ids.
 *
 * The controller lives on shard 0 and makes one change after the other. A change looks at the
 * newest catalog, puts its rows into one entry of the journal and leaves the next catalog. When the
 * entry is durable every shard gets the new snapshots and opens or drops partitions; only then is
 * the change done. So an answer that waits for a change leaves when the partitions can be written.
 */
#ifndef BROKER_TOPICS_CONTROLLER_H
#define BROKER_TOPICS_CONTROLLER_H

#include "broker/shard.h"
#include "broker/topics/catalog_draft.h"
#include "protocol/kafka_error.h"

struct controller;

/* Embedded by who wants it; lives until it is done. */
struct change {
    struct list_node node;
    struct commit entry;
    struct controller *controller;
    /* Its turn. May call the functions below; validation errors are the change's own business. */
    void (*apply)(struct change *change, struct controller *controller);
    /* Its done() is called once, on shard 0: mostly that of a reply (durable_reply.h). ERR_OK:
     * durable and known everywhere, or there was nothing to do. ERR_IO: the journal failed.
     * ERR_CLOSED: the broker is stopping, nothing was done. */
    struct commit *commit;
};

/* How a shard takes a new snapshot. Each call takes over the reference. */
struct snapshot_takers {
    void (*catalog)(struct shard *shard, struct catalog *catalog);
    void (*settings)(struct shard *shard, struct live_settings *live);
};

struct controller *controller_create(struct shard *shard, const struct snapshot_takers *takers);
/* Reads the rows of the broker; before the first entry. */
MUST_USE enum error controller_load(struct controller *controller, struct message *message);
void controller_free(struct controller *controller); /* NULL is fine */

/* On shard 0. apply() and commit->done() may be called before it returns. */
void controller_submit(struct controller *controller, struct change *change);

/* The code for a change that ended with an error. */
enum kafka_error controller_error(enum error result);

/* --- within apply() --- */

struct shard *controller_shard(struct controller *controller);
/* The newest catalog with what this change has done so far. */
const struct catalog_draft *controller_draft(const struct controller *controller);
/* Adds or replaces a topic: row and snapshot. */
void controller_put_topic(struct controller *controller, struct topic *topic);
void controller_remove_topic(struct controller *controller, struct topic *topic);
/* The newest settings with what this change has done so far; valid until the next put. */
const struct live_settings *controller_settings(const struct controller *controller);
/* Replaces them: rows and snapshot. Takes over the reference. */
void controller_put_settings(struct controller *controller, struct live_settings *next);

/* --- producer ids (KIP-98) --- */

/* A fresh producer id, or -1 when a block of ids must be reserved first: submit a change whose
 * apply calls controller_reserve_producer_ids, and ask again when it is done. */
int64_t controller_take_producer_id(struct controller *controller);
void controller_reserve_producer_ids(struct controller *controller);

/* Kafka's own topics, which do not exist here as topics: their names are not given to others. */
bool topic_name_is_internal(struct bytes name);

#endif
