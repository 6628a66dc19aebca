/* Produce: each partition's batch goes to the shard that owns the partition. The reply is sent when
 * all batches are durable. */
#include "broker/broker.h"
#include "broker/handlers/handlers.h"
#include "broker/produce/append.h"
#include "broker/request/durable_reply.h"
#include "broker/topics/controller.h"
#include "protocol/messages.h"

struct produce_item {
    const struct produce_request_topic_data_partition_data *in;
    struct produce_response_responses_partition_responses *out;
    struct uuid topic_id;
    bool needs_disk; /* acknowledged only if its part's commit succeeds */
};

struct produce {
    struct request *request;
    struct produce_response response;
    struct produce_item *items;
    uint32_t count;
    struct scatter scatter;
};

enum { ACKS_NONE = 0, ACKS_LEADER = 1, ACKS_ALL = -1 };

static struct produce *produce_of(struct scatter_part *part)
{
    return CONTAINER_OF(part->scatter, struct produce, scatter);
}

/* --- on the owner's shard --- */

static void note_bad_records(struct produce_item *item, const struct append_result *result,
                             struct arena *arena)
{
    if (result->bad_record_count == 0)
        return;
    item->out->record_errors =
        schema_array(&produce_response_responses_partition_responses_record_errors_schema,
                     (size_t)result->bad_record_count, arena);
    if (item->out->record_errors == NULL)
        return;
    item->out->record_errors_count = result->bad_record_count;
    for (int32_t i = 0; i < result->bad_record_count; i++) {
        item->out->record_errors[i].batch_index = result->bad_records[i].index;
        item->out->record_errors[i].batch_index_error_message = result->bad_records[i].text;
    }
}

/* This broker is the only replica, unless clamping lets it count as the requested number. */
static enum kafka_error check_replicas(const struct produce *produce, const struct partition *p,
                                       const struct shard *shard)
{
    const struct produce_request *in = produce->request->body;
    if (in->acks != ACKS_ALL || p->settings.min_insync_replicas <= 1 ||
        shard->broker->settings->clamp_replication_factor)
        return KAFKA_NONE;
    return KAFKA_NOT_ENOUGH_REPLICAS;
}

static void append_item(struct append *append, struct produce *produce, struct scatter_part *part,
                        struct produce_item *item)
{
    struct partition *p = partition_find(part->shard, item->topic_id, item->in->index);
    enum kafka_error error =
        p ? check_replicas(produce, p, part->shard) : scatter_error_of_absent(part);
    item->out->error_code = (int16_t)error;
    if (error != KAFKA_NONE)
        return;
    const struct append_input input = {
        .buffer = produce->request->frame,
        .records = item->in->records.bytes,
        .api_version = produce->request->header.api_version,
    };
    struct append_result result;
    append_batch(append, p, &input, &part->arena, &result);
    item->needs_disk = result.error == KAFKA_NONE;
    item->out->error_code = (int16_t)result.error;
    item->out->error_message = bytes_string(result.message);
    item->out->base_offset = result.base_offset;
    item->out->log_append_time_ms = result.append_time_ms;
    item->out->log_start_offset = result.error ? -1 : log_start_offset(p->log);
    note_bad_records(item, &result, &part->arena);
}

static void append_items(struct scatter_part *part)
{
    struct produce *produce = produce_of(part);
    const struct produce_request *in = produce->request->body;
    struct append append;
    append_begin(&append, part->shard);
    for (uint32_t i = 0; i < part->count; i++)
        append_item(&append, produce, part, &produce->items[part->items[i]]);
    if (!append_end(&append, in->acks == ACKS_NONE ? NULL : durable_part_commit(part)))
        scatter_part_done(part);
}

/* --- at home --- */

/* The journal failed: it is unknown whether the batches are stored. */
static void fail_items(struct scatter_part *part)
{
    struct produce *produce = produce_of(part);
    for (uint32_t i = 0; i < part->count; i++) {
        struct produce_item *item = &produce->items[part->items[i]];
        if (!item->needs_disk)
            continue;
        item->out->error_code = KAFKA_KAFKA_STORAGE_ERROR;
        item->out->base_offset = item->out->log_append_time_ms = item->out->log_start_offset = -1;
    }
}

