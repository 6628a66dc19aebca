#include "client-tools/data/data_repair.h"

#include "base/crc32c.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCH_BYTES_MAX = 1 << 30 };

struct copy {
    struct segment_walk walk;
    const struct data_image *image;
    const struct data_segment *segment;
    struct io_file *file;
    int64_t size;
    enum error error;
};

static void write_bytes(struct copy *c, struct bytes bytes)
{
    struct io *io = c->image->env->io;
    if (c->error == ERR_OK)
        c->error = io_write(io, c->file, bytes.data, bytes.size, c->size);
    c->size += (int64_t)bytes.size;
}

static void copy_batch(struct segment_walk *walk, struct segment_scan *scan)
{
    struct copy *c = CONTAINER_OF(walk, struct copy, walk);
    struct buffer batch;
    buffer_init(&batch, BATCH_BYTES_MAX);
    if (c->error == ERR_OK)
        c->error = segment_scan_read(scan, &batch);
    if (c->error == ERR_OK)
        write_bytes(c, buffer_view(&batch));
    buffer_free(&batch);
}

/* An empty batch that covers the lost offsets. */
static void write_filler(struct segment_walk *walk, const struct damaged_range *range)
{
    struct copy *c = CONTAINER_OF(walk, struct copy, walk);
    uint8_t batch[BATCH_HEADER_SIZE];
    int64_t count = range->next_offset - range->first_offset;
    if (count <= 0)
        return;
    memset(batch, 0, sizeof batch);
    store_be64(batch, (uint64_t)range->first_offset);
    store_be32(batch + 8, sizeof batch - BATCH_OVERHEAD);
    batch[16] = BATCH_MAGIC;
    store_be32(batch + 23, (uint32_t)(count - 1));
    memset(batch + 27, 0xff, 30); /* no timestamps, no producer */
    store_be32(batch + 17, crc32c(0, batch + 21, sizeof batch - 21));
    write_bytes(c, bytes_of(batch, sizeof batch));
}

static const char *file_of(const struct data_image *image, const struct data_segment *s,
                           enum segment_part part)
{
    char *path = segment_path(s->directory, s->base_offset, part);
    const char *copy = arena_printf(image->arena, "%s", path);
    free(path);
    return copy;
}

static bool cannot(struct failure *f, const char *act, const char *path, const char *why)
{
    return fail(f, "CANNOT_WRITE", "cannot %s %s: %s", act, path, why);
}

/* Gives a file a second name that says what it is. Both names are there until the new file takes
 * the first one. */
static bool keep(const struct data_image *image, const char *path, struct failure *f)
{
    for (int i = 1; i < 1000; i++) {
        const char *kept = i == 1 ? arena_printf(image->arena, "%s.damaged", path)
                                  : arena_printf(image->arena, "%s.%d.damaged", path, i);
        if (link(path, kept) == 0 || errno == ENOENT)
            return true;
        if (errno != EEXIST)
            return cannot(f, "keep a copy of", path, strerror(errno));
    }
    return cannot(f, "keep a copy of", path, "there are too many");
}

static bool write_copy(struct copy *c, const char *path, struct failure *f)
{
    struct io *io = c->image->env->io;
    (void)unlink(path); /* of a repair that was interrupted */
    c->error = io->ops->open(io, path, IO_READ | IO_WRITE | IO_CREATE, &c->file);
    if (c->error != ERR_OK)
        return cannot(f, "create", path, error_text(c->error));
    enum error error = data_segment_walk(c->image, c->segment, &c->walk);
    if (c->error == ERR_OK)
        c->error = error;
    if (c->error == ERR_OK)
        c->error = io_sync(io, c->file);
    io->ops->close(io, c->file);
    return c->error == ERR_OK || cannot(f, "write", path, error_text(c->error));
}

static bool rebuild(const struct data_image *image, const struct data_segment *s, int64_t size,
                    struct failure *f)
{
    struct segment_view view = {.directory = s->directory,
                                .base_offset = s->base_offset,
                                .next_offset = s->next_offset,
                                .size = size};
    struct io *io = image->env->io;
    enum error error = segment_file_open(io, s->directory, s->base_offset, IO_READ, &view.file);
    if (error == ERR_OK)
        error = segment_rebuild_indexes(&view, NULL);
    if (error == ERR_OK)
        error = io_sync_directory(io, s->directory);
    if (view.file)
        segment_file_unref(view.file);
    return error == ERR_OK || cannot(f, "rebuild the indexes of", s->path, error_text(error));
}

bool data_repair_indexes(const struct data_image *image, const struct data_segment *s,
                         struct failure *f)
{
    return keep(image, file_of(image, s, SEGMENT_INDEX), f) &&
           keep(image, file_of(image, s, SEGMENT_TIME_INDEX), f) && rebuild(image, s, s->size, f);
}

/* The new segment is never larger than the row says: an empty batch is smaller than what it
 * replaces. */
static bool write_row(const struct data_image *image, const struct data_segment *s, int64_t size,
                      struct failure *f)
{
    struct row_key key = row_key_log(s->topic_id, s->partition);
    struct log_state state = s->log->state;
    uint8_t value[LOG_STATE_SIZE];
    struct message why = {""};
    struct kv *kv;
    const char *path = arena_printf(image->arena, "%s/kv", image->directory);
    ASSERT(size <= state.active_size);
    state.active_size = size;
    struct kv_change change = {row_key_view(&key), log_state_encode(&state, value)};
    enum error error = image->env->kv->open(image->env->kv, path, KV_OPEN_EXISTING, &kv, &why);
    if (error != ERR_OK)
        return cannot(f, "open", path, why.text);
    error = kv->driver->write(kv, &change, 1);
    kv->driver->close(kv);
    return error == ERR_OK || cannot(f, "write the row of a log in", path, error_text(error));
}

bool data_repair_segment(const struct data_image *image, const struct data_segment *s,
                         struct failure *f)
{
    struct io *io = image->env->io;
    struct copy c = {.walk = {copy_batch, write_filler}, .image = image, .segment = s};
    const char *path = file_of(image, s, SEGMENT_LOG);
    const char *made = arena_printf(image->arena, "%s.repaired", path);
    if (!write_copy(&c, made, f) || !keep(image, path, f) ||
        !keep(image, file_of(image, s, SEGMENT_INDEX), f) ||
        !keep(image, file_of(image, s, SEGMENT_TIME_INDEX), f))
        return false;
    enum error error = io_sync_directory(io, s->directory);
    if (error == ERR_OK)
        error = io->ops->rename(io, made, path);
    if (error == ERR_OK)
        error = io_sync_directory(io, s->directory);
    if (error != ERR_OK)
        return cannot(f, "replace", path, error_text(error));
    return rebuild(image, s, c.size, f) && (!s->is_active || write_row(image, s, c.size, f));
}
