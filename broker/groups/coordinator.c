#include "broker/groups/coordinator.h"

#include "broker/broker.h"
#include "broker/groups/coordinator_internal.h"
#include "broker/groups/coordinator_rows.h"

#include <stdlib.h>

/* A group's row: the bytes that GROUP_BYTES_MAX counts, lengths, and parts with other bounds (such
 * as the leader's member id). */
enum { ROW_MAX = 2 * GROUP_BYTES_MAX };

struct coordinator *coordinator_create(struct shard *shard)
{
    const struct settings *s = shard->broker->settings;
    struct coordinator *c = xcalloc(1, sizeof *c);
    c->shard = shard;
    c->limits = (struct group_limits){.min_session_ms = s->group_min_session_ms,
                                      .max_session_ms = s->group_max_session_ms,
                                      .initial_delay_ms = s->group_initial_rebalance_delay_ms,
                                      .max_members = s->group_max_size};
    group_actions_init(&c->actions);
    list_init(&c->dirty);
    list_init(&c->all);
    list_init(&c->waiting);
    durable_line_init(&c->line, shard->store);
    c->saved.done = coordinator_saved;
    buffer_init(&c->key, ROW_MAX);
    buffer_init(&c->value, ROW_MAX);
    c->cleanup.fire = coordinator_cleanup;
    timers_set(&shard->timers, &c->cleanup, shard->now_ms);
    return c;
}

static bool free_each(void *context, void *value)
{
    (void)context;
    coordinator_free_group(value);
    return true;
}

void coordinator_free(struct coordinator *c)
{
    if (c == NULL)
        return;
    durable_line_end(&c->line);
    timers_cancel(&c->shard->timers, &c->cleanup);
    map_remove_if(&c->groups, free_each, NULL);
    map_free(&c->groups);
    group_actions_free(&c->actions);
    buffer_free(&c->key);
    buffer_free(&c->value);
    free(c);
}

static void group_timer(struct timer *timer, int64_t now_ms)
{
    struct coordinated *cg = CONTAINER_OF(timer, struct coordinated, timer);
    struct coordinator *c = cg->coordinator;
    struct group_event event = {
        .kind = GROUP_TIME, .now_ms = now_ms, .steady_ms = c->shard->steady_ms};
    group_step(cg->group, &event, &c->actions);
    coordinator_execute(c, cg);
}

struct coordinated *coordinator_add(struct coordinator *c, struct group *group)
{
    ASSERT(shard_for_group(c->shard, group->id) == c->shard);
    struct coordinated *cg = xcalloc(1, sizeof *cg);
    cg->coordinator = c;
    cg->group = group;
    cg->timer.fire = group_timer;
    void *before = map_put(&c->groups, group->id, cg);
    ASSERT(before == NULL);
    list_append(&c->all, &cg->node);
    return cg;
}

struct coordinated *coordinator_make(struct coordinator *c, struct bytes group_id)
{
    if (c->groups.count >= COORDINATOR_GROUPS_MAX)
        return NULL;
    return coordinator_add(c, group_create(group_id, &c->limits));
}

static void set_timer(struct coordinator *c, struct coordinated *cg)
{
    int64_t due_ms = cg->group->wake_ms;
    if (due_ms == GROUP_NEVER)
        timers_cancel(&c->shard->timers, &cg->timer);
    else if (!timer_is_set(&cg->timer) || cg->timer.due_ms != due_ms)
        timers_set(&c->shard->timers, &cg->timer, due_ms);
}

void coordinator_execute(struct coordinator *c, struct coordinated *cg)
{
    struct group_actions *actions = &c->actions;
    ASSERT(!c->stopping && c->line.open == NULL);
    if (actions->save && !list_contains(&cg->dirty))
        list_append(&c->dirty, &cg->dirty);
    struct list answered;
    list_init(&answered);
    for (size_t i = 0; i < actions->reply_count; i++) {
        struct group_waiter *w = actions->replies[i].token;
        if (w == NULL)
            continue;
        w->take(w, &actions->replies[i], cg->group);
        w->commit->node = (struct list_node){0};
        list_append(&answered, &w->commit->node);
    }
    group_actions_clear(actions);
    set_timer(c, cg);
    coordinator_forget_if_void(cg);
    for (struct list_node *node; (node = list_pop(&answered));)
        coordinator_when_durable(c, CONTAINER_OF(node, struct commit, node));
    coordinator_save(c);
}

/* Answers when there is no group to ask. */
static void refuse(struct coordinator *c, const struct group_event *event, enum kafka_error error)
{
    struct group_waiter *w = event->token;
    struct group_reply reply = {.error = error, .generation = -1};
    if (event->kind == GROUP_JOIN)
        reply.member_id = event->join.member_id;
    if (event->kind == GROUP_LEAVE && error == KAFKA_UNKNOWN_MEMBER_ID) {
        reply.error = KAFKA_NONE; /* each leaver has it */
        for (size_t i = 0; i < event->leaver_count; i++)
            event->leavers[i].error = error;
    }
    w->take(w, &reply, NULL);
    coordinator_when_durable(c, w->commit);
}

