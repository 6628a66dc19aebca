#include "storage/shard_map.h"

#include "base/crc32c.h"

int shard_of_partition(const uint8_t topic_id[16], int32_t partition, int shard_count)
{
    /* Neighbouring partitions of a topic go to different shards. */
    return (int)((crc32c(0, topic_id, 16) + (uint32_t)partition) % (uint32_t)shard_count);
}

int shard_of_name(struct bytes name, int shard_count)
{
    return (int)(crc32c(0, name.data, name.size) % (uint32_t)shard_count);
}
