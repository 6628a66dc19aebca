#include "client-tools/cluster/producer.h"

#include "base/murmur2.h"
#include "base/random.h"
#include "client-tools/cluster/link.h"
#include "protocol/kafka_error.h"

#include <stdio.h>
#include <time.h>

enum {
    MAX_PENDING_BYTES = 8 << 20,
    MAX_BATCH_BYTES = 100 << 20,
    REQUEST_TIMEOUT_MS = 30000,
    RETRY_MS = 100,
    MAX_ARENA = 256 << 20,
};

void producer_init(struct producer *p, struct client *client)
{
    *p = (struct producer){
        .client = client, .acks = -1, .batch_bytes = 256 << 10, .partition = -1, .id = -1};
    arena_init(&p->arena, MAX_ARENA);
}

void producer_free(struct producer *p)
{
    for (struct producer_topic *t = p->topics; t; t = t->next) {
        for (int32_t i = 0; i < t->partition_count; i++) {
            if (t->partitions[i].pending > 0)
                batch_builder_free(&t->partitions[i].builder);
            buffer_free(&t->partitions[i].bytes);
        }
    }
    arena_free(&p->arena);
}

static struct producer_topic *find_topic(struct producer *p, struct bytes name, struct failure *f)
{
    for (struct producer_topic *t = p->topics; t; t = t->next) {
        if (bytes_equal(t->name, name))
            return t;
    }
    struct topic_info info;
    if (!cluster_topic(p->client, name, true, &p->arena, &info, f))
        return NULL;
    struct producer_topic *t = arena_alloc(&p->arena, sizeof *t);
    *t = (struct producer_topic){.next = p->topics,
                                 .turn = (uint32_t)random_u64(random_system()),
                                 .name = arena_copy(&p->arena, name),
                                 .partition_count = info.partition_count};
    t->partitions = arena_array(&p->arena, (size_t)info.partition_count, sizeof *t->partitions);
    for (int32_t i = 0; i < info.partition_count; i++) {
        t->partitions[i] = (struct producer_partition){.index = info.partitions[i].index,
                                                       .leader = info.partitions[i].leader,
                                                       .first_offset = -1,
                                                       .last_offset = -1};
        buffer_init(&t->partitions[i].bytes, MAX_BATCH_BYTES);
    }
    p->topics = t;
    return t;
}

static struct producer_partition *choose(const struct producer *p, const struct producer_topic *t,
                                         int32_t wanted, struct bytes key)
{
    uint32_t count = (uint32_t)t->partition_count;
    if (p->partition >= 0)
        wanted = p->partition;
    if (wanted >= 0 && wanted < t->partition_count)
        return &t->partitions[wanted];
    return &t->partitions[bytes_is_null(key) ? (int32_t)(t->turn % count)
                                             : murmur2_partition(key, (int32_t)count)];
}

bool producer_add(struct producer *p, const struct record_place *place, const struct record *record,
                  struct failure *f)
{
    struct producer_topic *t = find_topic(p, place->topic, f);
    if (t == NULL)
        return false;
    if (t->partition_count == 0)
        return fail_kafka(f, KAFKA_LEADER_NOT_AVAILABLE, BYTES_NULL, "topic %.*s",
                          BYTES_PRINTF(t->name));
    if (p->partition >= t->partition_count)
        return fail(f, "UNKNOWN_TOPIC_OR_PARTITION",
                    "topic %.*s has no partition %d; it has %d partitions, numbered from 0",
                    BYTES_PRINTF(t->name), p->partition, t->partition_count);
    struct producer_partition *to = choose(p, t, place->partition, record->key);
    enum { RECORD_OVERHEAD = 16 };
    size_t size = record->key.size + record->value.size + record->headers.size + RECORD_OVERHEAD;
    if (to->pending > 0 && batch_builder_size(&to->builder) + size > p->batch_bytes &&
        !producer_flush(p, f))
        return false;
    if (p->failed)
        return true;
    if (to->pending == 0)
        batch_builder_init(&to->builder, &to->bytes, p->codec);
    batch_builder_add(&to->builder, record->timestamp, record->key, record->value, record->headers,
                      record->header_count);
    to->pending++;
    p->pending_bytes += size;
    return p->pending_bytes < MAX_PENDING_BYTES || producer_flush(p, f);
}

