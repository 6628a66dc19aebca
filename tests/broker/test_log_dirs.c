#include "broker/partition.h"
#include "tests/broker/support_broker.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

static const struct describe_log_dirs_response_results *
describe(struct test_client *c, int16_t version, const struct describe_log_dirs_request *request)
{
    struct describe_log_dirs_response *r = test_call(c, API_DESCRIBE_LOG_DIRS, version, request);
    EXPECT_INT(r->error_code, KAFKA_NONE);
    EXPECT_INT(r->results_count, 1);
    EXPECT_INT(r->results[0].error_code, KAFKA_NONE);
    return &r->results[0];
}

static const struct describe_log_dirs_response_results *describe_all(struct test_client *c,
                                                                     int16_t version)
{
    struct describe_log_dirs_request request;
    schema_defaults(&describe_log_dirs_request_schema, &request);
    request.topics_count = -1;
    return describe(c, version, &request);
}

/* The bytes of the .log files of a partition. */
static int64_t bytes_on_disk(struct test_broker *b, struct test_client *c, const char *topic,
                             int32_t partition)
{
    const struct describe_log_dirs_response_results *r = describe_all(c, 4);
    const uint8_t *id = test_topic_id(b, topic).bytes;
    char path[1024];
    int size = snprintf(path, sizeof path, "%.*s/topics/", BYTES_PRINTF(r->log_dir));
    for (int i = 0; i < 16; i++)
        size += snprintf(path + size, sizeof path - (size_t)size, "%s%02x",
                         i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
    size += snprintf(path + size, sizeof path - (size_t)size, "/%d", partition);
    int64_t sum = 0;
    DIR *directory = opendir(path);
    EXPECT(directory != NULL);
    for (struct dirent *e; directory && (e = readdir(directory));) {
        struct stat info;
        snprintf(path + size, sizeof path - (size_t)size, "/%s", e->d_name);
        if (strstr(e->d_name, ".log") && stat(path, &info) == 0)
            sum += info.st_size;
    }
    closedir(directory);
    return sum;
}

static void produce(struct test_client *c, const char *topic, int32_t partition, int count)
{
    for (int i = 0; i < count; i++)
        test_produce(c, topic, partition, &(struct test_batch){.count = 1, .value_size = 300000});
}

TEST(every_version_gives_all_partitions_with_their_sizes)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 1);
        EXPECT_INT(describe_all(c, 4)->topics_count, 0);
        test_create_topic(c, "b", 3, NULL);
        test_create_topic(c, "a", 1, NULL);
        produce(c, "b", 2, 1);
        for (int16_t version = 0; version <= 5; version++) {
            const struct describe_log_dirs_response_results *r = describe_all(c, version);
            EXPECT(r->log_dir.size > 0 && r->log_dir.data[0] == '/');
            EXPECT_INT(r->topics_count, 2);
            EXPECT_BYTES(r->topics[0].name, BYTES_LITERAL("a"));
            EXPECT_INT(r->topics[0].partitions_count, 1);
            EXPECT_INT(r->topics[0].partitions[0].partition_size, 0);
            EXPECT_BYTES(r->topics[1].name, BYTES_LITERAL("b"));
            EXPECT_INT(r->topics[1].partitions_count, 3);
            for (int32_t i = 0; i < 3; i++) {
                EXPECT_INT(r->topics[1].partitions[i].partition_index, i);
                EXPECT((r->topics[1].partitions[i].partition_size > 300000) == (i == 2));
                EXPECT_INT(r->topics[1].partitions[i].offset_lag, 0);
                EXPECT(!r->topics[1].partitions[i].is_future_key);
            }
            EXPECT((r->total_bytes > 0) == (version >= 4));
            EXPECT((r->usable_bytes > 0) == (version >= 4));
            EXPECT(r->usable_bytes <= r->total_bytes);
        }
        test_broker_free(b);
    }
}

