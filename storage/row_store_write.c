#include "storage/row_store_internal.h"

#include "storage/row_kind.h"

#include <stdlib.h>

static const uint8_t commit_key[] = {ROW_COMMIT};
const struct bytes row_store_commit_key = {commit_key, sizeof commit_key};

enum { COMMIT_ROW_VERSION = 1 };

static struct bytes encode_commit(const struct row_store *s, uint64_t commit, uint32_t mark,
                                  uint8_t out[COMMIT_ROW_SIZE])
{
    out[0] = COMMIT_ROW_VERSION;
    store_be64(out + 1, commit);
    store_be32(out + 9, mark);
    memcpy(out + 13, s->at.identity.bytes, sizeof s->at.identity.bytes);
    return bytes_of(out, COMMIT_ROW_SIZE);
}

enum error row_store_decode_commit(struct bytes value, struct commit_row *out)
{
    struct reader r = reader_of(value);
    if (read_i8(&r) != COMMIT_ROW_VERSION)
        return ERR_CORRUPT;
    out->found = true;
    out->commit = (uint64_t)read_i64(&r);
    out->mark = (uint32_t)read_i32(&r);
    out->identity = read_uuid(&r);
    return r.failed || reader_left(&r) > 0 ? ERR_CORRUPT : ERR_OK;
}

static enum error take_commit(void *context, struct bytes key, struct bytes value)
{
    return bytes_equal(key, row_store_commit_key) ? row_store_decode_commit(value, context)
                                                  : ERR_OK;
}

enum error row_store_read_commit(struct row_store *s, struct commit_row *out)
{
    *out = (struct commit_row){.found = false};
    return s->inner->driver->scan(s->inner, row_store_commit_key, take_commit, out);
}

enum error row_store_write_inner(struct row_store *s, const struct kv_change *changes, size_t count,
                                 uint64_t commit, uint32_t mark)
{
    uint8_t value[COMMIT_ROW_SIZE];
    struct kv_change *all = xmalloc((count + 1) * sizeof *all);
    if (count > 0)
        memcpy(all, changes, count * sizeof *all);
    all[count] = (struct kv_change){row_store_commit_key, encode_commit(s, commit, mark, value)};
    enum error error = s->inner->driver->write(s->inner, all, count + 1);
    free(all);
    return error;
}

/* The commits that the store does not have */

static enum error replay(void *context, const struct row_record *record)
{
    struct row_store *s = context;
    struct reader r = reader_of(record->payload);
    size_t count = 0, capacity = record->payload.size / 8 + 1; /* a pair has at least 8 bytes */
    struct kv_change *changes = xmalloc(capacity * sizeof *changes);
    while (row_record_next_pair(&r, &changes[count]))
        count++;
    enum error error =
        r.failed ? ERR_IO
                 : row_store_write_inner(s, changes, count, record->commit, record->checksum);
    free(changes);
    if (error != ERR_OK)
        return error;
    s->inner_commit = record->commit;
    s->inner_size += (int64_t)record->size;
    return ERR_OK;
}

enum error row_store_catch_up(struct row_store *s)
{
    if (s->inner_commit == s->at.commit)
        return ERR_OK;
    return row_file_replay(s->env->io, s->path, &s->at, s->inner_size, replay, s);
}

/* Generations */

void row_store_plan_generation(struct row_store *s, int64_t from)
{
    s->next_generation = from + MAX(s->driver->generation_bytes, s->at.snapshot_end);
}

enum error row_store_begin_generation(struct row_store *s)
{
    struct io *io = s->env->io;
    struct row_file next = {.identity = s->at.identity,
                            .generation = s->at.generation + 1,
                            .commit = s->at.commit,
                            .mark = s->at.mark};
    struct io_file *file;
    enum error error =
        row_file_create(io, s->directory, s->inner, row_store_commit_key, &next, &file);
    if (error != ERR_OK)
        return error;
    char name[ROW_FILE_NAME_SIZE];
    row_file_name(next.generation, name);
    if (s->file) {
        io->ops->close(io, s->file);
        (void)!io->ops->unlink(io, s->path); /* the next open tries again */
    }
    free(s->path);
    s->path = io_path(s->directory, name);
    s->file = file;
    s->at = next;
    s->inner_size = next.size;
    row_store_plan_generation(s, next.size);
    return ERR_OK;
}

