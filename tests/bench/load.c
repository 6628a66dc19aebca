/* Produces or consumes as fast as possible, with librdkafka.
 *
 *   bench_load produce BROKERS TOPIC PARTITIONS BYTES SECONDS [key=value ...]
 *   bench_load update BROKERS TOPIC PARTITIONS BYTES RECORDS [key=value ...]
 *   bench_load consume BROKERS TOPIC PARTITIONS RECORDS SECONDS [key=value ...]
 *
 * Ends by itself after SECONDS (produce: plus the time to flush) or RECORDS. `update` gives each
 * key UPDATES records. Prints one JSON line. */
#include "base/clock.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UPDATES = 10 };

struct counts {
    int64_t acknowledged, failed;
};

static double now(void)
{
    return (double)clock_system()->monotonic_ns(clock_system()) / 1e9;
}

static rd_kafka_conf_t *configure(int count, char **values)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char error[256];
    for (int i = 0; i < count; i++) {
        char *equals = strchr(values[i], '=');
        if (equals == NULL)
            exit(2);
        *equals = '\0';
        if (rd_kafka_conf_set(conf, values[i], equals + 1, error, sizeof error) !=
            RD_KAFKA_CONF_OK) {
            fprintf(stderr, "bench_load: %s\n", error);
            exit(2);
        }
    }
    return conf;
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char error[256];
    if (rd_kafka_conf_set(conf, key, value, error, sizeof error) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "bench_load: %s\n", error);
        exit(2);
    }
}

static rd_kafka_t *open_client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char error[256];
    rd_kafka_t *client = rd_kafka_new(type, conf, error, sizeof error);
    if (client == NULL) {
        fprintf(stderr, "bench_load: %s\n", error);
        exit(1);
    }
    return client;
}

static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *context)
{
    (void)client;
    struct counts *counts = context;
    if (message->err)
        counts->failed++;
    else
        counts->acknowledged++;
}

/* The records to produce, and the end of the run. */
struct load {
    int partitions;
    size_t size;
    double seconds;
    int64_t records, keys; /* keys: 0: none */
};

/* False: the queue is full. */
static bool send_one(rd_kafka_topic_t *handle, const struct load *load, int64_t i, char *payload)
{
    char key[24];
    int size = load->keys > 0 ? snprintf(key, sizeof key, "key-%" PRId64, i % load->keys) : 0;
    return rd_kafka_produce(handle, (int32_t)(i % load->partitions), RD_KAFKA_MSG_F_COPY, payload,
                            load->size, size > 0 ? key : NULL, (size_t)size, NULL) == 0;
}

static int produce(const char *brokers, const char *topic, const struct load *load,
                   rd_kafka_conf_t *conf)
{
    size_t size = load->size;
    struct counts counts = {0};
    set(conf, "bootstrap.servers", brokers);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rd_kafka_conf_set_opaque(conf, &counts);
    rd_kafka_t *client = open_client(RD_KAFKA_PRODUCER, conf);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    char *payload = malloc(size);
    for (size_t i = 0; i < size; i++)
        payload[i] = (char)('a' + (i * 7 + i / 13) % 26);
    double start = now(), end = start + load->seconds;
    for (int64_t i = 0; i < load->records; i++) {
        while (!send_one(handle, load, i, payload))
            rd_kafka_poll(client, 1);
        if (i % 1024 == 0) {
            rd_kafka_poll(client, 0);
            if (now() >= end)
                break;
        }
    }
    rd_kafka_flush(client, 60000);
    double took = now() - start;
    printf("{\"records\":%" PRId64 ",\"failed\":%" PRId64 ",\"seconds\":%.3f,\"rate\":%.0f}\n",
           counts.acknowledged, counts.failed, took, (double)counts.acknowledged / took);
    rd_kafka_topic_destroy(handle);
    rd_kafka_destroy(client);
    free(payload);
    return counts.failed > 0;
}

static int consume(const char *brokers, const char *topic, int partitions, int64_t wanted,
                   double seconds, rd_kafka_conf_t *conf)
{
    set(conf, "bootstrap.servers", brokers);
    set(conf, "group.id", "bench");
    set(conf, "enable.auto.commit", "false");
    set(conf, "auto.offset.reset", "earliest");
    rd_kafka_t *client = open_client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    for (int32_t i = 0; i < partitions; i++)
        rd_kafka_consume_start_queue(handle, i, RD_KAFKA_OFFSET_BEGINNING, queue);
    int64_t records = 0, bytes = 0;
    double start = 0, limit = now() + seconds;
    while (records < wanted && now() < limit) {
        rd_kafka_message_t *batch[2048];
        ssize_t got = rd_kafka_consume_batch_queue(queue, 100, batch, 2048);
        for (ssize_t i = 0; i < got; i++) {
            if (batch[i]->err == 0) {
                records++;
                bytes += (int64_t)batch[i]->len;
            }
            rd_kafka_message_destroy(batch[i]);
        }
        if (start == 0 && records > 0)
            start = now();
    }
    double took = now() - start;
    printf("{\"records\":%" PRId64 ",\"bytes\":%" PRId64 ",\"seconds\":%.3f,\"rate\":%.0f}\n",
           records, bytes, took, (double)records / took);
    for (int32_t i = 0; i < partitions; i++)
        rd_kafka_consume_stop(handle, i);
    rd_kafka_topic_destroy(handle);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
    return records < wanted;
}

int main(int count, char **values)
{
    if (count < 7) {
        fprintf(stderr,
                "usage: bench_load produce|update|consume BROKERS TOPIC PARTITIONS BYTES|RECORDS "
                "SECONDS|RECORDS "
                "[key=value ...]\n");
        return 2;
    }
    rd_kafka_conf_t *conf = configure(count - 7, values + 7);
    int partitions = atoi(values[4]);
    struct load load = {partitions, (size_t)atoll(values[5]), atof(values[6]), INT64_MAX, 0};
    if (strcmp(values[1], "update") == 0) {
        load.records = atoll(values[6]);
        load.keys = load.records / UPDATES + 1;
        load.seconds = 600;
    }
    if (strcmp(values[1], "consume") != 0)
        return produce(values[2], values[3], &load, conf);
    return consume(values[2], values[3], partitions, atoll(values[5]), atof(values[6]), conf);
}
