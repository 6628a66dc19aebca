/* Changes of data that all shards share: topics, partitions, configs, blocks of producer ids.
 *
 * The controller is on shard 0 and makes one change after the other. A change reads the newest
 * catalog, puts its rows into one entry of the journal and makes the next catalog. When the entry
 * is durable, every shard gets the new snapshots and opens or drops partitions. Then the change is
 * done. So an answer that waits for a change is sent when clients can write to the partitions. */
#ifndef BROKER_TOPICS_CONTROLLER_H
#define BROKER_TOPICS_CONTROLLER_H

#include "broker/shard.h"
#include "broker/topics/catalog_draft.h"
#include "protocol/kafka_error.h"

struct controller;

/* The caller embeds it. It must live until it is done. */
struct change {
    struct list_node node;
    struct commit entry;
    struct controller *controller;
    /* Makes the change. May call the functions below. The change reports validation errors
     * itself. */
    void (*apply)(struct change *change, struct controller *controller);
    /* Its done() is called once, on shard 0; mostly it is that of a reply (durable_reply.h).
     * ERR_OK: the change is durable and every shard has it, or there was nothing to do. ERR_IO: the
     * journal failed. ERR_CLOSED: the broker is stopping and did nothing. */
    struct commit *commit;
};

/* The functions that give a shard a new snapshot. Each call takes over the reference. */
struct snapshot_takers {
    void (*catalog)(struct shard *shard, struct catalog *catalog);
    void (*settings)(struct shard *shard, struct live_settings *live);
};

struct controller *controller_create(struct shard *shard, const struct snapshot_takers *takers);
/* Reads the rows of the broker. Called before the first entry. */
MUST_USE enum error controller_load(struct controller *controller, struct message *message);
void controller_free(struct controller *controller); /* NULL is fine */

/* Called on shard 0. apply() and commit->done() may be called before it returns. */
void controller_submit(struct controller *controller, struct change *change);

/* The code for a change that ended with an error. */
enum kafka_error controller_error(enum error result);

/* --- within apply() --- */

struct shard *controller_shard(struct controller *controller);
/* The newest catalog with this change so far. */
const struct catalog_draft *controller_draft(const struct controller *controller);
/* Adds or replaces a topic: row and snapshot. */
void controller_put_topic(struct controller *controller, struct topic *topic);
void controller_remove_topic(struct controller *controller, struct topic *topic);
/* The newest settings with this change so far; valid until the next put. */
const struct live_settings *controller_settings(const struct controller *controller);
/* Replaces them: rows and snapshot. Takes over the reference. */
void controller_put_settings(struct controller *controller, struct live_settings *next);

/* --- producer ids (KIP-98) --- */

/* A fresh producer id, or -1 when a block of ids must be reserved first: submit a change whose
 * apply calls controller_reserve_producer_ids, and ask again when it is done. */
int64_t controller_take_producer_id(struct controller *controller);
void controller_reserve_producer_ids(struct controller *controller);

/* Whether it is the name of one of Kafka's internal topics. They do not exist here, but their names
 * are reserved. */
bool topic_name_is_internal(struct bytes name);

#endif
