/* The groups that a coordinator has: finding and forgetting them. */
#include "broker/groups/coordinator_internal.h"

#include <stdlib.h>

void coordinator_free_group(struct coordinated *cg)
{
    timers_cancel(&cg->coordinator->shard->timers, &cg->timer);
    list_remove(&cg->dirty);
    list_remove(&cg->node);
    group_free(cg->group);
    offsets_free(&cg->offsets);
    free(cg);
}

struct coordinated *coordinator_find(const struct coordinator *c, struct bytes group_id)
{
    return map_get(&c->groups, group_id);
}

void coordinator_forget(struct coordinated *cg)
{
    map_remove(&cg->coordinator->groups, cg->group->id);
    coordinator_free_group(cg);
}

void coordinator_forget_if_void(struct coordinated *cg)
{
    if (group_is_idle(cg->group) && cg->offsets.count == 0 && !cg->has_row &&
        !list_contains(&cg->dirty))
        coordinator_forget(cg);
}
