/* Expiry in groups: old offsets, offsets of deleted topics, empty groups.
 *
 * The rules are Kafka's (KIP-211). An offset's age counts from its commit. While the group has
 * members, only offsets of topics without a subscriber age, and none while members join: the next
 * one may subscribe. In an empty group the age counts at the earliest from the time when the last
 * member left. A group without a protocol type is a consumer that assigns its own partitions. */
#include "broker/broker.h"
#include "broker/groups/coordinator_internal.h"
#include "broker/groups/subscription.h"

#include <stdlib.h>

enum {
    CLEANUP_INTERVAL_MS = 600 * 1000, /* Kafka's offsets.retention.check.interval.ms */
    PAUSE_MS = 10,                    /* between the turns of a round */
    LOOKS_AT_ONCE = 5000,             /* at partitions, in one turn */
};

/* The offsets that show a processor's lag do not age. */
static bool never_ages(const struct group *g)
{
    return bytes_starts_with(g->id, BYTES_LITERAL("__sp."));
}

static bool may_age(const struct group *g, struct bytes topic)
{
    if (never_ages(g))
        return false;
    if (g->state == GROUP_EMPTY)
        return true;
    return g->state == GROUP_STABLE && group_is_of_consumers(g) && !group_subscribes(g, topic);
}

/* A time that the commit brought begins with the commit, also in an empty group. */
static bool is_old(const struct coordinator *c, const struct group *g,
                   const struct committed_offset *o)
{
    int64_t retention_ms = c->shard->broker->settings->offsets_retention_minutes * 60 * 1000;
    int64_t since_ms = o->commit_ms;
    if (o->retention_ms >= 0)
        retention_ms = o->retention_ms;
    else if (g->state == GROUP_EMPTY)
        since_ms = MAX(since_ms, g->empty_since_ms);
    return c->shard->steady_ms - since_ms >= retention_ms;
}

static void expire_topic(struct coordinator *c, struct coordinated *cg, struct bytes topic)
{
    const struct topic_offsets *t = offsets_of_topic(&cg->offsets, topic);
    int32_t capacity = t->capacity;
    bool asked = false;
    for (int32_t i = 0; i < capacity; i++) {
        const struct committed_offset *o = offsets_get(&cg->offsets, topic, i);
        if (o == NULL || !is_old(c, cg->group, o))
            continue;
        if (!asked && !may_age(cg->group, topic))
            return;
        asked = true;
        coordinator_remove_offset(c, cg, topic, i);
    }
}

/* Copies the names, because topics are freed with their last offset. */
static size_t topic_names(const struct coordinated *cg, struct bytes **out)
{
    struct bytes *names = xcalloc(MAX(cg->offsets.topics.count, (size_t)1), sizeof *names);
    size_t count = 0, at = 0;
    for (const struct topic_offsets *t; (t = offsets_next(&cg->offsets, &at));)
        names[count++] = bytes_copy(t->topic);
    *out = names;
    return count;
}

static void expire_offsets(struct coordinator *c, struct coordinated *cg)
{
    struct bytes *names;
    size_t count = topic_names(cg, &names);
    for (size_t i = 0; i < count; i++) {
        if (catalog_by_name(c->shard->catalog, names[i]) == NULL)
            coordinator_remove_topic(c, cg, names[i]);
        else
            expire_topic(c, cg, names[i]);
        free((void *)names[i].data);
    }
    free(names);
}

/* Returns how many partitions it has looked at. */
static size_t clean_up_group(struct coordinator *c, struct coordinated *cg)
{
    size_t looks = 10 + cg->offsets.count; /* about the time that a group without offsets takes */
    expire_offsets(c, cg);
    if (cg->offsets.count == 0 && group_is_idle(cg->group)) {
        coordinator_erase(c, cg);
        coordinator_forget(cg);
    }
    return looks;
}

/* A round looks at each group, in several turns if there are many. */
void coordinator_cleanup(struct timer *timer, int64_t now_ms)
{
    struct coordinator *c = CONTAINER_OF(timer, struct coordinator, cleanup);
    bool is_new_round = c->cleanup_left == 0;
    c->cleanup_left = is_new_round ? c->groups.count : MIN(c->cleanup_left, c->groups.count);
    for (size_t looks = 0; c->cleanup_left > 0 && looks < LOOKS_AT_ONCE; c->cleanup_left--) {
        struct list_node *node = list_pop(&c->all);
        list_append(&c->all, node);
        looks += clean_up_group(c, CONTAINER_OF(node, struct coordinated, node));
    }
    durable_line_close(&c->line);
    timers_set(&c->shard->timers, timer,
               now_ms + (c->cleanup_left > 0 ? PAUSE_MS : CLEANUP_INTERVAL_MS));
}
