/* Committing and deleting offsets, and groups as a whole. */
#include "broker/groups/coordinator_internal.h"
#include "broker/groups/subscription.h"

#include <stdlib.h>

enum {
    COMMIT_BYTES_MAX = 64 << 20, /* of the rows of one commit */
    ROW_NUMBERS = 128,           /* in a row and around it, at most */
};

/* Asks the group; the answer comes at once. */
static enum kafka_error ask(struct coordinator *c, struct coordinated *cg,
                            const struct group_event *who)
{
    struct group_event event = *who;
    event.kind = GROUP_COMMIT;
    event.token = NULL;
    event.now_ms = c->shard->now_ms;
    event.steady_ms = c->shard->steady_ms;
    group_step(cg->group, &event, &c->actions);
    ASSERT(c->actions.reply_count == 1);
    return c->actions.replies[0].error;
}

/* The rows repeat the group's id and the topic's name. So few bytes of a request could become many
 * of an entry, which the journal writes as a whole. */
static bool rows_are_too_large(struct bytes group_id, const struct offset_item *items, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count && bytes <= COMMIT_BYTES_MAX; i++)
        bytes += ROW_NUMBERS + group_id.size + items[i].topic.size + items[i].value.metadata.size;
    return bytes > COMMIT_BYTES_MAX;
}

enum kafka_error coordinator_commit(struct coordinator *c, struct bytes group_id,
                                    const struct group_event *who, const struct offset_item *items,
                                    size_t count, struct commit *commit)
{
    if (c->stopping)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (rows_are_too_large(group_id, items, count))
        return KAFKA_INVALID_COMMIT_OFFSET_SIZE;
    struct coordinated *cg = coordinator_find(c, group_id);
    if (cg == NULL && who->generation >= 0)
        return KAFKA_ILLEGAL_GENERATION;
    if (cg == NULL)
        cg = coordinator_make(c, group_id);
    if (cg == NULL)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    enum kafka_error error = ask(c, cg, who);
    for (size_t i = 0; i < count && !error; i++) {
        struct committed_offset value = items[i].value;
        value.commit_ms = c->shard->steady_ms;
        coordinator_put_offset(c, cg, items[i].topic, items[i].partition, &value);
    }
    durable_line_close(&c->line);
    coordinator_execute(c, cg);
    if (!error)
        coordinator_when_durable(c, commit);
    return error;
}

/* Refuses a group whose members do not use the consumer protocol: its subscriptions are unknown. */
static enum kafka_error check_delete(const struct coordinator *c, const struct coordinated *cg)
{
    if (c->stopping)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (cg == NULL)
        return KAFKA_GROUP_ID_NOT_FOUND;
    if (cg->group->state != GROUP_EMPTY && !group_is_of_consumers(cg->group))
        return KAFKA_NON_EMPTY_GROUP;
    return KAFKA_NONE;
}

enum kafka_error coordinator_delete_offsets(struct coordinator *c, struct bytes group_id,
                                            struct offset_item *items, size_t count)
{
    struct coordinated *cg = coordinator_find(c, group_id);
    enum kafka_error error = check_delete(c, cg);
    if (error)
        return error;
    struct bytes known_topic = BYTES_NULL; /* the last topic that was looked up */
    bool subscribed = false;
    for (size_t i = 0; i < count; i++) {
        if (bytes_is_null(known_topic) || !bytes_equal(known_topic, items[i].topic)) {
            known_topic = items[i].topic;
            subscribed = group_subscribes(cg->group, known_topic);
        }
        if (items[i].error)
            continue;
        if (subscribed)
            items[i].error = KAFKA_GROUP_SUBSCRIBED_TO_TOPIC;
        else
            coordinator_remove_offset(c, cg, items[i].topic, items[i].partition);
    }
    durable_line_close(&c->line);
    return KAFKA_NONE;
}

enum kafka_error coordinator_delete_group(struct coordinator *c, struct bytes group_id)
{
    if (c->stopping)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    struct coordinated *cg = coordinator_find(c, group_id);
    if (cg == NULL)
        return KAFKA_GROUP_ID_NOT_FOUND;
    if (cg->group->state != GROUP_EMPTY)
        return KAFKA_NON_EMPTY_GROUP;
    coordinator_erase(c, cg);
    durable_line_close(&c->line);
    coordinator_forget(cg);
    return KAFKA_NONE;
}

void coordinator_topic_deleted(struct coordinator *c, struct bytes topic)
{
    size_t at = 0;
    if (c->stopping)
        return; /* expiry finds offsets without a topic after the next start */
    for (struct coordinated *cg; (cg = map_next(&c->groups, &at));)
        coordinator_remove_topic(c, cg, topic);
    durable_line_close(&c->line);
}

/* --- the broker's own offsets --- */

struct offset_mail {
    struct mail mail;
    int32_t partition;
    int64_t offset;
    size_t group_size, topic_size;
    uint8_t names[];
};

static void set_offset(struct coordinator *c, struct bytes group_id, struct bytes topic,
                       int32_t partition, int64_t offset)
{
    if (c->stopping)
        return;
    struct coordinated *cg = coordinator_find(c, group_id);
    if (cg == NULL)
        cg = coordinator_make(c, group_id);
    if (cg == NULL)
        return;
    const struct committed_offset value = {
        .offset = offset, .leader_epoch = -1, .commit_ms = c->shard->steady_ms, .retention_ms = -1};
    coordinator_put_offset(c, cg, topic, partition, &value);
    durable_line_close(&c->line);
}

static void deliver_offset(struct mail *mail, struct shard *shard)
{
    struct offset_mail *m = CONTAINER_OF(mail, struct offset_mail, mail);
    set_offset(shard->coordinator, bytes_of(m->names, m->group_size),
               bytes_of(m->names + m->group_size, m->topic_size), m->partition, m->offset);
    free(m);
}

void coordinator_set_offset(struct shard *shard, struct bytes group_id, struct bytes topic,
                            int32_t partition, int64_t offset)
{
    struct shard *owner = shard_for_group(shard, group_id);
    if (owner == shard) {
        set_offset(shard->coordinator, group_id, topic, partition, offset);
        return;
    }
    struct offset_mail *m = xcalloc(1, sizeof *m + group_id.size + topic.size);
    m->mail.deliver = deliver_offset;
    m->partition = partition;
    m->offset = offset;
    m->group_size = group_id.size;
    m->topic_size = topic.size;
    memcpy(m->names, group_id.data, group_id.size);
    memcpy(m->names + group_id.size, topic.data, topic.size);
    shard_post(owner, &m->mail);
}
