/* The life of a group, the events without rebalance logic of their own, and deadlines. */
#include "broker/groups/group_internal.h"

#include <stdlib.h>

struct group *group_create(struct bytes id, const struct group_limits *limits)
{
    struct group *g = xcalloc(1, sizeof *g);
    g->id = bytes_copy(id);
    g->limits = limits;
    list_init(&g->members);
    g->join_deadline_ms = g->sync_deadline_ms = g->wake_ms = GROUP_NEVER;
    return g;
}

void group_free(struct group *g)
{
    if (g == NULL)
        return;
    struct list_node *node;
    while ((node = list_pop(&g->members)))
        group_member_free(CONTAINER_OF(node, struct group_member, node));
    size_t at = 0;
    for (struct pending_member *p; (p = map_next(&g->pending, &at));) {
        free((void *)p->id.data);
        free(p);
    }
    map_free(&g->by_id);
    map_free(&g->by_instance);
    map_free(&g->pending);
    free((void *)g->id.data);
    free((void *)g->protocol_type.data);
    free((void *)g->protocol_name.data);
    free(g);
}

void group_actions_init(struct group_actions *a)
{
    *a = (struct group_actions){0};
    list_init(&a->removed);
    arena_init(&a->copies, SIZE_MAX); /* a few ids of members that were in the group */
}

void group_actions_clear(struct group_actions *a)
{
    struct list_node *node;
    while ((node = list_pop(&a->removed)))
        group_member_free(CONTAINER_OF(node, struct group_member, node));
    arena_reset(&a->copies);
    a->reply_count = 0;
    a->save = false;
}

void group_actions_free(struct group_actions *a)
{
    group_actions_clear(a);
    arena_free(&a->copies);
    free(a->replies);
    a->replies = NULL;
    a->reply_capacity = 0;
}

bool group_is_idle(const struct group *g)
{
    return g->state == GROUP_EMPTY && g->pending.count == 0;
}

static void heartbeat_step(struct group *g, const struct group_event *event,
                           struct group_actions *actions)
{
    struct group_member *m = NULL;
    enum kafka_error error = group_check_member(g, event->member_id, event->instance_id, &m);
    if (error == KAFKA_NONE && event->generation != g->generation)
        error = KAFKA_ILLEGAL_GENERATION;
    if (error == KAFKA_NONE) {
        group_member_touch(g, m, event->now_ms);
        if (g->state == GROUP_PREPARING_REBALANCE)
            error = KAFKA_REBALANCE_IN_PROGRESS;
    }
    group_reply(actions, event->token, error);
}

/* A negative generation without a member comes from a tool, or from a client that assigns its
 * partitions itself. It may commit only while the group has no members. */
