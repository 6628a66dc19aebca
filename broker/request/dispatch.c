#include "broker/request/dispatch.h"

#include "broker/broker.h"
#include "broker/handlers/handlers.h"
#include "broker/request/request.h"

#include <stdlib.h>

/* One row per supported API, in the order of the keys. Other APIs are not advertised. */
static const struct handler handlers[] = {
    {API_PRODUCE, ON_ARRIVAL, NULL, produce_handle},
    {API_FETCH, ON_ARRIVAL, NULL, fetch_handle},
    {API_LIST_OFFSETS, ON_ARRIVAL, NULL, list_offsets_handle},
    {API_METADATA, ON_ARRIVAL, NULL, metadata_handle},
    {API_OFFSET_COMMIT, BY_GROUP, offset_commit_name, offset_commit_handle},
    {API_OFFSET_FETCH, ON_ARRIVAL, NULL, offset_fetch_handle},
    {API_FIND_COORDINATOR, ON_ARRIVAL, NULL, find_coordinator_handle},
    {API_JOIN_GROUP, BY_GROUP, join_group_name, join_group_handle},
    {API_HEARTBEAT, BY_GROUP, heartbeat_name, heartbeat_handle},
    {API_LEAVE_GROUP, BY_GROUP, leave_group_name, leave_group_handle},
    {API_SYNC_GROUP, BY_GROUP, sync_group_name, sync_group_handle},
    {API_DESCRIBE_GROUPS, ON_ARRIVAL, NULL, describe_groups_handle},
    {API_LIST_GROUPS, ON_ARRIVAL, NULL, list_groups_handle},
    {API_API_VERSIONS, ON_ARRIVAL, NULL, api_versions_handle},
    {API_CREATE_TOPICS, ON_CONTROLLER, NULL, create_topics_handle},
    {API_DELETE_TOPICS, ON_CONTROLLER, NULL, delete_topics_handle},
    {API_DELETE_RECORDS, ON_ARRIVAL, NULL, delete_records_handle},
    {API_INIT_PRODUCER_ID, ON_CONTROLLER, NULL, init_producer_id_handle},
    {API_OFFSET_FOR_LEADER_EPOCH, ON_ARRIVAL, NULL, offset_for_leader_epoch_handle},
    {API_DESCRIBE_CONFIGS, ON_ARRIVAL, NULL, describe_configs_handle},
    {API_ALTER_CONFIGS, ON_CONTROLLER, NULL, alter_configs_handle},
    {API_DESCRIBE_LOG_DIRS, ON_ARRIVAL, NULL, describe_log_dirs_handle},
    {API_CREATE_PARTITIONS, ON_CONTROLLER, NULL, create_partitions_handle},
    {API_DELETE_GROUPS, ON_ARRIVAL, NULL, delete_groups_handle},
    {API_INCREMENTAL_ALTER_CONFIGS, ON_CONTROLLER, NULL, incremental_alter_configs_handle},
    {API_OFFSET_DELETE, BY_GROUP, offset_delete_name, offset_delete_handle},
    {API_DESCRIBE_CLUSTER, ON_ARRIVAL, NULL, describe_cluster_handle},
};

/* The memory limit of one request's decoded structures, whose elements are larger than on the wire
 * (an empty string is one byte there). Records and strings are views of the frame and do not count.
 * The limit is enough for a million names of topics. */
enum { DECODED_MAX = 32 << 20 };

const struct handler *handler_find(int16_t api_key)
{
    for (size_t i = 0; i < COUNT_OF(handlers); i++) {
        if (handlers[i].api_key == api_key)
            return &handlers[i];
    }
    return NULL;
}

static void deliver(struct mail *mail, struct shard *shard)
{
    struct request *request = CONTAINER_OF(mail, struct request, mail);
    request->at = shard;
    request->handler->handle(shard, request);
}

static void route(struct shard *shard, struct request *request)
{
    struct shard *owner = shard;
    if (request->handler->route == BY_GROUP)
        owner = shard_for_group(shard, request->handler->route_name(request->body));
    else if (request->handler->route == ON_CONTROLLER)
        owner = shard->broker->shards[0];
    if (owner == shard) {
        request->handler->handle(shard, request);
        return;
    }
    request->mail.deliver = deliver;
    shard_post(owner, &request->mail);
}

/* An unknown version of ApiVersions gets the error in version 0, so that the client can choose
 * again. Its body is not read (KIP-511). */
static bool is_unknown_api_versions(const struct request *request)
{
    return request->header.api_key == API_API_VERSIONS &&
           !api_serves(request->api, request->header.api_version);
}

/* NULL if the request can run, or else the reason to close the connection. */
static const char *parse(struct request *request)
{
    struct reader r = reader_of(bytes_of(request->frame->data, request->frame->size));
    request->header = read_request_header(&r);
    request->api = api_messages(request->header.api_key);
    request->handler = handler_find(request->header.api_key);
    if (request->api == NULL || request->handler == NULL)
        return "unknown API";
    request->unknown_version = is_unknown_api_versions(request);
    if (request->unknown_version)
        return NULL;
    if (r.failed)
        return "malformed request header";
    if (!api_serves(request->api, request->header.api_version))
        return "unsupported version";
    request->body = arena_alloc(&request->arena, schema_size(request->api->request));
    enum error error = schema_decode(request->api->request, request->header.api_version, &r,
                                     &request->arena, request->body);
    return error ? "malformed request body" : NULL;
}

void dispatch(struct shard *shard, struct request_source *source, struct shared_buffer *frame)
{
    struct request *request = request_create(shard, source, frame);
    arena_init(&request->arena, DECODED_MAX);
    const char *fault = parse(request);
    request_count(request, request->arena.used);
    if (fault)
        request_fail(request, fault);
    else
        route(shard, request);
}
