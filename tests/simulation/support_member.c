/* Members of consumer groups, which commit offsets, and committers without a membership. */
#include "tests/simulation/support_trial.h"

#include <stdio.h>
#include <stdlib.h>

enum { SESSION_MS = 2500, REBALANCE_MS = 2000, HEARTBEAT_MS = 400, ID_SIZE = FACT_NAME_SIZE };

enum member_state {
    MEMBER_OUT,     /* must join */
    MEMBER_JOINED,  /* must sync */
    MEMBER_READING, /* must ask for the committed offsets */
    MEMBER_STABLE,
};

struct member {
    struct actor actor;
    struct fact_group *group;
    int number;
    bool alone; /* a committer without a membership */
    bool once;  /* it commits nothing after its first commit */
    bool is_static, is_leader;
    char id[ID_SIZE], instance[ID_SIZE], protocol[16];
    enum member_state state;
    int32_t generation, floor;
    char members[8][ID_SIZE]; /* of the generation, for its leader */
    int member_count;
    bool owns[FACT_PARTITIONS];
    int64_t positions[FACT_PARTITIONS];
    struct exchange exchange;
    bool waiting;
    int committing; /* partition */
    size_t attempt;
    int32_t commit_generation; /* -1: not as a member */
    bool came_back;            /* a static member after a restart */
};

static struct member *member_of(struct actor *a)
{
    return CONTAINER_OF(a, struct member, actor);
}

static int partitions_of(const struct member *m)
{
    struct fact_topic *t = facts_topic(&m->actor.trial->facts, "a");
    return t && t->state == TOPIC_EXISTS ? t->partition_count : 0;
}

static struct bytes instance_of(const struct member *m)
{
    return m->is_static ? bytes_string(m->instance) : BYTES_NULL;
}

/* A static member has the same place with each of its member ids. */
static const char *label_of(const struct member *m)
{
    return m->is_static ? m->instance : m->id;
}

/* --- requests --- */

static void join(struct member *m)
{
    struct join_group_request_protocols protocol = {BYTES_LITERAL("sim"), BYTES_LITERAL("")};
    struct join_group_request request;
    schema_defaults(&join_group_request_schema, &request);
    request.group_id = bytes_string(m->group->name);
    request.session_timeout_ms = SESSION_MS;
    request.rebalance_timeout_ms = REBALANCE_MS;
    request.member_id = bytes_string(m->id);
    request.group_instance_id = instance_of(m);
    request.protocol_type = BYTES_LITERAL("consumer");
    request.protocols = &protocol;
    request.protocols_count = 1;
    m->floor = m->group->newest;
    actor_send(&m->actor, API_JOIN_GROUP, 7, &request, &m->exchange);
}

/* The leader's assignment: the same whenever it is made for the generation. */
static void assign(const struct member *m, struct sync_group_request_assignments *out,
                   char texts[8][32])
{
    for (int i = 0; i < m->member_count; i++) {
        int used = snprintf(texts[i], 32, "g%d:", m->generation);
        for (int p = 0; p < partitions_of(m); p++) {
            if ((p + m->generation) % m->member_count == i)
                used += snprintf(texts[i] + used, (size_t)(32 - used), "%d,", p);
        }
        out[i] = (struct sync_group_request_assignments){bytes_string(m->members[i]),
                                                         bytes_string(texts[i])};
    }
}

static void sync_group(struct member *m)
{
    struct sync_group_request request;
    struct sync_group_request_assignments assignments[8];
    char texts[8][32];
    schema_defaults(&sync_group_request_schema, &request);
    request.group_id = bytes_string(m->group->name);
    request.generation_id = m->generation;
    request.member_id = bytes_string(m->id);
    request.group_instance_id = instance_of(m);
    request.protocol_type = BYTES_LITERAL("consumer");
    request.protocol_name = BYTES_LITERAL("sim");
    if (m->is_leader) {
        assign(m, assignments, texts);
        request.assignments = assignments;
        request.assignments_count = m->member_count;
    }
    actor_send(&m->actor, API_SYNC_GROUP, 5, &request, &m->exchange);
}

static void heartbeat(struct member *m)
{
    struct heartbeat_request request;
    schema_defaults(&heartbeat_request_schema, &request);
    request.group_id = bytes_string(m->group->name);
    request.generation_id = m->generation;
    request.member_id = bytes_string(m->id);
    request.group_instance_id = instance_of(m);
    actor_send(&m->actor, API_HEARTBEAT, 4, &request, &m->exchange);
}

