/* From bytes to requests: frames, and how much more each client may send. */
#include "broker/connection/connection_internal.h"
#include "broker/connection/frame_phase.h"
#include "broker/request/dispatch.h"

enum {
    READS_AT_ONCE = 8,      /* so that one busy client does not starve the others */
    LARGE_FRAME = 64 << 10, /* is read into its own memory */
    HEAD_READ = 4096,
    /* A frame's memory grows as its bytes arrive, beginning with this size. A client that sent a
     * whole large frame before gets more at first. */
    FIRST_FRAME_BYTES = 32 << 10,
    TRUSTED_FRAME_BYTES = 1 << 20,
    SMALL_FRAME = 16 << 10, /* has room while larger ones wait */
    /* Of one connection; then other connections are served. A request with a large answer takes
     * long. */
    REQUESTS_PER_TURN = 64,
    REPLY_BYTES_PER_TURN = 16 << 10,
    UNREAD_REPLY_BYTES = 64 << 20 /* unsent replies that pause reading */
};

static void drop_frame(struct connection *c)
{
    if (c->frame)
        c->shard->unfinished_bytes -= c->frame->size;
    shared_buffer_unref(c->frame);
    c->frame = NULL;
    c->size_filled = c->frame_filled = 0;
}

/* Keeps the input after the point where reading paused. */
static void keep_leftover(struct connection *c, const uint8_t *data, size_t size)
{
    ASSERT(c->paused && c->leftover.size == 0);
    c->shard->unfinished_bytes += size;
    c->leftover_since_ms = c->shard->now_ms;
    buffer_append(&c->leftover, data, size);
}

static void drop_leftover(struct connection *c, size_t size)
{
    ASSERT(size <= c->leftover.size && size <= c->shard->unfinished_bytes);
    c->shard->unfinished_bytes -= size;
    buffer_consume(&c->leftover, size);
    if (c->leftover.size == 0)
        buffer_free(&c->leftover);
}

void connection_drop_input(struct connection *c)
{
    drop_frame(c);
    drop_leftover(c, c->leftover.size);
}

static bool had_its_turn(const struct connection *c)
{
    return c->turn == c->shard->turns &&
           (c->turn_requests >= REQUESTS_PER_TURN || c->unsent_bytes >= REPLY_BYTES_PER_TURN);
}

/* Whether it has enough requests and answers of its own: it may read more when some were sent. */
static bool has_enough(const struct connection *c)
{
    return c->blocked || c->unsent_bytes > UNREAD_REPLY_BYTES ||
           c->slot_count >= (size_t)c->shard->broker->settings->max_in_flight_requests ||
           (c->unsent_bytes > 0 && !connection_has_unsent_share(c));
}

static bool may_read_more(const struct connection *c)
{
    const struct shard *shard = c->shard;
    return !had_its_turn(c) && !has_enough(c) &&
           shard->in_flight_bytes < (size_t)shard->broker->settings->max_in_flight_bytes &&
           store_accepts(shard->store);
}

/* Whether the transport holds bytes already: no event announces them. */
static bool has_pending(const struct connection *c)
{
    return c->transport->ops->pending(c->transport);
}

/* Unfinished frames share a limited memory of their own, so that they stop only other large frames.
 * Half of it is for new frames, half for growth. A frame that holds most of the used memory may
 * always grow, because otherwise no frame could. This takes at most twice the size of the largest
 * request, and small frames have room beyond it. */
static size_t unfinished_limit(const struct connection *c)
{
    return (size_t)c->shard->broker->settings->max_in_flight_bytes;
}

static bool is_crowded(const struct connection *c)
{
    return c->shard->unfinished_bytes >= unfinished_limit(c) / 2;
}

/* Without its own leftover, which only moves. */
static size_t unfinished_bytes(const struct connection *c)
{
    return c->shard->unfinished_bytes - c->leftover.size;
}

static bool may_begin(const struct connection *c)
{
    size_t largest = (size_t)c->shard->broker->settings->max_request_bytes;
    size_t limit =
        c->frame_size <= SMALL_FRAME ? unfinished_limit(c) + 2 * largest : unfinished_limit(c) / 2;
    return unfinished_bytes(c) < limit;
}

static size_t grown_size(const struct connection *c)
{
    return MIN(c->frame_size, c->frame->size * 2);
}

