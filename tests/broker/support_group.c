#include "tests/broker/support_group.h"

#include "broker/groups/coordinator_rows.h"

#include <stdio.h>
#include <stdlib.h>

enum { TRACE_MAX = 1 << 20, WORDS_MAX = 16 };

void group_world_init(struct group_world *w)
{
    *w = (struct group_world){
        .limits = {.min_session_ms = 6000, .max_session_ms = 1800000, .max_members = INT32_MAX}};
    w->group = group_create(BYTES_LITERAL("g"), &w->limits);
    group_actions_init(&w->actions);
    buffer_init(&w->trace, TRACE_MAX);
}

void group_world_end(struct group_world *w)
{
    group_release(w->group, KAFKA_COORDINATOR_NOT_AVAILABLE, &w->actions);
    w->answered += w->actions.reply_count;
    group_actions_free(&w->actions);
    group_free(w->group);
    buffer_free(&w->trace);
    for (size_t i = 0; i < w->token_count; i++)
        free(w->tokens[i]);
    EXPECT_INT(w->answered, w->token_count);
}

static void *token(struct group_world *w, const char *who, const char *what)
{
    char text[256];
    ASSERT(w->token_count < COUNT_OF(w->tokens));
    snprintf(text, sizeof text, "%s %s", who, what);
    return w->tokens[w->token_count++] = xstrdup(text);
}

static void note_reply(struct group_world *w, const struct group_reply *reply)
{
    const struct group *g = w->group;
    buffer_printf(&w->trace, "        %s -> ", (const char *)reply->token);
    if (reply->error == KAFKA_MEMBER_ID_REQUIRED) {
        buffer_printf(&w->trace, "%s: %.*s", kafka_error_name(reply->error),
                      BYTES_PRINTF(reply->member_id));
    } else if (reply->error) {
        buffer_append_string(&w->trace, kafka_error_name(reply->error));
    } else if (reply->generation >= 0) {
        buffer_printf(&w->trace, "%.*s in generation %d, leader %.*s, %.*s",
                      BYTES_PRINTF(reply->member_id), reply->generation,
                      BYTES_PRINTF(reply->leader), BYTES_PRINTF(reply->protocol_name));
        if (reply->with_members) {
            buffer_append_string(&w->trace, ", members");
            LIST_FOR_EACH (node, &g->members) {
                struct group_member *m = CONTAINER_OF(node, struct group_member, node);
                struct bytes metadata = group_member_metadata(m, reply->protocol_name);
                buffer_printf(&w->trace, " %.*s=%.*s", BYTES_PRINTF(m->id), BYTES_PRINTF(metadata));
            }
        }
        if (reply->skip_assignment)
            buffer_append_string(&w->trace, ", skips assignment");
    } else if (!bytes_is_null(reply->assignment)) {
        buffer_printf(&w->trace, "gets '%.*s'", BYTES_PRINTF(reply->assignment));
    } else {
        buffer_append_string(&w->trace, "ok");
    }
    buffer_append_string(&w->trace, "\n");
    w->answered++;
}

/* Runs an event and writes its result to the trace. */
static void step(struct group_world *w, struct group_event *event, const char *what)
{
    enum group_state state = w->group->state;
    int32_t generation = w->group->generation;
    event->now_ms = w->now_ms;
    event->steady_ms = w->now_ms + 1000000;
    group_step(w->group, event, &w->actions);
    bool changed = state != w->group->state || generation != w->group->generation;
    if (event->kind == GROUP_TIME && !changed && !w->actions.save && w->actions.reply_count == 0)
        return;
    buffer_printf(&w->trace, "[%5lld] %s", (long long)w->now_ms, what);
    if (changed)
        buffer_printf(&w->trace, ": %s, generation %d", group_state_name(w->group->state),
                      w->group->generation);
    buffer_append_string(&w->trace, w->actions.save ? ", saved\n" : "\n");
    for (size_t i = 0; i < w->actions.reply_count; i++)
        note_reply(w, &w->actions.replies[i]);
    group_actions_clear(&w->actions);
}

/* Splits at blanks into views of `text`. */
static size_t words(const char *text, struct bytes out[WORDS_MAX])
{
    size_t count = 0;
    while (*text) {
        size_t size = strcspn(text, " ");
        ASSERT(count < WORDS_MAX);
        out[count++] = bytes_of(text, size);
        text += size + strspn(text + size, " ");
    }
    return count;
}

/* "left:right". Without the separator, left is everything and right is null. */
static void split(struct bytes word, char separator, struct bytes *left, struct bytes *right)
{
    const uint8_t *at = memchr(word.data, separator, word.size);
    *left = at ? bytes_of(word.data, (size_t)(at - word.data)) : word;
    *right = at ? bytes_from(word, (size_t)(at - word.data) + 1) : BYTES_NULL;
}

