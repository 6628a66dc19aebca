/* The coordinator's entries: rows in, answers out when they are durable. */
#include "broker/groups/coordinator_internal.h"
#include "broker/groups/coordinator_rows.h"

#include <stdlib.h>

void coordinator_send_ready(struct coordinator *c, enum error result)
{
    for (struct list_node *node; (node = list_pop(&c->ready));) {
        struct group_waiter *w = CONTAINER_OF(node, struct group_waiter, node);
        w->send(w, result);
    }
}

static void entry_done(struct commit *commit, enum error result)
{
    struct group_entry *e = CONTAINER_OF(commit, struct group_entry, commit);
    struct coordinator *c = e->coordinator;
    c->entry_count--;
    if (c->newest == e)
        c->newest = NULL;
    if (c->saving == e)
        c->saving = NULL;
    list_take_all(&c->ready, &e->waiters);
    free(e);
    if (result)
        list_take_all(&c->ready, &c->waiting); /* nothing will be stored any more */
    else
        coordinator_save(c);
    coordinator_send_ready(c, result);
}

static void open_entry(struct coordinator *c)
{
    if (c->open)
        return;
    c->open = xcalloc(1, sizeof *c->open);
    c->open->coordinator = c;
    c->open->commit.done = entry_done;
    list_init(&c->open->waiters);
    store_begin(c->shard->store);
}

void coordinator_close_entry(struct coordinator *c)
{
    if (c->open == NULL)
        return;
    c->newest = c->open;
    c->open = NULL;
    c->entry_count++;
    store_commit(c->shard->store, &c->newest->commit);
}

/* Rows are bounded by their parts: a group by GROUP_BYTES_MAX, an offset by its request. */
static void put_row(struct coordinator *c)
{
    ASSERT(!c->key.overflowed && !c->value.overflowed);
    open_entry(c);
    store_put(c->shard->store, buffer_view(&c->key), buffer_view(&c->value));
    buffer_clear(&c->key);
    buffer_clear(&c->value);
}

static void delete_row(struct coordinator *c)
{
    ASSERT(!c->key.overflowed);
    open_entry(c);
    store_delete(c->shard->store, buffer_view(&c->key));
    buffer_clear(&c->key);
}

void coordinator_put_offset(struct coordinator *c, struct coordinated *cg, struct bytes topic,
                            int32_t partition, const struct committed_offset *value)
{
    offset_row_key(cg->group->id, topic, partition, &c->key);
    offset_row_value(value, &c->value);
    put_row(c);
    offsets_set(&cg->offsets, topic, partition, value);
}

bool coordinator_remove_offset(struct coordinator *c, struct coordinated *cg, struct bytes topic,
                               int32_t partition)
{
    if (offsets_get(&cg->offsets, topic, partition) == NULL)
        return false;
    offset_row_key(cg->group->id, topic, partition, &c->key);
    delete_row(c);
    return offsets_remove(&cg->offsets, topic, partition);
}

static void delete_topic_rows(struct coordinator *c, struct coordinated *cg,
                              const struct topic_offsets *t)
{
    for (int32_t i = 0; i < t->capacity; i++) {
        if (!t->partitions[i].is_set)
            continue;
        offset_row_key(cg->group->id, t->topic, i, &c->key);
        delete_row(c);
    }
}

void coordinator_remove_topic(struct coordinator *c, struct coordinated *cg, struct bytes topic)
{
    const struct topic_offsets *t = offsets_of_topic(&cg->offsets, topic);
    if (t == NULL)
        return;
    delete_topic_rows(c, cg, t);
    /* The last removal frees the topic with its name. */
    int32_t capacity = t->capacity;
    struct bytes name = bytes_copy(topic);
    for (int32_t i = 0; i < capacity; i++)
        offsets_remove(&cg->offsets, name, i);
    free((void *)name.data);
}

void coordinator_erase(struct coordinator *c, struct coordinated *cg)
{
    if (cg->has_row) {
        group_row_key(cg->group->id, &c->key);
        delete_row(c);
    }
    size_t at = 0;
    for (const struct topic_offsets *t; (t = offsets_next(&cg->offsets, &at));)
        delete_topic_rows(c, cg, t);
}

void coordinator_save(struct coordinator *c)
{
    if (c->saving)
        return;
    if (list_is_empty(&c->dirty)) {
        /* A group that was deleted meanwhile needs no row; who waits for it waits for that. */
        list_take_all(c->newest ? &c->newest->waiters : &c->ready, &c->waiting);
        return;
    }
    ASSERT(c->open == NULL);
    for (struct list_node *node; (node = list_pop(&c->dirty));) {
        struct coordinated *cg = CONTAINER_OF(node, struct coordinated, dirty);
        group_row_key(cg->group->id, &c->key);
        group_row_value(cg->group, &c->value);
        put_row(c);
        cg->has_row = true;
    }
    c->saving = c->open;
    list_take_all(&c->saving->waiters, &c->waiting);
    coordinator_close_entry(c);
}

void coordinator_when_durable(struct coordinator *c, struct group_waiter *waiter)
{
    /* Dirty groups go with the entry after the one under way. */
    struct list *list = !list_is_empty(&c->dirty) ? &c->waiting
                        : c->newest               ? &c->newest->waiters
                                                  : &c->ready;
    waiter->node = (struct list_node){0};
    list_append(list, &waiter->node);
    if (list == &c->ready)
        coordinator_send_ready(c, ERR_OK);
}
