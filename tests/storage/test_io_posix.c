#include "storage/io.h"

#include "base/trace.h"

#include "tests/harness/harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* A path in this program's directory. A few are valid at a time. */
static const char *path_of(const char *name)
{
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", test_directory(), name);
    return path;
}

static struct io_file *open_file(const char *name, int flags)
{
    struct io_file *file;
    EXPECT_INT(io_posix()->ops->open(io_posix(), path_of(name), flags, &file), ERR_OK);
    return file;
}

static void close_file(struct io_file *file)
{
    io_posix()->ops->close(io_posix(), file);
}

static struct buffer content_of(const char *name, size_t max)
{
    struct buffer b;
    buffer_init(&b, max);
    EXPECT_INT(io_read_file(io_posix(), path_of(name), &b), ERR_OK);
    return b;
}

TEST(written_bytes_are_read_back)
{
    struct io *io = io_posix();
    struct io_file *file = open_file("a", IO_READ | IO_WRITE | IO_CREATE);
    EXPECT_INT(io_write(io, file, "hello", 5, 0), ERR_OK);
    EXPECT_INT(io_write(io, file, "p!", 2, 3), ERR_OK);
    char data[16];
    size_t got;
    EXPECT_INT(io->ops->read(io, file, data, sizeof data, 1, &got), ERR_OK);
    EXPECT_BYTES(bytes_of(data, got), BYTES_LITERAL("elp!"));
    EXPECT_INT(io->ops->read(io, file, data, sizeof data, 5, &got), ERR_OK);
    EXPECT_INT(got, 0);
    int64_t size;
    EXPECT_INT(io->ops->size(io, file, &size), ERR_OK);
    EXPECT_INT(size, 5);
    EXPECT(io->ops->descriptor(io, file) >= 0);
    EXPECT_INT(io->ops->sync(io, file), ERR_OK);
    close_file(file);
}

TEST(a_write_of_more_parts_than_the_kernel_accepts_is_complete)
{
    enum { PARTS = 2500 };
    static uint8_t bytes[PARTS * 3];
    static struct iovec parts[PARTS];
    size_t at = 0;
    for (size_t i = 0; i < PARTS; i++) {
        size_t size = i % 4; /* empty ones, too */
        for (size_t j = 0; j < size; j++)
            bytes[at + j] = (uint8_t)(at + j * 7);
        parts[i] = (struct iovec){bytes + at, size};
        at += size;
    }
    struct io_file *file = open_file("parts", IO_READ | IO_WRITE | IO_CREATE);
    EXPECT_INT(io_posix()->ops->write(io_posix(), file, parts, PARTS, 0), ERR_OK);
    close_file(file);
    struct buffer b = content_of("parts", 1 << 20);
    EXPECT_BYTES(buffer_view(&b), bytes_of(bytes, at));
    buffer_free(&b);
}

TEST(absent_names_are_not_found)
{
    struct io *io = io_posix();
    struct io_file *file;
    struct buffer b;
    buffer_init(&b, 100);
    EXPECT_INT(io->ops->open(io, path_of("none"), IO_READ, &file), ERR_NOT_FOUND);
    EXPECT_INT(io->ops->open(io, path_of("none/x"), IO_WRITE | IO_CREATE, &file), ERR_NOT_FOUND);
    EXPECT_INT(io->ops->unlink(io, path_of("none")), ERR_NOT_FOUND);
    EXPECT_INT(io->ops->rename(io, path_of("none"), path_of("other")), ERR_NOT_FOUND);
    EXPECT_INT(io->ops->remove_directory(io, path_of("none")), ERR_NOT_FOUND);
    EXPECT_INT(io->ops->sync_directory(io, path_of("none")), ERR_NOT_FOUND);
    EXPECT_INT(io_read_file(io, path_of("none"), &b), ERR_NOT_FOUND);
    EXPECT_INT(io_remove_tree(io, path_of("none")), ERR_OK);
}

TEST(truncating_and_reserving_set_the_size)
{
    struct io *io = io_posix();
    struct io_file *file = open_file("sized", IO_READ | IO_WRITE | IO_CREATE);
    int64_t size;
    EXPECT_INT(io->ops->reserve(io, file, 10000), ERR_OK);
    EXPECT_INT(io->ops->size(io, file, &size), ERR_OK);
    EXPECT_INT(size, 10000);
    EXPECT_INT(io->ops->truncate(io, file, 7), ERR_OK);
    EXPECT_INT(io->ops->size(io, file, &size), ERR_OK);
    EXPECT_INT(size, 7);
    close_file(file);
}

