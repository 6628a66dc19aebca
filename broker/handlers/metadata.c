/* Metadata: the broker, the topics, their partitions. Topics that may be created on use are created
 * first, so that clients can write to every partition in the answer. */
#include "base/map.h"
#include "broker/broker.h"
#include "broker/handlers/handlers.h"
#include "broker/net/listener.h"
#include "broker/partition.h"
#include "broker/request/operations.h"
#include "broker/request/request.h"
#include "broker/topics/topic_change.h"
#include "protocol/messages.h"

enum {
    NULL_IS_ALL_SINCE_VERSION = 1,
    AUTO_CREATED_MAX = 200, /* topics made by one request */
    CREATE_ARENA_MAX = 16 << 20,
};

/* A topic that must be created. */
struct missing_topic {
    struct bytes name;
    enum kafka_error error;
};

struct metadata {
    struct request *request;
    struct shard *home;
    struct missing_topic *missing;
    size_t missing_count;
    /* On its way to the controller and back. */
    struct mail mail;
    struct change change;
    struct commit made;
    struct arena arena;
};

/* --- the answer, at home --- */

static void fill_partitions(struct metadata *m, const struct topic *topic,
                            struct metadata_response_topics *out)
{
    int32_t *self = &m->home->broker->node_id;
    out->partitions = schema_array(&metadata_response_topics_partitions_schema,
                                   (size_t)topic->partitions, &m->request->arena);
    out->partitions_count = topic->partitions;
    for (int32_t i = 0; i < topic->partitions; i++) {
        struct metadata_response_topics_partitions *p = &out->partitions[i];
        p->partition_index = i;
        p->leader_id = *self;
        p->leader_epoch = LEADER_EPOCH;
        p->replica_nodes = p->isr_nodes = self;
        p->replica_nodes_count = p->isr_nodes_count = 1;
    }
}

static void fill_topic(struct metadata *m, const struct topic *topic,
                       struct metadata_response_topics *out)
{
    /* A view of the snapshot is safe: the answer is encoded before the snapshot can be replaced. */
    out->name = topic->name;
    out->topic_id = topic->id;
    fill_partitions(m, topic, out);
}

