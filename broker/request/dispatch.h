/* From a frame to the handler of its API, on the shard that the handler's row names. */
#ifndef BROKER_REQUEST_DISPATCH_H
#define BROKER_REQUEST_DISPATCH_H

#include "base/bytes.h"

struct request_source;
struct request;
struct shard;
struct shared_buffer;

enum route {
    ON_ARRIVAL,    /* on the connection's shard; spreads the work itself where needed */
    BY_GROUP,      /* on the shard of the group that route_name gives */
    ON_CONTROLLER, /* on shard 0 */
};

struct handler {
    int16_t api_key;
    enum route route;
    struct bytes (*route_name)(const void *body); /* BY_GROUP */
    void (*handle)(struct shard *shard, struct request *request);
};

/* Row for an API that is built, or NULL: only those are advertised. */
const struct handler *handler_find(int16_t api_key);

/* Decodes a frame (without its length prefix) and runs or routes it. Takes over the frame
 * reference. A frame that cannot be parsed ends the connection. */
void dispatch(struct shard *shard, struct request_source *source, struct shared_buffer *frame);

#endif