TEST(direct_writes_work_or_are_unsupported)
{
    struct io *io = io_posix();
    struct io_file *file;
    enum error error =
        io->ops->open(io, path_of("direct"), IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT, &file);
    if (error == ERR_UNSUPPORTED)
        return;
    EXPECT_INT(error, ERR_OK);
    /* Nothing else makes a direct write durable. */
    EXPECT(fcntl(io->ops->descriptor(io, file), F_GETFL) & O_DSYNC);
    void *block = aligned_alloc(IO_ALIGNMENT, IO_ALIGNMENT);
    memset(block, 'd', IO_ALIGNMENT);
    EXPECT_INT(io_write(io, file, block, IO_ALIGNMENT, IO_ALIGNMENT), ERR_OK);
    size_t got;
    EXPECT_INT(io->ops->read(io, file, block, IO_ALIGNMENT, 0, &got), ERR_OK);
    EXPECT_INT(got, IO_ALIGNMENT);
    EXPECT_INT(*(char *)block, 0);
    free(block);
    close_file(file);
}

static void count_name(void *context, const char *name)
{
    (void)name;
    ++*(int *)context;
}

TEST(directories_are_made_listed_and_removed_whole)
{
    struct io *io = io_posix();
    int made;
    EXPECT_INT(io_make_directories(io, path_of("d/e/f"), 2, &made), ERR_NOT_FOUND);
    EXPECT_INT(io_make_directories(io, path_of("d/e/f"), 3, &made), ERR_OK);
    EXPECT_INT(made, 3);
    EXPECT_INT(io_sync_parents(io, path_of("d/e/f"), made), ERR_OK);
    EXPECT_INT(io_make_path(io, path_of("d/e/f")), ERR_OK);
    EXPECT_INT(io->ops->make_directory(io, path_of("d")), ERR_OK);
    close_file(open_file("d/e/1", IO_WRITE | IO_CREATE));
    close_file(open_file("d/e/f/2", IO_WRITE | IO_CREATE));
    int count = 0;
    EXPECT_INT(io->ops->list(io, path_of("d/e"), count_name, &count), ERR_OK);
    EXPECT_INT(count, 2);
    EXPECT_INT(io->ops->unlink(io, path_of("d/e/f")), ERR_INVALID);
    EXPECT_INT(io->ops->remove_directory(io, path_of("d")), ERR_EXISTS);
    EXPECT_INT(io_remove_tree(io, path_of("d")), ERR_OK);
    EXPECT_INT(io->ops->list(io, path_of("d"), count_name, &count), ERR_NOT_FOUND);
}

TEST(removing_a_tree_does_not_follow_links_out_of_it)
{
    struct io *io = io_posix();
    EXPECT_INT(io->ops->make_directory(io, path_of("kept")), ERR_OK);
    EXPECT_INT(io->ops->make_directory(io, path_of("tree")), ERR_OK);
    close_file(open_file("kept/file", IO_WRITE | IO_CREATE));
    EXPECT_INT(symlink(path_of("kept"), path_of("tree/link")), 0);
    EXPECT_INT(io_remove_tree(io, path_of("tree")), ERR_OK);
    close_file(open_file("kept/file", IO_READ));
}

TEST(a_file_is_replaced_whole)
{
    struct io *io = io_posix();
    EXPECT_INT(io_replace_file(io, path_of("r"), BYTES_LITERAL("first content")), ERR_OK);
    EXPECT_INT(io_replace_file(io, path_of("r"), BYTES_LITERAL("second")), ERR_OK);
    struct buffer b = content_of("r", 100);
    EXPECT_BYTES(buffer_view(&b), BYTES_LITERAL("second"));
    buffer_free(&b);
    struct io_file *file;
    EXPECT_INT(io->ops->open(io, path_of("r.new"), IO_READ, &file), ERR_NOT_FOUND);
}

