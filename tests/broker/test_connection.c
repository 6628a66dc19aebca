#include "broker/turn.h"
#include "tests/broker/support_socket.h"

#include <stdlib.h>

TEST(answers_are_sent_in_the_order_of_their_requests)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct socket *s = socket_open(b);
        create_topic(b, "t");
        ask_versions(s);
        ask_fetch(s, "t", 0, 500);
        ask_versions(s);
        ask_produce(s, "t", -1); /* takes the way to another shard and through the journal */
        ask_versions(s);
        pump(s);
        EXPECT_STRING(answers(s), "1");
        test_advance(b, 500);
        EXPECT_STRING(answers(s), "1 2 3 4 5");
        socket_free(s);
        test_broker_free(b);
    }
}

TEST(frames_may_arrive_in_any_pieces)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct socket *s = socket_open(b);
    ask_versions(s);
    ask_versions(s);
    struct bytes stream = bytes_copy(buffer_view(&s->in));
    buffer_clear(&s->in);
    for (size_t split = 0; split <= stream.size; split++) {
        buffer_clear(&s->out);
        buffer_append(&s->in, stream.data, split);
        pump(s);
        buffer_append_bytes(&s->in, bytes_from(stream, split));
        pump(s);
        EXPECT_STRING(answers(s), "1 2");
    }
    s->read_most = 1;
    buffer_clear(&s->out);
    for (int i = 0; i < 50; i++)
        buffer_append_bytes(&s->in, stream);
    pump(s);
    EXPECT_INT(strlen(answers(s)), strlen("1 2 ") * 50 - 1);
    free((void *)(uintptr_t)stream.data);
    socket_free(s);
    test_broker_free(b);
}

TEST(a_large_frame_may_arrive_in_any_pieces)
{
    static const size_t pieces[] = {1000, 4096, 65535, 65536, 262144, 300001, ALL};
    struct test_broker *b = test_broker_start(1, "message.max.bytes=10000000", NULL);
    create_topic(b, "t");
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        struct socket *s = socket_open(b);
        struct test_client *c = test_client_open(b, 0);
        struct test_batch batch = {.count = 3, .value_size = 1500000};
        struct produce_request_topic_data_partition_data data = {.records.bytes =
                                                                     test_make_batch(b, &batch)};
        struct produce_request_topic_data topics = {
            .name = BYTES_LITERAL("t"), .partition_data = &data, .partition_data_count = 1};
        struct produce_request request;
        schema_defaults(&produce_request_schema, &request);
        request.acks = -1;
        request.topic_data = &topics;
        request.topic_data_count = 1;
        s->read_most = pieces[i];
        for (int j = 0; j < 3; j++)
            append_frame(s, API_PRODUCE, 7, &request);
        ask_versions(s);
        pump(s);
        EXPECT_STRING(answers(s), "1 2 3 4");
        EXPECT_INT(test_fetch(c, "t", 0, 0)->high_watermark, (i + 1) * 9);
        socket_free(s);
    }
    test_broker_free(b);
}

TEST(a_frame_of_an_impossible_size_ends_the_connection)
{
    static const int64_t sizes[] = {-1, INT32_MIN, 0, 1, 7, 1000001, INT32_MAX};
    struct test_broker *b = test_broker_start(1, "socket.request.max.bytes=1000000", NULL);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct socket *s = socket_open(b);
        buffer_append_be32(&s->in, (uint32_t)sizes[i]);
        pump(s);
        EXPECT(s->connection == NULL);
        socket_free(s);
    }
    EXPECT_INT(test_shard(b, 0)->in_flight_bytes, 0);
    test_broker_free(b);
}

TEST(a_frame_gets_its_memory_as_its_bytes_arrive)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct socket *s = socket_open(b);
    buffer_append_be32(&s->in, 100 << 20);
    buffer_append_be32(&s->in, 0);
    pump(s);
    EXPECT(s->connection != NULL);
    EXPECT(s->shard->unfinished_bytes > 0 && s->shard->unfinished_bytes <= 64 << 10);
    for (int i = 0; i < 1 << 20; i += 4)
        buffer_append_be32(&s->in, 0);
    pump(s);
    EXPECT(s->shard->unfinished_bytes >= 1 << 20 && s->shard->unfinished_bytes <= 2 << 20);
    connection_close(s->connection);
    EXPECT_INT(s->shard->unfinished_bytes, 0);
    EXPECT_INT(s->shard->in_flight_bytes, 0);
    socket_free(s);
    test_broker_free(b);
}

/* --- a transport that holds bytes --- */

static struct socket *open_holding(struct test_broker *b, size_t read_most)
{
    struct socket *s = socket_open(b);
    s->holds = true;
    s->read_most = read_most;
    return s;
}

/* "1 2 3" up to count. */
static const char *answers_up_to(struct test_broker *b, int count)
{
    const char *text = "1";
    for (int i = 2; i <= count; i++)
        text = arena_printf(test_arena(b), "%s %d", text, i);
    return text;
}

