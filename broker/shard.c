#include "broker/shard.h"

#include "broker/broker.h"
#include "storage/shard_map.h"

#include <stdlib.h>

enum { SCRATCH_MAX = 256 << 20 };

struct shard *shard_create(struct broker *broker, int id, void (*wake)(void *context),
                           void *context)
{
    struct shard *shard = xcalloc(1, sizeof *shard);
    shard->id = id;
    shard->broker = broker;
    shard->env = broker->env;
    mailbox_init(&shard->mailbox, wake, context);
    list_init(&shard->connections);
    list_init(&shard->ready_connections);
    list_init(&shard->paused_connections);
    arena_init(&shard->scratch, SCRATCH_MAX);
    shard->read_buffer = xmalloc(READ_BUFFER_SIZE);
    shard->frames = block_pool_create();
    shard->catalog = catalog_create_empty();
    shard_read_clock(shard);
    return shard;
}

void shard_free(struct shard *shard)
{
    ASSERT(list_is_empty(&shard->connections) && shard->connection_count == 0);
    ASSERT(shard->in_flight_bytes == 0);
    ASSERT(shard->unfinished_bytes == 0);
    ASSERT(shard->unsent_bytes == 0);
    ASSERT(shard->partitions.count == 0);
    timers_cancel(&shard->timers, &shard->idle_timer);
    timers_free(&shard->timers);
    mailbox_free(&shard->mailbox);
    map_free(&shard->partitions);
    catalog_unref(shard->catalog);
    arena_free(&shard->scratch);
    free(shard->read_buffer);
    block_pool_release(shard->frames);
    free(shard);
}

void shard_read_clock(struct shard *shard)
{
    shard->now_ms = clock_monotonic_ms(shard->env->clock);
    shard->wall_ms = shard->env->clock->wall_ms(shard->env->clock);
    shard->trusted_ms = shard->now_ms + atomic_load(&shard->broker->trusted_offset_ms);
    shard->steady_ms = shard->now_ms + atomic_load(&shard->broker->steady_offset_ms);
    shard->stamp_ms = MAX(shard->wall_ms, shard->trusted_ms);
}

void shard_post(struct shard *to, struct mail *mail)
{
    mailbox_post(&to->mailbox, mail);
}

bool shard_deliver_mail(struct shard *shard)
{
    struct list mail;
    list_init(&mail);
    mailbox_take(&shard->mailbox, &mail);
    bool any = !list_is_empty(&mail);
    for (struct list_node *node; (node = list_pop(&mail));) {
        struct mail *m = CONTAINER_OF(node, struct mail, node);
        m->deliver(m, shard);
    }
    return any;
}

struct shard *shard_for_partition(struct shard *any, struct uuid topic_id, int32_t partition)
{
    struct broker *broker = any->broker;
    return broker->shards[shard_of_partition(topic_id.bytes, partition, broker->shard_count)];
}

struct shard *shard_for_group(struct shard *any, struct bytes group_id)
{
    struct broker *broker = any->broker;
    return broker->shards[shard_of_name(group_id, broker->shard_count)];
}

/* Travels from shard to shard, then home. */
struct broadcast {
    struct mail mail;
    struct shard *home;
    int next;
    void (*run)(void *context, struct shard *shard);
    void (*done)(void *context, struct shard *home);
    void *context;
};

static void broadcast_end(struct mail *mail, struct shard *home)
{
    struct broadcast *b = CONTAINER_OF(mail, struct broadcast, mail);
    b->done(b->context, home);
    free(b);
}

static void broadcast_step(struct mail *mail, struct shard *shard)
{
    struct broadcast *b = CONTAINER_OF(mail, struct broadcast, mail);
    struct broker *broker = shard->broker;
    ASSERT(shard == broker->shards[b->next]);
    b->run(b->context, shard);
    b->next++;
    if (b->next < broker->shard_count) {
        shard_post(broker->shards[b->next], mail);
    } else if (shard == b->home) {
        broadcast_end(mail, shard);
    } else {
        mail->deliver = broadcast_end;
        shard_post(b->home, mail);
    }
}

void shard_broadcast(struct shard *home, void (*run)(void *context, struct shard *shard),
                     void (*done)(void *context, struct shard *home), void *context)
{
    struct broadcast *b = xcalloc(1, sizeof *b);
    *b = (struct broadcast){.home = home, .run = run, .done = done, .context = context};
    b->mail.deliver = broadcast_step;
    if (home->broker->shards[0] == home)
        broadcast_step(&b->mail, home);
    else
        shard_post(home->broker->shards[0], &b->mail);
}
