/* Readers of a log that a cleaner has emptied. */
#include "broker/partition.h"
#include "storage/log_internal.h"
#include "storage/log_replace.h"
#include "tests/broker/support_runner.h"

#include <stdlib.h>

static struct partition *only_partition(struct test_broker *b)
{
    size_t at = 0;
    return map_next(&test_shard(b, 0)->partitions, &at);
}

static void flush(struct log *log)
{
    struct log_flush *flush = log_flush_begin(log);
    if (flush)
        log_flush_end(flush, log_flush_run(flush, false));
}

/* Replaces all segments by one without batches. The log ends with the hole. */
static void empty_log(struct test_broker *b, struct log *log)
{
    struct new_segments *n;
    struct io *io = test_shard(b, 0)->env->io;
    int64_t end = log_next_offset(log);
    flush(log);
    log_roll(log);
    flush(log);
    for (int part = 0; part < SEGMENT_PARTS; part++) {
        char *path = segment_swap_path(log->directory, 0, (enum segment_part)part);
        EXPECT_INT(io_replace_file(io, path, BYTES_LITERAL("")), ERR_OK);
        free(path);
    }
    log_set_first_dirty(log, end);
    EXPECT_INT(new_segments_open(test_shard(b, 0)->env, log->directory, (int64_t[]){0}, 1, end, &n),
               ERR_OK);
    EXPECT_INT(log_replace_segments(log, n), ERR_OK);
    struct log_delete *names = log_delete_begin(log);
    EXPECT_INT(log_delete_run(names), ERR_OK);
    log_delete_end(names);
}

TEST(a_hole_up_to_the_end_of_a_log_does_not_stop_its_readers)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "in", 1, NULL);
    for (int i = 0; i < 5; i++)
        pipeline_put(c, "in", 0, EPOCH, "key", "value");
    empty_log(b, only_partition(b)->log);
    for (int64_t offset = 0; offset <= 5; offset++) {
        const struct fetch_response_responses_partitions *r = test_fetch(c, "in", 0, offset);
        EXPECT_INT(r->error_code, KAFKA_NONE);
        EXPECT_INT(r->high_watermark, 5);
    }
    pipeline_set(c, "in", "processor.all.type=filter", "processor.all.where=true",
                 "processor.all.output=out", NULL); /* settles: its task waits at the end */
    pipeline_put(c, "in", 0, EPOCH, "key", "behind");
    EXPECT_STRING(partition_text(c, "out", 0), "key=behind\n");
    test_broker_restart(b);
    c = test_client_open(b, 0);
    EXPECT_STRING(partition_text(c, "in", 0), "key=behind\n");
    test_broker_free(b);
}

/* --- its configs --- */

static void set_for_cluster(struct test_client *c, const char *name, const char *value)
{
    struct incremental_alter_configs_request_resources_configs config = {
        .name = bytes_string(name), .value = bytes_string(value)};
    struct incremental_alter_configs_request_resources r = {.resource_type = 4,
                                                            .resource_name = BYTES_LITERAL(""),
                                                            .configs = &config,
                                                            .configs_count = 1};
    struct incremental_alter_configs_request request;
    schema_defaults(&incremental_alter_configs_request_schema, &request);
    request.resources = &r;
    request.resources_count = 1;
    struct incremental_alter_configs_response *response =
        test_call(c, API_INCREMENTAL_ALTER_CONFIGS, 1, &request);
    EXPECT_INT(response->responses[0].error_code, KAFKA_NONE);
}

/* Closed segments and an active one, with two keys. */
static void fill(struct test_client *c, const char *topic)
{
    static char value[600000];
    memset(value, 'x', sizeof value - 1);
    for (int i = 0; i < 5; i++)
        pipeline_put(c, topic, 0, EPOCH, i % 2 ? "odd" : "even", value);
}

static uint64_t cleanings(struct test_broker *b)
{
    return store_stats(test_shard(b, 0)->store).cleanings;
}

TEST(a_shorter_pause_of_the_cleaner_ends_the_one_that_is_under_way)
{
    enum { HOUR = 3600000 };
    struct test_broker *b =
        test_broker_start(1, "log.cleaner.backoff.ms=7200000", "log.segment.bytes=1048576", NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "state", 1, "cleanup.policy=compact", NULL);
    test_advance(b, 2000); /* the cleaner has found nothing */
    fill(c, "state");
    for (int i = 0; i < 10; i++)
        test_advance(b, HOUR / 10);
    EXPECT_INT(cleanings(b), 0);
    c = test_client_open(b, 0); /* the other one was idle for too long */
    set_for_cluster(c, "log.cleaner.backoff.ms", "1000");
    for (int i = 0; i < 10; i++)
        test_advance(b, 1000);
    EXPECT_INT(cleanings(b), 1);
    test_broker_free(b);
}

/* Then the map has room for one key. */
TEST(the_next_round_has_the_memory_that_was_set_last)
{
    struct test_broker *b =
        test_broker_start(1, "log.cleaner.backoff.ms=1000", "log.segment.bytes=1048576", NULL);
    struct test_client *c = test_client_open(b, 0);
    set_for_cluster(c, "log.cleaner.dedupe.buffer.size", "1024");
    set_for_cluster(c, "log.cleaner.io.buffer.load.factor", "0.01");
    test_create_topic(c, "state", 1, "cleanup.policy=compact", "min.cleanable.dirty.ratio=0.01",
                      NULL);
    fill(c, "state");
    for (int i = 0; i < 20; i++)
        test_advance(b, 1000);
    EXPECT(strstr(test_log(b), "keys=1 ") && !strstr(test_log(b), "keys=2 "));
    EXPECT(cleanings(b) > 1);
    test_broker_free(b);
}
