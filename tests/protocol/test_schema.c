#include "protocol/messages.h"
#include "protocol/schema_table.h"
#include "tests/harness/harness.h"

#include <stdlib.h>

enum { MAX_MEMORY = 1 << 20, MAX_OUT = 1 << 20 };

/* A decode and its memory. */
struct decoding {
    struct arena arena;
    enum error error;
    size_t left;
    union {
        struct metadata_request metadata;
        struct produce_request produce;
        struct fetch_request fetch;
        struct fetch_response fetch_response;
        struct api_versions_response api_versions;
        struct offset_commit_request offset_commit;
        struct join_group_request join_group;
    } message;
};

static void decode_limited(struct decoding *d, const struct schema *schema, int version,
                           struct bytes wire, size_t memory)
{
    EXPECT(schema_size(schema) <= sizeof d->message);
    arena_init(&d->arena, memory);
    struct reader r = reader_of(wire);
    d->error = schema_decode(schema, version, &r, &d->arena, &d->message);
    d->left = reader_left(&r);
}

static void decode(struct decoding *d, const struct schema *schema, int version, struct bytes wire)
{
    decode_limited(d, schema, version, wire, MAX_MEMORY);
}

static enum error decode_error(const struct schema *schema, int version, struct bytes wire)
{
    struct decoding d;
    decode(&d, schema, version, wire);
    arena_free(&d.arena);
    return d.error;
}

static enum error encode(const struct schema *schema, int version, const void *in,
                         struct buffer *out)
{
    struct writer w;
    buffer_init(out, MAX_OUT);
    writer_init(&w, out);
    enum error e = schema_encode(schema, version, in, &w);
    writer_free(&w);
    return e;
}

static void expect_encoded(const struct schema *schema, int version, const void *in,
                           struct bytes expected)
{
    struct buffer out;
    EXPECT_INT(encode(schema, version, in, &out), ERR_OK);
    EXPECT_BYTES(buffer_view(&out), expected);
    buffer_free(&out);
}

static enum error encode_error(const struct schema *schema, int version, const void *in)
{
    struct buffer out;
    enum error e = encode(schema, version, in, &out);
    buffer_free(&out);
    return e;
}

TEST(a_heartbeat_is_written_and_read)
{
    struct heartbeat_request h = {
        .group_id = BYTES_LITERAL("g"), .generation_id = 3, .member_id = BYTES_LITERAL("m")};
    expect_encoded(&heartbeat_request_schema, 0, &h, BYTES_LITERAL("\0\1g\0\0\0\3\0\1m"));
    expect_encoded(&heartbeat_request_schema, 3, &h, BYTES_LITERAL("\0\1g\0\0\0\3\0\1m\xff\xff"));
    expect_encoded(&heartbeat_request_schema, 4, &h, BYTES_LITERAL("\2g\0\0\0\3\2m\0\0"));
}

TEST(bytes_after_the_body_are_ignored)
{
    struct decoding d;
    decode(&d, &heartbeat_response_schema, 0, BYTES_LITERAL("\0\7rest"));
    EXPECT_INT(d.error, ERR_OK);
    EXPECT_INT(d.left, 4);
    arena_free(&d.arena);
}

TEST(fields_that_a_version_lacks_get_their_defaults)
{
    struct decoding d;
    memset(&d.message, 0x5a, sizeof d.message);
    decode(&d, &metadata_request_schema, 1, BYTES_LITERAL("\xff\xff\xff\xff"));
    EXPECT_INT(d.error, ERR_OK);
    EXPECT_INT(d.message.metadata.topics_count, -1);
    EXPECT(d.message.metadata.topics == NULL);
    EXPECT(d.message.metadata.allow_auto_topic_creation);
    EXPECT(!d.message.metadata.include_topic_authorized_operations);
    arena_free(&d.arena);
}

