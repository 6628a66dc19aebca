/* Listening sockets, on the main thread's event base; accepted sockets go to the loops in turn. */
#ifndef BROKER_NET_LISTENER_H
#define BROKER_NET_LISTENER_H

#include "base/error.h"
#include "base/trace.h"
#include "broker/broker.h"

struct event_base;
struct loop;
struct listener;

struct listener_options {
    struct event_base *base;
    struct loop **loops;
    int loop_count;
    const char *congestion; /* TCP congestion control; "" for the default rule */
    struct trace *trace;
};

/* Binds and listens; endpoint->port 0 becomes the port chosen. Accepts nothing before
 * listener_start. */
MUST_USE enum error listener_open(const struct listener_options *options, struct endpoint *endpoint,
                                  struct listener **out, struct message *message);
void listener_start(struct listener *l);
void listener_close(struct listener *l);

#endif
