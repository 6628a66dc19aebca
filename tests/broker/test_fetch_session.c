#include "tests/broker/support_broker.h"

#include "broker/fetch/fetch_session.h"

/* --- the sessions by themselves --- */

static struct fetch_target target(const char *name, int32_t partition)
{
    return (struct fetch_target){.name = bytes_string(name), .partition = partition};
}

TEST(a_session_id_shows_its_shard)
{
    struct random_seeded random;
    random_seeded_init(&random, test_seed());
    struct fetch_sessions *s = fetch_sessions_create(&random.random, 100, 3, 4);
    for (int i = 0; i < 100; i++) {
        struct fetch_session *session = fetch_session_open(s, false, 1, 0);
        EXPECT(session->id > 0);
        EXPECT_INT(session->id % 4, 3);
        EXPECT(fetch_session_find(s, session->id) == session);
    }
    fetch_sessions_free(s);
}

TEST(only_a_session_unused_for_two_minutes_makes_room)
{
    struct random_seeded random;
    random_seeded_init(&random, test_seed());
    struct fetch_sessions *s = fetch_sessions_create(&random.random, 2, 0, 1);
    int32_t first = fetch_session_open(s, false, 1, 0)->id;
    int32_t second = fetch_session_open(s, false, 1, 1000)->id;
    EXPECT(fetch_session_open(s, false, 1, 119999) == NULL);
    fetch_session_advance(s, fetch_session_find(s, first), 119999);
    EXPECT(fetch_session_open(s, false, 1, 120999) == NULL);
    EXPECT(fetch_session_open(s, false, 1, 121000) != NULL);
    EXPECT(fetch_session_find(s, second) == NULL);
    EXPECT(fetch_session_find(s, first) != NULL);
    EXPECT_INT(fetch_sessions_count(s), 2);
    fetch_sessions_free(s);
}

TEST(a_session_keeps_partitions_in_the_order_of_service)
{
    struct random_seeded random;
    random_seeded_init(&random, test_seed());
    struct fetch_sessions *s = fetch_sessions_create(&random.random, 2, 0, 1);
    struct fetch_session *session = fetch_session_open(s, false, 3, 0);
    struct fetch_target a = target("a", 0), b = target("a", 1), c = target("b", 0);
    struct fetch_session_partition *first = fetch_session_put(s, session, &a);
    EXPECT(fetch_session_put(s, session, &b) != first);
    fetch_session_put(s, session, &c);
    EXPECT(fetch_session_put(s, session, &a) == first);
    EXPECT_INT(session->partitions.count, 3);
    fetch_session_served(session, first);
    fetch_session_forget(s, session, &b);
    struct list_node *node = list_first(&session->order);
    struct fetch_session_partition *now = CONTAINER_OF(node, struct fetch_session_partition, node);
    EXPECT_BYTES(now->target.name, BYTES_LITERAL("b"));
    EXPECT(node->next == &first->node);
    fetch_sessions_free(s);
}

TEST(the_epoch_after_the_largest_is_1)
{
    struct random_seeded random;
    random_seeded_init(&random, test_seed());
    struct fetch_sessions *s = fetch_sessions_create(&random.random, 2, 0, 1);
    struct fetch_session *session = fetch_session_open(s, false, 3, 0);
    session->epoch = INT32_MAX;
    fetch_session_advance(s, session, 0);
    EXPECT_INT(session->epoch, 1);
    fetch_sessions_free(s);
}

/* --- over the wire --- */

static struct fetch_request *full(struct test_client *c, struct test_broker *b, int32_t partitions)
{
    struct fetch_request *request = test_fetch_request(c, "orders", 0, 0);
    request->topics[0].topic_id = test_topic_id(b, "orders");
    request->topics[0].partitions =
        schema_array(&fetch_request_topics_partitions_schema, (size_t)partitions, test_arena(b));
    request->topics[0].partitions_count = partitions;
    for (int32_t p = 0; p < partitions; p++) {
        request->topics[0].partitions[p].partition = p;
        request->topics[0].partitions[p].partition_max_bytes = 1 << 20;
    }
    request->session_epoch = FETCH_EPOCH_FULL;
    return request;
}

static struct fetch_request *incremental(struct test_client *c, int32_t id, int32_t epoch)
{
    struct fetch_request *request = test_fetch_request(c, "orders", 0, 0);
    request->session_id = id;
    request->session_epoch = epoch;
    request->topics_count = 0;
    return request;
}

