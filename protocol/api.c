#include "protocol/messages.h"

const struct api_messages *api_messages(int16_t key)
{
    size_t low = 0, high = MESSAGE_TABLE_SIZE;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (message_table[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < MESSAGE_TABLE_SIZE && message_table[low].key == key ? &message_table[low] : NULL;
}

const struct api_messages *api_messages_at(size_t index)
{
    ASSERT(index < MESSAGE_TABLE_SIZE);
    return &message_table[index];
}

size_t api_messages_count(void)
{
    return MESSAGE_TABLE_SIZE;
}

int api_request_header_version(const struct api_messages *api, int version)
{
    return schema_is_flexible(api->request, version) ? 2 : 1;
}

/* KIP-511: the response header of ApiVersions never changes, because a client that asks in an
 * unknown version must be able to read the answer. */
int api_response_header_version(const struct api_messages *api, int version)
{
    return api->key != API_API_VERSIONS && schema_is_flexible(api->response, version) ? 1 : 0;
}

static bool request_header_has_tags(int16_t key, int16_t version)
{
    const struct api_messages *api = api_messages(key);
    return api != NULL && api_request_header_version(api, version) == 2;
}

static void skip_tags(struct reader *r)
{
    uint32_t count = read_uvarint(r);
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        read_uvarint(r);
        read_raw(r, read_uvarint(r));
    }
}

struct request_header read_request_header(struct reader *r)
{
    struct request_header header;
    header.api_key = read_i16(r);
    header.api_version = read_i16(r);
    header.correlation_id = read_i32(r);
    header.client_id = read_string16(r); /* never compact, also in version 2 */
    if (!r->failed && request_header_has_tags(header.api_key, header.api_version))
        skip_tags(r);
    return header;
}

void write_request_header(struct writer *w, const struct request_header *header)
{
    write_i16(w, header->api_key);
    write_i16(w, header->api_version);
    write_i32(w, header->correlation_id);
    write_string16(w, header->client_id);
    if (request_header_has_tags(header->api_key, header->api_version))
        write_uvarint(w, 0);
}

void write_response_header(struct writer *w, int16_t api_key, int16_t version,
                           int32_t correlation_id)
{
    const struct api_messages *api = api_messages(api_key);
    write_i32(w, correlation_id);
    if (api != NULL && api_response_header_version(api, version) == 1)
        write_uvarint(w, 0);
}
