/* A client that deletes its topic and creates one of the same name, again and again. Producers and
 * consumers use the topics meanwhile. Nothing of the old topic may appear in the new one: no
 * record, and no offset that its group has committed. */
#include "tests/simulation/support_trial.h"

#include <stdio.h>
#include <stdlib.h>

#define NAME "again"
enum { TOPICS_MAX = 10, OFFSETS = 1000 };

struct reuser {
    struct actor actor;
    struct exchange exchange;
    struct late_requests late;
    struct fact_topic *topic; /* the newest one */
    struct fact_group *group; /* its offsets for this topic */
    bool waiting, retried, asked;
    int made;
    size_t attempt;
};

static struct reuser *reuser_of(struct actor *a)
{
    return CONTAINER_OF(a, struct reuser, actor);
}

/* --- requests --- */

static void create(struct reuser *r)
{
    struct create_topics_request request;
    struct create_topics_request_topics_configs any_time = {
        BYTES_LITERAL("message.timestamp.after.max.ms"), BYTES_LITERAL("9223372036854775807")};
    struct create_topics_request_topics topic = {.name = BYTES_LITERAL(NAME),
                                                 .num_partitions = 1,
                                                 .replication_factor = 1,
                                                 .configs = &any_time,
                                                 .configs_count = 1};
    schema_defaults(&create_topics_request_schema, &request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    actor_note(&r->actor, "creates %s, number %d", NAME, r->made);
    actor_send(&r->actor, API_CREATE_TOPICS, 7, &request, &r->exchange);
}

static void delete (struct reuser *r)
{
    struct delete_topics_request request;
    struct delete_topics_request_topics topic = {.name = BYTES_LITERAL(NAME)};
    schema_defaults(&delete_topics_request_schema, &request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    actor_note(&r->actor, "deletes %s, number %d", NAME, r->made);
    actor_send(&r->actor, API_DELETE_TOPICS, 6, &request, &r->exchange);
}

/* The offset tells the topic. */
static void commit(struct reuser *r)
{
    struct trial *t = r->actor.trial;
    char metadata[32];
    int64_t offset = r->made * OFFSETS + (int64_t)actor_below(&r->actor, OFFSETS);
    r->attempt = facts_commit_sent(&t->facts, r->group, 0, offset, -1);
    snprintf(metadata, sizeof metadata, "c%zu", r->attempt);
    struct offset_commit_request_topics_partitions part = {.committed_offset = offset,
                                                           .committed_leader_epoch = -1,
                                                           .committed_metadata =
                                                               bytes_string(metadata)};
    struct offset_commit_request_topics topic = {
        .name = BYTES_LITERAL(NAME), .partitions = &part, .partitions_count = 1};
    struct offset_commit_request request;
    schema_defaults(&offset_commit_request_schema, &request);
    request.group_id = bytes_string(r->group->name);
    request.generation_id_or_member_epoch = -1;
    request.topics = &topic;
    request.topics_count = 1;
    actor_note(&r->actor, "commits %lld as %s", (long long)offset, metadata);
    actor_send(&r->actor, API_OFFSET_COMMIT, 8, &request, &r->exchange);
    fact_commit_of(r->group, 0, r->attempt)->wire = r->exchange.wire;
}

static void ask_offset(struct reuser *r)
{
    int32_t index = 0;
    struct offset_fetch_request_topics topic = {
        .name = BYTES_LITERAL(NAME), .partition_indexes = &index, .partition_indexes_count = 1};
    struct offset_fetch_request request;
    schema_defaults(&offset_fetch_request_schema, &request);
    request.group_id = bytes_string(r->group->name);
    request.topics = &topic;
    request.topics_count = 1;
    actor_send(&r->actor, API_OFFSET_FETCH, 7, &request, &r->exchange);
}

/* --- turns --- */

static void add_topic(struct reuser *r)
{
    struct facts *f = &r->actor.trial->facts;
    r->topic = facts_add_topic(f, NAME, 1);
    r->topic->is_volatile = r->topic->is_reused = true;
    r->topic->state = TOPIC_CREATING;
    r->group = facts_add_group(f, NAME);
    r->made++;
    r->asked = false;
    create(r);
}

/* Whether a request that is on its way may mean the last topic. */
static bool may_be_confused(struct reuser *r)
{
    const struct trial *t = r->actor.trial;
    return late_requests_any(&r->late) || trial_has_late_requests(t) ||
           trial_has_requests_from(t, r->topic->deleted_step);
}

/* False: it waits. */
static bool begin(struct reuser *r)
{
    struct actor *a = &r->actor;
    r->retried = false;
    if (r->topic == NULL || r->topic->state == TOPIC_DELETED) {
        if (r->topic && may_be_confused(r))
            return false;
        add_topic(r);
    } else if (!r->asked || a->trial->ending || actor_once_in(a, 3)) {
        ask_offset(r);
    } else if (r->made < TOPICS_MAX && actor_once_in(a, 4) && !late_requests_any(&r->late)) {
        r->topic->state = TOPIC_DELETING;
        delete (r);
    } else {
        commit(r);
    }
    return true;
}

static void act(struct actor *a)
{
    struct reuser *r = reuser_of(a);
    actor_wait(a, 2 * a->trial->pace_ms);
    if (r->waiting)
        return;
    r->waiting = true;
    if (r->topic && r->topic->state == TOPIC_CREATING)
        create(r);
    else if (r->topic && r->topic->state == TOPIC_DELETING)
        delete (r);
    else
        r->waiting = begin(r);
}

/* --- answers --- */

static bool must_repeat(struct reuser *r, int error)
{
    bool repeats =
        error == KAFKA_NOT_CONTROLLER || error == KAFKA_COORDINATOR_NOT_AVAILABLE ||
        error == KAFKA_NOT_COORDINATOR ||
        (error == KAFKA_KAFKA_STORAGE_ERROR && trial_may_be_full(r->actor.trial, &r->exchange));
    r->retried |= repeats;
    return repeats;
}

static void created(struct reuser *r, const struct create_topics_response_topics *in)
{
    struct trial *t = r->actor.trial;
    actor_note(&r->actor, "creating got %s", kafka_error_name((enum kafka_error)in->error_code));
    if (must_repeat(r, in->error_code))
        return;
    if (in->error_code != KAFKA_NONE &&
        (in->error_code != KAFKA_TOPIC_ALREADY_EXISTS || !r->retried))
        actor_unexpected(&r->actor, "CreateTopics", in->error_code);
    if (in->error_code == KAFKA_NONE)
        r->topic->id = in->topic_id;
    r->topic->state = TOPIC_EXISTS;
    r->topic->created_step = t->machine.step;
    r->actor.successes++;
    if (r->made > 1)
        chronicle_reach(&t->chronicle, REACH_REUSED);
}

static void deleted(struct reuser *r, int error)
{
    struct trial *t = r->actor.trial;
    actor_note(&r->actor, "deleting got %s", kafka_error_name((enum kafka_error)error));
    if (must_repeat(r, error))
        return;
    if (error != KAFKA_NONE && (error != KAFKA_UNKNOWN_TOPIC_OR_PARTITION || !r->retried))
        actor_unexpected(&r->actor, "DeleteTopics", error);
    r->topic->state = TOPIC_DELETED;
    r->topic->deleted_step = t->machine.step;
    r->actor.successes++;
    if (fact_group_is_lasting(r->group))
        chronicle_reach(&t->chronicle, REACH_REUSED_OFFSET);
}

static void committed(struct reuser *r, int error)
{
    struct fact_commit *c = fact_commit_of(r->group, 0, r->attempt);
    c->refused = error != KAFKA_NONE;
    if (error == KAFKA_NONE) {
        facts_committed(&r->actor.trial->facts, c);
        r->actor.successes++;
    } else if (!must_repeat(r, error)) {
        actor_unexpected(&r->actor, "OffsetCommit", error);
    }
}

static void told_offset(struct reuser *r, const struct offset_fetch_response *in)
{
    if (must_repeat(r, in->error_code))
        return;
    if (in->error_code != KAFKA_NONE)
        actor_unexpected(&r->actor, "OffsetFetch", in->error_code);
    const struct offset_fetch_response_topics_partitions *p = &in->topics[0].partitions[0];
    actor_note(&r->actor, "has offset %lld", (long long)p->committed_offset);
    facts_told_commit(&r->actor.trial->facts, r->group, 0, p->committed_offset, p->metadata,
                      r->exchange.sent_step);
    r->asked = true;
    r->actor.successes++;
    r->actor.resting = r->actor.trial->ending;
}

static void answered(struct actor *a, struct exchange *e, const void *body)
{
    struct reuser *r = reuser_of(a);
    r->waiting = false;
    if (e->api == API_CREATE_TOPICS)
        created(r, &((const struct create_topics_response *)body)->topics[0]);
    else if (e->api == API_DELETE_TOPICS)
        deleted(r, ((const struct delete_topics_response *)body)->responses[0].error_code);
    else if (e->api == API_OFFSET_COMMIT)
        committed(
            r, ((const struct offset_commit_response *)body)->topics[0].partitions[0].error_code);
    else
        told_offset(r, body);
}

static void lost(struct actor *a)
{
    struct reuser *r = reuser_of(a);
    if (r->waiting) {
        r->retried = true;
        late_requests_add(&r->late, r->exchange.wire);
    }
    r->waiting = false;
}

static void reuser_free(struct actor *a)
{
    late_requests_free(&reuser_of(a)->late);
    free(reuser_of(a));
}

static const struct actor_ops reuser_ops = {act, answered, lost, reuser_free};

struct actor *reuser_create(struct trial *t, int number)
{
    struct reuser *r = xcalloc(1, sizeof *r);
    actor_init(&r->actor, t, &reuser_ops, "reuser", number);
    r->late.machine = &t->machine;
    return &r->actor;
}
