/* A whole broker in one thread: shards over a fresh directory, clients over memory, and a clock
 * that only the test moves.
 *
 *   struct test_broker *b = test_broker_start(2, "auto.create.topics.enable=false", NULL);
 *   struct test_client *c = test_client_open(b, 1);
 *   struct metadata_response *r = test_call(c, API_METADATA, 12, &request);
 *
 * Requests are encoded and responses decoded as on a socket. All results live until the broker is
 * freed. */
#ifndef TESTS_BROKER_SUPPORT_BROKER_H
#define TESTS_BROKER_SUPPORT_BROKER_H

#include "broker/broker.h"
#include "broker/shard.h"
#include "protocol/api.h"
#include "protocol/kafka_error.h"
#include "protocol/messages.h"
#include "tests/harness/harness.h"

struct test_client;
struct test_broker;

/* `flags` are "key=value" as on the command line, NULL-terminated. */
struct test_broker *test_broker_start(int shards, ...);

/* A simulated machine. */
struct test_machine {
    struct io *io;
    struct kv_driver *kv;
    const char *directory;
    uint64_t seed;        /* of its randomness: each run over one directory needs another seed */
    struct random *order; /* draws jobs and shards; NULL: all run, in order */
    /* Called when the broker stops by itself (exit code 4) or cannot start (1), instead of failing
     * the test. It does not return: nothing of the broker may run after it. NULL: the test fails.
     */
    void (*ended)(void *context, int code, const char *reason);
    void *context;
};
struct test_broker *test_broker_start_on(const struct test_machine *machine, int shards, ...);
/* Stops regularly and starts again on the same directory. The clients are gone. */
void test_broker_restart(struct test_broker *b);
/* Ends as if it was killed now, and starts again. The clients are gone. */
void test_broker_crash(struct test_broker *b);
/* The same as a regular restart with another number of shards. */
void test_broker_restart_with(struct test_broker *b, int shards);
void test_broker_free(struct test_broker *b);
struct shard *test_shard(struct test_broker *b, int shard);
int test_shard_count(const struct test_broker *b);
/* For memory that must live as long as the broker. */
struct arena *test_arena(struct test_broker *b);
/* Lines of the log so far. */
const char *test_log(struct test_broker *b);

/* Runs turns until there is no more progress. */
void test_settle(struct test_broker *b);
/* One round of turns and jobs. */
void test_round(struct test_broker *b);
/* While held, nothing becomes durable. */
void test_hold_journal(struct test_broker *b, bool hold);
/* The disk fails under a shard's journal: its entries under way are lost. */
void test_fail_journal(struct test_broker *b, int shard);
/* While held, flushes and checkpoints wait. */
void test_hold_background(struct test_broker *b, bool hold);
/* While held, a shard has no turn, and its mail waits. -1: none is held. */
void test_hold_shard(struct test_broker *b, int shard);
/* The disk has no free space, for a broker with tidemill.min.free.bytes above 0. */
void test_fill_disk(struct test_broker *b, bool full);
/* Moves both clocks, then settles. */
void test_advance(struct test_broker *b, int64_t ms);
/* Moves only the wall clock. */
void test_leap(struct test_broker *b, int64_t ms);

/* Connects to the first listener, or to a given one. */
struct test_client *test_client_open(struct test_broker *b, int shard);
struct test_client *test_client_open_at(struct test_broker *b, int shard, int listener);
void test_client_close(struct test_client *c);
struct test_broker *test_broker_of(struct test_client *c);
bool test_client_is_closed(const struct test_client *c);

/* Sends a request; does not wait. */
void test_send(struct test_client *c, int16_t api, int16_t version, const void *request);
/* The next response, which must have arrived, to a request of this API and version. */
void *test_receive(struct test_client *c, int16_t api, int16_t version);
/* Whether a whole response has arrived. */
bool test_has_response(struct test_client *c);
/* Sends, settles, receives. Without an answer the test fails. */
void *test_call(struct test_client *c, int16_t api, int16_t version, const void *request);

/* --- for most tests --- */

/* Creates a topic and expects success; "name=value" configs end with NULL. */
void test_create_topic(struct test_client *c, const char *name, int32_t partitions, ...);
struct uuid test_topic_id(struct test_broker *b, const char *name);

/* A batch of records "v0", "v1"... with the clock's time. */
struct test_batch {
    int count;
    size_t value_size; /* pads the values */
    int codec;
    int64_t timestamp;   /* 0: now */
    int64_t producer_id; /* with `idempotent` */
    int16_t epoch;
    int32_t sequence;
    bool idempotent, keyless;
    const char *key; /* NULL: "k" */
};
struct bytes test_make_batch(struct test_broker *b, const struct test_batch *batch);
/* Produces to one partition and gives its part of the answer. */
struct produce_response_responses_partition_responses *
test_produce_bytes(struct test_client *c, int16_t version, const char *topic, int32_t partition,
                   struct bytes records);
struct produce_response_responses_partition_responses *test_produce(struct test_client *c,
                                                                    const char *topic,
                                                                    int32_t partition,
                                                                    const struct test_batch *batch);

/* A Fetch request for one partition; change it before sending. */
struct fetch_request *test_fetch_request(struct test_client *c, const char *topic,
                                         int32_t partition, int64_t offset);
struct fetch_response_responses_partitions *test_fetch(struct test_client *c, const char *topic,
                                                       int32_t partition, int64_t offset);
/* DeleteRecords of one partition; expects success. */
void test_trim(struct test_client *c, const char *topic, int32_t partition, int64_t offset);
/* The number of fetched records from `offset` on. */
int test_count_records(struct bytes records, int64_t offset);

/* Runs the body with 1, 2 and 4 shards; --shards N chooses one. */
#define FOR_SHARD_COUNTS(name) \
    for (int name = test_first_shard_count(); name != 0; name = test_next_shard_count(name))
int test_first_shard_count(void);
int test_next_shard_count(int shards);

#endif
