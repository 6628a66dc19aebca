#include "storage/segment_writer.h"

#include <stdlib.h>

enum { WRITER_BUFFER = 1 << 20 };

enum error segment_writer_open(struct segment_writer *w, struct segment_file *file,
                               const char *directory, int64_t base_offset, int64_t position)
{
    size_t inside = (size_t)position % IO_ALIGNMENT;
    *w = (struct segment_writer){
        .io = file->io, .cached = file->file, .from = inside, .to = inside, .position = position};
    w->buffer = aligned_alloc(IO_ALIGNMENT, WRITER_BUFFER);
    ASSERT(w->buffer != NULL);
    char *path = segment_path(directory, base_offset, SEGMENT_LOG);
    enum error error = w->io->ops->open(w->io, path, IO_WRITE | IO_UNCACHED, &w->direct);
    free(path);
    if (error != ERR_OK)
        w->direct = NULL;
    return error == ERR_UNSUPPORTED ? ERR_OK : error;
}

/* Writes the next `size` bytes; whole blocks unless `cached`. */
static enum error write_part(struct segment_writer *w, size_t size, bool cached)
{
    if (size == 0)
        return ERR_OK;
    enum error error = ERR_UNSUPPORTED;
    if (!cached && w->direct)
        error = io_write(w->io, w->direct, w->buffer + w->from, size, w->position);
    if (error == ERR_UNSUPPORTED)
        error = io_write(w->io, w->cached, w->buffer + w->from, size, w->position);
    w->from += size;
    w->position += (int64_t)size;
    return error;
}

/* Writes what has been gathered. */
static enum error empty(struct segment_writer *w)
{
    size_t before = (IO_ALIGNMENT - w->from % IO_ALIGNMENT) % IO_ALIGNMENT;
    enum error error = write_part(w, MIN(before, w->to - w->from), true);
    size_t behind = (w->to - w->from) % IO_ALIGNMENT;
    if (error == ERR_OK)
        error = write_part(w, w->to - w->from - behind, false);
    if (error == ERR_OK)
        error = write_part(w, behind, true);
    w->from = w->to = (size_t)w->position % IO_ALIGNMENT;
    return error;
}

enum error segment_writer_add(struct segment_writer *w, struct bytes bytes)
{
    for (size_t done = 0; done < bytes.size;) {
        size_t part = MIN(bytes.size - done, WRITER_BUFFER - w->to);
        memcpy(w->buffer + w->to, bytes.data + done, part);
        w->to += part;
        done += part;
        if (w->to < WRITER_BUFFER)
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
