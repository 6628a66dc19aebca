/* Assigns partitions and names to shards: a pure function of name and number of shards. */
#ifndef STORAGE_SHARD_MAP_H
#define STORAGE_SHARD_MAP_H

#include "base/bytes.h"

int shard_of_partition(const uint8_t topic_id[16], int32_t partition, int shard_count);
/* The shard of a group or a transactional id. */
int shard_of_name(struct bytes name, int shard_count);

#endif
