/* Sends one prepared Produce request again and again, so that the broker and not the client is the
 * limit. Each connection has one request under way.
 *
 *   bench_replay PORT TOPIC PARTITIONS CONNECTIONS BYTES SECONDS
 *
 * A request has one record of BYTES bytes. Connection n writes to partition n modulo PARTITIONS,
 * with acks=all. Ends by itself after SECONDS. Prints one JSON line. */
#include "base/clock.h"
#include "protocol/record_batch.h"
#include "protocol/writer.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Version 7 is the last one without flexible fields that every broker still serves. */
enum { PRODUCE = 0, PRODUCE_VERSION = 7, TIMEOUT_MS = 30000, EVENTS = 256 };

struct client {
    int descriptor;
    int32_t partition;
    struct buffer request;
    uint8_t reply[512];
    size_t got;
    int64_t sent_ns;
};

struct run {
    struct client *clients;
    int count, poll;
    size_t error_at; /* position of the error code in a reply */
    int64_t requests, failed;
    double *latencies; /* microseconds */
    size_t latency_count, latency_capacity;
};

static int64_t now_ns(void)
{
    return clock_system()->monotonic_ns(clock_system());
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void prepare(struct client *c, const char *topic, size_t bytes)
{
    struct buffer batch;
    struct batch_builder builder;
    uint8_t *value = xcalloc(1, bytes);
    memset(value, 'x', bytes);
    buffer_init(&batch, SIZE_MAX / 2);
    batch_builder_init(&builder, &batch, CODEC_NONE);
    batch_builder_add(&builder, clock_system()->wall_ms(clock_system()), BYTES_NULL,
                      bytes_of(value, bytes), BYTES_NULL, 0);
    struct bytes records = batch_builder_finish(&builder);

    struct writer w;
    buffer_init(&c->request, SIZE_MAX / 2);
    writer_init(&w, &c->request);
    write_i32(&w, 0); /* size */
    write_i16(&w, PRODUCE);
    write_i16(&w, PRODUCE_VERSION);
    write_i32(&w, 1); /* correlation id */
    write_string16(&w, BYTES_LITERAL("bench"));
    write_string16(&w, BYTES_NULL); /* transactional id */
    write_i16(&w, -1);
    write_i32(&w, TIMEOUT_MS);
    write_i32(&w, 1);
    write_string16(&w, bytes_of(topic, strlen(topic)));
    write_i32(&w, 1);
    write_i32(&w, c->partition);
    write_bytes32(&w, records);
    store_be32(c->request.data, (uint32_t)c->request.size - 4);
    writer_free(&w);
    buffer_free(&batch);
    free(value);
}

static void open_client(struct run *run, struct client *c, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    c->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->descriptor < 0 ||
        connect(c->descriptor, (struct sockaddr *)&address, sizeof address) != 0)
        fail("connect");
    setsockopt(c->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(run->poll, EPOLL_CTL_ADD, c->descriptor, &event) != 0)
        fail("epoll_ctl");
}

static void send_request(struct client *c)
{
    c->got = 0;
    c->sent_ns = now_ns();
    ssize_t sent = send(c->descriptor, c->request.data, c->request.size, MSG_NOSIGNAL);
    if (sent != (ssize_t)c->request.size)
        fail("send");
}

static void note_latency(struct run *run, int64_t ns)
{
    if (run->latency_count == run->latency_capacity) {
        run->latency_capacity = run->latency_capacity ? run->latency_capacity * 2 : 1 << 16;
        run->latencies = xrealloc(run->latencies, run->latency_capacity * sizeof *run->latencies);
    }
    run->latencies[run->latency_count++] = (double)ns / 1e3;
}

/* True: the reply is whole. */
static bool receive(struct run *run, struct client *c)
{
    ssize_t got = recv(c->descriptor, c->reply + c->got, sizeof c->reply - c->got, 0);
    if (got <= 0)
        fail("recv");
    c->got += (size_t)got;
    if (c->got < 4 || c->got < 4 + (size_t)load_be32(c->reply))
        return false;
    run->requests++;
    run->failed += load_be16(c->reply + run->error_at) != 0;
    note_latency(run, now_ns() - c->sent_ns);
    return true;
}

static void drive(struct run *run, int64_t until_ns)
{
    int waiting = run->count;
    for (int i = 0; i < run->count; i++)
        send_request(&run->clients[i]);
    while (waiting > 0) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(run->poll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct client *c = events[i].data.ptr;
            if (!receive(run, c))
                continue;
            if (c->sent_ns < until_ns)
                send_request(c);
            else
                waiting--;
        }
    }
}

static int compare(const void *a, const void *b)
{
    const double *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static double percentile(const struct run *run, double share)
{
    return run->latencies[(size_t)((double)(run->latency_count - 1) * share)];
}

int main(int count, char **arguments)
{
    if (count != 7) {
        fputs("usage: bench_replay PORT TOPIC PARTITIONS CONNECTIONS BYTES SECONDS\n", stderr);
        return 2;
    }
    const char *topic = arguments[2];
    int partitions = atoi(arguments[3]), seconds = atoi(arguments[6]);
    struct run run = {.count = atoi(arguments[4]), .poll = epoll_create1(EPOLL_CLOEXEC)};
    /* Size, correlation id, topics, name, partitions, partition. */
    run.error_at = 4 + 4 + 4 + 2 + strlen(topic) + 4 + 4;
    run.clients = xcalloc((size_t)run.count, sizeof *run.clients);
    for (int i = 0; i < run.count; i++) {
        run.clients[i].partition = i % partitions;
        prepare(&run.clients[i], topic, (size_t)atoi(arguments[5]));
        open_client(&run, &run.clients[i], (uint16_t)atoi(arguments[1]));
    }
    int64_t start = now_ns();
    drive(&run, start + (int64_t)seconds * 1000000000);
    double took = (double)(now_ns() - start) / 1e9;
    qsort(run.latencies, run.latency_count, sizeof *run.latencies, compare);
    printf("{\"requests\": %" PRId64 ", \"failed\": %" PRId64 ", \"rate\": %.1f, \"p50_us\": %.1f, "
           "\"p99_us\": %.1f}\n",
           run.requests, run.failed, (double)run.requests / took, percentile(&run, 0.5),
           percentile(&run, 0.99));
    for (int i = 0; i < run.count; i++) {
        close(run.clients[i].descriptor);
        buffer_free(&run.clients[i].request);
    }
    free(run.clients);
    free(run.latencies);
    return 0;
}
