#include "broker/topics/catalog_draft.h"

#include "base/compiler.h"

#include <stdlib.h>

/* One topic that differs from the base. `previous` are older versions that may still be in use. The
 * entry stays in all three maps; a topic never changes its name. */
struct draft_topic {
    struct topic *topic;
    bool removed;
    struct draft_topic *previous;
    char plain_name[]; /* with '_' instead of '.' */
};

static struct bytes id_key(const struct uuid *id)
{
    return bytes_of(id->bytes, sizeof id->bytes);
}

static void make_plain(struct bytes name, char *out)
{
    for (size_t i = 0; i < name.size; i++)
        out[i] = name.data[i] == '.' ? '_' : (char)name.data[i];
}

void catalog_draft_init(struct catalog_draft *d, const struct catalog *base)
{
    *d = (struct catalog_draft){.base = base};
}

bool catalog_draft_is_changed(const struct catalog_draft *d)
{
    return d->by_id.count > 0;
}

static void free_topic(struct draft_topic *t)
{
    while (t) {
        struct draft_topic *previous = t->previous;
        topic_unref(t->topic);
        free(t);
        t = previous;
    }
}

void catalog_draft_free(struct catalog_draft *d)
{
    size_t at = 0;
    for (struct draft_topic *t; (t = map_next(&d->by_id, &at));)
        free_topic(t);
    map_free(&d->by_id);
    map_free(&d->by_name);
    map_free(&d->by_plain_name);
}

struct topic *catalog_draft_by_id(const struct catalog_draft *d, struct uuid id)
{
    const struct draft_topic *t = map_get(&d->by_id, id_key(&id));
    if (t)
        return t->removed ? NULL : t->topic;
    return catalog_by_id(d->base, id);
}

/* A topic of the base counts unless the draft has removed its id. */
static struct topic *unless_removed(const struct catalog_draft *d, struct topic *topic)
{
    return topic ? catalog_draft_by_id(d, topic->id) : NULL;
}

struct topic *catalog_draft_by_name(const struct catalog_draft *d, struct bytes name)
{
    const struct draft_topic *t = map_get(&d->by_name, name);
    if (t && !t->removed)
        return t->topic;
    return unless_removed(d, catalog_by_name(d->base, name));
}

struct topic *catalog_draft_collision(const struct catalog_draft *d, struct bytes name)
{
    char plain[256];
    if (name.size > sizeof plain)
        return NULL;
    make_plain(name, plain);
    const struct draft_topic *t = map_get(&d->by_plain_name, bytes_of(plain, name.size));
    if (t && !t->removed && !bytes_equal(t->topic->name, name))
        return t->topic;
    return unless_removed(d, catalog_collision(d->base, name));
}

static void enter(struct catalog_draft *d, struct topic *topic, bool removed)
{
    struct bytes name = topic->name;
    struct draft_topic *t = xcalloc(1, sizeof *t + name.size);
    *t = (struct draft_topic){.topic = topic_ref(topic), .removed = removed};
    make_plain(name, t->plain_name);
    t->previous = map_put(&d->by_id, id_key(&t->topic->id), t);
    ASSERT(t->previous == NULL || bytes_equal(t->previous->topic->name, name));
    map_put(&d->by_name, t->topic->name, t);
    map_put(&d->by_plain_name, bytes_of(t->plain_name, name.size), t);
}

void catalog_draft_put(struct catalog_draft *d, struct topic *topic)
{
    enter(d, topic, false);
}

void catalog_draft_remove(struct catalog_draft *d, struct topic *topic)
{
    enter(d, topic, true);
}

struct catalog *catalog_draft_finish(const struct catalog_draft *d)
{
    size_t room = catalog_count(d->base) + d->by_id.count, count = 0, at = 0;
    struct topic **topics = xcalloc(room + 1, sizeof *topics);
    for (size_t i = 0; i < catalog_count(d->base); i++) {
        struct topic *topic = catalog_at(d->base, i);
        if (map_get(&d->by_id, id_key(&topic->id)) == NULL)
            topics[count++] = topic;
    }
    for (struct draft_topic *t; (t = map_next(&d->by_id, &at));) {
        if (!t->removed)
            topics[count++] = t->topic;
    }
    struct catalog *catalog = catalog_create(topics, count);
    free(topics);
    return catalog;
}
