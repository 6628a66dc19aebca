/* What the files of a connection share: connection.c (its life) drives connection_input.c (from
 * bytes to requests) and connection_output.c (from replies to bytes), which know the structure and
 * neither connection.c nor each other. Everybody else uses connection.h. */
#ifndef BROKER_CONNECTION_CONNECTION_INTERNAL_H
#define BROKER_CONNECTION_CONNECTION_INTERNAL_H

#include "broker/broker.h"
#include "broker/connection/connection.h"
#include "broker/connection/transport.h"
#include "broker/request/request.h"

enum {
    STALE_MS = 10000
}; /* what does not get on may hold memory so long when others wait for it */

/* Where sending the first reply of the queue stands. */
struct send_cursor {
    size_t position;  /* in the reply's buffer */
    size_t splice;    /* the next splice that was not sent whole */
    size_t piece, at; /* in that splice's slice */
};

struct connection {
    struct list_node node, turn_node;
    struct shard *shard;
    struct request_source source;
    struct transport *transport; /* NULL once closed */
    char host[64];
    struct list slots; /* requests in order of arrival */
    size_t slot_count, unsent_bytes;
    struct send_cursor cursor;
    uint8_t size_bytes[4]; /* the next frame's length, as far as it has come */
    size_t size_filled;
    struct shared_buffer *frame; /* being filled; its size is its capacity */
    size_t frame_size, frame_filled;
    struct buffer leftover; /* input behind the point where reading paused */
    bool large_frames;      /* the last one was */
    bool paused, blocked;
    bool doomed; /* ends when what is before in the queue was sent */
    int64_t last_active_ms, frame_grown_ms, leftover_since_ms;
    uint64_t turn; /* the shard's, in which turn_requests were taken */
    int turn_requests;
};

/* While answers that clients do not read hold much memory, everybody has one at a time. */
static inline bool connection_has_unsent_share(const struct connection *c)
{
    const struct shard *shard = c->shard;
    return shard->unsent_bytes < (size_t)shard->broker->settings->max_in_flight_bytes;
}

/* Input and output end nothing themselves: where they give false, the connection must be closed. */

/* Reads what has come and runs its requests, as much as may be at once. */
MUST_USE bool connection_read_input(struct connection *c);
/* Goes on with input that had to wait, or that the transport holds. */
MUST_USE bool connection_resume_input(struct connection *c);
/* Puts a connection where its input is looked at again, if no event brings that about. */
void connection_wait_for_turn(struct connection *c);
/* It holds input that does not get on, through its own fault, and others wait for the memory. */
bool connection_is_stuck(const struct connection *c);
/* Frees what has come of a frame and behind it. */
void connection_drop_input(struct connection *c);

/* Sends what is ready. */
MUST_USE bool connection_send_replies(struct connection *c);
/* A request whose reply left, or is not wanted any more. */
void connection_remove_slot(struct connection *c, struct request *request);

#endif
