/* Two copies of the rows when LevelDB or a call of the disk fails: no acknowledged write is lost,
 * and a full disk heals. */
#include "tests/storage/support_row_store.h"

#include "storage/io.h"
#include "storage/kv_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct failing_store {
    struct kv_driver driver;
    struct kv kv;
    struct kv *inner;
    enum error error; /* of writes; OK: none fails */
};

static enum error failing_open(struct kv_driver *driver, const char *path, enum kv_open how,
                               struct kv **out, struct message *message)
{
    struct failing_store *f = CONTAINER_OF(driver, struct failing_store, driver);
    *out = &f->kv;
    return kv_leveldb()->open(kv_leveldb(), path, how, &f->inner, message);
}

static void failing_close(struct kv *kv)
{
    struct kv *inner = CONTAINER_OF(kv, struct failing_store, kv)->inner;
    inner->driver->close(inner);
}

static enum error failing_write(struct kv *kv, const struct kv_change *changes, size_t count)
{
    struct failing_store *f = CONTAINER_OF(kv, struct failing_store, kv);
    return f->error != ERR_OK ? f->error : f->inner->driver->write(f->inner, changes, count);
}

static enum error
failing_scan(struct kv *kv, struct bytes prefix,
             enum error (*each)(void *context, struct bytes key, struct bytes value), void *context)
{
    struct kv *inner = CONTAINER_OF(kv, struct failing_store, kv)->inner;
    return inner->driver->scan(inner, prefix, each, context);
}

static enum error failing_check(struct kv *kv, struct message *message)
{
    struct kv *inner = CONTAINER_OF(kv, struct failing_store, kv)->inner;
    return inner->driver->check(inner, message);
}

static enum error failing_set_aside(struct kv_driver *driver, const char *path, const char *to)
{
    (void)driver;
    return kv_leveldb()->set_aside(kv_leveldb(), path, to);
}

static void use_failing(struct scene *s, struct failing_store *f)
{
    *f = (struct failing_store){.driver = {failing_open, failing_close, failing_write, failing_scan,
                                           failing_check, failing_set_aside}};
    f->kv.driver = &f->driver;
    s->driver.inner = &f->driver;
}

TEST(a_crash_between_the_two_writes_is_finished_by_the_next_open)
{
    struct scene s;
    struct failing_store f;
    set_scene(&s, "between");
    fill(&s);
    use_failing(&s, &f);
    open_well(&s, KV_OPEN_EXISTING);
    f.error = ERR_NO_SPACE;
    EXPECT_INT(put(&s, "row-0001", 'x', 100), ERR_NO_SPACE);
    close_store(&s);
    f.error = ERR_OK;
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(!log_has(&s, "WARN") &&
           log_has(&s, "the key-value store lacked the last write, as after a crash"));
    EXPECT(!rows_are_expected(&s));
    EXPECT_INT(put(&s, "row-0001", 'b', 3000), ERR_OK); /* as batch 1 did */
    EXPECT(rows_are_expected(&s));
    close_store(&s);
    clear_scene(&s);
}

TEST(writes_that_the_store_refused_come_before_later_ones)
{
    struct scene s;
    struct failing_store f;
    set_scene(&s, "refused");
    use_failing(&s, &f);
    open_well(&s, KV_OPEN_OR_CREATE);
    EXPECT_INT(put(&s, "a", 'a', 10), ERR_OK);
    f.error = ERR_NO_SPACE;
    EXPECT_INT(put(&s, "a", 'b', 10), ERR_NO_SPACE);
    EXPECT_INT(put(&s, "b", 'b', 10), ERR_NO_SPACE);
    f.error = ERR_OK;
    EXPECT_INT(put(&s, "c", 'c', 10), ERR_OK);
    read_rows(&s, &s.expected);
    EXPECT_BYTES(buffer_view(&s.expected),
                 BYTES_LITERAL("\0\0\0\1a\0\0\0\12bbbbbbbbbb\0\0\0\1c\0\0\0\12cccccccccc"));
    close_store(&s);
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(s.log.size == 0 && rows_are_expected(&s));
    close_store(&s);
    clear_scene(&s);
}

/* The kernel's files, of which one call fails. */
struct failing_io {
    struct io io;
    struct io_ops ops;
    int calls, fail_at;
    int refused_cuts;  /* truncations that find a full disk, too */
    bool cut_unsynced; /* a power cut may bring back what was cut */
    bool lose_names;   /* syncs of directories fail */
    enum error error;
};

static struct failing_io *the_io;

