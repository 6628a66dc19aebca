/* The coordinator of one shard's groups: what stands between the pure group (group.h) and the
 * world.
 *
 * It gives events their time, stores what changed through the shard's store, keeps answers back
 * until what they say is durable, and sets the timers. It runs on its shard only.
 *
 * Storing: a group that changed is dirty. One entry with the rows of all dirty groups is under way
 * at a time; what changes meanwhile goes with the next, so a thousand members that leave cost as
 * many writes as there are syncs in that time. Offset commits are one entry each. Answers, reads
 * included, wait for the newest entry: nobody is told what a crash could take back.
 *
 * Members are stored with their group and start with fresh timeouts after a restart: clients go on
 * where they were, without a rebalance. */
#ifndef BROKER_GROUPS_COORDINATOR_H
#define BROKER_GROUPS_COORDINATOR_H

#include "base/error.h"
#include "broker/groups/group.h"
#include "broker/groups/offsets.h"
#include "storage/store.h"

struct coordinator;
struct shard;

enum { COORDINATOR_GROUPS_MAX = 1 << 20 }; /* of one shard; more are refused */

/* Where the answer to an event goes; embedded in memory of a request. */
struct group_waiter {
    /* Copies what it needs out of the reply, whose views end soon. `group` is the group it is
     * about, NULL when there is none. Needed only for coordinator_step(). */
    void (*take)(struct group_waiter *waiter, const struct group_reply *reply,
                 const struct group *group);
    struct commit *commit; /* the answer may leave when it is done: durable_reply.h */
};

struct coordinator *coordinator_create(struct shard *shard);
/* Reads this shard's groups from the store; before its first entry. */
MUST_USE enum error coordinator_load(struct coordinator *c, struct message *message);
/* Before the shard closes: members that wait are told to look for their coordinator again. */
void coordinator_stop(struct coordinator *c);
void coordinator_free(struct coordinator *c); /* NULL is fine */

/* Runs an event of a group. Its token, if any, is a struct group_waiter; its time is set here.
 * `create`: make the group when there is none; otherwise the answer is UNKNOWN_MEMBER_ID. */
void coordinator_step(struct coordinator *c, struct bytes group_id, struct group_event *event,
                      bool create);

struct offset_item {
    struct bytes topic;
    int32_t partition;
    struct committed_offset value; /* commit_ms is set here */
    enum kafka_error error;        /* of the item, set by coordinator_delete_offsets */
};

/* Commits offsets as one entry, if the group lets `who` (member_id, instance_id, generation): then
 * NONE is returned and commit->done comes when they are durable. On an error the commit is not
 * used. Topics and sizes were checked by the caller. */
MUST_USE enum kafka_error coordinator_commit(struct coordinator *c, struct bytes group_id,
                                             const struct group_event *who,
                                             const struct offset_item *items, size_t count,
                                             struct commit *commit);
/* Deletes single offsets; items of a topic that members subscribe to get an error. The result is
 * that of the whole. */
MUST_USE enum kafka_error coordinator_delete_offsets(struct coordinator *c, struct bytes group_id,
                                                     struct offset_item *items, size_t count);
/* Deletes an empty group with its offsets. */
MUST_USE enum kafka_error coordinator_delete_group(struct coordinator *c, struct bytes group_id);
/* Calls commit->done as soon as everything that was seen or changed up to now is durable, at once
 * if it is. ERR_IO: the journal failed and nothing is known. */
void coordinator_when_durable(struct coordinator *c, struct commit *commit);

/* Reading. NULL: there is no such group. Good until the next call that changes something. */
const struct group *coordinator_group(const struct coordinator *c, struct bytes group_id);
const struct offsets *coordinator_offsets(const struct coordinator *c, struct bytes group_id);
/* Walk over all groups: start with *at = 0; NULL at the end. `offsets` may be NULL. */
const struct group *coordinator_next(const struct coordinator *c, size_t *at,
                                     const struct offsets **offsets);

/* A topic is gone, and with it what was committed on it. */
void coordinator_topic_deleted(struct coordinator *c, struct bytes topic);

/* The broker's own commit, for the lag of its processors (groups named "__sp." and something). From
 * any shard: it travels to the group's. Nobody is told when it is durable. No entry may be open. */
void coordinator_set_offset(struct shard *shard, struct bytes group_id, struct bytes topic,
                            int32_t partition, int64_t offset);

#endif
