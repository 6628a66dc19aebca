/* A small blocking client: one request at a time, each with a time limit.
 *
 * It connects to the first bootstrap server that responds, asks for its versions and uses the
 * highest that both sides know. It connects to another broker at the first request to it. A broker
 * with the address of the bootstrap server uses that connection. */
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
    int64_t timeout_ms; /* for connecting, and for each response */
    bool whole_command; /* the timeout is for all requests together, from now on */
};

/* False with EXIT_UNREACHABLE when no bootstrap server responds. */
bool client_open(const struct client_options *options, struct client **out, struct failure *f);
void client_close(struct client *c); /* NULL is fine */

/* Sends `request` to a node (ANY_NODE: the bootstrap server) and decodes the response into
 * `response`; both are structures of the API. The response lives in the arena. The broker may wait
 * up to `wait_ms` on purpose (a long poll); the timeout is added to it. If a signal asks to stop
 * meanwhile, the call fails with the name INTERRUPTED. */
bool client_call_waiting(struct client *c, int32_t node, int16_t api_key, const void *request,
                         struct arena *arena, void *response, int64_t wait_ms, struct failure *f);
static inline bool client_call(struct client *c, int32_t node, int16_t api_key, const void *request,
                               struct arena *arena, void *response, struct failure *f)
{
    return client_call_waiting(c, node, api_key, request, arena, response, 0, f);
}
/* Sends a request that gets no response (Produce with acks=0). */
bool client_send(struct client *c, int32_t node, int16_t api_key, const void *request,
                 struct failure *f);

/* Notes the address of a node, from a response. */
void client_learn(struct client *c, int32_t node, struct bytes host, int32_t port);
/* The address of the bootstrap server that responded. */
const char *client_address(const struct client *c);
/* The version of an API on a node's connection, or -1 when the node does not serve it. There must
 * have been a call to the node before. */
int client_version(const struct client *c, int32_t node, int16_t api_key);
/* Connects to a node now. */
bool client_reach(struct client *c, int32_t node, struct failure *f);

#endif
