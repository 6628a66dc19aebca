/* The APIs that messages/ describes: key, versions, schemas, header versions. */
#ifndef PROTOCOL_API_H
#define PROTOCOL_API_H

#include "protocol/schema.h"

struct api_messages {
    int16_t key;
    const char *name;                 /* Kafka's: "Produce" */
    int16_t min_version, max_version; /* the versions that the .msg describes */
    /* The versions that ApiVersions lists. The minimum can be below min_version: Produce lists 0
     * for old librdkafka and refuses 0-2. The maximum can be below max_version. */
    int16_t advertise_min, advertise_max;
    const struct schema *request, *response;
};

/* Whether the broker serves this version: it is described and listed. */
static inline bool api_serves(const struct api_messages *api, int version)
{
    return version >= api->min_version && version >= api->advertise_min &&
           version <= api->max_version && version <= api->advertise_max;
}

/* NULL when there is no such API. */
const struct api_messages *api_messages(int16_t key);
/* All of them, in the order of their keys. */
const struct api_messages *api_messages_at(size_t index);
size_t api_messages_count(void);

/* 1 without a tag buffer, 2 with one. */
int api_request_header_version(const struct api_messages *api, int version);
/* 0 or 1; always 0 for ApiVersions (KIP-511). */
int api_response_header_version(const struct api_messages *api, int version);

struct request_header {
    int16_t api_key, api_version;
    int32_t correlation_id;
    struct bytes client_id; /* may be null */
};

/* Reads a request's header, tag buffer included. */
struct request_header read_request_header(struct reader *r);
void write_request_header(struct writer *w, const struct request_header *header);
/* Writes the response header. The sender writes the frame's length before it. */
void write_response_header(struct writer *w, int16_t api_key, int16_t version,
                           int32_t correlation_id);

#endif
