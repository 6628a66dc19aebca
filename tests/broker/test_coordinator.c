/* The data of groups over restarts, deletions and time. The tests send requests to a broker with
 * its store. */
#include "tests/broker/support_broker.h"

#include "broker/groups/coordinator.h"

#include <stdio.h>

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS, LONG_SESSION_MS = 100 * HOUR_MS };

static struct test_broker *start(int shards)
{
    return test_broker_start(shards, "connections.max.idle.ms=-1", "offsets.retention.minutes=60",
                             "group.max.session.timeout.ms=1000000000", NULL);
}

/* --- offsets --- */

static void send_commit(struct test_client *c, const char *group, const char *topic,
                        int32_t partition, int64_t offset)
{
    struct offset_commit_request_topics_partitions p = {partition, offset, 7,
                                                        BYTES_LITERAL("note")};
    struct offset_commit_request_topics t = {
        .name = bytes_string(topic), .partitions = &p, .partitions_count = 1};
    struct offset_commit_request request;
    schema_defaults(&offset_commit_request_schema, &request);
    request.group_id = bytes_string(group);
    request.generation_id_or_member_epoch = -1;
    request.member_id = BYTES_LITERAL("");
    request.topics = &t;
    request.topics_count = 1;
    test_send(c, API_OFFSET_COMMIT, 8, &request);
}

static void commit(struct test_client *c, const char *group, const char *topic, int32_t partition,
                   int64_t offset)
{
    send_commit(c, group, topic, partition, offset);
    test_settle(test_broker_of(c));
    struct offset_commit_response *r = test_receive(c, API_OFFSET_COMMIT, 8);
    EXPECT_INT(r->topics[0].partitions[0].error_code, KAFKA_NONE);
}

/* Versions 2 to 4 carry the time for which the offset is kept; -1: the broker's. */
static void commit_for(struct test_client *c, const char *group, const char *topic,
                       int64_t retention_ms)
{
    struct offset_commit_request_topics_partitions p = {0, 1, -1, BYTES_LITERAL("note")};
    struct offset_commit_request_topics t = {
        .name = bytes_string(topic), .partitions = &p, .partitions_count = 1};
    struct offset_commit_request request;
    schema_defaults(&offset_commit_request_schema, &request);
    request.group_id = bytes_string(group);
    request.generation_id_or_member_epoch = -1;
    request.member_id = BYTES_LITERAL("");
    request.retention_time_ms = retention_ms;
    request.topics = &t;
    request.topics_count = 1;
    struct offset_commit_response *r = test_call(c, API_OFFSET_COMMIT, 3, &request);
    EXPECT_INT(r->topics[0].partitions[0].error_code, KAFKA_NONE);
}

static void send_fetch(struct test_client *c, const char *group)
{
    struct offset_fetch_request request;
    schema_defaults(&offset_fetch_request_schema, &request);
    request.group_id = bytes_string(group);
    request.topics_count = -1;
    test_send(c, API_OFFSET_FETCH, 7, &request);
}

/* The committed offset of partition 0 of a topic with its metadata, or NULL. */
static const struct offset_fetch_response_topics_partitions *
find_committed(struct test_client *c, const char *group, const char *topic)
{
    send_fetch(c, group);
    test_settle(test_broker_of(c));
    struct offset_fetch_response *r = test_receive(c, API_OFFSET_FETCH, 7);
    EXPECT_INT(r->error_code, KAFKA_NONE);
    for (int32_t i = 0; i < r->topics_count; i++) {
        const struct offset_fetch_response_topics_partitions *p = r->topics[i].partitions;
        if (bytes_equal_string(r->topics[i].name, topic) && p->partition_index == 0)
            return p;
    }
    return NULL;
}

/* The committed offset of partition 0 of a topic, or -1. */
static int64_t committed(struct test_client *c, const char *group, const char *topic)
{
    const struct offset_fetch_response_topics_partitions *p = find_committed(c, group, topic);
    if (p == NULL)
        return -1;
    EXPECT_BYTES(p->metadata, BYTES_LITERAL("note"));
    EXPECT_INT(p->committed_leader_epoch, 7);
    return p->committed_offset;
}