TEST(defaults_are_those_of_the_description)
{
    struct fetch_response_responses_partitions p;
    memset(&p, 0x5a, sizeof p);
    schema_defaults(&fetch_response_responses_partitions_schema, &p);
    EXPECT_INT(p.error_code, 0);
    EXPECT_INT(p.log_start_offset, -1);
    EXPECT_INT(p.current_leader.leader_epoch, -1);
    EXPECT_INT(p.aborted_transactions_count, 0);
    EXPECT(bytes_is_null(p.records.bytes) && p.records.slice == NULL);

    struct join_group_response j;
    schema_defaults(&join_group_response_schema, &j);
    EXPECT(bytes_is_null(j.protocol_type));
    EXPECT(!bytes_is_null(j.protocol_name) && j.protocol_name.size == 0);
}

TEST(an_array_of_defaults_is_made_in_the_arena)
{
    struct arena arena;
    arena_init(&arena, MAX_MEMORY);
    struct metadata_response_topics *topics =
        schema_array(&metadata_response_topics_schema, 3, &arena);
    EXPECT_INT(topics[2].topic_authorized_operations, INT32_MIN);
    EXPECT(schema_array(&metadata_response_topics_schema, SIZE_MAX / 8, &arena) == NULL);
    arena_free(&arena);
}

TEST(null_is_refused_where_the_version_forbids_it)
{
    /* Topics may be null from version 1 on. A group id may never be null. */
    EXPECT_INT(decode_error(&metadata_request_schema, 0, BYTES_LITERAL("\xff\xff\xff\xff")),
               ERR_INVALID);
    EXPECT_INT(decode_error(&metadata_request_schema, 1, BYTES_LITERAL("\xff\xff\xff\xff")),
               ERR_OK);
    EXPECT_INT(decode_error(&metadata_request_schema, 1, BYTES_LITERAL("\xff\xff\xff\xfe")),
               ERR_INVALID);
    EXPECT_INT(decode_error(&heartbeat_request_schema, 0, BYTES_LITERAL("\xff\xff\0\0\0\3\0\1m")),
               ERR_INVALID);
    EXPECT_INT(decode_error(&heartbeat_request_schema, 4, BYTES_LITERAL("\0\0\0\0\3\2m\0\0")),
               ERR_INVALID);

    struct metadata_request m;
    schema_defaults(&metadata_request_schema, &m);
    m.topics_count = -1;
    EXPECT_INT(encode_error(&metadata_request_schema, 0, &m), ERR_INVALID);
    EXPECT_INT(encode_error(&metadata_request_schema, 1, &m), ERR_OK);
    struct heartbeat_request h = {.group_id = BYTES_LITERAL("g")};
    EXPECT_INT(encode_error(&heartbeat_request_schema, 0, &h), ERR_INVALID);
}

TEST(strings_over_kafkas_limit_are_refused)
{
    static uint8_t wire[70000];
    struct buffer out;
    buffer_init(&out, sizeof wire);
    struct writer w;
    writer_init(&w, &out);
    write_compact(&w, bytes_of(wire, INT16_MAX + 1));
    buffer_append(&out, wire, 16);
    EXPECT_INT(decode_error(&heartbeat_request_schema, 4, buffer_view(&out)), ERR_INVALID);
    buffer_free(&out);

    struct heartbeat_request h = {.group_id = bytes_of(wire, INT16_MAX + 1),
                                  .member_id = BYTES_LITERAL("m")};
    EXPECT_INT(encode_error(&heartbeat_request_schema, 0, &h), ERR_INVALID);
    EXPECT_INT(encode_error(&heartbeat_request_schema, 4, &h), ERR_INVALID);
}

TEST(every_truncation_of_a_message_is_invalid)
{
    /* Fetch version 12 with one partition, which is asked from offset 5. */
    struct bytes wire = BYTES_LITERAL("\xff\xff\xff\xff\0\0\0\x64\0\0\0\1\0\0\1\0\0"
                                      "\0\0\0\0\0\0\0\0\2\2t\2\0\0\0\0"
                                      "\xff\xff\xff\xff\0\0\0\0\0\0\0\5\xff\xff\xff\xff"
                                      "\xff\xff\xff\xff\xff\xff\xff\xff\0\0\4\0\0\0\1\1\0");
    struct decoding d;
    decode(&d, &fetch_request_schema, 12, wire);
    EXPECT_INT(d.error, ERR_OK);
    EXPECT_INT(d.left, 0);
    EXPECT_INT(d.message.fetch.topics[0].partitions[0].fetch_offset, 5);
    arena_free(&d.arena);
    for (size_t cut = 0; cut < wire.size; cut++)
        EXPECT_INT(decode_error(&fetch_request_schema, 12, bytes_of(wire.data, cut)), ERR_INVALID);
}

