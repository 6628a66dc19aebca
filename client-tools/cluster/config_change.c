#include "client-tools/cluster/config_change.h"

#include "client-tools/cluster/cluster.h"

enum { OPERATION_SET = 0, OPERATION_DELETE = 1 };

void config_changes_set(struct config_changes *c, struct bytes key, struct bytes value,
                        struct arena *arena)
{
    if (c->count == c->capacity) {
        size_t capacity = c->capacity ? c->capacity * 2 : 16;
        struct config_change *items = arena_array(arena, capacity, sizeof *items);
        ASSERT(items != NULL);
        if (c->count > 0)
            memcpy(items, c->items, c->count * sizeof *items);
        c->items = items;
        c->capacity = capacity;
    }
    c->items[c->count++] = (struct config_change){key, value};
}

bool config_changes_send(struct client *client, const struct config_changes *c, bool validate_only,
                         struct arena *arena, struct config_result *result, struct failure *f)
{
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_response response;
    schema_defaults(&incremental_alter_configs_request_schema, &request);
    request.validate_only = validate_only;
    request.resources_count = 1;
    request.resources = schema_array(&incremental_alter_configs_request_resources_schema, 1, arena);
    struct incremental_alter_configs_request_resources *r = request.resources;
    r->resource_type = CONFIG_TOPIC;
    r->resource_name = c->topic;
    r->configs_count = (int32_t)c->count;
    r->configs =
        schema_array(&incremental_alter_configs_request_resources_configs_schema, c->count, arena);
    for (size_t i = 0; i < c->count; i++) {
        bool removed = bytes_is_null(c->items[i].value);
        r->configs[i].name = c->items[i].key;
        r->configs[i].value = c->items[i].value;
        r->configs[i].config_operation = removed ? OPERATION_DELETE : OPERATION_SET;
    }
    if (!client_call(client, ANY_NODE, API_INCREMENTAL_ALTER_CONFIGS, &request, arena, &response,
                     f))
        return false;
    if (response.responses_count != 1)
        return fail(f, "UNKNOWN_SERVER_ERROR", "the response does not contain topic %.*s",
                    BYTES_PRINTF(c->topic));
    *result = (struct config_result){response.responses[0].error_code,
                                     response.responses[0].error_message};
    return true;
}

/* Whether the message is "<key>: why" or "Invalid value <value> for configuration <key>: why". */
static bool blames(struct bytes message, struct bytes key)
{
    const uint8_t *at = memmem(message.data, message.size, key.data, key.size);
    if (at == NULL)
        return false;
    size_t before = (size_t)(at - message.data), end = before + key.size;
    return (before == 0 || at[-1] == ' ') && end < message.size && message.data[end] == ':';
}

const struct config_change *config_changes_blamed(const struct config_changes *c,
                                                  struct bytes message)
{
    for (size_t i = 0; i < c->count; i++) {
        if (blames(message, c->items[i].key))
            return &c->items[i];
    }
    return NULL;
}
