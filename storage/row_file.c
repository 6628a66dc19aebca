#include "storage/row_file.h"

#include "base/crc32c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WINDOW_BYTES = 256 << 10,
    SNAPSHOT_RECORD_BYTES = 1 << 20,
    /* A sync of more would hold the disk, and with it the writes of the journals. */
    SNAPSHOT_SYNC_BYTES = 4 << 20,
};

void row_file_name(uint64_t generation, char out[ROW_FILE_NAME_SIZE])
{
    snprintf(out, ROW_FILE_NAME_SIZE, "rows-%020" PRIu64 ".log", generation);
}

bool row_file_parse_name(const char *name, uint64_t *generation, const char **rest)
{
    char again[ROW_FILE_NAME_SIZE];
    if (sscanf(name, "rows-%20" SCNu64, generation) != 1)
        return false;
    row_file_name(*generation, again);
    *rest = name + strlen(again);
    return strncmp(name, again, strlen(again)) == 0;
}

/* Reading: a window of the file moves forward over its records */

struct row_reader {
    struct io *io;
    struct io_file *file;
    int64_t size, position;
    struct buffer window;
    int64_t window_at; /* the position of its first byte */
};

static void close_reader(struct row_reader *r)
{
    if (r->file)
        r->io->ops->close(r->io, r->file);
    buffer_free(&r->window);
}

static enum error open_reader(struct row_reader *r, struct io *io, const char *path,
                              int64_t position)
{
    *r = (struct row_reader){.io = io, .position = position, .window_at = position};
    buffer_init(&r->window, SIZE_MAX / 2);
    enum error error = io->ops->open(io, path, IO_READ, &r->file);
    if (error == ERR_OK)
        error = io->ops->size(io, r->file, &r->size);
    return error;
}

static size_t bytes_left(const struct row_reader *r)
{
    return (size_t)(r->size - r->position);
}

/* Makes `size` bytes from the position on available. They exist. */
static enum error fill_window(struct row_reader *r, size_t size)
{
    size_t passed = (size_t)(r->position - r->window_at);
    if (r->window.size >= passed + size)
        return ERR_OK;
    buffer_consume(&r->window, passed);
    r->window_at = r->position;
    size_t more = MIN(MAX(size, (size_t)WINDOW_BYTES), bytes_left(r)) - r->window.size, got;
    int64_t from = r->position + (int64_t)r->window.size;
    uint8_t *at = buffer_extend(&r->window, more);
    if (at == NULL)
        return ERR_NO_MEMORY;
    enum error error = r->io->ops->read(r->io, r->file, at, more, from, &got);
    return error == ERR_OK && got < more ? ERR_IO : error;
}

static struct bytes window_view(const struct row_reader *r)
{
    return bytes_from(buffer_view(&r->window), (size_t)(r->position - r->window_at));
}

/* Reads the record at the position and moves behind it. *whole is false if there is none. */
static enum error next_record(struct row_reader *r, struct row_record *out, bool *whole)
{
    *whole = false;
    if (bytes_left(r) < ROW_RECORD_HEADER_SIZE)
        return ERR_OK;
    enum error error = fill_window(r, ROW_RECORD_HEADER_SIZE);
    size_t size = error == ERR_OK ? row_record_size(window_view(r).data) : 0;
    if (size == 0 || size > bytes_left(r))
        return error;
    error = fill_window(r, size);
    if (error == ERR_OK)
        *whole = row_record_decode(window_view(r), out);
    if (*whole)
        r->position += (int64_t)size;
    return error;
}

/* Checking */

struct row_check {
    struct row_reader reader;
    struct row_file_report *report;
    uint64_t generation, rows;
    bool has_snapshot, newer_format;
};

static uint32_t identity_checksum(struct uuid identity)
{
    return crc32c(0, identity.bytes, sizeof identity.bytes);
}

static bool take_begin(struct row_check *c, const struct row_record *record)
{
    struct row_file *f = &c->report->file;
    struct reader r = reader_of(record->payload);
    uint32_t format = (uint32_t)read_i32(&r);
    c->newer_format = format > ROW_FILE_FORMAT;
    f->generation = (uint64_t)read_i64(&r);
    f->identity = read_uuid(&r);
    f->snapshot_commit = f->commit = record->commit;
    c->report->knows_identity = !r.failed && !c->newer_format;
    return c->report->knows_identity && reader_left(&r) == 0 && f->generation == c->generation &&
           record->chain == identity_checksum(f->identity);
}

