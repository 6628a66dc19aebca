#include "broker/fetch/fetch_session.h"

#include "base/compiler.h"

#include <stdlib.h>

enum { SESSION_PARTITIONS_MAX = 1 << 18, EVICTABLE_AFTER_MS = 120000, KEY_MAX = 249 + 4 };

struct fetch_sessions {
    struct random *random;
    size_t slots;
    int32_t first, step;
    uint64_t serials;
    struct map by_number;
    struct list used; /* the longest unused one first */
    size_t partitions;
};

struct fetch_sessions *fetch_sessions_create(struct random *random, size_t slots, int32_t first,
                                             int32_t step)
{
    struct fetch_sessions *s = xcalloc(1, sizeof *s);
    *s = (struct fetch_sessions){.random = random, .slots = slots, .first = first, .step = step};
    list_init(&s->used);
    return s;
}

size_t fetch_sessions_count(const struct fetch_sessions *s)
{
    return s->by_number.count;
}

static bool free_partition(void *context, void *value)
{
    (void)context;
    free(value);
    return true;
}

void fetch_session_close(struct fetch_sessions *s, struct fetch_session *session)
{
    void *known = map_remove(&s->by_number, map_key_u64(&session->map_key));
    ASSERT(known == session && s->partitions >= session->partitions.count);
    list_remove(&session->used);
    s->partitions -= session->partitions.count;
    map_remove_if(&session->partitions, free_partition, NULL);
    map_free(&session->partitions);
    free(session);
}

void fetch_sessions_free(struct fetch_sessions *s)
{
    struct list_node *node;
    while ((node = list_first(&s->used)))
        fetch_session_close(s, CONTAINER_OF(node, struct fetch_session, used));
    ASSERT(s->by_number.count == 0 && s->partitions == 0);
    map_free(&s->by_number);
    free(s);
}

struct fetch_session *fetch_session_find(struct fetch_sessions *s, int32_t id)
{
    uint64_t key = (uint64_t)id;
    return map_get(&s->by_number, map_key_u64(&key));
}

static int32_t fresh_id(struct fetch_sessions *s)
{
    uint64_t range = (uint64_t)(INT32_MAX - s->first) / (uint64_t)s->step;
    for (;;) {
        uint64_t id = (uint64_t)s->first + (uint64_t)s->step * random_below(s->random, range);
        if (id != FETCH_SESSION_NONE && fetch_session_find(s, (int32_t)id) == NULL)
            return (int32_t)id;
    }
}

static bool make_room(struct fetch_sessions *s, size_t partitions, int64_t now_ms)
{
    if (s->slots == 0 || s->partitions + partitions > SESSION_PARTITIONS_MAX)
        return false;
    if (s->by_number.count < s->slots)
        return true;
    struct fetch_session *oldest = CONTAINER_OF(list_first(&s->used), struct fetch_session, used);
    if (now_ms - oldest->used_ms < EVICTABLE_AFTER_MS)
        return false;
    fetch_session_close(s, oldest);
    return true;
}

struct fetch_session *fetch_session_open(struct fetch_sessions *s, bool by_id, size_t partitions,
                                         int64_t now_ms)
{
    if (!make_room(s, partitions, now_ms))
        return NULL;
    struct fetch_session *session = xcalloc(1, sizeof *session);
    session->id = fresh_id(s);
    session->epoch = 1;
    session->map_key = (uint64_t)session->id;
    session->serial = ++s->serials;
    session->by_id = by_id;
    session->used_ms = now_ms;
    list_init(&session->order);
    list_append(&s->used, &session->used);
    map_put(&s->by_number, map_key_u64(&session->map_key), session);
    return session;
}

void fetch_session_advance(struct fetch_sessions *s, struct fetch_session *session, int64_t now_ms)
{
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    session->used_ms = now_ms;
    list_remove(&session->used);
    list_append(&s->used, &session->used);
}

/* The key's bytes in `out`; 0 for a name that no topic can have. */
static size_t make_key(const struct fetch_target *t, uint8_t out[KEY_MAX])
{
    struct bytes topic =
        bytes_is_null(t->name) ? bytes_of(t->id.bytes, sizeof t->id.bytes) : t->name;
    if (topic.size + 4 > KEY_MAX)
        return 0;
    if (topic.size > 0)
        memcpy(out, topic.data, topic.size);
    store_be32(out + topic.size, (uint32_t)t->partition);
    return topic.size + 4;
}

struct fetch_session_partition *fetch_session_put(struct fetch_sessions *s,
                                                  struct fetch_session *session,
                                                  const struct fetch_target *target)
{
    uint8_t key[KEY_MAX];
    size_t size = make_key(target, key);
    struct fetch_session_partition *p = map_get(&session->partitions, bytes_of(key, size));
    if (p)
        return p;
    if (size == 0 || s->partitions >= SESSION_PARTITIONS_MAX)
        return NULL;
    p = xcalloc(1, sizeof *p + size);
    p->key_size = size;
    memcpy(p->key, key, size);
    p->target = *target;
    if (session->by_id)
        p->target.name = BYTES_NULL;
    else
        p->target.name = bytes_of(p->key, size - 4);
    p->told_high_watermark = p->told_log_start = -1;
    list_append(&session->order, &p->node);
    map_put(&session->partitions, bytes_of(p->key, size), p);
    s->partitions++;
    return p;
}

void fetch_session_forget(struct fetch_sessions *s, struct fetch_session *session,
                          const struct fetch_target *target)
{
    uint8_t key[KEY_MAX];
    struct fetch_session_partition *p =
        map_remove(&session->partitions, bytes_of(key, make_key(target, key)));
    if (p == NULL)
        return;
    list_remove(&p->node);
    s->partitions--;
    free(p);
}

void fetch_session_served(struct fetch_session *session, struct fetch_session_partition *p)
{
    list_remove(&p->node);
    list_append(&session->order, &p->node);
}
