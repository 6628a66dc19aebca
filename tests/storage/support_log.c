#include "tests/storage/support_log.h"

#include "storage/segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- batches --- */

struct shared_buffer *make_batch(struct batch_spec spec)
{
    struct buffer out;
    struct batch_builder builder;
    buffer_init(&out, 64 << 20);
    batch_builder_init(&builder, &out, spec.codec);
    uint8_t *value = xmalloc(spec.value_size + 1);
    memset(value, 'v', spec.value_size + 1);
    for (int i = 0; i < spec.count; i++)
        batch_builder_add(&builder, spec.timestamp + i * spec.step, BYTES_LITERAL("key"),
                          bytes_of(value, spec.value_size), BYTES_NULL, 0);
    if (spec.producer_id != 0) {
        builder.producer_id = spec.producer_id;
        builder.producer_epoch = 0;
        builder.base_sequence = spec.base_sequence;
    }
    struct bytes batch = batch_builder_finish(&builder);
    struct shared_buffer *shared = shared_buffer_create(batch.size);
    memcpy(shared->data, batch.data, batch.size);
    free(value);
    buffer_free(&out);
    return shared;
}

/* --- the log --- */

static int64_t standing_ns(struct clock *clock)
{
    (void)clock;
    return 5000000000;
}

static int64_t standing_ms(struct clock *clock)
{
    (void)clock;
    return 1700000000000;
}

void log_world_init(struct log_world *w)
{
    static int worlds;
    *w = (struct log_world){
        .clock = {standing_ns, standing_ms},
        .config = {.segment_bytes = 1 << 30,
                   .segment_ms = INT64_MAX,
                   .segment_index_bytes = 10 << 20,
                   .index_interval_bytes = 4096,
                   .retention_ms = -1,
                   .retention_bytes = -1,
                   .delete_enabled = true},
    };
    w->env.clock = &w->clock;
    w->env.io = io_posix();
    snprintf(w->directory, sizeof w->directory, "%s/topics/%d/0", test_directory(), worlds++);
}

void log_world_open(struct log_world *w, struct log_state state)
{
    log_world_close(w);
    w->log = log_open(&w->env, w->directory, &w->config, &state);
}

void log_world_close(struct log_world *w)
{
    log_close(w->log);
    w->log = NULL;
}

int64_t log_world_append(struct log_world *w, struct batch_spec spec)
{
    struct shared_buffer *batch = make_batch(spec);
    int64_t offset = log_append(w->log, batch, batch->data, batch->size, 1700000000000);
    shared_buffer_unref(batch);
    return offset;
}

void log_world_flush(struct log_world *w)
{
    log_set_durable(w->log, log_next_offset(w->log));
    struct log_flush *flush = log_flush_begin(w->log);
    if (flush == NULL)
        return;
    enum error error = log_flush_run(flush, true);
    log_flush_end(flush, error);
    EXPECT_INT(error, ERR_OK);
}

static struct read_result take_slice(struct log_world *w, enum error error, struct log_slice *slice)
{
    struct read_result r = {.error = error, .first_offset = -1, .next_offset = -1};
    buffer_init(&r.bytes, 256 << 20);
    if (slice == NULL)
        return r;
    r.first_offset = slice->first_offset;
    r.next_offset = slice->next_offset;
    EXPECT_INT(log_slice_copy(w->env.io, slice, buffer_extend(&r.bytes, slice->size)), ERR_OK);
    log_slice_unref(slice);
    return r;
}

static void nothing(struct job *job)
{
    (void)job;
}

struct read_result log_world_read_job(struct log_world *w, int64_t offset, int64_t end_offset,
                                      size_t max_bytes, bool at_least_one)
{
    struct log_read_job job = {.job.done = nothing,
                               .log = w->log,
                               .offset = offset,
                               .end_offset = end_offset,
                               .max_bytes = max_bytes,
                               .at_least_one = at_least_one};
    log_read_submit(executor_inline(), &job);
    return take_slice(w, job.result, job.slice);
}

struct read_result log_world_read(struct log_world *w, int64_t offset, int64_t end_offset,
                                  size_t max_bytes, bool at_least_one)
{
    struct log_slice *slice;
    enum error error = log_read(w->log, offset, end_offset, max_bytes, at_least_one, &slice);
    if (error == ERR_BUSY)
        return log_world_read_job(w, offset, end_offset, max_bytes, at_least_one);
    return take_slice(w, error, slice);
}