static bool fails(bool grows)
{
    int call = the_io->calls++;
    return call == the_io->fail_at && (grows || the_io->error != ERR_NO_SPACE);
}

static enum error io_open(struct io *io, const char *path, int flags, struct io_file **out)
{
    (void)io;
    return (flags & IO_CREATE) && fails(true) ? the_io->error
                                              : io_posix()->ops->open(io_posix(), path, flags, out);
}

/* Writes most of it before it fails. */
static enum error io_cut_write(struct io *io, struct io_file *file, const struct iovec *parts,
                               int count, int64_t position)
{
    (void)io;
    EXPECT(!the_io->cut_unsynced);
    if (!fails(true))
        return io_posix()->ops->write(io_posix(), file, parts, count, position);
    struct iovec half = {parts[0].iov_base, parts[0].iov_len * 9 / 10};
    (void)!io_posix()->ops->write(io_posix(), file, &half, 1, position);
    return the_io->error;
}

static enum error io_sync_file(struct io *io, struct io_file *file)
{
    (void)io;
    the_io->cut_unsynced = false;
    return fails(false) ? the_io->error : io_posix()->ops->sync(io_posix(), file);
}

static enum error io_truncate(struct io *io, struct io_file *file, int64_t size)
{
    (void)io;
    if (the_io->refused_cuts > 0 && the_io->refused_cuts--)
        return ERR_NO_SPACE;
    the_io->cut_unsynced |= size > 0;
    return fails(false) ? the_io->error : io_posix()->ops->truncate(io_posix(), file, size);
}

static enum error io_rename(struct io *io, const char *from, const char *to)
{
    (void)io;
    return fails(true) ? the_io->error : io_posix()->ops->rename(io_posix(), from, to);
}

static enum error io_unlink(struct io *io, const char *path)
{
    (void)io;
    return fails(false) ? the_io->error : io_posix()->ops->unlink(io_posix(), path);
}

static enum error io_make(struct io *io, const char *path)
{
    (void)io;
    return fails(true) ? the_io->error : io_posix()->ops->make_directory(io_posix(), path);
}

static enum error io_sync_names(struct io *io, const char *path)
{
    (void)io;
    if (the_io->lose_names)
        return ERR_IO;
    return fails(false) ? the_io->error : io_posix()->ops->sync_directory(io_posix(), path);
}

/* A bad sector in the file that `bad_path` is a part of. */
static const char *bad_path;
static struct io_file *bad_file;

static enum error io_open_bad(struct io *io, const char *path, int flags, struct io_file **out)
{
    (void)io;
    enum error error = io_posix()->ops->open(io_posix(), path, flags, out);
    if (error == ERR_OK && strstr(path, bad_path))
        bad_file = *out;
    else if (error == ERR_OK && bad_file == *out)
        bad_file = NULL; /* the memory of one that was closed */
    return error;
}

static enum error io_read_bad(struct io *io, struct io_file *file, void *data, size_t size,
                              int64_t position, size_t *got)
{
    (void)io;
    return file == bad_file ? ERR_IO
                            : io_posix()->ops->read(io_posix(), file, data, size, position, got);
}

TEST(a_file_that_the_disk_cannot_read_is_damaged)
{
    struct scene s;
    struct message message = {""};
    struct kv_torn_end torn;
    struct io_ops ops = *io_posix()->ops;
    struct io io = {.ops = &ops};
    ops.open = io_open_bad;
    ops.read = io_read_bad;
    set_scene(&s, "unreadable");
    fill(&s);
    bad_path = "rows-00000000000000000001.log";
    s.env.io = &io;
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(rows_are_expected(&s) && log_has(&s, "WARN") &&
           log_has(&s, "log: the disk cannot read the file"));
    close_store(&s);
    s.env.io = io_posix();
    char *path = io_path(s.directory, "kv");
    static const char *const parts[] = {"CURRENT", "MANIFEST-", ".log", ".ldb"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        bad_path = parts[i];
        EXPECT_INT(kv_files_check(&io, path, &torn, &message), ERR_CORRUPT);
        EXPECT(strstr(message.text, parts[i]) && strstr(message.text, "the disk cannot read"));
    }
    free(path);
    clear_scene(&s);
}

