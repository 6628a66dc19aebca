#include "tests/broker/support_broker.h"

#include "broker/topics/catalog_draft.h"

#include <stdio.h>

static struct init_producer_id_response *init(struct test_client *c, int16_t version,
                                              const char *transactional_id, int64_t producer_id,
                                              int16_t epoch)
{
    struct init_producer_id_request request;
    schema_defaults(&init_producer_id_request_schema, &request);
    request.transactional_id = bytes_string(transactional_id);
    request.transaction_timeout_ms = 60000;
    request.producer_id = producer_id;
    request.producer_epoch = epoch;
    return test_call(c, API_INIT_PRODUCER_ID, version, &request);
}

TEST(producer_ids_are_never_given_twice)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        bool seen[8000] = {0};
        for (int life = 0; life < 3; life++) {
            struct test_client *clients[] = {test_client_open(b, 0), test_client_open(b, 1)};
            for (int i = 0; i < 600; i++) {
                struct init_producer_id_response *r = init(clients[i % 2], 0, NULL, -1, -1);
                EXPECT_INT(r->error_code, KAFKA_NONE);
                EXPECT_INT(r->producer_epoch, 0);
                EXPECT(r->producer_id >= 0 && r->producer_id < 8000);
                EXPECT(!seen[r->producer_id]);
                seen[r->producer_id] = true;
            }
            test_broker_restart(b);
        }
        test_broker_free(b);
    }
}

TEST(an_id_is_given_only_when_its_block_is_durable)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0), *d = test_client_open(b, 1);
    struct init_producer_id_request request;
    schema_defaults(&init_producer_id_request_schema, &request);
    request.transactional_id = BYTES_NULL;
    test_hold_journal(b, true);
    test_send(c, API_INIT_PRODUCER_ID, 4, &request);
    test_settle(b);
    test_send(d, API_INIT_PRODUCER_ID, 4, &request);
    test_settle(b);
    EXPECT(!test_has_response(c) && !test_has_response(d));
    test_hold_journal(b, false);
    test_settle(b);
    struct init_producer_id_response *first = test_receive(c, API_INIT_PRODUCER_ID, 4);
    struct init_producer_id_response *second = test_receive(d, API_INIT_PRODUCER_ID, 4);
    EXPECT(first->producer_id != second->producer_id);
    test_broker_free(b);
}

TEST(producer_and_transactional_ids_are_checked)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 1);
    EXPECT_INT(init(c, 4, "", -1, -1)->error_code, KAFKA_INVALID_REQUEST);
    EXPECT_INT(init(c, 4, "t", -1, -1)->error_code, KAFKA_UNSUPPORTED_VERSION);
    EXPECT_INT(init(c, 4, NULL, 5, -1)->error_code, KAFKA_INVALID_REQUEST);
    EXPECT_INT(init(c, 4, NULL, -1, 5)->error_code, KAFKA_INVALID_REQUEST);
    EXPECT_INT(init(c, 4, NULL, 5, 3)->error_code, KAFKA_NONE);
    for (int16_t version = 0; version <= 5; version++)
        EXPECT_INT(init(c, version, NULL, -1, -1)->error_code, KAFKA_NONE);
    test_broker_free(b);
}

TEST(concurrent_changes_are_made_one_after_the_other)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *clients[6];
        struct create_topics_request_topics topic = {
            .name = BYTES_LITERAL("same"), .num_partitions = 2, .replication_factor = 1};
        struct create_topics_request request;
        schema_defaults(&create_topics_request_schema, &request);
        request.topics = &topic;
        request.topics_count = 1;
        for (int i = 0; i < 6; i++) {
            clients[i] = test_client_open(b, i);
            test_send(clients[i], API_CREATE_TOPICS, 5, &request);
        }
        test_settle(b);
        int made = 0, existed = 0;
        for (int i = 0; i < 6; i++) {
            struct create_topics_response *r = test_receive(clients[i], API_CREATE_TOPICS, 5);
            made += r->topics[0].error_code == KAFKA_NONE;
            existed += r->topics[0].error_code == KAFKA_TOPIC_ALREADY_EXISTS;
        }
        EXPECT_INT(made, 1);
        EXPECT_INT(existed, 5);
        test_broker_free(b);
    }
}

static void send_create(struct test_client *c, const char *name)
{
    struct create_topics_request_topics topic = {
        .name = bytes_string(name), .num_partitions = 2, .replication_factor = 1};
    struct create_topics_request request;
    schema_defaults(&create_topics_request_schema, &request);
    request.topics = &topic;
    request.topics_count = 1;
    test_send(c, API_CREATE_TOPICS, 5, &request);
}

static int16_t created(struct test_client *c)
{
    struct create_topics_response *r = test_receive(c, API_CREATE_TOPICS, 5);
    return r->topics[0].error_code;
}

