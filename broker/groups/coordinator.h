/* The coordinator of one shard's groups. It connects the pure group (group.h) with time, the store
 * and the clients.
 *
 * It gives events their time, stores changes through the shard's store, keeps answers back until
 * their content is durable, and sets the timers. It runs on its shard only.
 *
 * Storing: a group that changed is dirty. Only one entry with the rows of dirty groups is under way
 * at a time. Later changes go into the next one, so a thousand members that leave cost only as many
 * writes as there are syncs in that time. Each offset commit is one entry. Answers, also those to
 * reads, wait for the newest entry, so no client sees state that a crash could take back.
 *
 * Members are stored with their group. After a restart their timeouts start again, and clients
 * continue without a rebalance. */
#ifndef BROKER_GROUPS_COORDINATOR_H
#define BROKER_GROUPS_COORDINATOR_H

#include "base/error.h"
#include "broker/groups/group.h"
#include "broker/groups/offsets.h"
#include "storage/store.h"

struct coordinator;
struct shard;

enum { COORDINATOR_GROUPS_MAX = 1 << 20 }; /* of one shard; more are refused */

/* Takes the answer to an event; embedded in memory of a request. */
struct group_waiter {
    /* Copies what it needs out of the reply, whose views end soon. `group` is the group of the
     * reply, or NULL if there is none. Only coordinator_step() needs it. */
    void (*take)(struct group_waiter *waiter, const struct group_reply *reply,
                 const struct group *group);
    struct commit *commit; /* the answer may be sent when it is done: durable_reply.h */
};

struct coordinator *coordinator_create(struct shard *shard);
/* Reads this shard's groups from the store. Called before the first entry. */
MUST_USE enum error coordinator_load(struct coordinator *c, struct message *message);
/* Called before the shard closes: tells waiting members to look for their coordinator again. */
void coordinator_stop(struct coordinator *c);
void coordinator_free(struct coordinator *c); /* NULL is fine */

/* Runs an event of a group. Its token, if any, is a struct group_waiter. Its time is set here. If
 * the group does not exist, `create` makes it; without `create` the answer is UNKNOWN_MEMBER_ID. */
void coordinator_step(struct coordinator *c, struct bytes group_id, struct group_event *event,
                      bool create);

struct offset_item {
    struct bytes topic;
    int32_t partition;
    struct committed_offset value; /* commit_ms is set here */
    enum kafka_error error;        /* of the item, set by coordinator_delete_offsets */
};

/* Commits offsets as one entry, if the group permits it to `who` (member_id, instance_id,
 * generation). Then it returns NONE, and commit->done is called when they are durable. On an error
 * the commit is not used. The caller has checked topics and sizes. */
MUST_USE enum kafka_error coordinator_commit(struct coordinator *c, struct bytes group_id,
                                             const struct group_event *who,
                                             const struct offset_item *items, size_t count,
                                             struct commit *commit);
/* Deletes single offsets. Items of a topic that members subscribe to get an error. Returns the
 * error of the whole request. */
MUST_USE enum kafka_error coordinator_delete_offsets(struct coordinator *c, struct bytes group_id,
                                                     struct offset_item *items, size_t count);
/* Deletes an empty group with its offsets. */
MUST_USE enum kafka_error coordinator_delete_group(struct coordinator *c, struct bytes group_id);
/* Calls commit->done when everything that was seen or changed up to now is durable, which may be at
 * once. ERR_IO: the journal failed and nothing is known. */
void coordinator_when_durable(struct coordinator *c, struct commit *commit);

/* For reading. NULL: there is no such group. Valid until the next call that changes something. */
const struct group *coordinator_group(const struct coordinator *c, struct bytes group_id);
const struct offsets *coordinator_offsets(const struct coordinator *c, struct bytes group_id);
/* Walk over all groups: start with *at = 0; NULL at the end. `offsets` may be NULL. */
const struct group *coordinator_next(const struct coordinator *c, size_t *at,
                                     const struct offsets **offsets);

/* Forgets the committed offsets of a deleted topic. */
void coordinator_topic_deleted(struct coordinator *c, struct bytes topic);

/* Commits an offset of the broker itself, for the lag of its processors (groups named "__sp." and
 * something). It can be called on any shard, and the commit travels to the group's shard. Nothing
 * reports when it is durable. No entry may be open. */
void coordinator_set_offset(struct shard *shard, struct bytes group_id, struct bytes topic,
                            int32_t partition, int64_t offset);

#endif