TEST(sizes_are_exact_when_older_segments_are_not_known_yet)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 2, "segment.bytes=1048576", NULL);
        produce(c, "orders", 0, 12);
        produce(c, "orders", 1, 1);
        test_broker_restart(b);
        c = test_client_open(b, 0);
        for (int round = 0; round < 2; round++) {
            const struct describe_log_dirs_response_results *r = describe_all(c, 4);
            EXPECT_INT(r->topics[0].partitions_count, 2);
            for (int32_t i = 0; i < 2; i++)
                EXPECT_INT(r->topics[0].partitions[i].partition_size,
                           bytes_on_disk(b, c, "orders", i));
            EXPECT(round > 0 || r->topics[0].partitions[0].partition_size > 3600000);
            test_trim(c, "orders", 0, 7);
            test_advance(b, 60000);
        }
        EXPECT(describe_all(c, 4)->topics[0].partitions[0].partition_size < 3000000);
        test_broker_free(b);
    }
}

TEST(only_existing_partitions_that_were_asked_for_are_given_once)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "a", 4, NULL);
        test_create_topic(c, "b", 2, NULL);
        int32_t first[] = {3, 1, 3, 4, -1, INT32_MAX}, second[] = {1, 0}, none[] = {2};
        struct describe_log_dirs_request_topics topics[] = {
            {BYTES_LITERAL("a"), first, 6},
            {BYTES_LITERAL("nobody"), second, 2},
            {BYTES_LITERAL("a"), second, 2},
            {BYTES_LITERAL("b"), none, 1},
        };
        struct describe_log_dirs_request request;
        schema_defaults(&describe_log_dirs_request_schema, &request);
        request.topics = topics;
        request.topics_count = 4;
        const struct describe_log_dirs_response_results *r = describe(c, 4, &request);
        EXPECT_INT(r->topics_count, 1);
        EXPECT_BYTES(r->topics[0].name, BYTES_LITERAL("a"));
        EXPECT_INT(r->topics[0].partitions_count, 3);
        EXPECT_INT(r->topics[0].partitions[0].partition_index, 0);
        EXPECT_INT(r->topics[0].partitions[1].partition_index, 1);
        EXPECT_INT(r->topics[0].partitions[2].partition_index, 3);
        request.topics_count = 0;
        EXPECT_INT(describe(c, 4, &request)->topics_count, 0);
        test_broker_free(b);
    }
}

TEST(many_partitions_are_measured_over_several_turns)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "many", 3000, NULL);
    struct describe_log_dirs_request request;
    schema_defaults(&describe_log_dirs_request_schema, &request);
    request.topics_count = -1;
    test_send(c, API_DESCRIBE_LOG_DIRS, 4, &request);
    test_round(b);
    test_round(b);
    EXPECT(!test_has_response(c));
    test_settle(b);
    const struct describe_log_dirs_response *r = test_receive(c, API_DESCRIBE_LOG_DIRS, 4);
    EXPECT_INT(r->results[0].topics[0].partitions_count, 3000);
    test_broker_free(b);
}

TEST(a_topic_that_is_deleted_meanwhile_is_left_out)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0), *other = test_client_open(b, 0);
    test_create_topic(c, "a", 4, NULL);
    test_create_topic(c, "b", 4, NULL);
    struct describe_log_dirs_request request;
    schema_defaults(&describe_log_dirs_request_schema, &request);
    request.topics_count = -1;
    test_hold_shard(b, 1);
    test_send(c, API_DESCRIBE_LOG_DIRS, 4, &request);
    test_settle(b);
    struct bytes names[] = {BYTES_LITERAL("a")};
    struct delete_topics_request deletion;
    schema_defaults(&delete_topics_request_schema, &deletion);
    deletion.topic_names = names;
    deletion.topic_names_count = 1;
    test_send(other, API_DELETE_TOPICS, 4, &deletion);
    test_settle(b);
    test_hold_shard(b, -1);
    test_settle(b);
    const struct describe_log_dirs_response *r = test_receive(c, API_DESCRIBE_LOG_DIRS, 4);
    int32_t last = r->results[0].topics_count - 1;
    EXPECT_BYTES(r->results[0].topics[last].name, BYTES_LITERAL("b"));
    EXPECT_INT(r->results[0].topics[last].partitions_count, 4);
    test_broker_free(b);
}