/* Asks for the producer id. */
static bool prepare_id(struct producer *p, struct failure *f)
{
    if (!p->idempotent || p->id >= 0)
        return true;
    if (client_version(p->client, ANY_NODE, API_INIT_PRODUCER_ID) < 0) {
        p->idempotent = false;
        return true;
    }
    struct init_producer_id_request request;
    struct init_producer_id_response response;
    schema_defaults(&init_producer_id_request_schema, &request);
    request.transactional_id = BYTES_NULL;
    if (!client_call(p->client, ANY_NODE, API_INIT_PRODUCER_ID, &request, &p->arena, &response, f))
        return false;
    if (response.error_code != 0)
        return fail_kafka(f, response.error_code, BYTES_NULL, "InitProducerId");
    p->id = response.producer_id;
    p->epoch = response.producer_epoch;
    return true;
}

static void number_batch(const struct producer *p, struct producer_partition *to)
{
    if (p->id < 0)
        return;
    to->builder.producer_id = p->id;
    to->builder.producer_epoch = p->epoch;
    to->builder.base_sequence = to->sequence;
    to->sequence = (int32_t)(((uint32_t)to->sequence + (uint32_t)to->pending) & INT32_MAX);
}

/* Finishes the batch of each partition in `bytes`. */
static bool build_batches(struct producer *p, struct failure *f)
{
    for (struct producer_topic *t = p->topics; t; t = t->next) {
        for (int32_t i = 0; i < t->partition_count; i++) {
            struct producer_partition *to = &t->partitions[i];
            if (to->pending == 0 || to->bytes.size > 0) /* empty, or built by an earlier try */
                continue;
            number_batch(p, to);
            if (batch_builder_finish(&to->builder).size == 0)
                return fail(f, "MESSAGE_TOO_LARGE", "%.*s/%d: a batch is larger than 100 MiB",
                            BYTES_PRINTF(t->name), to->index);
        }
    }
    p->pending_bytes = 0;
    return true;
}

/* Fills in the batches for one leader; false when there is none. */
static bool fill_request(struct producer *p, int32_t leader, struct arena *arena,
                         struct produce_request *request)
{
    schema_defaults(&produce_request_schema, request);
    request->acks = p->acks;
    request->timeout_ms = REQUEST_TIMEOUT_MS;
    size_t topic_count = 0;
    for (struct producer_topic *t = p->topics; t; t = t->next)
        topic_count++;
    request->topic_data = schema_array(&produce_request_topic_data_schema, topic_count, arena);
    for (struct producer_topic *t = p->topics; t; t = t->next) {
        struct produce_request_topic_data *out = &request->topic_data[request->topic_data_count];
        out->name = t->name;
        for (int32_t i = 0; i < t->partition_count; i++) {
            const struct producer_partition *from = &t->partitions[i];
            if (from->leader != leader || from->bytes.size == 0)
                continue;
            if (out->partition_data_count == 0)
                out->partition_data =
                    schema_array(&produce_request_topic_data_partition_data_schema,
                                 (size_t)(t->partition_count - i), arena);
            struct produce_request_topic_data_partition_data *data =
                &out->partition_data[out->partition_data_count++];
            data->index = from->index;
            data->records.bytes = buffer_view(&from->bytes);
        }
        request->topic_data_count += out->partition_data_count > 0;
    }
    return request->topic_data_count > 0;
}

/* Whether the error says for certain that nothing was appended. */
static bool may_try_again(int code)
{
    return code == KAFKA_NOT_LEADER_OR_FOLLOWER || code == KAFKA_LEADER_NOT_AVAILABLE ||
           code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION || code == KAFKA_NOT_ENOUGH_REPLICAS ||
           code == KAFKA_KAFKA_STORAGE_ERROR || code == KAFKA_THROTTLING_QUOTA_EXCEEDED;
}

static void settle(struct producer *p, struct producer_partition *to, int16_t code,
                   int64_t base_offset, struct bytes message, bool last_try)
{
    if (code != 0 && may_try_again(code) && !last_try)
        return;                                    /* the batch stays, for another try */
    if (code == KAFKA_DUPLICATE_SEQUENCE_NUMBER) { /* appended before; offset unknown */
        code = 0;
        base_offset = -1;
    }
    if (code == 0) {
        to->records += to->pending;
        if (base_offset >= 0) {
            to->first_offset = to->first_offset < 0 ? base_offset : to->first_offset;
            to->last_offset = base_offset + to->pending - 1;
        }
    } else {
        to->error_code = code;
        to->error_message = arena_copy(&p->arena, message);
        p->failed = true;
    }
    to->pending = 0;
    buffer_clear(&to->bytes);
}

