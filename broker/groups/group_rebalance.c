/* From one generation to the next: the join of all members, the vote, the assignment. */
#include "broker/groups/group_internal.h"

#include <stdlib.h>

int64_t group_rebalance_timeout_ms(const struct group *g)
{
    int64_t longest_ms = 0;
    LIST_FOR_EACH (node, &g->members) {
        struct group_member *m = CONTAINER_OF(node, struct group_member, node);
        longest_ms = MAX(longest_ms, (int64_t)m->rebalance_timeout_ms);
    }
    return longest_ms;
}

static bool member_knows(const struct group_member *m, struct bytes protocol_name)
{
    for (size_t i = 0; i < m->protocol_count; i++) {
        if (bytes_equal(m->protocols[i].name, protocol_name))
            return true;
    }
    return false;
}

static bool all_know(const struct group *g, const struct group_member *except,
                     struct bytes protocol_name)
{
    LIST_FOR_EACH (node, &g->members) {
        struct group_member *m = CONTAINER_OF(node, struct group_member, node);
        if (m != except && !member_knows(m, protocol_name))
            return false;
    }
    return true;
}

bool group_has_common_protocol(const struct group *g, const struct group_member *self,
                               const struct group_join *join)
{
    if (join->protocol_type.size == 0 || join->protocol_count == 0 ||
        join->protocol_count > GROUP_PROTOCOLS_MAX)
        return false;
    if (g->member_count > 0 && !bytes_equal(g->protocol_type, join->protocol_type))
        return false;
    for (size_t i = 0; i < join->protocol_count; i++) {
        if (all_know(g, self, join->protocols[i].name))
            return true;
    }
    return false;
}

/* A member votes for the first of its protocols that all members know. */
static size_t votes_for(const struct group *g, struct bytes name, const bool *is_common,
                        const struct group_member *ballot)
{
    size_t votes = 0;
    LIST_FOR_EACH (node, &g->members) {
        struct group_member *m = CONTAINER_OF(node, struct group_member, node);
        for (size_t i = 0; i < m->protocol_count; i++) {
            size_t at = 0;
            while (at < ballot->protocol_count &&
                   !bytes_equal(ballot->protocols[at].name, m->protocols[i].name))
                at++;
            if (at == ballot->protocol_count || !is_common[at])
                continue;
            votes += bytes_equal(m->protocols[i].name, name);
            break;
        }
    }
    return votes;
}

struct bytes group_vote(const struct group *g)
{
    /* The leader knows every protocol that all know: its list is the ballot, and its order decides
     * ties. */
    const struct group_member *ballot = g->leader;
    bool *is_common = xcalloc(MAX(ballot->protocol_count, (size_t)1), sizeof *is_common);
    for (size_t i = 0; i < ballot->protocol_count; i++)
        is_common[i] = all_know(g, ballot, ballot->protocols[i].name);
    struct bytes winner = BYTES_NULL;
    size_t most = 0;
    for (size_t i = 0; i < ballot->protocol_count; i++) {
        if (!is_common[i])
            continue;
        size_t votes = votes_for(g, ballot->protocols[i].name, is_common, ballot);
        if (votes > most) {
            most = votes;
            winner = ballot->protocols[i].name;
        }
    }
    free(is_common);
    return winner;
}

void group_reply_generation(const struct group *g, const struct group_member *m, void *token,
                            struct group_actions *actions)
{
    struct group_reply *reply = group_reply(actions, token, KAFKA_NONE);
    reply->member_id = m->id;
    reply->generation = g->generation;
    reply->leader = g->leader->id;
    reply->with_members = g->leader == m;
    reply->protocol_type = g->protocol_type;
    reply->protocol_name = g->protocol_name;
}

static void reply_assignment(const struct group *g, const struct group_member *m, void *token,
                             struct group_actions *actions)
{
    struct group_reply *reply = group_reply(actions, token, KAFKA_NONE);
    reply->member_id = m->id;
    reply->protocol_type = g->protocol_type;
    reply->protocol_name = g->protocol_name;
    reply->assignment = m->assignment;
}

