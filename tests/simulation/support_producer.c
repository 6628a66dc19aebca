/* A producer: several batches in flight, and retries of everything that got no answer. */
#include "tests/simulation/support_pipeline.h"
#include "tests/simulation/support_trial.h"

#include <stdio.h>
#include <stdlib.h>

enum { IN_FLIGHT_MAX = 4, VALUE_MAX = 24000, RECORDS_BYTES_MAX = 1 << 20 };

#define EVENT_TIME INT64_C(1700000000000)

/* A batch without an answer. */
struct sending {
    struct exchange exchange;
    struct list_node node;
    struct fact_batch *batch;
    struct bytes records; /* owned */
    bool waiting, was_stored;
};

struct producer {
    struct actor actor;
    int number;
    bool idempotent;
    int16_t acks;
    size_t largest; /* value */
    int64_t id;     /* -1: not known yet */
    struct exchange asks_id;
    bool asking, must_resend;
    struct list sendings; /* in order */
    int count, waiting;
    int32_t sequences[FACT_TOPICS][FACT_PARTITIONS];
    int64_t event_ms;
};

static struct producer *producer_of(struct actor *a)
{
    return CONTAINER_OF(a, struct producer, actor);
}

/* --- batches --- */

static void json_value(struct actor *a, struct buffer *out, uint32_t serial, int index)
{
    int id = (int)actor_below(a, 40);
    buffer_printf(out, "{\"id\":%d,\"x\":%u,\"pad\":\"%0*d\"%s", id, serial * 10 + (unsigned)index,
                  1 + (int)actor_below(a, 120), 0, actor_once_in(a, 12) ? "" : "}");
}

static void plain_value(struct producer *p, struct buffer *out)
{
    size_t most = actor_once_in(&p->actor, 20) ? p->largest : 200;
    size_t size = actor_below(&p->actor, most + 1);
    uint8_t *at = buffer_extend(out, size + 1);
    memset(at, 'a' + (int)actor_below(&p->actor, 26), size + 1);
    for (size_t i = 0; i < size; i += 7)
        at[i] = (uint8_t)actor_below(&p->actor, 256);
}

/* Keys of compacted topics: few, so that most records are replaced. */
enum { KEYS = 12 };
/* The times in which the records of topics with retention.ms are old. */
enum { OLD_PHASE_MS = 1000 };

/* The wall clock of a client is right. */
static int64_t client_time(struct producer *p)
{
    return EVENT_TIME + p->actor.trial->machine.now_ms - (int64_t)actor_below(&p->actor, 300);
}

static void add_keyed(struct producer *p, struct batch_builder *b, struct fact_batch *batch,
                      int index, struct record *record)
{
    char key[16];
    batch->keys[index] = (uint8_t)(1 + actor_below(&p->actor, KEYS));
    batch->tombstones[index] = actor_once_in(&p->actor, 4);
    snprintf(key, sizeof key, "key %d", batch->keys[index]);
    record->key = bytes_string(key);
    record->timestamp = client_time(p);
    if (batch->tombstones[index])
        record->value = BYTES_NULL;
    batch_builder_add(b, record->timestamp, record->key, record->value, record->headers, 1);
    batch->hashes[index] = fact_record_hash(record);
}

static void add_record(struct producer *p, struct batch_builder *b, struct fact_batch *batch,
                       int index)
{
    struct buffer value, headers;
    uint8_t sender[12];
    char key[16];
    bool is_json = strcmp(batch->partition->topic->name, PIPELINE_TOPIC) == 0;
    buffer_init(&value, VALUE_MAX + 4096);
    buffer_init(&headers, 4096);
    if (is_json)
        json_value(&p->actor, &value, batch->serial, index);
    else
        plain_value(p, &value);
    store_be32(sender, batch->producer);
    store_be32(sender + 4, batch->serial);
    store_be32(sender + 8, (uint32_t)index);
    record_headers_append(&headers, BYTES_LITERAL("i"), bytes_of(sender, sizeof sender));
    snprintf(key, sizeof key, "k%d", (int)actor_below(&p->actor, 5));
    int64_t time = EVENT_TIME + p->event_ms - (int64_t)actor_below(&p->actor, 9000);
    if (batch->partition->topic->is_timed)
        time = client_time(p) - (batch->is_old ? 2 * TIMED_RETENTION_MS : 0);
    struct record record = {.timestamp = time,
                            .key = bytes_string(key),
                            .value = buffer_view(&value),
                            .header_count = 1,
                            .headers = buffer_view(&headers)};
    if (batch->partition->topic->compacts) {
        add_keyed(p, b, batch, index, &record);
    } else {
        batch_builder_add(b, time, record.key, record.value, record.headers, 1);
        batch->hashes[index] = fact_record_hash(&record);
    }
    buffer_free(&value);
    buffer_free(&headers);
}

