/* A server that answers producers and stores nothing: the upper limit of what the client can do.
 *
 *   bench_null_server PORT TOPIC PARTITIONS
 *
 * It has one thread, with a blocking poll over few connections. It reads a whole Produce request,
 * answers success for every partition, and drops the request. */
#include "protocol/api.h"
#include "protocol/messages.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 64, FRAME_MAX = 128 << 20 };

struct client {
    int descriptor;
    uint8_t *frame;
    size_t filled, capacity;
};

struct server {
    int32_t port, partitions;
    struct bytes topic;
};

static void answer_api_versions(struct arena *arena, int version, struct writer *w)
{
    static const int16_t keys[] = {API_PRODUCE, API_METADATA, API_API_VERSIONS};
    struct api_versions_response response;
    schema_defaults(&api_versions_response_schema, &response);
    response.api_keys = arena_array(arena, COUNT_OF(keys), sizeof *response.api_keys);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const struct api_messages *api = api_messages(keys[i]);
        response.api_keys[i] =
            (struct api_versions_response_api_keys){.api_key = keys[i],
                                                    .min_version = api->advertise_min,
                                                    .max_version = api->advertise_max};
    }
    response.api_keys_count = COUNT_OF(keys);
    (void)!schema_encode(&api_versions_response_schema, version, &response, w);
}

static void answer_metadata(const struct server *s, struct arena *arena, int version,
                            struct writer *w)
{
    struct metadata_response response;
    schema_defaults(&metadata_response_schema, &response);
    response.brokers = arena_array(arena, 1, sizeof *response.brokers);
    response.brokers[0].node_id = 1;
    response.brokers[0].host = BYTES_LITERAL("127.0.0.1");
    response.brokers[0].port = s->port;
    response.brokers_count = 1;
    response.controller_id = 1;
    response.cluster_id = BYTES_LITERAL("null");
    response.topics = arena_array(arena, 1, sizeof *response.topics);
    response.topics_count = 1;
    response.topics[0].name = s->topic;
    response.topics[0].partitions =
        arena_array(arena, (size_t)s->partitions, sizeof *response.topics[0].partitions);
    response.topics[0].partitions_count = s->partitions;
    int32_t *self = arena_array(arena, 1, sizeof *self);
    *self = 1;
    for (int32_t i = 0; i < s->partitions; i++) {
        struct metadata_response_topics_partitions *p = &response.topics[0].partitions[i];
        p->partition_index = i;
        p->leader_id = 1;
        p->replica_nodes = p->isr_nodes = self;
        p->replica_nodes_count = p->isr_nodes_count = 1;
    }
    (void)!schema_encode(&metadata_response_schema, version, &response, w);
}

static void answer_produce(struct arena *arena, int version, struct reader *r, struct writer *w)
{
    struct produce_request request;
    struct produce_response response;
    if (schema_decode(&produce_request_schema, version, r, arena, &request))
        exit(1);
    schema_defaults(&produce_response_schema, &response);
    response.responses_count = request.topic_data_count;
    response.responses =
        schema_array(&produce_response_responses_schema, (size_t)request.topic_data_count, arena);
    for (int32_t t = 0; t < request.topic_data_count; t++) {
        const struct produce_request_topic_data *from = &request.topic_data[t];
        struct produce_response_responses *to = &response.responses[t];
        to->name = from->name;
        to->partition_responses_count = from->partition_data_count;
        to->partition_responses =
            schema_array(&produce_response_responses_partition_responses_schema,
                         (size_t)from->partition_data_count, arena);
        for (int32_t p = 0; p < from->partition_data_count; p++)
            to->partition_responses[p].index = from->partition_data[p].index;
    }
    (void)!schema_encode(&produce_response_schema, version, &response, w);
}

static void write_all(int descriptor, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t done = write(descriptor, data, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        data += done;
        size -= (size_t)done;
    }
}

static void answer(const struct server *s, struct client *c, struct bytes frame)
{
    struct arena arena;
    struct buffer out;
    struct writer w;
    arena_init(&arena, FRAME_MAX);
    buffer_init(&out, FRAME_MAX);
    writer_init(&w, &out);
    struct reader r = reader_of(frame);
    struct request_header header = read_request_header(&r);
    write_i32(&w, 0);
    write_response_header(&w, header.api_key, header.api_version, header.correlation_id);
    if (header.api_key == API_API_VERSIONS)
        answer_api_versions(&arena, header.api_version, &w);
    else if (header.api_key == API_METADATA)
        answer_metadata(s, &arena, header.api_version, &w);
    else
        answer_produce(&arena, header.api_version, &r, &w);
    store_be32(out.data, (uint32_t)(out.size - 4));
    write_all(c->descriptor, out.data, out.size);
    writer_free(&w);
    buffer_free(&out);
    arena_free(&arena);
}

/* False: the client is gone. */
static bool serve(const struct server *s, struct client *c)
{
    if (c->capacity - c->filled < 256 << 10) {
        c->capacity = c->capacity * 2 + (1 << 20);
        c->frame = xrealloc(c->frame, c->capacity);
    }
    ssize_t got = read(c->descriptor, c->frame + c->filled, c->capacity - c->filled);
    if (got <= 0)
        return false;
    c->filled += (size_t)got;
    size_t at = 0;
    while (c->filled - at >= 4) {
        size_t size = load_be32(c->frame + at);
        if (c->filled - at - 4 < size)
            break;
        answer(s, c, bytes_of(c->frame + at + 4, size));
        at += 4 + size;
    }
    memmove(c->frame, c->frame + at, c->filled - at);
    c->filled -= at;
    return true;
}

static int listen_on(int port)
{
    int descriptor = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) || listen(descriptor, 64)) {
        perror("bench_null_server");
        exit(1);
    }
    return descriptor;
}

static void take(int listener, struct client *clients, int *count)
{
    int descriptor = accept(listener, NULL, NULL), on = 1;
    if (descriptor < 0 || *count == CONNECTIONS)
        return;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
    clients[(*count)++] = (struct client){.descriptor = descriptor};
}

int main(int count, char **values)
{
    if (count != 4) {
        fprintf(stderr, "usage: bench_null_server PORT TOPIC PARTITIONS\n");
        return 2;
    }
    struct server s = {atoi(values[1]), atoi(values[3]), bytes_string(values[2])};
    static struct client clients[CONNECTIONS];
    int clients_count = 0, listener = listen_on(s.port);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        struct pollfd polls[CONNECTIONS + 1] = {{listener, POLLIN, 0}};
        for (int i = 0; i < clients_count; i++)
            polls[i + 1] = (struct pollfd){clients[i].descriptor, POLLIN, 0};
        int polled = clients_count;
        poll(polls, (nfds_t)polled + 1, -1);
        for (int i = polled - 1; i >= 0; i--) {
            if (polls[i + 1].revents == 0 || serve(&s, &clients[i]))
                continue;
            close(clients[i].descriptor);
            free(clients[i].frame);
            clients[i] = clients[--clients_count];
        }
        if (polls[0].revents)
            take(listener, clients, &clients_count);
    }
}