/* Drops the assignment that was being made: members that wait for it must join again. */
static void drop_assignments(struct group *g, const struct group_event *event,
                             struct group_actions *actions)
{
    LIST_FOR_EACH (node, &g->members) {
        struct group_member *m = CONTAINER_OF(node, struct group_member, node);
        if (m->sync_token) {
            group_member_wait_sync(m, NULL, actions);
            group_member_touch(g, m, event->now_ms);
        }
        group_member_assign(g, m, BYTES_LITERAL(""));
    }
}

void group_rebalance(struct group *g, const struct group_event *event,
                     struct group_actions *actions)
{
    if (g->state == GROUP_COMPLETING_REBALANCE)
        drop_assignments(g, event, actions);
    LIST_FOR_EACH (node, &g->members)
        CONTAINER_OF(node, struct group_member, node)->must_sync = false;
    g->sync_deadline_ms = GROUP_NEVER;
    g->initial = g->state == GROUP_EMPTY && g->limits->initial_delay_ms > 0;
    g->grew = false;
    group_enter(g, GROUP_PREPARING_REBALANCE);
    int64_t timeout_ms = group_rebalance_timeout_ms(g);
    g->initial_end_ms = event->now_ms + timeout_ms;
    g->join_deadline_ms =
        event->now_ms + (g->initial ? MIN(g->limits->initial_delay_ms, timeout_ms) : timeout_ms);
    group_wake_at(g, g->join_deadline_ms);
    group_maybe_complete_join(g, event, actions);
}

void group_maybe_complete_join(struct group *g, const struct group_event *event,
                               struct group_actions *actions)
{
    if (g->state != GROUP_PREPARING_REBALANCE)
        return;
    bool everybody = g->joining_count == g->member_count && g->pending.count == 0;
    if (g->member_count == 0 || (everybody && !g->initial))
        group_complete_join(g, event, actions);
}

/* Removes dynamic members that did not join again. Static members keep their place until their
 * session ends. */
static void remove_absent(struct group *g, struct group_actions *actions)
{
    LIST_FOR_EACH_SAFE (node, &g->members) {
        struct group_member *m = CONTAINER_OF(node, struct group_member, node);
        if (m->join_token == NULL && bytes_is_null(m->instance_id))
            group_member_remove(g, m, KAFKA_UNKNOWN_MEMBER_ID, actions);
    }
}

/* The leader must be present to make the assignment. */
static bool find_leader(struct group *g)
{
    if (g->leader->join_token)
        return true;
    LIST_FOR_EACH (node, &g->members) {
        struct group_member *m = CONTAINER_OF(node, struct group_member, node);
        if (m->join_token) {
            g->leader = m;
            return true;
        }
    }
    return false;
}

static void start_generation(struct group *g, const struct group_event *event,
                             struct group_actions *actions)
{
    ASSERT(g->leader->join_token);
    group_enter(g, GROUP_COMPLETING_REBALANCE);
    struct bytes chosen = group_vote(g);
    ASSERT(!bytes_is_null(chosen)); /* each member that joined shares a protocol with all others */
    g->protocol_name = bytes_copy(chosen);
    LIST_FOR_EACH (node, &g->members) {
        struct group_member *m = CONTAINER_OF(node, struct group_member, node);
        m->is_new = false;
        m->must_sync = true;
        if (m->join_token) {
            group_reply_generation(g, m, m->join_token, actions);
            m->join_token = NULL;
            g->joining_count--;
            group_member_touch(g, m, event->now_ms);
        }
    }
    g->sync_deadline_ms = event->now_ms + group_rebalance_timeout_ms(g);
    group_wake_at(g, g->sync_deadline_ms);
}