static bool take_rows(struct row_check *c, const struct row_record *record)
{
    struct kv_change pair;
    struct reader r = reader_of(record->payload);
    while (row_record_next_pair(&r, &pair))
        c->rows++;
    return !r.failed;
}

static bool take_end(struct row_check *c, const struct row_record *record)
{
    struct row_file *f = &c->report->file;
    struct reader r = reader_of(record->payload);
    f->rows = (uint64_t)read_i64(&r);
    f->snapshot_mark = f->mark = (uint32_t)read_i32(&r);
    f->snapshot_end = c->reader.position;
    c->has_snapshot = true;
    return !r.failed && reader_left(&r) == 0 && f->rows == c->rows;
}

/* Whether the record belongs here. Its checksum is right. */
static bool take(struct row_check *c, const struct row_record *record)
{
    struct row_file *f = &c->report->file;
    bool first = f->size == 0;
    if ((record->kind == ROW_RECORD_BEGIN) != first ||
        (record->kind == ROW_RECORD_CHANGES) != c->has_snapshot)
        return false;
    if (first)
        return take_begin(c, record);
    if (record->chain != f->chain || record->commit != f->commit + c->has_snapshot)
        return false;
    if (record->kind == ROW_RECORD_ROWS)
        return take_rows(c, record);
    if (record->kind == ROW_RECORD_END)
        return take_end(c, record);
    f->commit = record->commit;
    f->mark = record->checksum;
    return true;
}

/* Looks at every byte after a bad record for a whole one: the size of the bad one may be wrong. */
static enum error find_later(struct row_check *c, bool *found)
{
    struct row_reader *r = &c->reader;
    struct row_record record;
    r->position = c->report->bad;
    size_t left = bytes_left(r);
    enum error error = fill_window(r, left);
    struct bytes rest = error == ERR_OK ? window_view(r) : BYTES_LITERAL("");
    *found = false;
    for (size_t at = 1; at + ROW_RECORD_HEADER_SIZE <= rest.size; at++) {
        if (rest.data[at] != 'T' || !row_record_decode(bytes_from(rest, at), &record))
            continue;
        *found = true;
        c->report->proved = MAX(c->report->proved, record.commit);
    }
    return error;
}

static enum error judge(struct row_check *c, bool misplaced)
{
    bool later = false;
    c->report->bad = c->report->file.size;
    enum error error = find_later(c, &later);
    c->report->state = misplaced || later || !c->has_snapshot ? ROW_FILE_DAMAGED : ROW_FILE_TORN;
    return error;
}

static enum error check_records(struct row_check *c,
                                enum error (*each)(void *context, const struct row_record *record),
                                void *context)
{
    struct row_file *f = &c->report->file;
    while (bytes_left(&c->reader) > 0 || !c->has_snapshot) {
        struct row_record record;
        bool whole;
        enum error error = next_record(&c->reader, &record, &whole);
        if (error != ERR_OK)
            return error;
        bool taken = whole && take(c, &record);
        if (c->newer_format)
            return ERR_UNSUPPORTED;
        if (whole)
            c->report->proved = MAX(c->report->proved, record.commit);
        if (!taken)
            return judge(c, whole);
        f->chain = record.checksum;
        f->last_record = f->size;
        f->size = c->reader.position;
        if (record.kind == ROW_RECORD_CHANGES)
            error = each(context, &record);
        if (error != ERR_OK)
            return error;
    }
    return ERR_OK;
}

enum error row_file_check(struct io *io, const char *path, uint64_t generation,
                          enum error (*each)(void *context, const struct row_record *record),
                          void *context, struct row_file_report *out)
{
    *out = (struct row_file_report){.state = ROW_FILE_WHOLE};
    struct row_check c = {.report = out, .generation = generation};
    enum error error = open_reader(&c.reader, io, path, 0);
    if (error == ERR_OK)
        error = check_records(&c, each, context);
    close_reader(&c.reader);
    return error;
}

