/* A request in flight, and its reply.
 *
 * A request owns its frame (the received bytes) and its arena. Everything decoded is a view into
 * one of these and lives as long as the request. The request is created on the shard of its
 * connection (its home). It may be mailed to the shard that owns its data. It ends with exactly one
 * of request_reply, request_no_reply or request_fail, on any shard. A connection sends replies in
 * the order of its requests. A connection that closes does not end its requests; their replies are
 * dropped. */
#ifndef BROKER_REQUEST_REQUEST_H
#define BROKER_REQUEST_REQUEST_H

#include "broker/shard.h"
#include "protocol/api.h"
#include "protocol/kafka_error.h"
#include "protocol/messages.h"

struct handler;
struct listener;

struct request;
/* The part of a connection that requests know: it gives requests and takes replies. It outlives its
 * requests. */
struct request_source {
    const struct listener *listener;
    const char *client_host; /* "/127.0.0.1" */
    /* The request is under way: its reply will be sent after those of earlier requests. */
    void (*expect)(struct request_source *source, struct request *request);
    /* The request has its reply, or none. On the home shard. */
    void (*finished)(struct request_source *source, struct request *request);
};

struct request {
    struct mail mail;              /* for its travel between shards */
    struct list_node slot;         /* in the connection's queue */
    struct shard *home, *at;       /* its origin, and where it is now */
    struct request_source *source; /* called on the home shard only */
    const struct handler *handler;
    const struct listener *listener; /* of its connection; any shard may read it */
    const struct api_messages *api;
    struct request_header header;
    struct arena arena;
    struct shared_buffer *frame;
    void *body;           /* the decoded request, a generated structure */
    size_t counted_bytes; /* in flight: the frame and the decoded structures */
    int64_t received_ms;
    const char *client_host; /* "/127.0.0.1", for DescribeGroups; lives as long as the request */
    /* The finished reply: size prefix, header and body, with splices (struct log_slice references).
     */
    struct buffer reply;
    struct splice *splices;
    size_t splice_count, reply_bytes; /* reply_bytes: on the wire, with splices */
    bool unknown_version; /* ApiVersions only: answer in version 0 with UNSUPPORTED_VERSION */
    bool done, closes;    /* closes: the connection ends instead of a reply */
};

/* Makes a request for a frame (takes over its reference), at the end of its source's queue. The
 * caller initialises the arena. */
struct request *request_create(struct shard *shard, struct request_source *source,
                               struct shared_buffer *frame);
/* Counts more memory than the frame as bytes in flight of its shard, from now until the answer. */
void request_count(struct request *request, size_t bytes);
/* Frees the frame and the decoded structures, when the answer is ready and does not need them. */
void request_release_input(struct request *request);
/* Frees a request whose reply was sent or is not wanted any more. Called on its home shard. */
void request_free(struct request *request);

/* Encodes `response` (the generated structure of the request's API and version) and ends the
 * request. Takes over the references of slices in its struct records. */
void request_reply(struct request *request, const void *response);
/* Ends it without an answer (Produce with acks=0). */
void request_no_reply(struct request *request);
/* Ends it by closing the connection, where Kafka does so too. The reason is logged (DEBUG). */
void request_fail(struct request *request, const char *reason);

/* Memory for the response that lives as long as the request. Never NULL: sizes depend on data that
 * the request already holds. */
void *request_alloc(struct request *request, size_t count, size_t size);

/* An error message in the form for a response. It may contain a client's string of the maximal
 * length: then it is cut to a length that can be sent. NULL stays null. */
struct bytes reply_text(const char *message);

#endif
