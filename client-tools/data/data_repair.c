#include "client-tools/data/data_repair.h"

#include "base/crc32c.h"
#include "storage/leader_epoch_file.h"
#include "storage/row_store.h"

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

/* --- rows --- */

/* A free name for what takes the place of a file or a directory. */
static const char *kept_name(const struct data_image *image, const char *path)
{
    const char *kept = arena_printf(image->arena, "%s.damaged", path);
    for (int i = 2; access(kept, F_OK) == 0; i++)
        kept = arena_printf(image->arena, "%s.%d.damaged", path, i);
    return kept;
}

/* Opens both copies of the rows as a start does. That repairs the damaged one. */
static bool open_rows(const struct data_image *image, struct row_store_driver *rows,
                      struct kv **out, struct failure *f)
{
    struct message why = {""};
    const char *path = arena_printf(image->arena, "%s/kv", image->directory);
    struct kv_driver *driver = image->env->kv;
    if (image->rows.copies != COPIES_ONLY_KV) {
        row_store_init(rows, image->env, driver);
        driver = &rows->driver;
    }
    enum error error = driver->open(driver, path, KV_OPEN_EXISTING, out, &why);
    return error == ERR_OK ||
           cannot(f, "open the rows in", path, why.text[0] ? why.text : error_text(error));
}

/* kv is set aside, so that a new one takes its place. Without a whole row file it cannot be. */
bool data_repair_rows(const struct data_image *image, struct failure *f)
{
    struct row_store_driver rows;
    struct kv *kv;
    struct kv_driver *driver = image->env->kv;
    const char *path = arena_printf(image->arena, "%s/kv", image->directory);
    enum error error = ERR_NOT_FOUND;
    if (image->rows.copies == COPIES_KV_DAMAGED && image->rows.kv_may_go)
        error = driver->set_aside(driver, path, kept_name(image, path));
    if (error != ERR_OK && error != ERR_NOT_FOUND)
        return cannot(f, "set aside", path, error_text(error));
    if (!open_rows(image, &rows, &kv, f))
        return false;
    kv->driver->close(kv);
    return true;
}

/* The new segment is never larger than the row says: an empty batch is smaller than what it
 * replaces. */
static bool write_row(const struct data_image *image, const struct data_segment *s, int64_t size,
                      struct failure *f)
{
    struct row_store_driver rows;
    struct row_key key = row_key_log(s->topic_id, s->partition);
    struct log_state state = s->log->state;
    uint8_t value[LOG_STATE_SIZE];
    struct kv *kv;
    ASSERT(size <= state.active_size);
    state.active_size = size;
    struct kv_change change = {row_key_view(&key), log_state_encode(&state, value)};
    if (!open_rows(image, &rows, &kv, f))
        return false;
    enum error error = kv->driver->write(kv, &change, 1);
    kv->driver->close(kv);
    return error == ERR_OK ||
           cannot(f, "write the row of a log in", image->directory, error_text(error));
}

/* --- small files --- */

/* The start after this upgrades an older format by itself: its tidemill.meta was sound. */
bool data_repair_meta(const struct data_image *image, struct failure *f)
{
    struct data_meta meta = {.format = DATA_FORMAT, .starts = image->known_starts};
    struct message why = {""};
    const char *path = arena_printf(image->arena, "%s/tidemill.meta", image->directory);
    return keep(image, path, f) &&
           (data_meta_write(image->env->io, image->directory, &meta, &why) == ERR_OK ||
            cannot(f, "write", path, why.text));
}

/* The file of leader epochs gets its only content. The broker writes a witness by itself. */
bool data_repair_file(const struct data_image *image, const char *file, struct failure *f)
{
    const char *path = arena_printf(image->arena, "%s/%s", image->directory, file);
    const char *slash = strrchr(path, '/');
    const char *directory = arena_printf(image->arena, "%.*s", (int)(slash - path), path);
    struct io *io = image->env->io;
    if (!keep(image, path, f))
        return false;
    enum error error = io->ops->unlink(io, path);
    if (error == ERR_OK && strcmp(slash + 1, LEADER_EPOCH_FILE) == 0)
        error = leader_epoch_file_write(io, directory, true);
    if (error == ERR_OK)
        error = io->ops->sync_directory(io, directory);
    return error == ERR_OK || cannot(f, "replace", path, error_text(error));
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
