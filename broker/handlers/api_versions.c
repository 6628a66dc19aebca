#include "broker/handlers/handlers.h"
#include "broker/request/dispatch.h"
#include "broker/request/request.h"

/* KIP-511: the software name and version must look like names (Kafka answers 42 otherwise). */
static bool is_software_word(struct bytes b)
{
    for (size_t i = 0; i < b.size; i++) {
        uint8_t c = b.data[i];
        bool alphanumeric = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        bool inner = i > 0 && i + 1 < b.size && (c == '.' || c == '-');
        if (!alphanumeric && !inner)
            return false;
    }
    return b.size > 0;
}

static bool is_valid(const struct request *request)
{
    const struct api_versions_request *body = request->body;
    return request->header.api_version < 3 || (is_software_word(body->client_software_name) &&
                                               is_software_word(body->client_software_version));
}

static void list_apis(struct request *request, struct api_versions_response *response)
{
    response->api_keys = request_alloc(request, api_messages_count(), sizeof *response->api_keys);
    for (size_t i = 0; i < api_messages_count(); i++) {
        const struct api_messages *api = api_messages_at(i);
        if (handler_find(api->key) == NULL)
            continue;
        response->api_keys[response->api_keys_count++] = (struct api_versions_response_api_keys){
            .api_key = api->key,
            .min_version = api->advertise_min,
            .max_version = api->advertise_max,
        };
    }
}

void api_versions_handle(struct shard *shard, struct request *request)
{
    (void)shard;
    struct api_versions_response response;
    schema_defaults(&api_versions_response_schema, &response);
    list_apis(request, &response);
    if (request->unknown_version)
        response.error_code = KAFKA_UNSUPPORTED_VERSION;
    else if (!is_valid(request))
        response.error_code = KAFKA_INVALID_REQUEST;
    response.finalized_features_epoch = 0;
    request_reply(request, &response);
}
