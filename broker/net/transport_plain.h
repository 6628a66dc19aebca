/* A plain TCP socket as a transport: raw libevent events, large reads, writev, sendfile. */
#ifndef BROKER_NET_TRANSPORT_PLAIN_H
#define BROKER_NET_TRANSPORT_PLAIN_H

struct connection;
struct loop;
struct transport;
struct plain_transport;

/* Owns the descriptor from now on. */
struct plain_transport *plain_transport_create(struct loop *loop, int descriptor);
struct transport *plain_transport_base(struct plain_transport *t);
/* Events go to this connection from now on. */
void plain_transport_serve(struct plain_transport *t, struct connection *connection);

#endif
