/* An administrator: creates topics, deletes some, and looks whether the broker lists the others. */
#include "tests/simulation/support_pipeline.h"
#include "tests/simulation/support_trial.h"

#include <stdio.h>
#include <stdlib.h>

enum { SPREAD_MS = 2000 };
enum { CONFIGS_MAX = 40, FIRST_VOLATILE = 10, LAST_VOLATILE = 28 };

struct admin {
    struct actor actor;
    struct exchange exchange;
    struct fact_topic *changing; /* by the request under way or a lost one */
    bool waiting, retried;
    const char *pipeline[CONFIGS_MAX];
    int number, fixed, made, round;
    struct late_requests late; /* a late creation would come after the deletion */
};

/* Topics of every run; processors are declared with their topic. */
struct fixed_topic {
    const char *name;
    int32_t partitions;
    bool trims;
    int64_t tombstones_ms; /* 0: not compacted */
    const char *configs[12];
};

/* More than any leap. */
#define TOMBSTONES_STAY INT64_C(400000000000)
#define ANY_TIME "message.timestamp.after.max.ms=9223372036854775807"

static const struct fixed_topic fixed_topics[] = {
    {"a", 3, false, 0, {ANY_TIME}},
    {"trim",
     2,
     true,
     0,
     {ANY_TIME, "retention.bytes=4000", "segment.index.bytes=32", "index.interval.bytes=0"}},
    {PIPELINE_TOPIC, PIPELINE_PARTITIONS, false, 0, {NULL}},
    {"grow", 1, false, 0, {ANY_TIME}},
    {"timed",
     2,
     true,
     0,
     {ANY_TIME, "retention.ms=" TIMED_RETENTION_TEXT, "segment.index.bytes=32",
      "index.interval.bytes=0"}},
    {"keys",
     2,
     false,
     TOMBSTONES_STAY,
     {ANY_TIME, "cleanup.policy=compact", "delete.retention.ms=400000000000",
      "segment.index.bytes=48", "index.interval.bytes=0", "min.cleanable.dirty.ratio=0.01"}},
    {"ends",
     2,
     true,
     300,
     {ANY_TIME, "cleanup.policy=compact,delete", "retention.bytes=4000", "delete.retention.ms=300",
      "segment.index.bytes=32", "index.interval.bytes=0", "min.cleanable.dirty.ratio=0.3",
      "max.compaction.lag.ms=2000"}},
};

static struct admin *admin_of(struct actor *a)
{
    return CONTAINER_OF(a, struct admin, actor);
}

/* --- requests --- */

