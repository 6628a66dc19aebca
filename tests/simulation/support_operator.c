/* An operator: adds partitions, changes configs of topics and reads them back, and deletes records.
 *
 * It repeats a request until it has an answer, and begins the next one only when no lost request
 * can be executed any more: a late one would undo what came after it. */
#include "broker/config/configs.h"
#include "broker/config/overrides.h"
#include "tests/simulation/support_pipeline.h"
#include "tests/simulation/support_trial.h"

#include <stdlib.h>

enum { VALUES_MAX = 4, NONE = -1 };

struct alteration {
    const char *topic, *key, *values[VALUES_MAX];
    enum reach reach;
};

static const struct alteration alterations[] = {
    {"keys", "cleanup.policy", {"compact", "delete", "compact,delete"}, REACH_POLICY},
    {"keys", "min.cleanable.dirty.ratio", {"0.01", "0.5"}, REACH_ALTERED},
    {"keys", "min.compaction.lag.ms", {"0", "300"}, REACH_ALTERED},
    {"ends", "cleanup.policy", {"compact,delete", "delete", "compact"}, REACH_POLICY},
    {"ends", "max.compaction.lag.ms", {"500", "3000"}, REACH_ALTERED},
    {"ends", "segment.index.bytes", {"32", "80"}, REACH_ALTERED},
    {"trim", "retention.bytes", {"4000", "9000", "6000"}, REACH_ALTERED},
    {"trim", "segment.index.bytes", {"32", "64"}, REACH_ALTERED},

    /* Without windows the watermark changes nothing in the output. */
    {PIPELINE_TOPIC, "processor.even.watermark.idle", {"off", "20d"}, REACH_PROCESSOR_ALTERED},
};

enum task { IDLE, GROW, ALTER, DESCRIBE, TRIM };

struct operator
{
    struct actor actor;
    struct exchange exchange;
    struct late_requests late;
    enum task task; /* of the request under way or a lost one */
    bool waiting, retried;
    int altering, value;               /* ALTER, DESCRIBE */
    int values[COUNT_OF(alterations)]; /* the acknowledged ones; NONE: not changed yet */
    struct fact_partition *trimmed;    /* TRIM */
    int64_t trim_to, trim_floor;
};

static struct operator* operator_of(struct actor *a)
{
    return CONTAINER_OF(a, struct operator, actor);
}

static struct fact_topic *find_topic(struct operator* o, const char *name)
{
    struct fact_topic *t = facts_topic(&o->actor.trial->facts, name);
    return t && t->state == TOPIC_EXISTS ? t : NULL;
}

/* --- requests --- */