void read_result_free(struct read_result *r)
{
    buffer_free(&r->bytes);
}

void expect_whole_batches(const struct read_result *r)
{
    struct bytes left = buffer_view(&r->bytes);
    int64_t offset = r->first_offset;
    while (left.size > 0) {
        struct batch_header header;
        size_t size = batch_size(left);
        EXPECT(size > 0 && size <= left.size);
        EXPECT(batch_header_read(left, &header));
        EXPECT_INT(header.base_offset, offset);
        EXPECT(batch_crc_is_right(bytes_of(left.data, size)));
        offset = batch_last_offset(&header) + 1;
        left = bytes_from(left, size);
    }
    EXPECT_INT(offset, r->next_offset);
}

struct time_result log_world_time(struct log_world *w, int64_t timestamp, int64_t end_offset)
{
    struct log_time_job job = {
        .job.done = nothing, .log = w->log, .timestamp = timestamp, .end_offset = end_offset};
    log_time_submit(executor_inline(), &job);
    return (struct time_result){job.result, job.offset, job.found_timestamp};
}

void log_world_load(struct log_world *w)
{
    struct log_load_job job = {.job.done = nothing, .log = w->log};
    log_load_submit(executor_inline(), &job);
    EXPECT_INT(job.result, ERR_OK);
    EXPECT(log_is_loaded(w->log));
}

/* --- the stepped executor --- */

static void stepped_submit(struct executor *executor, struct job *job)
{
    struct stepped_executor *e = CONTAINER_OF(executor, struct stepped_executor, executor);
    job->node = (struct list_node){0};
    list_append(&e->waiting, &job->node);
}

void stepped_executor_init(struct stepped_executor *e)
{
    e->executor.submit = stepped_submit;
    list_init(&e->waiting);
    list_init(&e->ran);
}

bool stepped_run(struct stepped_executor *e)
{
    struct list_node *node = list_pop(&e->waiting);
    if (node == NULL)
        return false;
    struct job *job = CONTAINER_OF(node, struct job, node);
    job->run(job);
    list_append(&e->ran, &job->node);
    return true;
}

bool stepped_finish(struct stepped_executor *e)
{
    struct list_node *node = list_pop(&e->ran);
    if (node == NULL)
        return false;
    struct job *job = CONTAINER_OF(node, struct job, node);
    job->done(job);
    return true;
}

/* --- faults --- */

static struct fault_io *fault_of(struct io *io)
{
    return CONTAINER_OF(io, struct fault_io, io);
}

static bool strikes(struct io *io, enum fault_call call)
{
    struct fault_io *f = fault_of(io);
    return f->call == call && f->countdown > 0 && --f->countdown == 0;
}

static const struct io_ops *real(void)
{
    return io_posix()->ops;
}

static enum error fault_open(struct io *io, const char *path, int flags, struct io_file **out)
{
    if (strikes(io, FAULT_OPEN))
        return fault_of(io)->error;
    enum error error = real()->open(io_posix(), path, flags, out);
    fault_of(io)->open_files += error == ERR_OK;
    return error;
}

static void fault_close(struct io *io, struct io_file *file)
{
    fault_of(io)->open_files--;
    real()->close(io_posix(), file);
}

static enum error fault_read(struct io *io, struct io_file *file, void *data, size_t size,
                             int64_t position, size_t *got)
{
    (void)io;
    return real()->read(io_posix(), file, data, size, position, got);
}

/* A failed write has written its first part. */
static enum error fault_write(struct io *io, struct io_file *file, const struct iovec *parts,
                              int count, int64_t position)
{
    bool fails = strikes(io, FAULT_WRITE);
    enum error error = real()->write(io_posix(), file, parts, fails ? 1 : count, position);
    return fails ? fault_of(io)->error : error;
}

static enum error fault_sync(struct io *io, struct io_file *file)
{
    return strikes(io, FAULT_SYNC) ? fault_of(io)->error : real()->sync(io_posix(), file);
}

static enum error fault_truncate(struct io *io, struct io_file *file, int64_t size)
{
    (void)io;
    return real()->truncate(io_posix(), file, size);
}

static enum error fault_size(struct io *io, struct io_file *file, int64_t *out)
{
    (void)io;
    return real()->size(io_posix(), file, out);
}

static enum error fault_rename(struct io *io, const char *from, const char *to)
{
    return strikes(io, FAULT_RENAME) ? fault_of(io)->error : real()->rename(io_posix(), from, to);
}

