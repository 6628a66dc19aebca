#include "broker/connection.h"

#include "broker/broker.h"
#include "broker/frame_phase.h"
#include "broker/request.h"
#include "storage/log_slice.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    READS_PER_EVENT = 8,    /* so that one busy client does not starve the others */
    LARGE_FRAME = 64 << 10, /* is read into its own memory */
    HEAD_READ = 4096,
    /* A frame gets its memory as its bytes arrive, after this much. Who has sent a large one whole
     * is trusted with more. */
    FIRST_FRAME_BYTES = 32 << 10,
    TRUSTED_FRAME_BYTES = 1 << 20,
    SMALL_FRAME = 16 << 10, /* finds room when larger ones have to wait */
    /* Of one connection; then it is the others' turn. What has large answers takes long. */
    REQUESTS_PER_TURN = 64,
    REPLY_BYTES_PER_TURN = 16 << 10,
    PARTS = 64,       /* iovecs in one write */
    STALE_MS = 10000, /* what does not get on may hold memory so long when others wait for it */
    UNREAD_REPLY_BYTES = 64 << 20 /* unsent replies that pause reading */
};

/* Where sending the first reply of the queue stands. */
struct send_cursor {
    size_t position;  /* in the reply's buffer */
    size_t splice;    /* the next splice that was not sent whole */
    size_t piece, at; /* in that splice's slice */
};

