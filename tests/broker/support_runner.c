#include "tests/broker/support_runner.h"

#include "broker/config/configs.h"
#include "protocol/record_batch.h"

#include <stdarg.h>
#include <stdlib.h>

enum { CONFIGS_MAX = 32, TEXT_MAX = 64 << 20, LINES_MAX = 100000 };

static const char *alter(struct test_client *c, const char *topic, va_list list)
{
    struct incremental_alter_configs_request_resources_configs configs[CONFIGS_MAX];
    struct incremental_alter_configs_request_resources r = {
        .resource_type = RESOURCE_TOPIC, .resource_name = bytes_string(topic), .configs = configs};
    for (const char *text; (text = va_arg(list, const char *));) {
        const char *equals = strchr(text, '=');
        EXPECT(r.configs_count < CONFIGS_MAX);
        configs[r.configs_count++] = (struct incremental_alter_configs_request_resources_configs){
            .name = equals ? bytes_of(text, (size_t)(equals - text)) : bytes_string(text),
            .config_operation = equals ? 0 : 1,
            .value = equals ? bytes_string(equals + 1) : BYTES_NULL};
    }
    struct incremental_alter_configs_request request;
    schema_defaults(&incremental_alter_configs_request_schema, &request);
    request.resources = &r;
    request.resources_count = 1;
    struct incremental_alter_configs_response *response =
        test_call(c, API_INCREMENTAL_ALTER_CONFIGS, 1, &request);
    EXPECT_INT(response->responses_count, 1);
    if (response->responses[0].error_code == KAFKA_NONE)
        return "";
    return arena_printf(test_arena(test_broker_of(c)), "%.*s",
                        BYTES_PRINTF(response->responses[0].error_message));
}

const char *pipeline_try(struct test_client *c, const char *topic, ...)
{
    va_list list;
    va_start(list, topic);
    const char *message = alter(c, topic, list);
    va_end(list);
    return message;
}

void pipeline_set(struct test_client *c, const char *topic, ...)
{
    va_list list;
    va_start(list, topic);
    const char *message = alter(c, topic, list);
    va_end(list);
    EXPECT_STRING(message, "");
}

int16_t pipeline_delete_topic(struct test_client *c, const char *topic)
{
    struct delete_topics_request request;
    struct delete_topics_request_topics topics = {.name = bytes_string(topic)};
    schema_defaults(&delete_topics_request_schema, &request);
    request.topics = &topics;
    request.topics_count = 1;
    struct delete_topics_response *response = test_call(c, API_DELETE_TOPICS, 6, &request);
    EXPECT_INT(response->responses_count, 1);
    return response->responses[0].error_code;
}

/* --- in --- */

void pipeline_batch_init(struct pipeline_batch *batch, int codec)
{
    buffer_init(&batch->bytes, TEXT_MAX);
    batch_builder_init(&batch->builder, &batch->bytes, (enum codec)codec);
}

void pipeline_batch_add(struct pipeline_batch *batch, int64_t timestamp, const char *key,
                        const char *value)
{
    batch_builder_add(&batch->builder, timestamp, bytes_string(key), bytes_string(value),
                      BYTES_NULL, 0);
}

void pipeline_batch_send(struct pipeline_batch *batch, struct test_client *c, const char *topic,
                         int32_t partition)
{
    struct bytes records = batch_builder_finish(&batch->builder);
    EXPECT_INT(test_produce_bytes(c, 9, topic, partition, records)->error_code, KAFKA_NONE);
    buffer_free(&batch->bytes);
}

void pipeline_put(struct test_client *c, const char *topic, int32_t partition, int64_t timestamp,
                  const char *key, const char *value)
{
    struct pipeline_batch batch;
    pipeline_batch_init(&batch, CODEC_NONE);
    pipeline_batch_add(&batch, timestamp, key, value);
    pipeline_batch_send(&batch, c, topic, partition);
}

/* --- out --- */

int32_t topic_partitions(struct test_broker *b, const char *topic)
{
    struct topic *found = catalog_by_name(test_shard(b, 0)->catalog, bytes_string(topic));
    return found ? found->partitions : -1;
}

struct reading {
    struct test_client *client;
    struct buffer *out;
    bool with_all; /* offsets, times, headers */
    int count;
};

static void append_text(struct buffer *out, struct bytes b)
{
    if (bytes_is_null(b))
        buffer_append_string(out, "null");
    else
        buffer_append_bytes(out, b);
}

