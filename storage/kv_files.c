#include "storage/kv_files.h"

#include "protocol/reader.h"
#include "storage/data_meta.h"
#include "storage/kv_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_SIZE = 32, READ_CHUNK = 256 << 10 };

struct check {
    struct io *io;
    const char *directory;
    struct message *message;
    char manifest[NAME_SIZE];
    uint64_t log_number, previous_log; /* from the MANIFEST: older logs are not needed; 0: none */
    uint64_t *logs;                    /* that LevelDB will read, ascending */
    size_t log_count;
    enum error table_error;
};

static enum error refuse(struct check *c, const char *file, int64_t at)
{
    message_set(c->message,
                "%s/%s: damaged at byte %" PRId64 ", and what is lost there was durable",
                c->directory, file, at);
    return ERR_CORRUPT;
}

static enum error refuse_missing(struct check *c, const char *file)
{
    message_set(c->message, "%s/%s: the file is missing", c->directory, file);
    return ERR_CORRUPT;
}

/* A file that cannot be read is as good as damaged. */
static enum error judge_read(struct check *c, const char *path, enum error error)
{
    if (error == ERR_IO)
        message_set(c->message, "%s: the disk cannot read the file", path);
    else if (error != ERR_OK && error != ERR_NOT_FOUND)
        message_set(c->message, "cannot open the key-value store %s: %s", path, error_text(error));
    return error == ERR_IO ? ERR_CORRUPT : error;
}

static enum error read_file(struct check *c, const char *name, struct buffer *out)
{
    char *path = io_path(c->directory, name);
    buffer_init(out, SIZE_MAX / 2);
    enum error error = judge_read(c, path, io_read_file(c->io, path, out));
    free(path);
    return error;
}

/* CURRENT: the name of the MANIFEST and a newline. */
static enum error read_current(struct check *c)
{
    struct buffer text;
    enum error error = read_file(c, "CURRENT", &text);
    int size = 0;
    if (error == ERR_OK &&
        (sscanf(buffer_c_string(&text), "MANIFEST-%*u%n", &size) != 0 || size == 0 ||
         size >= NAME_SIZE || text.size != (size_t)size + 1 || text.data[size] != '\n'))
        error = refuse(c, "CURRENT", 0);
    if (error == ERR_OK)
        snprintf(c->manifest, sizeof c->manifest, "%.*s", size, (const char *)text.data);
    buffer_free(&text);
    return error;
}

/* A record of the MANIFEST consists of fields, each after its tag. n: a number (LEB128), s: a
 * string after its size. */
enum { TAG_LOG_NUMBER = 2, TAG_PREVIOUS_LOG = 9 };
static const char *const field_layouts[] = {
    [1] = "s", [2] = "n", [3] = "n", [4] = "n", [5] = "ns", [6] = "nn", [7] = "nnnss", [9] = "n"};

static uint64_t read_number(struct reader *r)
{
    uint64_t number = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t byte = (uint8_t)read_i8(r);
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            break;
    }
    return number;
}

/* Ends at a field that cannot be read: LevelDB refuses such a record, too. */
static void note_edit(void *context, struct bytes record)
{
    struct check *c = context;
    struct reader r = reader_of(record);
    while (!r.failed && reader_left(&r) > 0) {
        uint64_t tag = read_number(&r), number = 0;
        if (tag >= COUNT_OF(field_layouts) || field_layouts[tag] == NULL)
            return;
        for (const char *part = field_layouts[tag]; *part; part++) {
            number = read_number(&r);
            if (*part == 's')
                (void)read_raw(&r, number);
        }
        if (!r.failed && tag == TAG_LOG_NUMBER)
            c->log_number = number;
        if (!r.failed && tag == TAG_PREVIOUS_LOG)
            c->previous_log = number;
    }
}

/* LevelDB judges a torn end. It deletes files only after the record that makes them obsolete is
 * durable. So the loss of a durable last record shows in files that are missing. */
static enum error read_manifest(struct check *c)
{
    struct buffer data;
    int64_t bad;
    enum error error = read_file(c, c->manifest, &data);
    if (error == ERR_NOT_FOUND)
        error = refuse_missing(c, c->manifest);
    if (error == ERR_OK && kv_log_scan(buffer_view(&data), note_edit, c, &bad) == KV_LOG_DAMAGED)
        error = refuse(c, c->manifest, bad);
    buffer_free(&data);
    return error;
}