struct connection {
    struct list_node node, turn_node;
    struct shard *shard;
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

struct connection *connection_of_node(struct list_node *node)
{
    return CONTAINER_OF(node, struct connection, node);
}

struct connection *connection_of_turn_node(struct list_node *node)
{
    return CONTAINER_OF(node, struct connection, turn_node);
}

static void update_wants(struct connection *c)
{
    if (c->transport)
        c->transport->ops->want(c->transport, !c->paused && !c->doomed, c->blocked);
}

struct connection *connection_create(struct shard *shard, struct transport *transport,
                                     const char *host)
{
    struct connection *c = xcalloc(1, sizeof *c);
    c->shard = shard;
    c->transport = transport;
    snprintf(c->host, sizeof c->host, "/%s", host);
    list_init(&c->slots);
    buffer_init(&c->leftover, READ_BUFFER_SIZE);
    c->last_active_ms = shard->now_ms;
    list_append(&shard->connections, &c->node);
    shard->connection_count++;
    update_wants(c);
    return c;
}

static void drop_frame(struct connection *c)
{
    if (c->frame)
        c->shard->unfinished_bytes -= c->frame->size;
    shared_buffer_unref(c->frame);
    c->frame = NULL;
    c->size_filled = c->frame_filled = 0;
}

/* Input behind the point where reading paused. */
static void keep_leftover(struct connection *c, const uint8_t *data, size_t size)
{
    c->shard->unfinished_bytes += size;
    c->leftover_since_ms = c->shard->now_ms;
    buffer_append(&c->leftover, data, size);
}

static void drop_leftover(struct connection *c, size_t size)
{
    c->shard->unfinished_bytes -= size;
    buffer_consume(&c->leftover, size);
    if (c->leftover.size == 0)
        buffer_free(&c->leftover);
}

/* Frees the connection once it is closed and no request refers to it. */
static void free_if_unused(struct connection *c)
{
    if (c->transport || c->slot_count > 0)
        return;
    list_remove(&c->turn_node);
    free(c);
}

static void remove_slot(struct connection *c, struct request *request)
{
    ASSERT(request->done);
    list_remove(&request->slot);
    c->slot_count--;
    c->unsent_bytes -= request->reply_bytes;
    c->shard->unsent_bytes -= request->reply_bytes;
    request_free(request);
}

void connection_close(struct connection *c)
{
    if (c->transport == NULL)
        return;
    c->transport->ops->close(c->transport);
    c->transport = NULL;
    drop_frame(c);
    drop_leftover(c, c->leftover.size);
    list_remove(&c->node);
    list_remove(&c->turn_node);
    c->shard->connection_count--;
    LIST_FOR_EACH_SAFE (node, &c->slots) {
        struct request *request = CONTAINER_OF(node, struct request, slot);
        if (request->done)
            remove_slot(c, request);
    }
    free_if_unused(c);
}

void connection_expect(struct connection *c, struct request *request)
{
    list_append(&c->slots, &request->slot);
    c->slot_count++;
    c->shard->in_flight_bytes += request->counted_bytes;
}

static void needs_turn(struct connection *c)
{
    if (c->transport == NULL)
        return;
    list_remove(&c->turn_node);
    list_append(&c->shard->ready_connections, &c->turn_node);
}

/* What was asked is not needed any more, however long the answer waits for its client. */
static void release_input(struct connection *c, struct request *request)
{
    c->shard->in_flight_bytes -= request->counted_bytes;
    request->counted_bytes = 0;
    request_release_input(request);
}

void connection_finished(struct connection *c, struct request *request)
{
    request->done = true;
    release_input(c, request);
    c->unsent_bytes += request->reply_bytes;
    c->shard->unsent_bytes += request->reply_bytes;
    if (c->transport == NULL) {
        remove_slot(c, request);
        free_if_unused(c);
        return;
    }
    if (request->closes)
        connection_stop_reading(c);
    needs_turn(c);
}

/* --- input --- */

/* While answers that clients do not read hold much memory, everybody has one at a time. */
static bool has_unsent_share(const struct connection *c)
{
    const struct shard *shard = c->shard;
    return shard->unsent_bytes < (size_t)shard->broker->settings->max_in_flight_bytes;
}

static bool had_its_turn(const struct connection *c)
{
    return c->turn == c->shard->turns &&
           (c->turn_requests >= REQUESTS_PER_TURN || c->unsent_bytes >= REPLY_BYTES_PER_TURN);
}

/* Of its own requests and answers: more when some have left. */
static bool has_enough(const struct connection *c)
{
    return c->blocked || c->unsent_bytes > UNREAD_REPLY_BYTES ||
           c->slot_count >= (size_t)c->shard->broker->settings->max_in_flight_requests ||
           (c->unsent_bytes > 0 && !has_unsent_share(c));
}

static bool may_read_more(const struct connection *c)
{
    const struct shard *shard = c->shard;
    return !had_its_turn(c) && !has_enough(c) &&
           shard->in_flight_bytes < (size_t)shard->broker->settings->max_in_flight_bytes &&
           store_accepts(shard->store);
}

/* Who has enough is looked at again when its replies leave; who had its turn, in the next one; who
 * waits for room is on the shard's list. */
static void wait_for_turn(struct connection *c)
{
    if (list_contains(&c->turn_node) || has_enough(c))
        return;
    list_append(had_its_turn(c) ? &c->shard->ready_connections : &c->shard->paused_connections,
                &c->turn_node);
}

/* Input stops here. */
static void pause_reading(struct connection *c)
{
    c->paused = true;
    wait_for_turn(c);
    update_wants(c);
}

/* Frames that are not whole yet share a limited memory of their own, so that unfinished ones stop
 * nothing but other large ones. Half of it is for frames to begin with, half for them to grow. One
 * that holds most of what is taken may always grow, or none would: that takes no more than two of
 * the largest requests, and small frames have room beyond it. */
static size_t unfinished_limit(const struct connection *c)
{
    return (size_t)c->shard->broker->settings->max_in_flight_bytes;
}

static bool is_crowded(const struct connection *c)
{
    return c->shard->unfinished_bytes >= unfinished_limit(c) / 2;
}

/* Without what it has left over itself: that only moves. */
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

/* Whether the next byte has a place. */
static bool may_go_on(const struct connection *c)
{
    if (c->frame)
        return !frame_is_full(c) || may_grow(c);
    if (c->size_filled == sizeof c->size_bytes)
        return may_begin(c);
    return c->size_filled > 0 || may_read_more(c);
}

static bool read_size(struct connection *c)
{
    int32_t size = (int32_t)load_be32(c->size_bytes);
    if (size < 8 || size > c->shard->broker->settings->max_request_bytes) {
        trace_log(c->shard->env->trace, TRACE_DEBUG, "connection closed by frame size",
                  F_INT("size_bytes", size), F_STRING("client", c->host));
        return false;
    }
    c->frame_size = (size_t)size;
    return true;
}

/* `head`: as much of the frame as has come. */
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
    c->shard->unfinished_bytes -= frame->size;
    c->frame = NULL;
    c->size_filled = 0;
    c->large_frames = c->frame_size >= LARGE_FRAME;
    if (c->turn != c->shard->turns)
        c->turn_requests = 0;
    c->turn = c->shard->turns;
    c->turn_requests++;
    dispatch(c->shard, c, frame, c->host);
}