static void send_create(struct admin *d, const char *const *configs)
{
    struct create_topics_request request;
    struct create_topics_request_topics_configs list[CONFIGS_MAX];
    struct create_topics_request_topics topic = {.name = bytes_string(d->changing->name),
                                                 .num_partitions = d->changing->partition_count,
                                                 .replication_factor = 1,
                                                 .configs = list};
    for (; configs[topic.configs_count]; topic.configs_count++) {
        const char *text = configs[topic.configs_count], *equals = strchr(text, '=');
        list[topic.configs_count] = (struct create_topics_request_topics_configs){
            bytes_of(text, (size_t)(equals - text)), bytes_string(equals + 1)};
    }
    schema_defaults(&create_topics_request_schema, &request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    actor_note(&d->actor, "creates %s", d->changing->name);
    actor_send(&d->actor, API_CREATE_TOPICS, 7, &request, &d->exchange);
}

static void create(struct admin *d)
{
    static const char *const plain[] = {ANY_TIME, NULL};
    const char *const *configs = plain;
    for (size_t i = 0; i < COUNT_OF(fixed_topics); i++) {
        if (strcmp(fixed_topics[i].name, d->changing->name) == 0)
            configs = fixed_topics[i].configs;
    }
    if (d->changing->keeps)
        configs = d->pipeline;
    d->changing->state = TOPIC_CREATING;
    d->waiting = true;
    send_create(d, configs);
}

static void delete (struct admin *d)
{
    struct delete_topics_request request;
    struct delete_topics_request_topics topic = {.name = bytes_string(d->changing->name)};
    schema_defaults(&delete_topics_request_schema, &request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    d->changing->state = TOPIC_DELETING;
    d->waiting = true;
    actor_note(&d->actor, "deletes %s", d->changing->name);
    actor_send(&d->actor, API_DELETE_TOPICS, 6, &request, &d->exchange);
}

static void ask_topics(struct admin *d)
{
    struct metadata_request request;
    schema_defaults(&metadata_request_schema, &request);
    request.topics_count = -1;
    d->waiting = true;
    actor_send(&d->actor, API_METADATA, 12, &request, &d->exchange);
}

static struct fact_topic *add_fixed(struct admin *d)
{
    const struct fixed_topic *fixed = &fixed_topics[d->fixed++];
    struct fact_topic *t = facts_add_topic(&d->actor.trial->facts, fixed->name, fixed->partitions);
    t->trims = fixed->trims;
    t->is_timed = strcmp(t->name, "timed") == 0;
    t->compacts = fixed->tombstones_ms > 0;
    t->tombstones_ms = fixed->tombstones_ms;
    t->keeps = strcmp(t->name, PIPELINE_TOPIC) == 0;
    return t;
}

static struct fact_topic *add_volatile(struct admin *d)
{
    char name[16];
    snprintf(name, sizeof name, "%c%d", 'v' + d->number, d->made++);
    struct fact_topic *t =
        facts_add_topic(&d->actor.trial->facts, name, 1 + (int32_t)actor_below(&d->actor, 3));
    t->is_volatile = true;
    return t;
}

static struct fact_topic *choose_to_delete(struct admin *d)
{
    struct facts *f = &d->actor.trial->facts;
    if (late_requests_any(&d->late) || f->topic_count == 0)
        return NULL;
    struct fact_topic *t = &f->topics[actor_below(&d->actor, (uint64_t)f->topic_count)];
    bool own = t->name[0] == 'v' + d->number;
    return t->is_volatile && own && t->state == TOPIC_EXISTS ? t : NULL;
}

static bool may_create(struct admin *d)
{
    const struct trial *t = d->actor.trial;
    if (!t->calm)
        return d->made < FIRST_VOLATILE && actor_once_in(&d->actor, 4);
    return d->round < t->life_round || (d->made < LAST_VOLATILE && actor_once_in(&d->actor, 15));
}

static void begin(struct admin *d)
{
    struct fact_topic *old;
    if (d->fixed < (int)COUNT_OF(fixed_topics)) {
        d->changing = add_fixed(d);
        create(d);
    } else if (d->actor.trial->ending) {
        ask_topics(d);
    } else if (actor_once_in(&d->actor, 4) && (old = choose_to_delete(d))) {
        d->changing = old;
        delete (d);
    } else if (may_create(d)) {
        d->round = d->actor.trial->life_round;
        d->changing = add_volatile(d);
        create(d);
    } else {
        ask_topics(d);
    }
}

static void act(struct actor *a)
{
    struct admin *d = admin_of(a);
    actor_wait(a, d->fixed < (int)COUNT_OF(fixed_topics) ? 2 : 2 * a->trial->pace_ms);
    if (d->waiting)
        return;
    if (d->changing == NULL)
        begin(d);
    else if (d->changing->state == TOPIC_CREATING)
        create(d);
    else
        delete (d);
}

/* --- answers --- */

static void created(struct admin *d, const struct create_topics_response_topics *in)
{
    struct fact_topic *t = d->changing;
    actor_note(&d->actor, "creating %s got %s", t->name,
               kafka_error_name((enum kafka_error)in->error_code));
    if (in->error_code == KAFKA_NOT_CONTROLLER ||
        (in->error_code == KAFKA_KAFKA_STORAGE_ERROR &&
         trial_may_be_full(d->actor.trial, &d->exchange))) {
        d->retried = true;
        return;
    }
    if (in->error_code != KAFKA_NONE &&
        (in->error_code != KAFKA_TOPIC_ALREADY_EXISTS || !d->retried)) {
        actor_note(&d->actor, "%.*s", BYTES_PRINTF(in->error_message));
        actor_unexpected(&d->actor, "CreateTopics", in->error_code);
    }
    if (in->error_code == KAFKA_NONE)
        t->id = in->topic_id;
    t->state = TOPIC_EXISTS;
    t->created_step = d->actor.trial->machine.step;
    d->actor.successes++;
    d->changing = NULL;
    d->retried = false;
}

static void deleted(struct admin *d, int error)
{
    struct trial *t = d->actor.trial;
    actor_note(&d->actor, "deleting %s got %s", d->changing->name,
               kafka_error_name((enum kafka_error)error));
    if (error == KAFKA_NOT_CONTROLLER ||
        (error == KAFKA_KAFKA_STORAGE_ERROR && trial_may_be_full(t, &d->exchange))) {
        d->retried = true;
        return;
    }
    if (error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION && !d->retried)
        chronicle_fail(&t->chronicle, "an acknowledged topic stays", "%s cannot be deleted",
                       d->changing->name);
    if (error != KAFKA_NONE && error != KAFKA_UNKNOWN_TOPIC_OR_PARTITION)
        actor_unexpected(&d->actor, "DeleteTopics", error);
    if (d->changing->partitions[0].end > 0)
        chronicle_reach(&t->chronicle, REACH_DELETED_DATA);
    if (error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION)
        chronicle_reach(&t->chronicle, REACH_DELETION_RETRIED);
    d->changing->state = TOPIC_DELETED;
    d->changing->deleted_step = t->machine.step;
    d->changing = NULL;
    d->retried = false;
}

/* The outputs of processors come without a request of the administrator. */
static struct fact_topic *find_output(struct facts *f, struct bytes name, int32_t partitions)
{
    static const char *const outputs[] = {"passed", "repeated", "even", "late", "sums", "dlq.in"};
    for (size_t i = 0; i < COUNT_OF(outputs); i++) {
        if (!bytes_equal_string(name, outputs[i]))
            continue;
        struct fact_topic *t = facts_add_topic(f, outputs[i], partitions);
        t->is_output = t->keeps = true;
        t->sure_ms = f->machine->now_ms + SPREAD_MS;
        t->state = TOPIC_EXISTS;
        return t;
    }
    return NULL;
}

static void check_listed(struct admin *d, const struct metadata_response_topics *in,
                         bool listed[FACT_TOPICS])
{
    struct facts *f = &d->actor.trial->facts;
    char name[FACT_NAME_SIZE];
    snprintf(name, sizeof name, "%.*s", BYTES_PRINTF(in->name));
    struct fact_topic *t = facts_topic(f, name);
    if (t == NULL)
        t = find_output(f, in->name, in->partitions_count);
    if (t == NULL)
        chronicle_fail(f->chronicle, "only topics that somebody asked for exist", "%s", name);
    facts_topic_answered(f, t, d->exchange.sent_step);
    facts_id_answered(f, in->topic_id, d->exchange.sent_step);
    if (uuid_is_zero(t->id))
        t->id = in->topic_id;
    bool lacks = in->partitions_count < t->partition_count && t->grown_step < d->exchange.sent_step;
    if (!uuid_equal(t->id, in->topic_id) || lacks || in->partitions_count > t->asked_count)
        chronicle_fail(f->chronicle, "a topic keeps its id and its partitions",
                       "%s has %d partitions, at least %d and at most %d are right", name,
                       in->partitions_count, t->partition_count, t->asked_count);
    if (in->partitions_count > t->partition_count)
        chronicle_reach(f->chronicle, REACH_GROWN_UNKNOWN);
    listed[t - f->topics] = true;
}

static void check_topics(struct admin *d, const struct metadata_response *response)
{
    struct facts *f = &d->actor.trial->facts;
    bool listed[FACT_TOPICS] = {false};
    for (int i = 0; i < response->topics_count; i++)
        check_listed(d, &response->topics[i], listed);
    for (int i = 0; i < f->topic_count; i++) {
        const struct fact_topic *t = &f->topics[i];
        if (!listed[i] && t->state == TOPIC_EXISTS && t->created_step < d->exchange.sent_step &&
            t->sure_ms < d->exchange.sent_ms)
            chronicle_fail(f->chronicle, "an acknowledged topic stays", "%s is not listed",
                           t->name);
    }
    d->actor.resting = d->actor.trial->ending;
}

static void answered(struct actor *a, struct exchange *e, const void *body)
{
    struct admin *d = admin_of(a);
    d->waiting = false;
    if (e->api == API_CREATE_TOPICS)
        created(d, &((const struct create_topics_response *)body)->topics[0]);
    else if (e->api == API_DELETE_TOPICS)
        deleted(d, ((const struct delete_topics_response *)body)->responses[0].error_code);
    else
        check_topics(d, body);
}

static void lost(struct actor *a)
{
    struct admin *d = admin_of(a);
    if (d->waiting && d->changing) {
        d->retried = true;
        if (d->changing->state == TOPIC_CREATING)
            late_requests_add(&d->late, d->exchange.wire);
    }
    d->waiting = false;
}

static void admin_free(struct actor *a)
{
    late_requests_free(&admin_of(a)->late);
    free(admin_of(a));
}

static const struct actor_ops admin_ops = {act, answered, lost, admin_free};

struct actor *admin_create(struct trial *t, int number)
{
    struct admin *d = xcalloc(1, sizeof *d);
    actor_init(&d->actor, t, &admin_ops, "admin", number);
    d->number = number;
    d->late.machine = &t->machine;
    if (number > 0) /* the first one makes them */
        d->fixed = COUNT_OF(fixed_topics);
    d->pipeline[0] = ANY_TIME;
    for (size_t i = 0; pipeline_configs[i]; i++)
        d->pipeline[i + 1] = pipeline_configs[i];
    return &d->actor;
}
