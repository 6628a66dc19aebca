/* From replies to bytes, in the order of the requests. */
#include "broker/connection/connection_internal.h"
#include "storage/log_slice.h"

enum { PARTS = 64 }; /* iovecs in one write */

/* The next part of a reply on the wire: memory, or a range of a file. False at the end. */
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

/* Moves past `size` bytes of the part that next_part gave. */
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

/* Collects parts in memory from the first replies of the queue, as many finished replies as fit. */
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

void connection_remove_slot(struct connection *c, struct request *request)
{
    ASSERT(request->done);
    ASSERT(c->unsent_bytes >= request->reply_bytes && c->shard->unsent_bytes >= c->unsent_bytes);
    list_remove(&request->slot);
    c->slot_count--;
    c->unsent_bytes -= request->reply_bytes;
    c->shard->unsent_bytes -= request->reply_bytes;
    request_free(request);
}

/* Notes sent bytes and frees replies that were sent completely. */
static void sent(struct connection *c, size_t size)
{
    struct request *request;
    while ((request = first_slot(c)) && request->done && !request->closes) {
        struct slice_piece part;
        if (!next_part(request, &c->cursor, &part)) {
            c->cursor = (struct send_cursor){0};
            connection_remove_slot(c, request);
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

/* Whether the first reply of the queue ends the connection. */
static bool is_at_its_end(struct connection *c)
{
    const struct request *first = first_slot(c);
    return first && first->done && first->closes;
}

bool connection_send_replies(struct connection *c)
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
        c->blocked = done == TRANSPORT_AGAIN;
        if (c->blocked)
            return true;
        if (done <= 0)
            return false;
        c->last_active_ms = c->shard->now_ms;
        sent(c, (size_t)done);
    }
    c->blocked = false;
    return !is_at_its_end(c);
}
