/* Reads past the page cache, and pieces in memory. */
#include "storage/log_replace.h"
#include "storage/read_pool.h"
#include "tests/storage/support_log.h"

#include <stdio.h>
#include <stdlib.h>

enum { POOL_BYTES = 512 << 10, VALUE = 5000, BATCHES = 60 };

/* The kernel's files. No page cache is in sight, and every file can be opened again. */
static struct {
    struct io io;
    struct io_ops ops;
    bool cached;
    enum error fault; /* of every read past the cache */
    int opened;       /* calls of open_again */
    int64_t took_ns;  /* each */
} disk;

static int64_t now_ns;

static const struct io_ops *real(void)
{
    return io_posix()->ops;
}

static enum error disk_open_again(struct io *io, struct io_file *file, struct io_file **out)
{
    char path[64];
    (void)io;
    disk.opened++;
    now_ns += disk.took_ns;
    if (disk.fault != ERR_OK)
        return disk.fault;
    snprintf(path, sizeof path, "/proc/self/fd/%d", real()->descriptor(io_posix(), file));
    return real()->open(io_posix(), path, IO_READ, out);
}

static bool disk_is_cached(struct io *io, struct io_file *file, int64_t position, size_t size)
{
    (void)io, (void)file, (void)position, (void)size;
    return disk.cached;
}

static int64_t test_ns(struct clock *clock)
{
    (void)clock;
    return now_ns;
}

struct cold_world {
    struct log_world w;
    struct stepped_executor worker;
    struct read_pool *pool;
    int64_t next;
};

static struct log_world *begin(struct cold_world *c, size_t pool_bytes, int64_t segment_bytes)
{
    disk.ops = *real();
    disk.ops.open_again = disk_open_again;
    disk.ops.is_cached = disk_is_cached;
    disk.io.ops = &disk.ops;
    disk.cached = false;
    disk.fault = ERR_OK;
    disk.opened = 0;
    disk.took_ns = 0;
    now_ns = 1000000000;
    *c = (struct cold_world){0};
    stepped_executor_init(&c->worker);
    log_world_init(&c->w);
    c->w.env.io = &disk.io;
    c->w.clock.monotonic_ns = test_ns;
    c->w.config.segment_bytes = segment_bytes;
    log_world_open(&c->w, (struct log_state){0});
    c->pool = read_pool_create(pool_bytes, &c->worker.executor);
    log_set_read_pool(c->w.log, c->pool);
    return &c->w;
}

static void append(struct cold_world *c, int batches)
{
    for (int i = 0; i < batches; i++)
        log_world_append(&c->w, (struct batch_spec){.count = 2, .value_size = VALUE});
    log_world_flush(&c->w);
    log_trim_tail(c->w.log, 0);
    c->next = log_next_offset(c->w.log);
}

static void run_worker(struct cold_world *c)
{
    while (stepped_run(&c->worker))
        ASSERT(stepped_finish(&c->worker));
}

static void end(struct cold_world *c)
{
    run_worker(c);
    log_world_close(&c->w);
    EXPECT_INT(read_pool_used(c->pool), 0);
    read_pool_free(c->pool);
}

static void nothing(struct job *job)
{
    (void)job;
}

/* What a reader got, and whether from memory. */
struct got {
    enum error error;
    int64_t first_offset, next_offset;
    bool in_memory;
};

static struct got judge(struct cold_world *c, enum error error, struct log_slice *slice)
{
    struct got got = {.error = error, .first_offset = -1, .next_offset = -1};
    struct read_result r = {.error = error};
    if (slice == NULL)
        return got;
    buffer_init(&r.bytes, 1 << 24);
    r.first_offset = got.first_offset = slice->first_offset;
    r.next_offset = got.next_offset = slice->next_offset;
    got.in_memory = slice->pieces[0].buffer != NULL;
    EXPECT_INT(log_slice_copy(c->w.env.io, slice, buffer_extend(&r.bytes, slice->size)), ERR_OK);
    expect_whole_batches(&r);
    read_result_free(&r);
    log_slice_unref(slice);
    return got;
}