enum error row_file_make_durable(struct io *io, struct io_file *out, const struct row_file *file)
{
    size_t size = (size_t)(file->size - file->last_record), got = 0;
    if (size == 0)
        return io_sync(io, out);
    uint8_t *record = xmalloc(size);
    enum error error = io->ops->read(io, out, record, size, file->last_record, &got);
    if (error == ERR_OK && got < size)
        error = ERR_IO; /* it was read before */
    if (error == ERR_OK)
        error = io_write(io, out, record, size, file->last_record);
    free(record);
    return error == ERR_OK ? io_sync(io, out) : error;
}

enum error row_file_replay(struct io *io, const char *path, const struct row_file *file,
                           int64_t position,
                           enum error (*each)(void *context, const struct row_record *record),
                           void *context)
{
    struct row_reader reader;
    enum error error = open_reader(&reader, io, path, position);
    reader.size = MIN(reader.size, file->size);
    while (error == ERR_OK && reader.position < file->size) {
        struct row_record record;
        bool whole;
        error = next_record(&reader, &record, &whole);
        if (error == ERR_OK)
            error = whole ? each(context, &record) : ERR_IO;
    }
    close_reader(&reader);
    return error;
}

/* Writing a generation */

struct row_writer {
    struct io *io;
    struct io_file *file;
    struct row_file *out;
    struct bytes hidden;
    struct buffer record; /* the one that is being filled */
    int64_t synced;       /* up to here the file was synced */
};

static void begin_record(struct row_writer *w, enum row_record_kind kind)
{
    buffer_clear(&w->record);
    row_record_begin(&w->record, kind, w->out->commit, w->out->chain);
}

static enum error write_record(struct row_writer *w)
{
    struct row_file *f = w->out;
    f->chain = row_record_end(&w->record, 0);
    enum error error = w->record.overflowed || w->record.size > ROW_RECORD_SIZE_MAX
                           ? ERR_TOO_LARGE
                           : io_write(w->io, w->file, w->record.data, w->record.size, f->size);
    f->size += (int64_t)w->record.size;
    if (error != ERR_OK || f->size - w->synced < SNAPSHOT_SYNC_BYTES)
        return error;
    w->synced = f->size;
    return io_sync(w->io, w->file);
}

static enum error add_row(void *context, struct bytes key, struct bytes value)
{
    struct row_writer *w = context;
    enum error error = ERR_OK;
    if (bytes_equal(key, w->hidden))
        return ERR_OK;
    w->out->rows++;
    row_record_add(&w->record, key, value);
    if (w->record.size >= SNAPSHOT_RECORD_BYTES) {
        error = write_record(w);
        begin_record(w, ROW_RECORD_ROWS);
    }
    return error;
}

static enum error write_begin(struct row_writer *w)
{
    w->out->chain = identity_checksum(w->out->identity);
    begin_record(w, ROW_RECORD_BEGIN);
    buffer_append_be32(&w->record, ROW_FILE_FORMAT);
    buffer_append_be64(&w->record, w->out->generation);
    buffer_append(&w->record, w->out->identity.bytes, sizeof w->out->identity.bytes);
    return write_record(w);
}

static enum error write_end(struct row_writer *w)
{
    begin_record(w, ROW_RECORD_END);
    buffer_append_be64(&w->record, w->out->rows);
    buffer_append_be32(&w->record, w->out->mark);
    return write_record(w);
}

static enum error write_snapshot(struct row_writer *w, struct kv *kv)
{
    struct row_file *f = w->out;
    f->size = 0;
    f->rows = 0;
    f->snapshot_commit = f->commit;
    f->snapshot_mark = f->mark;
    enum error error = w->io->ops->truncate(w->io, w->file, 0);
    if (error == ERR_OK)
        error = write_begin(w);
    begin_record(w, ROW_RECORD_ROWS);
    if (error == ERR_OK)
        error = kv->driver->scan(kv, BYTES_LITERAL(""), add_row, w);
    if (error == ERR_OK && w->record.size > ROW_RECORD_HEADER_SIZE)
        error = write_record(w);
    if (error == ERR_OK)
        error = write_end(w);
    f->snapshot_end = f->size;
    return error == ERR_OK ? io_sync(w->io, w->file) : error;
}

