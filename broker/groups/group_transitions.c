/* Every event of a group may change the state, note a deadline and answer a request. */
#include "broker/groups/group_internal.h"

#define TO(state) (1u << (state))

static const unsigned next_states[] = {
    [GROUP_EMPTY] = TO(GROUP_PREPARING_REBALANCE),
    [GROUP_PREPARING_REBALANCE] = TO(GROUP_COMPLETING_REBALANCE) | TO(GROUP_EMPTY),
    [GROUP_COMPLETING_REBALANCE] = TO(GROUP_STABLE) | TO(GROUP_PREPARING_REBALANCE),
    [GROUP_STABLE] = TO(GROUP_PREPARING_REBALANCE),
    [GROUP_DEAD] = 0,
};
_Static_assert(COUNT_OF(next_states) == GROUP_DEAD + 1, "a row for each state");

static const char *const state_names[] = {
    [GROUP_EMPTY] = "Empty",
    [GROUP_PREPARING_REBALANCE] = "PreparingRebalance",
    [GROUP_COMPLETING_REBALANCE] = "CompletingRebalance",
    [GROUP_STABLE] = "Stable",
    [GROUP_DEAD] = "Dead",
};
_Static_assert(COUNT_OF(state_names) == GROUP_DEAD + 1, "a name for each state");

const char *group_state_name(enum group_state state)
{
    ASSERT((size_t)state < COUNT_OF(state_names));
    return state_names[state];
}

void group_enter(struct group *g, enum group_state next)
{
    ASSERT(next_states[g->state] & TO(next));
    g->state = next;
    ASSERT(next != GROUP_EMPTY || g->member_count == 0);
    ASSERT(next != GROUP_STABLE || g->joining_count == 0);
}

void group_wake_at(struct group *g, int64_t deadline_ms)
{
    g->wake_ms = MIN(g->wake_ms, deadline_ms);
}

struct group_reply *group_reply(struct group_actions *a, void *token, enum kafka_error error)
{
    if (a->reply_count == a->reply_capacity) {
        a->reply_capacity = MAX(a->reply_capacity * 2, (size_t)8);
        a->replies = xrealloc(a->replies, a->reply_capacity * sizeof *a->replies);
    }
    struct group_reply *reply = &a->replies[a->reply_count++];
    *reply = (struct group_reply){.token = token, .error = error, .generation = -1};
    return reply;
}