static bool may_grow(const struct connection *c)
{
    size_t unfinished = unfinished_bytes(c);
    return unfinished + grown_size(c) - c->frame->size <= unfinished_limit(c) ||
           c->frame->size >= unfinished / 2;
}

static bool frame_is_full(const struct connection *c)
{
    return c->frame && c->frame_filled == c->frame->size;
}

/* Whether there is room for the next byte. */
static bool may_go_on(const struct connection *c)
{
    if (c->frame)
        return !frame_is_full(c) || may_grow(c);
    if (c->size_filled == sizeof c->size_bytes)
        return may_begin(c);
    return c->size_filled > 0 || may_read_more(c);
}

/* The list on which it waits for its next turn, or NULL when an event will bring it back. A
 * connection that has enough comes back when its replies were sent. A connection that waits for
 * room is on the shard's list. */
static struct list *list_to_wait_on(const struct connection *c)
{
    if (!c->paused)
        return !c->doomed && has_pending(c) ? &c->shard->ready_connections : NULL;
    if (has_enough(c))
        return NULL;
    bool next_turn = had_its_turn(c) || may_go_on(c);
    return next_turn ? &c->shard->ready_connections : &c->shard->paused_connections;
}

void connection_wait_for_turn(struct connection *c)
{
    struct list *list = list_contains(&c->turn_node) ? NULL : list_to_wait_on(c);
    if (list)
        list_append(list, &c->turn_node);
}

static bool read_size(struct connection *c)
{
    int32_t size = (int32_t)load_be32(c->size_bytes);
    if (size < 8 || size > c->shard->broker->settings->max_request_bytes) {
        trace_log(c->shard->env->trace, TRACE_DEBUG, "connection closed: invalid frame size",
                  F_INT("size_bytes", size), F_STRING("client", c->host));
        return false;
    }
    c->frame_size = (size_t)size;
    return true;
}

/* `head` is the part of the frame that has arrived. */
static bool begin_frame(struct connection *c, struct bytes head)
{
    size_t first = c->large_frames ? TRUSTED_FRAME_BYTES : FIRST_FRAME_BYTES;
    c->frame_filled = 0;
    int phase = c->large_frames ? frame_phase(c->shard, head) : BUFFER_ANYWHERE;
    c->frame = shared_buffer_create_in(c->shard->frames, MIN(c->frame_size, first), phase);
    if (c->frame == NULL)
        return false;
    c->shard->unfinished_bytes += c->frame->size;
    c->frame_grown_ms = c->shard->now_ms;
    return true;
}

static bool grow_frame(struct connection *c)
{
    ASSERT(c->frame_filled == c->frame->size && c->frame->size < c->frame_size);
    struct shared_buffer *larger =
        shared_buffer_create_in(c->shard->frames, grown_size(c), BUFFER_ANYWHERE);
    if (larger == NULL)
        return false;
    memcpy(larger->data, c->frame->data, c->frame_filled);
    c->shard->unfinished_bytes += larger->size - c->frame->size;
    c->frame_grown_ms = c->shard->now_ms;
    shared_buffer_unref(c->frame);
    c->frame = larger;
    return true;
}

static void finish_frame(struct connection *c)
{
    struct shared_buffer *frame = c->frame;
    ASSERT(frame->size == c->frame_size && c->frame_filled == c->frame_size);
    c->shard->unfinished_bytes -= frame->size;
    c->frame = NULL;
    c->size_filled = 0;
    c->large_frames = c->frame_size >= LARGE_FRAME;
    if (c->turn != c->shard->turns)
        c->turn_requests = 0;
    c->turn = c->shard->turns;
    c->turn_requests++;
    dispatch(c->shard, &c->source, frame);
}

/* Makes room for the next bytes of the frame, which may_go_on allowed. */
static bool make_room(struct connection *c, struct bytes coming)
{
    if (c->frame == NULL)
        return begin_frame(c, coming);
    return !frame_is_full(c) || grow_frame(c);
}

/* Takes bytes of input. Returns how many it used (less than size only when reading pauses), or -1
 * when the connection must end. */