static enum kafka_error check_commit(struct group *g, const struct group_event *event)
{
    if (event->generation < 0 && g->state == GROUP_EMPTY)
        return KAFKA_NONE;
    if (event->generation < 0 && event->member_id.size == 0 && bytes_is_null(event->instance_id))
        return KAFKA_UNKNOWN_MEMBER_ID;
    struct group_member *m = NULL;
    enum kafka_error error = group_check_member(g, event->member_id, event->instance_id, &m);
    if (error)
        return error;
    if (event->generation != g->generation)
        return KAFKA_ILLEGAL_GENERATION;
    group_member_touch(g, m, event->now_ms);
    /* The member must fetch its new assignment first. */
    return g->state == GROUP_COMPLETING_REBALANCE ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

static enum kafka_error leave(struct group *g, const struct group_leaver *leaver,
                              struct group_actions *actions)
{
    struct group_member *m = NULL;
    if (leaver->member_id.size == 0 && !bytes_is_null(leaver->instance_id)) {
        /* An admin client gives only the instance. */
        m = group_member_by_instance(g, leaver->instance_id);
        if (m == NULL)
            return KAFKA_UNKNOWN_MEMBER_ID;
    } else if (group_pending_remove(g, leaver->member_id)) {
        return KAFKA_NONE;
    } else {
        enum kafka_error error = group_check_member(g, leaver->member_id, leaver->instance_id, &m);
        if (error)
            return error;
    }
    group_member_remove(g, m, KAFKA_UNKNOWN_MEMBER_ID, actions);
    return KAFKA_NONE;
}

static void leave_step(struct group *g, const struct group_event *event,
                       struct group_actions *actions)
{
    size_t members = g->member_count, pending = g->pending.count;
    for (size_t i = 0; i < event->leaver_count; i++)
        event->leavers[i].error = leave(g, &event->leavers[i], actions);
    if (g->member_count < members)
        group_shrank(g, event, actions);
    else if (g->pending.count < pending)
        group_maybe_complete_join(g, event, actions);
    group_reply(actions, event->token, KAFKA_NONE);
}

static bool pending_is_over(void *context, void *value)
{
    struct pending_member *p = value;
    if (p->deadline_ms > *(const int64_t *)context)
        return false;
    free((void *)p->id.data);
    free(p);
    return true;
}

static bool is_over(const struct group *g, const struct group_member *m, int64_t now_ms)
{
    if (m->must_sync && g->sync_deadline_ms <= now_ms)
        return true;
    return !group_member_waits(m) && m->session_deadline_ms <= now_ms;
}

static void find_next_deadline(struct group *g)
{
    g->wake_ms = MIN(g->join_deadline_ms, g->sync_deadline_ms);
    LIST_FOR_EACH (node, &g->members) {
        struct group_member *m = CONTAINER_OF(node, struct group_member, node);
        if (!group_member_waits(m))
            group_wake_at(g, m->session_deadline_ms);
    }
    size_t at = 0;
    for (struct pending_member *p; (p = map_next(&g->pending, &at));)
        group_wake_at(g, p->deadline_ms);
}

/* The first generation waits while more members come, within the rebalance timeout. */
static bool waits_for_more(struct group *g, int64_t now_ms)
{
    if (!g->initial || !g->grew || now_ms >= g->initial_end_ms)
        return false;
    g->grew = false;
    g->join_deadline_ms = MIN(now_ms + g->limits->initial_delay_ms, g->initial_end_ms);
    return true;
}

static void time_step(struct group *g, const struct group_event *event,
                      struct group_actions *actions)
{
    int64_t now_ms = event->now_ms;
    size_t members = g->member_count;
    size_t pending = map_remove_if(&g->pending, pending_is_over, &now_ms);
    LIST_FOR_EACH_SAFE (node, &g->members) {
        struct group_member *m = CONTAINER_OF(node, struct group_member, node);
        if (is_over(g, m, now_ms))
            group_member_remove(g, m, KAFKA_UNKNOWN_MEMBER_ID, actions);
    }
    if (g->sync_deadline_ms <= now_ms)
        g->sync_deadline_ms = GROUP_NEVER;
    if (g->member_count < members)
        group_shrank(g, event, actions);
    else if (pending > 0)
        group_maybe_complete_join(g, event, actions);
    if (g->join_deadline_ms <= now_ms && !waits_for_more(g, now_ms))
        group_complete_join(g, event, actions);
    find_next_deadline(g);
}

static void check_members(const struct group *g)
{
    ASSERT(g->by_id.count == g->member_count && g->by_instance.count <= g->member_count);
    ASSERT(g->joining_count <= g->member_count);
    ASSERT((g->state == GROUP_EMPTY) == (g->member_count == 0));
    ASSERT((g->leader == NULL) == (g->member_count == 0));
    ASSERT(g->member_count > 0 || g->bytes == 0);
    ASSERT(g->pending.count <= GROUP_PENDING_MAX);
}

static void check_deadlines(const struct group *g)
{
    bool prepares = g->state == GROUP_PREPARING_REBALANCE;
    ASSERT(prepares == (g->join_deadline_ms != GROUP_NEVER));
    ASSERT(prepares || g->joining_count == 0);
    ASSERT(g->sync_deadline_ms == GROUP_NEVER || g->state == GROUP_COMPLETING_REBALANCE ||
           g->state == GROUP_STABLE);
    ASSERT(g->wake_ms <= MIN(g->join_deadline_ms, g->sync_deadline_ms));
}

void group_step(struct group *g, const struct group_event *event, struct group_actions *actions)
{
    ASSERT(g->state != GROUP_DEAD);
    switch (event->kind) {
    case GROUP_JOIN:
        group_join_step(g, event, actions);
        break;
    case GROUP_SYNC:
        group_sync_step(g, event, actions);
        break;
    case GROUP_HEARTBEAT:
        heartbeat_step(g, event, actions);
        break;
    case GROUP_COMMIT:
        group_reply(actions, event->token, check_commit(g, event));
        break;
    case GROUP_LEAVE:
        leave_step(g, event, actions);
        break;
    case GROUP_TIME:
        time_step(g, event, actions);
        break;
    }
    check_members(g);
    check_deadlines(g);
}

void group_release(struct group *g, enum kafka_error error, struct group_actions *actions)
{
    LIST_FOR_EACH (node, &g->members)
        group_member_release(g, CONTAINER_OF(node, struct group_member, node), error, actions);
}

void group_resume(struct group *g, int64_t now_ms)
{
    if (g->leader == NULL && !list_is_empty(&g->members))
        g->leader = CONTAINER_OF(list_first(&g->members), struct group_member, node);
    if (g->member_count == 0)
        g->state = GROUP_EMPTY;
    else if (g->state == GROUP_EMPTY)
        g->state = GROUP_PREPARING_REBALANCE;
    int64_t rebalance_end_ms = now_ms + group_rebalance_timeout_ms(g);
    LIST_FOR_EACH (node, &g->members) {
        struct group_member *m = CONTAINER_OF(node, struct group_member, node);
        m->session_deadline_ms = now_ms + m->session_timeout_ms;
        m->must_sync = g->state == GROUP_COMPLETING_REBALANCE;
    }
    if (g->state == GROUP_PREPARING_REBALANCE)
        g->join_deadline_ms = rebalance_end_ms;
    if (g->state == GROUP_COMPLETING_REBALANCE)
        g->sync_deadline_ms = rebalance_end_ms;
    find_next_deadline(g);
    check_members(g);
    check_deadlines(g);
}