TEST(an_incremental_fetch_returns_only_changed_partitions)
{
    FOR_SHARD_COUNTS(shards)
    {
        for (int16_t version = 12; version <= 13; version++) {
            struct test_broker *b = test_broker_start(shards, NULL);
            struct test_client *c = test_client_open(b, 0), *writer = test_client_open(b, 1);
            test_create_topic(c, "orders", 8, NULL);
            struct fetch_response *r = test_call(c, API_FETCH, version, full(c, b, 8));
            EXPECT_INT(r->responses[0].partitions_count, 8);
            EXPECT(r->session_id != 0);
            int32_t id = r->session_id;
            r = test_call(c, API_FETCH, version, incremental(c, id, 1));
            EXPECT_INT(r->error_code, KAFKA_NONE);
            EXPECT_INT(r->session_id, id);
            EXPECT_INT(r->responses_count, 0);
            test_produce(writer, "orders", 5, &(struct test_batch){.count = 2});
            r = test_call(c, API_FETCH, version, incremental(c, id, 2));
            EXPECT_INT(r->responses_count, 1);
            EXPECT_INT(r->responses[0].partitions_count, 1);
            EXPECT_INT(r->responses[0].partitions[0].partition_index, 5);
            EXPECT_INT(test_count_records(r->responses[0].partitions[0].records.bytes, 0), 2);
            struct fetch_request *moved = incremental(c, id, 3);
            moved->topics_count = 1;
            moved->topics[0].topic_id = test_topic_id(b, "orders");
            moved->topics[0].partitions[0].partition = 5;
            moved->topics[0].partitions[0].fetch_offset = 2;
            moved->topics[0].partitions[0].partition_max_bytes = 1 << 20;
            EXPECT_INT(
                ((struct fetch_response *)test_call(c, API_FETCH, version, moved))->responses_count,
                0);
            test_broker_free(b);
        }
    }
}

TEST(a_waiting_incremental_fetch_is_woken_and_forgotten_partitions_are_not)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0), *writer = test_client_open(b, 1);
        test_create_topic(c, "orders", 4, NULL);
        int32_t id =
            ((struct fetch_response *)test_call(c, API_FETCH, 12, full(c, b, 4)))->session_id;
        struct fetch_request *request = incremental(c, id, 1);
        int32_t forgotten = 1;
        struct fetch_request_forgotten_topics_data data = {
            .topic = BYTES_LITERAL("orders"), .partitions = &forgotten, .partitions_count = 1};
        request->forgotten_topics_data = &data;
        request->forgotten_topics_data_count = 1;
        request->max_wait_ms = 10000;
        test_send(c, API_FETCH, 12, request);
        test_settle(b);
        test_produce(writer, "orders", 1, &(struct test_batch){.count = 1});
        EXPECT(!test_has_response(c));
        test_produce(writer, "orders", 2, &(struct test_batch){.count = 1});
        struct fetch_response *r = test_receive(c, API_FETCH, 12);
        EXPECT_INT(r->responses_count, 1);
        EXPECT_INT(r->responses[0].partitions_count, 1);
        EXPECT_INT(r->responses[0].partitions[0].partition_index, 2);
        test_broker_free(b);
    }
}

TEST(wrong_ids_and_epochs_get_a_top_level_error)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        int32_t id =
            ((struct fetch_response *)test_call(c, API_FETCH, 12, full(c, b, 1)))->session_id;
        struct fetch_response *r = test_call(c, API_FETCH, 12, incremental(c, id ^ 64, 1));
        EXPECT_INT(r->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
        EXPECT_INT(r->responses_count, 0);
        r = test_call(c, API_FETCH, 12, incremental(c, id, 2));
        EXPECT_INT(r->error_code, KAFKA_INVALID_FETCH_SESSION_EPOCH);
        r = test_call(c, API_FETCH, 13, incremental(c, id, 1));
        EXPECT_INT(r->error_code, KAFKA_FETCH_SESSION_TOPIC_ID_ERROR);
        struct fetch_request *closing = full(c, b, 1);
        closing->session_id = id;
        closing->session_epoch = FETCH_EPOCH_FINAL;
        r = test_call(c, API_FETCH, 12, closing);
        EXPECT_INT(r->session_id, 0);
        EXPECT_INT(r->responses_count, 1);
        r = test_call(c, API_FETCH, 12, incremental(c, id, 1));
        EXPECT_INT(r->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
        test_broker_free(b);
    }
}

TEST(without_slots_there_are_no_sessions)
{
    struct test_broker *b =
        test_broker_start(2, "max.incremental.fetch.session.cache.slots=0", NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    struct fetch_response *r = test_call(c, API_FETCH, 12, full(c, b, 1));
    EXPECT_INT(r->session_id, 0);
    EXPECT_INT(r->responses_count, 1);
    test_broker_free(b);
}

TEST(a_partition_with_an_error_is_returned_each_time)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    struct fetch_response *r = test_call(c, API_FETCH, 12, full(c, b, 2));
    for (int32_t epoch = 1; epoch <= 3; epoch++) {
        r = test_call(c, API_FETCH, 12, incremental(c, r->session_id, epoch));
        EXPECT_INT(r->responses[0].partitions_count, 1);
        EXPECT_INT(r->responses[0].partitions[0].partition_index, 1);
        EXPECT_INT(r->responses[0].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    }
    test_broker_free(b);
}
