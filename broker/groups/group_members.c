/* The members of a group: their ids, their metadata, their waiting requests. */
#include "broker/groups/group_internal.h"

#include <stdlib.h>

struct group_member *group_member_of(const struct group *g, struct bytes member_id)
{
    return map_get(&g->by_id, member_id);
}

struct group_member *group_member_by_instance(const struct group *g, struct bytes instance_id)
{
    return map_get(&g->by_instance, instance_id);
}

enum kafka_error group_check_member(const struct group *g, struct bytes member_id,
                                    struct bytes instance_id, struct group_member **out)
{
    struct group_member *m = group_member_of(g, member_id);
    if (!bytes_is_null(instance_id)) {
        struct group_member *holder = group_member_by_instance(g, instance_id);
        if (holder && holder != m)
            return KAFKA_FENCED_INSTANCE_ID;
        if (holder == NULL)
            return KAFKA_UNKNOWN_MEMBER_ID;
    }
    *out = m;
    return m ? KAFKA_NONE : KAFKA_UNKNOWN_MEMBER_ID;
}

bool group_member_waits(const struct group_member *m)
{
    return m->join_token || m->sync_token;
}

/* A member's bytes for GROUP_BYTES_MAX: all parts whose size its client chose. */
static size_t member_size(const struct group_member *m)
{
    size_t size = sizeof *m + m->id.size + m->instance_id.size + m->client_id.size +
                  m->client_host.size + m->assignment.size;
    for (size_t i = 0; i < m->protocol_count; i++)
        size += m->protocols[i].name.size + m->protocols[i].metadata.size;
    return size;
}

static void free_protocols(struct group_protocol *protocols, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((void *)protocols[i].name.data);
        free((void *)protocols[i].metadata.data);
    }
    free(protocols);
}

static void set_protocols(struct group_member *m, const struct group_protocol *protocols,
                          size_t count)
{
    struct group_protocol *copies = xcalloc(MAX(count, (size_t)1), sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        copies[i].name = bytes_copy(protocols[i].name);
        copies[i].metadata = bytes_copy(protocols[i].metadata);
    }
    free_protocols(m->protocols, m->protocol_count);
    m->protocols = copies;
    m->protocol_count = count;
}

static void replace_bytes(struct bytes *at, struct bytes with)
{
    struct bytes copy = bytes_copy(with);
    free((void *)at->data);
    *at = copy;
}

void group_member_assign(struct group *g, struct group_member *m, struct bytes assignment)
{
    g->bytes -= m->assignment.size;
    g->bytes += assignment.size;
    replace_bytes(&m->assignment, assignment);
}

/* Copies the data of a join into the member. */
static void say(struct group_member *m, const struct group_join *join)
{
    replace_bytes(&m->client_id, join->client_id);
    replace_bytes(&m->client_host, join->client_host);
    m->session_timeout_ms = join->session_timeout_ms;
    m->rebalance_timeout_ms = join->rebalance_timeout_ms;
    set_protocols(m, join->protocols, join->protocol_count);
}

void group_member_update(struct group *g, struct group_member *m, const struct group_join *join)
{
    g->bytes -= member_size(m);
    say(m, join);
    g->bytes += member_size(m);
}

/* Puts a member whose id is set into the order and the maps. */
static void enlist(struct group *g, struct group_member *m)
{
    list_append(&g->members, &m->node);
    void *before = map_put(&g->by_id, m->id, m);
    ASSERT(before == NULL);
    if (!bytes_is_null(m->instance_id)) {
        before = map_put(&g->by_instance, m->instance_id, m);
        ASSERT(before == NULL);
    }
    g->member_count++;
    g->bytes += member_size(m);
}

struct group_member *group_member_add(struct group *g, struct bytes id,
                                      const struct group_join *join)
{
    struct group_member *m = xcalloc(1, sizeof *m);
    m->id = bytes_copy(id);
    m->instance_id = bytes_copy(join->instance_id);
    m->is_new = true;
    m->assignment = bytes_copy(BYTES_LITERAL(""));
    say(m, join);
    enlist(g, m);
    if (g->member_count == 1)
        replace_bytes(&g->protocol_type, join->protocol_type);
    if (g->leader == NULL)
        g->leader = m;
    if (g->state == GROUP_PREPARING_REBALANCE)
        g->grew = true;
    return m;
}

