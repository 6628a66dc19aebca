#include "tests/storage/support_log.h"

#include "storage/journal_format.h"
#include "storage/segment_writer.h"

#include <stdlib.h>

/* The kernel's files without direct I/O: the open refuses it, or only the write does. */
struct picky_io {
    struct io io;
    struct io_ops ops;
    bool refuse_open, refuse_write;
    struct io_file *direct;
    int direct_writes;
    struct bytes source; /* the bytes to write */
    size_t in_place;     /* bytes that were written without a copy */
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
    for (int i = 0; i < count && file == p->direct; i++) {
        uintptr_t at = (uintptr_t)parts[i].iov_base, source = (uintptr_t)p->source.data;
        EXPECT(at % IO_ALIGNMENT == 0 && parts[i].iov_len % IO_ALIGNMENT == 0);
        if (at >= source && at < source + p->source.size)
            p->in_place += parts[i].iov_len;
    }
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

static size_t sum(const size_t *sizes, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += sizes[i];
    return total;
}

/* Adds pieces that are adjacent in memory, from `start` on. */
static void write_pieces(struct picky_io *p, struct segment_file *file, const char *directory,
                         size_t start, const size_t *sizes, size_t count)
{
    struct segment_writer writer;
    size_t at = start;
    EXPECT_INT(segment_writer_open(&writer, file, directory, 5, (int64_t)start), ERR_OK);
    for (size_t i = 0; i < count; at += sizes[i++])
        EXPECT_INT(segment_writer_add(&writer, bytes_of(p->source.data + at, sizes[i])), ERR_OK);
    EXPECT_INT(segment_writer_end(&writer), ERR_OK);
    segment_writer_close(&writer);
}

/* Writes pieces after `start` existing bytes, and compares the file. `phase` is the difference
 * between the alignment in memory and in the file. */
static void write_in_phase(struct picky_io *p, size_t phase, size_t start, const size_t *sizes,
                           size_t count)
{
    size_t total = start + sum(sizes, count);
    uint8_t *memory = aligned_alloc(IO_ALIGNMENT, journal_padded(total + phase + 1));
    for (size_t i = 0; i < total; i++)
        memory[phase + i] = (uint8_t)(i * 31 + i / 4096);
    p->source = bytes_of(memory + phase, total);
    p->in_place = 0;
    const char *directory = test_directory();
    struct segment_file *file;
    EXPECT_INT(segment_file_open(&p->io, directory, 5, IO_READ | IO_WRITE | IO_CREATE, &file),
               ERR_OK);
    EXPECT_INT(p->ops.truncate(&p->io, file->file, 0), ERR_OK);
    EXPECT_INT(io_write(&p->io, file->file, p->source.data, start, 0), ERR_OK);
    write_pieces(p, file, directory, start, sizes, count);
    segment_file_unref(file);
    struct buffer content;
    buffer_init(&content, 64 << 20);
    char *path = segment_path(directory, 5, SEGMENT_LOG);
    EXPECT_INT(io_read_file(io_posix(), path, &content), ERR_OK);
    EXPECT_BYTES(buffer_view(&content), p->source);
    free(path);
    buffer_free(&content);
    free(memory);
}

static void write_and_compare(struct picky_io *p, size_t start, const size_t *sizes, size_t count)
{
    static const size_t phases[] = {0, 1, 100, 4095};
    for (size_t i = 0; i < COUNT_OF(phases); i++)
        write_in_phase(p, phases[i], start, sizes, count);
}

TEST(the_file_ends_with_the_last_byte_for_every_start)
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

TEST(bytes_that_are_aligned_as_in_the_file_are_not_copied)
{
    struct picky_io p;
    picky_init(&p);
    size_t blocks = LARGE / IO_ALIGNMENT * IO_ALIGNMENT;
    write_in_phase(&p, 0, 0, (size_t[]){LARGE}, 1);
    EXPECT_INT(p.in_place, blocks);
    write_in_phase(&p, 0, 777, (size_t[]){LARGE, LARGE}, 2);
    EXPECT(p.in_place > 2 * blocks - 3 * IO_ALIGNMENT && p.in_place < 2 * blocks);
    write_in_phase(&p, 1, 0, (size_t[]){LARGE}, 1);
    EXPECT_INT(p.in_place, 0);
    p.refuse_open = true;
    p.direct = NULL;
    write_in_phase(&p, 0, 0, (size_t[]){LARGE}, 1);
    EXPECT_INT(p.in_place, 0);
}

TEST(many_pieces_need_several_writes)
{
    enum { COUNT = 5 * SEGMENT_WRITER_PARTS };
    struct picky_io p;
    picky_init(&p);
    size_t sizes[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        sizes[i] = i % 3 == 0 ? 5 * IO_ALIGNMENT + i : 700 + i;
    write_and_compare(&p, 3, sizes, COUNT);
}

TEST(few_bytes_go_through_the_cache)
{
    struct picky_io p;
    picky_init(&p);
    write_and_compare(&p, 100, (size_t[]){SMALL}, 1);
    EXPECT_INT(p.direct_writes, 0);
}

TEST(the_same_bytes_are_written_without_direct_io)
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