static enum kafka_error error_of_missing(const struct metadata *m, struct bytes name)
{
    for (size_t i = 0; i < m->missing_count; i++) {
        if (bytes_equal(m->missing[i].name, name) && m->missing[i].error != KAFKA_NONE)
            return m->missing[i].error;
    }
    return topic_name_fault(name) ? KAFKA_INVALID_TOPIC_EXCEPTION
                                  : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

static void fill_asked(struct metadata *m, const struct metadata_request_topics *asked,
                       struct metadata_response_topics *out)
{
    bool by_id = bytes_is_null(asked->name);
    struct topic *topic = by_id ? catalog_by_id(m->home->catalog, asked->topic_id)
                                : catalog_by_name(m->home->catalog, asked->name);
    if (topic) {
        fill_topic(m, topic, out);
        return;
    }
    out->name = asked->name;
    out->topic_id = asked->topic_id;
    out->error_code = (int16_t)(by_id ? KAFKA_UNKNOWN_TOPIC_ID : error_of_missing(m, asked->name));
}

/* Fills in each topic once, even if it is named several times. */
static void fill_list(struct metadata *m, const struct metadata_request *in,
                      struct metadata_response *response)
{
    struct map names = MAP_EMPTY, ids = MAP_EMPTY;
    response->topics = schema_array(&metadata_response_topics_schema, (size_t)in->topics_count,
                                    &m->request->arena);
    for (int32_t i = 0; i < in->topics_count; i++) {
        struct metadata_request_topics *asked = &in->topics[i];
        bool by_id = bytes_is_null(asked->name);
        struct bytes key =
            by_id ? bytes_of(asked->topic_id.bytes, sizeof asked->topic_id.bytes) : asked->name;
        if (map_put(by_id ? &ids : &names, key, asked) == NULL)
            fill_asked(m, asked, &response->topics[response->topics_count++]);
    }
    map_free(&names);
    map_free(&ids);
}

static void fill_all(struct metadata *m, struct metadata_response *response)
{
    const struct catalog *catalog = m->home->catalog;
    response->topics_count = (int32_t)catalog_count(catalog);
    response->topics =
        schema_array(&metadata_response_topics_schema, catalog_count(catalog), &m->request->arena);
    for (size_t i = 0; i < catalog_count(catalog); i++)
        fill_topic(m, catalog_at(catalog, i), &response->topics[i]);
}

/* For topics that were named, also if they do not exist, as in Kafka. */
static void fill_operations(const struct metadata_request *in, struct metadata_response *response)
{
    if (in->include_cluster_authorized_operations)
        response->cluster_authorized_operations = OPERATIONS_OF_CLUSTER;
    if (!in->include_topic_authorized_operations)
        return;
    for (int32_t i = 0; i < response->topics_count; i++) {
        if (!bytes_is_null(response->topics[i].name))
            response->topics[i].topic_authorized_operations = OPERATIONS_OF_TOPIC;
    }
}

static bool wants_all(const struct request *request)
{
    const struct metadata_request *in = request->body;
    return request->header.api_version < NULL_IS_ALL_SINCE_VERSION ? in->topics_count == 0
                                                                   : in->topics_count < 0;
}

static void answer(struct metadata *m)
{
    const struct broker *broker = m->home->broker;
    struct metadata_response response;
    struct metadata_response_brokers self = {
        .node_id = broker->node_id,
        .host = bytes_string(m->request->listener->advertised.host),
        .port = m->request->listener->advertised.port,
    };
    schema_defaults(&metadata_response_schema, &response);
    response.brokers = &self;
    response.brokers_count = 1;
    response.cluster_id = bytes_string(broker->cluster_id);
    response.controller_id = broker->node_id;
    if (wants_all(m->request))
        fill_all(m, &response);
    else
        fill_list(m, m->request->body, &response);
    fill_operations(m->request->body, &response);
    request_reply(m->request, &response);
}

/* --- creation on use: to shard 0 and back --- */

static void deliver_home(struct mail *mail, struct shard *home)
{
    struct metadata *m = CONTAINER_OF(mail, struct metadata, mail);
    (void)home;
    arena_take(&m->request->arena, &m->arena);
    answer(m);
}

static void made(struct commit *commit, enum error result)
{
    struct metadata *m = CONTAINER_OF(commit, struct metadata, made);
    for (size_t i = 0; result != ERR_OK && i < m->missing_count; i++)
        m->missing[i].error = KAFKA_LEADER_NOT_AVAILABLE;
    m->mail.deliver = deliver_home;
    shard_post(m->home, &m->mail);
}

static void make_topics(struct change *change, struct controller *c)
{
    struct metadata *m = CONTAINER_OF(change, struct metadata, change);
    for (size_t i = 0; i < m->missing_count; i++) {
        const struct topic_spec spec = {
            .name = m->missing[i].name, .partitions = -1, .replication_factor = -1};
        struct topic *topic = NULL;
        struct api_error error = topic_change_create(c, &spec, false, &m->arena, &topic);
        if (error.code != KAFKA_TOPIC_ALREADY_EXISTS)
            m->missing[i].error = error.code;
        topic_unref(topic);
    }
}

static void deliver_to_controller(struct mail *mail, struct shard *shard)
{
    struct metadata *m = CONTAINER_OF(mail, struct metadata, mail);
    m->change.apply = make_topics;
    m->change.commit = &m->made;
    m->made.done = made;
    controller_submit(shard->controller, &m->change);
}

/* Finds the topics to create: none for "all", and none if the client or the broker forbids it. */
static void find_missing(struct metadata *m)
{
    const struct metadata_request *in = m->request->body;
    if (!m->home->broker->settings->auto_create_topics || !in->allow_auto_topic_creation)
        return;
    for (int32_t i = 0; i < in->topics_count && m->missing_count < AUTO_CREATED_MAX; i++) {
        struct bytes name = in->topics[i].name;
        if (bytes_is_null(name) || catalog_by_name(m->home->catalog, name) ||
            topic_name_fault(name) || topic_name_is_internal(name))
            continue;
        if (m->missing == NULL)
            m->missing = request_alloc(m->request, (size_t)AUTO_CREATED_MAX, sizeof *m->missing);
        m->missing[m->missing_count++].name = name;
    }
}

void metadata_handle(struct shard *shard, struct request *request)
{
    struct metadata *m = request_alloc(request, 1, sizeof *m);
    m->request = request;
    m->home = shard;
    arena_init(&m->arena, CREATE_ARENA_MAX);
    find_missing(m);
    if (m->missing_count == 0) {
        answer(m);
        return;
    }
    m->mail.deliver = deliver_to_controller;
    shard_post(shard->broker->shards[0], &m->mail);
}