static void append_record(struct reading *reading, const struct record *record)
{
    struct buffer *out = reading->out;
    if (reading->with_all)
        buffer_printf(out, "%lld %lld ", (long long)record->offset, (long long)record->timestamp);
    append_text(out, record->key);
    buffer_append_string(out, "=");
    append_text(out, record->value);
    struct record_header header;
    size_t at = 0;
    while (reading->with_all && record_header_next(record, &at, &header)) {
        buffer_append_string(out, " ");
        append_text(out, header.key);
        buffer_append_string(out, ":");
        append_text(out, header.value);
    }
    buffer_append_string(out, "\n");
}

/* Returns the offset after the last record. */
static int64_t read_batches(struct reading *reading, struct bytes batches, int64_t offset)
{
    struct arena arena;
    arena_init(&arena, TEXT_MAX);
    for (size_t size; (size = batch_size(batches)) > 0 && size <= batches.size;) {
        struct record_iterator i;
        struct record record;
        EXPECT(batch_crc_is_right(bytes_of(batches.data, size)));
        EXPECT_INT(records_open(bytes_of(batches.data, size), &arena, TEXT_MAX, &i), ERR_OK);
        while (records_next(&i, &record)) {
            if (record.offset < offset)
                continue;
            append_record(reading, &record);
            reading->count++;
            offset = record.offset + 1;
        }
        EXPECT(!i.failed);
        batches = bytes_from(batches, size);
    }
    arena_free(&arena);
    return offset;
}

static void read_partition(struct reading *reading, const char *topic, int32_t partition)
{
    int64_t offset = 0;
    for (;;) {
        struct fetch_response_responses_partitions *p =
            test_fetch(reading->client, topic, partition, offset);
        if (p->error_code == KAFKA_OFFSET_OUT_OF_RANGE) {
            offset = p->log_start_offset >= 0 ? p->log_start_offset : offset + 1;
            continue;
        }
        EXPECT_INT(p->error_code, KAFKA_NONE);
        if (offset == p->high_watermark)
            return;
        int64_t next = read_batches(reading, p->records.bytes, offset);
        EXPECT(next > offset);
        offset = next;
    }
}

static const char *read_as(struct test_client *c, const char *topic, int32_t partition,
                           bool with_all)
{
    struct buffer out;
    buffer_init(&out, TEXT_MAX);
    struct reading reading = {c, &out, with_all, 0};
    read_partition(&reading, topic, partition);
    const char *text = arena_printf(test_arena(test_broker_of(c)), "%s", buffer_c_string(&out));
    buffer_free(&out);
    return text;
}

const char *partition_text(struct test_client *c, const char *topic, int32_t partition)
{
    return read_as(c, topic, partition, false);
}

const char *partition_dump(struct test_client *c, const char *topic, int32_t partition)
{
    return read_as(c, topic, partition, true);
}

static void read_topic(struct reading *reading, const char *topic)
{
    int32_t partitions = topic_partitions(test_broker_of(reading->client), topic);
    for (int32_t i = 0; i < partitions; i++)
        read_partition(reading, topic, i);
}

int topic_count(struct test_client *c, const char *topic)
{
    struct buffer out;
    buffer_init(&out, TEXT_MAX);
    struct reading reading = {c, &out, false, 0};
    read_topic(&reading, topic);
    buffer_free(&out);
    return reading.count;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *topic_sorted(struct test_client *c, const char *topic)
{
    struct buffer out, sorted;
    buffer_init(&out, TEXT_MAX);
    buffer_init(&sorted, TEXT_MAX);
    struct reading reading = {c, &out, false, 0};
    read_topic(&reading, topic);
    char *text = bytes_to_string(buffer_view(&out));
    char **lines = xcalloc((size_t)reading.count + 1, sizeof *lines);
    int count = 0;
    for (char *at = text; *at; at++) {
        char *end = strchr(at, '\n');
        *end = '\0';
        lines[count++] = at;
        at = end;
    }
    qsort(lines, (size_t)count, sizeof *lines, compare_lines);
    for (int i = 0; i < count; i++)
        buffer_printf(&sorted, "%s\n", lines[i]);
    const char *result =
        arena_printf(test_arena(test_broker_of(c)), "%s", buffer_c_string(&sorted));
    free(lines);
    free(text);
    buffer_free(&out);
    buffer_free(&sorted);
    return result;
}
