/* DescribeConfigs: each setting of a topic or of the broker, with its value and its source. */
#include "base/units.h"
#include "broker/broker.h"
#include "broker/config/configs.h"
#include "broker/handlers/handlers.h"
#include "broker/request/repeats.h"
#include "broker/request/request.h"
#include "protocol/kafka_error.h"
#include "protocol/messages.h"

enum { ANSWER_BYTES_MAX = 128 << 20 }; /* thousands of topics with all their settings */

struct description {
    struct shard *shard;
    struct arena *arena;
    const struct describe_configs_request *in;
};

static void fail(struct describe_configs_response_results *out, enum kafka_error error,
                 const char *message)
{
    out->error_code = (int16_t)error;
    out->error_message = reply_text(message);
}

/* Without a list of keys, or with an empty one, all are wanted. */
static bool is_wanted(const struct describe_configs_request_resources *resource, struct bytes name)
{
    if (resource->configuration_keys_count <= 0)
        return true;
    for (int32_t i = 0; i < resource->configuration_keys_count; i++) {
        if (bytes_equal(resource->configuration_keys[i], name))
            return true;
    }
    return false;
}

static void fill_synonyms(struct description *d, const struct config_entry *e,
                          struct describe_configs_response_results_configs *out)
{
    out->synonyms = schema_array(&describe_configs_response_results_configs_synonyms_schema,
                                 (size_t)e->synonym_count, d->arena);
    out->synonyms_count = e->synonym_count;
    for (int i = 0; i < e->synonym_count; i++) {
        out->synonyms[i].name = e->synonyms[i].name;
        out->synonyms[i].value = e->synonyms[i].value;
        out->synonyms[i].source = e->synonyms[i].source;
    }
}

static void fill_config(struct description *d, const struct config_entry *e,
                        struct describe_configs_response_results_configs *out)
{
    out->name = e->name;
    out->value = e->value;
    out->read_only = e->read_only;
    out->is_default = e->source == CONFIG_DEFAULT;
    out->config_source = e->source;
    out->is_sensitive = e->is_sensitive;
    out->config_type = e->type;
    out->documentation = d->in->include_documentation ? e->documentation : BYTES_NULL;
    if (d->in->include_synonyms)
        fill_synonyms(d, e, out);
}

static void fill(struct description *d, const struct describe_configs_request_resources *resource,
                 const struct config_entry *entries, size_t count,
                 struct describe_configs_response_results *out)
{
    out->configs = schema_array(&describe_configs_response_results_configs_schema, count, d->arena);
    for (size_t i = 0; i < count; i++) {
        if (is_wanted(resource, entries[i].name))
            fill_config(d, &entries[i], &out->configs[out->configs_count++]);
    }
}

static void describe_topic(struct description *d,
                           const struct describe_configs_request_resources *resource,
                           struct describe_configs_response_results *out)
{
    const struct topic *topic = catalog_by_name(d->shard->catalog, resource->resource_name);
    if (topic == NULL) {
        const char *fault = topic_name_fault(resource->resource_name);
        fail(out, fault ? KAFKA_INVALID_TOPIC_EXCEPTION : KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
             fault ? fault : "This server does not host this topic-partition.");
        return;
    }
    struct config_entry *entries;
    size_t count = topic_config_entries(d->shard->live, topic, d->arena, &entries);
    fill(d, resource, entries, count, out);
}

static void describe_broker(struct description *d,
                            const struct describe_configs_request_resources *resource,
                            struct describe_configs_response_results *out)
{
    const struct broker *broker = d->shard->broker;
    struct config_entry *entries;
    int64_t id;
    if (resource->resource_name.size == 0) {
        size_t count = cluster_config_entries(d->shard->live, d->arena, &entries);
        fill(d, resource, entries, count, out);
    } else if (!parse_i64(resource->resource_name, &id)) {
        fail(out, KAFKA_INVALID_REQUEST,
             arena_printf(d->arena, "Broker id must be an integer, but it is: %.*s",
                          BYTES_PRINTF(resource->resource_name)));
    } else if (id != broker->node_id) {
        fail(out, KAFKA_INVALID_REQUEST,
             arena_printf(d->arena,
                          "Unexpected broker id, expected %d or empty string, but received %.*s",
                          broker->node_id, BYTES_PRINTF(resource->resource_name)));
    } else {
        size_t count = broker_config_entries(d->shard->live, d->arena, &entries);
        fill(d, resource, entries, count, out);
    }
}

static void describe(struct description *d,
                     const struct describe_configs_request_resources *resource, bool is_repeated,
                     struct describe_configs_response_results *out)
{
    out->resource_type = resource->resource_type;
    out->resource_name = resource->resource_name;
    if (is_repeated) {
        fail(out, KAFKA_INVALID_REQUEST, "the resource is named more than once");
        return;
    }
    if (d->arena->used > ANSWER_BYTES_MAX) {
        fail(out, KAFKA_INVALID_REQUEST, "too many resources in one request");
        return;
    }
    switch (resource->resource_type) {
    case RESOURCE_TOPIC:
        describe_topic(d, resource, out);
        break;
    case RESOURCE_BROKER:
        describe_broker(d, resource, out);
        break;
    default:
        fail(out, KAFKA_INVALID_REQUEST,
             arena_printf(d->arena, "Unsupported resource type: %d", resource->resource_type));
        break;
    }
}

/* Finds resources that were named before, which would only make the answer longer. */
static const bool *find_repeats(struct request *request, const struct describe_configs_request *in)
{
    struct bytes *names = request_alloc(request, (size_t)in->resources_count, sizeof *names);
    for (int32_t i = 0; i < in->resources_count; i++) {
        const struct describe_configs_request_resources *r = &in->resources[i];
        names[i] = repeats_name(&request->arena, r->resource_type, r->resource_name);
    }
    return repeats_find(&request->arena, names, (size_t)in->resources_count);
}

void describe_configs_handle(struct shard *shard, struct request *request)
{
    const struct describe_configs_request *in = request->body;
    struct describe_configs_response response;
    const bool *repeats = find_repeats(request, in);
    struct description d = {shard, &request->arena, in};
    schema_defaults(&describe_configs_response_schema, &response);
    response.results = schema_array(&describe_configs_response_results_schema,
                                    (size_t)in->resources_count, &request->arena);
    response.results_count = in->resources_count;
    for (int32_t i = 0; i < in->resources_count; i++)
        describe(&d, &in->resources[i], repeats[i], &response.results[i]);
    request_reply(request, &response);
}
