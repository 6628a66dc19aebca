/* A listener: one entrance to the broker, with a name, a security protocol and an address for its
 * clients (listeners, advertised.listeners and listener.security.protocol.map of Kafka).
 *
 * A client gets only the address of the listener that accepted it, because only that one is known
 * to work for it. Listeners do not change while the broker runs, so any shard may read them. */
#ifndef BROKER_NET_LISTENER_H
#define BROKER_NET_LISTENER_H

#include "broker/net/endpoint.h"

struct event_base;
struct listener;
struct transport;

/* An event loop as its transports see it. */
struct event_loop {
    struct event_base *base;
    void (*woke)(struct event_loop *loop); /* called first in each event */
};

struct transport_factory {
    /* Makes the transport of a non-blocking socket that the listener accepted, and takes over the
     * socket. Its events come from the loop, whose thread calls this. */
    struct transport *(*create)(const struct listener *listener, struct event_loop *loop,
                                int descriptor);
};

struct listener {
    const char *name;           /* "INTERNAL"; the one of `bound` */
    struct endpoint bound;      /* where connections are accepted; the host may be empty */
    struct endpoint advertised; /* the address that clients get */
    const struct transport_factory *transports; /* of its security protocol */
};

/* Values of the keys as text. */
struct listener_keys {
    const char *listeners, *advertised, *protocols;
};

/* Receives each fault: the key, and why its value cannot be used. */
struct listener_faults {
    void (*add)(struct listener_faults *self, const char *key, const char *why);
};

/* Makes one listener of each item of `listeners`. It advertises the endpoint that
 * advertised.listeners has for its name, or else its own. On ERR_INVALID every fault was added, and
 * there are no listeners. `faults` may be NULL for keys that were checked before. */
MUST_USE enum error listeners_parse(const struct listener_keys *keys,
                                    struct listener out[LISTENERS_MAX], int *count,
                                    struct listener_faults *faults);
void listeners_free(struct listener *listeners, int *count);

/* Sets the port that the listener is bound to: the requested one, or the system's choice for port
 * 0. Clients get this choice too. Called before the broker runs. */
void listener_set_port(struct listener *l, int32_t port);

#endif
