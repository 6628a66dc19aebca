#include "storage/read_piece.h"

#include <stdlib.h>

/* --- reading --- */

/* A buffer whose data is aligned for direct reads. NULL: there is no memory left. */
static struct shared_buffer *take_buffer(struct block_pool *pool, size_t size)
{
    size_t least = BLOCK_MIN; /* smaller ones do not come from the pool, and are not aligned */
    struct shared_buffer *buffer = shared_buffer_create_in(pool, MAX(size, least), 0);
    if (buffer == NULL || buffer->slab)
        return buffer;
    shared_buffer_unref(buffer);
    return NULL;
}

/* Fills the buffer from a position that is aligned. Returns the number of bytes, 0 after an error.
 */
static size_t fill(const struct segment_file *file, struct shared_buffer *buffer, int64_t position,
                   size_t size)
{
    struct io *io = file->io;
    struct io_file *direct;
    size_t got = 0;
    if (io->ops->open_again(io, file->file, &direct) != ERR_OK)
        return 0;
    if (io->ops->read(io, direct, buffer->data, size, position, &got) != ERR_OK)
        got = 0;
    io->ops->close(io, direct);
    return got;
}

static void add_mark(struct read_piece *piece, int64_t offset, size_t at)
{
    size_t step = READ_PIECE_MAX / PIECE_MARKS;
    if (piece->mark_count < PIECE_MARKS && at >= (size_t)piece->mark_count * step)
        piece->marks[piece->mark_count++] = (struct piece_mark){offset, at};
}

/* Takes the batches from the one with `offset` on into the piece, as far as they are whole and
 * right. */
static void take_batches(struct read_piece *piece, struct segment_scan *scan, int64_t offset,
                         const uint8_t *first_byte, int64_t position)
{
    while (segment_scan_next(scan)) {
        if (scan->next_offset <= offset)
            continue;
        if (segment_scan_check(scan) != ERR_OK)
            break;
        if (piece->batches.size == 0) {
            piece->batches.data = first_byte + (scan->batch_position - position);
            piece->position = scan->batch_position;
            piece->first_offset = MIN(offset, scan->header.base_offset);
        }
        add_mark(piece, scan->header.base_offset, piece->batches.size);
        piece->batches.size += scan->batch_size;
        piece->next_offset = scan->next_offset;
    }
}

struct read_piece *read_piece_read(struct block_pool *pool, const struct segment_view *view,
                                   struct segment_place place, int64_t offset, size_t size,
                                   bool *cached)
{
    struct segment_file *file = view->file;
    int64_t from = place.position / IO_ALIGNMENT * IO_ALIGNMENT;
    int64_t left = (view->size - from + IO_ALIGNMENT - 1) / IO_ALIGNMENT * IO_ALIGNMENT;
    size = (size_t)MIN(((int64_t)size + IO_ALIGNMENT - 1) / IO_ALIGNMENT * IO_ALIGNMENT, left);
    *cached = size > 0 && file->io->ops->is_cached(file->io, file->file, from, size);
    struct shared_buffer *buffer = size == 0 || *cached ? NULL : take_buffer(pool, size);
    if (buffer == NULL)
        return NULL;
    struct read_piece *piece = xcalloc(1, sizeof *piece);
    *piece = (struct read_piece){.buffer = buffer, .segment_base = view->base_offset};
    int64_t got = (int64_t)fill(file, buffer, from, size);
    got = MIN(got, view->size - from);
    int64_t skip = place.position - from;
    if (got > skip) {
        struct segment_scan scan;
        const uint8_t *first_byte = buffer->data + skip;
        segment_scan_init_over(&scan, view, place, bytes_of(first_byte, (size_t)(got - skip)));
        take_batches(piece, &scan, offset, first_byte, place.position);
        segment_scan_free(&scan);
    }
    piece->read_to = piece->first_offset;
    if (piece->batches.size > 0)
        return piece;
    read_piece_free(piece);
    return NULL;
}

void read_piece_free(struct read_piece *piece)
{
    if (piece == NULL)
        return;
    list_remove(&piece->in_pool);
    list_remove(&piece->in_log);
    shared_buffer_unref(piece->buffer);
    free(piece);
}

/* --- finding batches --- */

/* The place of a batch at or before the one with `offset`. */
static size_t near(const struct read_piece *piece, int64_t offset)
{
    int i = piece->mark_count - 1;
    while (i > 0 && piece->marks[i].offset > offset)
        i--;
    return piece->marks[i].at;
}

bool read_piece_find(const struct read_piece *piece, int64_t offset, int64_t end_offset,
                     size_t max_bytes, bool at_least_one, struct piece_range *out)
{
    struct batch_header header;
    *out = (struct piece_range){.from = near(piece, offset)};
    for (;;) {
        struct bytes left = bytes_from(piece->batches, out->from + out->size);
        if (!batch_header_read(left, &header))
            break;
        size_t size = batch_size(left);
        int64_t next_offset = batch_last_offset(&header) + 1;
        if (next_offset <= offset) {
            out->from += size;
            continue;
        }
        bool fits = size <= max_bytes && out->size <= max_bytes - size;
        if (next_offset > end_offset || !(fits || (out->size == 0 && at_least_one)))
            break;
        if (out->size == 0)
            out->first_offset = header.base_offset;
        out->size += size;
        out->next_offset = next_offset;
    }
    return out->size > 0;
}

struct slice_piece read_piece_memory(const struct read_piece *piece,
                                     const struct piece_range *range)
{
    return (struct slice_piece){.buffer = shared_buffer_ref(piece->buffer),
                                .at = piece->batches.data + range->from,
                                .size = range->size};
}