static int delete_offset(struct test_client *c, const char *group, const char *topic)
{
    struct offset_delete_request_topics_partitions p = {0};
    struct offset_delete_request_topics t = {bytes_string(topic), &p, 1};
    struct offset_delete_request request = {bytes_string(group), &t, 1};
    struct offset_delete_response *r = test_call(c, API_OFFSET_DELETE, 0, &request);
    return r->error_code ? r->error_code : r->topics[0].partitions[0].error_code;
}

static int delete_group(struct test_client *c, const char *group)
{
    struct bytes name = bytes_string(group);
    struct delete_groups_request request = {&name, 1};
    struct delete_groups_response *r = test_call(c, API_DELETE_GROUPS, 2, &request);
    return r->results[0].error_code;
}

static void delete_topic(struct test_client *c, const char *topic)
{
    struct bytes name = bytes_string(topic);
    struct delete_topics_request request;
    schema_defaults(&delete_topics_request_schema, &request);
    request.topic_names = &name;
    request.topic_names_count = 1;
    struct delete_topics_response *r = test_call(c, API_DELETE_TOPICS, 5, &request);
    EXPECT_INT(r->responses[0].error_code, KAFKA_NONE);
}

static bool is_listed(struct test_client *c, const char *group)
{
    struct list_groups_request request;
    schema_defaults(&list_groups_request_schema, &request);
    struct list_groups_response *r = test_call(c, API_LIST_GROUPS, 4, &request);
    for (int32_t i = 0; i < r->groups_count; i++) {
        if (bytes_equal_string(r->groups[i].group_id, group))
            return true;
    }
    return false;
}

/* --- members --- */

struct member {
    const char *group;
    struct bytes id;
    int32_t generation, session_ms;
};

/* The consumer protocol's subscription to one topic. */
static struct bytes subscription(struct test_broker *b, const char *topic)
{
    size_t size = strlen(topic);
    uint8_t *at = arena_alloc(test_arena(b), size + 12); /* version 0 */
    at[5] = 1;
    at[7] = (uint8_t)size;
    memcpy(at + 8, topic, size);
    memset(at + 8 + size, 0xff, 4); /* no user data */
    return bytes_of(at, size + 12);
}

static void send_join(struct test_client *c, const char *group, const char *topic,
                      int32_t session_ms, int32_t rebalance_ms)
{
    struct join_group_request_protocols protocol = {BYTES_LITERAL("range"),
                                                    subscription(test_broker_of(c), topic)};
    struct join_group_request request;
    schema_defaults(&join_group_request_schema, &request);
    request.group_id = bytes_string(group);
    request.session_timeout_ms = session_ms;
    request.rebalance_timeout_ms = rebalance_ms;
    request.member_id = BYTES_LITERAL("");
    request.protocol_type = BYTES_LITERAL("consumer");
    request.protocols = &protocol;
    request.protocols_count = 1;
    test_send(c, API_JOIN_GROUP, 3, &request);
}

static struct member join(struct test_client *c, const char *group, const char *topic,
                          int32_t session_ms)
{
    struct test_broker *b = test_broker_of(c);
    send_join(c, group, topic, session_ms, MINUTE_MS);
    test_settle(b);
    struct join_group_response *joined = test_receive(c, API_JOIN_GROUP, 3);
    EXPECT_INT(joined->error_code, KAFKA_NONE);
    struct member m = {group, joined->member_id, joined->generation_id, session_ms};
    struct sync_group_request_assignments own = {m.id, BYTES_LITERAL("all of it")};
    struct sync_group_request sync;
    schema_defaults(&sync_group_request_schema, &sync);
    sync.group_id = bytes_string(group);
    sync.generation_id = m.generation;
    sync.member_id = m.id;
    sync.assignments = &own;
    sync.assignments_count = 1;
    struct sync_group_response *synced = test_call(c, API_SYNC_GROUP, 2, &sync);
    EXPECT_INT(synced->error_code, KAFKA_NONE);
    return m;
}