static void report_damage(struct row_store *s)
{
    struct message message = {""};
    if (s->damage_reported || s->inner->driver->check(s->inner, &message) != ERR_CORRUPT)
        return;
    s->damage_reported = true;
    trace_log(s->env->trace, TRACE_WARN,
              "the key-value store is damaged, the next start repairs it",
              F_STRING("reason", message.text));
}

/* Without enough space for a copy of the rows the present file grows. */
static bool has_room(const struct row_store *s)
{
    int64_t room;
    return s->env->io->ops->free_bytes(s->env->io, s->directory, &room) == ERR_OK &&
           room / 2 > s->at.size;
}

/* A failed attempt leaves the present file as it is, unless it is unknown which file is valid. */
static void try_generation(struct row_store *s)
{
    if (s->at.size < s->next_generation)
        return;
    row_store_plan_generation(s, s->at.size);
    if (!has_room(s))
        return;
    enum error error = row_store_begin_generation(s);
    if (error == ERR_CORRUPT)
        report_damage(s);
    else if (error != ERR_OK && error != ERR_NO_SPACE && error != ERR_NO_FILES)
        s->failed = true;
}

/* Writes */

enum error row_store_cut(struct row_store *s)
{
    struct io *io = s->env->io;
    enum error error = io->ops->truncate(io, s->file, s->at.size);
    if (error != ERR_OK)
        return error;
    error = io_sync(io, s->file);
    s->failed |= error != ERR_OK;
    s->torn = error != ERR_OK;
    return s->failed ? ERR_IO : ERR_OK;
}

static void encode(const struct row_store *s, const struct kv_change *changes, size_t count,
                   struct buffer *out)
{
    row_record_begin(out, ROW_RECORD_CHANGES, s->at.commit + 1, s->at.chain);
    for (size_t i = 0; i < count; i++)
        row_record_add(out, changes[i].key, changes[i].value);
}

/* Nothing may follow an incomplete record. */
static enum error write_record(struct row_store *s, const struct buffer *record)
{
    struct io *io = s->env->io;
    enum error error = io_write(io, s->file, record->data, record->size, s->at.size);
    if (error == ERR_NO_SPACE) {
        s->torn = true;
        (void)!row_store_cut(s); /* the next write tries again */
        return s->failed ? ERR_IO : ERR_NO_SPACE;
    }
    if (error == ERR_OK)
        error = io_sync(io, s->file);
    s->failed |= error != ERR_OK;
    return s->failed ? ERR_IO : ERR_OK;
}

static enum error append(struct row_store *s, const struct kv_change *changes, size_t count)
{
    struct buffer record;
    buffer_init(&record, ROW_RECORD_SIZE_MAX);
    encode(s, changes, count, &record);
    uint32_t checksum = row_record_end(&record, 0);
    enum error error = record.overflowed ? ERR_TOO_LARGE : write_record(s, &record);
    if (error == ERR_OK) {
        s->at.commit++;
        s->at.mark = s->at.chain = checksum;
        s->at.size += (int64_t)record.size;
    }
    buffer_free(&record);
    return error;
}

enum error row_store_write(struct row_store *s, const struct kv_change *changes, size_t count)
{
    enum error error = s->failed ? ERR_IO : ERR_OK;
    if (error == ERR_OK && s->torn)
        error = row_store_cut(s);
    if (error == ERR_OK)
        error = row_store_catch_up(s);
    if (error == ERR_OK)
        try_generation(s);
    if (error == ERR_OK)
        error = s->failed ? ERR_IO : append(s, changes, count);
    if (error == ERR_OK)
        error = row_store_write_inner(s, changes, count, s->at.commit, s->at.mark);
    if (error != ERR_OK)
        return error;
    s->inner_commit = s->at.commit;
    s->inner_size = s->at.size;
    return ERR_OK;
}
