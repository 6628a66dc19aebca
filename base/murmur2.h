/* Kafka's partitioning hash: 32-bit murmur2 with Kafka's seed, as in the Java clients' default
 * partitioner (org.apache.kafka.common.utils.Utils.murmur2). */
#ifndef BASE_MURMUR2_H
#define BASE_MURMUR2_H

#include "base/bytes.h"

uint32_t murmur2(struct bytes key);

/* The partition for a key among `partitions` > 0: positive part of the hash, modulo. */
static inline int32_t murmur2_partition(struct bytes key, int32_t partitions)
{
    return (int32_t)((murmur2(key) & 0x7fffffffu) % (uint32_t)partitions);
}

#endif