static ssize_t take_input(struct connection *c, const uint8_t *data, size_t size)
{
    size_t used = 0;
    while (used < size && !c->doomed) {
        if (!may_go_on(c)) {
            c->paused = true;
            break;
        }
        if (c->size_filled < sizeof c->size_bytes) {
            c->size_bytes[c->size_filled++] = data[used++];
            if (c->size_filled == sizeof c->size_bytes && !read_size(c))
                return -1;
            continue;
        }
        if (!make_room(c, bytes_of(data + used, size - used)))
            return -1;
        size_t part = MIN(size - used, c->frame->size - c->frame_filled);
        memcpy(c->frame->data + c->frame_filled, data + used, part);
        c->frame_filled += part;
        used += part;
        if (c->frame_filled == c->frame_size)
            finish_frame(c);
    }
    return (ssize_t)(c->doomed ? size : used);
}

/* Reads the rest of a large frame directly into its own memory. */
static ssize_t read_into_frame(struct connection *c, bool *drained)
{
    if (!make_room(c, BYTES_NULL))
        return TRANSPORT_CLOSED;
    size_t room = c->frame->size - c->frame_filled;
    ssize_t got = c->transport->ops->read(c->transport, c->frame->data + c->frame_filled, room);
    if (got <= 0)
        return got;
    *drained = (size_t)got < room;
    c->frame_filled += (size_t)got;
    if (c->frame_filled == c->frame_size)
        finish_frame(c);
    return got;
}

static size_t rest_of_frame(const struct connection *c)
{
    if (c->size_filled < sizeof c->size_bytes)
        return sizeof c->size_bytes - c->size_filled;
    return c->frame_size - (c->frame ? c->frame_filled : 0);
}

/* Reads once: large frames directly into their own memory, the rest through the shard's buffer.
 * *drained: fewer bytes came than there was room for. */
static ssize_t read_once(struct connection *c, bool *drained)
{
    if (c->frame && c->frame_size - c->frame_filled >= (c->large_frames ? 1 : LARGE_FRAME))
        return read_into_frame(c, drained);
    /* After a large frame probably comes another: copying more than its head is not worth it. And
     * while there is no room for frames, nothing should be left over. */
    size_t room = c->large_frames ? (size_t)HEAD_READ : (size_t)READ_BUFFER_SIZE;
    if (is_crowded(c))
        room = MIN(room, rest_of_frame(c));
    ssize_t got = c->transport->ops->read(c->transport, c->shard->read_buffer, room);
    if (got <= 0)
        return got;
    *drained = (size_t)got < room;
    ssize_t used = take_input(c, c->shard->read_buffer, (size_t)got);
    if (used < 0)
        return TRANSPORT_CLOSED;
    if (used < got)
        keep_leftover(c, c->shard->read_buffer + used, (size_t)(got - used));
    return got;
}

bool connection_read_input(struct connection *c)
{
    c->last_active_ms = c->shard->now_ms;
    for (int i = 0; i < READS_AT_ONCE && !c->paused && !c->doomed; i++) {
        if (!may_go_on(c)) {
            c->paused = true; /* unread input costs nothing */
            return true;
        }
        bool drained = false;
        ssize_t got = read_once(c, &drained);
        if (got == TRANSPORT_AGAIN)
            return true;
        if (got <= 0)
            return false;
        if (drained && !has_pending(c))
            return true;
    }
    return true;
}

/* Continues with input that was read already. */
static bool resume_leftover(struct connection *c)
{
    if (!c->paused || !may_go_on(c))
        return true;
    c->paused = false;
    ssize_t used = take_input(c, c->leftover.data, c->leftover.size);
    if (used < 0)
        return false;
    drop_leftover(c, (size_t)used);
    return true;
}

bool connection_resume_input(struct connection *c)
{
    if (!resume_leftover(c))
        return false;
    return c->paused || c->doomed || !has_pending(c) || connection_read_input(c);
}

/* A frame that at least doubles within STALE_MS makes progress. */
bool connection_is_stuck(const struct connection *c)
{
    const struct shard *shard = c->shard;
    if (list_is_empty(&shard->paused_connections) || !is_crowded(c))
        return false;
    return (c->frame && shard->now_ms - c->frame_grown_ms > STALE_MS) ||
           (c->leftover.size > 0 && has_enough(c) &&
            shard->now_ms - c->leftover_since_ms > STALE_MS);
}