void coordinator_step(struct coordinator *c, struct bytes group_id, struct group_event *event,
                      bool create)
{
    event->now_ms = c->shard->now_ms;
    event->steady_ms = c->shard->steady_ms;
    struct coordinated *cg = coordinator_find(c, group_id);
    if (cg == NULL && create)
        cg = coordinator_make(c, group_id);
    if (cg == NULL || c->stopping) {
        bool is_unknown = cg == NULL && !create;
        refuse(c, event, is_unknown ? KAFKA_UNKNOWN_MEMBER_ID : KAFKA_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    group_step(cg->group, event, &c->actions);
    coordinator_execute(c, cg);
}

const struct group *coordinator_group(const struct coordinator *c, struct bytes group_id)
{
    const struct coordinated *cg = coordinator_find(c, group_id);
    return cg ? cg->group : NULL;
}

const struct offsets *coordinator_offsets(const struct coordinator *c, struct bytes group_id)
{
    const struct coordinated *cg = coordinator_find(c, group_id);
    return cg ? &cg->offsets : NULL;
}

const struct group *coordinator_next(const struct coordinator *c, size_t *at,
                                     const struct offsets **offsets)
{
    const struct coordinated *cg = map_next(&c->groups, at);
    if (cg && offsets)
        *offsets = &cg->offsets;
    return cg ? cg->group : NULL;
}

/* --- start and end --- */

/* The rows of all shards are in one store, and a new number of shards moves groups. */
static bool is_ours(const struct coordinator *c, struct bytes group_id)
{
    return shard_for_group(c->shard, group_id) == c->shard;
}

static enum error load_group(void *context, struct bytes key, struct bytes value)
{
    struct coordinator *c = context;
    struct group *group;
    if (!is_ours(c, group_row_group(key)))
        return ERR_OK;
    enum error error = group_from_row(key, value, &c->limits, &group);
    if (error == ERR_UNSUPPORTED)
        c->unknown_format = value.data[0];
    if (error)
        return error;
    coordinator_add(c, group)->has_row = true;
    return ERR_OK;
}

static enum error load_offset(void *context, struct bytes key, struct bytes value)
{
    struct coordinator *c = context;
    struct offset_row row;
    enum error error = offset_from_row(key, value, &row);
    if (error == ERR_UNSUPPORTED)
        c->unknown_format = value.data[0];
    if (error || !is_ours(c, row.group_id))
        return error;
    struct coordinated *cg = coordinator_find(c, row.group_id);
    if (cg == NULL)
        cg = coordinator_make(c, row.group_id);
    if (cg == NULL)
        return ERR_TOO_LARGE;
    offsets_set(&cg->offsets, row.topic, row.partition, &row.offset);
    return ERR_OK;
}

enum error coordinator_load(struct coordinator *c, struct message *message)
{
    const uint8_t group_rows = ROW_GROUP, offset_rows = ROW_OFFSET;
    enum error error = store_scan(c->shard->store, bytes_of(&group_rows, 1), load_group, c);
    if (error == ERR_OK)
        error = store_scan(c->shard->store, bytes_of(&offset_rows, 1), load_offset, c);
    if (error == ERR_UNSUPPORTED)
        message_set(message,
                    "%s/kv: the row of a group or of a committed offset has version %d, this "
                    "version reads up to %d: use the version of Tidemill that wrote it, or a newer "
                    "one",
                    c->shard->broker->data_directory, c->unknown_format, GROUP_ROW_FORMAT);
    else if (error)
        message_set(message, "the consumer groups cannot be read: %s", error_text(error));
    if (error)
        return error;
    size_t at = 0;
    for (struct coordinated *cg; (cg = map_next(&c->groups, &at));) {
        group_resume(cg->group, c->shard->now_ms);
        set_timer(c, cg);
    }
    return ERR_OK;
}

void coordinator_stop(struct coordinator *c)
{
    c->stopping = true;
    timers_cancel(&c->shard->timers, &c->cleanup);
    size_t at = 0;
    for (struct coordinated *cg; (cg = map_next(&c->groups, &at));) {
        group_release(cg->group, KAFKA_COORDINATOR_NOT_AVAILABLE, &c->actions);
        timers_cancel(&c->shard->timers, &cg->timer);
        for (size_t i = 0; i < c->actions.reply_count; i++) {
            struct group_waiter *w = c->actions.replies[i].token;
            w->take(w, &c->actions.replies[i], cg->group);
            coordinator_when_durable(c, w->commit);
        }
        group_actions_clear(&c->actions);
    }
}
