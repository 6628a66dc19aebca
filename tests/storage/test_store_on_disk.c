/* The store with real files and LevelDB, which the simulation does not have. */
#include "base/crc32c.h"
#include "storage/io.h"
#include "storage/log_internal.h"
#include "storage/recovery.h"
#include "storage/row_store.h"
#include "storage/segment.h"
#include "storage/store.h"
#include "storage/store_rows.h"
#include "tests/harness/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>

static const struct uuid topic_id = {{1, 2, 3, 4}};
static const struct log_config config = {.segment_bytes = 2 << 20,
                                         .segment_ms = INT64_MAX,
                                         .segment_index_bytes = 1 << 20,
                                         .index_interval_bytes = 4096,
                                         .retention_ms = -1,
                                         .retention_bytes = -1};

struct place {
    struct clock clock;
    struct trace trace;
    struct env env;
    struct row_store_driver rows;
    char directory[300];
    struct timers timers;
    struct kv *kv;
    struct store *store;
    struct recovery_report report;
    bool closed;
};

static struct async_writer *async_writer; /* of the stores that start() opens */
static bool may_fail;

/* The store changes to the journal worker after a slow write. So it gets a clock that only a test
 * moves. */
static int64_t still_ns;

static int64_t still_clock_ns(struct clock *clock)
{
    (void)clock;
    return still_ns;
}

static void on_failed(void *context, enum error error)
{
    (void)context;
    if (!may_fail)
        test_fail(__FILE__, __LINE__, "the store failed: %s", error_text(error));
}

static const char NO_DIRECT[] =
    "the file system has no direct I/O; the journal uses write and sync instead";
static int without_direct; /* lines of the log that say so */

static void note_line(struct trace *trace, struct bytes line)
{
    (void)trace;
    without_direct += memmem(line.data, line.size, NO_DIRECT, strlen(NO_DIRECT)) != NULL;
}

