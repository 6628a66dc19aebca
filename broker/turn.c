#include "broker/turn.h"

#include "broker/broker.h"
#include "broker/connection/connection.h"
#include "broker/runner/runner.h"

enum { LONGEST_IDLE_CHECK_MS = 5000, SHORTEST_IDLE_CHECK_MS = 50 };

/* An idle connection is closed too late by at most a quarter of its limit, or five seconds. */
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

void shard_start_turns(struct shard *shard)
{
    shard->idle_timer.fire = check_idle;
    timers_set(&shard->timers, &shard->idle_timer, shard->now_ms + idle_check_ms(shard));
}

static size_t bytes_of_connections(const struct shard *shard)
{
    return shard->in_flight_bytes + shard->unfinished_bytes + shard->unsent_bytes;
}

/* Lets connections continue whose input waited for room. */
static void resume_connections(struct shard *shard)
{
    shard->bytes_at_resume = bytes_of_connections(shard);
    if (list_is_empty(&shard->paused_connections) || !store_accepts(shard->store) ||
        shard->in_flight_bytes >= (size_t)shard->broker->settings->max_in_flight_bytes)
        return;
    list_take_all(&shard->ready_connections, &shard->paused_connections);
}

/* Whether there is new room for paused connections. No event reports it. */
static bool room_was_made(const struct shard *shard)
{
    return !list_is_empty(&shard->paused_connections) &&
           bytes_of_connections(shard) < shard->bytes_at_resume;
}

/* Takes the connections that are on the list now. A connection that returns to it waits for the
 * next round. */
static void each_ready_connection(struct shard *shard, void (*act)(struct connection *c))
{
    struct list ready;
    list_init(&ready);
    list_take_all(&ready, &shard->ready_connections);
    for (struct list_node *node; (node = list_pop(&ready));)
        act(connection_of_turn_node(node));
}

int64_t shard_turn(struct shard *shard)
{
    shard->turns++;
    shard_deliver_mail(shard);
    timers_run(&shard->timers, shard->now_ms);
    resume_connections(shard);
    each_ready_connection(shard, connection_turn);
    bool more = shard->runner && runner_turn(shard);
    store_turn(shard->store, shard->now_ms, shard->trusted_ms);
    /* Only sends: entries of new requests would wait for the store's next turn, which may be
     * late. */
    each_ready_connection(shard, connection_send);
    arena_reset(&shard->scratch);
    if (more || !list_is_empty(&shard->ready_connections) || room_was_made(shard))
        return 0;
    return timers_next_ms(&shard->timers);
}