void group_world_join(struct group_world *w, const char *name, const struct join_as *as)
{
    char plain[64];
    struct bytes list[WORDS_MAX];
    struct group_protocol protocols[WORDS_MAX];
    snprintf(plain, sizeof plain, "range:%s", name);
    size_t count = words(as->protocols ? as->protocols : plain, list);
    for (size_t i = 0; i < count; i++)
        split(list[i], ':', &protocols[i].name, &protocols[i].metadata);
    struct group_event event = {
        .kind = GROUP_JOIN,
        .token = token(w, name, "joins"),
        .join = {.member_id = bytes_string(as->id ? as->id : ""),
                 .instance_id = bytes_string(as->instance),
                 .client_id = BYTES_LITERAL("client"),
                 .client_host = BYTES_LITERAL("/127.0.0.1"),
                 .protocol_type = bytes_string(as->type ? as->type : "consumer"),
                 .protocols = protocols,
                 .protocol_count = count,
                 .session_timeout_ms = as->session_ms ? as->session_ms : 10000,
                 .rebalance_timeout_ms = as->rebalance_ms ? as->rebalance_ms : 60000,
                 .new_member_id = bytes_string(name),
                 .requires_known_id = as->asks_id,
                 .can_skip_assignment = as->can_skip},
    };
    step(w, &event, w->tokens[w->token_count - 1]);
}

void joins_again(struct group_world *w, const char *name)
{
    joins(w, name, .id = name);
}

void syncs(struct group_world *w, const char *name, int32_t generation, const char *assignments)
{
    struct bytes list[WORDS_MAX];
    struct group_assignment parts[WORDS_MAX];
    size_t count = words(assignments, list);
    for (size_t i = 0; i < count; i++)
        split(list[i], '=', &parts[i].member_id, &parts[i].assignment);
    syncs_as(w, &(struct group_event){.member_id = bytes_string(name),
                                      .generation = generation,
                                      .sync = {.assignments = parts, .count = count}});
}

void syncs_as(struct group_world *w, const struct group_event *event)
{
    struct group_event copy = *event;
    char name[64];
    snprintf(name, sizeof name, "%.*s", BYTES_PRINTF(event->member_id));
    copy.kind = GROUP_SYNC;
    copy.token = token(w, name, "syncs");
    step(w, &copy, copy.token);
}

void heartbeats_as(struct group_world *w, const char *name, const char *instance,
                   int32_t generation)
{
    struct group_event event = {.kind = GROUP_HEARTBEAT,
                                .token = token(w, name, "beats"),
                                .member_id = bytes_string(name),
                                .instance_id = bytes_string(instance),
                                .generation = generation};
    step(w, &event, event.token);
}

void heartbeats(struct group_world *w, const char *name, int32_t generation)
{
    heartbeats_as(w, name, NULL, generation);
}

void commits(struct group_world *w, const char *name, const char *instance, int32_t generation)
{
    struct group_event event = {.kind = GROUP_COMMIT,
                                .token = token(w, name, "commits"),
                                .member_id = bytes_string(name),
                                .instance_id = bytes_string(instance),
                                .generation = generation};
    step(w, &event, event.token);
}

void leaves(struct group_world *w, const char *names)
{
    struct bytes list[WORDS_MAX];
    struct group_leaver leavers[WORDS_MAX] = {0};
    size_t count = words(names, list);
    for (size_t i = 0; i < count; i++)
        split(list[i], '/', &leavers[i].member_id, &leavers[i].instance_id);
    struct group_event event = {.kind = GROUP_LEAVE, .token = token(w, names, "leaves")};
    event.leavers = leavers;
    event.leaver_count = count;
    step(w, &event, event.token);
    for (size_t i = 0; i < count; i++) {
        if (leavers[i].error)
            buffer_printf(&w->trace, "        %.*s: %s\n", BYTES_PRINTF(list[i]),
                          kafka_error_name(leavers[i].error));
    }
}

void passes(struct group_world *w, int64_t ms)
{
    int64_t end_ms = w->now_ms + ms;
    while (w->group->wake_ms <= end_ms) {
        int64_t due_ms = w->group->wake_ms;
        w->now_ms = MAX(w->now_ms, due_ms);
        step(w, &(struct group_event){.kind = GROUP_TIME}, "time");
        EXPECT(w->group->wake_ms > due_ms || w->group->wake_ms > w->now_ms);
    }
    w->now_ms = end_ms;
}

void restarts(struct group_world *w)
{
    struct buffer key, value;
    buffer_init(&key, TRACE_MAX);
    buffer_init(&value, TRACE_MAX);
    group_row_key(w->group->id, &key);
    group_row_value(w->group, &value);
    group_release(w->group, KAFKA_COORDINATOR_NOT_AVAILABLE, &w->actions);
    w->answered += w->actions.reply_count;
    group_actions_clear(&w->actions);
    group_free(w->group);
    EXPECT_INT(group_from_row(buffer_view(&key), buffer_view(&value), &w->limits, &w->group),
               ERR_OK);
    group_resume(w->group, w->now_ms);
    buffer_free(&key);
    buffer_free(&value);
    buffer_printf(&w->trace, "[%5lld] restart: %s, generation %d\n", (long long)w->now_ms,
                  group_state_name(w->group->state), w->group->generation);
}

void group_world_expect(const char *file, int line, struct group_world *w, const char *text)
{
    test_expect_bytes(file, line, "the trace", buffer_view(&w->trace), bytes_string(text));
    buffer_clear(&w->trace);
}

void group_world_of_two(struct group_world *w)
{
    group_world_init(w);
    joins(w, "a");
    joins(w, "b");
    joins_again(w, "a");
    syncs(w, "b", 2, "");
    syncs(w, "a", 2, "a=first b=second");
    EXPECT_INT(w->group->state, GROUP_STABLE);
    EXPECT_INT(w->group->generation, 2);
    buffer_clear(&w->trace);
}
