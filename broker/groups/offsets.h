/* The committed offsets of one group, by topic and partition, in memory. Their rows are in
 * coordinator_rows.h. */
#ifndef BROKER_GROUPS_OFFSETS_H
#define BROKER_GROUPS_OFFSETS_H

#include "base/map.h"

struct committed_offset {
    bool is_set;
    int32_t leader_epoch; /* -1: unknown */
    int64_t offset;
    int64_t commit_ms;     /* steady time */
    int64_t retention_ms;  /* from the commit on; -1: the broker's, by the rules of expiry */
    struct bytes metadata; /* the client's own text, returned unchanged */
};

/* All partitions of one topic. There is a place for each, up to the highest committed partition. */
struct topic_offsets {
    struct bytes topic;
    struct committed_offset *partitions;
    int32_t capacity;
    size_t count; /* of committed partitions */
};

struct offsets {
    struct map topics;
    size_t count; /* of committed partitions of all topics */
};

/* Partition numbers in rows and requests are below this. */
enum { OFFSETS_PARTITION_MAX = 1 << 20 };

void offsets_free(struct offsets *o);
/* Copies topic and metadata. 0 <= partition < OFFSETS_PARTITION_MAX. */
void offsets_set(struct offsets *o, struct bytes topic, int32_t partition,
                 const struct committed_offset *value);
/* NULL when nothing is committed. */
const struct committed_offset *offsets_get(const struct offsets *o, struct bytes topic,
                                           int32_t partition);
/* Whether there was one. A topic without offsets is freed: its name must not be used afterwards. */
bool offsets_remove(struct offsets *o, struct bytes topic, int32_t partition);
const struct topic_offsets *offsets_of_topic(const struct offsets *o, struct bytes topic);
/* Walk over the topics: start with *at = 0; NULL at the end. */
const struct topic_offsets *offsets_next(const struct offsets *o, size_t *at);

#endif
