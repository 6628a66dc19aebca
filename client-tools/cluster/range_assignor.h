/* The range assignor. Each topic's partitions go in consecutive ranges to the members that
 * subscribe to it, sorted by id. If the ranges cannot be equal, the first ones have one more. */
#ifndef CLIENT_TOOLS_CLUSTER_RANGE_ASSIGNOR_H
#define CLIENT_TOOLS_CLUSTER_RANGE_ASSIGNOR_H

#include "client-tools/cluster/cluster.h"

struct range_member {
    struct bytes id;
    const struct bytes *topics;
    size_t topic_count;
};
struct range_share {
    int32_t first, count; /* partitions [first, first + count) */
};
struct range_share range_assign(const struct range_member *members, size_t count, size_t member,
                                struct bytes topic, int32_t partitions);

/* The work of a group's leader: computes every member's assignment from the subscriptions in
 * `joined`, and writes it to the request. */
bool range_assign_members(struct client *client, const struct join_group_response *joined,
                          struct arena *arena, struct sync_group_request *request,
                          struct failure *f);

#endif
