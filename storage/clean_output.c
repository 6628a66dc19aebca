#include "storage/clean_output.h"

#include "storage/offset_index.h"
#include "storage/time_index.h"

#include <stdlib.h>

enum {
    INDEX_MAX = 64 << 20, /* of one file in memory; Kafka's largest default is 10 MiB */
    SYNC_BYTES = 8 << 20, /* written between two syncs, so that a checkpoint waits for few */
    PIECE_MAX = 4 << 20,  /* of one write: a larger one is not faster, and the journal waits */
};

struct clean_output {
    struct io *io;
    const char *directory;
    struct clean_output_config config;
    int64_t *bases;
    size_t count;
    struct io_file *file;   /* of the last segment, or NULL */
    struct io_file *direct; /* the same, past the page cache; NULL: refused, or small pieces */
    int64_t position, unsynced, since_index;
    int64_t written;  /* bytes in the file; the piece has those up to `position` */
    uint8_t *piece;   /* aligned */
    size_t used, max; /* bytes of the piece */
    struct buffer offsets, times;
    struct segment_summary summary;
};

static void begin_segment(struct clean_output *o, int64_t base_offset)
{
    o->bases = xrealloc(o->bases, (o->count + 1) * sizeof o->bases[0]);
    o->bases[o->count++] = base_offset;
    o->position = o->written = o->unsynced = o->since_index = 0;
    buffer_clear(&o->offsets);
    buffer_clear(&o->times);
    segment_summary_init(&o->summary);
}

struct clean_output *clean_output_create(struct io *io, const char *directory, int64_t base_offset,
                                         const struct clean_output_config *config)
{
    struct clean_output *o = xcalloc(1, sizeof *o);
    o->io = io;
    o->directory = directory;
    o->config = *config;
    o->max = MIN(config->buffer_bytes, (size_t)PIECE_MAX);
    if (o->max >= IO_ALIGNMENT)
        o->max -= o->max % IO_ALIGNMENT;
    o->piece = aligned_alloc(IO_ALIGNMENT, (o->max + IO_ALIGNMENT) / IO_ALIGNMENT * IO_ALIGNMENT);
    ASSERT(o->max > 0 && o->piece != NULL);
    buffer_init(&o->offsets, INDEX_MAX);
    buffer_init(&o->times, INDEX_MAX);
    begin_segment(o, base_offset);
    return o;
}

static void close_file(struct clean_output *o)
{
    if (o->file)
        o->io->ops->close(o->io, o->file);
    if (o->direct)
        o->io->ops->close(o->io, o->direct);
    o->file = o->direct = NULL;
}

void clean_output_free(struct clean_output *o)
{
    if (o == NULL)
        return;
    close_file(o);
    free(o->piece);
    buffer_free(&o->offsets);
    buffer_free(&o->times);
    free(o->bases);
    free(o);
}

/* --- files --- */

/* Makes a file, or empties one that an earlier attempt has left. */
static enum error make_file(struct clean_output *o, enum segment_part part, struct io_file **out)
{
    char *path = segment_swap_path(o->directory, o->bases[o->count - 1], part);
    enum error error = o->io->ops->open(o->io, path, IO_READ | IO_WRITE | IO_CREATE, out);
    free(path);
    if (error != ERR_OK)
        return error;
    error = o->io->ops->truncate(o->io, *out, 0);
    if (error != ERR_OK) {
        o->io->ops->close(o->io, *out);
        *out = NULL;
    }
    return error;
}

/* The pages of buffered writes would go to the disk in one burst, at the sync, and the journal's
 * writes would wait for all of them. */
static enum error open_segment(struct clean_output *o)
{
    enum error error = make_file(o, SEGMENT_LOG, &o->file);
    if (error != ERR_OK || o->max < IO_ALIGNMENT)
        return error;
    char *path = segment_swap_path(o->directory, o->bases[o->count - 1], SEGMENT_LOG);
    error = o->io->ops->open(o->io, path, IO_WRITE | IO_UNCACHED, &o->direct);
    free(path);
    if (error != ERR_OK)
        o->direct = NULL;
    return error == ERR_UNSUPPORTED ? ERR_OK : error;
}

/* The rest of the disk is for the journal and for checkpoints. */
static enum error disk_has_room(const struct clean_output *o, size_t size)
{
    int64_t room;
    enum error error = o->io->ops->free_bytes(o->io, o->directory, &room);
    if (error != ERR_OK)
        return error;
    return room - (int64_t)size < o->config.min_free_bytes ? ERR_NO_SPACE : ERR_OK;
}

