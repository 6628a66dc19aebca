/* FindCoordinator: one node coordinates everything. */
#include "broker/broker.h"
#include "broker/handlers/handlers.h"
#include "broker/request/request.h"

enum key_type { KEY_GROUP = 0, KEY_TRANSACTION = 1 };

static enum kafka_error check_key_type(int8_t type)
{
    /* Share groups (2) are not served; nothing else exists. */
    return type == KEY_GROUP || type == KEY_TRANSACTION ? KAFKA_NONE : KAFKA_INVALID_REQUEST;
}

static void answer_one(const struct broker *broker, enum kafka_error error,
                       struct find_coordinator_response *out)
{
    out->error_code = (int16_t)error;
    out->error_message = error ? bytes_string(kafka_error_text(error)) : BYTES_NULL;
    out->node_id = error ? -1 : broker->node_id;
    out->host = bytes_string(error ? "" : broker->advertised.host);
    out->port = error ? -1 : broker->advertised.port;
}

static void answer_each(const struct broker *broker, enum kafka_error error,
                        const struct find_coordinator_request *in,
                        struct find_coordinator_response *out)
{
    for (int32_t i = 0; i < in->coordinator_keys_count; i++) {
        out->coordinators[i] = (struct find_coordinator_response_coordinators){
            .key = in->coordinator_keys[i],
            .node_id = error ? -1 : broker->node_id,
            .host = bytes_string(error ? "" : broker->advertised.host),
            .port = error ? -1 : broker->advertised.port,
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
    if (request->header.api_version >= 4) {
        out.coordinators =
            request_alloc(request, (size_t)in->coordinator_keys_count, sizeof *out.coordinators);
        answer_each(shard->broker, error, in, &out);
    } else {
        answer_one(shard->broker, error, &out);
    }
    request_reply(request, &out);
}
