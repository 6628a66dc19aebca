#include "tests/broker/support_broker.h"

#include "protocol/record_batch.h"
#include "storage/segment_file.h"

#include <glob.h>
#include <stdio.h>

static struct fetch_response_responses_partitions *only(struct fetch_response *response)
{
    EXPECT_INT(response->responses_count, 1);
    EXPECT_INT(response->responses[0].partitions_count, 1);
    return &response->responses[0].partitions[0];
}

/* A request for partitions 0 to count-1 from offset 0. */
static struct fetch_request *request_for(struct test_client *c, struct test_broker *b,
                                         const char *topic, int32_t count)
{
    struct fetch_request *request = test_fetch_request(c, topic, 0, 0);
    struct fetch_request_topics_partitions *partitions =
        schema_array(&fetch_request_topics_partitions_schema, (size_t)count, test_arena(b));
    for (int32_t p = 0; p < count; p++) {
        partitions[p].partition = p;
        partitions[p].partition_max_bytes = 1 << 20;
    }
    request->topics[0].partitions = partitions;
    request->topics[0].partitions_count = count;
    return request;
}

static void delete_topic(struct test_client *c, const char *name)
{
    struct bytes names[] = {bytes_string(name)};
    struct delete_topics_request request;
    schema_defaults(&delete_topics_request_schema, &request);
    request.topic_names = names;
    request.topic_names_count = 1;
    struct delete_topics_response *r = test_call(c, API_DELETE_TOPICS, 5, &request);
    EXPECT_INT(r->responses[0].error_code, KAFKA_NONE);
}

TEST(every_version_reads_the_records)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 1);
        test_create_topic(c, "orders", 1, NULL);
        test_produce(c, "orders", 0, &(struct test_batch){.count = 10});
        for (int16_t version = 4; version <= 17; version++) {
            struct fetch_request *request = test_fetch_request(c, "orders", 0, 4);
            request->topics[0].topic_id = test_topic_id(b, "orders");
            struct fetch_response_responses_partitions *p =
                only(test_call(c, API_FETCH, version, request));
            EXPECT_INT(p->error_code, KAFKA_NONE);
            EXPECT_INT(p->high_watermark, 10);
            EXPECT_INT(p->last_stable_offset, 10);
            EXPECT_INT(p->aborted_transactions_count, -1);
            EXPECT_INT(test_count_records(p->records.bytes, 4), 6);
        }
        test_broker_free(b);
    }
}

TEST(bounds_epochs_and_unknown_partitions_are_answered_at_once)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        test_produce(c, "orders", 0, &(struct test_batch){.count = 10});
        struct {
            const char *topic;
            int32_t partition, epoch;
            int64_t offset;
            int error;
        } cases[] = {
            {"orders", 0, -1, 11, KAFKA_OFFSET_OUT_OF_RANGE},
            {"orders", 0, -1, -1, KAFKA_OFFSET_OUT_OF_RANGE},
            {"orders", 0, 0, 0, KAFKA_NONE},
            {"orders", 0, 1, 0, KAFKA_UNKNOWN_LEADER_EPOCH},
            {"orders", 1, -1, 0, KAFKA_UNKNOWN_TOPIC_OR_PARTITION},
            {"orders", -1, -1, 0, KAFKA_UNKNOWN_TOPIC_OR_PARTITION},
            {"nobody", 0, -1, 0, KAFKA_UNKNOWN_TOPIC_OR_PARTITION},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            struct fetch_request *request =
                test_fetch_request(c, cases[i].topic, cases[i].partition, cases[i].offset);
            request->topics[0].partitions[0].current_leader_epoch = cases[i].epoch;
            request->max_wait_ms = 10000;
            struct fetch_response_responses_partitions *p =
                only(test_call(c, API_FETCH, 11, request));
            EXPECT_INT(p->error_code, cases[i].error);
            EXPECT_INT(p->partition_index, cases[i].partition);
        }
        test_broker_free(b);
    }
}

TEST(an_unknown_topic_id_gets_its_own_error)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    struct fetch_request *request = test_fetch_request(c, "", 0, 0);
    request->topics[0].topic_id = (struct uuid){{1, 2, 3}};
    struct fetch_response *r = test_call(c, API_FETCH, 13, request);
    EXPECT_INT(only(r)->error_code, KAFKA_UNKNOWN_TOPIC_ID);
    EXPECT_INT(r->responses[0].topic_id.bytes[1], 2);
    test_broker_free(b);
}

