/* A member of a consumer group, in the classic protocol with the range assignor. */
#ifndef CLIENT_TOOLS_CLUSTER_GROUP_MEMBER_H
#define CLIENT_TOOLS_CLUSTER_GROUP_MEMBER_H

#include "client-tools/cluster/fetcher.h"

struct group_member {
    struct client *client;
    struct bytes group, instance_id; /* instance_id null: a dynamic member */
    const struct bytes *topics;
    size_t topic_count;
    int32_t session_timeout_ms;
    int64_t heartbeat_ms;

    int32_t coordinator, generation;
    char member_id[512];
    int64_t next_heartbeat_ms;
    bool joined;
    struct arena arena;                 /* of the current assignment */
    struct fetch_partition *partitions; /* the member's partitions, from the committed offsets on */
    size_t count;
};

void group_member_init(struct group_member *m, struct client *client, struct bytes group);
void group_member_free(struct group_member *m);

/* Joins, or joins again, and finds the positions: the committed offsets, else `start`. */
bool group_member_join(struct group_member *m, struct offset_bound start, struct failure *f);
/* Sends a heartbeat when one is due. *rebalance: all members must join again. */
bool group_member_beat(struct group_member *m, bool *rebalance, struct failure *f);
/* Commits the positions. *rebalance as above: then nothing was committed. */
bool group_member_commit(struct group_member *m, bool *rebalance, struct failure *f);
/* Leaves the group. A failure is ignored, because the end of the session has the same effect. */
void group_member_leave(struct group_member *m);

#endif
