/* DeleteRecords: raises the log start offset of partitions.
 *
 * The log start is a promise that never goes back. So the reply, and every reader, sees it only
 * when its entry is durable. Retention removes the segments that are wholly below it. This broker
 * is the only replica: no other one has to follow, so the request's timeout is not used. */
#include "broker/broker.h"
#include "broker/handlers/handlers.h"
#include "broker/partition.h"
#include "broker/request/durable_reply.h"
#include "broker/request/repeats.h"
#include "broker/topics/controller.h"
#include "protocol/messages.h"

enum { HIGH_WATERMARK = -1 };

struct trim_item {
    const struct delete_records_request_topics_partitions *in;
    struct delete_records_response_topics_partitions *out;
    struct uuid topic_id;
};

struct delete_records {
    struct request *request;
    struct delete_records_response response;
    struct trim_item *items;
    uint32_t count;
    int *owners;
    struct scatter scatter;
};

/* --- on the owner's shard --- */

static struct delete_records *request_of(const struct scatter_part *part)
{
    return CONTAINER_OF(part->scatter, struct delete_records, scatter);
}

static struct trim_item *item_of(const struct scatter_part *part, uint32_t at)
{
    return &request_of(part)->items[part->items[at]];
}

static enum kafka_error check(struct scatter_part *part, const struct partition *p, int64_t offset)
{
    if (p == NULL)
        return scatter_error_of_absent(part);
    if (p->settings.compacted && !topic_log_config(&p->settings).delete_enabled)
        return KAFKA_POLICY_VIOLATION;
    if (offset < 0 || offset > partition_visible_end(p, READ_UNCOMMITTED))
        return KAFKA_OFFSET_OUT_OF_RANGE;
    return KAFKA_NONE;
}

/* Whether the start moves. */
static bool trim(struct scatter_part *part, struct trim_item *item)
{
    struct shard *shard = part->shard;
    struct partition *p = partition_find(shard, item->topic_id, item->in->partition_index);
    int64_t offset = item->in->offset;
    if (p && offset == HIGH_WATERMARK)
        offset = partition_visible_end(p, READ_UNCOMMITTED);
    item->out->error_code = (int16_t)check(part, p, offset);
    if (item->out->error_code != KAFKA_NONE || offset <= log_start_offset(p->log))
        return false;
    trace_log(shard->env->trace, TRACE_DEBUG, "DeleteRecords moves the log start offset",
              F_BYTES("topic", p->topic->name), F_INT("partition", p->index),
              F_INT("from_offset", log_start_offset(p->log)), F_INT("to_offset", offset));
    store_set_log_start(shard->store, p->log, offset);
    return true;
}

/* One line for the whole request: it may have many partitions, and Kafka Streams makes one every
 * half a minute. */
static void say_moved(struct scatter_part *part, const struct trim_item *first, int64_t moved)
{
    struct partition *p = partition_find(part->shard, first->topic_id, first->in->partition_index);
    trace_log(part->shard->env->trace, TRACE_INFO, "DeleteRecords moves log start offsets",
              F_BYTES("first_topic", p->topic->name), F_INT("first_partition", p->index),
              F_INT("to_offset", first->in->offset), F_INT("partitions", moved),
              F_STRING("client_host", request_of(part)->request->client_host));
}

/* The log's start when everything before this request is durable, also a move of somebody else. */
static void show(struct scatter_part *part, struct trim_item *item, enum error result)
{
    if (item->out->error_code != KAFKA_NONE)
        return;
    struct partition *p = partition_find(part->shard, item->topic_id, item->in->partition_index);
    if (result != ERR_OK)
        item->out->error_code = KAFKA_KAFKA_STORAGE_ERROR;
    else if (p == NULL)
        item->out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    else
        item->out->low_watermark = log_start_offset(p->log);
}

static void is_durable(struct commit *commit, enum error result)
{
    struct durable_part *dp = CONTAINER_OF(commit, struct durable_part, commit);
    for (uint32_t i = 0; i < dp->part.count; i++)
        show(&dp->part, item_of(&dp->part, i), result);
    scatter_part_done(&dp->part);
}

/* One entry for all items of the shard. Without a change it is empty, and waits for the entries
 * before it. */
