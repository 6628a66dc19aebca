/* A small blocking client: one request at a time, each with a limit of time.
 *
 * It connects to the first bootstrap server that answers, asks for the versions it serves and uses
 * the highest that both sides know. Other brokers are connected to when they are first needed; an
 * address that is the bootstrap server's own uses its connection. */
#ifndef CLIENT_TOOLS_CLUSTER_CLIENT_H
#define CLIENT_TOOLS_CLUSTER_CLIENT_H

#include "base/arena.h"
#include "client-tools/failure.h"
#include "protocol/messages.h"

struct client;

enum { ANY_NODE = -1, MAX_RESPONSE_BYTES = 256 << 20 };

struct client_options {
    struct bytes brokers;     /* "host:port,host:port" */
    const char *brokers_from; /* for error messages */
    struct bytes client_id;
    int64_t timeout_ms; /* for connecting, and for each answer */
    bool whole_command; /* the timeout is for everything from now on */
};

/* False with EXIT_UNREACHABLE when no bootstrap server answers. */
bool client_open(const struct client_options *options, struct client **out, struct failure *f);
void client_close(struct client *c); /* NULL is fine */

/* Sends `request` to a node (ANY_NODE: the bootstrap server) and decodes the answer into
 * `response`; both are structures of the API. The answer lives in the arena. `wait_ms` is how long
 * the broker may take on purpose (a long poll), beyond the timeout. A stop that is asked for while
 * waiting fails with the name INTERRUPTED. */
bool client_call_waiting(struct client *c, int32_t node, int16_t api_key, const void *request,
                         struct arena *arena, void *response, int64_t wait_ms, struct failure *f);
static inline bool client_call(struct client *c, int32_t node, int16_t api_key, const void *request,
                               struct arena *arena, void *response, struct failure *f)
{
    return client_call_waiting(c, node, api_key, request, arena, response, 0, f);
}
/* Sends a request that gets no answer (Produce with acks=0). */
bool client_send(struct client *c, int32_t node, int16_t api_key, const void *request,
                 struct failure *f);

/* Where a node listens, as an answer told. */
void client_learn(struct client *c, int32_t node, struct bytes host, int32_t port);
/* The address of the bootstrap server that answered. */
const char *client_address(const struct client *c);
/* The version of an API that a node's connection uses, -1 when it does not serve it. The node must
 * have been called before. */
int client_version(const struct client *c, int32_t node, int16_t api_key);
/* Connects to a node now. */
bool client_reach(struct client *c, int32_t node, struct failure *f);

#endif
