#include "storage/data_versions.h"

#include "storage/journal.h"
#include "storage/row_kind.h"
#include "storage/store_rows.h"

#include <stdlib.h>

/* The rows of this folder. The coordinator checks those of groups and offsets. The others (cluster
 * id, configs, cursors and state of processors, parcels) have only the format in tidemill.meta. */
static const struct row_version {
    enum row_kind kind;
    const char *name;
    int newest; /* that this version of Tidemill reads */
} row_versions[] = {
    {ROW_JOURNAL, "a journal's position", 1},
    {ROW_LOG, "a log", 2},
    {ROW_TOPIC, "a topic", 1},
    {ROW_DELETED, "a deleted topic", 1},
    {ROW_PRODUCER, "a producer", 1},
};

struct check {
    struct env *env;
    const char *directory;
    const struct row_version *row; /* that is scanned now */
    struct message *message;
};

static const char hint[] = "use the version of Tidemill that wrote it, or a newer one";

static enum error check_row(void *context, struct bytes key, struct bytes value)
{
    struct check *c = context;
    (void)key;
    if (value.size == 0 || value.data[0] <= c->row->newest)
        return ERR_OK;
    message_set(c->message, "%s/kv: the row of %s has version %d, this version reads up to %d: %s",
                c->directory, c->row->name, value.data[0], c->row->newest, hint);
    return ERR_UNSUPPORTED;
}

static enum error check_rows(struct check *c, struct kv *kv)
{
    enum error error = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(row_versions) && error == ERR_OK; i++) {
        uint8_t prefix = (uint8_t)row_versions[i].kind;
        c->row = &row_versions[i];
        error = kv->driver->scan(kv, bytes_of(&prefix, 1), check_row, c);
    }
    return error;
}

/* --- journals --- */

struct journal_check {
    struct check *check;
    const char *directory;
    uint64_t run;
    enum error error;
};

/* Whether a unit of a newer format begins the file. A flipped bit of the magic is damage and not a
 * version: then the checksum is wrong. */
static enum error read_version(struct journal_check *j, struct io_file *file, int64_t size,
                               int *version)
{
    struct io *io = j->check->env->io;
    uint8_t header[JOURNAL_HEADER_SIZE];
    size_t got;
    *version = 0;
    enum error error = io->ops->read(io, file, header, sizeof header, 0, &got);
    size_t length = 0;
    uint64_t run = 0;
    if (error != ERR_OK || got < sizeof header ||
        journal_unit_version(bytes_of(header, got), &length, &run) <= JOURNAL_VERSION ||
        run != j->run || length > (size_t)size)
        return error;
    uint8_t *unit = xmalloc(length);
    error = io->ops->read(io, file, unit, length, 0, &got);
    if (error == ERR_OK && got == length && journal_unit_checksum_is_right(bytes_of(unit, got)))
        *version = journal_unit_version(bytes_of(unit, got), &length, &run);
    free(unit);
    return error;
}

static void check_file(void *context, const char *name)
{
    struct journal_check *j = context;
    struct io *io = j->check->env->io;
    struct io_file *file;
    uint64_t sequence;
    int64_t size;
    int version = 0;
    if (j->error != ERR_OK || !journal_parse_name(name, &sequence))
        return;
    char *path = journal_path(j->directory, sequence);
    j->error = io->ops->open(io, path, IO_READ, &file);
    if (j->error == ERR_OK) {
        j->error = io->ops->size(io, file, &size);
        if (j->error == ERR_OK)
            j->error = read_version(j, file, size, &version);
        io->ops->close(io, file);
    }
    if (version > 0) {
        message_set(j->check->message,
                    "%s: the journal has format %d, this version reads up to %d: %s", path, version,
                    JOURNAL_VERSION, hint);
        j->error = ERR_UNSUPPORTED;
    }
    free(path);
}

static enum error check_journal(void *context, struct bytes key, struct bytes value)
{
    struct check *c = context;
    struct journal_mark mark;
    int shard;
    if (!row_key_parse_journal(key, &shard) || journal_mark_decode(value, &mark) != ERR_OK)
        return ERR_OK; /* told by whoever needs the row */
    char *directory = journal_directory(c->directory, shard);
    struct journal_check j = {.check = c, .directory = directory, .run = mark.run};
    enum error error = c->env->io->ops->list(c->env->io, directory, check_file, &j);
    free(directory);
    if (error != ERR_OK)
        return error == ERR_NOT_FOUND ? ERR_OK : error;
    return j.error;
}

enum error data_versions_check(struct env *env, const char *data_directory, struct kv *kv,
                               struct message *message)
{
    struct check c = {.env = env, .directory = data_directory, .message = message};
    uint8_t prefix = ROW_JOURNAL;
    enum error error = check_rows(&c, kv);
    if (error == ERR_OK)
        error = kv->driver->scan(kv, bytes_of(&prefix, 1), check_journal, &c);
    return error;
}
