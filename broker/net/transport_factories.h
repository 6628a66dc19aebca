/* The factories of transports, one for each security protocol that is built. transport_<name>.c
 * defines its factory. Listeners name the factories (listener.c) and include no transport, because
 * transports know loops and connections, which know listeners. */
#ifndef BROKER_NET_TRANSPORT_FACTORIES_H
#define BROKER_NET_TRANSPORT_FACTORIES_H

struct transport_factory; /* listener.h */

extern const struct transport_factory plain_transports; /* PLAINTEXT */

#endif
