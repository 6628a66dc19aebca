/* Answers of group handlers. The response is made when the group replies, and sent when its content
 * is durable. */
#ifndef BROKER_GROUPS_ANSWER_H
#define BROKER_GROUPS_ANSWER_H

#include "broker/groups/coordinator.h"
#include "broker/request/durable_reply.h"

struct group_answer {
    struct group_waiter waiter;
    struct durable_reply reply; /* its response is set to defaults */
    void *extra;                /* the handler's own */
};

/* In memory of the request, whose limit is lifted. `take` may be NULL. */
struct group_answer *group_answer_create(struct request *request, const struct schema *schema,
                                         void (*take)(struct group_waiter *waiter,
                                                      const struct group_reply *reply,
                                                      const struct group *group));
struct group_answer *group_answer_of(struct group_waiter *waiter);

enum { GROUP_ANSWER_MAX = 128 << 20 }; /* that one shard adds to an answer about many groups */

/* Work for several groups of a request. `visit` is called for each item on the shard of its group,
 * on several shards at the same time. `finish` is called at home, when everything that the visits
 * saw is durable. */
struct group_visits {
    struct request *request;
    struct scatter scatter;
    const bool *repeats; /* items whose group is also that of another item */
    /* Writes only what belongs to the item, with memory of `arena`. */
    void (*visit)(struct group_visits *visits, struct shard *shard, uint32_t item,
                  struct arena *arena);
    void (*finish)(struct group_visits *visits); /* answers the request */
};

/* Whether the item must get INVALID_REQUEST: its group is named more than once, or the answer has
 * reached its limit. */
bool group_visit_is_excessive(const struct group_visits *visits, uint32_t item,
                              const struct arena *arena);

/* names[i] is the group of item i. Everything lives in memory of the request. */
void group_visits_run(struct group_visits *visits, struct shard *home, const struct bytes *names,
                      size_t count);
/* One item for each shard instead. */
void group_visits_run_shards(struct group_visits *visits, struct shard *home);

#endif
