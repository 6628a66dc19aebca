#include "storage/clean_output.h"
#include "tests/storage/support_log.h"

#include <stdlib.h>

/* The kernel's files. The open or the write may refuse direct I/O. */
struct picky_io {
    struct io io;
    struct io_ops ops;
    bool refuse_open, refuse_write;
    struct io_file *direct;
    size_t direct_bytes, cached_bytes, largest;
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
    EXPECT_INT(count, 1);
    if (file == p->direct && p->refuse_write)
        return ERR_UNSUPPORTED;
    *(file == p->direct ? &p->direct_bytes : &p->cached_bytes) += parts[0].iov_len;
    p->largest = MAX(p->largest, parts[0].iov_len);
    return io_posix()->ops->write(io_posix(), file, parts, count, position);
}

/* Batches of about 100 to 20,000 bytes, one after the other. */
static struct buffer batches(void)
{
    struct buffer all;
    buffer_init(&all, 64 << 20);
    for (int64_t i = 0; i < 200; i++) {
        struct batch_spec spec = {
            .count = 1, .timestamp = 1000 + i, .value_size = (size_t)(i * 7919 % 20000)};
        struct shared_buffer *batch = make_batch(spec);
        batch_stamp(batch->data, i, SEGMENT_LEADER_EPOCH);
        buffer_append(&all, batch->data, batch->size);
        shared_buffer_unref(batch);
    }
    return all;
}

static void write_all(struct picky_io *p, struct bytes all, size_t buffer_bytes)
{
    struct clean_output_config config = {.segment_bytes = INT32_MAX,
                                         .index_interval_bytes = 4096,
                                         .buffer_bytes = buffer_bytes,
                                         .min_free_bytes = 0};
    struct clean_output *o = clean_output_create(&p->io, test_directory(), 0, &config);
    size_t written, sum = 0;
    for (size_t at = 0; at < all.size;) {
        size_t size = batch_size(bytes_of(all.data + at, all.size - at));
        EXPECT_INT(clean_output_add(o, bytes_of(all.data + at, size), &written), ERR_OK);
        sum += written;
        at += size;
    }
    EXPECT_INT(clean_output_end(o, &written), ERR_OK);
    EXPECT_INT(sum + written, all.size);
    clean_output_free(o);
}

static void expect_content(struct bytes all)
{
    struct buffer content;
    buffer_init(&content, 64 << 20);
    char *path = segment_swap_path(test_directory(), 0, SEGMENT_LOG);
    EXPECT_INT(io_read_file(io_posix(), path, &content), ERR_OK);
    EXPECT_BYTES(buffer_view(&content), all);
    free(path);
    buffer_free(&content);
}

static struct picky_io write_and_compare(size_t buffer_bytes, bool refuse_open, bool refuse_write)
{
    struct buffer all = batches();
    struct picky_io p = {
        .ops = *io_posix()->ops, .refuse_open = refuse_open, .refuse_write = refuse_write};
    p.ops.open = picky_open;
    p.ops.write = picky_write;
    p.io.ops = &p.ops;
    write_all(&p, buffer_view(&all), buffer_bytes);
    expect_content(buffer_view(&all));
    buffer_free(&all);
    return p;
}

TEST(a_segment_has_all_batches_whatever_the_size_of_a_write)
{
    static const size_t sizes[] = {1, 300, 4095, 4096, 10000, 65536, 512 << 10, 1 << 30};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct picky_io p = write_and_compare(sizes[i], false, false);
        EXPECT(p.largest <= MAX(sizes[i], (size_t)65536)); /* the indexes are written at once */
    }
}

/* Pages that wait for a sync would go to the disk in one burst. */
TEST(all_but_the_last_bytes_of_a_segment_go_past_the_page_cache)
{
    enum { INDEXES_MAX = 20000 };
    struct picky_io p = write_and_compare(65536, false, false);
    EXPECT(p.direct_bytes % IO_ALIGNMENT == 0);
    EXPECT(p.direct_bytes > 1000000 && p.cached_bytes < IO_ALIGNMENT + INDEXES_MAX);
}

TEST(a_disk_that_refuses_direct_writes_gets_them_through_the_page_cache)
{
    EXPECT_INT(write_and_compare(65536, true, false).direct_bytes, 0);
    EXPECT_INT(write_and_compare(65536, false, true).direct_bytes, 0);
}