static void start(struct place *p, const char *name)
{
    still_ns = 1000 * (int64_t)1000000;
    *p = (struct place){
        .clock = {.monotonic_ns = still_clock_ns, .wall_ms = clock_system()->wall_ms}};
    p->trace = (struct trace){.level = TRACE_INFO, .clock = &p->clock, .write = note_line};
    p->env = (struct env){
        .clock = &p->clock, .random = random_system(), .trace = &p->trace, .io = io_posix()};
    row_store_init(&p->rows, &p->env, kv_leveldb());
    p->env.kv = &p->rows.driver;
    snprintf(p->directory, sizeof p->directory, "%s/%s", test_directory(), name);
    struct message message = {""};
    struct recovery_options recovery = {
        .data_directory = p->directory, .shard_count = 1, .journal_file_bytes = 1 << 20};
    if (recovery_run(&p->env, &recovery, &p->kv, &p->report, &message) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", message.text);
    struct store_options options = {.data_directory = p->directory,
                                    .shard_count = 1,
                                    .journal_file_bytes = 1 << 20,
                                    .checkpoint_bytes = 1 << 20,
                                    .checkpoint_interval_ms = 60000,
                                    .unit_bytes = 1 << 20,
                                    .tail_cache_bytes = 1 << 20,
                                    .unflushed_bytes = 1 << 20,
                                    .journal_worker = executor_inline(),
                                    .background_worker = executor_inline(),
                                    .async_writer = async_writer,
                                    .timers = &p->timers,
                                    .kv = p->kv,
                                    .failed = on_failed};
    if (store_open(&p->env, &options, &p->store, &message) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", message.text);
}

/* The lock on a directory ends with the process, so the next run uses a copy. */
static void restart(struct place *p, const char *from, const char *to)
{
    char command[700];
    snprintf(command, sizeof command, "cp -a --sparse=always '%s/%s' '%s/%s'", test_directory(),
             from, test_directory(), to);
    EXPECT_INT(system(command), 0);
    start(p, to);
}

/* Ends the run. `in_order` false: as if killed, without another write. */
static void on_closed(void *context, enum error result)
{
    struct place *p = context;
    EXPECT_INT(result, ERR_OK);
    p->closed = true;
}

static void stop(struct place *p, bool in_order)
{
    if (in_order) {
        store_close(p->store, on_closed, p);
        EXPECT(p->closed);
    }
    store_free(p->store);
    p->kv->driver->close(p->kv);
    timers_free(&p->timers);
}

static void count_commit(struct commit *commit, enum error result)
{
    EXPECT_INT(result, ERR_OK);
    free(commit);
}

static struct commit *new_commit(void)
{
    struct commit *commit = xcalloc(1, sizeof *commit);
    commit->done = count_commit;
    return commit;
}

/* A batch with opaque records, which a log does not read. */
static struct shared_buffer *make_batch(size_t size)
{
    struct shared_buffer *b = shared_buffer_create(size);
    memset(b->data, 'x', size);
    memset(b->data, 0, BATCH_HEADER_SIZE);
    store_be32(b->data + 8, (uint32_t)(size - BATCH_OVERHEAD));
    b->data[16] = BATCH_MAGIC;
    store_be64(b->data + 43, (uint64_t)-1); /* no producer */
    store_be32(b->data + 57, 1);            /* one record */
    store_be32(b->data + 17, crc32c(0, b->data + 21, size - 21));
    return b;
}

static int64_t append(struct place *p, struct log *log, size_t size)
{
    struct shared_buffer *b = make_batch(size);
    int64_t base = store_append(p->store, log, b, b->data, b->size, 0);
    shared_buffer_unref(b);
    return base;
}

static void put_topic_and_batches(struct place *p, int batches)
{
    uint8_t key[17] = {ROW_TOPIC};
    memcpy(key + 1, topic_id.bytes, 16);
    store_begin(p->store);
    store_put(p->store, bytes_of(key, sizeof key), BYTES_LITERAL("\1topic"));
    store_commit(p->store, new_commit());
    struct log *log = store_log(p->store, topic_id, 0, &config, true);
    for (int i = 0; i < batches; i++) {
        store_begin(p->store);
        EXPECT_INT(append(p, log, 10000), i);
        store_commit(p->store, new_commit());
        store_turn(p->store, clock_monotonic_ms(p->env.clock), 0);
    }
    EXPECT_INT(log_durable_offset(log), batches);
}

TEST(committed_entries_survive_a_clean_restart)
{
    struct place p;
    start(&p, "clean");
    put_topic_and_batches(&p, 300);
    EXPECT(store_stats(p.store).checkpoints > 0);
    stop(&p, true);
    restart(&p, "clean", "clean-again");
    EXPECT(p.report.clean);
    struct log *log = store_log(p.store, topic_id, 0, &config, false);
    EXPECT(log != NULL);
    EXPECT_INT(log_next_offset(log), 300);
    stop(&p, true);
}

TEST(committed_entries_survive_a_kill)
{
    struct place p;
    start(&p, "kill");
    put_topic_and_batches(&p, 50);
    stop(&p, false);
    restart(&p, "kill", "kill-again");
    EXPECT(!p.report.clean);
    EXPECT_INT(p.report.batches, 50);
    struct log *log = store_log(p.store, topic_id, 0, &config, false);
    EXPECT(log != NULL);
    EXPECT_INT(log_next_offset(log), 50);
    store_begin(p.store);
    EXPECT_INT(append(&p, log, 100), 50);
    store_commit(p.store, NULL);
    store_turn(p.store, clock_monotonic_ms(p.env.clock), 0);
    stop(&p, true);
}

static int64_t flushed_tail(struct log *log)
{
    return (int64_t)log_tail_bytes(log) - log_unflushed_bytes(log);
}

TEST(all_tails_lose_the_same_share)
{
    struct place p;
    start(&p, "tails");
    put_topic_and_batches(&p, 1);
    struct log *logs[2];
    for (int i = 0; i < 2; i++)
        logs[i] = store_log(p.store, topic_id, 1 + i, &config, true);
    for (int i = 0; i < 120; i++) {
        store_begin(p.store);
        append(&p, logs[i % 2], 50000);
        store_commit(p.store, new_commit());
        store_turn(p.store, clock_monotonic_ms(p.env.clock), 0);
        /* They share a budget of a megabyte. At first not all are flushed. */
        EXPECT(i < 40 || MIN(flushed_tail(logs[0]), flushed_tail(logs[1])) >= 300000);
    }
    stop(&p, true);
}

TEST(a_second_broker_is_refused)
{
    struct place p;
    start(&p, "twice");
    struct message message;
    struct kv *kv;
    struct recovery_report report;
    struct recovery_options options = {
        .data_directory = p.directory, .shard_count = 1, .journal_file_bytes = 1 << 20};
    EXPECT_INT(recovery_run(&p.env, &options, &kv, &report, &message), ERR_BUSY);
    EXPECT(strstr(message.text, p.directory) != NULL);
    stop(&p, true);
}

static void read_done(struct job *job)
{
    (void)job;
}

static void expect_readable(struct log *log, int64_t count)
{
    EXPECT_INT(log_next_offset(log), count);
    for (int64_t offset = 0; offset < count; offset++) {
        struct log_read_job read = {.job.done = read_done,
                                    .log = log,
                                    .offset = offset,
                                    .end_offset = count,
                                    .max_bytes = 1,
                                    .at_least_one = true};
        log_read_submit(executor_inline(), &read);
        EXPECT_INT(read.result, ERR_OK);
        EXPECT(read.slice != NULL);
        log_slice_unref(read.slice);
    }
}

/* A writer that a test finishes by hand. */
struct slow_writer {
    struct async_writer writer;
    struct async_write *write; /* under way */
    int started;
};

static bool start_slowly(struct async_writer *writer, struct async_write *write)
{
    struct slow_writer *w = CONTAINER_OF(writer, struct slow_writer, writer);
    EXPECT(w->write == NULL);
    w->write = write;
    w->started++;
    return true;
}

/* Writes everything, or with an error nothing. */
static void finish(struct slow_writer *w, enum error result)
{
    struct async_write *write = w->write;
    EXPECT(write != NULL);
    if (result == ERR_OK) {
        ssize_t written =
            pwritev(write->descriptor, write->parts, write->count, (off_t)write->position);
        EXPECT_INT(written, write->size);
    }
    w->write = NULL;
    write->done(write, result);
}

struct noted_commit {
    struct commit commit;
    bool done;
    enum error result;
};

static void note_commit(struct commit *commit, enum error result)
{
    struct noted_commit *c = CONTAINER_OF(commit, struct noted_commit, commit);
    c->done = true;
    c->result = result;
}

static void commit_one(struct place *p, struct log *log, size_t size, struct noted_commit *commit)
{
    *commit = (struct noted_commit){.commit.done = note_commit};
    store_begin(p->store);
    append(p, log, size);
    store_commit(p->store, &commit->commit);
    store_turn(p->store, clock_monotonic_ms(p->env.clock), 0);
}

static struct slow_writer slow;

static struct log *start_slow(struct place *p, const char *name)
{
    slow = (struct slow_writer){.writer.start = start_slowly};
    async_writer = &slow.writer;
    start(p, name);
    return store_log(p->store, topic_id, 0, &config, true);
}

static void stop_slow(struct place *p)
{
    stop(p, false);
    async_writer = NULL;
}

TEST(a_small_unit_is_acknowledged_when_its_asynchronous_write_is_done)
{
    struct place p;
    struct noted_commit commit;
    struct log *log = start_slow(&p, "async");
    commit_one(&p, log, 100, &commit);
    EXPECT_INT(slow.started, 1);
    EXPECT(!commit.done);
    EXPECT_INT(log_durable_offset(log), 0);
    finish(&slow, ERR_OK);
    EXPECT(commit.done && commit.result == ERR_OK);
    EXPECT_INT(log_durable_offset(log), 1);
    stop_slow(&p);
    restart(&p, "async", "async-again");
    EXPECT_INT(p.report.batches, 1);
    stop(&p, true);
}

TEST(the_entries_of_the_meantime_are_the_next_unit)
{
    struct place p;
    struct noted_commit first, second;
    struct log *log = start_slow(&p, "async-next");
    commit_one(&p, log, 100, &first);
    commit_one(&p, log, 100, &second);
    EXPECT_INT(slow.started, 1);
    finish(&slow, ERR_OK);
    EXPECT(first.done && !second.done);
    EXPECT_INT(slow.started, 2);
    finish(&slow, ERR_OK);
    EXPECT(second.done);
    stop_slow(&p);
}

TEST(the_journal_worker_writes_what_the_asynchronous_writer_could_not)
{
    struct place p;
    struct noted_commit commit;
    struct log *log = start_slow(&p, "async-refused");
    commit_one(&p, log, 100, &commit);
    finish(&slow, ERR_UNSUPPORTED);
    EXPECT(commit.done && commit.result == ERR_OK);
    stop_slow(&p);
    restart(&p, "async-refused", "async-refused-again");
    EXPECT_INT(p.report.batches, 1);
    stop(&p, true);
}

TEST(the_journal_worker_writes_large_units)
{
    struct place p;
    struct noted_commit commit;
    struct log *log = start_slow(&p, "async-large");
    commit_one(&p, log, 200000, &commit);
    EXPECT_INT(slow.started, 0);
    EXPECT(commit.done && commit.result == ERR_OK);
    stop_slow(&p);
}

TEST(an_asynchronous_write_on_a_full_disk_is_done_again)
{
    struct place p;
    struct noted_commit commit;
    struct log *log = start_slow(&p, "async-full");
    commit_one(&p, log, 100, &commit);
    finish(&slow, ERR_NO_SPACE);
    EXPECT(!commit.done && store_is_full(p.store));
    timers_run(&p.timers, clock_monotonic_ms(p.env.clock) + 1000);
    EXPECT_INT(slow.started, 2);
    finish(&slow, ERR_OK);
    EXPECT(commit.done && commit.result == ERR_OK && !store_is_full(p.store));
    stop_slow(&p);
}

TEST(after_a_slow_asynchronous_write_the_journal_worker_writes_for_a_while)
{
    struct place p;
    struct noted_commit commit;
    struct log *log = start_slow(&p, "async-slow");
    commit_one(&p, log, 100, &commit);
    EXPECT_INT(slow.started, 1);
    still_ns += 5 * 1000000; /* it took five milliseconds */
    finish(&slow, ERR_OK);
    commit_one(&p, log, 100, &commit);
    EXPECT_INT(slow.started, 1);
    EXPECT(commit.done && commit.result == ERR_OK);
    still_ns += 2000 * (int64_t)1000000;
    commit_one(&p, log, 100, &commit);
    EXPECT_INT(slow.started, 2);
    finish(&slow, ERR_OK);
    EXPECT(commit.done && commit.result == ERR_OK);
    stop_slow(&p);
}

TEST(an_asynchronous_write_that_fails_is_final)
{
    struct place p;
    struct noted_commit commit;
    may_fail = true;
    struct log *log = start_slow(&p, "async-failed");
    commit_one(&p, log, 100, &commit);
    finish(&slow, ERR_IO);
    EXPECT(commit.done && commit.result == ERR_IO);
    EXPECT_INT(log_durable_offset(log), 0);
    EXPECT(!store_accepts(p.store));
    EXPECT_INT(slow.started, 1);
    stop_slow(&p);
    may_fail = false;
}

static const struct io_ops *real_ops;

static enum error open_plain(struct io *io, const char *path, int flags, struct io_file **out)
{
    return flags & (IO_DIRECT | IO_UNCACHED) ? ERR_UNSUPPORTED
                                             : real_ops->open(io, path, flags, out);
}

static enum error reserve_nothing(struct io *io, struct io_file *file, int64_t size)
{
    (void)io, (void)file, (void)size;
    return ERR_UNSUPPORTED;
}

/* A unit of several batches, some with blocks, at unaligned addresses. */
static void append_large_unit(struct place *p, struct log *log, int64_t base)
{
    store_begin(p->store);
    for (int i = 0; i < 6; i++)
        EXPECT_INT(append(p, log, i % 2 ? 100 : 90000 + (size_t)i * 777), base + i);
    store_commit(p->store, new_commit());
    store_turn(p->store, clock_monotonic_ms(p->env.clock), 0);
    EXPECT_INT(log_durable_offset(log), base + 6);
}

TEST(nothing_is_lost_without_direct_io_and_reservation)
{
    real_ops = io_posix()->ops;
    struct io_ops plain = *real_ops;
    plain.open = open_plain;
    plain.reserve = reserve_nothing;
    io_posix()->ops = &plain;
    struct place p;
    without_direct = 0;
    start(&p, "plain");
    EXPECT_INT(without_direct, 1);
    put_topic_and_batches(&p, 20);
    struct log *log = store_log(p.store, topic_id, 0, &config, false);
    append_large_unit(&p, log, 20);
    append_large_unit(&p, log, 26); /* into the next file */
    stop(&p, false);
    restart(&p, "plain", "plain-again");
    EXPECT_INT(p.report.batches, 32);
    log = store_log(p.store, topic_id, 0, &config, false);
    expect_readable(log, 32);
    append_large_unit(&p, log, 32); /* into a recycled file */
    stop(&p, false);
    restart(&p, "plain-again", "plain-thrice");
    expect_readable(store_log(p.store, topic_id, 0, &config, false), 38);
    stop(&p, true);
    io_posix()->ops = real_ops;
}

/* Such a file needs a sync after each write. */
TEST(a_file_without_direct_io_is_not_written_asynchronously)
{
    real_ops = io_posix()->ops;
    struct io_ops plain = *real_ops;
    plain.open = open_plain;
    io_posix()->ops = &plain;
    struct place p;
    struct noted_commit commit;
    struct log *log = start_slow(&p, "async-plain");
    commit_one(&p, log, 100, &commit);
    EXPECT_INT(slow.started, 0);
    EXPECT(commit.done && commit.result == ERR_OK);
    stop_slow(&p);
    io_posix()->ops = real_ops;
}

static struct bytes watched; /* a batch */
static size_t written_in_place;

static enum error note_write(struct io *io, struct io_file *file, const struct iovec *parts,
                             int count, int64_t position)
{
    for (int i = 0; i < count; i++) {
        const uint8_t *at = parts[i].iov_base;
        if (at >= watched.data && at < watched.data + watched.size)
            written_in_place += parts[i].iov_len;
    }
    return real_ops->write(io, file, parts, count, position);
}

/* The number of bytes of a batch that the journal writes without a copy. */
static size_t journal_in_place(struct place *p, struct log *log, size_t size)
{
    store_begin(p->store);
    append(p, log, size);
    const struct tail_batch *batch = tail_at(&log->tail, log->tail.count - 1);
    watched = bytes_of(batch->at, batch->size);
    written_in_place = 0;
    store_commit(p->store, new_commit());
    store_turn(p->store, clock_monotonic_ms(p->env.clock), 0);
    EXPECT_INT(log_durable_offset(log), log_next_offset(log));
    return written_in_place;
}

TEST(the_journal_does_not_copy_the_inside_of_a_large_batch)
{
    real_ops = io_posix()->ops;
    struct io_ops noting = *real_ops;
    noting.write = note_write;
    struct place p;
    start(&p, "in-place");
    put_topic_and_batches(&p, 1);
    struct log *log = store_log(p.store, topic_id, 0, &config, false);
    io_posix()->ops = &noting;
    size_t large = journal_in_place(&p, log, 90000);
    EXPECT(large > 90000 - 3 * IO_ALIGNMENT && large % IO_ALIGNMENT == 0);
    EXPECT_INT(journal_in_place(&p, log, 5000), 0);
    io_posix()->ops = real_ops;
    stop(&p, true);
}

static int64_t index_size(const struct place *p)
{
    char *directory = partition_directory(p->directory, topic_id, 0);
    char *path = segment_path(directory, 0, SEGMENT_INDEX);
    struct stat info;
    int64_t size = stat(path, &info) == 0 ? info.st_size : -1;
    free(directory);
    free(path);
    return size;
}

static void lose_index(const struct place *p)
{
    char *directory = partition_directory(p->directory, topic_id, 0);
    char *path = segment_path(directory, 0, SEGMENT_INDEX);
    EXPECT_INT(io_posix()->ops->unlink(io_posix(), path), ERR_OK);
    free(directory);
    free(path);
}

TEST(a_lost_index_is_rebuilt_when_the_log_is_loaded_after_a_start)
{
    for (int in_order = 0; in_order < 2; in_order++) {
        const char *name = in_order ? "index" : "index-kill";
        struct place p;
        start(&p, name);
        put_topic_and_batches(&p, 500);
        stop(&p, in_order);
        int64_t size = index_size(&p);
        EXPECT(size > 0);
        lose_index(&p);
        restart(&p, name, in_order ? "index-again" : "index-kill-again");
        struct log *log = store_log(p.store, topic_id, 0, &config, false);
        struct log_load_job load = {.job.done = read_done, .log = log};
        log_load_submit(executor_inline(), &load);
        EXPECT_INT(load.result, ERR_OK);
        EXPECT_INT(index_size(&p), size);
        expect_readable(log, 500);
        stop(&p, true);
    }
}