static void leave(struct member *m)
{
    struct leave_group_request_members member = {.member_id = bytes_string(m->id),
                                                 .group_instance_id = instance_of(m)};
    struct leave_group_request request;
    schema_defaults(&leave_group_request_schema, &request);
    request.group_id = bytes_string(m->group->name);
    request.members = &member;
    request.members_count = 1;
    actor_note(&m->actor, "leaves");
    actor_send(&m->actor, API_LEAVE_GROUP, 4, &request, &m->exchange);
}

static void ask_offsets(struct member *m)
{
    int32_t indexes[FACT_PARTITIONS] = {0, 1, 2, 3};
    struct offset_fetch_request_topics topic = {.name = BYTES_LITERAL("a"),
                                                .partition_indexes = indexes,
                                                .partition_indexes_count = partitions_of(m)};
    struct offset_fetch_request request;
    schema_defaults(&offset_fetch_request_schema, &request);
    request.group_id = bytes_string(m->group->name);
    request.topics = &topic;
    request.topics_count = 1;
    actor_send(&m->actor, API_OFFSET_FETCH, 7, &request, &m->exchange);
}

static void commit(struct member *m, int partition)
{
    struct facts *f = &m->actor.trial->facts;
    char metadata[32];
    /* Sometimes back: a client may do so. */
    int64_t *position = &m->positions[partition];
    *position +=
        actor_once_in(&m->actor, 8) && *position > 5 ? -3 : 1 + (int64_t)actor_below(&m->actor, 5);
    m->committing = partition;
    bool is_member = m->state == MEMBER_STABLE && !m->alone;
    /* Sometimes a thread of the client has missed the rebalance. */
    bool is_late = is_member && m->generation > 1 && actor_once_in(&m->actor, 20);
    m->commit_generation = is_member ? m->generation - is_late : -1;
    m->attempt = facts_commit_sent(f, m->group, partition, *position, m->commit_generation);
    snprintf(metadata, sizeof metadata, "c%zu", m->attempt);
    struct offset_commit_request_topics_partitions part = {.partition_index = partition,
                                                           .committed_offset = *position,
                                                           .committed_leader_epoch = -1,
                                                           .committed_metadata =
                                                               bytes_string(metadata)};
    struct offset_commit_request_topics topic = {
        .name = BYTES_LITERAL("a"), .partitions = &part, .partitions_count = 1};
    struct offset_commit_request request;
    schema_defaults(&offset_commit_request_schema, &request);
    request.group_id = bytes_string(m->group->name);
    request.generation_id_or_member_epoch = m->commit_generation;
    request.member_id = bytes_string(is_member ? m->id : "");
    request.group_instance_id = is_member ? instance_of(m) : BYTES_NULL;
    request.topics = &topic;
    request.topics_count = 1;
    actor_note(&m->actor, "commits %s/%d %lld as %s", m->group->name, partition,
               (long long)*position, metadata);
    actor_send(&m->actor, API_OFFSET_COMMIT, 8, &request, &m->exchange);
    fact_commit_of(m->group, partition, m->attempt)->wire = m->exchange.wire;
}

/* A client that ends without a word, and starts again. */
static void restart_client(struct member *m)
{
    actor_note(&m->actor, "restarts");
    m->state = MEMBER_OUT;
    m->id[0] = '\0';
    m->came_back = m->is_static;
    actor_hang_up(&m->actor);
    actor_wait(&m->actor, m->actor.trial->calm ? 1 : 3000);
}

static int owned_partition(struct member *m)
{
    int count = partitions_of(m), first = (int)actor_below(&m->actor, (uint64_t)count);
    for (int i = 0; i < count; i++) {
        if (m->owns[(first + i) % count])
            return (first + i) % count;
    }
    return -1;
}

static void act_stable(struct member *m)
{
    struct actor *a = &m->actor;
    int partition = owned_partition(m);
    if (m->once) {
        if (fact_group_is_lasting(m->group) || a->trial->ending)
            ask_offsets(m);
        else
            commit(m, 0);
        return;
    }
    if (!m->alone && !a->trial->calm && actor_once_in(a, 60)) {
        m->waiting = false;
        restart_client(m);
        return;
    }
    if (!m->alone && !a->trial->calm && actor_once_in(a, 60))
        leave(m);
    else if (partition >= 0 && !a->trial->ending && actor_once_in(a, 2))
        commit(m, partition);
    else if (m->alone || actor_once_in(a, 4))
        ask_offsets(m);
    else
        heartbeat(m);
}

