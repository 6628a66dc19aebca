#include "broker/fetch/waits.h"

#include <stdlib.h>

struct waits {
    struct shard *shard;
    struct list due;
    struct timer timer; /* set for "now" while there is due work: fires later in the turn */
    struct list parked;
};

void wait_register(struct partition_wait *wait, struct partition *partition)
{
    ASSERT(!list_contains(&wait->node));
    list_append(&partition->waits, &wait->node);
}

void wait_cancel(struct partition_wait *wait)
{
    list_remove(&wait->node);
}

void due_work_add(struct shard *shard, struct due_work *work)
{
    struct waits *w = shard->waits;
    if (list_contains(&work->node))
        return;
    list_append(&w->due, &work->node);
    if (!timer_is_set(&w->timer))
        timers_set(&shard->timers, &w->timer, shard->now_ms);
}

void due_work_cancel(struct due_work *work)
{
    list_remove(&work->node);
}

void parked_add(struct shard *shard, struct parked *parked)
{
    ASSERT(!list_contains(&parked->node) && !shard->stopping);
    list_append(&shard->waits->parked, &parked->node);
}

void parked_remove(struct parked *parked)
{
    list_remove(&parked->node);
}

void parked_end_all(struct shard *shard)
{
    struct list all;
    list_init(&all);
    list_take_all(&all, &shard->waits->parked);
    for (struct list_node *node; (node = list_pop(&all));) {
        struct parked *parked = CONTAINER_OF(node, struct parked, node);
        parked->end(parked);
    }
}

static void run_due(struct timer *timer, int64_t now_ms)
{
    struct waits *w = CONTAINER_OF(timer, struct waits, timer);
    struct list due;
    (void)now_ms;
    list_init(&due);
    list_take_all(&due, &w->due);
    for (struct list_node *node; (node = list_pop(&due));) {
        struct due_work *work = CONTAINER_OF(node, struct due_work, node);
        work->run(work, w->shard);
    }
}

void waits_moved(struct shard *shard, struct partition *partition)
{
    LIST_FOR_EACH_SAFE (node, &partition->waits) {
        struct partition_wait *wait = CONTAINER_OF(node, struct partition_wait, node);
        wait->wake(wait, shard, partition);
    }
}

void waits_deleted(struct shard *shard, struct partition *partition)
{
    for (struct list_node *node; (node = list_pop(&partition->waits));) {
        struct partition_wait *wait = CONTAINER_OF(node, struct partition_wait, node);
        wait->wake(wait, shard, NULL);
    }
}

struct waits *waits_create(struct shard *shard)
{
    struct waits *w = xcalloc(1, sizeof *w);
    w->shard = shard;
    w->timer.fire = run_due;
    list_init(&w->due);
    list_init(&w->parked);
    return w;
}

void waits_free(struct waits *w)
{
    if (w == NULL)
        return;
    ASSERT(list_is_empty(&w->due) && list_is_empty(&w->parked));
    timers_cancel(&w->shard->timers, &w->timer);
    free(w);
}