/* As a fetch reads: from memory, or with a job. */
static struct got read_at(struct cold_world *c, int64_t offset, int64_t end_offset)
{
    struct log_slice *slice = NULL;
    enum error error = log_read(c->w.log, offset, end_offset, 12000, true, &slice);
    run_worker(c); /* it reads ahead */
    if (error != ERR_BUSY)
        return judge(c, error, slice);
    struct log_read_job job = {.job.done = nothing,
                               .log = c->w.log,
                               .offset = offset,
                               .end_offset = end_offset,
                               .max_bytes = 12000,
                               .at_least_one = true};
    log_read_submit(&c->worker.executor, &job);
    run_worker(c);
    return judge(c, job.result, job.slice);
}

/* Reads everything from an offset on. Returns how many answers came from memory. */
static int read_all(struct cold_world *c, int64_t offset)
{
    int in_memory = 0;
    while (offset < c->next) {
        struct got got = read_at(c, offset, c->next);
        EXPECT_INT(got.error, ERR_OK);
        EXPECT_INT(got.first_offset, offset);
        ASSERT(got.next_offset > offset);
        in_memory += got.in_memory;
        offset = got.next_offset;
    }
    return in_memory;
}

TEST(readings_of_a_fast_disk_go_past_the_page_cache)
{
    struct cold_world c;
    begin(&c, POOL_BYTES, 1 << 20);
    append(&c, BATCHES);
    EXPECT_INT(read_all(&c, 0), BATCHES);
    now_ns += 10000000000;
    read_pool_trim(c.pool, now_ns / 1000000);
    EXPECT_INT(read_all(&c, 0), BATCHES);
    end(&c);
}

TEST(a_first_reading_of_a_slow_disk_goes_past_the_page_cache_and_a_second_one_through_it)
{
    struct cold_world c;
    begin(&c, POOL_BYTES, 1 << 20);
    append(&c, BATCHES);
    disk.took_ns = 1000000;
    EXPECT_INT(read_all(&c, 0), BATCHES);
    EXPECT(disk.opened > 1 && disk.opened < BATCHES);
    now_ns += 10000000000;
    read_pool_trim(c.pool, now_ns / 1000000);
    int before = disk.opened;
    EXPECT_INT(read_all(&c, 0), 0);
    EXPECT_INT(disk.opened, before);
    end(&c);
}

TEST(bytes_in_the_page_cache_are_read_from_there)
{
    struct cold_world c;
    begin(&c, POOL_BYTES, 1 << 20);
    append(&c, BATCHES);
    disk.cached = true;
    EXPECT_INT(read_all(&c, 0), 0);
    EXPECT_INT(disk.opened, 0);
    end(&c);
}

TEST(a_sequential_reader_finds_the_next_piece_in_memory_also_in_the_next_segment)
{
    struct cold_world c;
    begin(&c, POOL_BYTES, 100000);
    append(&c, BATCHES);
    int64_t offset = read_at(&c, 0, c.next).next_offset; /* exact */
    offset = read_at(&c, offset, c.next).next_offset;    /* sequential: a piece, and the next */
    while (offset < c.next) {
        struct log_slice *slice = NULL;
        enum error error = log_read(c.w.log, offset, c.next, 12000, true, &slice);
        run_worker(&c);
        struct got got = judge(&c, error, slice);
        EXPECT_INT(got.error, ERR_OK);
        EXPECT_INT(got.first_offset, offset);
        ASSERT(got.next_offset > offset);
        offset = got.next_offset;
    }
    end(&c);
}

TEST(a_reader_that_comes_while_its_bytes_are_read_ahead_waits_for_them)
{
    struct cold_world c;
    begin(&c, POOL_BYTES, 1 << 20);
    append(&c, BATCHES);
    int64_t offset = read_at(&c, 0, c.next).next_offset;
    struct log_slice *slice = NULL;
    EXPECT_INT(log_read(c.w.log, offset, c.next, 12000, true, &slice), ERR_OK); /* reads ahead */
    offset = judge(&c, ERR_OK, slice).next_offset;
    int before = disk.opened;
    struct log_read_job job = {.job.done = nothing,
                               .log = c.w.log,
                               .offset = offset,
                               .end_offset = c.next,
                               .max_bytes = 12000,
                               .at_least_one = true};
    log_read_submit(&c.worker.executor, &job);
    EXPECT(log_busy(c.w.log));
    EXPECT(stepped_run(&c.worker) && stepped_finish(&c.worker));
    struct got next = judge(&c, job.result, job.slice);
    EXPECT_INT(next.error, ERR_OK);
    EXPECT_INT(next.first_offset, offset);
    EXPECT(next.in_memory);
    EXPECT_INT(disk.opened, before + 1);
    run_worker(&c);
    EXPECT(!log_busy(c.w.log));
    end(&c);
}

