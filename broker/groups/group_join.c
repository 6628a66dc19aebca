/* JoinGroup: which members may join, and whether that starts a rebalance. */
#include "broker/groups/group_internal.h"

static void refuse(const struct group_event *event, enum kafka_error error,
                   struct group_actions *actions)
{
    group_reply(actions, event->token, error)->member_id = event->join.member_id;
}

/* While a group prepares a rebalance, only members that have joined again count: the others may
 * never come back. */
static bool has_room(const struct group *g, const struct group_member *self,
                     const struct group_join *join)
{
    int64_t max = g->limits->max_members;
    if (join->member_id.size == 0 && g->pending.count >= GROUP_PENDING_MAX)
        return false;
    switch (g->state) {
    case GROUP_PREPARING_REBALANCE:
        return (self && self->join_token) || (int64_t)g->joining_count < max;
    case GROUP_COMPLETING_REBALANCE:
    case GROUP_STABLE:
        return self || (int64_t)g->member_count < max;
    case GROUP_EMPTY:
    case GROUP_DEAD:
        break;
    }
    return true;
}

static bool fits_memory(const struct group *g, const struct group_join *join)
{
    size_t size = sizeof(struct group_member) + join->new_member_id.size + join->instance_id.size +
                  join->client_id.size + join->client_host.size;
    for (size_t i = 0; i < join->protocol_count; i++)
        size += join->protocols[i].name.size + join->protocols[i].metadata.size;
    return g->bytes + size <= GROUP_BYTES_MAX;
}

/* The member waits for the next generation, which it may start. */
static void wait_for_generation(struct group *g, struct group_member *m,
                                const struct group_event *event, struct group_actions *actions)
{
    group_member_wait_join(g, m, event->token, actions);
    if (g->state == GROUP_PREPARING_REBALANCE)
        group_maybe_complete_join(g, event, actions);
    else
        group_rebalance(g, event, actions);
}

static void add_member(struct group *g, struct bytes id, const struct group_event *event,
                       struct group_actions *actions)
{
    struct group_member *m = group_member_add(g, id, &event->join);
    wait_for_generation(g, m, event, actions);
}

/* A static member came back with a new member id. If the group is stable and the vote stays the
 * same, there is no rebalance. */
static void replace_static(struct group *g, struct group_member *m, const struct group_event *event,
                           struct group_actions *actions)
{
    const struct group_join *join = &event->join;
    struct bytes old_id = group_member_rename(g, m, join->new_member_id, actions);
    group_member_update(g, m, join);
    actions->save = true;
    if (g->state != GROUP_STABLE || !bytes_equal(group_vote(g), g->protocol_name)) {
        wait_for_generation(g, m, event, actions);
        return;
    }
    group_member_touch(g, m, event->now_ms);
    group_reply_generation(g, m, event->token, actions);
    struct group_reply *reply = &actions->replies[actions->reply_count - 1];
    if (m == g->leader && join->can_skip_assignment) {
        reply->skip_assignment = true;
    } else if (m == g->leader) {
        /* It must not make an assignment now, so it is shown another leader. */
        reply->leader = old_id;
        reply->with_members = false;
    }
}

static void join_newcomer(struct group *g, const struct group_event *event,
                          struct group_actions *actions)
{
    const struct group_join *join = &event->join;
    if (!bytes_is_null(join->instance_id)) {
        struct group_member *m = group_member_by_instance(g, join->instance_id);
        if (m)
            replace_static(g, m, event, actions);
        else
            add_member(g, join->new_member_id, event, actions);
    } else if (join->requires_known_id) {
        group_pending_add(g, join->new_member_id, event->now_ms + join->session_timeout_ms);
        group_reply(actions, event->token, KAFKA_MEMBER_ID_REQUIRED)->member_id =
            join->new_member_id;
    } else {
        add_member(g, join->new_member_id, event, actions);
    }
}

/* A member of this generation joins again. If it missed the answer, it gets it again. If it sends
 * other metadata, or is the leader, which joins only to change something, it starts a rebalance. */
static void join_again(struct group *g, struct group_member *m, const struct group_event *event,
                       struct group_actions *actions)
{
    bool same = group_member_says_the_same(m, &event->join);
    bool answer_again = (g->state == GROUP_COMPLETING_REBALANCE && same) ||
                        (g->state == GROUP_STABLE && same && m != g->leader);
    if (answer_again) {
        group_member_touch(g, m, event->now_ms);
        group_reply_generation(g, m, event->token, actions);
        return;
    }
    group_member_update(g, m, &event->join);
    wait_for_generation(g, m, event, actions);
}

static void join_known(struct group *g, const struct group_event *event,
                       struct group_actions *actions)
{
    const struct group_join *join = &event->join;
    if (bytes_is_null(join->instance_id) && group_pending_remove(g, join->member_id)) {
        add_member(g, join->member_id, event, actions);
        return;
    }
    struct group_member *m = NULL;
    enum kafka_error error = group_check_member(g, join->member_id, join->instance_id, &m);
    if (error)
        refuse(event, error, actions);
    else
        join_again(g, m, event, actions);
}

/* The member that the join is for, before its ids are checked; NULL for a new member. */
static struct group_member *join_self(const struct group *g, const struct group_join *join)
{
    if (join->member_id.size > 0)
        return group_member_of(g, join->member_id);
    return bytes_is_null(join->instance_id) ? NULL : group_member_by_instance(g, join->instance_id);
}

void group_join_step(struct group *g, const struct group_event *event,
                     struct group_actions *actions)
{
    const struct group_join *join = &event->join;
    struct group_member *self = join_self(g, join);
    if (join->session_timeout_ms < g->limits->min_session_ms ||
        join->session_timeout_ms > g->limits->max_session_ms) {
        refuse(event, KAFKA_INVALID_SESSION_TIMEOUT, actions);
    } else if (!has_room(g, self, join) || !fits_memory(g, join)) {
        refuse(event, KAFKA_GROUP_MAX_SIZE_REACHED, actions);
    } else if (!group_has_common_protocol(g, self, join)) {
        refuse(event, KAFKA_INCONSISTENT_GROUP_PROTOCOL, actions);
    } else if (join->member_id.size == 0) {
        join_newcomer(g, event, actions);
    } else {
        join_known(g, event, actions);
    }
}