static int heartbeat(struct test_client *c, const struct member *m)
{
    struct heartbeat_request request;
    schema_defaults(&heartbeat_request_schema, &request);
    request.group_id = bytes_string(m->group);
    request.generation_id = m->generation;
    request.member_id = m->id;
    struct heartbeat_response *r = test_call(c, API_HEARTBEAT, 3, &request);
    return r->error_code;
}

static void leave(struct test_client *c, const struct member *m)
{
    struct leave_group_request request;
    schema_defaults(&leave_group_request_schema, &request);
    request.group_id = bytes_string(m->group);
    request.member_id = m->id;
    struct leave_group_response *r = test_call(c, API_LEAVE_GROUP, 2, &request);
    EXPECT_INT(r->error_code, KAFKA_NONE);
}

static struct describe_groups_response_groups *describe(struct test_client *c, const char *group)
{
    struct bytes name = bytes_string(group);
    struct describe_groups_request request;
    schema_defaults(&describe_groups_request_schema, &request);
    request.groups = &name;
    request.groups_count = 1;
    struct describe_groups_response *r = test_call(c, API_DESCRIBE_GROUPS, 5, &request);
    return &r->groups[0];
}

/* --- restarts --- */

/* The rows repeat the group's id and the topic's name for each partition, so a small request would
 * make an entry of the journal of any size. */
TEST(a_commit_whose_rows_are_too_large_is_refused_and_changes_nothing)
{
    enum { ITEMS = 3000, ID_BYTES = 32000 };
    struct test_broker *b = start(1);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    char *group = arena_alloc(test_arena(b), ID_BYTES + 1);
    memset(group, 'g', ID_BYTES);
    group[ID_BYTES] = 0;
    struct offset_commit_request_topics_partitions *p =
        arena_alloc(test_arena(b), ITEMS * sizeof *p);
    for (int i = 0; i < ITEMS; i++)
        p[i] = (struct offset_commit_request_topics_partitions){0, i, 7, BYTES_LITERAL("note")};
    struct offset_commit_request_topics t = {
        .name = BYTES_LITERAL("orders"), .partitions = p, .partitions_count = ITEMS};
    struct offset_commit_request request;
    schema_defaults(&offset_commit_request_schema, &request);
    request.group_id = bytes_string(group);
    request.generation_id_or_member_epoch = -1;
    request.member_id = BYTES_LITERAL("");
    request.topics = &t;
    request.topics_count = 1;
    struct offset_commit_response *r = test_call(c, API_OFFSET_COMMIT, 8, &request);
    for (int i = 0; i < ITEMS; i++)
        EXPECT_INT(r->topics[0].partitions[i].error_code, KAFKA_INVALID_COMMIT_OFFSET_SIZE);
    EXPECT_INT(committed(c, group, "orders"), -1);
    EXPECT(!is_listed(c, group));
    t.partitions_count = ITEMS / 3;
    r = test_call(c, API_OFFSET_COMMIT, 8, &request);
    for (int i = 0; i < ITEMS / 3; i++)
        EXPECT_INT(r->topics[0].partitions[i].error_code, KAFKA_NONE);
    EXPECT_INT(committed(c, group, "orders"), ITEMS / 3 - 1);
    test_broker_free(b);
}

TEST(commits_survive_restarts_with_any_number_of_shards)
{
    static const int counts[] = {1, 4, 2, 1};
    struct test_broker *b = start(2);
    struct test_client *c = test_client_open(b, 0);
    char group[16];
    test_create_topic(c, "orders", 3, NULL);
    for (int i = 0; i < 20; i++) {
        snprintf(group, sizeof group, "g%d", i);
        commit(c, group, "orders", 0, 5);
        commit(c, group, "orders", 0, 1000 + i); /* the last one counts */
        commit(c, group, "orders", 2, 1);
    }
    for (size_t n = 0; n < COUNT_OF(counts); n++) {
        test_broker_restart_with(b, counts[n]);
        c = test_client_open(b, 0);
        for (int i = 0; i < 20; i++) {
            snprintf(group, sizeof group, "g%d", i);
            EXPECT_INT(committed(c, group, "orders"), 1000 + i);
        }
    }
    test_broker_free(b);
}