TEST(a_count_that_the_bytes_cannot_hold_allocates_nothing)
{
    struct decoding d;
    decode(&d, &produce_request_schema, 3, BYTES_LITERAL("\xff\xff\0\1\0\0\0\1\x7f\xff\xff\xff\0"));
    EXPECT_INT(d.error, ERR_INVALID);
    EXPECT_INT(d.arena.used, 0);
    arena_free(&d.arena);
    decode(&d, &produce_request_schema, 9,
           BYTES_LITERAL("\0\0\1\0\0\0\1\xff\xff\xff\xff\x0f\0\0\0\0"));
    EXPECT_INT(d.error, ERR_INVALID);
    EXPECT_INT(d.arena.used, 0);
    arena_free(&d.arena);
}

TEST(a_full_arena_ends_a_decode)
{
    static uint8_t wire[4 + 2 * 1000] = {0, 0, 1000 >> 8, 1000 & 0xff};
    struct decoding d;
    decode_limited(&d, &metadata_request_schema, 0, bytes_of(wire, sizeof wire), 1000);
    EXPECT_INT(d.error, ERR_NO_MEMORY);
    arena_free(&d.arena);
    decode(&d, &metadata_request_schema, 0, bytes_of(wire, sizeof wire));
    EXPECT_INT(d.error, ERR_OK);
    EXPECT_INT(d.message.metadata.topics_count, 1000);
    arena_free(&d.arena);
}

TEST(no_element_is_shorter_on_the_wire_than_its_table_says)
{
    for (size_t i = 0; i < api_messages_count(); i++) {
        const struct schema *roots[] = {api_messages_at(i)->request, api_messages_at(i)->response};
        for (size_t k = 0; k < COUNT_OF(roots); k++)
            for (unsigned f = 0; f < roots[k]->plain_count; f++)
                if (roots[k]->fields[f].element)
                    EXPECT(roots[k]->fields[f].element->min_wire_size >= 1);
    }
    EXPECT_INT(produce_request_topic_data_partition_data_schema.min_wire_size, 6);
    EXPECT_INT(metadata_request_topics_schema.min_wire_size, 2);
}

static const char empty_versions_v3[] = "\0\0\1\0\0\0\0";

static enum error decode_versions_tags(struct decoding *d, const char *tags, size_t size)
{
    char wire[256];
    memcpy(wire, empty_versions_v3, 7);
    memcpy(wire + 7, tags, size);
    decode(d, &api_versions_response_schema, 3, bytes_of(wire, 7 + size));
    arena_free(&d->arena);
    return d->error;
}
#define VERSIONS_TAGS(d, tags) decode_versions_tags(d, tags, sizeof(tags) - 1)

TEST(known_tags_are_read_and_unknown_ones_skipped)
{
    struct decoding d;
    EXPECT_INT(VERSIONS_TAGS(&d, "\3\1\10\0\0\0\0\0\0\0\x2a\3\1\1\x63\2zz"), ERR_OK);
    EXPECT_INT(d.message.api_versions.finalized_features_epoch, 42);
    EXPECT(d.message.api_versions.zk_migration_ready);
    EXPECT_INT(d.message.api_versions.supported_features_count, 0);
    EXPECT_INT(d.left, 0);
}