static void log_name(uint64_t number, char out[NAME_SIZE])
{
    snprintf(out, NAME_SIZE, "%06" PRIu64 ".log", number);
}

static void note_log(void *context, const char *name)
{
    struct check *c = context;
    char again[NAME_SIZE];
    uint64_t number = strtoull(name, NULL, 10);
    log_name(number, again);
    if (strcmp(name, again) != 0)
        return;
    if (number < c->log_number && (number != c->previous_log || number == 0))
        return; /* everything in it is in the tables */
    c->logs = xrealloc(c->logs, (c->log_count + 1) * sizeof *c->logs);
    c->logs[c->log_count++] = number;
}

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static enum error find_logs(struct check *c)
{
    enum error error = c->io->ops->list(c->io, c->directory, note_log, c);
    if (error != ERR_OK) {
        message_set(c->message, "cannot open the key-value store %s: %s", c->directory,
                    error_text(error));
        return error;
    }
    if (c->log_count > 0)
        qsort(c->logs, c->log_count, sizeof *c->logs, compare_numbers);
    bool found = c->log_number == 0;
    for (size_t i = 0; i < c->log_count; i++)
        found |= c->logs[i] == c->log_number;
    char name[NAME_SIZE];
    log_name(c->log_number, name);
    return found ? ERR_OK : refuse_missing(c, name);
}

/* From the newest log to the oldest. An empty log does not count as the newest: LevelDB creates it
 * while the previous log, which may have a torn end, is still needed. */
static enum error check_logs(struct check *c, struct kv_torn_end *torn)
{
    enum error error = ERR_OK;
    bool newest = true;
    for (size_t i = c->log_count; error == ERR_OK && i-- > 0;) {
        char name[NAME_SIZE];
        struct buffer data;
        int64_t bad = 0;
        log_name(c->logs[i], name);
        error = read_file(c, name, &data);
        if (error == ERR_NOT_FOUND)
            error = refuse_missing(c, name);
        enum kv_log_end end = kv_log_scan(buffer_view(&data), NULL, NULL, &bad);
        if (error == ERR_OK && (end == KV_LOG_DAMAGED || (end == KV_LOG_TORN && !newest)))
            error = refuse(c, name, bad);
        if (end == KV_LOG_TORN) {
            snprintf(torn->file, sizeof torn->file, "%s", name);
            torn->at = bad;
        }
        newest &= data.size == 0;
        buffer_free(&data);
    }
    return error;
}

/* LevelDB maps the tables into memory. There a page that the disk cannot read ends the process. */
static enum error read_through(struct check *c, const char *path)
{
    struct io *io = c->io;
    struct io_file *file = NULL;
    uint8_t *chunk = xmalloc(READ_CHUNK);
    size_t got = READ_CHUNK;
    enum error error = io->ops->open(io, path, IO_READ, &file);
    for (int64_t at = 0; error == ERR_OK && got == READ_CHUNK; at += READ_CHUNK)
        error = io->ops->read(io, file, chunk, READ_CHUNK, at, &got);
    if (file)
        io->ops->close(io, file);
    free(chunk);
    return error == ERR_NOT_FOUND ? ERR_OK : error; /* LevelDB judges */
}

static void check_table(void *context, const char *name)
{
    struct check *c = context;
    size_t size = strlen(name);
    if (c->table_error != ERR_OK || size < 4 || strcmp(name + size - 4, ".ldb") != 0)
        return;
    char *path = io_path(c->directory, name);
    c->table_error = judge_read(c, path, read_through(c, path));
    free(path);
}

static enum error check_tables(struct check *c)
{
    enum error error = c->io->ops->list(c->io, c->directory, check_table, c);
    return error == ERR_OK ? c->table_error : judge_read(c, c->directory, error);
}

enum error kv_files_check(struct io *io, const char *directory, struct kv_torn_end *torn,
                          struct message *message)
{
    struct check c = {.io = io, .directory = directory, .message = message};
    *torn = (struct kv_torn_end){.file = ""};
    enum error error = read_current(&c);
    if (error == ERR_OK)
        error = read_manifest(&c);
    if (error == ERR_OK)
        error = find_logs(&c);
    if (error == ERR_OK)
        error = check_logs(&c, torn);
    if (error == ERR_OK)
        error = check_tables(&c);
    free(c.logs);
    return error;
}