/* The file system as a whole can be synced without another descriptor. */
static enum error sync_name(struct io *io, const char *directory)
{
    enum error error = io_sync_directory(io, directory);
    return error == ERR_NO_FILES ? io_sync_all(io, directory) : error;
}

enum error row_file_create(struct io *io, const char *directory, struct kv *kv, struct bytes hidden,
                           struct row_file *file, struct io_file **out)
{
    char name[ROW_FILE_NAME_SIZE], fresh_name[ROW_FILE_NAME_SIZE + 4];
    row_file_name(file->generation, name);
    snprintf(fresh_name, sizeof fresh_name, "%s.new", name);
    char *path = io_path(directory, name), *fresh = io_path(directory, fresh_name);
    struct row_writer w = {.io = io, .out = file, .hidden = hidden};
    buffer_init(&w.record, SIZE_MAX / 2);
    enum error error = io->ops->open(io, fresh, IO_READ | IO_WRITE | IO_CREATE, &w.file);
    if (error == ERR_OK)
        error = write_snapshot(&w, kv);
    if (error == ERR_OK)
        error = io->ops->rename(io, fresh, path);
    if (error != ERR_OK)
        (void)!io->ops->unlink(io, fresh);
    else if (sync_name(io, directory) != ERR_OK)
        error = ERR_IO; /* the name may exist after a restart or not */
    if (error == ERR_OK)
        *out = w.file;
    else if (w.file)
        io->ops->close(io, w.file);
    buffer_free(&w.record);
    free(path);
    free(fresh);
    return error;
}

/* All rows in key order */

struct row_cursor {
    struct row_reader reader;
    int64_t end;           /* of the snapshot */
    struct reader pairs;   /* of the present record */
    struct kv_change next; /* of the snapshot; null key: none is left */
    bool given;            /* `next` was given to the caller or replaced by a change */
    const struct kv_change *changes;
    size_t count, at;
};

/* Reads the next row of the snapshot. */
static enum error advance(struct row_cursor *c)
{
    while (!row_record_next_pair(&c->pairs, &c->next)) {
        struct row_record record;
        bool whole;
        c->next = (struct kv_change){BYTES_NULL, BYTES_NULL};
        if (c->reader.position >= c->end)
            return ERR_OK;
        enum error error = next_record(&c->reader, &record, &whole);
        if (error != ERR_OK || !whole)
            return error == ERR_OK ? ERR_IO : error;
        c->pairs = reader_of(record.kind == ROW_RECORD_ROWS ? record.payload : BYTES_LITERAL(""));
    }
    return ERR_OK;
}

enum error row_cursor_open(struct io *io, const char *path, const struct row_file *file,
                           const struct kv_change *changes, size_t count, struct row_cursor **out)
{
    struct row_cursor *c = xcalloc(1, sizeof *c);
    c->end = file->snapshot_end;
    c->changes = changes;
    c->count = count;
    c->pairs = reader_of(BYTES_LITERAL(""));
    enum error error = open_reader(&c->reader, io, path, 0);
    if (error == ERR_OK)
        error = advance(c);
    if (error == ERR_OK)
        *out = c;
    else
        row_cursor_close(c);
    return error;
}

/* A step may replace the record that holds the row given before, so it waits for the next call. */
static enum error step(struct row_cursor *c)
{
    bool due = c->given;
    c->given = false;
    return due ? advance(c) : ERR_OK;
}

static int compare_next(const struct row_cursor *c)
{
    if (c->at == c->count)
        return -1;
    return bytes_is_null(c->next.key) ? 1 : bytes_compare(c->next.key, c->changes[c->at].key);
}

enum error row_cursor_next(struct row_cursor *c, struct kv_change *out)
{
    enum error error;
    do {
        error = step(c);
        int order = compare_next(c);
        *out = order < 0 ? c->next : c->changes[c->at];
        c->given = order <= 0 && !bytes_is_null(c->next.key);
        c->at += order >= 0;
    } while (error == ERR_OK && bytes_is_null(out->value) && !bytes_is_null(out->key));
    return error;
}

void row_cursor_close(struct row_cursor *c)
{
    if (c == NULL)
        return;
    close_reader(&c->reader);
    free(c);
}
