#include "broker/groups/offsets.h"

#include "base/compiler.h"

#include <stdlib.h>

static void clear(struct committed_offset *at)
{
    free((void *)at->metadata.data);
    *at = (struct committed_offset){0};
}

static bool free_topic(void *context, void *value)
{
    (void)context;
    struct topic_offsets *t = value;
    for (int32_t i = 0; i < t->capacity; i++)
        clear(&t->partitions[i]);
    free(t->partitions);
    free((void *)t->topic.data);
    free(t);
    return true;
}

void offsets_free(struct offsets *o)
{
    map_remove_if(&o->topics, free_topic, NULL);
    map_free(&o->topics);
    o->count = 0;
}

static struct topic_offsets *topic_for(struct offsets *o, struct bytes topic)
{
    struct topic_offsets *t = map_get(&o->topics, topic);
    if (t)
        return t;
    t = xcalloc(1, sizeof *t);
    t->topic = bytes_copy(topic);
    map_put(&o->topics, t->topic, t);
    return t;
}

static void make_room(struct topic_offsets *t, int32_t partition)
{
    if (partition < t->capacity)
        return;
    int32_t capacity = MAX(partition + 1, t->capacity * 2);
    t->partitions = xrealloc(t->partitions, (size_t)capacity * sizeof *t->partitions);
    memset(t->partitions + t->capacity, 0,
           (size_t)(capacity - t->capacity) * sizeof *t->partitions);
    t->capacity = capacity;
}

void offsets_set(struct offsets *o, struct bytes topic, int32_t partition,
                 const struct committed_offset *value)
{
    ASSERT(partition >= 0 && partition < OFFSETS_PARTITION_MAX);
    struct topic_offsets *t = topic_for(o, topic);
    make_room(t, partition);
    struct committed_offset *at = &t->partitions[partition];
    t->count += !at->is_set;
    o->count += !at->is_set;
    clear(at);
    *at = *value;
    at->is_set = true;
    at->metadata = value->metadata.size > 0 ? bytes_copy(value->metadata) : BYTES_NULL;
}

const struct topic_offsets *offsets_of_topic(const struct offsets *o, struct bytes topic)
{
    return map_get(&o->topics, topic);
}

const struct committed_offset *offsets_get(const struct offsets *o, struct bytes topic,
                                           int32_t partition)
{
    const struct topic_offsets *t = offsets_of_topic(o, topic);
    if (t == NULL || partition < 0 || partition >= t->capacity || !t->partitions[partition].is_set)
        return NULL;
    return &t->partitions[partition];
}

bool offsets_remove(struct offsets *o, struct bytes topic, int32_t partition)
{
    if (offsets_get(o, topic, partition) == NULL)
        return false;
    struct topic_offsets *t = map_get(&o->topics, topic);
    clear(&t->partitions[partition]);
    t->count--;
    o->count--;
    if (t->count == 0) {
        map_remove(&o->topics, t->topic);
        free_topic(NULL, t);
    }
    return true;
}

const struct topic_offsets *offsets_next(const struct offsets *o, size_t *at)
{
    return map_next(&o->topics, at);
}
