/* ListOffsets: a log's start or end, or the first record at or after a time. */
#include "base/map.h"
#include "broker/broker.h"
#include "broker/handlers/handlers.h"
#include "broker/partition.h"
#include "broker/request/request.h"
#include "broker/request/scatter.h"
#include "protocol/messages.h"

enum special_timestamp {
    LATEST = -1,
    EARLIEST = -2,
    MAX_TIMESTAMP = -3,
    EARLIEST_LOCAL = -4, /* the same as the earliest: nothing is tiered */
    LATEST_TIERED = -5,  /* nothing is tiered: no offset */
};

enum { NOT_AVAILABLE_SINCE_VERSION = 5 }; /* the error that means: ask again */

/* The first version that knows a special timestamp, by its negative. */
static const int16_t special_since[] = {0, 1, 1, 7, 8, 9};

struct offset_item {
    const struct list_offsets_request_topics_partitions *in;
    struct list_offsets_response_topics_partitions *out;
    struct uuid topic_id;
    struct bytes key; /* topic and partition, to find duplicates */
};

/* The items of one shard, processed one after the other. */
struct offset_part {
    struct scatter_part part;
    struct log_time_job job;
    struct partition *held; /* while the job runs */
    uint32_t at;
};
_Static_assert(offsetof(struct offset_part, part) == 0, "a part begins with its scatter_part");

struct list_offsets {
    struct request *request;
    struct list_offsets_response response;
    struct offset_item *items;
    uint32_t count;
    int *owners;
    enum isolation isolation;
    struct scatter scatter;
};

/* --- on the owner's shard --- */

static void found(struct offset_item *item, int64_t offset, int64_t timestamp)
{
    item->out->offset = offset;
    item->out->timestamp = timestamp;
    item->out->leader_epoch = offset >= 0 ? LEADER_EPOCH : -1;
}

static void look_on(struct offset_part *op);

static struct list_offsets *request_of(const struct offset_part *op)
{
    return CONTAINER_OF(op->part.scatter, struct list_offsets, scatter);
}

static struct offset_item *current_item(const struct offset_part *op)
{
    return &request_of(op)->items[op->part.items[op->at]];
}

/* The end of the log for this client. */
static int64_t end_offset(const struct offset_part *op, const struct partition *p)
{
    return partition_visible_end(p, request_of(op)->isolation);
}

/* Clients try again soon after this answer, which Kafka gives while it does not know an offset. */
static enum kafka_error error_of_wait(const struct offset_part *op)
{
    bool knows = request_of(op)->request->header.api_version >= NOT_AVAILABLE_SINCE_VERSION;
    return knows ? KAFKA_OFFSET_NOT_AVAILABLE : KAFKA_LEADER_NOT_AVAILABLE;
}

static void job_done(struct job *job)
{
    struct log_time_job *time = CONTAINER_OF(job, struct log_time_job, job);
    struct offset_part *op = CONTAINER_OF(time, struct offset_part, job);
    struct offset_item *item = current_item(op);
    struct partition *p = op->held;
    if (p->deleted)
        item->out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    else if (time->result == ERR_NO_FILES)
        item->out->error_code = (int16_t)error_of_wait(op);
    else if (time->result != ERR_OK)
        item->out->error_code = KAFKA_KAFKA_STORAGE_ERROR;
    else
        found(item, time->offset, time->offset >= 0 ? time->found_timestamp : -1);
    op->held = NULL;
    partition_release(op->part.shard, p);
    op->at++;
    look_on(op);
}

static void search(struct offset_part *op, struct partition *p, int64_t timestamp)
{
    op->held = p;
    partition_hold(p);
    op->job = (struct log_time_job){
        .job.done = job_done,
        .log = p->log,
        .timestamp = timestamp == MAX_TIMESTAMP ? (int64_t)LOG_MAX_TIMESTAMP : timestamp,
        .end_offset = end_offset(op, p),
    };
    log_time_submit(op->part.shard->reader, &op->job);
}

static enum kafka_error check_epoch(int32_t epoch)
{
    if (epoch < 0 || epoch == LEADER_EPOCH)
        return KAFKA_NONE;
    return epoch < LEADER_EPOCH ? KAFKA_FENCED_LEADER_EPOCH : KAFKA_UNKNOWN_LEADER_EPOCH;
}

/* False: a job searches and continues when it is done. */
static bool look(struct offset_part *op, struct offset_item *item)
{
    struct partition *p = partition_find(op->part.shard, item->topic_id, item->in->partition_index);
    enum kafka_error error =
        p ? check_epoch(item->in->current_leader_epoch) : scatter_error_of_absent(&op->part);
    item->out->error_code = (int16_t)error;
    if (error != KAFKA_NONE)
        return true;
    switch (item->in->timestamp) {
    case LATEST:
        found(item, end_offset(op, p), -1);
        return true;
    case EARLIEST:
    case EARLIEST_LOCAL:
        found(item, log_start_offset(p->log), -1);
        return true;
    case LATEST_TIERED:
        found(item, -1, -1);
        return true;
    default:
        search(op, p, item->in->timestamp);
        return false;
    }
}