struct group_member *group_restore_member(struct group *g, const struct group_member *member)
{
    struct group_member *m = xcalloc(1, sizeof *m);
    m->id = bytes_copy(member->id);
    m->instance_id = bytes_copy(member->instance_id);
    m->client_id = bytes_copy(member->client_id);
    m->client_host = bytes_copy(member->client_host);
    m->session_timeout_ms = member->session_timeout_ms;
    m->rebalance_timeout_ms = member->rebalance_timeout_ms;
    m->assignment = bytes_copy(member->assignment);
    set_protocols(m, member->protocols, member->protocol_count);
    enlist(g, m);
    return m;
}

void group_member_free(struct group_member *m)
{
    free_protocols(m->protocols, m->protocol_count);
    free((void *)m->id.data);
    free((void *)m->instance_id.data);
    free((void *)m->client_id.data);
    free((void *)m->client_host.data);
    free((void *)m->assignment.data);
    free(m);
}

static void answer_member(struct group_member *m, void **token, enum kafka_error error,
                          struct group_actions *actions)
{
    if (*token == NULL)
        return;
    group_reply(actions, *token, error)->member_id = m->id;
    *token = NULL;
}

void group_member_wait_join(struct group *g, struct group_member *m, void *token,
                            struct group_actions *actions)
{
    g->joining_count += (token != NULL) - (m->join_token != NULL);
    answer_member(m, &m->join_token, KAFKA_REBALANCE_IN_PROGRESS, actions);
    m->join_token = token;
}

void group_member_wait_sync(struct group_member *m, void *token, struct group_actions *actions)
{
    answer_member(m, &m->sync_token, KAFKA_REBALANCE_IN_PROGRESS, actions);
    m->sync_token = token;
}

void group_member_release(struct group *g, struct group_member *m, enum kafka_error error,
                          struct group_actions *actions)
{
    g->joining_count -= m->join_token != NULL;
    answer_member(m, &m->join_token, error, actions);
    answer_member(m, &m->sync_token, error, actions);
}

struct bytes group_member_rename(struct group *g, struct group_member *m, struct bytes id,
                                 struct group_actions *actions)
{
    struct bytes old_id = m->id;
    map_remove(&g->by_id, old_id);
    m->id = arena_copy(&actions->copies, old_id); /* for the answers to the fenced requests */
    struct bytes shown = m->id;
    group_member_release(g, m, KAFKA_FENCED_INSTANCE_ID, actions);
    m->id = bytes_copy(id);
    g->bytes += id.size - old_id.size;
    free((void *)old_id.data);
    void *before = map_put(&g->by_id, m->id, m);
    ASSERT(before == NULL);
    return shown;
}

void group_member_remove(struct group *g, struct group_member *m, enum kafka_error error,
                         struct group_actions *actions)
{
    group_member_release(g, m, error, actions);
    map_remove(&g->by_id, m->id);
    if (!bytes_is_null(m->instance_id))
        map_remove(&g->by_instance, m->instance_id);
    list_remove(&m->node);
    g->member_count--;
    g->bytes -= member_size(m);
    if (g->leader == m) {
        struct list_node *first = list_first(&g->members);
        g->leader = first ? CONTAINER_OF(first, struct group_member, node) : NULL;
    }
    list_append(&actions->removed, &m->node);
}

void group_member_touch(struct group *g, struct group_member *m, int64_t now_ms)
{
    m->session_deadline_ms = now_ms + m->session_timeout_ms;
    group_wake_at(g, m->session_deadline_ms);
}

bool group_member_says_the_same(const struct group_member *m, const struct group_join *join)
{
    if (m->protocol_count != join->protocol_count)
        return false;
    for (size_t i = 0; i < m->protocol_count; i++) {
        if (!bytes_equal(m->protocols[i].name, join->protocols[i].name) ||
            !bytes_equal(m->protocols[i].metadata, join->protocols[i].metadata))
            return false;
    }
    return true;
}

struct bytes group_member_metadata(const struct group_member *m, struct bytes protocol_name)
{
    for (size_t i = 0; i < m->protocol_count; i++) {
        if (bytes_equal(m->protocols[i].name, protocol_name))
            return m->protocols[i].metadata;
    }
    return BYTES_LITERAL("");
}

void group_pending_add(struct group *g, struct bytes id, int64_t deadline_ms)
{
    struct pending_member *p = xcalloc(1, sizeof *p);
    p->id = bytes_copy(id);
    p->deadline_ms = deadline_ms;
    void *before = map_put(&g->pending, p->id, p);
    ASSERT(before == NULL);
    group_wake_at(g, deadline_ms);
}

bool group_pending_remove(struct group *g, struct bytes id)
{
    struct pending_member *p = map_remove(&g->pending, id);
    if (p == NULL)
        return false;
    free((void *)p->id.data);
    free(p);
    return true;
}