static void trim_items(struct scatter_part *part)
{
    struct durable_part *dp = durable_part_of(part);
    if (part->shard->stopping) { /* the store may be closed */
        for (uint32_t i = 0; i < part->count; i++)
            item_of(part, i)->out->error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
        scatter_part_done(part);
        return;
    }
    dp->commit.done = is_durable;
    store_begin(part->shard->store);
    const struct trim_item *first = NULL;
    int64_t moved = 0;
    for (uint32_t i = 0; i < part->count; i++) {
        if (!trim(part, item_of(part, i)))
            continue;
        first = first ? first : item_of(part, i);
        moved++;
    }
    if (first)
        say_moved(part, first, moved);
    store_commit(part->shard->store, &dp->commit);
}

/* --- at home --- */

static void answer(struct scatter *scatter)
{
    struct delete_records *d = CONTAINER_OF(scatter, struct delete_records, scatter);
    scatter_end(scatter, &d->request->arena);
    request_reply(d->request, &d->response);
}

static int place_item(struct shard *home, const struct topic *topic, bool repeated,
                      struct trim_item *item)
{
    int32_t index = item->in->partition_index;
    item->out->partition_index = index;
    item->out->low_watermark = -1;
    if (topic == NULL || index < 0 || index >= topic->partitions) {
        item->out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    } else if (topic_name_is_internal(topic->name)) {
        item->out->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
    } else if (repeated) {
        item->out->error_code = KAFKA_INVALID_REQUEST;
    } else {
        item->topic_id = topic->id;
        return shard_for_partition(home, topic->id, index)->id;
    }
    return SCATTER_NOBODY;
}

/* The name of a partition in the request, to find repeated ones. */
static struct bytes item_name(struct arena *arena, struct bytes topic, int32_t partition)
{
    uint8_t *name = arena_alloc(arena, topic.size + 4);
    if (topic.size > 0)
        memcpy(name, topic.data, topic.size);
    store_be32(name + topic.size, (uint32_t)partition);
    return bytes_of(name, topic.size + 4);
}

static bool *find_repeats(struct request *request, size_t count)
{
    const struct delete_records_request *in = request->body;
    struct bytes *names = request_alloc(request, count, sizeof *names);
    size_t n = 0;
    for (int32_t t = 0; t < in->topics_count; t++) {
        for (int32_t i = 0; i < in->topics[t].partitions_count; i++)
            names[n++] = item_name(&request->arena, in->topics[t].name,
                                   in->topics[t].partitions[i].partition_index);
    }
    return repeats_find(&request->arena, names, count);
}

static void prepare_topic(struct shard *shard, struct delete_records *d, const bool *repeats,
                          const struct delete_records_request_topics *in,
                          struct delete_records_response_topics *out)
{
    const struct topic *topic = catalog_by_name(shard->catalog, in->name);
    out->name = in->name;
    out->partitions_count = in->partitions_count;
    out->partitions = schema_array(&delete_records_response_topics_partitions_schema,
                                   (size_t)in->partitions_count, &d->request->arena);
    for (int32_t i = 0; i < in->partitions_count; i++) {
        struct trim_item *item = &d->items[d->count];
        item->in = &in->partitions[i];
        item->out = &out->partitions[i];
        d->owners[d->count] = place_item(shard, topic, repeats[d->count], item);
        d->count++;
    }
}

static void prepare(struct shard *shard, struct delete_records *d)
{
    struct request *request = d->request;
    const struct delete_records_request *in = request->body;
    size_t count = 0;
    for (int32_t t = 0; t < in->topics_count; t++)
        count += (size_t)in->topics[t].partitions_count;
    d->items = request_alloc(request, count, sizeof *d->items);
    d->owners = request_alloc(request, count, sizeof *d->owners);
    schema_defaults(&delete_records_response_schema, &d->response);
    d->response.topics_count = in->topics_count;
    d->response.topics = schema_array(&delete_records_response_topics_schema,
                                      (size_t)in->topics_count, &request->arena);
    const bool *repeats = find_repeats(request, count);
    for (int32_t t = 0; t < in->topics_count; t++)
        prepare_topic(shard, d, repeats, &in->topics[t], &d->response.topics[t]);
}

void delete_records_handle(struct shard *shard, struct request *request)
{
    struct delete_records *d = request_alloc(request, 1, sizeof *d);
    d->request = request;
    prepare(shard, d);
    scatter_init(&d->scatter, shard, &request->arena, d->owners, d->count,
                 sizeof(struct durable_part));
    d->scatter.gathered = answer;
    scatter_run(&d->scatter, trim_items);
}
