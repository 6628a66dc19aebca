/* Pipelines in a whole broker: sets processors as clients do, writes records, and reads topics as
 * text. */
#ifndef TESTS_BROKER_SUPPORT_RUNNER_H
#define TESTS_BROKER_SUPPORT_RUNNER_H

#include "tests/broker/support_broker.h"

/* The clock of the broker at its start; event times in the tests count from here. */
enum { MINUTE = 60000 };
#define EPOCH INT64_C(1699999980000) /* the last full minute before the broker's clock */

/* "processor.v.type=validate" sets, "processor.v.where" deletes; NULL-terminated. Returns the
 * message of the answer, or "" if it was accepted. */
const char *pipeline_try(struct test_client *c, const char *topic, ...);
/* The same, and expects success. */
void pipeline_set(struct test_client *c, const char *topic, ...);
int16_t pipeline_delete_topic(struct test_client *c, const char *topic);

/* One record; NULL key or value for none. */
void pipeline_put(struct test_client *c, const char *topic, int32_t partition, int64_t timestamp,
                  const char *key, const char *value);
/* Records of one batch: call add for each, then send. */
struct pipeline_batch {
    struct buffer bytes;
    struct batch_builder builder;
};
void pipeline_batch_init(struct pipeline_batch *batch, int codec);
void pipeline_batch_add(struct pipeline_batch *batch, int64_t timestamp, const char *key,
                        const char *value);
void pipeline_batch_send(struct pipeline_batch *batch, struct test_client *c, const char *topic,
                         int32_t partition);

/* The number of partitions; -1 if there is no such topic. */
int32_t topic_partitions(struct test_broker *b, const char *topic);
/* A partition's records from `offset` on, one per line: "key=value". */
const char *partition_text(struct test_client *c, const char *topic, int32_t partition);
/* The same with "offset timestamp" before each record and its headers after it. */
const char *partition_dump(struct test_client *c, const char *topic, int32_t partition);
/* Records in all partitions. */
int topic_count(struct test_client *c, const char *topic);
/* The records of all partitions as sorted lines. */
const char *topic_sorted(struct test_client *c, const char *topic);

#endif