static struct bytes make_batch(struct producer *p, struct fact_batch *batch)
{
    struct buffer out;
    struct batch_builder b;
    int32_t *sequence = &p->sequences[batch->partition->topic - p->actor.trial->facts.topics]
                                     [batch->partition->index];
    buffer_init(&out, RECORDS_BYTES_MAX);
    batch_builder_init(&b, &out,
                       (enum codec)(actor_once_in(&p->actor, 3)
                                        ? actor_below(&p->actor, CODEC_COUNT)
                                        : CODEC_NONE));
    batch->count = 1 + (int)actor_below(&p->actor, FACT_BATCH_RECORDS);
    batch->idempotent = p->idempotent;
    batch->sent_ms = p->actor.trial->machine.now_ms;
    batch->is_old = batch->sent_ms / OLD_PHASE_MS % 3 != 0;
    p->event_ms += 1500;
    for (int i = 0; i < batch->count; i++)
        add_record(p, &b, batch, i);
    batch->begins = *sequence == 0;
    if (p->idempotent) {
        b.producer_id = p->id;
        b.producer_epoch = 0;
        b.base_sequence = *sequence;
        *sequence += batch->count;
    }
    struct bytes made = bytes_copy(batch_builder_finish(&b));
    buffer_free(&out);
    return made;
}

/* --- sending --- */

static void forget(struct producer *p, struct sending *s)
{
    list_remove(&s->node);
    p->count--;
    free((void *)(uintptr_t)s->records.data);
    free(s);
}

static void send_batch(struct producer *p, struct sending *s)
{
    struct fact_partition *target = s->batch->partition;
    struct produce_request request;
    struct produce_request_topic_data_partition_data data = {.index = target->index,
                                                             .records.bytes = s->records};
    struct produce_request_topic_data topic = {.name = bytes_string(target->topic->name),
                                               .partition_data = &data,
                                               .partition_data_count = 1};
    schema_defaults(&produce_request_schema, &request);
    request.acks = p->acks;
    request.timeout_ms = 30000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    actor_note(&p->actor, "sends batch %u%s of %d to %s/%d", s->batch->serial,
               s->batch->sends ? " again" : "", s->batch->count, target->topic->name,
               target->index);
    s->batch->sends++;
    s->was_stored = s->batch->copy_count > 0;
    actor_send(&p->actor, API_PRODUCE, 9, &request, p->acks ? &s->exchange : NULL);
    if (p->acks == 0) {
        p->actor.successes++;
        forget(p, s);
        return;
    }
    s->waiting = true;
    p->waiting++;
}

/* A partition of a topic that exists as far as anyone knows. */
static struct fact_partition *choose_target(struct producer *p)
{
    struct facts *f = &p->actor.trial->facts;
    for (int i = 0; i < 20 && f->topic_count > 0; i++) {
        struct fact_topic *t = &f->topics[actor_below(&p->actor, (uint64_t)f->topic_count)];
        bool is_fixed = !t->is_volatile || actor_once_in(&p->actor, 2);
        /* A request without a reply may arrive at any time, also for a later topic of this name. */
        if (t->is_output || !is_fixed || (t->is_reused && p->acks == 0) ||
            (t->state != TOPIC_EXISTS && t->state != TOPIC_DELETING))
            continue;
        return &t->partitions[actor_below(&p->actor, (uint64_t)t->partition_count)];
    }
    return NULL;
}

/* Whether the producer's first batch for a partition is still without an acknowledgement. The
 * broker, as Kafka's, accepts any sequence number from a producer that it does not know. If it
 * refused the first batch for want of space, it could accept the second one. */
static bool awaits_first(const struct producer *p, const struct fact_partition *target)
{
    LIST_FOR_EACH (node, &p->sendings) {
        const struct fact_batch *b = CONTAINER_OF(node, struct sending, node)->batch;
        if (b->partition == target)
            return b->begins;
    }
    return false;
}

static void begin_batch(struct producer *p)
{
    struct fact_partition *target = choose_target(p);
    if (target == NULL || (p->idempotent && awaits_first(p, target)))
        return;
    struct sending *s = xcalloc(1, sizeof *s);
    s->batch = facts_add_batch(&p->actor.trial->facts, (uint32_t)p->number, target);
    s->records = make_batch(p, s->batch);
    list_append(&p->sendings, &s->node);
    p->count++;
    send_batch(p, s);
}

static void resend(struct producer *p)
{
    p->must_resend = false;
    LIST_FOR_EACH_SAFE (node, &p->sendings) {
        struct sending *s = CONTAINER_OF(node, struct sending, node);
        if (s->batch->partition->topic->state == TOPIC_DELETED)
            forget(p, s);
        else
            send_batch(p, s);
    }
}

static void ask_id(struct producer *p)
{
    struct init_producer_id_request request;
    schema_defaults(&init_producer_id_request_schema, &request);
    request.transaction_timeout_ms = 60000;
    request.producer_id = -1;
    request.producer_epoch = -1;
    p->asking = true;
    actor_send(&p->actor, API_INIT_PRODUCER_ID, 4, &request, &p->asks_id);
}

