/* The factories of transports, one for each security protocol that is built. transport_<name>.c
 * defines its factory, and listener.c names it. */
#ifndef BROKER_NET_TRANSPORT_FACTORIES_H
#define BROKER_NET_TRANSPORT_FACTORIES_H

struct transport_factory; /* listener.h */

extern const struct transport_factory plain_transports; /* PLAINTEXT */

#endif
