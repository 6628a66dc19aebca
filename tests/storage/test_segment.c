#include "storage/segment.h"

#include "tests/storage/support_log.h"

#include <stdio.h>
#include <stdlib.h>

TEST(names_are_twenty_digits)
{
    char *path = segment_path("/d", 42, SEGMENT_LOG);
    EXPECT_STRING(path, "/d/00000000000000000042.log");
    free(path);
    path = segment_path("/d", INT64_MAX, SEGMENT_TIME_INDEX);
    EXPECT_STRING(path, "/d/09223372036854775807.timeindex");
    free(path);
}

TEST(only_segment_names_are_taken_for_segments)
{
    int64_t base;
    enum segment_part part;
    EXPECT(segment_name_parse("00000000000000000042.index", &base, &part));
    EXPECT_INT(base, 42);
    EXPECT_INT(part, SEGMENT_INDEX);
    EXPECT(segment_name_parse("09223372036854775807.log", &base, &part));
    EXPECT_INT(base, INT64_MAX);
    static const char *const others[] = {
        "",
        "0.log",
        "0000000000000000004.log",
        "000000000000000000042.log",
        "0000000000000000004x.log",
        "00000000000000000042",
        "00000000000000000042.lo",
        "00000000000000000042.logs",
        "00000000000000000042.index.new",
        "09223372036854775808.log", /* larger than any offset */
        "99999999999999999999.log",
        "-0000000000000000042.log",
    };
    for (size_t i = 0; i < COUNT_OF(others); i++)
        EXPECT(!segment_name_parse(others[i], &base, &part));
}

/* A segment with batches [100, 102) [102, 105) [105, 106), the second one large. */
struct sample {
    char directory[256];
    struct segment_file *file;
    int64_t ends[3], size;
};

static void make_sample(struct sample *s)
{
    static int samples;
    static const struct batch_spec specs[] = {
        {.count = 2, .timestamp = 10},
        {.count = 3, .timestamp = 30, .value_size = 100000},
        {.count = 1, .timestamp = 20},
    };
    struct io *io = io_posix();
    *s = (struct sample){0};
    snprintf(s->directory, sizeof s->directory, "%s/s%d", test_directory(), samples++);
    EXPECT_INT(io->ops->make_directory(io, s->directory), ERR_OK);
    EXPECT_INT(segment_file_open(io, s->directory, 100, IO_READ | IO_WRITE | IO_CREATE, &s->file),
               ERR_OK);
    int64_t offset = 100;
    for (int i = 0; i < 3; i++) {
        struct shared_buffer *b = make_batch(specs[i]);
        batch_stamp(b->data, offset, 0);
        EXPECT_INT(io_write(io, s->file->file, b->data, b->size, s->size), ERR_OK);
        offset += specs[i].count;
        s->size += (int64_t)b->size;
        s->ends[i] = s->size;
        shared_buffer_unref(b);
    }
}

static void harm(struct sample *s, int64_t position, const void *data, size_t size)
{
    EXPECT_INT(io_write(io_posix(), s->file->file, data, size, position), ERR_OK);
}

/* The first `size` bytes. */
static struct segment_view view_of(const struct sample *s, int64_t size)
{
    return (struct segment_view){.directory = s->directory,
                                 .base_offset = 100,
                                 .next_offset = 106,
                                 .size = size,
                                 .file = s->file};
}

/* Scans everything. Returns the number of batches before the end or the error. */
static int walk_with(void (*begin)(struct segment_scan *, const struct segment_view *,
                                   struct segment_place),
                     struct sample *s, int64_t end, bool check, enum error *error)
{
    struct segment_scan scan;
    int count = 0;
    *error = ERR_OK;
    struct segment_view view = view_of(s, end);
    begin(&scan, &view, segment_start(&view));
    while (segment_scan_next(&scan)) {
        if (check && (*error = segment_scan_check(&scan)) != ERR_OK)
            break;
        count++;
    }
    if (*error == ERR_OK)
        *error = scan.error;
    segment_scan_free(&scan);
    return count;
}