TEST(a_long_poll_ends_with_the_first_record)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *reader = test_client_open(b, 0), *writer = test_client_open(b, 1);
        test_create_topic(writer, "orders", 8, NULL);
        struct fetch_request *request = request_for(reader, b, "orders", 8);
        request->max_wait_ms = 5000;
        test_send(reader, API_FETCH, 12, request);
        test_advance(b, 100);
        EXPECT(!test_has_response(reader));
        test_produce(writer, "orders", 6, &(struct test_batch){.count = 2});
        EXPECT(test_has_response(reader));
        struct fetch_response *r = test_receive(reader, API_FETCH, 12);
        EXPECT_INT(r->responses[0].partitions_count, 8);
        for (int32_t p = 0; p < 8; p++) {
            struct fetch_response_responses_partitions *part = &r->responses[0].partitions[p];
            EXPECT_INT(part->partition_index, p);
            EXPECT_INT(test_count_records(part->records.bytes, 0), p == 6 ? 2 : 0);
        }
        test_broker_free(b);
    }
}

TEST(a_long_poll_without_records_ends_in_time_and_empty)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 1);
        test_create_topic(c, "orders", 4, NULL);
        struct fetch_request *request = request_for(c, b, "orders", 4);
        request->max_wait_ms = 500;
        test_send(c, API_FETCH, 11, request);
        test_settle(b);
        test_advance(b, 499);
        EXPECT(!test_has_response(c));
        test_advance(b, 1);
        struct fetch_response *r = test_receive(c, API_FETCH, 11);
        EXPECT_INT(r->responses[0].partitions_count, 4);
        EXPECT_INT(r->responses[0].partitions[3].records.bytes.size, 0);
        EXPECT_INT(r->responses[0].partitions[3].high_watermark, 0);
        test_broker_free(b);
    }
}

TEST(min_bytes_counts_over_all_partitions_and_shards)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *reader = test_client_open(b, 0), *writer = test_client_open(b, 1);
        test_create_topic(writer, "orders", 8, NULL);
        struct test_batch batch = {.count = 1, .value_size = 200};
        size_t size = test_make_batch(b, &batch).size;
        struct fetch_request *request = request_for(reader, b, "orders", 8);
        request->max_wait_ms = 5000;
        request->min_bytes = (int32_t)(4 * size);
        test_send(reader, API_FETCH, 12, request);
        test_settle(b);
        for (int32_t p = 0; p < 4; p++) {
            EXPECT(!test_has_response(reader));
            test_produce(writer, "orders", 2 * p, &batch);
        }
        struct fetch_response *r = test_receive(reader, API_FETCH, 12);
        for (int32_t p = 0; p < 8; p++)
            EXPECT_INT(test_count_records(r->responses[0].partitions[p].records.bytes, 0),
                       p % 2 == 0);
        test_broker_free(b);
    }
}

TEST(a_wait_that_gets_too_little_ends_in_time_with_the_records_so_far)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *reader = test_client_open(b, 0), *writer = test_client_open(b, 1);
        test_create_topic(writer, "orders", 4, NULL);
        struct fetch_request *request = request_for(reader, b, "orders", 4);
        request->max_wait_ms = 300;
        request->min_bytes = 1 << 20;
        test_send(reader, API_FETCH, 12, request);
        test_settle(b);
        test_produce(writer, "orders", 1, &(struct test_batch){.count = 3});
        test_produce(writer, "orders", 2, &(struct test_batch){.count = 4});
        EXPECT(!test_has_response(reader));
        test_advance(b, 300);
        struct fetch_response *r = test_receive(reader, API_FETCH, 12);
        EXPECT_INT(test_count_records(r->responses[0].partitions[1].records.bytes, 0), 3);
        EXPECT_INT(test_count_records(r->responses[0].partitions[2].records.bytes, 0), 4);
        test_broker_free(b);
    }
}