static void grow(struct operator* o)
{
    struct fact_topic *t = find_topic(o, "grow");
    struct create_partitions_request request;
    struct create_partitions_request_topics topic = {
        .name = bytes_string(t->name), .count = t->asked_count, .assignments_count = -1};
    schema_defaults(&create_partitions_request_schema, &request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    actor_note(&o->actor, "wants %d partitions of %s", t->asked_count, t->name);
    actor_send(&o->actor, API_CREATE_PARTITIONS, 3, &request, &o->exchange);
}

static void alter(struct operator* o)
{
    const struct alteration *a = &alterations[o->altering];
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_request_resources_configs config = {
        bytes_string(a->key), ALTER_SET, bytes_string(a->values[o->value])};
    struct incremental_alter_configs_request_resources resource = {
        RESOURCE_TOPIC, bytes_string(a->topic), &config, 1};
    schema_defaults(&incremental_alter_configs_request_schema, &request);
    request.resources = &resource;
    request.resources_count = 1;
    actor_note(&o->actor, "sets %s of %s to %s", a->key, a->topic, a->values[o->value]);
    actor_send(&o->actor, API_INCREMENTAL_ALTER_CONFIGS, 1, &request, &o->exchange);
}

static void describe(struct operator* o)
{
    const struct alteration *a = &alterations[o->altering];
    struct describe_configs_request request;
    struct bytes key = bytes_string(a->key);
    struct describe_configs_request_resources resource = {RESOURCE_TOPIC, bytes_string(a->topic),
                                                          &key, 1};
    schema_defaults(&describe_configs_request_schema, &request);
    request.resources = &resource;
    request.resources_count = 1;
    actor_send(&o->actor, API_DESCRIBE_CONFIGS, 4, &request, &o->exchange);
}

static void trim(struct operator* o)
{
    struct delete_records_request request;
    struct delete_records_request_topics_partitions part = {o->trimmed->index, o->trim_to};
    struct delete_records_request_topics topic = {bytes_string(o->trimmed->topic->name), &part, 1};
    schema_defaults(&delete_records_request_schema, &request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    o->trim_floor = o->trimmed->start;
    actor_note(&o->actor, "deletes records of %s/%d up to %lld", o->trimmed->topic->name,
               o->trimmed->index, (long long)o->trim_to);
    actor_send(&o->actor, API_DELETE_RECORDS, 2, &request, &o->exchange);
}

static void send_task(struct operator* o)
{
    o->waiting = true;
    if (o->task == GROW)
        grow(o);
    else if (o->task == ALTER)
        alter(o);
    else if (o->task == DESCRIBE)
        describe(o);
    else
        trim(o);
}

/* --- choosing --- */

static bool choose_growth(struct operator* o)
{
    struct fact_topic *t = find_topic(o, "grow");
    if (t == NULL || t->partition_count == FACT_PARTITIONS || !actor_once_in(&o->actor, 3))
        return false;
    t->asked_count = t->partition_count + 1;
    return true;
}

static bool choose_trim(struct operator* o)
{
    struct fact_topic *t = find_topic(o, actor_once_in(&o->actor, 2) ? "trim" : "ends");
    if (t == NULL)
        return false;
    struct fact_partition *p = &t->partitions[actor_below(&o->actor, (uint64_t)t->partition_count)];
    int64_t end = MAX(p->end, p->start); /* a start may be known before the end is */
    o->trimmed = p;
    o->trim_to = p->start + (int64_t)actor_below(&o->actor, (uint64_t)(end - p->start) + 1);
    if (actor_once_in(&o->actor, 4))
        o->trim_to = end;
    p->asked_start = MAX(p->asked_start, o->trim_to);
    return true;
}

static bool choose_alteration(struct operator* o)
{
    o->altering = (int)actor_below(&o->actor, COUNT_OF(alterations));
    const struct alteration *a = &alterations[o->altering];
    if (find_topic(o, a->topic) == NULL)
        return false;
    int count = 0;
    while (count < VALUES_MAX && a->values[count])
        count++;
    o->value = (int)actor_below(&o->actor, (uint64_t)count);
    return true;
}

static void begin(struct operator* o)
{
    o->retried = false;
    switch (actor_below(&o->actor, 4)) {
    case 0:
        o->task = choose_growth(o) ? GROW : IDLE;
        break;
    case 1:
        o->task = choose_trim(o) ? TRIM : IDLE;
        break;
    case 2:
        o->task = choose_alteration(o) && o->values[o->altering] != NONE ? DESCRIBE : IDLE;
        break;
    default:
        o->task = choose_alteration(o) ? ALTER : IDLE;
        break;
    }
}

static void act(struct actor *a)
{
    struct operator* o = operator_of(a);
    actor_wait(a, 3 * a->trial->pace_ms);
    if (o->waiting)
        return;
    if (o->task == IDLE && !a->trial->ending && !late_requests_any(&o->late))
        begin(o);
    a->resting = a->trial->ending && o->task == IDLE;
    if (o->task != IDLE)
        send_task(o);
}

/* --- answers --- */

/* Whether the request must be repeated. */
static bool must_repeat(struct operator* o, int error)
{
    bool repeats =
        error == KAFKA_NOT_CONTROLLER || error == KAFKA_NOT_LEADER_OR_FOLLOWER ||
        (error == KAFKA_KAFKA_STORAGE_ERROR && trial_may_be_full(o->actor.trial, &o->exchange));
    o->retried |= repeats;
    return repeats;
}

static void done(struct operator* o, enum reach reach)
{
    chronicle_reach(&o->actor.trial->chronicle, reach);
    o->task = IDLE;
    o->actor.successes++;
}

static void grown(struct operator* o, int error)
{
    struct fact_topic *t = find_topic(o, "grow");
    actor_note(&o->actor, "adding partitions got %s", kafka_error_name((enum kafka_error)error));
    if (must_repeat(o, error))
        return;
    if (error != KAFKA_NONE && (error != KAFKA_INVALID_PARTITIONS || !o->retried))
        actor_unexpected(&o->actor, "CreatePartitions", error);
    t->partition_count = t->asked_count;
    t->grown_step = o->actor.trial->machine.step;
    done(o, error == KAFKA_NONE ? REACH_GROWN : REACH_GROWN_RETRIED);
}

static void altered(struct operator* o, const struct incremental_alter_configs_response *in)
{
    int error = in->responses[0].error_code;
    actor_note(&o->actor, "altering got %s", kafka_error_name((enum kafka_error)error));
    if (must_repeat(o, error))
        return;
    if (error != KAFKA_NONE) {
        actor_note(&o->actor, "%.*s", BYTES_PRINTF(in->responses[0].error_message));
        actor_unexpected(&o->actor, "IncrementalAlterConfigs", error);
    }
    o->values[o->altering] = o->value;
    done(o, alterations[o->altering].reach);
}

static void described(struct operator* o, const struct describe_configs_response_results *in)
{
    const struct alteration *a = &alterations[o->altering];
    if (must_repeat(o, in->error_code))
        return;
    if (in->error_code != KAFKA_NONE)
        actor_unexpected(&o->actor, "DescribeConfigs", in->error_code);
    const char *value = a->values[o->values[o->altering]];
    if (in->configs_count != 1 || !bytes_equal_string(in->configs[0].value, value))
        chronicle_fail(&o->actor.trial->chronicle, "a config changes only by a request",
                       "%s of %s is %.*s instead of %s", a->key, a->topic,
                       in->configs_count ? (int)in->configs[0].value.size : 0,
                       in->configs_count ? (const char *)in->configs[0].value.data : "", value);
    done(o, REACH_DESCRIBED);
}

static void trimmed(struct operator* o, const struct delete_records_response_topics_partitions *in)
{
    struct trial *t = o->actor.trial;
    actor_note(&o->actor, "deleting records got %s",
               kafka_error_name((enum kafka_error)in->error_code));
    if (must_repeat(o, in->error_code))
        return;
    if (in->error_code == KAFKA_POLICY_VIOLATION && o->trimmed->topic->compacts) {
        o->task = IDLE; /* its cleanup.policy has no delete now */
        return;
    }
    if (in->error_code != KAFKA_NONE)
        actor_unexpected(&o->actor, "DeleteRecords", in->error_code);
    facts_told_start(&t->facts, o->trimmed, in->low_watermark, MAX(o->trim_floor, o->trim_to));
    done(o, REACH_DELETE_RECORDS);
}

static void answered(struct actor *a, struct exchange *e, const void *body)
{
    struct operator* o = operator_of(a);
    o->waiting = false;
    if (e->api == API_CREATE_PARTITIONS)
        grown(o, ((const struct create_partitions_response *)body)->results[0].error_code);
    else if (e->api == API_INCREMENTAL_ALTER_CONFIGS)
        altered(o, body);
    else if (e->api == API_DESCRIBE_CONFIGS)
        described(o, &((const struct describe_configs_response *)body)->results[0]);
    else
        trimmed(o, &((const struct delete_records_response *)body)->topics[0].partitions[0]);
}

static void lost(struct actor *a)
{
    struct operator* o = operator_of(a);
    if (o->waiting) {
        o->retried = true;
        late_requests_add(&o->late, o->exchange.wire);
    }
    o->waiting = false;
}

static void operator_free(struct actor *a)
{
    late_requests_free(&operator_of(a)->late);
    free(operator_of(a));
}

static const struct actor_ops operator_ops = {act, answered, lost, operator_free};

struct actor *operator_create(struct trial *t, int number)
{
    struct operator* o = xcalloc(1, sizeof *o);
    actor_init(&o->actor, t, &operator_ops, "operator", number);
    o->late.machine = &t->machine;
    for (size_t i = 0; i < COUNT_OF(alterations); i++)
        o->values[i] = NONE;
    return &o->actor;
}
