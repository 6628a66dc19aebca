#include "storage/segment_writer.h"

#include <stdlib.h>

enum {
    WRITER_BUFFER = 1 << 20,
    WAITING_MAX = 512 << 10, /* of one write: the journal must not wait for a larger one */
    IN_PLACE_MIN = 4 * IO_ALIGNMENT,
};

enum error segment_writer_open(struct segment_writer *w, struct segment_file *file,
                               const char *directory, int64_t base_offset, int64_t position)
{
    *w = (struct segment_writer){.io = file->io,
                                 .cached = file->file,
                                 .position = position,
                                 .to = (size_t)position % IO_ALIGNMENT};
    w->buffer = aligned_alloc(IO_ALIGNMENT, WRITER_BUFFER);
    ASSERT(w->buffer != NULL);
    char *path = segment_path(directory, base_offset, SEGMENT_LOG);
    enum error error = w->io->ops->open(w->io, path, IO_WRITE | IO_UNCACHED, &w->direct);
    free(path);
    if (error != ERR_OK)
        w->direct = NULL;
    return error == ERR_UNSUPPORTED ? ERR_OK : error;
}

/* --- writing --- */

static enum error write_parts(struct segment_writer *w, const struct iovec *parts, int count,
                              size_t size, bool cached)
{
    if (size == 0)
        return ERR_OK;
    enum error error = ERR_UNSUPPORTED;
    if (!cached && w->direct)
        error = w->io->ops->write(w->io, w->direct, parts, count, w->position);
    if (error == ERR_UNSUPPORTED)
        error = w->io->ops->write(w->io, w->cached, parts, count, w->position);
    w->position += (int64_t)size;
    return error;
}

/* Writes the bytes outside whole blocks. They are always in the buffer: only its parts may have
 * less than a block. */
static enum error write_edge(struct segment_writer *w, void *at, size_t size)
{
    struct iovec part = {at, size};
    return write_parts(w, &part, 1, size, true);
}

/* Writes all gathered bytes. */
static enum error empty(struct segment_writer *w)
{
    if (w->waiting == 0)
        return ERR_OK;
    size_t before = (size_t)-w->position % IO_ALIGNMENT;
    before = MIN(before, w->waiting);
    size_t behind = (w->waiting - before) % IO_ALIGNMENT;
    struct iovec *first = &w->parts[0], *last = &w->parts[w->count - 1];
    ASSERT(before <= first->iov_len && behind <= last->iov_len);
    enum error error = write_edge(w, first->iov_base, before);
    first->iov_base = (uint8_t *)first->iov_base + before;
    first->iov_len -= before;
    last->iov_len -= behind;
    if (error == ERR_OK)
        error = write_parts(w, w->parts, w->count, w->waiting - before - behind, false);
    if (error == ERR_OK)
        error = write_edge(w, (uint8_t *)last->iov_base + last->iov_len, behind);
    w->count = 0;
    w->waiting = 0;
    w->to = (size_t)w->position % IO_ALIGNMENT;
    return error;
}

/* --- gathering --- */

static void push(struct segment_writer *w, const uint8_t *at, size_t size)
{
    struct iovec *last = w->count > 0 ? &w->parts[w->count - 1] : NULL;
    if (last && (const uint8_t *)last->iov_base + last->iov_len == at)
        last->iov_len += size;
    else
        w->parts[w->count++] = (struct iovec){(void *)(uintptr_t)at, size};
    w->waiting += size;
}

/* Takes some of the bytes and returns how many. */
static size_t take(struct segment_writer *w, const uint8_t *at, size_t size)
{
    size_t inside = w->to % IO_ALIGNMENT;
    bool in_place = w->direct && (uintptr_t)at % IO_ALIGNMENT == inside && size >= IN_PLACE_MIN;
    if (in_place && inside == 0) {
        size_t blocks = size / IO_ALIGNMENT * IO_ALIGNMENT;
        push(w, at, blocks);
        return blocks;
    }
    size_t part = MIN(size, (in_place ? IO_ALIGNMENT - inside : WRITER_BUFFER - w->to));
    memcpy(w->buffer + w->to, at, part);
    push(w, w->buffer + w->to, part);
    w->to += part;
    return part;
}

enum error segment_writer_add(struct segment_writer *w, struct bytes bytes)
{
    for (size_t done = 0; done < bytes.size;) {
        done += take(w, bytes.data + done, bytes.size - done);
        if (w->to < WRITER_BUFFER && w->waiting < WAITING_MAX && w->count < SEGMENT_WRITER_PARTS)
            continue;
        enum error error = empty(w);
        if (error != ERR_OK)
            return error;
    }
    return ERR_OK;
}

enum error segment_writer_end(struct segment_writer *w)
{
    return empty(w);
}

void segment_writer_close(struct segment_writer *w)
{
    if (w->direct)
        w->io->ops->close(w->io, w->direct);
    free(w->buffer);
}