static void act(struct actor *a)
{
    struct member *m = member_of(a);
    actor_wait(a, MAX(a->trial->pace_ms, m->alone ? 20 : HEARTBEAT_MS));
    a->resting = a->trial->ending &&
                 (m->alone || (m->state == MEMBER_STABLE && m->generation == m->group->newest));
    if (m->waiting || partitions_of(m) == 0)
        return;
    m->waiting = true;
    if (m->state == MEMBER_OUT && !fact_group_is_lasting(m->group))
        commit(m, 0);
    else if (m->state == MEMBER_OUT)
        join(m);
    else if (m->state == MEMBER_JOINED)
        sync_group(m);
    else if (m->state == MEMBER_READING)
        ask_offsets(m);
    else
        act_stable(m);
}

/* --- answers --- */

static void go_out(struct member *m)
{
    m->state = MEMBER_OUT;
    memset(m->owns, 0, sizeof m->owns);
    actor_wait(&m->actor, 30);
}

/* Lets the member act on an error of any request. True: it was one. */
static bool take_error(struct member *m, const char *what, int error)
{
    if (error == KAFKA_NONE)
        return false;
    actor_note(&m->actor, "%s got %s", what, kafka_error_name((enum kafka_error)error));
    if (m->actor.trial->keeps_groups && error != KAFKA_COORDINATOR_NOT_AVAILABLE &&
        error != KAFKA_NOT_COORDINATOR)
        chronicle_fail(&m->actor.trial->chronicle, "a restart keeps the groups", "%s: %s got %s",
                       m->actor.name, what, kafka_error_name((enum kafka_error)error));
    switch (error) {
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_FENCED_INSTANCE_ID:
        m->id[0] = '\0';
        go_out(m);
        return true;
    case KAFKA_REBALANCE_IN_PROGRESS:
    case KAFKA_ILLEGAL_GENERATION:
        go_out(m);
        return true;
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_NOT_COORDINATOR:
        return true;
    default:
        actor_unexpected(&m->actor, what, error);
    }
}

static void joined(struct member *m, const struct join_group_response *in)
{
    if (in->error_code == KAFKA_MEMBER_ID_REQUIRED) {
        snprintf(m->id, sizeof m->id, "%.*s", BYTES_PRINTF(in->member_id));
        actor_wait(&m->actor, 5);
        return;
    }
    if (take_error(m, "join", in->error_code))
        return;
    snprintf(m->id, sizeof m->id, "%.*s", BYTES_PRINTF(in->member_id));
    m->generation = in->generation_id;
    m->is_leader = in->members_count > 0;
    m->member_count = in->members_count;
    ASSERT(in->members_count <= 8);
    for (int i = 0; i < in->members_count; i++)
        snprintf(m->members[i], ID_SIZE, "%.*s", BYTES_PRINTF(in->members[i].member_id));
    actor_note(&m->actor, "joined generation %d of %s, leader %.8s%s", m->generation,
               m->group->name, (const char *)in->leader.data, in->members_count ? " (itself)" : "");
    facts_joined(&m->actor.trial->facts, m->group, m->generation, m->floor,
                 m->is_leader ? label_of(m) : NULL);
    if (m->came_back)
        chronicle_reach(&m->actor.trial->chronicle, REACH_STATIC_BACK);
    m->came_back = false;
    m->state = MEMBER_JOINED;
    actor_wait(&m->actor, 5);
}

static void synced(struct member *m, const struct sync_group_response *in)
{
    char text[40];
    int generation = 0, used = 0;
    if (take_error(m, "sync", in->error_code))
        return;
    snprintf(text, sizeof text, "%.*s", BYTES_PRINTF(in->assignment));
    actor_note(&m->actor, "owns %s", text);
    if (in->assignment.size > 0 &&
        (sscanf(text, "g%d:%n", &generation, &used) != 1 || generation != m->generation))
        chronicle_fail(&m->actor.trial->chronicle, "a member gets its generation's assignment",
                       "%s generation %d got '%s'", m->actor.name, m->generation, text);
    memset(m->owns, 0, sizeof m->owns);
    for (const char *at = text + used; *at; at += 2)
        m->owns[*at - '0'] = true;
    facts_owns(&m->actor.trial->facts, m->group, m->generation, label_of(m), m->owns);
    facts_assigned(&m->actor.trial->facts, m->group, m->generation);
    m->state = MEMBER_READING;
    actor_wait(&m->actor, 5);
}

