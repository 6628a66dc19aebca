/* AlterConfigs: the overrides given replace all that a resource has. */
#include "broker/alter.h"
#include "broker/handlers/handlers.h"
#include "protocol/messages.h"

static void answer(struct alter *alter)
{
    struct alter_configs_response response;
    schema_defaults(&alter_configs_response_schema, &response);
    response.responses = schema_array(&alter_configs_response_responses_schema,
                                      (size_t)alter->count, &alter->request->arena);
    response.responses_count = alter->count;
    for (int32_t i = 0; i < alter->count; i++) {
        const struct alter_resource *r = &alter->resources[i];
        response.responses[i].resource_type = r->type;
        response.responses[i].resource_name = r->name;
        response.responses[i].error_code = (int16_t)r->verdict.error;
        response.responses[i].error_message = reply_text(r->verdict.message);
    }
    request_reply(alter->request, &response);
}

static void take_resource(struct request *request, const struct alter_configs_request_resources *in,
                          struct alter_resource *out)
{
    struct alter_key *keys = request_alloc(request, (size_t)in->configs_count, sizeof *keys);
    for (int32_t i = 0; i < in->configs_count; i++)
        keys[i] = (struct alter_key){in->configs[i].name, in->configs[i].value, ALTER_SET};
    *out = (struct alter_resource){
        .type = in->resource_type,
        .name = in->resource_name,
        .keys = keys,
        .key_count = in->configs_count,
    };
}

void alter_configs_handle(struct shard *shard, struct request *request)
{
    const struct alter_configs_request *in = request->body;
    struct alter *alter = request_alloc(request, 1, sizeof *alter);
    *alter = (struct alter){
        .request = request,
        .resources =
            request_alloc(request, (size_t)in->resources_count, sizeof(struct alter_resource)),
        .count = in->resources_count,
        .replaces = true,
        .validate_only = in->validate_only,
        .answer = answer,
    };
    for (int32_t i = 0; i < in->resources_count; i++)
        take_resource(request, &in->resources[i], &alter->resources[i]);
    alter_submit(shard, alter);
}
