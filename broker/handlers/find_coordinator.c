/* FindCoordinator: one node coordinates everything. */
#include "broker/broker.h"
#include "broker/handlers/handlers.h"
#include "broker/net/listener.h"
#include "broker/request/request.h"

enum key_type { KEY_GROUP = 0, KEY_TRANSACTION = 1 };

static enum kafka_error check_key_type(int8_t type)
{
    /* Share groups (2) are not supported, and other types do not exist. */
    return type == KEY_GROUP || type == KEY_TRANSACTION ? KAFKA_NONE : KAFKA_INVALID_REQUEST;
}

/* The one node, at the address that the request's client can use. */
struct node {
    int32_t id, port;
    struct bytes host;
};

static struct node coordinator_of(const struct shard *shard, const struct request *request,
                                  enum kafka_error error)
{
    const struct endpoint *told = &request->listener->advertised;
    if (error)
        return (struct node){-1, -1, bytes_string("")};
    return (struct node){shard->broker->node_id, told->port, bytes_string(told->host)};
}

static void answer_one(const struct node *node, enum kafka_error error,
                       struct find_coordinator_response *out)
{
    out->error_code = (int16_t)error;
    out->error_message = error ? bytes_string(kafka_error_text(error)) : BYTES_NULL;
    out->node_id = node->id;
    out->host = node->host;
    out->port = node->port;
}

static void answer_each(const struct node *node, enum kafka_error error,
                        const struct find_coordinator_request *in,
                        struct find_coordinator_response *out)
{
    for (int32_t i = 0; i < in->coordinator_keys_count; i++) {
        out->coordinators[i] = (struct find_coordinator_response_coordinators){
            .key = in->coordinator_keys[i],
            .node_id = node->id,
            .host = node->host,
            .port = node->port,
            .error_code = (int16_t)error,
            .error_message = error ? bytes_string(kafka_error_text(error)) : BYTES_NULL,
        };
    }
    out->coordinators_count = in->coordinator_keys_count;
}

void find_coordinator_handle(struct shard *shard, struct request *request)
{
    const struct find_coordinator_request *in = request->body;
    struct find_coordinator_response out;
    schema_defaults(&find_coordinator_response_schema, &out);
    enum kafka_error error = check_key_type(in->key_type);
    struct node node = coordinator_of(shard, request, error);
    if (request->header.api_version >= 4) {
        out.coordinators =
            request_alloc(request, (size_t)in->coordinator_keys_count, sizeof *out.coordinators);
        answer_each(&node, error, in, &out);
    } else {
        answer_one(&node, error, &out);
    }
    request_reply(request, &out);
}
