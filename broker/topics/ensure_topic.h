/* Makes sure that a topic exists, from any shard: outputs of processors, auto-creation. */
#ifndef BROKER_TOPICS_ENSURE_TOPIC_H
#define BROKER_TOPICS_ENSURE_TOPIC_H

#include "broker/shard.h"

/* Creates `name` unless it exists. done() runs on `shard` when all shards have the topic open. It
 * gets ERR_INVALID if the name is not allowed or collides, and ERR_IO if the journal failed. Copies
 * its arguments. */
void ensure_topic(struct shard *shard, struct bytes name, int32_t partitions,
                  const struct topic_config *configs, size_t config_count,
                  void (*done)(void *context, struct shard *shard, enum error result),
                  void *context);

#endif