TEST(readers_that_come_at_the_same_time_share_one_piece)
{
    struct cold_world c;
    begin(&c, POOL_BYTES, 1 << 20);
    append(&c, BATCHES);
    disk.cached = true;
    int64_t offset = read_at(&c, 0, c.next).next_offset; /* both are sequential then */
    disk.cached = false;
    struct log_read_job jobs[2];
    for (int i = 0; i < 2; i++) {
        jobs[i] = (struct log_read_job){.job.done = nothing,
                                        .log = c.w.log,
                                        .offset = offset,
                                        .end_offset = c.next,
                                        .max_bytes = 12000,
                                        .at_least_one = true};
        log_read_submit(&c.worker.executor, &jobs[i]);
    }
    run_worker(&c);
    for (int i = 0; i < 2; i++)
        EXPECT_INT(judge(&c, jobs[i].result, jobs[i].slice).first_offset, offset);
    EXPECT(read_all(&c, offset) > 0);
    end(&c);
}

TEST(a_failed_read_past_the_cache_is_nobodys_error)
{
    static const enum error faults[] = {ERR_IO, ERR_NO_FILES, ERR_NO_SPACE, ERR_UNSUPPORTED,
                                        ERR_NOT_FOUND};
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        struct cold_world c;
        begin(&c, POOL_BYTES, 1 << 20);
        append(&c, BATCHES);
        disk.fault = faults[i];
        EXPECT_INT(read_all(&c, 0), 0);
        EXPECT(disk.opened > 0 && disk.opened < BATCHES / 4);
        end(&c);
    }
}

/* Damage after the first batches: they are read, and the reader that comes to it gets the error. */
TEST(damage_in_what_is_read_ahead_is_found_by_the_reader_that_comes_there)
{
    struct cold_world c;
    begin(&c, POOL_BYTES, 1 << 20);
    append(&c, BATCHES);
    char *path = log_segment_path(c.w.log, 0);
    file_write_at(path, file_size(path) / 2, "damage", 6);
    free(path);
    int64_t offset = 0, before = -1;
    struct got got = {0};
    while (offset != before && got.error == ERR_OK) {
        before = offset;
        got = read_at(&c, offset, c.next);
        offset = got.error == ERR_OK ? got.next_offset : offset;
    }
    EXPECT_INT(got.error, ERR_CORRUPT);
    EXPECT(offset >= BATCHES / 2 * 2 - 4 && offset <= BATCHES / 2 * 2);
    end(&c);
}

TEST(a_reader_sees_nothing_beyond_its_end_and_all_that_is_flushed_later)
{
    struct cold_world c;
    begin(&c, POOL_BYTES, 1 << 20);
    append(&c, 10);
    int64_t offset = read_at(&c, 0, 8).next_offset;
    offset = read_at(&c, offset, 8).next_offset; /* the piece has all twenty offsets */
    while (offset < 8)
        offset = read_at(&c, offset, 8).next_offset;
    EXPECT_INT(offset, 8);
    EXPECT_INT(read_at(&c, 8, 8).next_offset, -1);
    append(&c, 10);
    EXPECT_INT(c.next, 40);
    EXPECT(read_all(&c, 8) > 0);
    end(&c);
}

/* A log of three segments whose first one is in memory, with a reader in its middle. */
static int64_t begin_in_the_middle(struct cold_world *c)
{
    begin(c, POOL_BYTES, 10 * (2 * VALUE + 200));
    append(c, 30);
    int64_t offset = read_at(c, 0, c->next).next_offset;
    offset = read_at(c, offset, c->next).next_offset;
    struct log_slice *slice = NULL;
    EXPECT_INT(log_read(c->w.log, offset, c->next, 12000, true, &slice), ERR_OK);
    run_worker(c);
    EXPECT(judge(c, ERR_OK, slice).in_memory);
    return offset;
}

static void load(struct cold_world *c)
{
    log_world_load(&c->w);
}

