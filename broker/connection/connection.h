/* A client's connection: frames in, replies out, in order. Pure over struct transport.
 *
 * Limits: a frame larger than socket.request.max.bytes closes the connection. Reading pauses while
 * too many requests or bytes are in flight, while the client does not read its replies, while
 * unfinished frames hold too much memory, or while the store does not accept more. When memory is
 * short, connections that hold it without progress are closed. */
#ifndef BROKER_CONNECTION_CONNECTION_H
#define BROKER_CONNECTION_CONNECTION_H

#include "base/list.h"

struct shard;
struct request;
struct connection;
struct listener;
struct transport;

/* `listener` accepted the connection; `host` is copied ("127.0.0.1"). Takes over the transport. */
struct connection *connection_create(struct shard *shard, const struct listener *listener,
                                     struct transport *transport, const char *host);
void connection_readable(struct connection *c);
void connection_writable(struct connection *c);
/* Closes it at once. Requests in flight continue, and their replies are dropped. */
void connection_close(struct connection *c);
/* Takes no further requests. Replies under way are still sent. */
void connection_stop_reading(struct connection *c);
/* In the shard's turn: sends what is ready, and continues with input that had to wait or that the
 * transport holds. */
void connection_turn(struct connection *c);
/* At the end of the turn: only sends what is ready. */
void connection_send(struct connection *c);
/* Called from time to time: closes it if it was idle for too long, or if its unfinished frame or
 * its unread answers hold memory that others wait for. */
void connection_check_idle(struct connection *c);

/* The connection of a node in shard->connections, and in the ready and paused lists. */
struct connection *connection_of_node(struct list_node *node);
struct connection *connection_of_turn_node(struct list_node *node);

#endif
