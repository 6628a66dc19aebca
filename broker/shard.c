#include "broker/broker.h"
#include "broker/connection/connection.h"
#include "broker/runner/runner.h"
#include "storage/recovery.h"

#include <stdlib.h>

enum { LONGEST_IDLE_CHECK_MS = 5000, SHORTEST_IDLE_CHECK_MS = 50, SCRATCH_MAX = 256 << 20 };

/* A connection is closed at most a quarter of its time too late, or five seconds. */
static int64_t idle_check_ms(const struct shard *shard)
{
    int64_t idle_ms = shard->broker->settings->connections_max_idle_ms;
    if (idle_ms < 0)
        return LONGEST_IDLE_CHECK_MS;
    return MAX((int64_t)SHORTEST_IDLE_CHECK_MS, MIN(idle_ms / 4, (int64_t)LONGEST_IDLE_CHECK_MS));
}

static void check_idle(struct timer *timer, int64_t now_ms)
{
    struct shard *shard = CONTAINER_OF(timer, struct shard, idle_timer);
    LIST_FOR_EACH_SAFE (node, &shard->connections)
        connection_check_idle(connection_of_node(node));
    block_pool_trim(shard->frames);
    timers_set(&shard->timers, timer, now_ms + idle_check_ms(shard));
}

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
    shard->idle_timer.fire = check_idle;
    shard_read_clock(shard);
    timers_set(&shard->timers, &shard->idle_timer, shard->now_ms + idle_check_ms(shard));
    return shard;
}

void shard_free(struct shard *shard)
{
    ASSERT(list_is_empty(&shard->connections));
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

static size_t bytes_of_connections(const struct shard *shard)
{
    return shard->in_flight_bytes + shard->unfinished_bytes + shard->unsent_bytes;
}

/* Connections whose input waited for room may look at it again. */
static void resume_connections(struct shard *shard)
{
    shard->bytes_at_resume = bytes_of_connections(shard);
    if (list_is_empty(&shard->paused_connections) || !store_accepts(shard->store) ||
        shard->in_flight_bytes >= (size_t)shard->broker->settings->max_in_flight_bytes)
        return;
    list_take_all(&shard->ready_connections, &shard->paused_connections);
}

/* Whether there is room that paused connections have not seen, which no event would tell them. */
static bool room_was_made(const struct shard *shard)
{
    return !list_is_empty(&shard->paused_connections) &&
           bytes_of_connections(shard) < shard->bytes_at_resume;
}

/* Only those that are on the list now: one that goes back waits for the next round. */
static void turn_connections(struct shard *shard)
{
    struct list ready;
    list_init(&ready);
    list_take_all(&ready, &shard->ready_connections);
    for (struct list_node *node; (node = list_pop(&ready));)
        connection_turn(connection_of_turn_node(node));
}

int64_t shard_turn(struct shard *shard)
{
    shard->turns++;
    shard_deliver_mail(shard);
    timers_run(&shard->timers, shard->now_ms);
    resume_connections(shard);
    turn_connections(shard);
    bool more = shard->runner && runner_turn(shard);
    store_turn(shard->store, shard->now_ms, shard->wall_ms);
    turn_connections(shard);
    arena_reset(&shard->scratch);
    if (more || !list_is_empty(&shard->ready_connections) || room_was_made(shard))
        return 0;
    return timers_next_ms(&shard->timers);
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
