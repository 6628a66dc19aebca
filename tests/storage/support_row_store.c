#include "tests/storage/support_row_store.h"

#include "storage/io.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void keep_line(struct trace *trace, struct bytes line)
{
    buffer_append_bytes(&CONTAINER_OF(trace, struct scene, trace)->log, line);
}

void set_scene(struct scene *s, const char *name)
{
    *s =
        (struct scene){.trace = {.level = TRACE_INFO, .clock = clock_system(), .write = keep_line}};
    snprintf(s->directory, sizeof s->directory, "%s/%s", test_directory(), name);
    buffer_init(&s->log, 1 << 20);
    buffer_init(&s->expected, 1 << 28);
    s->env = (struct env){
        .clock = clock_system(), .random = random_system(), .trace = &s->trace, .io = io_posix()};
    row_store_init(&s->driver, &s->env, kv_leveldb());
    EXPECT_INT(io_make_path(io_posix(), s->directory), ERR_OK);
}

void clear_scene(struct scene *s)
{
    buffer_free(&s->log);
    buffer_free(&s->expected);
}

enum error open_as(struct scene *s, enum kv_open how)
{
    char *path = io_path(s->directory, "kv");
    s->kv = NULL;
    s->message.text[0] = '\0';
    buffer_clear(&s->log);
    enum error error = s->driver.driver.open(&s->driver.driver, path, how, &s->kv, &s->message);
    free(path);
    return error;
}

void open_well(struct scene *s, enum kv_open how)
{
    if (open_as(s, how) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", s->message.text);
}

void close_store(struct scene *s)
{
    s->kv->driver->close(s->kv);
    s->kv = NULL;
}

enum error put(struct scene *s, const char *key, char letter, size_t size)
{
    char *value = xmalloc(size + 1);
    memset(value, letter, size);
    struct kv_change change = {bytes_string(key), bytes_of(value, size)};
    enum error error = s->kv->driver->write(s->kv, &change, 1);
    free(value);
    return error;
}

void write_batch(struct scene *s, int n, size_t size)
{
    char fresh[32], changed[32], deleted[32], *value = xmalloc(size);
    snprintf(fresh, sizeof fresh, "row-%04d", n);
    snprintf(changed, sizeof changed, "changed-%d", n % 7);
    snprintf(deleted, sizeof deleted, "row-%04d", n % 5 == 0 ? n - 3 : 9999);
    memset(value, 'a' + n % 26, size);
    struct kv_change changes[] = {{bytes_string(fresh), bytes_of(value, size)},
                                  {bytes_string(changed), bytes_of(value, size / 2)},
                                  {bytes_string(deleted), BYTES_NULL}};
    EXPECT_INT(s->kv->driver->write(s->kv, changes, COUNT_OF(changes)), ERR_OK);
    free(value);
}

enum error add_pair(void *context, struct bytes key, struct bytes value)
{
    struct buffer *out = context;
    buffer_append_be32(out, (uint32_t)key.size);
    buffer_append_bytes(out, key);
    buffer_append_be32(out, (uint32_t)value.size);
    buffer_append_bytes(out, value);
    return ERR_OK;
}

void read_rows(struct scene *s, struct buffer *out)
{
    buffer_clear(out);
    EXPECT_INT(s->kv->driver->scan(s->kv, BYTES_LITERAL(""), add_pair, out), ERR_OK);
    EXPECT(!out->overflowed);
}

bool rows_are_expected(struct scene *s)
{
    struct buffer rows;
    buffer_init(&rows, 1 << 28);
    read_rows(s, &rows);
    bool same = bytes_equal(buffer_view(&rows), buffer_view(&s->expected));
    buffer_free(&rows);
    return same;
}

void run(const struct scene *s, const char *format, ...)
{
    char command[2000], text[1500];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(command, sizeof command, "cd '%s' && %s", s->directory, text);
    if (system(command) != 0)
        test_fail(__FILE__, __LINE__, "%s", command);
}

bool log_has(struct scene *s, const char *text)
{
    return strstr(buffer_c_string(&s->log), text) != NULL;
}

void fill(struct scene *s)
{
    open_well(s, KV_OPEN_OR_CREATE);
    for (int i = 0; i < BATCHES / 2; i++)
        write_batch(s, i, 3000);
    close_store(s);
    run(s, "cp -r . \"$PWD.older\"");
    open_well(s, KV_OPEN_EXISTING);
    EXPECT(!log_has(s, "WARN"));
    for (int i = BATCHES / 2; i < BATCHES; i++)
        write_batch(s, i, 3000);
    read_rows(s, &s->expected);
    close_store(s);
    run(s, "cp -r . \"$PWD.kept\"");
}

void restore(const struct scene *s)
{
    run(s, "rm -rf kv rows kv.damaged && cp -r \"$PWD.kept\"/* .");
}

void expect_nothing_lost(struct scene *s, const char *what, int *repaired, int *refused)
{
    if (open_as(s, KV_OPEN_EXISTING) == ERR_OK) {
        if (!rows_are_expected(s))
            test_fail(__FILE__, __LINE__, "%s: rows differ; %s", what, buffer_c_string(&s->log));
        *repaired += log_has(s, "WARN") && log_has(s, "no row is lost");
        close_store(s);
        open_well(s, KV_OPEN_EXISTING);
        if (log_has(s, "WARN") || !rows_are_expected(s))
            test_fail(__FILE__, __LINE__, "%s: not repaired; %s", what, buffer_c_string(&s->log));
        close_store(s);
    } else {
        if (strstr(s->message.text, s->directory) == NULL ||
            strstr(s->message.text, "restore the whole data directory from a copy") == NULL)
            test_fail(__FILE__, __LINE__, "%s: refused with %s", what, s->message.text);
        ++*refused;
    }
    restore(s);
}

/* Files */

void note_name(void *context, const char *name)
{
    struct names *n = context;
    if (strstr(name, n->pattern) == NULL || n->count == NAMES_MAX || strcmp(name, "LOCK") == 0 ||
        strncmp(name, "LOG", 3) == 0)
        return;
    snprintf(n->at[n->count++], PATH_SIZE, "%s/%s", n->directory, name);
}

struct names files_of(const struct scene *s, const char *part, const char *pattern)
{
    char *directory = io_path(s->directory, part);
    struct names names = {.directory = directory, .pattern = pattern};
    EXPECT_INT(io_posix()->ops->list(io_posix(), directory, note_name, &names), ERR_OK);
    free(directory);
    return names;
}

void read_file(const char *path, struct buffer *out)
{
    buffer_init(out, 1 << 28);
    EXPECT_INT(io_read_file(io_posix(), path, out), ERR_OK);
}

void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    EXPECT(f != NULL);
    EXPECT_INT(fwrite(data, 1, size, f), size);
    fclose(f);
}

