/* A plain TCP socket as a transport: raw libevent events, large reads, writev, sendfile. */
#ifndef BROKER_NET_TRANSPORT_PLAIN_H
#define BROKER_NET_TRANSPORT_PLAIN_H

struct transport_factory;

/* For listeners whose security protocol is PLAINTEXT. */
extern const struct transport_factory plain_transports;

#endif
