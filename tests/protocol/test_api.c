#include "protocol/kafka_error.h"
#include "protocol/messages.h"
#include "tests/harness/harness.h"

TEST(apis_are_found_by_key_and_listed_in_order)
{
    for (size_t i = 0; i < api_messages_count(); i++) {
        const struct api_messages *api = api_messages_at(i);
        EXPECT(api_messages(api->key) == api);
        if (i > 0)
            EXPECT(api_messages_at(i - 1)->key < api->key);
    }
    EXPECT_STRING(api_messages(API_PRODUCE)->name, "Produce");
    EXPECT_STRING(api_messages(API_DESCRIBE_CLUSTER)->name, "DescribeCluster");
}

TEST(apis_without_a_description_are_not_found)
{
    static const int16_t absent[] = {-1, 4, 7, 17, 24, 28, 61, 68, INT16_MIN, INT16_MAX};
    for (size_t i = 0; i < COUNT_OF(absent); i++)
        EXPECT(api_messages(absent[i]) == NULL);
}

TEST(listed_ranges_are_not_empty_and_reach_a_served_version)
{
    for (size_t i = 0; i < api_messages_count(); i++) {
        const struct api_messages *api = api_messages_at(i);
        EXPECT(api->min_version <= api->max_version);
        EXPECT(api->advertise_min <= api->advertise_max);
        EXPECT(api_serves(api, api->advertise_max));
        EXPECT(!api_serves(api, api->advertise_max + 1));
        EXPECT(!api_serves(api, api->advertise_min - 1));
    }
}

/* KIP-896 and older librdkafka: the range must contain 0, although the broker serves no version
 * below 3. */
TEST(produce_lists_versions_that_it_refuses)
{
    const struct api_messages *produce = api_messages(API_PRODUCE);
    EXPECT_INT(produce->advertise_min, 0);
    EXPECT(!api_serves(produce, 2));
    EXPECT(api_serves(produce, 3));
}

TEST(header_versions_follow_the_flexible_versions)
{
    const struct api_messages *metadata = api_messages(API_METADATA);
    EXPECT_INT(api_request_header_version(metadata, 8), 1);
    EXPECT_INT(api_request_header_version(metadata, 9), 2);
    EXPECT_INT(api_response_header_version(metadata, 8), 0);
    EXPECT_INT(api_response_header_version(metadata, 9), 1);
    const struct api_messages *never = api_messages(API_OFFSET_DELETE);
    EXPECT_INT(api_request_header_version(never, 0), 1);
}

TEST(the_response_header_of_api_versions_never_changes)
{
    const struct api_messages *api = api_messages(API_API_VERSIONS);
    for (int version = 0; version <= api->max_version + 1; version++)
        EXPECT_INT(api_response_header_version(api, version), 0);
}

static struct request_header read_header(struct bytes wire, struct reader *r)
{
    *r = reader_of(wire);
    return read_request_header(r);
}

TEST(a_header_of_an_unknown_api_is_read_up_to_the_client_id)
{
    struct reader r;
    struct request_header h =
        read_header(BYTES_LITERAL("\x03\xe8\x00\x05\x00\x00\x00\x09\x00\x02me rest"), &r);
    EXPECT(!r.failed);
    EXPECT_INT(h.api_key, 1000);
    EXPECT_INT(h.api_version, 5);
    EXPECT_INT(h.correlation_id, 9);
    EXPECT_BYTES(h.client_id, BYTES_LITERAL("me"));
    EXPECT_INT(reader_left(&r), 5);
}

TEST(tags_of_a_request_header_are_skipped)
{
    struct reader r;
    struct request_header h = read_header(
        BYTES_LITERAL("\x00\x03\x00\x09\x00\x00\x00\x01\xff\xff\x02\x00\x02xy\x07\x00!"), &r);
    EXPECT(!r.failed);
    EXPECT(bytes_is_null(h.client_id));
    EXPECT_INT(reader_left(&r), 1);
}

TEST(a_request_header_that_ends_early_fails)
{
    static const uint8_t wire[] = {0, 3, 0, 9, 0, 0, 0, 1, 0, 2, 'm', 'e', 1, 0, 2, 'x', 'y'};
    for (size_t size = 0; size < sizeof wire; size++) {
        struct reader r;
        read_header(bytes_of(wire, size), &r);
        EXPECT(r.failed);
    }
}

TEST(a_request_header_with_billions_of_tags_fails_at_once)
{
    struct reader r;
    read_header(BYTES_LITERAL("\x00\x03\x00\x09\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\x0f\x00"),
                &r);
    EXPECT(r.failed);
}

TEST(error_codes_have_their_kafka_names)
{
    EXPECT_INT(KAFKA_OFFSET_OUT_OF_RANGE, 1);
    EXPECT_INT(KAFKA_MEMBER_ID_REQUIRED, 79);
    EXPECT_INT(KAFKA_SHARE_SESSION_LIMIT_REACHED, 133);
    EXPECT_STRING(kafka_error_name(KAFKA_UNKNOWN_SERVER_ERROR), "UNKNOWN_SERVER_ERROR");
    EXPECT_STRING(kafka_error_name(KAFKA_NONE), "NONE");
    EXPECT_STRING(kafka_error_name(36), "TOPIC_ALREADY_EXISTS");
    EXPECT_STRING(kafka_error_name(133), "SHARE_SESSION_LIMIT_REACHED");
}

TEST(every_error_code_from_minus_one_has_a_name_and_a_text)
{
    for (int code = -1; code <= KAFKA_SHARE_SESSION_LIMIT_REACHED; code++) {
        EXPECT(kafka_error_name(code) != NULL && kafka_error_text(code)[0] != '\0');
        EXPECT(strcmp(kafka_error_name(code), "UNKNOWN_ERROR_CODE") != 0);
    }
    static const int unknown[] = {-2, 134, INT16_MIN, INT16_MAX};
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        EXPECT_STRING(kafka_error_name(unknown[i]), "UNKNOWN_ERROR_CODE");
        EXPECT(!kafka_error_is_retriable(unknown[i]));
    }
}

TEST(retriable_errors_are_those_that_clients_retry)
{
    EXPECT(kafka_error_is_retriable(KAFKA_NOT_LEADER_OR_FOLLOWER));
    EXPECT(kafka_error_is_retriable(KAFKA_COORDINATOR_NOT_AVAILABLE));
    EXPECT(!kafka_error_is_retriable(KAFKA_NONE));
    EXPECT(!kafka_error_is_retriable(KAFKA_MESSAGE_TOO_LARGE));
    EXPECT(!kafka_error_is_retriable(KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER));
}