static enum error fault_unlink(struct io *io, const char *path)
{
    (void)io;
    return real()->unlink(io_posix(), path);
}

static enum error fault_make_directory(struct io *io, const char *path)
{
    (void)io;
    return real()->make_directory(io_posix(), path);
}

static enum error fault_sync_directory(struct io *io, const char *path)
{
    return strikes(io, FAULT_SYNC) ? fault_of(io)->error : real()->sync_directory(io_posix(), path);
}

static enum error fault_list(struct io *io, const char *path,
                             void (*each)(void *context, const char *name), void *context)
{
    return strikes(io, FAULT_LIST) ? fault_of(io)->error
                                   : real()->list(io_posix(), path, each, context);
}

static bool fault_has_name(struct io *io, struct io_file *file)
{
    (void)io;
    return real()->has_name(io_posix(), file);
}

static int fault_descriptor(struct io *io, struct io_file *file)
{
    (void)io;
    return real()->descriptor(io_posix(), file);
}

static const struct io_ops fault_ops = {
    .open = fault_open,
    .close = fault_close,
    .read = fault_read,
    .write = fault_write,
    .sync = fault_sync,
    .truncate = fault_truncate,
    .size = fault_size,
    .rename = fault_rename,
    .unlink = fault_unlink,
    .make_directory = fault_make_directory,
    .sync_directory = fault_sync_directory,
    .list = fault_list,
    .has_name = fault_has_name,
    .descriptor = fault_descriptor,
};

void fault_io_init(struct fault_io *f)
{
    *f = (struct fault_io){.io.ops = &fault_ops, .error = ERR_IO};
}

/* --- syncs --- */

static struct {
    struct io io;
    struct io_ops ops;
    struct io_file **files; /* written, and not synced */
    char **names;           /* made, removed or renamed, and their directory is not synced */
    size_t file_count, name_count, lost;
} watch;

static void forget_written(const struct io_file *file)
{
    for (size_t i = 0; i < watch.file_count; i++) {
        if (watch.files[i] == file)
            watch.files[i--] = watch.files[--watch.file_count];
    }
}

static void note_written(struct io_file *file)
{
    forget_written(file);
    watch.files = xrealloc(watch.files, (watch.file_count + 1) * sizeof watch.files[0]);
    watch.files[watch.file_count++] = file;
}

static void note_changed_name(const char *path)
{
    watch.names = xrealloc(watch.names, (watch.name_count + 1) * sizeof watch.names[0]);
    watch.names[watch.name_count++] = xstrdup(path);
}

static enum error watch_open(struct io *io, const char *path, int flags, struct io_file **out)
{
    (void)io;
    if ((flags & IO_CREATE) && access(path, F_OK) != 0)
        note_changed_name(path);
    return real()->open(io_posix(), path, flags, out);
}

static void watch_close(struct io *io, struct io_file *file)
{
    (void)io;
    size_t before = watch.file_count;
    forget_written(file);
    watch.lost += before - watch.file_count;
    real()->close(io_posix(), file);
}

static enum error watch_write(struct io *io, struct io_file *file, const struct iovec *parts,
                              int count, int64_t position)
{
    (void)io;
    note_written(file);
    return real()->write(io_posix(), file, parts, count, position);
}

static enum error watch_sync(struct io *io, struct io_file *file)
{
    (void)io;
    forget_written(file);
    return ERR_OK;
}

static enum error watch_make_directory(struct io *io, const char *path)
{
    (void)io;
    if (access(path, F_OK) != 0)
        note_changed_name(path);
    return real()->make_directory(io_posix(), path);
}

static enum error watch_unlink(struct io *io, const char *path)
{
    (void)io;
    note_changed_name(path);
    return real()->unlink(io_posix(), path);
}

static enum error watch_rename(struct io *io, const char *from, const char *to)
{
    (void)io;
    note_changed_name(to);
    return real()->rename(io_posix(), from, to);
}

static enum error watch_sync_directory(struct io *io, const char *path)
{
    (void)io;
    size_t size = strlen(path);
    for (size_t i = 0; i < watch.name_count; i++) {
        const char *slash = strrchr(watch.names[i], '/');
        if (slash != watch.names[i] + size || strncmp(watch.names[i], path, size) != 0)
            continue;
        free(watch.names[i]);
        watch.names[i--] = watch.names[--watch.name_count];
    }
    return ERR_OK;
}

