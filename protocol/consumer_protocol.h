/* The data that members of a consumer group exchange through JoinGroup and SyncGroup (protocol type
 * "consumer"). The broker reads it only to learn the topics that a group subscribes to. The tool
 * reads and writes it as a member.
 *
 * Versions 0 to 3. A newer version is read as version 3, as Kafka's clients do. */
#ifndef PROTOCOL_CONSUMER_PROTOCOL_H
#define PROTOCOL_CONSUMER_PROTOCOL_H

#include "base/arena.h"
#include "base/error.h"

struct consumer_partitions {
    struct bytes topic;
    int32_t *partitions;
    int32_t count;
};

struct consumer_subscription {
    int16_t version;
    struct bytes *topics;
    int32_t topic_count;
    struct bytes user_data;            /* null allowed */
    struct consumer_partitions *owned; /* version 1 */
    int32_t owned_count;
    int32_t generation_id; /* version 2; -1: none */
    struct bytes rack;     /* version 3; null allowed */
};

struct consumer_assignment {
    int16_t version;
    struct consumer_partitions *topics;
    int32_t topic_count;
    struct bytes user_data; /* null allowed */
};

/* Arrays go to the arena; texts are views of `in`. ERR_INVALID: malformed, or a count is larger
 * than the bytes could hold. ERR_NO_MEMORY: the arena is full. */
MUST_USE enum error consumer_subscription_decode(struct bytes in, struct arena *arena,
                                                 struct consumer_subscription *out);
MUST_USE enum error consumer_assignment_decode(struct bytes in, struct arena *arena,
                                               struct consumer_assignment *out);

/* Appends version 0 or 1, according to the structure. */
void consumer_subscription_encode(const struct consumer_subscription *in, struct buffer *out);
void consumer_assignment_encode(const struct consumer_assignment *in, struct buffer *out);

#endif