TEST(deleted_offsets_and_groups_stay_deleted_after_a_restart)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = start(shards);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        test_create_topic(c, "bills", 1, NULL);
        for (int again = 0; again < 2; again++) { /* rows in the files, then in memory only */
            commit(c, "offset", "orders", 0, 1);
            commit(c, "offset", "bills", 0, 2);
            commit(c, "group", "orders", 0, 3);
            commit(c, "both", "orders", 0, 4);
            if (again == 0)
                test_broker_restart(b);
            c = test_client_open(b, 0);
            EXPECT_INT(delete_offset(c, "offset", "orders"), KAFKA_NONE);
            EXPECT_INT(delete_group(c, "group"), KAFKA_NONE);
            EXPECT_INT(delete_group(c, "both"), KAFKA_NONE);
            commit(c, "both", "bills", 0, 5); /* makes the group again, without its old offsets */
            for (int restarted = 0; restarted < 2; restarted++) {
                EXPECT_INT(committed(c, "offset", "orders"), -1);
                EXPECT_INT(committed(c, "offset", "bills"), 2);
                EXPECT(!is_listed(c, "group"));
                EXPECT_INT(committed(c, "both", "orders"), -1);
                EXPECT_INT(committed(c, "both", "bills"), 5);
                test_broker_restart(b);
                c = test_client_open(b, 0);
            }
            EXPECT_INT(delete_group(c, "group"), KAFKA_GROUP_ID_NOT_FOUND);
        }
        test_broker_free(b);
    }
}

TEST(a_recreated_topic_does_not_have_the_offsets_of_the_deleted_one)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = start(shards);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        test_create_topic(c, "bills", 1, NULL);
        commit(c, "g", "orders", 0, 1);
        commit(c, "g", "bills", 0, 2);
        delete_topic(c, "orders");
        test_create_topic(c, "orders", 1, NULL);
        EXPECT_INT(committed(c, "g", "orders"), -1);
        test_broker_restart(b);
        c = test_client_open(b, 0);
        EXPECT_INT(committed(c, "g", "orders"), -1);
        EXPECT_INT(committed(c, "g", "bills"), 2);
        test_broker_free(b);
    }
}

TEST(members_and_generation_survive_a_restart)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = start(shards);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        commit(c, "g", "orders", 0, 1); /* without offsets an empty group would be removed */
        struct member m = join(c, "g", "orders", 10000);
        m.id = arena_copy(test_arena(b), m.id);
        test_broker_restart(b);
        c = test_client_open(b, 0);
        const struct describe_groups_response_groups *d = describe(c, "g");
        EXPECT_BYTES(d->group_state, BYTES_LITERAL("Stable"));
        EXPECT_INT(d->members_count, 1);
        EXPECT_BYTES(d->members[0].member_id, m.id);
        EXPECT_BYTES(d->members[0].member_assignment, BYTES_LITERAL("all of it"));
        test_advance(b, 9000); /* the session begins again with the start */
        EXPECT_INT(heartbeat(c, &m), KAFKA_NONE);
        m.generation++;
        EXPECT_INT(heartbeat(c, &m), KAFKA_ILLEGAL_GENERATION);
        test_broker_restart(b);
        test_advance(b, 11000);
        c = test_client_open(b, 0);
        m.generation--;
        EXPECT_INT(heartbeat(c, &m), KAFKA_UNKNOWN_MEMBER_ID);
        d = describe(c, "g");
        EXPECT_BYTES(d->group_state, BYTES_LITERAL("Empty"));
        /* The next generation is a new one, also after one more restart. */
        test_broker_restart(b);
        c = test_client_open(b, 0);
        EXPECT(join(c, "g", "orders", 10000).generation > m.generation);
        test_broker_free(b);
    }
}

TEST(members_that_left_are_gone_after_a_restart)
{
    struct test_broker *b = start(2);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    commit(c, "g", "orders", 0, 1);
    struct member m = join(c, "g", "orders", 10000);
    m.id = arena_copy(test_arena(b), m.id);
    leave(c, &m);
    test_broker_restart(b);
    c = test_client_open(b, 0);
    EXPECT_BYTES(describe(c, "g")->group_state, BYTES_LITERAL("Empty"));
    EXPECT_INT(heartbeat(c, &m), KAFKA_UNKNOWN_MEMBER_ID);
    test_broker_free(b);
}