static void took_offsets(struct member *m, const struct offset_fetch_response *in)
{
    if (take_error(m, "OffsetFetch", in->error_code))
        return;
    for (int i = 0; i < in->topics[0].partitions_count; i++) {
        const struct offset_fetch_response_topics_partitions *p = &in->topics[0].partitions[i];
        if (p->error_code != KAFKA_NONE)
            actor_unexpected(&m->actor, "OffsetFetch", p->error_code);
        facts_told_commit(&m->actor.trial->facts, m->group, p->partition_index, p->committed_offset,
                          p->metadata, m->exchange.sent_step);
        m->positions[p->partition_index] = MAX(p->committed_offset, (int64_t)0);
    }
    if (m->state == MEMBER_READING)
        m->state = MEMBER_STABLE;
    m->actor.successes += m->once;
}

static void committed(struct member *m, int error)
{
    struct fact_commit *c = fact_commit_of(m->group, m->committing, m->attempt);
    if (error == KAFKA_NONE) {
        actor_note(&m->actor, "committed c%zu", m->attempt);
        facts_committed(&m->actor.trial->facts, c);
        if (m->commit_generation >= 0)
            facts_member_committed(&m->actor.trial->facts, m->group, m->commit_generation,
                                   m->exchange.sent_step);
        m->actor.successes++;
        return;
    }
    c->refused = true;
    if (error == KAFKA_ILLEGAL_GENERATION || error == KAFKA_UNKNOWN_MEMBER_ID)
        chronicle_reach(&m->actor.trial->chronicle, REACH_COMMIT_REFUSED);
    if (m->alone && error != KAFKA_COORDINATOR_NOT_AVAILABLE && error != KAFKA_NOT_COORDINATOR)
        actor_unexpected(&m->actor, "OffsetCommit", error);
    take_error(m, "OffsetCommit", error);
}

static void answered(struct actor *a, struct exchange *e, const void *body)
{
    struct member *m = member_of(a);
    m->waiting = false;
    switch (e->api) {
    case API_JOIN_GROUP:
        joined(m, body);
        break;
    case API_SYNC_GROUP:
        synced(m, body);
        break;
    case API_HEARTBEAT:
        if (((const struct heartbeat_response *)body)->error_code == KAFKA_UNKNOWN_MEMBER_ID)
            chronicle_reach(&a->trial->chronicle, REACH_MEMBER_EXPIRED);
        if (!take_error(m, "heartbeat", ((const struct heartbeat_response *)body)->error_code))
            a->successes++;
        break;
    case API_LEAVE_GROUP:
        m->id[0] = '\0';
        go_out(m);
        break;
    case API_OFFSET_FETCH:
        took_offsets(m, body);
        break;
    default:
        committed(
            m, ((const struct offset_commit_response *)body)->topics[0].partitions[0].error_code);
    }
}

static void lost(struct actor *a)
{
    struct member *m = member_of(a);
    if (m->waiting && m->exchange.api == API_OFFSET_COMMIT)
        chronicle_reach(&a->trial->chronicle, REACH_COMMIT_UNKNOWN);
    if (m->waiting && m->exchange.api == API_LEAVE_GROUP) {
        m->id[0] = '\0';
        go_out(m);
    }
    if (m->state == MEMBER_JOINED || m->state == MEMBER_OUT)
        chronicle_reach(&a->trial->chronicle, REACH_REBALANCE_CRASH);
    m->waiting = false;
}

static void member_free(struct actor *a)
{
    free(member_of(a));
}

static const struct actor_ops member_ops = {act, answered, lost, member_free};

struct actor *member_create(struct trial *t, int number, struct fact_group *group)
{
    struct member *m = xcalloc(1, sizeof *m);
    actor_init(&m->actor, t, &member_ops, "member", number);
    m->group = group;
    m->number = number;
    m->is_static = actor_once_in(&m->actor, 3);
    snprintf(m->instance, sizeof m->instance, "i%d", number);
    return &m->actor;
}

struct actor *committer_create(struct trial *t, int number, struct fact_group *group)
{
    struct member *m = CONTAINER_OF(member_create(t, number, group), struct member, actor);
    snprintf(m->actor.name, sizeof m->actor.name, "committer%d", number);
    m->alone = true;
    m->is_static = false;
    m->state = MEMBER_READING;
    memset(m->owns, true, sizeof m->owns);
    return &m->actor;
}

struct actor *veteran_create(struct trial *t, int number, struct fact_group *group)
{
    struct member *m = CONTAINER_OF(committer_create(t, number, group), struct member, actor);
    snprintf(m->actor.name, sizeof m->actor.name, "veteran%d", number);
    m->once = true;
    return &m->actor;
}