static void act(struct actor *a)
{
    struct producer *p = producer_of(a);
    actor_wait(a, a->trial->pace_ms);
    if (p->idempotent && p->id < 0) {
        if (!p->asking)
            ask_id(p);
        return;
    }
    if (p->must_resend && p->waiting == 0)
        resend(p);
    else if (!p->must_resend && !a->trial->ending && p->count < IN_FLIGHT_MAX)
        begin_batch(p);
    a->resting = a->trial->ending && p->count == 0;
}

/* --- answers --- */

static void acknowledged(struct producer *p, struct sending *s, int64_t offset)
{
    struct trial *t = p->actor.trial;
    int sent_in = s->batch->first_life;
    actor_note(&p->actor, "batch %u has offset %lld", s->batch->serial, (long long)offset);
    facts_acknowledged(&t->facts, s->batch, offset);
    if (sent_in < t->machine.lives)
        chronicle_reach(&t->chronicle, REACH_RETRY_AFTER_RESTART);
    if (s->was_stored && p->idempotent) {
        chronicle_reach(&t->chronicle, REACH_DUPLICATE);
        if (sent_in < t->machine.lives)
            chronicle_reach(&t->chronicle, REACH_RETRY_STORED_BEFORE);
    }
    p->actor.successes++;
    forget(p, s);
}

/* Whether a batch before this one, for the same partition, was refused. */
static bool follows_refused(struct producer *p, const struct sending *s)
{
    LIST_FOR_EACH (node, &p->sendings) {
        const struct sending *before = CONTAINER_OF(node, struct sending, node);
        if (before == s)
            return false;
        if (before->batch->partition == s->batch->partition && !before->waiting)
            return true;
    }
    return false;
}

static void refused(struct producer *p, struct sending *s, int error)
{
    struct trial *t = p->actor.trial;
    const struct fact_topic *topic = s->batch->partition->topic;
    actor_note(&p->actor, "batch %u got %s", s->batch->serial,
               kafka_error_name((enum kafka_error)error));
    if (error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION && fact_topic_may_be_absent(topic)) {
        forget(p, s);
        return;
    }
    if (error == KAFKA_KAFKA_STORAGE_ERROR && trial_may_be_full(t, &s->exchange))
        chronicle_reach(&t->chronicle, REACH_FULL_REFUSED);
    else if (error == KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER ? !follows_refused(p, s)
                                                         : error != KAFKA_NOT_LEADER_OR_FOLLOWER)
        actor_unexpected(&p->actor, "produce", error);
    p->must_resend = true;
    actor_wait(&p->actor, 100);
}

static void answered(struct actor *a, struct exchange *e, const void *body)
{
    struct producer *p = producer_of(a);
    if (e == &p->asks_id) {
        const struct init_producer_id_response *response = body;
        p->asking = false;
        if (response->error_code == KAFKA_NONE) {
            p->id = response->producer_id;
            facts_producer_id(&a->trial->facts, p->id);
        } else if (response->error_code != KAFKA_NOT_CONTROLLER &&
                   response->error_code != KAFKA_COORDINATOR_NOT_AVAILABLE) {
            actor_unexpected(a, "InitProducerId", response->error_code);
        }
        return;
    }
    const struct produce_response *response = body;
    struct sending *s = CONTAINER_OF(e, struct sending, exchange);
    s->waiting = false;
    p->waiting--;
    const struct produce_response_responses_partition_responses *part =
        &response->responses[0].partition_responses[0];
    if (part->error_code == KAFKA_NONE)
        facts_topic_answered(&a->trial->facts, s->batch->partition->topic, e->sent_step);
    if (part->error_code == KAFKA_NONE)
        acknowledged(p, s, part->base_offset);
    else
        refused(p, s, part->error_code);
}

static void lost(struct actor *a)
{
    struct producer *p = producer_of(a);
    p->asking = false;
    p->waiting = 0;
    p->must_resend = false;
    LIST_FOR_EACH_SAFE (node, &p->sendings) {
        struct sending *s = CONTAINER_OF(node, struct sending, node);
        s->waiting = false;
        if (p->idempotent || (s->batch->sends < FACT_COPIES && actor_once_in(a, 2)))
            p->must_resend = true;
        else
            forget(p, s);
    }
}

static void producer_free(struct actor *a)
{
    struct producer *p = producer_of(a);
    LIST_FOR_EACH_SAFE (node, &p->sendings)
        forget(p, CONTAINER_OF(node, struct sending, node));
    free(p);
}

static const struct actor_ops producer_ops = {act, answered, lost, producer_free};

struct actor *producer_create(struct trial *t, int number)
{
    struct producer *p = xcalloc(1, sizeof *p);
    actor_init(&p->actor, t, &producer_ops, "producer", number);
    p->number = number;
    p->idempotent = number == 0 || !actor_once_in(&p->actor, 3);
    p->acks =
        p->idempotent || !actor_once_in(&p->actor, 3) ? -1 : (int16_t)actor_below(&p->actor, 2);
    p->largest = t->large_values ? 20000 : 450;
    p->id = -1;
    list_init(&p->sendings);
    return &p->actor;
}