/* The store of shard 0 may be closed when the first change is known everywhere. */
TEST(a_change_that_still_waits_when_the_broker_stops_is_refused)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *first = test_client_open(b, 0), *second = test_client_open(b, 0);
        test_hold_journal(b, true);
        send_create(first, "first");
        test_round(b);
        send_create(second, "second");
        test_round(b);
        for (int i = 0; i < shards; i++)
            test_shard(b, i)->stopping = true;
        test_hold_journal(b, false);
        test_settle(b);
        EXPECT_INT(created(first), KAFKA_NONE);
        EXPECT_INT(created(second), KAFKA_NOT_CONTROLLER);
        for (int i = 0; i < shards; i++)
            test_shard(b, i)->stopping = false;
        test_broker_free(b);
    }
}

TEST(every_shard_sees_the_same_snapshot)
{
    struct test_broker *b = test_broker_start(4, NULL);
    struct test_client *c = test_client_open(b, 3);
    test_create_topic(c, "orders", 8, NULL);
    for (int i = 1; i < 4; i++)
        EXPECT(test_shard(b, i)->catalog == test_shard(b, 0)->catalog);
    size_t partitions = 0;
    for (int i = 0; i < 4; i++)
        partitions += test_shard(b, i)->partitions.count;
    EXPECT_INT(partitions, 8);
    test_broker_free(b);
}

TEST(many_topics_are_made_in_one_request)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    enum { COUNT = 1500 };
    struct create_topics_request request;
    schema_defaults(&create_topics_request_schema, &request);
    request.topics = schema_array(&create_topics_request_topics_schema, COUNT, test_arena(b));
    request.topics_count = COUNT;
    for (int i = 0; i < COUNT; i++) {
        request.topics[i].name = bytes_string(arena_printf(test_arena(b), "topic-%d", i));
        request.topics[i].num_partitions = 1;
        request.topics[i].replication_factor = 1;
    }
    struct create_topics_response *r = test_call(c, API_CREATE_TOPICS, 4, &request);
    for (int i = 0; i < COUNT; i++)
        EXPECT_INT(r->topics[i].error_code, KAFKA_NONE);
    EXPECT_INT(catalog_count(test_shard(b, 1)->catalog), COUNT);
    test_broker_restart(b);
    EXPECT_INT(catalog_count(test_shard(b, 1)->catalog), COUNT);
    test_broker_free(b);
}

/* --- the draft by itself --- */

static struct topic *make(const char *name, uint8_t id, int32_t partitions)
{
    return topic_create(bytes_string(name), (struct uuid){{id}}, partitions, 0, NULL, 0);
}

TEST(a_draft_is_looked_up_like_the_snapshot_it_becomes)
{
    struct topic *topics[] = {make("a", 1, 1), make("b.c", 2, 1), make("d", 3, 1)};
    struct catalog *base = catalog_create(topics, 3);
    struct catalog_draft draft;
    catalog_draft_init(&draft, base);
    EXPECT(!catalog_draft_is_changed(&draft));
    struct topic *grown = make("a", 1, 5), *fresh = make("x_y", 4, 1);
    catalog_draft_put(&draft, grown);
    catalog_draft_put(&draft, fresh);
    catalog_draft_remove(&draft, topics[2]);
    EXPECT(catalog_draft_is_changed(&draft));
    EXPECT(catalog_draft_by_name(&draft, BYTES_LITERAL("a")) == grown);
    EXPECT(catalog_draft_by_id(&draft, grown->id) == grown);
    EXPECT(catalog_draft_by_name(&draft, BYTES_LITERAL("d")) == NULL);
    EXPECT(catalog_draft_collision(&draft, BYTES_LITERAL("x.y")) == fresh);
    EXPECT(catalog_draft_collision(&draft, BYTES_LITERAL("b_c")) == topics[1]);
    struct topic *again = make("d", 9, 2);
    catalog_draft_put(&draft, again);
    EXPECT(catalog_draft_by_name(&draft, BYTES_LITERAL("d")) == again);
    EXPECT(catalog_draft_by_id(&draft, topics[2]->id) == NULL);
    struct catalog *next = catalog_draft_finish(&draft);
    EXPECT_INT(catalog_count(next), 4);
    EXPECT(catalog_by_name(next, BYTES_LITERAL("a")) == grown);
    EXPECT(catalog_by_name(next, BYTES_LITERAL("b.c")) == topics[1]);
    EXPECT(catalog_by_name(next, BYTES_LITERAL("d")) == again);
    catalog_draft_free(&draft);
    catalog_unref(next);
    catalog_unref(base);
    struct topic *all[] = {topics[0], topics[1], topics[2], grown, fresh, again};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        topic_unref(all[i]);
}
