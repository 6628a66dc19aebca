/* The limits of one client, which protect the others. */
#include "broker/turn.h"
#include "tests/broker/support_socket.h"

TEST(the_broker_does_not_read_from_a_client_that_does_not_read)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct socket *s = socket_open(b);
    s->room = 10;
    ask_versions(s);
    pump(s);
    for (int i = 0; i < 5000; i++)
        ask_versions(s);
    size_t sent = untaken(s);
    pump(s);
    EXPECT(!s->wants_read);
    EXPECT_INT(untaken(s), sent);
    EXPECT_INT(s->out.size, 10);
    s->room = ALL;
    pump(s);
    EXPECT_INT(untaken(s), 0);
    EXPECT(strstr(answers(s), " 5000 5001"));
    EXPECT(s->wants_read);
    socket_free(s);
    test_broker_free(b);
}

TEST(requests_in_flight_are_limited)
{
    struct test_broker *b = test_broker_start(2, "tidemill.max.in.flight.requests=3", NULL);
    struct socket *s = socket_open(b);
    create_topic(b, "t");
    for (int i = 0; i < 10; i++)
        ask_fetch(s, "t", 0, 500);
    pump(s);
    EXPECT(!s->wants_read);
    for (int i = 0; i < 3; i++) {
        test_advance(b, 500);
        EXPECT_INT(strlen(answers(s)), strlen("1 2 3 ") * (size_t)(i + 1) - 1);
    }
    test_advance(b, 500);
    EXPECT_STRING(answers(s), "1 2 3 4 5 6 7 8 9 10");
    EXPECT(s->wants_read);
    socket_free(s);
    test_broker_free(b);
}

/* Unfinished frames hold all of their memory: no other large frame begins, small ones pass, and
 * connections with stale ones are closed until there is room. */
TEST(unfinished_frames_share_a_limited_memory)
{
    struct test_broker *b = test_broker_start(1, "tidemill.max.in.flight.bytes=1000000", NULL);
    struct socket *slow[4], *large = socket_open(b), *small = socket_open(b);
    for (size_t i = 0; i < COUNT_OF(slow); i++) {
        slow[i] = socket_open(b);
        buffer_append_be32(&slow[i]->in, 50 << 20);
        for (int j = 0; j < 2000000; j += 4)
            buffer_append_be32(&slow[i]->in, 0);
        pump(slow[i]);
    }
    EXPECT(small->shard->unfinished_bytes >= 500000 && small->shard->unfinished_bytes <= 5 << 20);
    buffer_append_be32(&large->in, 100000);
    buffer_append_be32(&large->in, 0);
    pump(large);
    EXPECT(!large->wants_read);
    ask_versions(small);
    pump(small);
    EXPECT_STRING(answers(small), "1");
    for (int i = 0; i < 10 && !large->wants_read; i++)
        test_advance(b, 5000);
    EXPECT(slow[0]->connection == NULL);
    EXPECT(large->wants_read);
    connection_close(large->connection);
    for (size_t i = 0; i < COUNT_OF(slow); i++) {
        if (slow[i]->connection)
            connection_close(slow[i]->connection);
        socket_free(slow[i]);
    }
    EXPECT_INT(small->shard->unfinished_bytes, 0);
    socket_free(large);
    socket_free(small);
    test_broker_free(b);
}

/* A frame larger than the limit for unfinished frames is accepted while no other one needs room. */
TEST(a_single_frame_may_be_as_large_as_a_request)
{
    struct test_broker *b = test_broker_start(1, "tidemill.max.in.flight.bytes=100000", NULL);
    struct socket *s = socket_open(b);
    create_topic(b, "t");
    struct buffer body;
    buffer_init(&body, 4 << 20);
    buffer_append_be16(&body, API_API_VERSIONS);
    buffer_append_be16(&body, 0);
    buffer_append_be32(&body, 1);
    buffer_append_be16(&body, UINT16_MAX);
    while (body.size < 3 << 20)
        buffer_append_be64(&body, 0);
    buffer_append_be32(&s->in, (uint32_t)body.size);
    buffer_append_bytes(&s->in, buffer_view(&body));
    pump(s);
    EXPECT_STRING(answers(s), "1");
    EXPECT_INT(s->shard->unfinished_bytes, 0);
    buffer_free(&body);
    socket_free(s);
    test_broker_free(b);
}

/* The head of a frame of 100,000 bytes, and some of them. */
static void begin_large_frame(struct socket *s, size_t bytes)
{
    buffer_append_be32(&s->in, 100000);
    memset(buffer_extend(&s->in, bytes), 0, bytes);
    pump(s);
}

/* A slow client is not closed while no other one waits, nor if it sends as much again as it
 * holds. */
TEST(a_frame_that_makes_progress_may_be_slow)
{
    struct test_broker *b = test_broker_start(1, "tidemill.max.in.flight.bytes=150000", NULL);
    struct socket *slow = socket_open(b), *steady = socket_open(b), *waiting = socket_open(b);
    begin_large_frame(slow, 40000);
    begin_large_frame(steady, 1000);
    test_advance(b, 60000);
    EXPECT(slow->connection != NULL);
    begin_large_frame(waiting, 1000);
    EXPECT(!waiting->wants_read);
    memset(buffer_extend(&steady->in, 40000), 0, 40000);
    pump(steady);
    test_advance(b, 6000);
    EXPECT(slow->connection == NULL);
    EXPECT(steady->connection != NULL);
    EXPECT(waiting->wants_read);
    socket_free(slow);
    socket_free(steady);
    socket_free(waiting);
    test_broker_free(b);
}

