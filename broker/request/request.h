/* A request in flight, and its reply.
 *
 * A request owns its frame (the bytes as received) and its arena; everything decoded is a view into
 * one of these and lives as long as the request. It is created on the shard of its connection (its
 * home), may be mailed to the shard that owns what it touches, and ends with exactly one of
 * request_reply, request_no_reply or request_fail, on whichever shard it is. Replies leave in the
 * order of the requests of the connection, however they finish. A connection that closes meanwhile
 * does not end its requests; their replies are dropped. */
#ifndef BROKER_REQUEST_REQUEST_H
#define BROKER_REQUEST_REQUEST_H

#include "broker/shard.h"
#include "protocol/api.h"
#include "protocol/kafka_error.h"
#include "protocol/messages.h"

struct handler;
struct listener;

struct request;
/* Where requests come from and replies go: the part of a connection that requests know. It outlives
 * its requests. */
struct request_source {
    const struct listener *listener;
    const char *client_host; /* "/127.0.0.1" */
    /* The request is under way: its reply will leave behind those before it. */
    void (*expect)(struct request_source *source, struct request *request);
    /* The request has its reply, or none. On the home shard. */
    void (*finished)(struct request_source *source, struct request *request);
};

struct request {
    struct mail mail;              /* for its ways between shards */
    struct list_node slot;         /* in the connection's queue */
    struct shard *home, *at;       /* where it came from, where it is now */
    struct request_source *source; /* called on the home shard only */
    const struct handler *handler;
    const struct listener *listener; /* that it came in by: any shard may read it */
    const struct api_messages *api;
    struct request_header header;
    struct arena arena;
    struct shared_buffer *frame;
    void *body;           /* the decoded request, a generated structure */
    size_t counted_bytes; /* in flight: the frame and what was decoded */
    int64_t received_ms;
    const char *client_host; /* "/127.0.0.1", for DescribeGroups; lives as long as the request */
    /* The finished reply: size prefix, header and body, with splices (struct log_slice references).
     */
    struct buffer reply;
    struct splice *splices;
    size_t splice_count, reply_bytes; /* the bytes on the wire, splices included */
    bool unknown_version; /* ApiVersions only: answer in version 0 with UNSUPPORTED_VERSION */
    bool done, closes;    /* closes: the connection ends when this one's turn comes */
};

/* A request for a frame (takes over its reference), at the end of its source's queue. The arena is
 * the caller's to initialise. */
struct request *request_create(struct shard *shard, struct request_source *source,
                               struct shared_buffer *frame);
/* Counts memory that it holds besides the frame as bytes in flight of its shard, from now until it
 * is answered. */
void request_count(struct request *request, size_t bytes);
/* Gives back what was read and decoded: the answer is ready and holds its own. */
void request_release_input(struct request *request);
/* Frees a request whose reply was sent or is not wanted any more; on its home shard. */
void request_free(struct request *request);

/* Encodes `response` (the generated structure of the request's API and version) and ends the
 * request. Slices named by struct records in it are handed over (their references). */
void request_reply(struct request *request, const void *response);
/* Ends it without a byte of answer (Produce with acks=0). */
void request_no_reply(struct request *request);
/* Ends it by closing the connection, for what Kafka answers that way. The reason is logged (DEBUG).
 */
void request_fail(struct request *request, const char *reason);

/* Memory for the response that lives as long as the request. Never NULL: sizes come from what the
 * request holds already. */
void *request_alloc(struct request *request, size_t count, size_t size);

/* An error message as it goes into a response. It may name what the client sent, which can be as
 * long as a string on the wire can be: then it is cut, so that it can be sent at all. NULL stays
 * null. */
struct bytes reply_text(const char *message);

#endif