TEST(deleting_the_topic_ends_the_wait)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *reader = test_client_open(b, 1), *admin = test_client_open(b, 0);
        test_create_topic(admin, "orders", 4, NULL);
        test_create_topic(admin, "other", 4, NULL);
        struct uuid id = test_topic_id(b, "orders");
        struct fetch_request *by_name = request_for(reader, b, "orders", 4);
        by_name->max_wait_ms = 5000;
        struct fetch_request *by_id = request_for(reader, b, "orders", 4);
        by_id->max_wait_ms = 5000;
        by_id->topics[0].topic_id = id;
        struct test_client *second = test_client_open(b, 0);
        test_send(reader, API_FETCH, 12, by_name);
        test_send(second, API_FETCH, 13, by_id);
        test_settle(b);
        EXPECT(!test_has_response(reader));
        delete_topic(admin, "orders");
        struct fetch_response *r = test_receive(reader, API_FETCH, 12);
        bool told = false;
        for (int32_t p = 0; p < 4; p++)
            told |= r->responses[0].partitions[p].error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        EXPECT(told);
        r = test_receive(second, API_FETCH, 13);
        told = false;
        for (int32_t p = 0; p < 4; p++)
            told |= r->responses[0].partitions[p].error_code == KAFKA_UNKNOWN_TOPIC_ID;
        EXPECT(told);
        test_broker_free(b);
    }
}

TEST(the_first_batch_is_complete_and_limits_hold_for_the_rest)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 4, NULL);
        struct test_batch batch = {.count = 1, .value_size = 1000};
        int32_t size = (int32_t)test_make_batch(b, &batch).size;
        for (int32_t p = 0; p < 4; p++) {
            for (int i = 0; i < 5; i++)
                test_produce(c, "orders", p, &batch);
        }
        struct fetch_request *request = request_for(c, b, "orders", 4);
        request->max_bytes = 12;
        for (int32_t p = 0; p < 4; p++)
            request->topics[0].partitions[p].partition_max_bytes = 12;
        struct fetch_response *r = test_call(c, API_FETCH, 12, request);
        EXPECT_INT(r->responses[0].partitions[0].records.bytes.size, size);
        for (int32_t p = 1; p < 4; p++)
            EXPECT_INT(r->responses[0].partitions[p].records.bytes.size, 0);
        request->max_bytes = 1 << 20;
        for (int32_t p = 0; p < 4; p++)
            request->topics[0].partitions[p].partition_max_bytes = 2 * size + 10;
        r = test_call(c, API_FETCH, 12, request);
        for (int32_t p = 0; p < 4; p++)
            EXPECT_INT(r->responses[0].partitions[p].records.bytes.size, 2 * size);
        request->max_bytes = 5 * size;
        r = test_call(c, API_FETCH, 12, request);
        size_t total = 0;
        for (int32_t p = 0; p < 4; p++)
            total += r->responses[0].partitions[p].records.bytes.size;
        EXPECT(total <= (size_t)(5 * size));
        EXPECT(total >= (size_t)(3 * size));
        test_broker_free(b);
    }
}

TEST(read_committed_gets_an_empty_list_of_aborted_transactions)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    test_produce(c, "orders", 0, &(struct test_batch){.count = 1});
    struct fetch_request *request = test_fetch_request(c, "orders", 0, 0);
    request->isolation_level = 1;
    EXPECT_INT(only(test_call(c, API_FETCH, 11, request))->aborted_transactions_count, 0);
    test_broker_free(b);
}

TEST(either_isolation_level_reads_up_to_the_same_end)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, NULL);
        test_produce(c, "orders", 0, &(struct test_batch){.count = 3});
        for (int8_t level = 0; level <= 1; level++) {
            struct fetch_request *request = test_fetch_request(c, "orders", 0, 1);
            request->isolation_level = level;
            struct fetch_response_responses_partitions *p =
                only(test_call(c, API_FETCH, 11, request));
            EXPECT_INT(p->high_watermark, 3);
            EXPECT_INT(p->last_stable_offset, 3);
            EXPECT_INT(test_count_records(p->records.bytes, 1), 2);
        }
        test_broker_free(b);
    }
}

TEST(a_long_poll_that_reads_committed_ends_with_the_first_record)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *reader = test_client_open(b, 0), *writer = test_client_open(b, 1);
        test_create_topic(writer, "orders", 1, NULL);
        struct fetch_request *request = test_fetch_request(reader, "orders", 0, 0);
        request->isolation_level = 1;
        request->max_wait_ms = 5000;
        test_send(reader, API_FETCH, 12, request);
        test_advance(b, 100);
        EXPECT(!test_has_response(reader));
        test_produce(writer, "orders", 0, &(struct test_batch){.count = 2});
        EXPECT(test_has_response(reader));
        struct fetch_response_responses_partitions *p = only(test_receive(reader, API_FETCH, 12));
        EXPECT_INT(p->last_stable_offset, 2);
        EXPECT_INT(test_count_records(p->records.bytes, 0), 2);
        test_broker_free(b);
    }
}

