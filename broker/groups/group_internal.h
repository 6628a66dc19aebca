/* Shared by group.c, which drives group_join.c and group_rebalance.c, and by group_members.c and
 * group_transitions.c, which all of them use. */
#ifndef BROKER_GROUPS_GROUP_INTERNAL_H
#define BROKER_GROUPS_GROUP_INTERNAL_H

#include "broker/groups/group.h"

/* A member id that was given out (error 79) and has not joined yet. */
struct pending_member {
    struct bytes id;
    int64_t deadline_ms;
};

/* group_transitions.c */
void group_enter(struct group *g, enum group_state next);
/* Notes a deadline: GROUP_TIME must come then. */
void group_wake_at(struct group *g, int64_t deadline_ms);
struct group_reply *group_reply(struct group_actions *a, void *token, enum kafka_error error);

/* group_members.c */
enum kafka_error group_check_member(const struct group *g, struct bytes member_id,
                                    struct bytes instance_id, struct group_member **out);
struct group_member *group_member_by_instance(const struct group *g, struct bytes instance_id);
/* Adds a member with the data of its join, at the end of the order. */
struct group_member *group_member_add(struct group *g, struct bytes id,
                                      const struct group_join *join);
/* Takes over the data of a member's new join. */
void group_member_update(struct group *g, struct group_member *m, const struct group_join *join);
void group_member_assign(struct group *g, struct group_member *m, struct bytes assignment);
/* Gives the member's place and instance id to another id, and fences its pending requests. Returns
 * the old id, a copy that the actions own. */
struct bytes group_member_rename(struct group *g, struct group_member *m, struct bytes id,
                                 struct group_actions *actions);
/* Removes a member and answers its waiting requests with `error`. */
void group_member_remove(struct group *g, struct group_member *m, enum kafka_error error,
                         struct group_actions *actions);
/* Answers its waiting requests with `error`. */
void group_member_release(struct group *g, struct group_member *m, enum kafka_error error,
                          struct group_actions *actions);
void group_member_free(struct group_member *m);
/* Starts its session again. */
void group_member_touch(struct group *g, struct group_member *m, int64_t now_ms);
bool group_member_says_the_same(const struct group_member *m, const struct group_join *join);
bool group_member_waits(const struct group_member *m);
/* Sets or clears the pending join. A join that was pending is answered: join again. */
void group_member_wait_join(struct group *g, struct group_member *m, void *token,
                            struct group_actions *actions);
void group_member_wait_sync(struct group_member *m, void *token, struct group_actions *actions);
void group_pending_add(struct group *g, struct bytes id, int64_t deadline_ms);
bool group_pending_remove(struct group *g, struct bytes id);

/* group_join.c */
void group_join_step(struct group *g, const struct group_event *event,
                     struct group_actions *actions);

/* group_rebalance.c */
/* Starts a rebalance: asks all members to join again. */
void group_rebalance(struct group *g, const struct group_event *event,
                     struct group_actions *actions);
/* Completes the join when all members have joined. */
void group_maybe_complete_join(struct group *g, const struct group_event *event,
                               struct group_actions *actions);
void group_complete_join(struct group *g, const struct group_event *event,
                         struct group_actions *actions);
/* To be called after members were removed. */
void group_shrank(struct group *g, const struct group_event *event, struct group_actions *actions);
void group_sync_step(struct group *g, const struct group_event *event,
                     struct group_actions *actions);
/* The result of a vote of the members now. */
struct bytes group_vote(const struct group *g);
/* Whether the other members know one of these protocols. `self` (may be NULL) is not one of
 * them. */
bool group_has_common_protocol(const struct group *g, const struct group_member *self,
                               const struct group_join *join);
int64_t group_rebalance_timeout_ms(const struct group *g);
void group_reply_generation(const struct group *g, const struct group_member *m, void *token,
                            struct group_actions *actions);

#endif
