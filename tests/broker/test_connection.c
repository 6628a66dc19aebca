#include "tests/broker/support_broker.h"

#include "broker/connection.h"

#include <stdlib.h>
#include <unistd.h>

enum { ALL = 1 << 30 };

/* A socket of the test's own: what it takes and gives at once is up to the test. */
struct socket {
    struct transport transport;
    struct test_broker *broker;
    struct shard *shard;
    struct connection *connection; /* NULL once the broker closed it */
    struct buffer in, out;
    size_t taken;                 /* of what came in */
    size_t read_most, write_most; /* in one call */
    size_t room;                  /* that the client has for what it is sent */
    bool wants_read, wants_write;
    bool breaks; /* without room for more */
    int correlation, writes, file_writes;
};

static struct socket *socket_of(struct transport *t)
{
    return CONTAINER_OF(t, struct socket, transport);
}

static size_t untaken(const struct socket *s)
{
    return s->in.size - s->taken;
}

static ssize_t socket_read(struct transport *t, void *data, size_t size)
{
    struct socket *s = socket_of(t);
    size_t part = MIN(MIN(size, untaken(s)), s->read_most);
    if (part == 0)
        return TRANSPORT_AGAIN;
    memcpy(data, s->in.data + s->taken, part);
    s->taken += part;
    if (untaken(s) == 0) {
        buffer_clear(&s->in);
        s->taken = 0;
    }
    return (ssize_t)part;
}

static size_t socket_room(const struct socket *s, size_t size)
{
    return MIN(MIN(size, s->write_most), s->room);
}

static ssize_t socket_write(struct transport *t, const struct iovec *parts, int count)
{
    struct socket *s = socket_of(t);
    size_t left = socket_room(s, ALL), done = 0;
    for (int i = 0; i < count && left > 0; i++) {
        size_t part = MIN(left, parts[i].iov_len);
        buffer_append(&s->out, parts[i].iov_base, part);
        left -= part;
        done += part;
    }
    s->room -= done;
    s->writes++;
    if (done == 0)
        return s->breaks ? TRANSPORT_CLOSED : TRANSPORT_AGAIN;
    return (ssize_t)done;
}

static ssize_t socket_send_file(struct transport *t, int descriptor, int64_t position, size_t size)
{
    struct socket *s = socket_of(t);
    size_t part = socket_room(s, size);
    if (part == 0)
        return TRANSPORT_AGAIN;
    ssize_t got = pread(descriptor, buffer_extend(&s->out, part), part, position);
    EXPECT_INT(got, part);
    s->room -= part;
    s->file_writes++;
    return got;
}

static void socket_want(struct transport *t, bool read, bool write)
{
    socket_of(t)->wants_read = read;
    socket_of(t)->wants_write = write;
}

static void socket_closed(struct transport *t)
{
    socket_of(t)->connection = NULL;
}

static const struct transport_ops ops = {socket_read, socket_write, socket_send_file, socket_want,
                                         socket_closed};

static struct socket *socket_open(struct test_broker *b)
{
    struct socket *s = xcalloc(1, sizeof *s);
    *s = (struct socket){.transport = {&ops},
                         .broker = b,
                         .shard = test_shard(b, 0),
                         .read_most = ALL,
                         .write_most = ALL,
                         .room = ALL};
    buffer_init(&s->in, ALL);
    buffer_init(&s->out, ALL);
    s->connection = connection_create(s->shard, &s->transport, "10.0.0.2");
    return s;
}

static void socket_free(struct socket *s)
{
    if (s->connection)
        connection_close(s->connection);
    buffer_free(&s->in);
    buffer_free(&s->out);
    free(s);
}

/* What an event loop does, until nothing moves. */
static void pump(struct socket *s)
{
    bool moved = true;
    while (moved && s->connection) {
        size_t in = untaken(s), out = s->out.size;
        shard_read_clock(s->shard);
        if (s->wants_read && in > 0)
            connection_readable(s->connection);
        if (s->connection && s->wants_write && s->room > 0)
            connection_writable(s->connection);
        test_settle(s->broker);
        moved = untaken(s) != in || s->out.size != out;
    }
}

static void append_frame(struct socket *s, int16_t api_key, int16_t version, const void *request)
{
    struct buffer frame;
    struct writer w;
    buffer_init(&frame, ALL);
    writer_init(&w, &frame);
    write_request_header(&w, &(struct request_header){.api_key = api_key,
                                                      .api_version = version,
                                                      .correlation_id = ++s->correlation,
                                                      .client_id = BYTES_LITERAL("test")});
    EXPECT_INT(schema_encode(api_messages(api_key)->request, version, request, &w), ERR_OK);
    writer_free(&w);
    buffer_append_be32(&s->in, (uint32_t)frame.size);
    buffer_append_bytes(&s->in, buffer_view(&frame));
    buffer_free(&frame);
}

