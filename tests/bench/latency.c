/* End-to-end latency, open loop: from the scheduled time of sending a record until a consumer has
 * it.
 *
 *   bench_latency BROKERS TOPIC RATE SECONDS BYTES [key=value ...]
 *
 * The schedule is fixed before the run, so a stall counts for every record that had to wait
 * (no coordinated omission). The first second is warm-up. Prints one JSON line, milliseconds. */
#include "base/clock.h"
#include "base/compiler.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WARM_UP_S = 1 };

struct run {
    rd_kafka_t *consumer;
    rd_kafka_topic_t *topic;
    int64_t expected;
    atomic_llong received;
    int64_t measure_from_ns;
    int64_t *latencies_ns;
    int64_t measured;
};

static int64_t now_ns(void)
{
    return clock_system()->monotonic_ns(clock_system());
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char error[256];
    if (rd_kafka_conf_set(conf, key, value, error, sizeof error) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "bench_latency: %s\n", error);
        exit(2);
    }
}

static void *receive(void *context)
{
    struct run *run = context;
    int64_t limit = now_ns() + 120 * 1000000000ll;
    while (atomic_load(&run->received) < run->expected && now_ns() < limit) {
        rd_kafka_message_t *m = rd_kafka_consume(run->topic, 0, 1000);
        if (m == NULL)
            continue;
        int64_t now = now_ns(), scheduled;
        if (m->err == 0 && m->len >= sizeof scheduled) {
            memcpy(&scheduled, m->payload, sizeof scheduled);
            if (scheduled >= run->measure_from_ns)
                run->latencies_ns[run->measured++] = now - scheduled;
            atomic_fetch_add(&run->received, 1);
        }
        rd_kafka_message_destroy(m);
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double at(const struct run *run, double quantile)
{
    if (run->measured == 0)
        return -1;
    int64_t index = (int64_t)(quantile * (double)(run->measured - 1));
    return (double)run->latencies_ns[index] / 1e6;
}

static void wait_until(int64_t due_ns)
{
    struct timespec t = {due_ns / 1000000000, due_ns % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void send_on_schedule(rd_kafka_t *producer, rd_kafka_topic_t *topic, struct run *run,
                             int64_t start_ns, int64_t rate, size_t size)
{
    char *payload = malloc(size);
    memset(payload, 'x', size);
    for (int64_t i = 0; i < run->expected; i++) {
        int64_t due_ns = start_ns + i * 1000000000 / rate;
        if (due_ns > now_ns() + 50000)
            wait_until(due_ns);
        memcpy(payload, &due_ns, sizeof due_ns);
        while (rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, payload, size, NULL, 0, NULL) != 0)
            rd_kafka_poll(producer, 1);
        if (i % 64 == 0)
            rd_kafka_poll(producer, 0);
    }
    rd_kafka_flush(producer, 60000);
    free(payload);
}

static rd_kafka_t *open_client(rd_kafka_type_t type, const char *brokers, int count, char **values)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char error[256];
    set(conf, "bootstrap.servers", brokers);
    if (type == RD_KAFKA_CONSUMER) {
        set(conf, "group.id", "bench");
        set(conf, "fetch.wait.max.ms", "500");
    }
    for (int i = 0; type == RD_KAFKA_PRODUCER && i < count; i++) {
        char key[128];
        const char *equals = strchr(values[i], '=');
        if (equals == NULL || (size_t)(equals - values[i]) >= sizeof key)
            exit(2);
        snprintf(key, sizeof key, "%.*s", (int)(equals - values[i]), values[i]);
        set(conf, key, equals + 1);
    }
    rd_kafka_t *client = rd_kafka_new(type, conf, error, sizeof error);
    if (client == NULL) {
        fprintf(stderr, "bench_latency: %s\n", error);
        exit(1);
    }
    return client;
}

int main(int count, char **values)
{
    if (count < 6) {
        fprintf(stderr, "usage: bench_latency BROKERS TOPIC RATE SECONDS BYTES [key=value ...]\n");
        return 2;
    }
    int64_t rate = atoll(values[3]), seconds = atoll(values[4]);
    size_t size = MAX((size_t)atoll(values[5]), sizeof(int64_t));
    struct run run = {.expected = rate * (seconds + WARM_UP_S)};
    run.latencies_ns = xcalloc((size_t)run.expected, sizeof(int64_t));
    rd_kafka_t *producer = open_client(RD_KAFKA_PRODUCER, values[1], count - 6, values + 6);
    run.consumer = open_client(RD_KAFKA_CONSUMER, values[1], 0, NULL);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, values[2], NULL);
    run.topic = rd_kafka_topic_new(run.consumer, values[2], NULL);
    rd_kafka_consume_start(run.topic, 0, RD_KAFKA_OFFSET_END);
    rd_kafka_message_t *none = rd_kafka_consume(run.topic, 0, 2000); /* moves to the end */
    if (none)
        rd_kafka_message_destroy(none);
    int64_t start_ns = now_ns() + 200000000;
    run.measure_from_ns = start_ns + WARM_UP_S * 1000000000ll;
    pthread_t receiver;
    pthread_create(&receiver, NULL, receive, &run);
    send_on_schedule(producer, topic, &run, start_ns, rate, size);
    pthread_join(receiver, NULL);
    qsort(run.latencies_ns, (size_t)run.measured, sizeof(int64_t), by_value);
    printf("{\"rate\":%" PRId64 ",\"measured\":%" PRId64 ",\"lost\":%" PRId64
           ",\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"max_ms\":%.3f}\n",
           rate, run.measured, run.expected - (int64_t)atomic_load(&run.received), at(&run, 0.5),
           at(&run, 0.99), at(&run, 0.999), at(&run, 1));
    rd_kafka_consume_stop(run.topic, 0);
    rd_kafka_topic_destroy(topic);
    rd_kafka_topic_destroy(run.topic);
    rd_kafka_destroy(producer);
    rd_kafka_destroy(run.consumer);
    free(run.latencies_ns);
    return 0;
}