void flip(const char *path, size_t at, uint8_t bits)
{
    struct buffer content;
    read_file(path, &content);
    content.data[at] ^= bits;
    write_file(path, content.data, content.size);
    buffer_free(&content);
}

size_t size_of(const char *path)
{
    struct buffer content;
    read_file(path, &content);
    size_t size = content.size;
    buffer_free(&content);
    return size;
}

static enum error ignore_record(void *context, const struct row_record *record)
{
    (void)context, (void)record;
    return ERR_OK;
}

enum row_file_state state_of_file(const struct scene *s)
{
    struct row_file_report report;
    uint64_t generation;
    const char *rest;
    struct names names = files_of(s, "rows", "rows-");
    EXPECT_INT(names.count, 1);
    EXPECT(row_file_parse_name(strrchr(names.at[0], '/') + 1, &generation, &rest));
    EXPECT_INT(row_file_check(io_posix(), names.at[0], generation, ignore_record, NULL, &report),
               ERR_OK);
    return report.state;
}

void expect_refused(struct scene *s, const char *store_part, const char *file_part)
{
    run(s, "rm -rf \"$PWD.before\" && cp -r . \"$PWD.before\"");
    EXPECT_INT(open_as(s, KV_OPEN_EXISTING), ERR_CORRUPT);
    if (strstr(s->message.text, store_part) == NULL || strstr(s->message.text, file_part) == NULL ||
        strstr(s->message.text, "restore the whole data directory from a copy") == NULL)
        test_fail(__FILE__, __LINE__, "%s", s->message.text);
    run(s, "diff -r rows \"$PWD.before/rows\" && test ! -e kv.damaged");
}
