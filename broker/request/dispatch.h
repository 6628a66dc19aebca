/* Decodes frames and runs the handlers of their APIs, on the shards that the handlers' rows
 * name. */
#ifndef BROKER_REQUEST_DISPATCH_H
#define BROKER_REQUEST_DISPATCH_H

#include "base/bytes.h"

struct request_source;
struct request;
struct shard;
struct shared_buffer;

enum route {
    ON_ARRIVAL,    /* on the connection's shard; the handler spreads the work if needed */
    BY_GROUP,      /* on the shard of the group that route_name gives */
    ON_CONTROLLER, /* on shard 0 */
};

struct handler {
    int16_t api_key;
    enum route route;
    struct bytes (*route_name)(const void *body); /* BY_GROUP */
    void (*handle)(struct shard *shard, struct request *request);
};

/* The row of a supported API, or NULL. Only supported APIs are advertised. */
const struct handler *handler_find(int16_t api_key);

/* Decodes a frame (without its length prefix) and runs or routes it. Takes over the frame
 * reference. A frame that cannot be parsed ends the connection. */
void dispatch(struct shard *shard, struct request_source *source, struct shared_buffer *frame);

#endif
