/* OffsetDelete: single offsets, unless a member subscribes to their topic. */
#include "broker/groups/answer.h"
#include "broker/handlers/handlers.h"

struct bytes offset_delete_name(const void *body)
{
    return ((const struct offset_delete_request *)body)->group_id;
}

static size_t collect(struct shard *shard, const struct offset_delete_request *in,
                      struct offset_item *items)
{
    size_t count = 0;
    for (int32_t t = 0; t < in->topics_count; t++) {
        const struct offset_delete_request_topics *topic = &in->topics[t];
        const struct topic *known = catalog_by_name(shard->catalog, topic->name);
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            int32_t partition = topic->partitions[p].partition_index;
            bool exists = known && partition >= 0 && partition < known->partitions;
            items[count++] = (struct offset_item){
                .topic = topic->name,
                .partition = partition,
                .error = exists ? KAFKA_NONE : KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
            };
        }
    }
    return count;
}

static void show(struct request *request, const struct offset_item *items,
                 struct offset_delete_response *out)
{
    const struct offset_delete_request *in = request->body;
    out->topics = request_alloc(request, (size_t)in->topics_count, sizeof *out->topics);
    out->topics_count = in->topics_count;
    for (int32_t t = 0; t < in->topics_count; t++) {
        struct offset_delete_response_topics *topic = &out->topics[t];
        topic->name = in->topics[t].name;
        topic->partitions_count = in->topics[t].partitions_count;
        topic->partitions =
            request_alloc(request, (size_t)topic->partitions_count, sizeof *topic->partitions);
        for (int32_t p = 0; p < topic->partitions_count; p++, items++) {
            topic->partitions[p].partition_index = items->partition;
            topic->partitions[p].error_code = (int16_t)items->error;
        }
    }
}

static enum kafka_error delete_offsets(struct shard *shard, struct request *request,
                                       struct offset_delete_response *out)
{
    const struct offset_delete_request *in = request->body;
    if (in->group_id.size == 0)
        return KAFKA_INVALID_GROUP_ID;
    size_t partitions = 0;
    for (int32_t t = 0; t < in->topics_count; t++)
        partitions += (size_t)in->topics[t].partitions_count;
    struct offset_item *items = request_alloc(request, partitions, sizeof *items);
    size_t count = collect(shard, in, items);
    enum kafka_error error =
        coordinator_delete_offsets(shard->coordinator, in->group_id, items, count);
    if (!error)
        show(request, items, out);
    return error;
}

void offset_delete_handle(struct shard *shard, struct request *request)
{
    struct group_answer *answer =
        group_answer_create(request, &offset_delete_response_schema, NULL);
    struct offset_delete_response *out = answer->reply.response;
    out->error_code = (int16_t)delete_offsets(shard, request, out);
    coordinator_when_durable(shard->coordinator, &answer->reply.commit);
}
