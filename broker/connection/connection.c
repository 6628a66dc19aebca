#include "broker/connection/connection_internal.h"

#include <stdio.h>
#include <stdlib.h>

struct connection *connection_of_node(struct list_node *node)
{
    return CONTAINER_OF(node, struct connection, node);
}

struct connection *connection_of_turn_node(struct list_node *node)
{
    return CONTAINER_OF(node, struct connection, turn_node);
}

/* Tells the transport which events the connection waits for. */
static void update_wants(struct connection *c)
{
    if (c->transport)
        c->transport->ops->want(c->transport, !c->paused && !c->doomed, c->blocked);
}

/* Frees the connection once it is closed and no request refers to it. */
static void free_if_unused(struct connection *c)
{
    if (c->transport || c->slot_count > 0)
        return;
    ASSERT(list_is_empty(&c->slots) && c->unsent_bytes == 0);
    ASSERT(c->frame == NULL && c->leftover.size == 0);
    list_remove(&c->turn_node);
    free(c);
}

static void needs_turn(struct connection *c)
{
    if (c->transport == NULL)
        return;
    list_remove(&c->turn_node);
    list_append(&c->shard->ready_connections, &c->turn_node);
}

static void expect(struct request_source *source, struct request *request)
{
    struct connection *c = CONTAINER_OF(source, struct connection, source);
    ASSERT(c->transport && !c->doomed);
    list_append(&c->slots, &request->slot);
    c->slot_count++;
    c->shard->in_flight_bytes += request->counted_bytes;
}

/* Frees the input of a request: the answer may wait for its client for a long time. */
static void release_input(struct connection *c, struct request *request)
{
    ASSERT(c->shard->in_flight_bytes >= request->counted_bytes);
    c->shard->in_flight_bytes -= request->counted_bytes;
    request->counted_bytes = 0;
    request_release_input(request);
}

static void finished(struct request_source *source, struct request *request)
{
    struct connection *c = CONTAINER_OF(source, struct connection, source);
    ASSERT(!request->done && request->at == c->shard);
    request->done = true;
    release_input(c, request);
    c->unsent_bytes += request->reply_bytes;
    c->shard->unsent_bytes += request->reply_bytes;
    if (c->transport == NULL) {
        connection_remove_slot(c, request);
        free_if_unused(c);
        return;
    }
    if (request->closes)
        connection_stop_reading(c);
    needs_turn(c);
}

static const struct transport_events events = {connection_readable, connection_writable};

struct connection *connection_create(struct shard *shard, const struct listener *listener,
                                     struct transport *transport, const char *host)
{
    struct connection *c = xcalloc(1, sizeof *c);
    c->shard = shard;
    c->transport = transport;
    transport->connection = c;
    transport->events = &events;
    snprintf(c->host, sizeof c->host, "/%s", host);
    c->source = (struct request_source){
        .listener = listener, .client_host = c->host, .expect = expect, .finished = finished};
    list_init(&c->slots);
    buffer_init(&c->leftover, READ_BUFFER_SIZE);
    c->last_active_ms = shard->now_ms;
    list_append(&shard->connections, &c->node);
    shard->connection_count++;
    atomic_fetch_add(&shard->broker->connections, 1);
    update_wants(c);
    return c;
}

void connection_close(struct connection *c)
{
    if (c->transport == NULL)
        return;
    c->transport->ops->close(c->transport);
    c->transport = NULL;
    connection_drop_input(c);
    list_remove(&c->node);
    list_remove(&c->turn_node);
    c->shard->connection_count--;
    atomic_fetch_sub(&c->shard->broker->connections, 1);
    LIST_FOR_EACH_SAFE (node, &c->slots) {
        struct request *request = CONTAINER_OF(node, struct request, slot);
        if (request->done)
            connection_remove_slot(c, request);
    }
    free_if_unused(c);
}

/* Waits for events, and for input that no event announces. */
static void wait_for_more(struct connection *c)
{
    connection_wait_for_turn(c);
    update_wants(c);
}

void connection_readable(struct connection *c)
{
    if (connection_read_input(c))
        wait_for_more(c);
    else
        connection_close(c);
}

void connection_writable(struct connection *c)
{
    needs_turn(c);
}

void connection_turn(struct connection *c)
{
    if (connection_send_replies(c) && connection_resume_input(c))
        wait_for_more(c);
    else
        connection_close(c);
}

void connection_send(struct connection *c)
{
    if (connection_send_replies(c))
        wait_for_more(c);
    else
        connection_close(c);
}

void connection_stop_reading(struct connection *c)
{
    c->doomed = true;
    update_wants(c);
}

void connection_check_idle(struct connection *c)
{
    const struct settings *s = c->shard->broker->settings;
    int64_t idle_ms = c->shard->now_ms - c->last_active_ms;
    bool over = s->connections_max_idle_ms >= 0 && idle_ms > s->connections_max_idle_ms;
    bool idle = over && c->slot_count == 0;
    bool unread = c->blocked && idle_ms > STALE_MS && (over || !connection_has_unsent_share(c));
    if (idle || unread || connection_is_stuck(c))
        connection_close(c);
}
