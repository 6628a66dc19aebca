#include "storage/segment.h"

#include "base/crc32c.h"

#include <stdlib.h>

enum { SCAN_CHUNK = 64 << 10, DIRECT_CHUNK = 256 << 10, CRC_FROM = 21 };

/* --- the walk --- */

static struct segment_scan scan_from(const struct segment_view *view, struct segment_place from)
{
    return (struct segment_scan){
        .file = view->file,
        .position = from.position,
        .end = view->size,
        .next_offset = from.offset,
        .limit = view->next_offset,
        .sparse = view->sparse,
    };
}

void segment_scan_init(struct segment_scan *scan, const struct segment_view *view,
                       struct segment_place from)
{
    *scan = scan_from(view, from);
    scan->own = xmalloc(SCAN_CHUNK);
    scan->chunk = scan->own;
}

void segment_scan_init_direct(struct segment_scan *scan, const struct segment_view *view,
                              struct segment_place from)
{
    struct io *io = view->file->io;
    segment_scan_init(scan, view, from);
    if (io->ops->open_again(io, view->file->file, &scan->direct) != ERR_OK)
        return; /* through the page cache, then */
    free(scan->own);
    scan->own = aligned_alloc(IO_ALIGNMENT, DIRECT_CHUNK);
    ASSERT(scan->own != NULL);
    scan->chunk = scan->own;
}

void segment_scan_init_over(struct segment_scan *scan, const struct segment_view *view,
                            struct segment_place from, struct bytes bytes)
{
    *scan = scan_from(view, from);
    scan->chunk = bytes.data;
    scan->chunk_position = from.position;
    scan->chunk_size = bytes.size;
}

void segment_scan_free(struct segment_scan *scan)
{
    if (scan->direct)
        scan->file->io->ops->close(scan->file->io, scan->direct);
    free(scan->own);
    scan->direct = NULL;
    scan->own = NULL;
    scan->chunk = NULL;
}

/* Reads from a position that is aligned, or before it, as direct I/O wants it. */
static enum error read_chunk(struct segment_scan *scan, int64_t position)
{
    struct io *io = scan->file->io;
    int64_t from = scan->direct ? position / IO_ALIGNMENT * IO_ALIGNMENT : position;
    size_t want = scan->direct ? DIRECT_CHUNK : (size_t)MIN((int64_t)SCAN_CHUNK, scan->end - from);
    size_t got;
    scan->chunk_size = 0;
    enum error error = io->ops->read(io, scan->direct ? scan->direct : scan->file->file, scan->own,
                                     want, from, &got);
    if (error == ERR_UNSUPPORTED && scan->direct) {
        io->ops->close(io, scan->direct);
        scan->direct = NULL;
        return read_chunk(scan, position);
    }
    if (error != ERR_OK)
        return error;
    scan->chunk_position = from;
    scan->chunk_size = MIN(got, (size_t)(scan->end - from));
    return ERR_OK;
}

/* The bytes of the chunk from `position` on. Reads a new chunk if they are fewer than `need`. At
 * the end of the segment there may be fewer. */
static struct bytes chunk_at(struct segment_scan *scan, int64_t position, size_t need)
{
    int64_t inside = position - scan->chunk_position;
    if (inside < 0 || inside + (int64_t)need > (int64_t)scan->chunk_size) {
        scan->error = read_chunk(scan, position);
        if (scan->error != ERR_OK)
            return BYTES_NULL;
        inside = MIN(position - scan->chunk_position, (int64_t)scan->chunk_size);
    }
    return bytes_of(scan->chunk + inside, scan->chunk_size - (size_t)inside);
}

/* The checksum does not cover base offset and leader epoch, so they are compared with the expected
 * ones. */
static bool offsets_are_right(const struct segment_scan *scan)
{
    const struct batch_header *h = &scan->header;
    if (h->last_offset_delta < 0 || h->leader_epoch != SEGMENT_LEADER_EPOCH)
        return false;
    if (scan->sparse)
        return h->base_offset >= scan->next_offset &&
               h->base_offset < scan->limit - h->last_offset_delta;
    return h->base_offset == scan->next_offset;
}

/* Whether `size` bytes from the next batch on may be read. */
static bool is_at_hand(const struct segment_scan *scan, size_t size)
{
    int64_t end = scan->chunk_position + (int64_t)scan->chunk_size;
    return scan->own || (int64_t)size <= end - scan->position;
}

bool segment_scan_next(struct segment_scan *scan)
{
    if (scan->error != ERR_OK || scan->position == scan->end ||
        !is_at_hand(scan, BATCH_HEADER_SIZE))
        return false;
    struct bytes at = chunk_at(scan, scan->position, BATCH_HEADER_SIZE);
    if (scan->error != ERR_OK)
        return false;
    size_t size = batch_size(at);
    if (!batch_header_read(at, &scan->header) || size == 0 ||
        (int64_t)size > scan->end - scan->position || scan->header.magic != BATCH_MAGIC ||
        !offsets_are_right(scan)) {
        scan->error = ERR_CORRUPT;
        return false;
    }
    if (!is_at_hand(scan, size))
        return false;
    scan->batch_position = scan->position;
    scan->batch_size = size;
    scan->position += (int64_t)size;
    scan->next_offset = batch_last_offset(&scan->header) + 1;
    return true;
}

/* Reads the present batch once: compares its checksum, and copies it to `copy` unless NULL. */
static enum error pass_batch(struct segment_scan *scan, uint8_t *copy)
{
    uint32_t crc = 0;
    for (size_t done = 0; done < scan->batch_size;) {
        struct bytes at = chunk_at(scan, scan->batch_position + (int64_t)done, 1);
        size_t size = MIN(at.size, scan->batch_size - done);
        if (size == 0)
            return scan->error != ERR_OK ? scan->error : ERR_CORRUPT;
        if (copy)
            memcpy(copy + done, at.data, size);
        size_t skip = done >= CRC_FROM ? 0 : MIN(CRC_FROM - done, size);
        crc = crc32c(crc, at.data + skip, size - skip);
        done += size;
    }
    return crc == scan->header.crc ? ERR_OK : ERR_CORRUPT;
}

enum error segment_scan_check(struct segment_scan *scan)
{
    return pass_batch(scan, NULL);
}

enum error segment_scan_read(struct segment_scan *scan, struct buffer *out)
{
    uint8_t *copy = buffer_reserve(out, scan->batch_size);
    if (copy == NULL)
        return ERR_TOO_LARGE;
    enum error error = pass_batch(scan, copy);
    if (error == ERR_OK)
        out->size += scan->batch_size;
    return error;
}

/* --- the summary --- */

void segment_summary_init(struct segment_summary *s)
{
    *s = (struct segment_summary){
        .first_timestamp = SEGMENT_NO_TIMESTAMP,
        .max_timestamp = SEGMENT_NO_TIMESTAMP,
        .max_timestamp_offset = -1,
        .time_index_last = -1,
    };
}

void segment_summary_add(struct segment_summary *s, int64_t max_timestamp, int64_t last_offset)
{
    if (s->first_timestamp == SEGMENT_NO_TIMESTAMP)
        s->first_timestamp = max_timestamp;
    if (max_timestamp > s->max_timestamp) {
        s->max_timestamp = max_timestamp;
        s->max_timestamp_offset = last_offset;
    }
}
