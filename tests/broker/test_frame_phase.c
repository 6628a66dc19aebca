#include "tests/broker/support_broker.h"

#include "broker/connection/frame_phase.h"
#include "broker/partition.h"
#include "storage/log_internal.h"

enum { LARGE = 200 << 10 };

/* The number of batches of the tail that have the same phase in memory and in the file. */
static size_t count_in_phase(struct test_broker *b, const char *topic, size_t *count)
{
    struct partition *p = partition_find(test_shard(b, 0), test_topic_id(b, topic), 0);
    size_t found = 0;
    *count = p->log->tail.count;
    for (size_t i = 0; i < *count; i++) {
        const struct tail_batch *batch = tail_at(&p->log->tail, i);
        found += (uintptr_t)batch->at % BUFFER_PHASES == (size_t)batch->position % BUFFER_PHASES;
    }
    return found;
}

TEST(large_batches_have_the_same_phase_in_memory_as_in_the_file)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "large", 1, NULL);
    size_t count;
    for (int16_t version = 3; version <= 11; version++) {
        struct test_batch batch = {.count = 3, .value_size = LARGE + (size_t)version * 1000};
        test_produce_bytes(c, version, "large", 0, test_make_batch(b, &batch));
        test_produce_bytes(c, version, "large", 0, test_make_batch(b, &batch));
    }
    /* All but the first: the broker does not expect a large frame before it. */
    EXPECT(count_in_phase(b, "large", &count) >= count - 1);
    EXPECT_INT(count, 2 * 9);
    test_broker_free(b);
}

/* A Produce v7 request for one partition, without its records. */
static struct bytes make_head(struct buffer *out, const char *topic, int32_t partition)
{
    struct writer w;
    buffer_init(out, 1 << 20);
    writer_init(&w, out);
    struct request_header header = {API_PRODUCE, 7, 1, bytes_string("test")};
    write_request_header(&w, &header);
    write_string16(&w, BYTES_NULL); /* transactional id */
    write_i16(&w, -1);
    write_i32(&w, 1000);
    write_i32(&w, 1);
    write_string16(&w, bytes_string(topic));
    write_i32(&w, 1);
    write_i32(&w, partition);
    write_i32(&w, LARGE);
    return buffer_view(out);
}

TEST(a_head_without_the_position_of_its_records_may_be_anywhere)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "known", 1, NULL);
    struct shard *shard = test_shard(b, 0);
    struct buffer buffer;
    struct bytes head = make_head(&buffer, "known", 0);
    EXPECT_INT(frame_phase(shard, head), (0 - head.size) % BUFFER_PHASES);
    for (size_t size = 0; size < head.size; size++)
        EXPECT_INT(frame_phase(shard, bytes_of(head.data, size)), BUFFER_ANYWHERE);
    buffer_free(&buffer);
    EXPECT_INT(frame_phase(shard, make_head(&buffer, "unknown", 0)), BUFFER_ANYWHERE);
    buffer_free(&buffer);
    EXPECT_INT(frame_phase(shard, make_head(&buffer, "known", 1)), BUFFER_ANYWHERE);
    buffer_free(&buffer);
    EXPECT_INT(frame_phase(shard, make_head(&buffer, "known", -1)), BUFFER_ANYWHERE);
    buffer_free(&buffer);
    test_broker_free(b);
}

/* Encodes a Produce request by the schema tables. */
static struct bytes encode_produce(struct buffer *out, int16_t version,
                                   const struct produce_request *request)
{
    struct writer w;
    struct request_header header = {API_PRODUCE, version, 7, bytes_string("a client")};
    buffer_init(out, 1 << 20);
    writer_init(&w, out);
    write_request_header(&w, &header);
    EXPECT_INT(schema_encode(&produce_request_schema, version, request, &w), ERR_OK);
    writer_free(&w);
    return buffer_view(out);
}

/* frame_phase() reads the head by hand, because it has no whole frame to decode. So its result is
 * compared with the tables, in every version that they describe. */
TEST(the_records_are_found_where_the_schema_tables_put_them)
{
    static const char marker[] = "where the records begin";
    static const char *const ids[] = {NULL, "", "a transactional id"};
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "known", 3, NULL);
    const struct api_messages *api = api_messages(API_PRODUCE);
    for (int16_t version = api->min_version; version <= api->max_version; version++) {
        for (int i = 0; i < 3 * 3; i++) {
            char padded[sizeof marker << 8] = {0};
            memcpy(padded, marker, sizeof marker);
            struct produce_request_topic_data_partition_data partitions[] = {
                {.index = i % 3, .records.bytes = bytes_of(padded, sizeof marker << i)},
                {.index = (i + 1) % 3, .records.bytes = BYTES_LITERAL("more")}};
            struct produce_request_topic_data topic = {.name = bytes_string("known"),
                                                       .topic_id = test_topic_id(b, "known"),
                                                       .partition_data = partitions,
                                                       .partition_data_count = 2};
            struct produce_request request = {
                .transactional_id = ids[i / 3] ? bytes_string(ids[i / 3]) : BYTES_NULL,
                .acks = (int16_t)(i % 2 ? -1 : 1),
                .timeout_ms = 1 << i,
                .topic_data = &topic,
                .topic_data_count = 1};
            struct buffer buffer;
            struct bytes frame = encode_produce(&buffer, version, &request);
            const uint8_t *records = memmem(frame.data, frame.size, marker, sizeof marker);
            EXPECT(records != NULL);
            size_t head = (size_t)(records - frame.data);
            EXPECT_INT(frame_phase(test_shard(b, 0), bytes_of(frame.data, head)),
                       (0 - head) % BUFFER_PHASES);
            buffer_free(&buffer);
        }
    }
    test_broker_free(b);
}