void group_complete_join(struct group *g, const struct group_event *event,
                         struct group_actions *actions)
{
    ASSERT(g->state == GROUP_PREPARING_REBALANCE);
    remove_absent(g, actions);
    if (g->member_count > 0 && !find_leader(g)) {
        /* There are only static members, and all are absent: keep their places and continue to
         * wait. */
        g->join_deadline_ms = event->now_ms + group_rebalance_timeout_ms(g);
        group_wake_at(g, g->join_deadline_ms);
        return;
    }
    g->join_deadline_ms = GROUP_NEVER;
    g->initial = false;
    g->generation = g->generation == INT32_MAX ? 1 : g->generation + 1;
    free((void *)g->protocol_name.data);
    g->protocol_name = BYTES_NULL;
    actions->save = true;
    if (g->member_count == 0) {
        group_enter(g, GROUP_EMPTY);
        g->empty_since_ms = event->steady_ms;
    } else {
        start_generation(g, event, actions);
    }
}

void group_shrank(struct group *g, const struct group_event *event, struct group_actions *actions)
{
    actions->save = true;
    if (g->state == GROUP_PREPARING_REBALANCE)
        group_maybe_complete_join(g, event, actions);
    else
        group_rebalance(g, event, actions);
}

static bool contradicts(struct bytes given, struct bytes ours)
{
    return !bytes_is_null(given) && !bytes_equal(given, ours);
}

static enum kafka_error check_sync(const struct group *g, const struct group_event *event,
                                   struct group_member **out)
{
    enum kafka_error error = group_check_member(g, event->member_id, event->instance_id, out);
    if (error)
        return error;
    if (event->generation != g->generation)
        return KAFKA_ILLEGAL_GENERATION;
    if (contradicts(event->sync.protocol_type, g->protocol_type) ||
        contradicts(event->sync.protocol_name, g->protocol_name))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (g->state == GROUP_PREPARING_REBALANCE)
        return KAFKA_REBALANCE_IN_PROGRESS;
    size_t size = 0;
    for (size_t i = 0; i < event->sync.count; i++)
        size += event->sync.assignments[i].assignment.size;
    return g->bytes + size > GROUP_BYTES_MAX ? KAFKA_MESSAGE_TOO_LARGE : KAFKA_NONE;
}

/* Members that the leader left out get an empty assignment. */
static void take_assignment(struct group *g, const struct group_sync *sync)
{
    LIST_FOR_EACH (node, &g->members)
        group_member_assign(g, CONTAINER_OF(node, struct group_member, node), BYTES_LITERAL(""));
    for (size_t i = 0; i < sync->count; i++) {
        struct group_member *m = group_member_of(g, sync->assignments[i].member_id);
        if (m)
            group_member_assign(g, m, sync->assignments[i].assignment);
    }
}

static void finish_sync(struct group *g, const struct group_event *event,
                        struct group_actions *actions)
{
    take_assignment(g, &event->sync);
    group_enter(g, GROUP_STABLE);
    actions->save = true;
    LIST_FOR_EACH (node, &g->members) {
        struct group_member *m = CONTAINER_OF(node, struct group_member, node);
        if (m->sync_token == NULL)
            continue;
        reply_assignment(g, m, m->sync_token, actions);
        m->sync_token = NULL;
        group_member_touch(g, m, event->now_ms);
    }
}

void group_sync_step(struct group *g, const struct group_event *event,
                     struct group_actions *actions)
{
    struct group_member *m = NULL;
    enum kafka_error error = check_sync(g, event, &m);
    if (error) {
        group_reply(actions, event->token, error)->member_id = event->member_id;
        return;
    }
    group_member_touch(g, m, event->now_ms);
    m->must_sync = false;
    if (g->state == GROUP_STABLE) {
        reply_assignment(g, m, event->token, actions);
        return;
    }
    ASSERT(g->state == GROUP_COMPLETING_REBALANCE);
    group_member_wait_sync(m, event->token, actions);
    if (m == g->leader)
        finish_sync(g, event, actions);
}
