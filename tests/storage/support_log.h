/* Shared by the tests of logs: batches, a log in an empty directory, and executors that a test
 * steps. */
#ifndef TESTS_STORAGE_SUPPORT_LOG_H
#define TESTS_STORAGE_SUPPORT_LOG_H

#include "storage/io.h"
#include "storage/log.h"
#include "tests/harness/harness.h"

/* A batch of `count` records with timestamps timestamp, timestamp + step, ... */
struct batch_spec {
    int count;
    int64_t timestamp, step;
    size_t value_size;
    enum codec codec;
    int64_t producer_id; /* 0: none */
    int32_t base_sequence;
};
struct shared_buffer *make_batch(struct batch_spec spec);

/* A log with real files, a clock that does not run, and a trace without output. */
struct log_world {
    struct env env;
    struct clock clock;
    char directory[256];
    struct log_config config;
    struct log *log;
};
void log_world_init(struct log_world *w);
/* Opens w->log at a state. Closes an open log first. */
void log_world_open(struct log_world *w, struct log_state state);
void log_world_close(struct log_world *w);
/* Appends; returns the base offset. */
int64_t log_world_append(struct log_world *w, struct batch_spec spec);
/* Makes everything durable and flushes it. */
void log_world_flush(struct log_world *w);

/* The result of a whole read with log_read or a job, with the copied bytes. ERR_OK without bytes:
 * nothing was read. */
struct read_result {
    enum error error;
    int64_t first_offset, next_offset;
    struct buffer bytes;
};
struct read_result log_world_read(struct log_world *w, int64_t offset, int64_t end_offset,
                                  size_t max_bytes, bool at_least_one);
/* Reads only with a job, on the inline executor. */
struct read_result log_world_read_job(struct log_world *w, int64_t offset, int64_t end_offset,
                                      size_t max_bytes, bool at_least_one);
void read_result_free(struct read_result *r);
/* Checks that the bytes are whole batches with consecutive offsets and right checksums. */
void expect_whole_batches(const struct read_result *r);

struct time_result {
    enum error error;
    int64_t offset, timestamp;
};
struct time_result log_world_time(struct log_world *w, int64_t timestamp, int64_t end_offset);
void log_world_load(struct log_world *w);

/* Runs jobs when the test says so. */
struct stepped_executor {
    struct executor executor;
    struct list waiting, ran;
};
void stepped_executor_init(struct stepped_executor *e);
bool stepped_run(struct stepped_executor *e);    /* run() of the next job; false: none */
bool stepped_finish(struct stepped_executor *e); /* done() of the next job that ran */

/* The kernel's files, but the n-th call of a kind fails. */
enum fault_call { FAULT_NONE, FAULT_OPEN, FAULT_WRITE, FAULT_SYNC, FAULT_LIST, FAULT_RENAME };
struct fault_io {
    struct io io;
    enum fault_call call;
    int countdown; /* 1: the next one fails */
    enum error error;
    int open_files; /* now */
};
void fault_io_init(struct fault_io *f);

/* The kernel's files. Remembers what was changed and not synced since. One at a time. */
struct io *sync_watch_begin(void);
/* Ends it. The number of changed files and names that no sync covers. */
size_t sync_watch_end(void);

/* Writes the .swap files of a new segment at `base` for offsets up to `end`, as a cleaner would. Of
 * the batches of the old segments with these bases, every third one stays (stays_in_swap). */
void make_swap_files(struct log_world *w, const int64_t *old_bases, size_t count, int64_t base,
                     int64_t end);
/* Whether make_swap_files keeps the batch with this base offset. */
bool stays_in_swap(int64_t base_offset);

/* Files in the log's directory. */
char *log_world_path(const struct log_world *w, const char *name); /* the caller frees it */
int64_t file_size(const char *path);                               /* -1: there is none */
void file_write_at(const char *path, int64_t position, const void *data, size_t size);

#endif