TEST(zstd_is_not_given_to_clients_below_version_10)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    test_produce(c, "orders", 0, &(struct test_batch){.count = 1, .codec = CODEC_ZSTD});
    struct fetch_request *request = test_fetch_request(c, "orders", 0, 0);
    request->max_wait_ms = 1000;
    EXPECT_INT(only(test_call(c, API_FETCH, 9, request))->error_code,
               KAFKA_UNSUPPORTED_COMPRESSION_TYPE);
    EXPECT_INT(only(test_call(c, API_FETCH, 10, request))->error_code, KAFKA_NONE);
    test_broker_free(b);
}

TEST(a_read_from_files_does_not_wait_for_a_flush)
{
    struct test_broker *b = test_broker_start(1, "tidemill.tail.cache.bytes=0", NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    test_produce(c, "orders", 0, &(struct test_batch){.count = 10});
    test_advance(b, 5000);
    test_hold_background(b, true);
    test_produce(c, "orders", 0, &(struct test_batch){.count = 1});
    test_advance(b, 5000); /* a flush is due and does not happen */
    struct fetch_response_responses_partitions *p = test_fetch(c, "orders", 0, 0);
    EXPECT_INT(test_count_records(p->records.bytes, 0), 10);
    test_hold_background(b, false);
    test_broker_free(b);
}

TEST(records_that_left_memory_are_read_from_files)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, "tidemill.tail.cache.bytes=0",
                                                  "tidemill.unflushed.bytes=64KiB", NULL);
        struct test_client *c = test_client_open(b, 1);
        test_create_topic(c, "orders", 4, NULL);
        for (int i = 0; i < 40; i++)
            test_produce(c, "orders", i % 4, &(struct test_batch){.count = 10, .value_size = 2000});
        test_advance(b, 5000);
        test_advance(b, 5000);
        test_broker_restart(b);
        c = test_client_open(b, 0);
        struct fetch_request *request = request_for(c, b, "orders", 4);
        struct fetch_response *r = test_call(c, API_FETCH, 12, request);
        for (int32_t p = 0; p < 4; p++) {
            EXPECT_INT(r->responses[0].partitions[p].error_code, KAFKA_NONE);
            EXPECT_INT(test_count_records(r->responses[0].partitions[p].records.bytes, 0), 100);
        }
        struct fetch_response_responses_partitions *p = test_fetch(c, "orders", 2, 55);
        EXPECT_INT(test_count_records(p->records.bytes, 55), 45);
        test_broker_free(b);
    }
}

/* flush.messages lets the producer go on before they are durable. */
TEST(records_that_are_not_durable_are_not_visible)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, "flush.messages=1000", NULL);
    test_produce(c, "orders", 0, &(struct test_batch){.count = 5});
    test_settle(b);
    test_hold_journal(b, true);
    test_produce(c, "orders", 0, &(struct test_batch){.count = 5});
    for (int64_t offset = 0; offset <= 5; offset += 5) {
        struct fetch_response_responses_partitions *p = test_fetch(c, "orders", 0, offset);
        EXPECT_INT(p->error_code, KAFKA_NONE);
        EXPECT_INT(p->high_watermark, 5);
        EXPECT_INT(test_count_records(p->records.bytes, offset), 5 - offset);
    }
    test_hold_journal(b, false);
    test_settle(b);
    struct fetch_response_responses_partitions *p = test_fetch(c, "orders", 0, 0);
    EXPECT_INT(p->high_watermark, 10);
    EXPECT_INT(test_count_records(p->records.bytes, 0), 10);
    test_broker_free(b);
}

static int lines_with(struct test_broker *b, const char *text)
{
    int count = 0;
    for (const char *at = test_log(b); (at = strstr(at, text)); at++)
        count++;
    return count;
}

TEST(damage_is_logged_once_with_its_file_and_byte)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    test_produce(c, "orders", 0, &(struct test_batch){.count = 10, .value_size = 100});
    test_broker_restart(b);
    c = test_client_open(b, 0);
    glob_t found;
    char pattern[512];
    snprintf(pattern, sizeof pattern, "%s/topics/*/0/*.log",
             test_shard(b, 0)->broker->settings->log_dirs);
    EXPECT_INT(glob(pattern, 0, NULL, &found), 0);
    struct io_file *file;
    EXPECT_INT(io_posix()->ops->open(io_posix(), found.gl_pathv[0], IO_WRITE, &file), ERR_OK);
    EXPECT_INT(io_write(io_posix(), file, "\xfe", 1, 200), ERR_OK);
    io_posix()->ops->close(io_posix(), file);
    for (int i = 0; i < 3; i++)
        EXPECT_INT(test_fetch(c, "orders", 0, i)->error_code, KAFKA_CORRUPT_MESSAGE);
    EXPECT_INT(lines_with(b, "a read met damaged bytes"), 1);
    char line[600];
    snprintf(line, sizeof line, "topic=orders partition=0 file=%s byte=0 offset=0",
             found.gl_pathv[0]);
    EXPECT_INT(lines_with(b, line), 1);
    globfree(&found);
    test_broker_free(b);
}