TEST(reading_a_file_stops_at_the_buffers_maximum)
{
    struct io *io = io_posix();
    EXPECT_INT(io_replace_file(io, path_of("m"), BYTES_LITERAL("0123456789")), ERR_OK);
    struct buffer b = content_of("m", 10);
    EXPECT_BYTES(buffer_view(&b), BYTES_LITERAL("0123456789"));
    buffer_free(&b);
    buffer_init(&b, 9);
    EXPECT_INT(io_read_file(io, path_of("m"), &b), ERR_TOO_LARGE);
    buffer_free(&b);
}

TEST(a_lock_is_not_taken_twice_and_its_directory_is_known)
{
    struct io *io = io_posix();
    char place[512], away[512];
    snprintf(place, sizeof place, "%s", path_of("place"));
    snprintf(away, sizeof away, "%s", path_of("away"));
    EXPECT_INT(io->ops->check_place(io, place), ERR_OK); /* nothing is locked */
    EXPECT_INT(io->ops->make_directory(io, place), ERR_OK);
    EXPECT_INT(io->ops->lock(io, path_of("place/lock")), ERR_OK);
    EXPECT_INT(io->ops->lock(io, path_of("place/lock")), ERR_BUSY);
    EXPECT_INT(io->ops->check_place(io, place), ERR_OK);
    EXPECT_INT(io->ops->rename(io, place, away), ERR_OK);
    EXPECT_INT(io->ops->check_place(io, place), ERR_MOVED);
    EXPECT_INT(io->ops->sync_all(io, place), ERR_OK); /* what was written is still there */
    EXPECT_INT(io->ops->make_directory(io, place), ERR_OK);
    EXPECT_INT(io->ops->check_place(io, place), ERR_MOVED);
    EXPECT_INT(io->ops->remove_directory(io, place), ERR_OK);
    EXPECT_INT(io->ops->rename(io, away, place), ERR_OK);
    EXPECT_INT(io->ops->check_place(io, place), ERR_OK);
}

TEST(the_file_system_reports_its_free_bytes_and_syncs)
{
    int64_t free_bytes = -1;
    EXPECT_INT(io_posix()->ops->free_bytes(io_posix(), test_directory(), &free_bytes), ERR_OK);
    EXPECT(free_bytes >= 0);
    EXPECT_INT(io_posix()->ops->sync_all(io_posix(), test_directory()), ERR_OK);
}

static char logged[512];
static void keep_line(struct trace *trace, struct bytes line)
{
    (void)trace;
    snprintf(logged, sizeof logged, "%.*s", BYTES_PRINTF(line));
}

TEST(a_lack_of_descriptors_is_an_error_of_its_own)
{
    struct io *io = io_posix();
    struct trace trace = {
        .level = TRACE_INFO, .format = TRACE_TEXT, .clock = clock_system(), .write = keep_line};
    struct rlimit before, none = {0};
    EXPECT_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    none.rlim_max = before.rlim_max;
    EXPECT_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct io_file *file;
    enum error error = io->ops->open(io, path_of("never made"), IO_WRITE | IO_CREATE, &file);
    EXPECT_INT(error, ERR_NO_FILES);
    io_posix_set_trace(&trace);
    EXPECT_INT(io->ops->sync_directory(io, test_directory()), ERR_NO_FILES);
    EXPECT(strstr(logged, "WARN") && strstr(logged, "limit=0") && strstr(logged, "call=open"));
    EXPECT(strstr(logged, test_directory()) && strstr(logged, "Too many open files"));
    logged[0] = '\0'; /* a second line would say nothing new */
    EXPECT_INT(io->ops->sync_directory(io, test_directory()), ERR_NO_FILES);
    EXPECT_STRING(logged, "");
    io_posix_set_trace(NULL);
    EXPECT_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_INT(io->ops->open(io, path_of("never made"), IO_READ, &file), ERR_NOT_FOUND);
}

TEST(a_full_disk_is_an_error_of_its_own_and_is_logged)
{
    struct trace trace = {
        .level = TRACE_INFO, .format = TRACE_TEXT, .clock = clock_system(), .write = keep_line};
    io_posix_set_trace(&trace);
    struct io *io = io_posix();
    struct io_file *file;
    EXPECT_INT(io->ops->open(io, "/dev/full", IO_WRITE, &file), ERR_OK);
    EXPECT_INT(io_write(io, file, "x", 1, 0), ERR_NO_SPACE);
    io->ops->close(io, file);
    io_posix_set_trace(NULL);
    EXPECT(strstr(logged, "/dev/full") != NULL);
    EXPECT(strstr(logged, "No space left") != NULL);
}