/* Whole blocks go past the page cache. A segment's last bytes go through it. */
static enum error write_bytes(struct clean_output *o, const uint8_t *at, size_t size)
{
    enum error error = ERR_UNSUPPORTED;
    if (size == 0)
        return ERR_OK;
    if (o->direct && size % IO_ALIGNMENT == 0)
        error = io_write(o->io, o->direct, at, size, o->written);
    if (error == ERR_UNSUPPORTED)
        error = io_write(o->io, o->file, at, size, o->written);
    o->written += (int64_t)size;
    return error;
}

static enum error write_piece(struct clean_output *o, size_t *written)
{
    size_t size = o->used, edge = o->max < IO_ALIGNMENT ? 0 : size % IO_ALIGNMENT;
    enum error error = disk_has_room(o, size);
    if (error == ERR_OK && o->file == NULL)
        error = open_segment(o);
    if (error == ERR_OK)
        error = write_bytes(o, o->piece, size - edge);
    if (error == ERR_OK)
        error = write_bytes(o, o->piece + size - edge, edge);
    o->used = 0;
    o->unsynced += (int64_t)size;
    if (error == ERR_OK && o->unsynced >= SYNC_BYTES) {
        error = io_sync(o->io, o->file);
        o->unsynced = 0;
    }
    *written += size;
    return error;
}

static enum error write_index(struct clean_output *o, enum segment_part part,
                              const struct buffer *entries)
{
    struct io_file *file;
    if (entries->overflowed)
        return ERR_TOO_LARGE;
    enum error error = make_file(o, part, &file);
    if (error != ERR_OK)
        return error;
    if (entries->size > 0)
        error = io_write(o->io, file, entries->data, entries->size, 0);
    if (error == ERR_OK)
        error = io_sync(o->io, file);
    o->io->ops->close(o->io, file);
    return error;
}

static void add_time_entry(struct clean_output *o)
{
    struct segment_summary *s = &o->summary;
    if (s->max_timestamp <= s->time_index_last)
        return;
    s->time_index_last = s->max_timestamp;
    time_index_append(&o->times, o->bases[o->count - 1],
                      (struct time_index_entry){s->max_timestamp, s->max_timestamp_offset});
}

static enum error end_segment(struct clean_output *o, size_t *written)
{
    add_time_entry(o);
    enum error error = write_piece(o, written);
    if (error == ERR_OK)
        error = io_sync(o->io, o->file);
    close_file(o);
    if (error == ERR_OK)
        error = write_index(o, SEGMENT_INDEX, &o->offsets);
    if (error == ERR_OK)
        error = write_index(o, SEGMENT_TIME_INDEX, &o->times);
    return error;
}

/* --- batches --- */

static enum error append(struct clean_output *o, struct bytes batch, size_t *written)
{
    enum error error = ERR_OK;
    for (size_t done = 0; done < batch.size && error == ERR_OK;) {
        size_t part = MIN(batch.size - done, o->max - o->used);
        memcpy(o->piece + o->used, batch.data + done, part);
        o->used += part;
        done += part;
        if (o->used == o->max)
            error = write_piece(o, written);
    }
    return error;
}

enum error clean_output_add(struct clean_output *o, struct bytes batch, size_t *written)
{
    struct batch_header h;
    enum error error = ERR_OK;
    *written = 0;
    if (!batch_header_read(batch, &h))
        return ERR_CORRUPT;
    if (o->position > 0 && o->position + (int64_t)batch.size > o->config.segment_bytes) {
        error = end_segment(o, written);
        begin_segment(o, h.base_offset);
    }
    if (error != ERR_OK)
        return error;
    int64_t last_offset = batch_last_offset(&h), base = o->bases[o->count - 1];
    segment_summary_add(&o->summary, h.max_timestamp, last_offset);
    if (o->since_index > o->config.index_interval_bytes) {
        offset_index_append(&o->offsets, base,
                            (struct offset_index_entry){last_offset, o->position});
        add_time_entry(o);
        o->since_index = 0;
    }
    o->since_index += (int64_t)batch.size;
    o->position += (int64_t)batch.size;
    return append(o, batch, written);
}

enum error clean_output_end(struct clean_output *o, size_t *written)
{
    *written = 0;
    enum error error = end_segment(o, written);
    return error == ERR_OK ? io_sync_directory(o->io, o->directory) : error;
}

const int64_t *clean_output_bases(const struct clean_output *o, size_t *count)
{
    *count = o->count;
    return o->bases;
}