TEST(tags_that_do_not_ascend_or_have_a_wrong_size_are_refused)
{
    struct decoding d;
    EXPECT_INT(VERSIONS_TAGS(&d, "\0"), ERR_OK);
    EXPECT_INT(d.message.api_versions.finalized_features_epoch, -1);
    EXPECT_INT(VERSIONS_TAGS(&d, "\2\3\1\1\1\10\0\0\0\0\0\0\0\0"), ERR_INVALID);
    EXPECT_INT(VERSIONS_TAGS(&d, "\2\3\1\1\3\1\1"), ERR_INVALID);
    EXPECT_INT(VERSIONS_TAGS(&d, "\2\x63\0\x63\0"), ERR_INVALID);
    EXPECT_INT(VERSIONS_TAGS(&d, "\1\3\2\1\1"), ERR_INVALID);
    EXPECT_INT(VERSIONS_TAGS(&d, "\1\1\4\0\0\0\0"), ERR_INVALID);
    EXPECT_INT(VERSIONS_TAGS(&d, "\1\3\x05\1"), ERR_INVALID);
    EXPECT_INT(VERSIONS_TAGS(&d, "\xff\xff\xff\xff\x0f"), ERR_INVALID);
}

TEST(tagged_fields_are_sent_only_when_they_differ_from_their_defaults)
{
    struct api_versions_response a;
    schema_defaults(&api_versions_response_schema, &a);
    expect_encoded(&api_versions_response_schema, 3, &a, BYTES_LITERAL("\0\0\1\0\0\0\0\0"));
    a.finalized_features_epoch = 7;
    a.zk_migration_ready = true;
    expect_encoded(&api_versions_response_schema, 3, &a,
                   BYTES_LITERAL("\0\0\1\0\0\0\0\2\1\10\0\0\0\0\0\0\0\7\3\1\1"));
    expect_encoded(&api_versions_response_schema, 2, &a, BYTES_LITERAL("\0\0\0\0\0\0\0\0\0\0"));
}

TEST(a_tagged_field_of_any_size_is_read_as_written)
{
    static uint8_t name[INT16_MAX];
    memset(name, 'n', sizeof name);
    static const size_t sizes[] = {1,   110, 120, 121,   122,   123,   124,   125,   126,
                                   127, 128, 129, 16000, 16370, 16380, 16384, 16390, INT16_MAX};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct api_versions_response_supported_features feature = {
            .name = bytes_of(name, sizes[i]), .min_version = 1, .max_version = 2};
        struct api_versions_response a;
        schema_defaults(&api_versions_response_schema, &a);
        a.supported_features = &feature;
        a.supported_features_count = 1;
        a.finalized_features_epoch = 5;
        struct buffer out;
        EXPECT_INT(encode(&api_versions_response_schema, 4, &a, &out), ERR_OK);
        struct decoding d;
        decode(&d, &api_versions_response_schema, 4, buffer_view(&out));
        EXPECT_INT(d.error, ERR_OK);
        EXPECT_INT(d.left, 0);
        EXPECT_INT(d.message.api_versions.supported_features_count, 1);
        EXPECT_BYTES(d.message.api_versions.supported_features[0].name, feature.name);
        EXPECT_INT(d.message.api_versions.finalized_features_epoch, 5);
        arena_free(&d.arena);
        buffer_free(&out);
    }
}

TEST(records_with_a_slice_become_a_splice)
{
    int slice;
    struct fetch_response_responses_partitions p;
    schema_defaults(&fetch_response_responses_partitions_schema, &p);
    p.records = (struct records){.slice = &slice, .slice_size = 300};
    for (int version = 4; version <= 12; version += 8) {
        struct buffer out;
        buffer_init(&out, MAX_OUT);
        struct writer w;
        writer_init(&w, &out);
        EXPECT_INT(schema_encode(&fetch_response_responses_partitions_schema, version, &p, &w),
                   ERR_OK);
        size_t count;
        struct splice *splices = writer_take_splices(&w, &count);
        EXPECT_INT(count, 1);
        EXPECT_INT(splices[0].size, 300);
        struct bytes before = bytes_of(out.data, splices[0].position);
        if (version == 4) {
            EXPECT_BYTES(bytes_from(before, before.size - 4), BYTES_LITERAL("\0\0\1\x2c"));
            EXPECT_INT(out.size, before.size);
        } else {
            EXPECT_BYTES(bytes_from(before, before.size - 2), BYTES_LITERAL("\xad\2"));
            EXPECT_INT(out.size, before.size + 1); /* the tags after the records */
        }
        free(splices);
        buffer_free(&out);
    }
}