static struct producer_partition *find_partition(struct producer *p, struct bytes topic,
                                                 int32_t index)
{
    for (struct producer_topic *t = p->topics; t; t = t->next) {
        for (int32_t i = 0; bytes_equal(t->name, topic) && i < t->partition_count; i++) {
            if (t->partitions[i].index == index)
                return &t->partitions[i];
        }
    }
    return NULL;
}

static void take_response(struct producer *p, const struct produce_response *response,
                          bool last_try)
{
    for (int32_t t = 0; t < response->responses_count; t++) {
        const struct produce_response_responses *topic = &response->responses[t];
        for (int32_t i = 0; i < topic->partition_responses_count; i++) {
            const struct produce_response_responses_partition_responses *r =
                &topic->partition_responses[i];
            struct producer_partition *to = find_partition(p, topic->name, r->index);
            if (to && to->pending > 0)
                settle(p, to, r->error_code, r->base_offset, r->error_message, last_try);
        }
    }
}

static bool send_to(struct producer *p, int32_t leader, bool last_try, struct failure *f)
{
    struct arena arena;
    arena_init(&arena, MAX_ARENA);
    struct produce_request request;
    struct produce_response response;
    bool good = true;
    if (!fill_request(p, leader, &arena, &request)) {
        /* nothing to send to this leader */
    } else if (p->acks == 0) {
        good = client_send(p->client, leader, API_PRODUCE, &request, f);
        for (struct producer_topic *t = p->topics; good && t; t = t->next) {
            for (int32_t i = 0; i < t->partition_count; i++) {
                if (t->partitions[i].leader == leader && t->partitions[i].pending > 0)
                    settle(p, &t->partitions[i], 0, -1, BYTES_NULL, true);
            }
        }
    } else {
        good = client_call_waiting(p->client, leader, API_PRODUCE, &request, &arena, &response,
                                   REQUEST_TIMEOUT_MS, f);
        if (good)
            take_response(p, &response, last_try);
    }
    arena_free(&arena);
    return good;
}

/* Whether to try again after a lost connection. Without sequence numbers the broker could not see
 * that it has a batch already. */
static bool survive(struct producer *p, bool last_try, struct failure *f)
{
    if (p->id < 0 || last_try || f->exit != EXIT_UNREACHABLE)
        return false;
    if (p->lost_since_ms == 0 && !p->quiet)
        fprintf(stderr, "%s; retrying\n", f->message.text);
    if (p->lost_since_ms == 0)
        p->lost_since_ms = link_now_ms();
    return true;
}

static void update_leaders(struct producer *p)
{
    for (struct producer_topic *t = p->topics; t; t = t->next) {
        struct topic_info info;
        struct failure ignored;
        if (!cluster_topic(p->client, t->name, false, &p->arena, &info, &ignored))
            continue;
        for (int32_t i = 0; i < MIN(info.partition_count, t->partition_count); i++)
            t->partitions[i].leader = info.partitions[i].leader;
    }
}

/* The next leader with batches to send, or -2 when all are sent. */
static int32_t next_leader(const struct producer *p, int32_t after)
{
    enum { NONE = -2 };
    int32_t next = NONE;
    for (const struct producer_topic *t = p->topics; t; t = t->next) {
        for (int32_t i = 0; i < t->partition_count; i++) {
            int32_t leader = t->partitions[i].leader;
            if (t->partitions[i].pending > 0 && leader > after && (next == NONE || leader < next))
                next = leader;
        }
    }
    return next;
}

bool producer_flush(struct producer *p, struct failure *f)
{
    if (!prepare_id(p, f) || !build_batches(p, f))
        return false;
    p->lost_since_ms = 0;
    int64_t give_up_ms = link_now_ms() + p->timeout_ms;
    while (next_leader(p, -2) != -2) {
        bool last_try = link_now_ms() >= give_up_ms;
        for (int32_t leader = next_leader(p, -2); leader != -2; leader = next_leader(p, leader)) {
            if (leader >= 0 && !send_to(p, leader, last_try, f) && !survive(p, last_try, f))
                return false;
        }
        if (next_leader(p, -2) == -2)
            break;
        if (last_try)
            return fail_kafka(f, KAFKA_LEADER_NOT_AVAILABLE, BYTES_NULL, "produce");
        struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
        nanosleep(&pause, NULL);
        update_leaders(p);
    }
    for (struct producer_topic *t = p->topics; t; t = t->next)
        t->turn++;
    return true;
}
