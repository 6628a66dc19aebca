/* Acceptors: listening sockets, on the main thread's event base; accepted sockets go to the loops
 * in turn. */
#ifndef BROKER_NET_ACCEPTOR_H
#define BROKER_NET_ACCEPTOR_H

#include "base/error.h"
#include "base/trace.h"

struct broker;
struct event_base;
struct loop;
struct acceptor;
struct listener;

struct acceptor_options {
    struct event_base *base;
    struct broker *broker; /* counts connections; its limit is obeyed */
    struct loop **loops;
    int loop_count;
    const char *congestion; /* TCP congestion control; "" for the default rule */
    struct trace *trace;
};

/* Binds the listener's endpoint and listens on it. If the port is 0, it sets the listener's port.
 * Accepts nothing before acceptor_start. The listener must outlive the connections. */
MUST_USE enum error acceptor_open(const struct acceptor_options *options, struct listener *listener,
                                  struct acceptor **out, struct message *message);
/* Above the limit of connections nothing is accepted, as in Kafka: new clients wait until others
 * leave. */
void acceptor_start(struct acceptor *a);
void acceptor_close(struct acceptor *a);

#endif