/* Past the page cache a scan sees the same as through it. */
static int walk(struct sample *s, int64_t end, bool check, enum error *error)
{
    enum error direct;
    int count = walk_with(segment_scan_init, s, end, check, error);
    EXPECT_INT(walk_with(segment_scan_init_direct, s, end, check, &direct), count);
    EXPECT_INT(direct, *error);
    return count;
}

TEST(a_scan_sees_every_batch_in_order)
{
    struct sample s;
    struct segment_scan scan;
    make_sample(&s);
    struct segment_view view = view_of(&s, s.size);
    segment_scan_init(&scan, &view, segment_start(&view));
    EXPECT(segment_scan_next(&scan));
    EXPECT_INT(scan.batch_position, 0);
    EXPECT_INT(scan.batch_size, s.ends[0]);
    EXPECT_INT(scan.header.base_offset, 100);
    EXPECT(segment_scan_next(&scan));
    EXPECT_INT(scan.batch_position, s.ends[0]);
    EXPECT_INT(segment_scan_check(&scan), ERR_OK);
    EXPECT_INT(segment_scan_check(&scan), ERR_OK); /* any number of times */
    EXPECT(segment_scan_next(&scan));
    EXPECT_INT(scan.header.base_offset, 105);
    EXPECT_INT(scan.next_offset, 106);
    EXPECT(!segment_scan_next(&scan));
    EXPECT_INT(scan.error, ERR_OK);
    segment_scan_free(&scan);
    segment_file_unref(s.file);
}

TEST(a_batch_is_read_whole_and_checked)
{
    struct sample s;
    struct segment_scan scan;
    struct buffer out;
    make_sample(&s);
    struct segment_view view = view_of(&s, s.size);
    segment_scan_init(&scan, &view, (struct segment_place){s.ends[0], 102});
    EXPECT(segment_scan_next(&scan));
    buffer_init(&out, scan.batch_size - 1);
    EXPECT_INT(segment_scan_read(&scan, &out), ERR_TOO_LARGE);
    buffer_free(&out);
    buffer_init(&out, scan.batch_size);
    EXPECT_INT(segment_scan_read(&scan, &out), ERR_OK);
    EXPECT_INT(out.size, scan.batch_size);
    EXPECT(batch_crc_is_right(buffer_view(&out)));
    buffer_free(&out);
    segment_scan_free(&scan);
    segment_file_unref(s.file);
}

/* A disk that counts the files that are open past the page cache, and may refuse to read them. */
static struct {
    struct io io;
    struct io_ops ops;
    enum error open, read;
    struct io_file *direct;
    int opened, read_direct;
} picky;

static enum error picky_open_again(struct io *io, struct io_file *file, struct io_file **out)
{
    (void)io;
    picky.opened++;
    if (picky.open != ERR_OK)
        return picky.open;
    char path[64]; /* not every file system has direct I/O */
    snprintf(path, sizeof path, "/proc/self/fd/%d", picky.ops.descriptor(io_posix(), file));
    enum error error = picky.ops.open(io_posix(), path, IO_READ, out);
    picky.direct = *out;
    return error;
}

static enum error picky_read(struct io *io, struct io_file *file, void *data, size_t size,
                             int64_t position, size_t *got)
{
    (void)io;
    picky.read_direct += file == picky.direct;
    if (file == picky.direct && picky.read != ERR_OK)
        return picky.read;
    return io_posix()->ops->read(io_posix(), file, data, size, position, got);
}