TEST(bytes_that_a_transport_holds_are_read_without_an_event)
{
    static const size_t pieces[] = {1, 7, 100, 5000};
    struct test_broker *b = test_broker_start(1, NULL);
    create_topic(b, "t");
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        struct socket *s = open_holding(b, pieces[i]);
        for (int j = 0; j < 100; j++)
            ask_versions(s);
        ask_produce_of(s, "t", -1, pieces[i] * 100); /* large enough for a frame of its own */
        ask_versions(s);
        pump(s);
        EXPECT_STRING(answers(s), answers_up_to(b, 102));
        socket_free(s);
    }
    test_broker_free(b);
}

TEST(held_bytes_wait_while_reading_pauses)
{
    struct test_broker *b = test_broker_start(1, "tidemill.max.in.flight.requests=3", NULL);
    create_topic(b, "t");
    struct socket *s = open_holding(b, 10);
    for (int i = 0; i < 10; i++)
        ask_fetch(s, "t", 0, 500);
    pump(s);
    EXPECT_STRING(answers(s), "");
    EXPECT(s->held.size > 0 && !s->wants_read);
    for (int i = 0; i < 10; i++)
        test_advance(b, 500);
    EXPECT_STRING(answers(s), answers_up_to(b, 10));
    s->room = 0; /* the client does not read */
    for (int i = 0; i < 20; i++)
        ask_versions(s);
    pump(s);
    EXPECT_STRING(answers(s), answers_up_to(b, 10));
    EXPECT(s->held.size > 0 && !s->wants_read);
    s->room = ALL;
    pump(s);
    EXPECT_STRING(answers(s), answers_up_to(b, 30));
    EXPECT(s->held.size == 0 && s->wants_read);
    socket_free(s);
    test_broker_free(b);
}

TEST(a_transport_that_holds_many_bytes_does_not_starve_the_others)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct socket *much = open_holding(b, 1), *other = socket_open(b);
    for (int i = 0; i < 100; i++)
        ask_versions(much);
    ask_versions(other);
    connection_readable(much->connection);
    connection_readable(other->connection);
    shard_turn(other->shard);
    EXPECT_STRING(answers(other), "1");
    EXPECT(much->held.size > 1000);
    EXPECT_INT(shard_turn(other->shard), 0); /* work is left: another turn is due at once */
    socket_free(much);
    socket_free(other);
    test_broker_free(b);
}

/* Only another turn would hand its entry to the journal, and nothing causes that turn. */
TEST(no_request_is_taken_after_the_turn_of_the_store)
{
    struct test_broker *b = test_broker_start(1, NULL);
    create_topic(b, "t");
    struct socket *s = open_holding(b, ALL);
    ask_produce(s, "t", -1);
    s->read_most = s->in.size / 20 + 1; /* eight reads at the event, eight at a time afterwards */
    connection_readable(s->connection);
    EXPECT_INT(shard_turn(s->shard), 0);
    pump(s);
    EXPECT_STRING(answers(s), "1");
    socket_free(s);
    test_broker_free(b);
}

/* --- output --- */

/* Answers with records from memory or from files, sent in pieces of every size. */
static void expect_any_pieces(struct test_broker *b, bool from_files)
{
    struct bytes whole = BYTES_NULL;
    for (size_t most = ALL; most > 0;) {
        struct socket *s = socket_open(b);
        s->write_most = most;
        ask_versions(s);
        ask_fetch(s, "t", 0, 0);
        ask_fetch(s, "t", 3, 0);
        ask_versions(s);
        pump(s);
        EXPECT_STRING(answers(s), "1 2 3 4");
        EXPECT_INT(s->file_writes > 0, from_files);
        if (bytes_is_null(whole))
            whole = bytes_copy(buffer_view(&s->out));
        EXPECT_BYTES(buffer_view(&s->out), whole);
        most = most == ALL ? 400 : most > 100 ? most - 7 : most - 1;
        socket_free(s);
    }
    free((void *)(uintptr_t)whole.data);
}

TEST(answers_from_memory_may_be_sent_in_any_pieces)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "t", 1, NULL);
    for (int i = 0; i < 5; i++)
        test_produce(c, "t", 0, &(struct test_batch){.count = 2});
    expect_any_pieces(b, false);
    test_broker_free(b);
}

TEST(answers_from_files_may_be_sent_in_any_pieces)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "t", 1, NULL);
    for (int i = 0; i < 5; i++)
        test_produce(c, "t", 0, &(struct test_batch){.count = 2});
    test_broker_restart(b);
    expect_any_pieces(b, true);
    test_broker_free(b);
}

