/* A group's committed offsets. */
#ifndef CLIENT_TOOLS_CLUSTER_GROUP_OFFSETS_H
#define CLIENT_TOOLS_CLUSTER_GROUP_OFFSETS_H

#include "client-tools/cluster/cluster.h"

struct committed_offset {
    struct bytes topic;
    int32_t partition, leader;
    int64_t offset; /* -1: none */
    struct bytes metadata;
};

/* All of the group's offsets, sorted by topic and partition. */
bool group_offsets_fetch(struct client *c, struct bytes group, struct arena *arena,
                         struct committed_offset **out, size_t *count, struct failure *f);

void group_offsets_sort(struct committed_offset *offsets, size_t count);

/* Fills in the leaders with one Metadata request. Partitions that are gone get leader -1. */
bool group_offsets_find_leaders(struct client *c, struct committed_offset *offsets, size_t count,
                                struct arena *arena, struct failure *f);

#endif
