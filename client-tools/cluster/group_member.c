#include "client-tools/cluster/group_member.h"

#include "client-tools/cluster/link.h"
#include "client-tools/cluster/range_assignor.h"
#include "client-tools/stop.h"
#include "protocol/consumer_protocol.h"
#include "protocol/kafka_error.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { REBALANCE_TIMEOUT_MS = 60000, RETRY_MS = 200, MAX_METADATA = 1 << 20 };

void group_member_init(struct group_member *m, struct client *client, struct bytes group)
{
    *m = (struct group_member){.client = client,
                               .group = group,
                               .instance_id = BYTES_NULL,
                               .session_timeout_ms = 45000,
                               .heartbeat_ms = 3000};
    arena_init(&m->arena, 256 << 20);
}

void group_member_free(struct group_member *m)
{
    arena_free(&m->arena);
}

static bool fail_group(struct group_member *m, int code, struct failure *f)
{
    return fail_kafka(f, code, BYTES_NULL, "group %.*s", BYTES_PRINTF(m->group));
}

static void forget_member(struct group_member *m)
{
    m->member_id[0] = '\0';
    m->generation = -1;
}

/* Handles an error of the group. True: joining again may help. */
static bool can_join_again(struct group_member *m, int code, struct failure *f)
{
    switch (code) {
    case KAFKA_REBALANCE_IN_PROGRESS:
    case KAFKA_MEMBER_ID_REQUIRED:
        return true;
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_ILLEGAL_GENERATION:
        forget_member(m);
        return true;
    case KAFKA_NOT_COORDINATOR:
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS: {
        struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
        nanosleep(&pause, NULL);
        return !stop_requested() &&
               cluster_coordinator(m->client, m->group, &m->arena, &m->coordinator, f);
    }
    default:
        return fail_group(m, code, f);
    }
}

static struct bytes encode_subscription(struct group_member *m)
{
    struct consumer_subscription s = {.topics =
                                          arena_array(&m->arena, m->topic_count, sizeof *s.topics),
                                      .topic_count = (int32_t)m->topic_count,
                                      .user_data = BYTES_NULL};
    memcpy(s.topics, m->topics, m->topic_count * sizeof *s.topics);
    struct buffer out;
    buffer_init(&out, MAX_METADATA);
    consumer_subscription_encode(&s, &out);
    struct bytes encoded = arena_copy(&m->arena, buffer_view(&out));
    buffer_free(&out);
    return encoded;
}

static bool send_join(struct group_member *m, struct join_group_response *response,
                      struct failure *f)
{
    struct join_group_request request;
    schema_defaults(&join_group_request_schema, &request);
    request.group_id = m->group;
    request.session_timeout_ms = m->session_timeout_ms;
    request.rebalance_timeout_ms = REBALANCE_TIMEOUT_MS;
    request.member_id = bytes_string(m->member_id);
    request.group_instance_id = m->instance_id;
    request.protocol_type = BYTES_LITERAL("consumer");
    request.protocols = schema_array(&join_group_request_protocols_schema, 1, &m->arena);
    request.protocols_count = 1;
    request.protocols[0].name = BYTES_LITERAL("range");
    request.protocols[0].metadata = encode_subscription(m);
    if (!client_call_waiting(m->client, m->coordinator, API_JOIN_GROUP, &request, &m->arena,
                             response, REBALANCE_TIMEOUT_MS, f))
        return false;
    if (response->member_id.size > 0)
        snprintf(m->member_id, sizeof m->member_id, "%.*s", BYTES_PRINTF(response->member_id));
    return true;
}

static bool send_sync(struct group_member *m, const struct join_group_response *joined,
                      struct sync_group_response *response, struct failure *f)
{
    struct sync_group_request request;
    schema_defaults(&sync_group_request_schema, &request);
    request.group_id = m->group;
    request.generation_id = joined->generation_id;
    request.member_id = bytes_string(m->member_id);
    request.group_instance_id = m->instance_id;
    request.protocol_type = BYTES_LITERAL("consumer");
    request.protocol_name = BYTES_LITERAL("range");
    bool leads = bytes_equal(joined->leader, joined->member_id) && !joined->skip_assignment;
    if (leads && !range_assign_members(m->client, joined, &m->arena, &request, f))
        return false;
    return client_call_waiting(m->client, m->coordinator, API_SYNC_GROUP, &request, &m->arena,
                               response, REBALANCE_TIMEOUT_MS, f);
}

