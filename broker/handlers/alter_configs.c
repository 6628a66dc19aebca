/* AlterConfigs replaces all overrides of a resource. IncrementalAlterConfigs sets, deletes, appends
 * or subtracts key by key. They differ only in their keys. */
#include "broker/config/alter.h"
#include "broker/handlers/handlers.h"
#include "protocol/messages.h"

/* Both answers have the same structure in memory. The API decides how it is encoded. */
#define SAME_PLACE(type, member)                                                                 \
    _Static_assert(offsetof(struct type, member) == offsetof(struct incremental_##type, member), \
                   "one structure")
SAME_PLACE(alter_configs_response, throttle_time_ms);
SAME_PLACE(alter_configs_response, responses);
SAME_PLACE(alter_configs_response, responses_count);
SAME_PLACE(alter_configs_response_responses, error_code);
SAME_PLACE(alter_configs_response_responses, error_message);
SAME_PLACE(alter_configs_response_responses, resource_type);
SAME_PLACE(alter_configs_response_responses, resource_name);
_Static_assert(sizeof(struct alter_configs_response_responses) ==
                   sizeof(struct incremental_alter_configs_response_responses),
               "one structure");

static void fill(struct alter *alter)
{
    struct alter_configs_response *out = alter->response;
    for (int32_t i = 0; i < alter->count; i++) {
        const struct alter_resource *r = &alter->resources[i];
        out->responses[i].resource_type = r->type;
        out->responses[i].resource_name = r->name;
        out->responses[i].error_code = (int16_t)r->error.code;
        out->responses[i].error_message = reply_text(r->error.message);
    }
}

static struct alter_configs_response *make_response(struct request *request, int32_t count)
{
    struct alter_configs_response *response = request_alloc(request, 1, sizeof *response);
    schema_defaults(&alter_configs_response_schema, response);
    response->responses =
        schema_array(&alter_configs_response_responses_schema, (size_t)count, &request->arena);
    response->responses_count = count;
    return response;
}

static struct alter *make(struct request *request, int32_t count, bool validate_only)
{
    struct alter *alter = request_alloc(request, 1, sizeof *alter);
    *alter = (struct alter){
        .request = request,
        .response = make_response(request, count),
        .resources = request_alloc(request, (size_t)count, sizeof(struct alter_resource)),
        .count = count,
        .validate_only = validate_only,
        .fill = fill,
    };
    return alter;
}

static struct alter_key *add_resource(struct alter *alter, int32_t at, int8_t type,
                                      struct bytes name, int32_t key_count)
{
    struct alter_key *keys = request_alloc(alter->request, (size_t)key_count, sizeof *keys);
    alter->resources[at] =
        (struct alter_resource){.type = type, .name = name, .keys = keys, .key_count = key_count};
    return keys;
}

void alter_configs_handle(struct shard *shard, struct request *request)
{
    const struct alter_configs_request *in = request->body;
    struct alter *alter = make(request, in->resources_count, in->validate_only);
    alter->replaces = true;
    for (int32_t i = 0; i < in->resources_count; i++) {
        const struct alter_configs_request_resources *r = &in->resources[i];
        struct alter_key *keys =
            add_resource(alter, i, r->resource_type, r->resource_name, r->configs_count);
        for (int32_t k = 0; k < r->configs_count; k++)
            keys[k] = (struct alter_key){r->configs[k].name, r->configs[k].value, ALTER_SET};
    }
    alter_submit(shard, alter);
}

void incremental_alter_configs_handle(struct shard *shard, struct request *request)
{
    const struct incremental_alter_configs_request *in = request->body;
    struct alter *alter = make(request, in->resources_count, in->validate_only);
    for (int32_t i = 0; i < in->resources_count; i++) {
        const struct incremental_alter_configs_request_resources *r = &in->resources[i];
        struct alter_key *keys =
            add_resource(alter, i, r->resource_type, r->resource_name, r->configs_count);
        for (int32_t k = 0; k < r->configs_count; k++)
            keys[k] = (struct alter_key){r->configs[k].name, r->configs[k].value,
                                         r->configs[k].config_operation};
    }
    alter_submit(shard, alter);
}
