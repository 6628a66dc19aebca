/* Shared by the files of a connection. connection.c (its life) drives connection_input.c (from
 * bytes to requests) and connection_output.c (from replies to bytes). These two know the structure,
 * but neither connection.c nor each other. All other files use connection.h. */
#ifndef BROKER_CONNECTION_CONNECTION_INTERNAL_H
#define BROKER_CONNECTION_CONNECTION_INTERNAL_H

#include "broker/broker.h"
#include "broker/connection/connection.h"
#include "broker/connection/transport.h"
#include "broker/request/request.h"

enum {
    STALE_MS = 10000
}; /* input without progress may hold memory this long while others wait for it */

/* How much of the queue's first reply was sent. */
struct send_cursor {
    size_t position;  /* in the reply's buffer */
    size_t splice;    /* the next splice that was not sent completely */
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
    uint8_t size_bytes[4]; /* the part of the next frame's length that has arrived */
    size_t size_filled;
    struct shared_buffer *frame; /* being filled; its size is its capacity */
    size_t frame_size, frame_filled;
    struct buffer leftover; /* input after the point where reading paused */
    bool large_frames;      /* the last frame was large */
    bool paused, blocked;
    bool doomed; /* closed when the replies in the queue are sent */
    int64_t last_active_ms, frame_grown_ms, leftover_since_ms;
    uint64_t turn; /* the shard's turn in which turn_requests were taken */
    int turn_requests;
};

/* While unread answers hold much memory, each connection may have one at a time. */
static inline bool connection_has_unsent_share(const struct connection *c)
{
    const struct shard *shard = c->shard;
    return shard->unsent_bytes < (size_t)shard->broker->settings->max_in_flight_bytes;
}

/* Input and output never close the connection. If they return false, the caller must close it. */

/* Reads input and runs its requests, as many as are allowed at once. */
MUST_USE bool connection_read_input(struct connection *c);
/* Continues with input that had to wait, or that the transport holds. */
MUST_USE bool connection_resume_input(struct connection *c);
/* Puts the connection on a list of the shard if no event will bring it back to its input. */
void connection_wait_for_turn(struct connection *c);
/* Whether it holds input without progress, through its own fault, while others wait for the
 * memory. */
bool connection_is_stuck(const struct connection *c);
/* Frees the unfinished frame and the input after it. */
void connection_drop_input(struct connection *c);

/* Sends what is ready. */
MUST_USE bool connection_send_replies(struct connection *c);
/* Removes a request whose reply was sent or is not wanted any more. */
void connection_remove_slot(struct connection *c, struct request *request);

#endif
