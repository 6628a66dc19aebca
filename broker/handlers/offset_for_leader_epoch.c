/* OffsetForLeaderEpoch: there is one leader and one epoch, which ends at the end of the log. */
#include "broker/broker.h"
#include "broker/handlers/handlers.h"
#include "broker/partition.h"
#include "broker/request/request.h"
#include "broker/request/scatter.h"
#include "protocol/messages.h"

struct epoch_item {
    const struct offset_for_leader_epoch_request_topics_partitions *in;
    struct offset_for_leader_epoch_response_topics_partitions *out;
    struct uuid topic_id;
};

struct epoch_request {
    struct request *request;
    struct offset_for_leader_epoch_response response;
    struct epoch_item *items;
    uint32_t count;
    int *owners;
    struct scatter scatter;
};

static void look(struct scatter_part *part, struct epoch_item *item)
{
    struct partition *p = partition_find(part->shard, item->topic_id, item->in->partition);
    if (p == NULL) {
        item->out->error_code = (int16_t)scatter_error_of_absent(part);
    } else if (item->in->current_leader_epoch > LEADER_EPOCH) {
        item->out->error_code = KAFKA_UNKNOWN_LEADER_EPOCH;
    } else if (item->in->current_leader_epoch >= 0 &&
               item->in->current_leader_epoch < LEADER_EPOCH) {
        item->out->error_code = KAFKA_FENCED_LEADER_EPOCH;
    } else if (item->in->leader_epoch == LEADER_EPOCH) {
        item->out->leader_epoch = LEADER_EPOCH;
        item->out->end_offset = partition_visible_end(p, READ_UNCOMMITTED);
    } /* an epoch that never existed: -1, -1 and no error */
}

static void look_at_items(struct scatter_part *part)
{
    struct epoch_request *e = CONTAINER_OF(part->scatter, struct epoch_request, scatter);
    for (uint32_t i = 0; i < part->count; i++)
        look(part, &e->items[part->items[i]]);
    scatter_part_done(part);
}

static void answer(struct scatter *scatter)
{
    struct epoch_request *e = CONTAINER_OF(scatter, struct epoch_request, scatter);
    scatter_end(scatter, &e->request->arena);
    request_reply(e->request, &e->response);
}

static int place_item(struct shard *home, const struct topic *topic, struct epoch_item *item)
{
    item->out->partition = item->in->partition;
    if (topic == NULL || item->in->partition < 0 || item->in->partition >= topic->partitions) {
        item->out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return SCATTER_NOBODY;
    }
    item->topic_id = topic->id;
    return shard_for_partition(home, topic->id, item->in->partition)->id;
}

static void prepare_topic(struct shard *shard, struct epoch_request *e,
                          const struct offset_for_leader_epoch_request_topics *in,
                          struct offset_for_leader_epoch_response_topics *out)
{
    const struct topic *topic = catalog_by_name(shard->catalog, in->topic);
    out->topic = in->topic;
    out->partitions_count = in->partitions_count;
    out->partitions = schema_array(&offset_for_leader_epoch_response_topics_partitions_schema,
                                   (size_t)in->partitions_count, &e->request->arena);
    for (int32_t i = 0; i < in->partitions_count; i++) {
        struct epoch_item *item = &e->items[e->count];
        item->in = &in->partitions[i];
        item->out = &out->partitions[i];
        e->owners[e->count++] = place_item(shard, topic, item);
    }
}

void offset_for_leader_epoch_handle(struct shard *shard, struct request *request)
{
    const struct offset_for_leader_epoch_request *in = request->body;
    struct epoch_request *e = request_alloc(request, 1, sizeof *e);
    size_t count = 0;
    for (int32_t t = 0; t < in->topics_count; t++)
        count += (size_t)in->topics[t].partitions_count;
    e->request = request;
    e->items = request_alloc(request, count, sizeof *e->items);
    e->owners = request_alloc(request, count, sizeof *e->owners);
    schema_defaults(&offset_for_leader_epoch_response_schema, &e->response);
    e->response.topics_count = in->topics_count;
    e->response.topics = schema_array(&offset_for_leader_epoch_response_topics_schema,
                                      (size_t)in->topics_count, &request->arena);
    for (int32_t t = 0; t < in->topics_count; t++)
        prepare_topic(shard, e, &in->topics[t], &e->response.topics[t]);
    scatter_init(&e->scatter, shard, &request->arena, e->owners, e->count,
                 sizeof(struct scatter_part));
    e->scatter.gathered = answer;
    scatter_run(&e->scatter, look_at_items);
}