/* --- durability --- */

TEST(a_commit_is_answered_and_read_only_when_it_is_durable)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = start(shards);
        struct test_client *c = test_client_open(b, 0), *reader = test_client_open(b, shards - 1);
        test_create_topic(c, "orders", 1, NULL);
        commit(c, "g", "orders", 0, 1);
        test_hold_journal(b, true);
        send_commit(c, "g", "orders", 0, 2);
        test_settle(b);
        EXPECT(!test_has_response(c));
        send_fetch(reader, "g");
        test_settle(b);
        EXPECT(!test_has_response(reader)); /* no answer reports what a crash could take back */
        test_hold_journal(b, false);
        test_settle(b);
        EXPECT(test_has_response(c));
        struct offset_fetch_response *r = test_receive(reader, API_OFFSET_FETCH, 7);
        EXPECT_INT(r->topics[0].partitions[0].committed_offset, 2);
        test_broker_free(b);
    }
}

/* --- time --- */

static void hours_pass(struct test_broker *b, int tenths)
{
    for (int i = 0; i < tenths; i++)
        test_advance(b, HOUR_MS / 10);
}

TEST(offsets_of_a_group_without_members_age_from_their_commit)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = start(shards);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        test_create_topic(c, "bills", 1, NULL);
        commit(c, "g", "orders", 0, 1);
        hours_pass(b, 5);
        commit(c, "g", "bills", 0, 2);
        test_broker_restart(b); /* offsets also age over restarts */
        c = test_client_open(b, 0);
        hours_pass(b, 4);
        EXPECT_INT(committed(c, "g", "orders"), 1);
        hours_pass(b, 3); /* expiry runs every ten minutes */
        EXPECT_INT(committed(c, "g", "orders"), -1);
        EXPECT_INT(committed(c, "g", "bills"), 2);
        hours_pass(b, 5);
        EXPECT_INT(committed(c, "g", "bills"), -1);
        EXPECT(!is_listed(c, "g"));
        test_broker_restart(b);
        c = test_client_open(b, 0);
        EXPECT(!is_listed(c, "g"));
        EXPECT_INT(committed(c, "g", "orders"), -1);
        test_broker_free(b);
    }
}

TEST(while_a_group_has_members_only_offsets_of_other_topics_age)
{
    struct test_broker *b = start(2);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    test_create_topic(c, "bills", 1, NULL);
    commit(c, "g", "orders", 0, 1);
    commit(c, "g", "bills", 0, 2);
    struct member m = join(c, "g", "orders", LONG_SESSION_MS);
    m.id = arena_copy(test_arena(b), m.id);
    hours_pass(b, 13);
    EXPECT_INT(committed(c, "g", "orders"), 1);
    EXPECT_INT(committed(c, "g", "bills"), -1);
    /* The last member has left: from now on its offsets age, independent of the commit. A restart
     * does not change this. */
    leave(c, &m);
    hours_pass(b, 5);
    test_broker_restart(b);
    c = test_client_open(b, 0);
    hours_pass(b, 4);
    EXPECT_INT(committed(c, "g", "orders"), 1);
    hours_pass(b, 3);
    EXPECT_INT(committed(c, "g", "orders"), -1);
    EXPECT(!is_listed(c, "g"));
    test_broker_free(b);
}

TEST(while_members_join_again_no_offset_ages)
{
    struct test_broker *b = start(1);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    test_create_topic(c, "bills", 1, NULL);
    commit(c, "g", "bills", 0, 2);
    struct member m = join(c, "g", "orders", LONG_SESSION_MS);
    struct test_client *other = test_client_open(b, 0);
    send_join(other, "g", "orders", LONG_SESSION_MS, LONG_SESSION_MS);
    test_settle(b);
    EXPECT_BYTES(describe(c, "g")->group_state, BYTES_LITERAL("PreparingRebalance"));
    hours_pass(b, 13); /* who joins next may subscribe to it */
    EXPECT_INT(committed(c, "g", "bills"), 2);
    leave(c, &m);
    test_broker_free(b);
}