/* Clients take an empty answer as a reason to ask again. It does not come at once, so they do not
 * ask all the time. */
TEST(a_fetch_without_a_descriptor_waits_and_is_empty)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 2, NULL);
    for (int32_t p = 0; p < 2; p++)
        test_produce(c, "orders", p, &(struct test_batch){.count = 10});
    test_broker_restart(b);
    c = test_client_open(b, 0);
    segment_file_set_limit(0);
    struct fetch_request *request = request_for(c, b, "orders", 2);
    request->max_wait_ms = 500;
    request->min_bytes = 1;
    test_send(c, API_FETCH, 11, request);
    test_settle(b);
    test_advance(b, 499);
    EXPECT(!test_has_response(c));
    test_advance(b, 1);
    struct fetch_response *r = test_receive(c, API_FETCH, 11);
    for (int32_t p = 0; p < 2; p++) {
        EXPECT_INT(r->responses[0].partitions[p].error_code, KAFKA_NONE);
        EXPECT_INT(r->responses[0].partitions[p].high_watermark, 10);
        EXPECT_INT(r->responses[0].partitions[p].records.bytes.size, 0);
    }
    EXPECT(strstr(test_log(b), "a fetch waits for a file descriptor") != NULL);
    segment_file_set_limit(1); /* for one partition: its records are sent at once */
    request->min_bytes = 1 << 20;
    test_send(c, API_FETCH, 11, request);
    test_settle(b);
    r = test_receive(c, API_FETCH, 11);
    EXPECT_INT(test_count_records(r->responses[0].partitions[0].records.bytes, 0), 10);
    EXPECT_INT(r->responses[0].partitions[1].records.bytes.size, 0);
    segment_file_set_limit(INT32_MAX);
    r = test_call(c, API_FETCH, 11, request_for(c, b, "orders", 2));
    EXPECT_INT(test_count_records(r->responses[0].partitions[1].records.bytes, 0), 10);
    test_broker_free(b);
}

static int32_t partitions_with_records(const struct fetch_response *r, bool *has, int32_t count)
{
    int32_t found = 0;
    for (int32_t i = 0; i < count; i++) {
        const struct fetch_response_responses_partitions *p = &r->responses[0].partitions[i];
        EXPECT_INT(p->error_code, KAFKA_NONE);
        if (p->records.bytes.size == 0)
            continue;
        EXPECT_INT(test_count_records(p->records.bytes, 0), 10);
        has[p->partition_index] = true;
        found++;
    }
    return found;
}

/* The first fetch of a consumer that reads slowly would hold the files for as long as it likes. */
TEST(one_fetch_holds_at_most_a_quarter_of_the_descriptors_of_segments)
{
    enum { PARTITIONS = 20 };
    for (int shards = 1; shards <= 2; shards++) {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", PARTITIONS, NULL);
        for (int32_t p = 0; p < PARTITIONS; p++)
            test_produce(c, "orders", p, &(struct test_batch){.count = 10});
        test_broker_restart(b);
        segment_file_set_limit(16);
        struct test_client *clients[] = {test_client_open(b, 0), test_client_open(b, 0),
                                         test_client_open(b, 0), test_client_open(b, 0)};
        for (size_t i = 0; i < COUNT_OF(clients); i++)
            test_send(clients[i], API_FETCH, 11, request_for(clients[i], b, "orders", PARTITIONS));
        test_settle(b);
        bool has[PARTITIONS] = {false};
        for (size_t i = 0; i < COUNT_OF(clients); i++)
            EXPECT_INT(
                partitions_with_records(test_receive(clients[i], API_FETCH, 11), has, PARTITIONS),
                4);
        EXPECT(strstr(test_log(b), "a fetch waits for a file descriptor") == NULL);
        segment_file_set_limit(INT32_MAX);
        test_broker_free(b);
    }
}