static void ask_versions(struct socket *s)
{
    struct api_versions_request request;
    schema_defaults(&api_versions_request_schema, &request);
    append_frame(s, API_API_VERSIONS, 0, &request);
}

static void ask_fetch(struct socket *s, const char *topic, int64_t offset, int32_t wait_ms)
{
    struct fetch_request request;
    struct fetch_request_topics_partitions partition;
    struct fetch_request_topics topics;
    schema_defaults(&fetch_request_schema, &request);
    schema_defaults(&fetch_request_topics_schema, &topics);
    schema_defaults(&fetch_request_topics_partitions_schema, &partition);
    partition.fetch_offset = offset;
    partition.partition_max_bytes = ALL;
    topics.topic = bytes_string(topic);
    topics.partitions = &partition;
    topics.partitions_count = 1;
    request.topics = &topics;
    request.topics_count = 1;
    request.max_wait_ms = wait_ms;
    request.min_bytes = wait_ms ? ALL : 1;
    append_frame(s, API_FETCH, 11, &request);
}

static void ask_produce_of(struct socket *s, const char *topic, int16_t acks, size_t value_size)
{
    struct test_batch batch = {.count = 1, .value_size = value_size};
    struct produce_request_topic_data_partition_data data = {
        .records.bytes = test_make_batch(s->broker, &batch)};
    struct produce_request_topic_data topics = {
        .name = bytes_string(topic), .partition_data = &data, .partition_data_count = 1};
    struct produce_request request;
    schema_defaults(&produce_request_schema, &request);
    request.acks = acks;
    request.topic_data = &topics;
    request.topic_data_count = 1;
    append_frame(s, API_PRODUCE, 7, &request);
}

static void ask_produce(struct socket *s, const char *topic, int16_t acks)
{
    ask_produce_of(s, topic, acks, 0);
}

/* The correlation ids of the whole answers that have come, in order: "1 2 3". */
static const char *answers(struct socket *s)
{
    struct arena *arena = test_arena(s->broker);
    struct bytes left = buffer_view(&s->out);
    char *text = arena_printf(arena, "%s", "");
    while (left.size >= 8 && load_be32(left.data) <= left.size - 4) {
        text = arena_printf(arena, "%s%s%d", text, *text ? " " : "", (int)load_be32(left.data + 4));
        left = bytes_from(left, 4 + load_be32(left.data));
    }
    return left.size == 0 ? text : arena_printf(arena, "%s +", text);
}

static void create_topic(struct test_broker *b, const char *name)
{
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, name, 1, NULL);
    test_client_close(c);
}

TEST(answers_leave_in_the_order_of_their_requests)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct socket *s = socket_open(b);
        create_topic(b, "t");
        ask_versions(s);
        ask_fetch(s, "t", 0, 500);
        ask_versions(s);
        ask_produce(s, "t", -1); /* to another shard and back, and through the journal */
        ask_versions(s);
        pump(s);
        EXPECT_STRING(answers(s), "1");
        test_advance(b, 500);
        EXPECT_STRING(answers(s), "1 2 3 4 5");
        socket_free(s);
        test_broker_free(b);
    }
}

TEST(frames_may_come_in_any_pieces)
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

TEST(a_large_frame_may_come_in_any_pieces)
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

TEST(a_frame_gets_its_memory_as_its_bytes_come)
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

/* Stops behind every byte, until the client has room again. */
TEST(a_client_may_stop_reading_behind_any_byte)
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

/* --- limits --- */

TEST(a_client_that_does_not_read_is_not_read)
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

/* Frames that are not whole hold what memory there is for them: no other large one begins, small
 * ones pass, and stale ones are ended until there is room. */
TEST(unfinished_frames_share_what_memory_there_is)
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

/* A frame larger than all that unfinished ones may hold comes whole when nobody else needs room. */
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

/* Nobody is closed for being slow while nobody waits, nor whoever sends as much again as it holds.
 */
TEST(a_frame_that_gets_on_may_take_its_time)
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

/* However many wait with large requests, they hold nothing, and all are served in the end. */
TEST(what_has_no_room_is_not_read)
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

/* Thousands of requests from one client do not come before the one of another. */
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

TEST(who_does_not_read_costs_nothing_until_it_does)
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

/* The room is made by a connection that ends behind the turn of the one that waits: no event will
 * come, so there must be another turn at once. */
TEST(room_that_is_made_late_in_a_turn_is_noticed)
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

TEST(answers_that_nobody_reads_hold_a_limited_amount_of_memory)
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

/* What cannot be parsed ends the connection, behind the answers that are due before it. */
TEST(a_connection_ends_behind_the_answers_that_are_due)
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
    EXPECT(!s->wants_read); /* or the loop would spin on what it does not take */
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

TEST(connections_without_requests_are_closed_in_the_end)
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

TEST(a_client_that_never_reads_its_answers_is_closed_in_the_end)
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

TEST(without_an_idle_limit_a_client_may_take_its_time)
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
