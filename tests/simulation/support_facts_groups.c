/* Committed offsets and generations: what the clients know, and the rules. */
#include "tests/simulation/support_facts.h"

#include <stdio.h>
#include <stdlib.h>

struct fact_group *facts_add_group(struct facts *f, const char *name)
{
    ASSERT(f->group_count < FACT_GROUPS);
    struct fact_group *g = &f->groups[f->group_count++];
    snprintf(g->name, sizeof g->name, "%s", name);
    return g;
}

struct fact_commit *fact_commit_of(struct fact_group *g, int partition, size_t number)
{
    ASSERT(number < g->commit_count[partition]);
    return &g->commits[partition][number];
}

size_t facts_commit_sent(struct facts *f, struct fact_group *g, int partition, int64_t offset,
                         int32_t generation)
{
    size_t number = g->commit_count[partition]++;
    g->commits[partition] =
        xrealloc(g->commits[partition], (number + 1) * sizeof *g->commits[partition]);
    g->commits[partition][number] = (struct fact_commit){.offset = offset,
                                                         .wire = UINT64_MAX,
                                                         .sent_step = f->machine->step,
                                                         .generation = generation};
    return number;
}

void facts_committed(struct facts *f, struct fact_commit *c)
{
    if (c->done_step == 0)
        c->done_step = f->machine->step;
}

bool fact_group_is_lasting(const struct fact_group *g)
{
    for (size_t i = 0; i < g->commit_count[0]; i++) {
        if (g->commits[0][i].done_step > 0)
            return true;
    }
    return false;
}

/* The step after which the commit can take no effect any more. A member of the next generation ends
 * the commits of this one. */
static uint64_t end_of(const struct facts *f, const struct fact_group *g,
                       const struct fact_commit *c)
{
    if (c->done_step > 0)
        return c->done_step;
    uint64_t settled = f->machine->settled[c->wire], end = settled ? settled : UINT64_MAX;
    for (size_t i = 0; c->generation >= 0 && i < g->generation_count; i++) {
        const struct fact_generation *later = &g->generations[i];
        if (later->generation > c->generation && later->assigned_step > 0)
            end = MIN(end, later->assigned_step);
    }
    return end;
}

/* Whether a later commit has surely replaced what was there until `end`, before `sent_step`. */
static bool is_replaced(const struct fact_group *g, int partition, uint64_t end, uint64_t sent_step)
{
    for (size_t i = 0; i < g->commit_count[partition]; i++) {
        const struct fact_commit *d = &g->commits[partition][i];
        if (d->done_step > 0 && d->done_step < sent_step && d->sent_step > end)
            return true;
    }
    return false;
}

/* The same for the state without any commit. */
static bool has_commit_before(const struct fact_group *g, int partition, uint64_t sent_step)
{
    for (size_t i = 0; i < g->commit_count[partition]; i++) {
        const struct fact_commit *d = &g->commits[partition][i];
        if (d->done_step > 0 && d->done_step < sent_step)
            return true;
    }
    return false;
}

void facts_told_commit(struct facts *f, struct fact_group *g, int partition, int64_t offset,
                       struct bytes metadata, uint64_t sent_step)
{
    const char *rule = "a committed offset changes only by a commit";
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)MIN(metadata.size, (size_t)31), metadata.data);
    if (offset >= 0 && g->has_expired)
        chronicle_fail(f->chronicle, "an old committed offset expires", "group %s partition %d",
                       g->name, partition);
    if (offset < 0) {
        if (g->has_expired)
            chronicle_reach(f->chronicle, REACH_OFFSET_EXPIRED);
        if (!g->may_expire && has_commit_before(g, partition, sent_step))
            chronicle_fail(f->chronicle, rule, "group %s partition %d lost its offset", g->name,
                           partition);
        return;
    }
    size_t number = (size_t)strtoull(text[0] == 'c' ? text + 1 : "", NULL, 10);
    if (text[0] != 'c' || number >= g->commit_count[partition])
        chronicle_fail(f->chronicle, rule, "group %s partition %d: metadata '%s'", g->name,
                       partition, text);
    struct fact_commit *c = &g->commits[partition][number];
    if (c->offset != offset || c->refused)
        chronicle_fail(f->chronicle, rule, "group %s partition %d: offset %lld of commit %zu%s",
                       g->name, partition, (long long)offset, number,
                       c->refused ? ", which was refused" : "");
    if (is_replaced(g, partition, end_of(f, g, c), sent_step))
        chronicle_fail(f->chronicle, rule, "group %s partition %d went back to commit %zu", g->name,
                       partition, number);
    if (c->done_step == 0)
        chronicle_reach(f->chronicle, REACH_COMMIT_FOUND);
    facts_committed(f, c);
}

static struct fact_generation *generation_of(struct fact_group *g, int32_t generation)
{
    for (size_t i = 0; i < g->generation_count; i++) {
        if (g->generations[i].generation == generation)
            return &g->generations[i];
    }
    g->generations = xrealloc(g->generations, (g->generation_count + 1) * sizeof *g->generations);
    struct fact_generation *made = &g->generations[g->generation_count++];
    *made = (struct fact_generation){.generation = generation};
    return made;
}

void facts_joined(struct facts *f, struct fact_group *g, int32_t generation, int32_t floor,
                  const char *leader)
{
    struct fact_generation *known = generation_of(g, generation);
    if (generation < floor)
        chronicle_fail(f->chronicle, "a group's generation never goes back", "%s: %d after %d",
                       g->name, generation, floor);
    if (leader && known->leader[0] && strcmp(known->leader, leader) != 0)
        chronicle_fail(f->chronicle, "a generation has one leader", "%s generation %d: %s and %s",
                       g->name, generation, known->leader, leader);
    if (leader)
        snprintf(known->leader, sizeof known->leader, "%s", leader);
    if (generation > g->newest)
        chronicle_reach(f->chronicle, REACH_REBALANCE);
    g->newest = MAX(g->newest, generation);
}

void facts_assigned(struct facts *f, struct fact_group *g, int32_t generation)
{
    struct fact_generation *known = generation_of(g, generation);
    if (known->assigned_step == 0)
        known->assigned_step = f->machine->step;
    if (generation <= g->assigned)
        return;
    g->assigned = generation;
    g->assigned_step = f->machine->step;
}

void facts_member_committed(struct facts *f, const struct fact_group *g, int32_t generation,
                            uint64_t sent_step)
{
    if (generation < g->assigned && g->assigned_step < sent_step)
        chronicle_fail(f->chronicle, "a commit of an old generation is refused",
                       "%s generation %d, the newest is %d", g->name, generation, g->assigned);
}

void facts_owns(struct facts *f, struct fact_group *g, int32_t generation, const char *member,
                const bool owns[FACT_PARTITIONS])
{
    struct fact_generation *known = generation_of(g, generation);
    for (int p = 0; p < FACT_PARTITIONS; p++) {
        char *owner = known->owners[p];
        bool owned = strcmp(owner, member) == 0;
        if (owned && !owns[p])
            chronicle_fail(f->chronicle, "a member keeps its partitions for a generation",
                           "%s generation %d: %s lost partition %d", g->name, generation, member,
                           p);
        if (owns[p] && owner[0] && !owned)
            chronicle_fail(f->chronicle, "a partition has one owner in a generation",
                           "%s generation %d partition %d: %s and %s", g->name, generation, p,
                           owner, member);
        if (owns[p])
            snprintf(owner, FACT_NAME_SIZE, "%s", member);
    }
}
