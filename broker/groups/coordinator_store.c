/* The coordinator's entries: it puts rows into them, and sends answers when they are durable. */
#include "broker/groups/coordinator_internal.h"
#include "broker/groups/coordinator_rows.h"

#include <stdlib.h>

/* Rows have bounded parts: those of a group by GROUP_BYTES_MAX, those of an offset by its
 * request. */
static void put_row(struct coordinator *c)
{
    ASSERT(!c->key.overflowed && !c->value.overflowed);
    durable_line_open(&c->line);
    store_put(c->shard->store, buffer_view(&c->key), buffer_view(&c->value));
    buffer_clear(&c->key);
    buffer_clear(&c->value);
}

static void delete_row(struct coordinator *c)
{
    ASSERT(!c->key.overflowed);
    durable_line_open(&c->line);
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

void coordinator_saved(struct commit *commit, enum error result)
{
    struct coordinator *c = CONTAINER_OF(commit, struct coordinator, saved);
    c->is_saving = false;
    if (result == ERR_OK) {
        coordinator_save(c);
        return;
    }
    for (struct list_node *node; (node = list_pop(&c->waiting));) { /* nothing is stored any more */
        struct commit *waiter = CONTAINER_OF(node, struct commit, node);
        waiter->done(waiter, result);
    }
}

static void put_dirty_groups(struct coordinator *c)
{
    for (struct list_node *node; (node = list_pop(&c->dirty));) {
        struct coordinated *cg = CONTAINER_OF(node, struct coordinated, dirty);
        group_row_key(cg->group->id, &c->key);
        group_row_value(cg->group, &c->value);
        put_row(c);
        cg->has_row = true;
    }
}

/* If the dirty groups were deleted meanwhile, the answers about them wait for the entry that
 * deletes them. */
void coordinator_save(struct coordinator *c)
{
    if (c->is_saving)
        return;
    if (!list_is_empty(&c->dirty)) {
        ASSERT(c->line.open == NULL);
        put_dirty_groups(c);
        durable_line_close(&c->line);
        c->is_saving = true;
        durable_line_wait(&c->line, &c->saved);
    }
    struct list waiting; /* an answer may at once bring a request that waits */
    list_init(&waiting);
    list_take_all(&waiting, &c->waiting);
    for (struct list_node *node; (node = list_pop(&waiting));)
        durable_line_wait(&c->line, CONTAINER_OF(node, struct commit, node));
}

void coordinator_when_durable(struct coordinator *c, struct commit *commit)
{
    if (list_is_empty(&c->dirty)) {
        durable_line_wait(&c->line, commit);
        return;
    }
    commit->node =
        (struct list_node){0}; /* dirty groups wait for the entry after the one under way */
    list_append(&c->waiting, &commit->node);
}