/* Turns the assignment into partitions to read, with their leaders. */
static bool take_assignment(struct group_member *m, struct bytes encoded, struct failure *f)
{
    struct consumer_assignment a = {0};
    m->count = 0;
    if (encoded.size == 0)
        return true;
    if (consumer_assignment_decode(encoded, &m->arena, &a) != ERR_OK)
        return fail(f, "INCONSISTENT_GROUP_PROTOCOL", "group %.*s: the assignment is malformed",
                    BYTES_PRINTF(m->group));
    struct bytes *names = arena_array(&m->arena, (size_t)a.topic_count, sizeof *names);
    size_t total = 0, topic_count;
    for (int32_t t = 0; t < a.topic_count; t++) {
        names[t] = a.topics[t].topic;
        total += (size_t)a.topics[t].count;
    }
    m->partitions = arena_array(&m->arena, total, sizeof *m->partitions);
    struct topic_info *topics;
    if (total == 0)
        return true;
    if (!cluster_topics(m->client, names, (size_t)a.topic_count, false, &m->arena, &topics,
                        &topic_count, f))
        return false;
    for (size_t t = 0; t < (size_t)a.topic_count; t++) {
        for (int32_t i = 0; i < a.topics[t].count; i++) {
            int32_t index = a.topics[t].partitions[i], leader = -1;
            for (int32_t p = 0; t < topic_count && p < topics[t].partition_count; p++) {
                if (topics[t].partitions[p].index == index)
                    leader = topics[t].partitions[p].leader;
            }
            m->partitions[m->count++] = (struct fetch_partition){
                .topic = names[t], .index = index, .leader = leader, .stop = INT64_MAX};
        }
    }
    return true;
}

static void take_committed(struct group_member *m, struct bytes topic, int32_t index,
                           int64_t offset)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->partitions[i].index == index && bytes_equal(m->partitions[i].topic, topic))
            m->partitions[i].position = offset;
    }
}

/* Asks for all of the group's offsets, which is simpler than naming the partitions. */
static bool fetch_committed(struct group_member *m, struct failure *f)
{
    struct offset_fetch_request request;
    struct offset_fetch_response response;
    schema_defaults(&offset_fetch_request_schema, &request);
    request.group_id = m->group;
    request.topics_count = -1;
    request.groups = schema_array(&offset_fetch_request_groups_schema, 1, &m->arena);
    request.groups_count = 1;
    request.groups[0].group_id = m->group;
    request.groups[0].topics_count = -1;
    if (!client_call(m->client, m->coordinator, API_OFFSET_FETCH, &request, &m->arena, &response,
                     f))
        return false;
    if (response.error_code != 0)
        return fail_group(m, response.error_code, f);
    for (int32_t t = 0; t < response.topics_count; t++) {
        for (int32_t p = 0; p < response.topics[t].partitions_count; p++)
            take_committed(m, response.topics[t].name,
                           response.topics[t].partitions[p].partition_index,
                           response.topics[t].partitions[p].committed_offset);
    }
    if (response.groups_count != 1)
        return true;
    const struct offset_fetch_response_groups *g = &response.groups[0];
    if (g->error_code != 0)
        return fail_group(m, g->error_code, f);
    for (int32_t t = 0; t < g->topics_count; t++) {
        for (int32_t p = 0; p < g->topics[t].partitions_count; p++)
            take_committed(m, g->topics[t].name, g->topics[t].partitions[p].partition_index,
                           g->topics[t].partitions[p].committed_offset);
    }
    return true;
}

static bool find_positions(struct group_member *m, struct offset_bound start, struct failure *f)
{
    for (size_t i = 0; i < m->count; i++)
        m->partitions[i].position = -1;
    if (m->count == 0)
        return true;
    if (!fetch_committed(m, f))
        return false;
    struct offset_target *targets = arena_array(&m->arena, m->count, sizeof *targets);
    size_t missing = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct fetch_partition *p = &m->partitions[i];
        if (p->position < 0)
            targets[missing++] = (struct offset_target){p->topic, p->index, p->leader, 0, 0};
    }
    if (missing > 0 && !offset_bound_resolve(m->client, start, targets, missing, &m->arena, f))
        return false;
    for (size_t i = 0; i < missing; i++) {
        if (targets[i].error_code != 0)
            return fail_kafka(f, targets[i].error_code, BYTES_NULL, "%.*s/%d",
                              BYTES_PRINTF(targets[i].topic), targets[i].partition);
        take_committed(m, targets[i].topic, targets[i].partition, targets[i].offset);
    }
    return true;
}