static void look_on(struct offset_part *op)
{
    for (; op->at < op->part.count; op->at++) {
        if (!look(op, current_item(op)))
            return;
    }
    scatter_part_done(&op->part);
}

static void look_at_items(struct scatter_part *part)
{
    look_on(CONTAINER_OF(part, struct offset_part, part));
}

/* --- at home --- */

static void answer(struct scatter *scatter)
{
    struct list_offsets *l = CONTAINER_OF(scatter, struct list_offsets, scatter);
    scatter_end(scatter, &l->request->arena);
    request_reply(l->request, &l->response);
}

static bool knows_timestamp(int16_t version, int64_t timestamp)
{
    if (timestamp >= 0)
        return true;
    return timestamp >= LATEST_TIERED && version >= special_since[-timestamp];
}

static int place_item(struct shard *home, struct list_offsets *l, const struct topic *topic,
                      struct offset_item *item)
{
    int32_t index = item->in->partition_index;
    item->out->partition_index = index;
    if (!knows_timestamp(l->request->header.api_version, item->in->timestamp)) {
        item->out->error_code = KAFKA_UNSUPPORTED_VERSION;
    } else if (topic == NULL || index < 0 || index >= topic->partitions) {
        item->out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    } else {
        item->topic_id = topic->id;
        return shard_for_partition(home, topic->id, index)->id;
    }
    return SCATTER_NOBODY;
}

/* A partition that is listed twice gets the error at both places. */
static void refuse_duplicates(struct list_offsets *l)
{
    struct map seen = MAP_EMPTY;
    for (uint32_t i = 0; i < l->count; i++) {
        struct offset_item *item = &l->items[i], *first = map_get(&seen, item->key);
        if (first == NULL) {
            map_put(&seen, item->key, item);
            continue;
        }
        first->out->error_code = item->out->error_code = KAFKA_INVALID_REQUEST;
        l->owners[first - l->items] = l->owners[i] = SCATTER_NOBODY;
    }
    map_free(&seen);
}

static struct bytes item_key(struct arena *arena, struct bytes topic, int32_t partition)
{
    uint8_t *key = arena_alloc(arena, topic.size + 4);
    if (topic.size > 0)
        memcpy(key, topic.data, topic.size);
    store_be32(key + topic.size, (uint32_t)partition);
    return bytes_of(key, topic.size + 4);
}

static void prepare_topic(struct shard *shard, struct list_offsets *l,
                          const struct list_offsets_request_topics *in,
                          struct list_offsets_response_topics *out)
{
    struct arena *arena = &l->request->arena;
    const struct topic *topic = catalog_by_name(shard->catalog, in->name);
    out->name = in->name;
    out->partitions_count = in->partitions_count;
    out->partitions = schema_array(&list_offsets_response_topics_partitions_schema,
                                   (size_t)in->partitions_count, arena);
    for (int32_t i = 0; i < in->partitions_count; i++) {
        struct offset_item *item = &l->items[l->count];
        item->in = &in->partitions[i];
        item->out = &out->partitions[i];
        item->key = item_key(arena, in->name, item->in->partition_index);
        l->owners[l->count++] = place_item(shard, l, topic, item);
    }
}

static void prepare(struct shard *shard, struct list_offsets *l)
{
    struct request *request = l->request;
    const struct list_offsets_request *in = request->body;
    size_t count = 0;
    for (int32_t t = 0; t < in->topics_count; t++)
        count += (size_t)in->topics[t].partitions_count;
    l->isolation = isolation_of_request(in->isolation_level);
    l->items = request_alloc(request, count, sizeof *l->items);
    l->owners = request_alloc(request, count, sizeof *l->owners);
    schema_defaults(&list_offsets_response_schema, &l->response);
    l->response.topics_count = in->topics_count;
    l->response.topics = schema_array(&list_offsets_response_topics_schema,
                                      (size_t)in->topics_count, &request->arena);
    for (int32_t t = 0; t < in->topics_count; t++)
        prepare_topic(shard, l, &in->topics[t], &l->response.topics[t]);
    refuse_duplicates(l);
}

void list_offsets_handle(struct shard *shard, struct request *request)
{
    struct list_offsets *l = request_alloc(request, 1, sizeof *l);
    l->request = request;
    prepare(shard, l);
    scatter_init(&l->scatter, shard, &request->arena, l->owners, l->count,
                 sizeof(struct offset_part));
    l->scatter.gathered = answer;
    scatter_run(&l->scatter, look_at_items);
}