/* Memory for the next bytes of the frame, which may_go_on allowed. */
static bool make_room(struct connection *c, struct bytes coming)
{
    if (c->frame == NULL)
        return begin_frame(c, coming);
    return !frame_is_full(c) || grow_frame(c);
}

/* Takes bytes of input; returns how many it used (less than size only when reading pauses), or -1
 * when the connection must end. */
static ssize_t take_input(struct connection *c, const uint8_t *data, size_t size)
{
    size_t used = 0;
    while (used < size && !c->doomed) {
        if (!may_go_on(c)) {
            pause_reading(c);
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

/* The rest of a large frame, straight into its own memory. */
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

/* Reads once: large frames straight into their own memory, the rest through the shard's buffer.
 * *drained: less came than there was room for. */
static ssize_t read_once(struct connection *c, bool *drained)
{
    if (c->frame && c->frame_size - c->frame_filled >= (c->large_frames ? 1 : LARGE_FRAME))
        return read_into_frame(c, drained);
    /* Behind a large frame comes another, most likely: no more than its head is worth a copy. And
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

void connection_readable(struct connection *c)
{
    c->last_active_ms = c->shard->now_ms;
    bool drained = false;
    for (int i = 0; i < READS_PER_EVENT && !drained && !c->paused && !c->doomed; i++) {
        if (!may_go_on(c)) {
            pause_reading(c); /* what is not read yet costs nothing */
            return;
        }
        ssize_t got = read_once(c, &drained);
        if (got == TRANSPORT_AGAIN)
            return;
        if (got <= 0) {
            connection_close(c);
            return;
        }
    }
}

/* Goes on with input that had to wait. False: the connection is closed. */
static bool resume_input(struct connection *c)
{
    if (!c->paused || !may_go_on(c))
        return true;
    c->paused = false;
    ssize_t used = take_input(c, c->leftover.data, c->leftover.size);
    if (used < 0) {
        connection_close(c);
        return false;
    }
    drop_leftover(c, (size_t)used);
    update_wants(c);
    return true;
}

/* --- output --- */

/* What follows in the wire form of a reply: memory, or a range of a file. False at the end. */
static bool next_part(const struct request *request, const struct send_cursor *cursor,
                      struct slice_piece *out)
{
    size_t limit = cursor->splice < request->splice_count
                       ? request->splices[cursor->splice].position
                       : request->reply.size;
    *out = (struct slice_piece){0};
    if (cursor->position < limit) {
        out->at = request->reply.data + cursor->position;
        out->size = limit - cursor->position;
        return true;
    }
    if (cursor->splice == request->splice_count)
        return false;
    const struct log_slice *slice = request->splices[cursor->splice].slice;
    *out = slice->pieces[cursor->piece];
    out->size -= cursor->at;
    if (out->buffer)
        out->at += cursor->at;
    else
        out->position += (int64_t)cursor->at;
    return true;
}

/* Moves behind `size` bytes of the part that next_part gave. */
static void advance(const struct request *request, struct send_cursor *cursor, size_t size)
{
    struct slice_piece part;
    bool there = next_part(request, cursor, &part);
    ASSERT(there && size <= part.size);
    if (part.buffer == NULL && part.file == NULL) {
        cursor->position += size;
        return;
    }
    cursor->at += size;
    if (size < part.size)
        return;
    const struct log_slice *slice = request->splices[cursor->splice].slice;
    cursor->at = 0;
    if (++cursor->piece == slice->piece_count) {
        cursor->piece = 0;
        cursor->splice++;
    }
}

static struct request *first_slot(struct connection *c)
{
    struct list_node *node = list_first(&c->slots);
    return node ? CONTAINER_OF(node, struct request, slot) : NULL;
}

/* Collects memory parts from the head of the queue on, over as many finished replies as fit. */
static int gather(struct connection *c, struct iovec *parts, struct slice_piece *file)
{
    int count = 0;
    struct send_cursor cursor = c->cursor;
    file->file = NULL;
    LIST_FOR_EACH (node, &c->slots) {
        struct request *request = CONTAINER_OF(node, struct request, slot);
        if (!request->done || request->closes)
            break;
        struct slice_piece part;
        while (next_part(request, &cursor, &part)) {
            if (part.file) {
                if (count == 0)
                    *file = part;
                return count;
            }
            if (count == PARTS)
                return count;
            parts[count++] = (struct iovec){(void *)(uintptr_t)part.at, part.size};
            advance(request, &cursor, part.size);
        }
        cursor = (struct send_cursor){0};
    }
    return count;
}

/* Takes note of sent bytes: frees replies that left whole. */
static void sent(struct connection *c, size_t size)
{
    struct request *request;
    while ((request = first_slot(c)) && request->done && !request->closes) {
        struct slice_piece part;
        if (!next_part(request, &c->cursor, &part)) {
            c->cursor = (struct send_cursor){0};
            remove_slot(c, request);
            continue;
        }
        if (size == 0)
            return;
        size_t now = MIN(size, part.size);
        advance(request, &c->cursor, now);
        size -= now;
    }
    ASSERT(size == 0);
}

/* A file without a descriptor (a simulated disk) is read and written. */
static ssize_t send_copy(struct connection *c, const struct slice_piece *part)
{
    size_t size = MIN(part->size, (size_t)READ_BUFFER_SIZE);
    struct io *io = c->shard->env->io;
    if (segment_file_read(io, part->file, c->shard->read_buffer, size, part->position) != ERR_OK)
        return TRANSPORT_CLOSED;
    struct iovec whole = {c->shard->read_buffer, size};
    return c->transport->ops->write(c->transport, &whole, 1);
}

static ssize_t send_file_part(struct connection *c, const struct slice_piece *part)
{
    int descriptor = segment_file_descriptor(c->shard->env->io, part->file);
    if (descriptor < 0)
        return send_copy(c, part);
    return c->transport->ops->send_file(c->transport, descriptor, part->position, part->size);
}

/* Sends what is ready. False: the connection is closed. */
static bool send_replies(struct connection *c)
{
    for (;;) {
        struct iovec parts[PARTS];
        struct slice_piece file;
        sent(c, 0); /* replies without bytes */
        int count = gather(c, parts, &file);
        if (count == 0 && file.file == NULL)
            break;
        ssize_t done =
            count ? c->transport->ops->write(c->transport, parts, count) : send_file_part(c, &file);
        if (done == TRANSPORT_AGAIN) {
            c->blocked = true;
            update_wants(c);
            return true;
        }
        if (done <= 0) {
            connection_close(c);
            return false;
        }
        c->last_active_ms = c->shard->now_ms;
        sent(c, (size_t)done);
    }
    if (c->blocked) {
        c->blocked = false;
        update_wants(c);
    }
    struct request *first = first_slot(c);
    if (first && first->done && first->closes) {
        connection_close(c);
        return false;
    }
    return true;
}

void connection_writable(struct connection *c)
{
    needs_turn(c);
}

void connection_turn(struct connection *c)
{
    if (!send_replies(c) || !resume_input(c))
        return;
    if (c->paused)
        wait_for_turn(c);
}

void connection_stop_reading(struct connection *c)
{
    c->doomed = true;
    update_wants(c);
}

/* It holds input that does not get on, through its own fault, and others wait for the memory. Whose
 * frame at least doubles in the time gets on. */
static bool is_stuck(const struct connection *c)
{
    const struct shard *shard = c->shard;
    if (list_is_empty(&shard->paused_connections) || !is_crowded(c))
        return false;
    return (c->frame && shard->now_ms - c->frame_grown_ms > STALE_MS) ||
           (c->leftover.size > 0 && has_enough(c) &&
            shard->now_ms - c->leftover_since_ms > STALE_MS);
}

void connection_check_idle(struct connection *c)
{
    const struct settings *s = c->shard->broker->settings;
    int64_t idle_ms = c->shard->now_ms - c->last_active_ms;
    bool over = s->connections_max_idle_ms >= 0 && idle_ms > s->connections_max_idle_ms;
    bool idle = over && c->slot_count == 0;
    bool unread = c->blocked && idle_ms > STALE_MS && (over || !has_unsent_share(c));
    if (idle || unread || is_stuck(c))
        connection_close(c);
}