TEST(a_deleted_segment_is_not_served_from_memory)
{
    struct cold_world c;
    int64_t offset = begin_in_the_middle(&c);
    load(&c);
    log_set_start(c.w.log, 20);
    struct log_delete *d = log_delete_begin(c.w.log);
    ASSERT(d != NULL);
    EXPECT_INT(log_delete_run(d), ERR_OK);
    log_delete_end(d);
    struct log_slice *slice;
    EXPECT_INT(log_read(c.w.log, offset, c.next, 12000, true, &slice), ERR_OUT_OF_RANGE);
    EXPECT_INT(read_pool_used(c.pool), 0);
    end(&c);
}

/* The second segment, with the offsets [20, 40), is replaced by one with holes. */
static void replace_segments(struct cold_world *c)
{
    struct new_segments *n = NULL;
    int64_t old[] = {20};
    log_set_first_dirty(c->w.log, 40);
    make_swap_files(&c->w, old, 1, 20, 40);
    EXPECT_INT(new_segments_open(&c->w.env, c->w.directory, old, 1, 40, &n), ERR_OK);
    EXPECT_INT(log_replace_segments(c->w.log, n), ERR_OK);
}

static void expect_replaced(struct cold_world *c)
{
    int64_t offset = 20;
    struct got got = read_at(c, offset, c->next);
    while (!stays_in_swap(offset))
        offset += 2;
    EXPECT_INT(got.error, ERR_OK);
    EXPECT_INT(got.first_offset, offset);
    end(c);
}

static void begin_segments_of_ten(struct cold_world *c)
{
    begin(c, POOL_BYTES, 10 * (2 * VALUE + 100));
    append(c, 30);
    load(c);
}

TEST(a_replaced_segment_is_not_served_from_memory)
{
    struct cold_world c;
    begin_segments_of_ten(&c);
    for (int64_t offset = 14; offset < 20;)
        offset = read_at(&c, offset, c.next).next_offset;
    EXPECT(read_at(&c, 20, c.next).in_memory);
    replace_segments(&c);
    EXPECT_INT(read_pool_used(c.pool), 0);
    expect_replaced(&c);
}

TEST(a_segment_that_is_replaced_while_it_is_read_is_not_kept_in_memory)
{
    struct cold_world c;
    begin_segments_of_ten(&c);
    struct log_read_job job = {.job.done = nothing,
                               .log = c.w.log,
                               .offset = 20,
                               .end_offset = c.next,
                               .max_bytes = 12000,
                               .at_least_one = true};
    log_read_submit(&c.worker.executor, &job);
    EXPECT(stepped_run(&c.worker));
    replace_segments(&c);
    EXPECT(stepped_finish(&c.worker));
    EXPECT_INT(judge(&c, job.result, job.slice).first_offset, 20); /* as it was before */
    EXPECT_INT(read_pool_used(c.pool), 0);
    expect_replaced(&c);
}

TEST(memory_of_a_reply_stays_after_its_log_is_closed)
{
    struct cold_world c;
    int64_t offset = begin_in_the_middle(&c);
    struct log_slice *slice = NULL;
    EXPECT_INT(log_read(c.w.log, offset, c.next, 12000, true, &slice), ERR_OK);
    ASSERT(slice != NULL);
    run_worker(&c);
    log_world_close(&c.w);
    EXPECT(read_pool_used(c.pool) > 0);
    read_pool_free(c.pool);
    struct log_world other;
    log_world_init(&other);
    c.w.env = other.env;
    EXPECT(judge(&c, ERR_OK, slice).in_memory);
}

/* Many readers that all stay where they are: the memory is bounded, and all of them read on. */
TEST(memory_is_bounded_and_abandoned_pieces_make_room)
{
    struct cold_world c;
    begin(&c, POOL_BYTES, 40000);
    append(&c, 200);
    for (int64_t offset = 0; offset + 20 < c.next; offset += 20) {
        struct got got = read_at(&c, offset, c.next);
        EXPECT_INT(got.error, ERR_OK);
        got = read_at(&c, got.next_offset, c.next);
        EXPECT_INT(got.error, ERR_OK);
        EXPECT(read_pool_used(c.pool) <= POOL_BYTES);
    }
    EXPECT(read_pool_used(c.pool) > 0);
    now_ns += 10000000000;
    read_pool_trim(c.pool, now_ns / 1000000);
    EXPECT_INT(read_pool_used(c.pool), 0);
    end(&c);
}