/* Clients that wait with large requests hold no memory, and all are served in the end. */
TEST(input_without_room_is_not_read)
{
    struct test_broker *b = test_broker_start(1, "tidemill.max.in.flight.bytes=100000", NULL);
    struct socket *sockets[20];
    create_topic(b, "t");
    test_hold_journal(b, true);
    for (size_t i = 0; i < COUNT_OF(sockets); i++) {
        sockets[i] = socket_open(b);
        for (int j = 0; j < 5; j++)
            ask_produce_of(sockets[i], "t", -1, 40000);
        pump(sockets[i]);
    }
    EXPECT(test_shard(b, 0)->unfinished_bytes + test_shard(b, 0)->in_flight_bytes < 500000);
    test_hold_journal(b, false);
    for (int round = 0; round < 100; round++) {
        for (size_t i = 0; i < COUNT_OF(sockets); i++)
            pump(sockets[i]);
    }
    for (size_t i = 0; i < COUNT_OF(sockets); i++) {
        EXPECT_STRING(answers(sockets[i]), "1 2 3 4 5");
        socket_free(sockets[i]);
    }
    test_broker_free(b);
}

/* Thousands of requests of one client do not delay the request of another. */
TEST(requests_take_turns)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct socket *many = socket_open(b), *one = socket_open(b);
    for (int i = 0; i < 5000; i++)
        ask_versions(many);
    ask_versions(one);
    connection_readable(many->connection);
    connection_readable(one->connection);
    EXPECT_INT(shard_turn(one->shard), 0);
    EXPECT_STRING(answers(one), "1");
    EXPECT(strstr(answers(many), "100 101") && !strstr(answers(many), " 200"));
    pump(many);
    EXPECT(strstr(answers(many), " 4999 5000"));
    socket_free(many);
    socket_free(one);
    test_broker_free(b);
}

TEST(requests_with_large_answers_take_turns)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "t", 1, NULL);
    test_produce(c, "t", 0, &(struct test_batch){.count = 1, .value_size = 50000});
    struct socket *many = socket_open(b), *one = socket_open(b);
    for (int i = 0; i < 40; i++)
        ask_fetch(many, "t", 0, 0);
    ask_versions(one);
    connection_readable(many->connection);
    connection_readable(one->connection);
    EXPECT_INT(shard_turn(one->shard), 0);
    EXPECT_STRING(answers(one), "1");
    EXPECT_STRING(answers(many), "1 2");
    pump(many);
    EXPECT(strstr(answers(many), " 39 40"));
    socket_free(many);
    socket_free(one);
    test_broker_free(b);
}

TEST(clients_that_do_not_read_cost_nothing)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct socket *deaf = socket_open(b), *s = socket_open(b);
    deaf->room = 10;
    for (int i = 0; i < 200; i++)
        ask_versions(deaf);
    pump(deaf);
    int writes = deaf->writes;
    for (int i = 0; i < 50; i++) {
        ask_versions(s);
        pump(s);
    }
    EXPECT_INT(deaf->writes, writes);
    deaf->room = ALL;
    pump(deaf);
    EXPECT(strstr(answers(deaf), " 199 200"));
    socket_free(deaf);
    socket_free(s);
    test_broker_free(b);
}

/* A connection ends and makes room after the turn of the one that waits. No event will come, so
 * another turn must follow at once. */
TEST(room_that_appears_late_in_a_turn_is_noticed)
{
    struct test_broker *b = test_broker_start(1, "tidemill.max.in.flight.bytes=100000", NULL);
    struct socket *broken = socket_open(b), *waiting = socket_open(b);
    ask_versions(broken);
    pump(broken);
    broken->room = 64 * broken->out.size; /* the answers of its first turn */
    broken->breaks = true;
    for (int i = 0; i < 70; i++)
        ask_versions(broken);
    buffer_append_be32(&broken->in, 100000);
    memset(buffer_extend(&broken->in, 60000), 0, 60000);
    connection_readable(broken->connection);
    buffer_append_be32(&waiting->in, 100000);
    buffer_append_be32(&waiting->in, 0);
    connection_readable(waiting->connection);
    EXPECT(!waiting->wants_read);
    EXPECT_INT(shard_turn(waiting->shard), 0);
    EXPECT(broken->connection == NULL);
    shard_turn(waiting->shard);
    EXPECT(waiting->wants_read);
    socket_free(broken);
    socket_free(waiting);
    test_broker_free(b);
}

TEST(unread_answers_hold_a_limited_amount_of_memory)
{
    struct test_broker *b = test_broker_start(1, "tidemill.max.in.flight.bytes=1000000", NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "t", 1, NULL);
    test_produce(c, "t", 0, &(struct test_batch){.count = 1, .value_size = 500000});
    struct socket *deaf[5], *s = socket_open(b);
    for (size_t i = 0; i < COUNT_OF(deaf); i++) {
        deaf[i] = socket_open(b);
        deaf[i]->room = 0;
        for (int j = 0; j < 20; j++)
            ask_fetch(deaf[i], "t", 0, 0);
        pump(deaf[i]);
    }
    EXPECT(test_shard(b, 0)->unsent_bytes <= 1000000 + COUNT_OF(deaf) * 500200);
    ask_versions(s); /* others are served */
    ask_fetch(s, "t", 0, 0);
    ask_fetch(s, "t", 0, 0);
    pump(s);
    EXPECT_STRING(answers(s), "1 2 3");
    test_advance(b, 16000);
    for (size_t i = 0; i < COUNT_OF(deaf); i++) {
        EXPECT(deaf[i]->connection == NULL || test_shard(b, 0)->unsent_bytes < 1000000);
        socket_free(deaf[i]);
    }
    EXPECT_INT(test_shard(b, 0)->unsent_bytes, 0);
    socket_free(s);
    test_broker_free(b);
}
