#include "broker/topics/ensure_topic.h"

#include "broker/broker.h"
#include "broker/topics/controller.h"

#include <stdlib.h>

struct ensuring {
    struct mail mail;
    struct change change;
    struct commit made;
    struct shard *home;
    struct topic *topic; /* as it will be, if it is made */
    enum error result;
    void (*done)(void *context, struct shard *shard, enum error result);
    void *context;
};

static void deliver_home(struct mail *mail, struct shard *home)
{
    struct ensuring *e = CONTAINER_OF(mail, struct ensuring, mail);
    e->done(e->context, home, e->result);
    topic_unref(e->topic);
    free(e);
}

static void made(struct commit *commit, enum error result)
{
    struct ensuring *e = CONTAINER_OF(commit, struct ensuring, made);
    if (e->result == ERR_OK)
        e->result = result;
    e->mail.deliver = deliver_home;
    shard_post(e->home, &e->mail);
}

static void apply(struct change *change, struct controller *controller)
{
    struct ensuring *e = CONTAINER_OF(change, struct ensuring, change);
    const struct catalog_draft *catalog = controller_draft(controller);
    if (catalog_draft_by_name(catalog, e->topic->name))
        return;
    if (topic_name_fault(e->topic->name) || catalog_draft_collision(catalog, e->topic->name))
        e->result = ERR_INVALID;
    else
        controller_put_topic(controller, e->topic);
}

static void deliver_to_controller(struct mail *mail, struct shard *shard)
{
    struct ensuring *e = CONTAINER_OF(mail, struct ensuring, mail);
    e->change.apply = apply;
    e->change.commit = &e->made;
    e->made.done = made;
    controller_submit(shard->controller, &e->change);
}

void ensure_topic(struct shard *shard, struct bytes name, int32_t partitions,
                  const struct topic_config *configs, size_t config_count,
                  void (*done)(void *context, struct shard *shard, enum error result),
                  void *context)
{
    struct ensuring *e = xcalloc(1, sizeof *e);
    struct uuid id;
    random_uuid(shard->env->random, id.bytes);
    e->home = shard;
    e->topic = topic_create(name, id, partitions, shard->wall_ms, configs, config_count);
    e->done = done;
    e->context = context;
    e->mail.deliver = deliver_to_controller;
    shard_post(shard->broker->shards[0], &e->mail);
}