TEST(a_full_buffer_ends_an_encode)
{
    static uint8_t name[200];
    struct heartbeat_request h = {.group_id = bytes_of(name, sizeof name),
                                  .member_id = BYTES_LITERAL("m")};
    for (size_t max = 0; max < 200; max += 7) {
        struct buffer out;
        buffer_init(&out, max);
        struct writer w;
        writer_init(&w, &out);
        EXPECT_INT(schema_encode(&heartbeat_request_schema, 4, &h, &w), ERR_TOO_LARGE);
        EXPECT(out.size <= max);
        buffer_free(&out);
    }
}

TEST(a_full_buffer_ends_an_encode_inside_tags)
{
    struct api_versions_response_supported_features features[40];
    for (size_t i = 0; i < COUNT_OF(features); i++)
        features[i] =
            (struct api_versions_response_supported_features){BYTES_LITERAL("name"), 1, 2};
    struct api_versions_response a;
    schema_defaults(&api_versions_response_schema, &a);
    a.supported_features = features;
    a.supported_features_count = COUNT_OF(features);
    struct buffer whole;
    EXPECT_INT(encode(&api_versions_response_schema, 3, &a, &whole), ERR_OK);
    for (size_t max = 0; max < whole.size; max++) {
        struct buffer out;
        buffer_init(&out, max);
        struct writer w;
        writer_init(&w, &out);
        EXPECT_INT(schema_encode(&api_versions_response_schema, 3, &a, &w), ERR_TOO_LARGE);
        buffer_free(&out);
    }
    buffer_free(&whole);
}

/* A table of the test: no described API has a nullable structure or a double yet. */
struct cursor {
    struct bytes topic;
};
struct page {
    double share;
    struct cursor *next;
};
static const struct schema_field cursor_fields[] = {
    {.name = "topic", .type = FIELD_STRING, .last_version = 1, .null_first = 1, .tag = -1},
};
static const struct schema cursor_schema = {"cursor", cursor_fields, 1, 0, sizeof(struct cursor), 2,
                                            0};
static const struct schema_field page_fields[] = {
    {.name = "share", .type = FIELD_FLOAT64, .last_version = 1, .null_first = 1, .tag = -1},
    {.name = "next",
     .type = FIELD_STRUCT,
     .offset = offsetof(struct page, next),
     .last_version = 1,
     .null_last = 1,
     .tag = -1,
     .element = &cursor_schema,
     .is_pointer = true},
};
static const struct schema page_schema = {"page", page_fields, 2, 0, sizeof(struct page), 1, 0};

TEST(a_nullable_structure_is_a_pointer)
{
    struct page none = {.share = 0.5};
    expect_encoded(&page_schema, 0, &none, BYTES_LITERAL("\x3f\xe0\0\0\0\0\0\0\xff\0"));
    struct cursor cursor = {BYTES_LITERAL("t")};
    struct page some = {.next = &cursor};
    struct bytes wire = BYTES_LITERAL("\0\0\0\0\0\0\0\0\1\2t\0\0");
    expect_encoded(&page_schema, 0, &some, wire);

    struct arena arena;
    arena_init(&arena, MAX_MEMORY);
    struct page page;
    struct reader r = reader_of(wire);
    EXPECT_INT(schema_decode(&page_schema, 0, &r, &arena, &page), ERR_OK);
    EXPECT_BYTES(page.next->topic, BYTES_LITERAL("t"));
    r = reader_of(BYTES_LITERAL("\0\0\0\0\0\0\0\0\2\2t\0\0"));
    EXPECT_INT(schema_decode(&page_schema, 0, &r, &arena, &page), ERR_INVALID);
    r = reader_of(BYTES_LITERAL("\0\0\0\0\0\0\0\0\xff\0"));
    EXPECT_INT(schema_decode(&page_schema, 0, &r, &arena, &page), ERR_OK);
    EXPECT(page.next == NULL);
    arena_free(&arena);
}