TEST(a_commit_with_a_time_of_its_own_expires_then)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = start(shards);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        test_create_topic(c, "bills", 1, NULL);
        test_create_topic(c, "notes", 1, NULL);
        commit_for(c, "g", "orders", HOUR_MS / 2);
        commit_for(c, "g", "bills", 3 * (int64_t)HOUR_MS);
        commit_for(c, "g", "notes", -1);
        test_broker_restart(b);
        c = test_client_open(b, 0);
        EXPECT(find_committed(c, "g", "orders") != NULL);
        hours_pass(b, 7);
        EXPECT(find_committed(c, "g", "orders") == NULL);
        EXPECT(find_committed(c, "g", "notes") != NULL);
        hours_pass(b, 5);
        EXPECT(find_committed(c, "g", "notes") == NULL);
        EXPECT(find_committed(c, "g", "bills") != NULL);
        hours_pass(b, 20);
        EXPECT(find_committed(c, "g", "bills") == NULL);
        test_broker_free(b);
    }
}

static int count_groups(struct test_broker *b)
{
    int count = 0;
    size_t at = 0;
    while (coordinator_next(test_shard(b, 0)->coordinator, &at, NULL))
        count++;
    return count;
}

/* All groups of a shard in one turn would delay its requests. */
TEST(the_offsets_of_many_groups_expire_in_several_turns)
{
    enum { GROUPS = 3000 };
    struct test_broker *b = start(1);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    for (int i = 0; i < GROUPS; i++) {
        char group[16];
        snprintf(group, sizeof group, "g%d", i);
        coordinator_set_offset(test_shard(b, 0), bytes_string(group), BYTES_LITERAL("orders"), 0,
                               i);
    }
    test_settle(b);
    int before = count_groups(b);
    EXPECT_INT(before, GROUPS);
    for (int i = 0; i < 200 && count_groups(b) == before; i++)
        test_advance(b, MINUTE_MS);
    EXPECT(count_groups(b) < before && count_groups(b) > before / 2);
    for (int i = 0; i < 60; i++)
        test_advance(b, MINUTE_MS);
    EXPECT_INT(count_groups(b), 0);
    test_broker_restart(b);
    EXPECT_INT(count_groups(b), 0);
    test_broker_free(b);
}

TEST(an_empty_group_without_offsets_is_removed_for_good)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = start(shards);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        struct member m = join(c, "g", "orders", 10000);
        EXPECT(is_listed(c, "g"));
        leave(c, &m);
        hours_pass(b, 3);
        EXPECT(!is_listed(c, "g"));
        EXPECT_BYTES(describe(c, "g")->group_state, BYTES_LITERAL("Dead"));
        test_broker_restart(b);
        c = test_client_open(b, 0);
        EXPECT(!is_listed(c, "g"));
        test_broker_free(b);
    }
}

TEST(a_group_with_members_stays_although_it_has_no_offsets)
{
    struct test_broker *b = start(1);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    struct member m = join(c, "g", "orders", LONG_SESSION_MS);
    hours_pass(b, 13);
    EXPECT_BYTES(describe(c, "g")->group_state, BYTES_LITERAL("Stable"));
    leave(c, &m);
    test_broker_free(b);
}

TEST(the_lag_of_a_processor_never_ages)
{
    struct test_broker *b = start(1);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    coordinator_set_offset(test_shard(b, 0), BYTES_LITERAL("__sp.orders.dedup"),
                           BYTES_LITERAL("orders"), 0, 9);
    hours_pass(b, 30);
    test_broker_restart(b);
    const struct offsets *offsets =
        coordinator_offsets(test_shard(b, 0)->coordinator, BYTES_LITERAL("__sp.orders.dedup"));
    EXPECT(offsets != NULL);
    EXPECT_INT(offsets_get(offsets, BYTES_LITERAL("orders"), 0)->offset, 9);
    test_broker_free(b);
}