struct io *sync_watch_begin(void)
{
    watch.ops = *real();
    watch.ops.open = watch_open;
    watch.ops.close = watch_close;
    watch.ops.write = watch_write;
    watch.ops.sync = watch_sync;
    watch.ops.make_directory = watch_make_directory;
    watch.ops.unlink = watch_unlink;
    watch.ops.rename = watch_rename;
    watch.ops.sync_directory = watch_sync_directory;
    watch.io.ops = &watch.ops;
    watch.lost = watch.file_count = watch.name_count = 0;
    return &watch.io;
}

size_t sync_watch_end(void)
{
    size_t missing = watch.lost + watch.file_count + watch.name_count;
    for (size_t i = 0; i < watch.name_count; i++)
        free(watch.names[i]);
    free(watch.names);
    free(watch.files);
    watch.names = NULL;
    watch.files = NULL;
    return missing;
}

/* --- a cleaner --- */

bool stays_in_swap(int64_t base_offset)
{
    return base_offset % 3 == 0;
}

static void keep_batches(struct log_world *w, int64_t base, struct buffer *kept)
{
    char *path = segment_path(w->directory, base, SEGMENT_LOG);
    struct segment_view view = {.directory = w->directory,
                                .base_offset = base,
                                .next_offset = INT64_MAX,
                                .size = file_size(path),
                                .sparse = true};
    free(path);
    EXPECT_INT(segment_file_open(w->env.io, w->directory, base, IO_READ, &view.file), ERR_OK);
    struct segment_scan scan;
    segment_scan_init(&scan, &view, segment_start(&view));
    while (segment_scan_next(&scan)) {
        if (stays_in_swap(scan.header.base_offset))
            EXPECT_INT(segment_scan_read(&scan, kept), ERR_OK);
    }
    EXPECT_INT(scan.error, ERR_OK);
    segment_scan_free(&scan);
    segment_file_unref(view.file);
}

/* Writes the batches to another directory, so that the usual code makes the indexes. */
static void write_aside(struct log_world *w, const char *aside, int64_t base, int64_t end,
                        struct bytes batches)
{
    struct segment_view view = {.directory = aside,
                                .base_offset = base,
                                .next_offset = end,
                                .size = (int64_t)batches.size,
                                .sparse = true};
    char *path = segment_path(aside, base, SEGMENT_LOG);
    EXPECT_INT(io_make_path(io_posix(), aside), ERR_OK);
    EXPECT_INT(io_replace_file(io_posix(), path, batches), ERR_OK);
    EXPECT_INT(segment_file_open(io_posix(), aside, base, IO_READ, &view.file), ERR_OK);
    EXPECT_INT(segment_rebuild_indexes(&view, w->env.trace), ERR_OK);
    segment_file_unref(view.file);
    free(path);
}

void make_swap_files(struct log_world *w, const int64_t *old_bases, size_t count, int64_t base,
                     int64_t end)
{
    struct buffer kept;
    char *aside = log_world_path(w, "aside");
    buffer_init(&kept, 64 << 20);
    for (size_t i = 0; i < count; i++)
        keep_batches(w, old_bases[i], &kept);
    write_aside(w, aside, base, end, buffer_view(&kept));
    for (int part = 0; part < SEGMENT_PARTS; part++) {
        char *from = segment_path(aside, base, (enum segment_part)part);
        char *to = segment_swap_path(w->directory, base, (enum segment_part)part);
        EXPECT_INT(io_posix()->ops->rename(io_posix(), from, to), ERR_OK);
        free(from);
        free(to);
    }
    buffer_free(&kept);
    free(aside);
}

/* --- files --- */

char *log_world_path(const struct log_world *w, const char *name)
{
    size_t size = strlen(w->directory) + strlen(name) + 2;
    char *path = xmalloc(size);
    snprintf(path, size, "%s/%s", w->directory, name);
    return path;
}

int64_t file_size(const char *path)
{
    struct io *io = io_posix();
    struct io_file *file;
    int64_t size = -1;
    if (io->ops->open(io, path, IO_READ, &file) != ERR_OK)
        return -1;
    EXPECT_INT(io->ops->size(io, file, &size), ERR_OK);
    io->ops->close(io, file);
    return size;
}

void file_write_at(const char *path, int64_t position, const void *data, size_t size)
{
    struct io *io = io_posix();
    struct io_file *file;
    EXPECT_INT(io->ops->open(io, path, IO_READ | IO_WRITE, &file), ERR_OK);
    EXPECT_INT(io_write(io, file, data, size, position), ERR_OK);
    io->ops->close(io, file);
}