/* Tries once to join. *again: there was no assignment, but the next try may bring one. */
static bool try_join(struct group_member *m, bool *again, struct failure *f)
{
    struct join_group_response joined;
    struct sync_group_response synced;
    *again = true;
    if (!send_join(m, &joined, f))
        return false;
    if (joined.error_code != 0)
        return can_join_again(m, joined.error_code, f);
    m->generation = joined.generation_id;
    m->joined = true;
    if (!send_sync(m, &joined, &synced, f))
        return false;
    if (synced.error_code != 0)
        return can_join_again(m, synced.error_code, f);
    *again = false;
    return take_assignment(m, synced.assignment, f);
}

bool group_member_join(struct group_member *m, struct offset_bound start, struct failure *f)
{
    enum { MAX_TRIES = 100 };
    arena_reset(&m->arena);
    m->count = 0;
    if (!cluster_coordinator(m->client, m->group, &m->arena, &m->coordinator, f))
        return false;
    bool again = true;
    for (int tries = 0; again && tries < MAX_TRIES; tries++) {
        if (!try_join(m, &again, f))
            return false;
    }
    if (again)
        return fail_group(m, KAFKA_REBALANCE_IN_PROGRESS, f);
    m->next_heartbeat_ms = link_now_ms() + m->heartbeat_ms;
    return find_positions(m, start, f);
}

bool group_member_beat(struct group_member *m, bool *rebalance, struct failure *f)
{
    *rebalance = false;
    int64_t now_ms = link_now_ms();
    if (now_ms < m->next_heartbeat_ms)
        return true;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct heartbeat_request request;
    struct heartbeat_response response;
    schema_defaults(&heartbeat_request_schema, &request);
    request.group_id = m->group;
    request.generation_id = m->generation;
    request.member_id = bytes_string(m->member_id);
    request.group_instance_id = m->instance_id;
    bool good =
        client_call(m->client, m->coordinator, API_HEARTBEAT, &request, &arena, &response, f);
    arena_free(&arena);
    m->next_heartbeat_ms = now_ms + m->heartbeat_ms;
    if (!good && f->exit == EXIT_UNREACHABLE && !stop_requested()) {
        *rebalance = true; /* joining finds the coordinator again */
        return true;
    }
    if (!good || response.error_code == 0)
        return good;
    *rebalance = true;
    return can_join_again(m, response.error_code, f);
}

bool group_member_commit(struct group_member *m, bool *rebalance, struct failure *f)
{
    *rebalance = false;
    if (m->count == 0 || !m->joined)
        return true;
    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct offset_commit_request request;
    struct offset_commit_response response;
    schema_defaults(&offset_commit_request_schema, &request);
    request.group_id = m->group;
    request.generation_id_or_member_epoch = m->generation;
    request.member_id = bytes_string(m->member_id);
    request.group_instance_id = m->instance_id;
    request.retention_time_ms = -1;
    request.topics = schema_array(&offset_commit_request_topics_schema, m->count, &arena);
    struct offset_commit_request_topics *topic = NULL;
    for (size_t i = 0; i < m->count; i++) {
        const struct fetch_partition *p = &m->partitions[i];
        if (topic == NULL || !bytes_equal(topic->name, p->topic)) {
            topic = &request.topics[request.topics_count++];
            topic->name = p->topic;
            topic->partitions =
                schema_array(&offset_commit_request_topics_partitions_schema, m->count - i, &arena);
        }
        struct offset_commit_request_topics_partitions *out =
            &topic->partitions[topic->partitions_count++];
        out->partition_index = p->index;
        out->committed_offset = p->position;
        out->committed_leader_epoch = -1;
        out->committed_metadata = BYTES_LITERAL("");
    }
    bool good =
        client_call(m->client, m->coordinator, API_OFFSET_COMMIT, &request, &arena, &response, f);
    int code = 0;
    for (int32_t t = 0; good && t < response.topics_count; t++) {
        for (int32_t p = 0; p < response.topics[t].partitions_count; p++)
            code = code ? code : response.topics[t].partitions[p].error_code;
    }
    arena_free(&arena);
    if (!good || code == 0)
        return good;
    *rebalance = true;
    return can_join_again(m, code, f);
}

void group_member_leave(struct group_member *m)
{
    if (!m->joined || m->member_id[0] == '\0' || !bytes_is_null(m->instance_id))
        return; /* a static member comes back and keeps its partitions */
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct leave_group_request request;
    struct leave_group_response response;
    struct failure ignored;
    schema_defaults(&leave_group_request_schema, &request);
    request.group_id = m->group;
    request.member_id = bytes_string(m->member_id);
    request.members = schema_array(&leave_group_request_members_schema, 1, &arena);
    request.members_count = 1;
    request.members[0].member_id = bytes_string(m->member_id);
    (void)client_call(m->client, m->coordinator, API_LEAVE_GROUP, &request, &arena, &response,
                      &ignored);
    m->joined = false;
    arena_free(&arena);
}