TEST(a_scan_past_the_page_cache_goes_through_it_where_the_system_refuses)
{
    static const struct {
        enum error open, read;
        int batches;
    } disks[] = {{ERR_OK, ERR_OK, 3},
                 {ERR_UNSUPPORTED, ERR_OK, 3},
                 {ERR_NO_FILES, ERR_OK, 3},
                 {ERR_OK, ERR_UNSUPPORTED, 3},
                 {ERR_OK, ERR_IO, 0}};
    picky.ops = *io_posix()->ops;
    picky.ops.open_again = picky_open_again;
    picky.ops.read = picky_read;
    picky.io.ops = &picky.ops;
    for (size_t i = 0; i < COUNT_OF(disks); i++) {
        struct sample s;
        enum error error;
        make_sample(&s);
        picky.open = disks[i].open;
        picky.read = disks[i].read;
        picky.direct = NULL;
        picky.opened = picky.read_direct = 0;
        s.file->io = &picky.io;
        EXPECT_INT(walk_with(segment_scan_init_direct, &s, s.size, true, &error), disks[i].batches);
        EXPECT_INT(error, disks[i].read == ERR_IO ? ERR_IO : ERR_OK);
        EXPECT_INT(picky.opened, 1);
        EXPECT_INT(picky.read_direct > 0, disks[i].open == ERR_OK);
        s.file->io = io_posix();
        segment_file_unref(s.file);
    }
}

TEST(a_scan_stops_at_the_first_damaged_batch)
{
    static const struct {
        int64_t at; /* in the second batch */
        const char *bytes;
        size_t size;
        bool seen_by_check_only;
    } harms[] = {
        {0, "\0\0\0\0\0\0\0\x67", 8, false}, /* base offset 103 */
        {8, "\x7f", 1, false},               /* length beyond the end */
        {12, "\x01", 1, false},              /* leader epoch, which the checksum does not cover */
        {8, "\0\0\0\x10", 4, false},         /* length below a header's */
        {16, "\x01", 1, false},              /* magic */
        {23, "\xff", 1, false},              /* negative offset delta */
        {17, "\x55\x55", 2, true},           /* the checksum itself */
        {90000, "?", 1, true},               /* a record's byte */
    };
    for (size_t i = 0; i < COUNT_OF(harms); i++) {
        struct sample s;
        enum error error;
        make_sample(&s);
        harm(&s, s.ends[0] + harms[i].at, harms[i].bytes, harms[i].size);
        EXPECT_INT(walk(&s, s.size, true, &error), 1);
        EXPECT_INT(error, ERR_CORRUPT);
        EXPECT_INT(walk(&s, s.size, false, &error), harms[i].seen_by_check_only ? 3 : 1);
        EXPECT_INT(error, harms[i].seen_by_check_only ? ERR_OK : ERR_CORRUPT);
        segment_file_unref(s.file);
    }
}

TEST(an_end_inside_a_batch_is_damage)
{
    struct sample s;
    make_sample(&s);
    for (int64_t cut = 1; cut < s.size - s.ends[1]; cut++) {
        enum error error;
        EXPECT_INT(walk(&s, s.size - cut, true, &error), 2);
        EXPECT_INT(error, ERR_CORRUPT);
    }
    segment_file_unref(s.file);
}

TEST(a_summary_is_read_without_any_index)
{
    struct sample s;
    struct segment_summary summary;
    make_sample(&s);
    struct segment_view view = view_of(&s, s.size);
    EXPECT_INT(segment_summarize(&view, &summary), ERR_OK);
    EXPECT_INT(summary.first_timestamp, 10);
    EXPECT_INT(summary.max_timestamp, 30);
    EXPECT_INT(summary.max_timestamp_offset, 104);
    EXPECT_INT(summary.index_bytes, 0);
    EXPECT_INT(summary.time_index_last, -1);
    view.next_offset = 107; /* a batch is missing */
    EXPECT_INT(segment_summarize(&view, &summary), ERR_CORRUPT);
    view.size = 0;
    view.next_offset = 100;
    EXPECT_INT(segment_summarize(&view, &summary), ERR_OK);
    EXPECT_INT(summary.max_timestamp, SEGMENT_NO_TIMESTAMP);
    segment_file_unref(s.file);
}
