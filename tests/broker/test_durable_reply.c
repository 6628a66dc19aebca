/* Answers that wait for the journal: they are sent when it is written, and report an error if it
 * fails. */
#include "tests/broker/support_broker.h"

static void fail_journals(struct test_broker *b)
{
    for (int i = 0; i < test_shard_count(b); i++)
        test_fail_journal(b, i);
    test_hold_journal(b, false);
    test_settle(b);
}

enum { PARTITIONS = 8 };

static void send_produce(struct test_client *c, struct bytes batch)
{
    struct produce_request_topic_data_partition_data data[PARTITIONS] = {0};
    struct produce_request_topic_data topic = {.name = BYTES_LITERAL("orders"),
                                               .partition_data = data,
                                               .partition_data_count = PARTITIONS};
    struct produce_request request;
    schema_defaults(&produce_request_schema, &request);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        data[i].index = i;
        data[i].records.bytes = batch;
    }
    request.acks = -1;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    test_send(c, API_PRODUCE, 9, &request);
}

static void send_commit(struct test_client *c, const char *group)
{
    struct offset_commit_request_topics_partitions p = {0, 7, -1, BYTES_LITERAL("")};
    struct offset_commit_request_topics t = {
        .name = BYTES_LITERAL("orders"), .partitions = &p, .partitions_count = 1};
    struct offset_commit_request request;
    schema_defaults(&offset_commit_request_schema, &request);
    request.group_id = bytes_string(group);
    request.generation_id_or_member_epoch = -1;
    request.member_id = BYTES_LITERAL("");
    request.topics = &t;
    request.topics_count = 1;
    test_send(c, API_OFFSET_COMMIT, 8, &request);
}

static void send_join(struct test_client *c, const char *group)
{
    struct join_group_request_protocols protocol = {BYTES_LITERAL("range"), BYTES_LITERAL("")};
    struct join_group_request request;
    schema_defaults(&join_group_request_schema, &request);
    request.group_id = bytes_string(group);
    request.session_timeout_ms = request.rebalance_timeout_ms = 10000;
    request.member_id = BYTES_LITERAL("");
    request.protocol_type = BYTES_LITERAL("anything");
    request.protocols = &protocol;
    request.protocols_count = 1;
    test_send(c, API_JOIN_GROUP, 3, &request);
}

static void send_list_groups(struct test_client *c)
{
    struct list_groups_request request;
    schema_defaults(&list_groups_request_schema, &request);
    test_send(c, API_LIST_GROUPS, 4, &request);
}

static void send_create_topic(struct test_client *c, const char *name)
{
    struct create_topics_request_topics topic = {
        .name = bytes_string(name), .num_partitions = 1, .replication_factor = 1};
    struct create_topics_request request;
    schema_defaults(&create_topics_request_schema, &request);
    request.topics = &topic;
    request.topics_count = 1;
    test_send(c, API_CREATE_TOPICS, 7, &request);
}

static void send_alter(struct test_client *c)
{
    struct alter_configs_request_resources_configs config = {BYTES_LITERAL("retention.ms"),
                                                             BYTES_LITERAL("1000")};
    struct alter_configs_request_resources resource = {
        .resource_type = 2,
        .resource_name = BYTES_LITERAL("orders"),
        .configs = &config,
        .configs_count = 1,
    };
    struct alter_configs_request request;
    schema_defaults(&alter_configs_request_schema, &request);
    request.resources = &resource;
    request.resources_count = 1;
    test_send(c, API_ALTER_CONFIGS, 2, &request);
}

TEST(when_the_journal_fails_a_producer_gets_a_storage_error_for_each_partition)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, shards - 1);
        test_create_topic(c, "orders", PARTITIONS, NULL);
        struct bytes batch = test_make_batch(b, &(struct test_batch){.count = 1});
        test_hold_journal(b, true);
        send_produce(c, batch);
        test_settle(b);
        EXPECT(!test_has_response(c));
        fail_journals(b);
        struct produce_response *r = test_receive(c, API_PRODUCE, 9);
        for (int32_t i = 0; i < PARTITIONS; i++) {
            EXPECT_INT(r->responses[0].partition_responses[i].error_code,
                       KAFKA_KAFKA_STORAGE_ERROR);
            EXPECT_INT(r->responses[0].partition_responses[i].base_offset, -1);
        }
        test_broker_free(b);
    }
}