/* The session moves partitions with records to the end. */
TEST(the_partitions_that_a_fetch_left_out_come_in_the_next_ones)
{
    enum { PARTITIONS = 20 };
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", PARTITIONS, NULL);
    for (int32_t p = 0; p < PARTITIONS; p++)
        test_produce(c, "orders", p, &(struct test_batch){.count = 10});
    test_broker_restart(b);
    c = test_client_open(b, 0);
    segment_file_set_limit(16);
    struct fetch_request *request = request_for(c, b, "orders", PARTITIONS);
    request->session_epoch = 0;
    bool has[PARTITIONS] = {false};
    int32_t found = 0;
    for (int i = 0; i < PARTITIONS / 4; i++) {
        struct fetch_response *r = test_call(c, API_FETCH, 11, request);
        found += partitions_with_records(r, has, r->responses[0].partitions_count);
        request->session_id = r->session_id;
        request->session_epoch++;
        request->topics_count = 0;
    }
    EXPECT_INT(found, PARTITIONS);
    for (int32_t p = 0; p < PARTITIONS; p++)
        EXPECT(has[p]);
    segment_file_set_limit(INT32_MAX);
    test_broker_free(b);
}

/* Records in a segment's file and later ones in memory come in two answers, like two segments. The
 * first answer does not wait for bytes that only the second can bring. */
TEST(a_read_ends_at_the_end_of_its_file_without_waiting_for_more)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 0);
        test_create_topic(c, "orders", 1, "segment.bytes=1MiB", NULL);
        for (int i = 0; i < 3; i++) /* two batches fill a segment */
            test_produce(c, "orders", 0, &(struct test_batch){.count = 1, .value_size = 500000});
        test_broker_restart(b);
        c = test_client_open(b, 0);
        for (int i = 0; i < 2; i++)
            test_produce(c, "orders", 0, &(struct test_batch){.count = 1, .value_size = 1000});
        static const struct {
            int64_t from;
            int records;
        } answers[] = {{0, 2}, {2, 1}, {3, 2}};
        for (size_t i = 0; i < COUNT_OF(answers); i++) {
            struct fetch_request *request = test_fetch_request(c, "orders", 0, answers[i].from);
            request->max_wait_ms = 60000;
            request->min_bytes = i + 1 < COUNT_OF(answers) ? 4 << 20 : 1;
            request->max_bytes = request->topics[0].partitions[0].partition_max_bytes = 8 << 20;
            struct fetch_response_responses_partitions *p =
                only(test_call(c, API_FETCH, 11, request));
            EXPECT_INT(p->error_code, KAFKA_NONE);
            EXPECT_INT(p->high_watermark, 5);
            EXPECT_INT(test_count_records(p->records.bytes, answers[i].from), answers[i].records);
        }
        test_broker_free(b);
    }
}

TEST(a_read_that_reached_its_limit_does_not_wait_for_more)
{
    struct test_broker *b = test_broker_start(2, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "orders", 1, NULL);
    for (int i = 0; i < 3; i++)
        test_produce(c, "orders", 0, &(struct test_batch){.count = 1, .value_size = 40000});
    struct fetch_request *request = test_fetch_request(c, "orders", 0, 0);
    request->max_wait_ms = 60000;
    request->min_bytes = request->topics[0].partitions[0].partition_max_bytes = 100000;
    EXPECT_INT(test_count_records(only(test_call(c, API_FETCH, 11, request))->records.bytes, 0), 2);
    test_broker_free(b);
}

TEST(nothing_remains_of_a_client_that_disconnects_while_it_waits)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *reader = test_client_open(b, 1), *writer = test_client_open(b, 0);
        test_create_topic(writer, "orders", 4, NULL);
        struct fetch_request *request = request_for(reader, b, "orders", 4);
        request->max_wait_ms = 60000;
        test_send(reader, API_FETCH, 12, request);
        test_settle(b);
        test_client_close(reader);
        test_produce(writer, "orders", 3, &(struct test_batch){.count = 1});
        EXPECT_INT(test_fetch(writer, "orders", 3, 0)->high_watermark, 1);
        test_broker_free(b);
    }
}

TEST(a_broker_that_stops_ends_the_waits)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct test_broker *b = test_broker_start(shards, NULL);
        struct test_client *c = test_client_open(b, 1);
        test_create_topic(c, "orders", 4, NULL);
        struct fetch_request *request = request_for(c, b, "orders", 4);
        request->max_wait_ms = 60000;
        test_send(c, API_FETCH, 12, request);
        test_settle(b);
        test_broker_free(b);
    }
}