static void use_failing_io(struct scene *s, struct failing_io *f, int fail_at, enum error error)
{
    *f = (struct failing_io){.ops = *io_posix()->ops, .fail_at = fail_at, .error = error};
    f->ops.open = io_open;
    f->ops.write = io_cut_write;
    f->ops.sync = io_sync_file;
    f->ops.truncate = io_truncate;
    f->ops.rename = io_rename;
    f->ops.unlink = io_unlink;
    f->ops.make_directory = io_make;
    f->ops.sync_directory = io_sync_names;
    f->io.ops = &f->ops;
    the_io = f;
    s->env.io = &f->io;
}

enum { FAULT_WRITES = 8 };

/* Creates a store and writes with a fault at one call. Returns the number of calls. Key n is
 * written by write n. */
static int write_with_fault(int fail_at, enum error error)
{
    struct scene s;
    struct failing_io f;
    bool done[FAULT_WRITES] = {false};
    int failures = 0;
    set_scene(&s, "faults");
    run(&s, "rm -rf kv rows kv.damaged");
    s.driver.generation_bytes = 500;
    use_failing_io(&s, &f, fail_at, error);
    if (open_as(&s, KV_OPEN_OR_CREATE) == ERR_OK) {
        for (int i = 0; i < FAULT_WRITES; i++) {
            char key[2] = {(char)('a' + i), '\0'};
            enum error result = put(&s, key, 'v', (size_t)(300 - 40 * i));
            done[i] = result == ERR_OK;
            failures += result != ERR_OK;
            EXPECT(result == ERR_OK || result == error);
            EXPECT(failures == 0 || error == ERR_NO_SPACE || !done[i]); /* EIO is final */
        }
        close_store(&s);
    }
    EXPECT(error != ERR_NO_SPACE || failures <= 1);
    EXPECT(error != ERR_NO_SPACE || !done[FAULT_WRITES - 1] || state_of_file(&s) == ROW_FILE_WHOLE);
    s.env.io = io_posix();
    open_well(&s, KV_OPEN_OR_CREATE);
    read_rows(&s, &s.expected);
    for (int i = 0; i < FAULT_WRITES; i++) {
        char record[5] = {0, 0, 0, 1, (char)('a' + i)};
        bool found = memmem(s.expected.data ? s.expected.data : (uint8_t *)"", s.expected.size,
                            record, sizeof record) != NULL;
        if (done[i] && !found)
            test_fail(__FILE__, __LINE__, "write %d is lost after a fault at call %d", i, fail_at);
    }
    close_store(&s);
    clear_scene(&s);
    return f.calls;
}

TEST(a_full_disk_at_any_call_loses_nothing_and_heals)
{
    int calls = write_with_fault(-1, ERR_NO_SPACE);
    EXPECT(calls > 30);
    for (int at = 0; at < calls; at++)
        write_with_fault(at, ERR_NO_SPACE);
}

TEST(a_failed_call_loses_no_acknowledged_write)
{
    int calls = write_with_fault(-1, ERR_IO);
    for (int at = 0; at < calls; at++)
        write_with_fault(at, ERR_IO);
}

TEST(an_incomplete_record_that_could_not_be_cut_is_cut_by_the_next_write)
{
    struct scene s;
    struct failing_io f;
    set_scene(&s, "uncut");
    use_failing_io(&s, &f, -1, ERR_NO_SPACE);
    open_well(&s, KV_OPEN_OR_CREATE);
    EXPECT_INT(put(&s, "a", 'v', 300), ERR_OK);
    f.fail_at = f.calls;
    f.refused_cuts = 1;
    EXPECT_INT(put(&s, "b", 'v', 300), ERR_NO_SPACE);
    EXPECT_INT(f.refused_cuts, 0);
    EXPECT_INT(put(&s, "c", 'v', 10), ERR_OK);
    close_store(&s);
    s.env.io = io_posix();
    EXPECT_INT(state_of_file(&s), ROW_FILE_WHOLE);
    clear_scene(&s);
}

/* It is unknown which of the two files the next start will find. */
TEST(a_new_row_file_whose_name_is_not_durable_ends_the_writes)
{
    struct scene s;
    struct failing_io f;
    int failures = 0;
    set_scene(&s, "unnamed");
    s.driver.generation_bytes = 500;
    use_failing_io(&s, &f, -1, ERR_IO);
    open_well(&s, KV_OPEN_OR_CREATE);
    f.lose_names = true;
    for (int i = 0; i < 10; i++) {
        enum error error = put(&s, "a", (char)('a' + i), 300);
        EXPECT(error == (failures > 0 ? ERR_IO : error));
        failures += error != ERR_OK;
    }
    EXPECT(failures > 0);
    close_store(&s);
    s.env.io = io_posix();
    clear_scene(&s);
}

/* Generations */
