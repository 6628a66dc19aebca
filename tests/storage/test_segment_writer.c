#include "tests/storage/support_log.h"

#include "storage/segment_writer.h"

#include <stdlib.h>

/* The kernel's files, where direct I/O is refused: by the open, or only by the write. */
struct picky_io {
    struct io io;
    struct io_ops ops;
    bool refuse_open, refuse_write;
    struct io_file *direct;
    int direct_writes;
};

static enum error picky_open(struct io *io, const char *path, int flags, struct io_file **out)
{
    struct picky_io *p = CONTAINER_OF(io, struct picky_io, io);
    if ((flags & IO_UNCACHED) && p->refuse_open)
        return ERR_UNSUPPORTED;
    enum error error = io_posix()->ops->open(io_posix(), path, flags, out);
    if (error == ERR_OK && (flags & IO_UNCACHED))
        p->direct = *out;
    return error;
}

static enum error picky_write(struct io *io, struct io_file *file, const struct iovec *parts,
                              int count, int64_t position)
{
    struct picky_io *p = CONTAINER_OF(io, struct picky_io, io);
    if (file == p->direct && p->refuse_write)
        return ERR_UNSUPPORTED;
    p->direct_writes += file == p->direct;
    return io_posix()->ops->write(io_posix(), file, parts, count, position);
}

static void picky_init(struct picky_io *p)
{
    *p = (struct picky_io){.ops = *io_posix()->ops};
    p->ops.open = picky_open;
    p->ops.write = picky_write;
    p->io.ops = &p->ops;
}

enum { SMALL = 3000, LARGE = 2500000 };

/* Writes pieces from `start` on behind `start` bytes that are there, and compares the file. */
static void write_and_compare(struct picky_io *p, size_t start, const size_t *sizes, size_t count)
{
    struct segment_file *file;
    struct segment_writer writer;
    struct buffer expected, content;
    buffer_init(&expected, 64 << 20);
    buffer_init(&content, 64 << 20);
    for (size_t i = 0; i < start; i++)
        buffer_append_u8(&expected, (uint8_t)(i * 7));
    const char *directory = test_directory();
    EXPECT_INT(segment_file_open(&p->io, directory, 5, IO_READ | IO_WRITE | IO_CREATE, &file),
               ERR_OK);
    EXPECT_INT(p->ops.truncate(&p->io, file->file, 0), ERR_OK);
    EXPECT_INT(io_write(&p->io, file->file, expected.data, start, 0), ERR_OK);
    EXPECT_INT(segment_writer_open(&writer, file, directory, 5, (int64_t)start), ERR_OK);
    for (size_t i = 0; i < count; i++) {
        size_t from = expected.size;
        for (size_t at = 0; at < sizes[i]; at++)
            buffer_append_u8(&expected, (uint8_t)(at * 31 + i + at / 4096));
        EXPECT_INT(segment_writer_add(&writer, bytes_from(buffer_view(&expected), from)), ERR_OK);
    }
    EXPECT_INT(segment_writer_end(&writer), ERR_OK);
    segment_writer_close(&writer);
    segment_file_unref(file);
    char *path = segment_path(directory, 5, SEGMENT_LOG);
    EXPECT_INT(io_read_file(io_posix(), path, &content), ERR_OK);
    EXPECT_BYTES(buffer_view(&content), buffer_view(&expected));
    free(path);
    buffer_free(&expected);
    buffer_free(&content);
}

TEST(the_file_ends_with_the_last_byte_wherever_it_begins)
{
    struct picky_io p;
    picky_init(&p);
    static const size_t starts[] = {0, 1, 4095, 4096, 4097, 12345};
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        write_and_compare(&p, starts[i], (size_t[]){SMALL, LARGE, 1, 4096, LARGE}, 5);
        write_and_compare(&p, starts[i], (size_t[]){4096 - starts[i] % 4096}, 1);
        write_and_compare(&p, starts[i], (size_t[]){10}, 1);
        write_and_compare(&p, starts[i], (size_t[]){1 << 20, 1 << 20}, 2);
        write_and_compare(&p, starts[i], NULL, 0);
    }
}

TEST(few_bytes_go_through_the_cache)
{
    struct picky_io p;
    picky_init(&p);
    write_and_compare(&p, 100, (size_t[]){SMALL}, 1);
    EXPECT_INT(p.direct_writes, 0);
}

TEST(without_direct_io_the_same_bytes_are_written)
{
    struct picky_io p;
    picky_init(&p);
    p.refuse_open = true;
    write_and_compare(&p, 100, (size_t[]){LARGE, LARGE}, 2);
    p.refuse_open = false;
    p.refuse_write = true;
    write_and_compare(&p, 100, (size_t[]){LARGE, LARGE}, 2);
    EXPECT_INT(p.direct_writes, 0);
}
