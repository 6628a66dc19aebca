#include "tests/broker/support_socket.h"

#include <stdlib.h>
#include <unistd.h>

static struct socket *socket_of(struct transport *t)
{
    return CONTAINER_OF(t, struct socket, transport);
}

size_t untaken(const struct socket *s)
{
    return s->in.size - s->taken;
}

/* Moves all that the client sent into the transport's own buffer. The socket is then empty. */
static ssize_t read_held(struct socket *s, void *data, size_t size)
{
    buffer_append(&s->held, s->in.data + s->taken, untaken(s));
    buffer_clear(&s->in);
    s->taken = 0;
    size_t part = MIN(MIN(size, s->held.size), s->read_most);
    if (part == 0)
        return TRANSPORT_AGAIN;
    memcpy(data, s->held.data, part);
    buffer_consume(&s->held, part);
    return (ssize_t)part;
}

static ssize_t socket_read(struct transport *t, void *data, size_t size)
{
    struct socket *s = socket_of(t);
    if (s->holds)
        return read_held(s, data, size);
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

static bool socket_pending(struct transport *t)
{
    return socket_of(t)->held.size > 0;
}

static void socket_closed(struct transport *t)
{
    socket_of(t)->connection = NULL;
}

static const struct transport_ops ops = {
    .read = socket_read,
    .write = socket_write,
    .send_file = socket_send_file,
    .want = socket_want,
    .pending = socket_pending,
    .close = socket_closed,
};

struct socket *socket_open(struct test_broker *b)
{
    struct socket *s = xcalloc(1, sizeof *s);
    *s = (struct socket){.transport = {.ops = &ops},
                         .broker = b,
                         .shard = test_shard(b, 0),
                         .read_most = ALL,
                         .write_most = ALL,
                         .room = ALL};
    buffer_init(&s->in, ALL);
    buffer_init(&s->held, ALL);
    buffer_init(&s->out, ALL);
    s->connection =
        connection_create(s->shard, s->shard->broker->listeners, &s->transport, "10.0.0.2");
    return s;
}

void socket_free(struct socket *s)
{
    if (s->connection)
        connection_close(s->connection);
    buffer_free(&s->in);
    buffer_free(&s->held);
    buffer_free(&s->out);
    free(s);
}

void pump(struct socket *s)
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

void append_frame(struct socket *s, int16_t api_key, int16_t version, const void *request)
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

void ask_versions(struct socket *s)
{
    struct api_versions_request request;
    schema_defaults(&api_versions_request_schema, &request);
    append_frame(s, API_API_VERSIONS, 0, &request);
}

void ask_fetch(struct socket *s, const char *topic, int64_t offset, int32_t wait_ms)
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

void ask_produce_of(struct socket *s, const char *topic, int16_t acks, size_t value_size)
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

void ask_produce(struct socket *s, const char *topic, int16_t acks)
{
    ask_produce_of(s, topic, acks, 0);
}

const char *answers(struct socket *s)
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

void create_topic(struct test_broker *b, const char *name)
{
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, name, 1, NULL);
    test_client_close(c);
}
