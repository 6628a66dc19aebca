/* An address of the broker: one item of `listeners` or `advertised.listeners`. */
#ifndef BROKER_NET_ENDPOINT_H
#define BROKER_NET_ENDPOINT_H

#include "base/error.h"

enum { LISTENERS_MAX = 16 };

struct endpoint {
    char *listener; /* its name: "PLAINTEXT" */
    char *host;     /* without brackets; may be empty: all addresses */
    int32_t port;
};

/* Splits "NAME://host:port" ("[::1]" for IPv6). The caller frees the strings. On ERR_INVALID the
 * message says what is wrong with this item and what is expected. */
MUST_USE enum error endpoint_parse(struct bytes text, struct endpoint *out,
                                   struct message *message);
struct endpoint endpoint_copy(const struct endpoint *e);
void endpoint_free(struct endpoint *e);

/* Splits a comma separated list of one to LISTENERS_MAX endpoints; on an error none is left. */
MUST_USE enum error endpoints_parse(struct bytes list, struct endpoint out[LISTENERS_MAX],
                                    int *count, struct message *message);

/* Whether a client can connect to the host. "All addresses of this machine" is no such host. */
bool endpoint_is_address(const struct endpoint *e);

#endif
