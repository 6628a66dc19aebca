#include "client-tools/output/record_json.h"

#include "base/trace.h"
#include "base/units.h"
#include "client-tools/output/json_text.h"
#include "processors/json/json.h"
#include "processors/values/utf8.h"

#include <inttypes.h>

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Whether the text can be copied into a line of JSON and then reads back unchanged. */
static bool can_be_copied(struct bytes text, bool only_containers)
{
    if (text.size == 0 || is_blank(text.data[0]) || is_blank(text.data[text.size - 1]))
        return false;
    uint8_t first = text.data[0];
    bool container = first == '{' || first == '[';
    if (!container && (only_containers || first == '"' || first == 'n'))
        return false;
    if (memchr(text.data, '\n', text.size) || memchr(text.data, '\r', text.size))
        return false;
    size_t at;
    return json_check(text, &at) == NULL;
}

static void append_field(struct buffer *out, const char *name, struct bytes text, bool copy,
                         bool only_containers)
{
    if (bytes_is_null(text)) {
        buffer_printf(out, "\"%s\":null", name);
    } else if (copy && can_be_copied(text, only_containers)) {
        buffer_printf(out, "\"%s\":", name);
        buffer_append_bytes(out, text);
    } else if (utf8_valid(text)) {
        buffer_printf(out, "\"%s\":", name);
        json_append_string(out, text);
    } else {
        buffer_printf(out, "\"%s_base64\":\"", name);
        append_base64(out, text);
        buffer_append_u8(out, '"');
    }
}

static void append_headers(struct buffer *out, const struct record *record)
{
    struct record_header header;
    buffer_append_string(out, ",\"headers\":[");
    bool first = true;
    for (size_t at = 0; record_header_next(record, &at, &header); first = false) {
        buffer_append_string(out, first ? "{" : ",{");
        append_field(out, "key", header.key, false, false);
        buffer_append_u8(out, ',');
        append_field(out, "value", header.value, false, false);
        buffer_append_u8(out, '}');
    }
    buffer_append_u8(out, ']');
}

void record_json_append(struct buffer *out, const struct record_place *place,
                        const struct record *record)
{
    char time[40];
    buffer_append_string(out, "{\"topic\":");
    append_json_text(out, place->topic);
    buffer_printf(out, ",\"partition\":%d,\"offset\":%" PRId64 ",\"timestamp\":", place->partition,
                  record->offset);
    if (record->timestamp < 0) {
        buffer_append_string(out, "null");
    } else {
        format_rfc3339(record->timestamp, time);
        buffer_printf(out, "\"%s\"", time);
    }
    buffer_append_u8(out, ',');
    append_field(out, "key", record->key, true, true);
    append_headers(out, record);
    buffer_append_u8(out, ',');
    append_field(out, "value", record->value, true, false);
    buffer_append_string(out, "}\n");
}

/* The bytes of a field's JSON value: a string's content, null, or the JSON text itself. */
static struct bytes content_of(struct bytes json, struct arena *arena)
{
    if (json.data[0] == '"')
        return json_unescape(bytes_of(json.data + 1, json.size - 2), arena);
    return json.data[0] == 'n' ? BYTES_NULL : json;
}

static bool read_field(struct bytes object, const char *name, struct arena *arena,
                       struct bytes *out, struct message *message)
{
    struct bytes json;
    *out = BYTES_NULL;
    if (json_field(object, bytes_string(name), &json)) {
        *out = content_of(json, arena);
        return true;
    }
    char encoded[64];
    message_set(message, "%s_base64", name);
    memcpy(encoded, message->text, sizeof encoded);
    if (!json_field(object, bytes_string(encoded), &json))
        return true;
    *out = json.data[0] == '"' ? decode_base64(bytes_of(json.data + 1, json.size - 2), arena)
                               : BYTES_NULL;
    if (!bytes_is_null(*out))
        return true;
    message_set(message, "%s is not base64", encoded);
    return false;
}

static bool read_headers(struct bytes line, struct arena *arena, struct record *out,
                         struct message *message)
{
    struct bytes list, item, none;
    if (!json_field(line, BYTES_LITERAL("headers"), &list) || list.data[0] == 'n')
        return true;
    if (list.data[0] != '[') {
        message_set(message, "headers is not a list of {\"key\":...,\"value\":...}");
        return false;
    }
    struct buffer encoded;
    buffer_init(&encoded, line.size * 2 + 1024);
    bool good = true;
    for (size_t at = 0; good && json_next(list, &at, &none, &item);) {
        struct bytes key, value;
        good = read_field(item, "key", arena, &key, message) &&
               read_field(item, "value", arena, &value, message);
        if (good && bytes_is_null(key)) {
            message_set(message, "a header has no key");
            good = false;
        }
        if (good) {
            record_headers_append(&encoded, key, value);
            out->header_count++;
        }
    }
    out->headers = arena_copy(arena, buffer_view(&encoded));
    buffer_free(&encoded);
    return good;
}

static bool read_timestamp(struct bytes line, struct arena *arena, int64_t *out,
                           struct message *message)
{
    struct bytes json;
    *out = -1;
    if (!json_field(line, BYTES_LITERAL("timestamp"), &json) || json.data[0] == 'n')
        return true;
    struct bytes text = content_of(json, arena);
    bool good = json.data[0] == '"' ? parse_time_ms(text, 0, out) : parse_i64(text, out);
    if (!good)
        message_set(message, "timestamp %.*s is neither RFC 3339 nor milliseconds",
                    BYTES_PRINTF(text));
    return good;
}

static bool read_place(struct bytes line, struct arena *arena, struct record_place *place,
                       struct message *message)
{
    struct bytes json;
    int64_t partition;
    *place = (struct record_place){.partition = -1, .leader_epoch = -1};
    if (json_field(line, BYTES_LITERAL("topic"), &json))
        place->topic = content_of(json, arena);
    if (!json_field(line, BYTES_LITERAL("partition"), &json) || json.data[0] == 'n')
        return true;
    if (!parse_i64(json, &partition) || partition < 0 || partition > INT32_MAX) {
        message_set(message, "partition %.*s is not a partition number", BYTES_PRINTF(json));
        return false;
    }
    place->partition = (int32_t)partition;
    return true;
}

bool record_json_parse(struct bytes line, struct arena *arena, struct record_place *place,
                       struct record *out, struct message *message)
{
    size_t at;
    const char *why = json_check(line, &at);
    *out = (struct record){.headers = BYTES_NULL};
    if (why) {
        message_set(message, "not JSON: %s at byte %zu", why, at + 1);
        return false;
    }
    while (is_blank(line.data[0]))
        line = bytes_from(line, 1);
    if (line.data[0] != '{') {
        message_set(message, "not a JSON object");
        return false;
    }
    return read_place(line, arena, place, message) &&
           read_timestamp(line, arena, &out->timestamp, message) &&
           read_field(line, "key", arena, &out->key, message) &&
           read_field(line, "value", arena, &out->value, message) &&
           read_headers(line, arena, out, message);
}
