#include "broker/request/request.h"

#include "storage/log_slice.h"

#include <stdlib.h>

/* The limit of a response without its records. The largest are metadata of many topics. */
enum { REPLY_MAX = 256 << 20 };

struct request *request_create(struct shard *shard, struct request_source *source,
                               struct shared_buffer *frame)
{
    struct request *request = xcalloc(1, sizeof *request);
    request->home = request->at = shard;
    request->source = source;
    request->listener = source->listener;
    request->frame = frame;
    request->counted_bytes = frame->size;
    request->received_ms = shard->now_ms;
    request->client_host = source->client_host;
    buffer_init(&request->reply, REPLY_MAX);
    source->expect(source, request);
    return request;
}

void request_count(struct request *request, size_t bytes)
{
    ASSERT(request->at == request->home && !request->done);
    request->counted_bytes += bytes;
    request->home->in_flight_bytes += bytes;
}

static void free_splices(struct request *request)
{
    for (size_t i = 0; i < request->splice_count; i++)
        log_slice_unref(request->splices[i].slice);
    free(request->splices);
    request->splices = NULL;
    request->splice_count = 0;
}

void request_release_input(struct request *request)
{
    arena_free(&request->arena);
    shared_buffer_unref(request->frame);
    request->frame = NULL;
    request->body = NULL;
    request->header.client_id = BYTES_NULL;
}

void request_free(struct request *request)
{
    request_release_input(request);
    free_splices(request);
    buffer_free(&request->reply);
    free(request);
}

static void deliver_home(struct mail *mail, struct shard *home)
{
    struct request *request = CONTAINER_OF(mail, struct request, mail);
    request->at = home;
    request->source->finished(request->source, request);
}

/* Tells the connection only at home: before that the request is on its way and not done. */
static void finish(struct request *request)
{
    ASSERT(!request->done);
    if (request->at == request->home) {
        request->source->finished(request->source, request);
        return;
    }
    request->mail.deliver = deliver_home;
    shard_post(request->home, &request->mail);
}

void request_reply(struct request *request, const void *response)
{
    struct writer w;
    int16_t version = request->unknown_version ? 0 : request->header.api_version;
    ASSERT(request->reply.size == 0 && request->splice_count == 0);
    writer_init(&w, &request->reply);
    write_i32(&w, 0);
    write_response_header(&w, request->header.api_key, version, request->header.correlation_id);
    enum error error = schema_encode(request->api->response, version, response, &w);
    request->splices = w.splices;
    request->splice_count = w.splice_count;
    request->reply_bytes = request->reply.size + w.spliced_bytes;
    if (error || request->reply.overflowed || request->reply_bytes > INT32_MAX) {
        request_fail(request, "the response cannot be encoded");
        return;
    }
    store_be32(request->reply.data, (uint32_t)(request->reply_bytes - 4));
    finish(request);
}

void request_no_reply(struct request *request)
{
    finish(request);
}

void request_fail(struct request *request, const char *reason)
{
    trace_log(request->at->env->trace, TRACE_DEBUG, "connection closed because of a request",
              F_STRING("reason", reason), F_INT("api_key", request->header.api_key),
              F_INT("api_version", request->header.api_version),
              F_BYTES("client_id", request->header.client_id));
    free_splices(request);
    buffer_free(&request->reply);
    request->reply_bytes = 0;
    request->closes = true;
    finish(request);
}

struct bytes reply_text(const char *message)
{
    enum { LONGEST = 2000 };
    struct bytes text = bytes_string(message);
    text.size = MIN(text.size, (size_t)LONGEST);
    return text;
}

void *request_alloc(struct request *request, size_t count, size_t size)
{
    /* A response is in proportion to the request or to the broker's data, so it has no limit,
     * unlike decoding. */
    request->arena.max = SIZE_MAX;
    request->arena.exhausted = false;
    return arena_array(&request->arena, count, size);
}