/* The broker stops after every byte, until the client has room again. */
TEST(a_client_may_stop_reading_after_any_byte)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "t", 1, NULL);
    test_produce(c, "t", 0, &(struct test_batch){.count = 2});
    test_broker_restart(b); /* one batch in a file */
    c = test_client_open(b, 0);
    test_produce(c, "t", 0, &(struct test_batch){.count = 2}); /* one in memory */
    size_t size = 1;
    for (size_t stop = 0; stop < size; stop++) {
        struct socket *s = socket_open(b);
        s->room = stop;
        ask_fetch(s, "t", 0, 0);
        ask_versions(s);
        pump(s);
        EXPECT_INT(s->out.size, stop);
        EXPECT(s->wants_write);
        s->room = ALL;
        pump(s);
        EXPECT_STRING(answers(s), "1 2");
        EXPECT(!s->wants_write && s->wants_read);
        size = s->out.size;
        socket_free(s);
    }
    test_broker_free(b);
}

/* --- ends --- */

TEST(a_connection_may_close_with_requests_in_flight)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        create_topic(b, "t");
        struct socket *s = socket_open(b);
        test_hold_journal(b, true);
        ask_versions(s);
        ask_fetch(s, "t", 0, 60000);
        ask_versions(s);
        for (int i = 0; i < 5; i++)
            ask_produce(s, "t", -1);
        buffer_append_be32(&s->in, 1000); /* and in the middle of a frame */
        pump(s);
        EXPECT_STRING(answers(s), "1");
        connection_close(s->connection);
        EXPECT(s->connection == NULL);
        test_hold_journal(b, false);
        test_settle(b);
        test_advance(b, 60000);
        EXPECT_INT(s->shard->in_flight_bytes, 0);
        EXPECT_INT(s->shard->connection_count, 0);
        socket_free(s);
        test_broker_free(b);
    }
}

TEST(a_produce_without_acks_has_no_answer)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        create_topic(b, "t");
        struct socket *s = socket_open(b);
        ask_produce(s, "t", 0);
        ask_versions(s);
        ask_produce(s, "t", 0);
        ask_produce(s, "t", 0);
        pump(s);
        EXPECT_STRING(answers(s), "2");
        EXPECT_INT(s->shard->in_flight_bytes, 0);
        socket_free(s);
        test_broker_free(b);
    }
}

/* A request that cannot be parsed closes the connection, after the answers to earlier requests. */
TEST(a_connection_is_closed_after_the_answers_that_are_due)
{
    struct test_broker *b = test_broker_start(1, NULL);
    create_topic(b, "t");
    struct socket *s = socket_open(b);
    ask_versions(s);
    ask_fetch(s, "t", 0, 500);
    ask_versions(s);
    buffer_append_be32(&s->in, 8);
    buffer_append_be64(&s->in, UINT64_MAX); /* no such API */
    ask_versions(s);
    pump(s);
    ask_versions(s);
    EXPECT_STRING(answers(s), "1");
    EXPECT(s->connection != NULL);
    EXPECT(!s->wants_read); /* otherwise the loop would spin on unread input */
    s->room = 20;
    test_advance(b, 500);
    EXPECT(s->connection != NULL);
    s->room = ALL;
    pump(s);
    EXPECT_STRING(answers(s), "1 2 3");
    EXPECT(s->connection == NULL);
    socket_free(s);
    test_broker_free(b);
}

TEST(idle_connections_are_closed)
{
    struct test_broker *b = test_broker_start(1, "connections.max.idle.ms=60000", NULL);
    create_topic(b, "t");
    struct socket *idle = socket_open(b), *waiting = socket_open(b), *half = socket_open(b);
    ask_fetch(waiting, "t", 0, 200000);
    pump(waiting);
    buffer_append_be32(&half->in, 1000);
    pump(half);
    test_advance(b, 50000);
    EXPECT(idle->connection != NULL);
    test_advance(b, 16000);
    EXPECT(idle->connection == NULL);
    EXPECT(half->connection == NULL);
    EXPECT(waiting->connection != NULL);
    socket_free(idle);
    socket_free(waiting);
    socket_free(half);
    test_broker_free(b);
}

TEST(a_client_that_never_reads_its_answers_is_disconnected)
{
    struct test_broker *b = test_broker_start(1, "connections.max.idle.ms=60000", NULL);
    struct socket *s = socket_open(b);
    s->room = 10;
    ask_versions(s);
    pump(s);
    test_advance(b, 50000);
    EXPECT(s->connection != NULL);
    test_advance(b, 16000);
    EXPECT(s->connection == NULL);
    EXPECT_INT(s->shard->in_flight_bytes, 0);
    socket_free(s);
    test_broker_free(b);
}

TEST(without_an_idle_limit_a_slow_client_stays_connected)
{
    struct test_broker *b = test_broker_start(1, "connections.max.idle.ms=-1", NULL);
    struct socket *s = socket_open(b);
    s->room = 10;
    ask_versions(s);
    pump(s);
    test_advance(b, 3600000);
    EXPECT(s->connection != NULL);
    s->room = ALL;
    pump(s);
    EXPECT_STRING(answers(s), "1");
    socket_free(s);
    test_broker_free(b);
}