TEST(when_the_journal_fails_group_requests_lose_their_connection)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *committer = test_client_open(b, 0), *lister = test_client_open(b, 0);
        test_create_topic(committer, "orders", 1, NULL);
        test_hold_journal(b, true);
        send_commit(committer, "g");
        test_settle(b);
        send_list_groups(lister);
        test_settle(b);
        EXPECT(!test_has_response(committer) && !test_has_response(lister));
        fail_journals(b);
        EXPECT(test_client_is_closed(committer));
        EXPECT(test_client_is_closed(lister));
        test_broker_free(b);
    }
}

/* The second member waits for an entry after the one under way. */
TEST(a_join_is_answered_when_the_group_is_stored)
{
    FOR_SHARD_COUNTS(shards)
    {
        for (int fails = 0; fails < 2; fails++) {
            struct test_broker *b = test_broker_start(shards, NULL);
            struct test_client *members[] = {test_client_open(b, 0), test_client_open(b, 0)};
            test_hold_journal(b, true);
            send_join(members[0], "g");
            test_settle(b);
            send_join(members[1], "h");
            test_settle(b);
            EXPECT(!test_has_response(members[0]) && !test_has_response(members[1]));
            if (fails)
                fail_journals(b);
            test_hold_journal(b, false);
            test_settle(b);
            for (size_t i = 0; i < COUNT_OF(members); i++) {
                EXPECT_INT(test_client_is_closed(members[i]), fails);
                EXPECT_INT(test_has_response(members[i]), !fails);
            }
            test_broker_free(b);
        }
    }
}

TEST(when_the_journal_fails_changes_of_topics_and_configs_get_a_storage_error)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *creator = test_client_open(b, 0), *alterer = test_client_open(b, 0);
        test_create_topic(creator, "orders", 1, NULL);
        test_hold_journal(b, true);
        send_create_topic(creator, "more");
        test_settle(b);
        send_alter(alterer); /* waits for its turn after the topic */
        test_settle(b);
        EXPECT(!test_has_response(creator) && !test_has_response(alterer));
        fail_journals(b);
        struct create_topics_response *created = test_receive(creator, API_CREATE_TOPICS, 7);
        EXPECT_INT(created->topics[0].error_code, KAFKA_KAFKA_STORAGE_ERROR);
        struct alter_configs_response *altered = test_receive(alterer, API_ALTER_CONFIGS, 2);
        EXPECT_INT(altered->responses[0].error_code, KAFKA_KAFKA_STORAGE_ERROR);
        test_broker_free(b);
    }
}

static void send_init_producer_id(struct test_client *c)
{
    struct init_producer_id_request request;
    schema_defaults(&init_producer_id_request_schema, &request);
    request.transactional_id = BYTES_NULL;
    test_send(c, API_INIT_PRODUCER_ID, 4, &request);
}

/* The next start would give out the same ids. The second request waits for the first. */
TEST(when_the_journal_fails_no_producer_id_is_given_out)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *clients[] = {test_client_open(b, 0), test_client_open(b, 0)};
        test_hold_journal(b, true);
        for (size_t i = 0; i < COUNT_OF(clients); i++) {
            send_init_producer_id(clients[i]);
            test_settle(b);
            EXPECT(!test_has_response(clients[i]));
        }
        fail_journals(b);
        for (size_t i = 0; i < COUNT_OF(clients); i++) {
            struct init_producer_id_response *r = test_receive(clients[i], API_INIT_PRODUCER_ID, 4);
            EXPECT(r->error_code != KAFKA_NONE && r->producer_id == -1);
        }
        test_broker_free(b);
    }
}

TEST(answers_that_wait_for_one_entry_are_sent_together_and_in_order)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *first = test_client_open(b, 0), *second = test_client_open(b, 0);
        test_create_topic(first, "orders", 1, NULL);
        test_hold_journal(b, true);
        send_commit(first, "g");
        send_commit(second, "g");
        send_list_groups(first);
        send_list_groups(second);
        test_settle(b);
        EXPECT(!test_has_response(first) && !test_has_response(second));
        test_hold_journal(b, false);
        test_settle(b);
        struct test_client *clients[] = {first, second};
        for (size_t i = 0; i < COUNT_OF(clients); i++) {
            struct offset_commit_response *r = test_receive(clients[i], API_OFFSET_COMMIT, 8);
            EXPECT_INT(r->topics[0].partitions[0].error_code, KAFKA_NONE);
            struct list_groups_response *l = test_receive(clients[i], API_LIST_GROUPS, 4);
            EXPECT_INT(l->groups_count, 1);
        }
        test_broker_free(b);
    }
}
