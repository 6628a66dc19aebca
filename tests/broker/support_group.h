/* A group by itself: the test moves the time and names the members, and every event and answer is
 * written to a trace.
 *
 *   [    0] a joins: PreparingRebalance, generation 0
 *   [ 3000] time: CompletingRebalance, generation 1, saved
 *           a joins -> generation 1, leader a, range, members a */
#ifndef TESTS_BROKER_SUPPORT_GROUP_H
#define TESTS_BROKER_SUPPORT_GROUP_H

#include "base/buffer.h"
#include "broker/groups/group.h"
#include "tests/harness/harness.h"

struct group_world {
    struct group_limits limits;
    struct group *group;
    struct group_actions actions;
    struct buffer trace;
    int64_t now_ms;
    char *tokens[1024];
    size_t token_count, answered;
};

/* The differences from a dynamic member of the newest version. */
struct join_as {
    const char *id;                   /* its member id; none: it is new */
    const char *instance;             /* static member */
    const char *protocols;            /* "range:metadata sticky:metadata"; default "range:<name>" */
    const char *type;                 /* default "consumer" */
    int32_t session_ms, rebalance_ms; /* default 10000, 60000 */
    bool asks_id;                     /* version 4+ */
    bool can_skip;                    /* version 9+ */
};

/* Limits: sessions of 6 to 1800 s, no initial delay, any size; change them in place. */
void group_world_init(struct group_world *w);
/* Ends it. Every token must have one answer. */
void group_world_end(struct group_world *w);

#define joins(w, name, ...) group_world_join((w), (name), &(struct join_as){__VA_ARGS__})
void group_world_join(struct group_world *w, const char *name, const struct join_as *as);
/* Joins again with its member id. */
void joins_again(struct group_world *w, const char *name);
/* assignments: "a=first b=second", or "" for a follower. */
void syncs(struct group_world *w, const char *name, int32_t generation, const char *assignments);
void syncs_as(struct group_world *w, const struct group_event *event);
void heartbeats(struct group_world *w, const char *name, int32_t generation);
void heartbeats_as(struct group_world *w, const char *name, const char *instance,
                   int32_t generation);
void commits(struct group_world *w, const char *name, const char *instance, int32_t generation);
/* One or several: "a", "a b", "a/instance", "/instance". */
void leaves(struct group_world *w, const char *names);
void passes(struct group_world *w, int64_t ms);
/* Answers waiting members, as before a restart, and makes the group again from its row. */
void restarts(struct group_world *w);

/* Compares the trace since the last call. */
#define expect_trace(w, text) group_world_expect(__FILE__, __LINE__, (w), (text))
void group_world_expect(const char *file, int line, struct group_world *w, const char *text);

/* Two members in a stable group of generation 2, led by a, and an empty trace. */
void group_world_of_two(struct group_world *w);

#endif