static void fail_lost_parts(struct scatter *scatter)
{
    for (int i = 0; i < scatter->part_count; i++) {
        if (durable_part_of(scatter->parts[i])->result != ERR_OK)
            fail_items(scatter->parts[i]);
    }
}

static bool has_errors(const struct produce *produce)
{
    for (uint32_t i = 0; i < produce->count; i++) {
        if (produce->items[i].out->error_code != KAFKA_NONE)
            return true;
    }
    return false;
}

/* With acks=0 a client learns of errors only by losing the connection. */
static void answer(struct scatter *scatter)
{
    struct produce *produce = CONTAINER_OF(scatter, struct produce, scatter);
    struct request *request = produce->request;
    const struct produce_request *in = request->body;
    fail_lost_parts(scatter);
    scatter_end(scatter, &request->arena);
    if (in->acks != ACKS_NONE)
        request_reply(request, &produce->response);
    else if (has_errors(produce))
        request_fail(request, "a batch was refused; acks=0 gets no response");
    else
        request_no_reply(request);
}

/* Finds the shard for the item's batch, or sets its error. */
static int place_item(struct shard *home, const struct produce_request *in, struct bytes name,
                      const struct topic *topic, struct produce_item *item)
{
    item->out->index = item->in->index;
    item->out->base_offset = -1;
    if (in->acks < ACKS_ALL || in->acks > ACKS_LEADER) {
        item->out->error_code = KAFKA_INVALID_REQUIRED_ACKS;
    } else if (topic_name_is_internal(name)) {
        item->out->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
    } else if (topic == NULL || item->in->index < 0 || item->in->index >= topic->partitions) {
        item->out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    } else {
        item->topic_id = topic->id;
        return shard_for_partition(home, topic->id, item->in->index)->id;
    }
    return SCATTER_NOBODY;
}

static uint32_t count_items(const struct produce_request *in)
{
    uint32_t count = 0;
    for (int32_t t = 0; t < in->topic_data_count; t++)
        count += (uint32_t)in->topic_data[t].partition_data_count;
    return count;
}

/* Makes the items and the response; returns the items' owners. */
static int *prepare(struct shard *shard, struct produce *produce)
{
    struct request *request = produce->request;
    const struct produce_request *in = request->body;
    uint32_t count = count_items(in);
    int *owners = request_alloc(request, count, sizeof *owners);
    produce->items = request_alloc(request, count, sizeof *produce->items);
    schema_defaults(&produce_response_schema, &produce->response);
    struct produce_response_responses *topics = schema_array(
        &produce_response_responses_schema, (size_t)in->topic_data_count, &request->arena);
    produce->response.responses = topics;
    produce->response.responses_count = in->topic_data_count;
    for (int32_t t = 0; t < in->topic_data_count; t++) {
        const struct produce_request_topic_data *data = &in->topic_data[t];
        const struct topic *topic = catalog_by_name(shard->catalog, data->name);
        topics[t].name = data->name;
        topics[t].partition_responses =
            schema_array(&produce_response_responses_partition_responses_schema,
                         (size_t)data->partition_data_count, &request->arena);
        topics[t].partition_responses_count = data->partition_data_count;
        for (int32_t i = 0; i < data->partition_data_count; i++) {
            struct produce_item *item = &produce->items[produce->count];
            item->in = &data->partition_data[i];
            item->out = &topics[t].partition_responses[i];
            owners[produce->count++] = place_item(shard, in, data->name, topic, item);
        }
    }
    return owners;
}

void produce_handle(struct shard *shard, struct request *request)
{
    struct produce *produce = request_alloc(request, 1, sizeof *produce);
    produce->request = request;
    const int *owners = prepare(shard, produce);
    struct scatter *s = &produce->scatter;
    scatter_init(s, shard, &request->arena, owners, produce->count, sizeof(struct durable_part));
    s->gathered = answer;
    scatter_run(s, append_items);
}
