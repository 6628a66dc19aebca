/* OffsetCommit: each partition is checked by itself, the group once for all of them. */
#include "broker/broker.h"
#include "broker/groups/answer.h"
#include "broker/handlers/handlers.h"

struct bytes offset_commit_name(const void *body)
{
    return ((const struct offset_commit_request *)body)->group_id;
}

static enum kafka_error check(const struct shard *shard, const struct topic *topic,
                              const struct offset_commit_request_topics_partitions *in)
{
    if (topic == NULL || in->partition_index < 0 || in->partition_index >= topic->partitions ||
        in->partition_index >= OFFSETS_PARTITION_MAX)
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if ((int64_t)in->committed_metadata.size > shard->broker->settings->offset_metadata_max_bytes)
        return KAFKA_OFFSET_METADATA_TOO_LARGE;
    return KAFKA_NONE;
}

/* Sets the errors of one topic's partitions and collects those to commit. */
static size_t check_topic(struct shard *shard, struct request *request, int64_t retention_ms,
                          const struct offset_commit_request_topics *in,
                          struct offset_commit_response_topics *out, struct offset_item *items)
{
    size_t count = 0;
    const struct topic *topic = catalog_by_name(shard->catalog, in->name);
    out->name = in->name;
    out->partitions_count = in->partitions_count;
    out->partitions = request_alloc(request, (size_t)in->partitions_count, sizeof *out->partitions);
    for (int32_t i = 0; i < in->partitions_count; i++) {
        const struct offset_commit_request_topics_partitions *p = &in->partitions[i];
        enum kafka_error error = check(shard, topic, p);
        out->partitions[i].partition_index = p->partition_index;
        out->partitions[i].error_code = (int16_t)error;
        if (error)
            continue;
        items[count++] = (struct offset_item){
            .topic = in->name,
            .partition = p->partition_index,
            .value = {.offset = p->committed_offset,
                      .leader_epoch = p->committed_leader_epoch,
                      .retention_ms = retention_ms,
                      .metadata = p->committed_metadata},
        };
    }
    return count;
}

/* Every partition that exists gets the group's error. */
static void refuse_all(struct offset_commit_response *out, enum kafka_error error)
{
    for (int32_t t = 0; t < out->topics_count; t++) {
        for (int32_t p = 0; p < out->topics[t].partitions_count; p++) {
            int16_t *code = &out->topics[t].partitions[p].error_code;
            if (*code != KAFKA_UNKNOWN_TOPIC_OR_PARTITION)
                *code = (int16_t)error;
        }
    }
}

void offset_commit_handle(struct shard *shard, struct request *request)
{
    const struct offset_commit_request *in = request->body;
    struct group_answer *answer =
        group_answer_create(request, &offset_commit_response_schema, NULL);
    struct offset_commit_response *out = answer->reply.response;
    size_t partitions = 0, count = 0;
    for (int32_t t = 0; t < in->topics_count; t++)
        partitions += (size_t)in->topics[t].partitions_count;
    struct offset_item *items = request_alloc(request, partitions, sizeof *items);
    out->topics = request_alloc(request, (size_t)in->topics_count, sizeof *out->topics);
    out->topics_count = in->topics_count;
    for (int32_t t = 0; t < in->topics_count; t++)
        count += check_topic(shard, request, MAX(in->retention_time_ms, (int64_t)-1),
                             &in->topics[t], &out->topics[t], items + count);
    const struct group_event who = {
        .member_id = in->member_id,
        .instance_id = in->group_instance_id,
        .generation = in->generation_id_or_member_epoch,
    };
    enum kafka_error error = coordinator_commit(shard->coordinator, in->group_id, &who, items,
                                                count, &answer->reply.commit);
    if (error) {
        refuse_all(out, error);
        durable_reply_now(&answer->reply);
    }
}
