/* A partition's log: segments on disk and a hot tail in memory.
 *
 * An append goes to the tail and (by the store) to the journal; nothing is written to a segment on
 * the shard's thread. From time to time a flush job on a disk worker writes the tail to the
 * segments and their indexes. The tail keeps what was flushed a while longer, within the store's
 * cache budget, so that consumers at the end read memory.
 *
 *   log_start <= ... <= flushed (in segments) <= durable (high watermark) <= next (end)
 *                       or durable <= flushed; both orders happen
 *
 * Offsets rise. What is appended, now or in redo, follows without a gap. A cleaner may leave holes
 * in closed segments: records, batches or all batches of a segment are gone. Each segment still
 * stands for all offsets from its base to the next one's, and a reader that comes to a hole is
 * given the next batch behind it.
 *
 * Owner: one shard. Files lie in <data>/topics/<topic id>/<partition>/, byte-compatible with Apache
 * Kafka: 20-digit base offset with .log, .index, .timeindex. A log that nobody uses holds no
 * descriptor; files are opened on first use and closed again by the store's file cache. */
#ifndef STORAGE_LOG_H
#define STORAGE_LOG_H

#include "base/env.h"
#include "base/shared_buffer.h"
#include "protocol/reader.h"
#include "protocol/record_batch.h"
#include "storage/log_slice.h"
#include "storage/producer_state.h"

struct log;

/* The topic configs that concern a log; the owner may change them at any time with log_configure.
 */
struct log_config {
    int64_t segment_bytes, segment_ms, segment_index_bytes, index_interval_bytes;
    int64_t retention_ms, retention_bytes; /* -1: no limit */
    bool delete_enabled;                   /* cleanup.policy has delete */
};

/* What a checkpoint remembers of a log, and what opening starts from. */
struct log_state {
    int64_t log_start_offset, next_offset;
    int64_t active_base, active_size; /* the active segment's base offset and bytes */
    /* Segments that start below were, or may have been, written by a cleaner: they may have holes.
     * In all others a gap is damage. Never beyond active_base. 0: nothing was ever cleaned. No row
     * has a place for it yet, so it is always 0 after a start. */
    int64_t first_dirty_offset;
};

/* Opens a log in memory, at a state that a checkpoint or recovery has established; touches no file.
 * The directory is created by the first flush. */
struct log *log_open(struct env *env, const char *directory, const struct log_config *config,
                     const struct log_state *state);
void log_close(struct log *log); /* no job may be running on it */
void log_configure(struct log *log, const struct log_config *config);
struct log_state log_state(const struct log *log);

int64_t log_start_offset(const struct log *log);
int64_t log_next_offset(const struct log *log);    /* log end offset */
int64_t log_durable_offset(const struct log *log); /* the high watermark */
int64_t log_flushed_offset(const struct log *log); /* everything below is in segments */
int64_t log_size_bytes(const struct log *log);     /* of the segments known; see log_is_loaded */
/* Raises log_state.first_dirty_offset: from now on closed segments below may have holes. The owner
 * makes it durable before a cleaner's file gets a segment's name. Never goes back. */
void log_set_first_dirty(struct log *log, int64_t offset);

/* The owner's pointer on a log: the broker's partition. */
void log_set_owner(struct log *log, void *owner);
void *log_owner(const struct log *log);

/* Appends one validated batch: stamps base offset and leader epoch into it, keeps a reference to
 * `buffer`, in which `batch` lies. Rolls to a new segment first when size, age, index or offset
 * range ask for it. Idempotence is checked by the caller with log_producers() before; the append
 * updates the producer state. Returns the base offset. */
int64_t log_append(struct log *log, struct shared_buffer *buffer, uint8_t *batch, size_t size,
                   int32_t leader_epoch, int64_t wall_ms);
/* Recovery: the same for a batch that has its offset already (it must be the next one). */
MUST_USE enum error log_append_recovered(struct log *log, struct shared_buffer *buffer,
                                         const uint8_t *batch, size_t size);
/* Everything below `offset` is durable and may be seen. Never goes back. */
void log_set_durable(struct log *log, int64_t offset);

struct producer_states *log_producers(struct log *log);

/* Reads whole batches from the one that contains `offset` on, up to `end_offset` (exclusive; a
 * batch is in only if its last offset is below) and about max_bytes: with `at_least_one` the first
 * batch comes whole however large. When `offset` lies in a hole, the first batch is the next one
 * behind it. An empty slice is NULL with ERR_OK; there may be nothing but a hole up to the end.
 *
 *   ERR_OUT_OF_RANGE     the offset is below the log's start or above its end
 *   ERR_BUSY             the range is not in memory and its place in the files is not known:
 *                        run a log_read_job
 *   ERR_IO, ERR_CORRUPT  that range cannot be read */
MUST_USE enum error log_read(struct log *log, int64_t offset, int64_t end_offset, size_t max_bytes,
                             bool at_least_one, struct log_slice **out);

/* The same on a disk worker: finds the place through the index, brings the pages in. The owner sets
 * the first fields and `job.done`, calls log_read_submit, and finds result and slice (its own
 * reference) in done(). A log is not closed while one runs: log_busy(). */
struct log_read_job {
    struct job job;
    struct log *log;
    int64_t offset, end_offset;
    size_t max_bytes;
    bool at_least_one;
    enum error result;
    struct log_slice *slice;
    struct read_plan *plan; /* log_read.c's own */
};
void log_read_submit(struct executor *executor, struct log_read_job *job);

/* ListOffsets on a disk worker: the first record at or after `timestamp` below end_offset
 * (inclusive search inside batches, decompressing), or for LOG_MAX_TIMESTAMP the record with the
 * largest timestamp. offset -1: there is none. */
enum { LOG_MAX_TIMESTAMP = -3 };
struct log_time_job {
    struct job job;
    struct log *log;
    int64_t timestamp, end_offset;
    enum error result;
    int64_t offset, found_timestamp;
    struct time_plan *plan; /* log_time.c's own */
};
void log_time_submit(struct executor *executor, struct log_time_job *job);

/* After opening only the active segment is known, and not its timestamps. Read, time and load jobs
 * find the rest on the worker when it is not known yet; retention, deletion and the exact size wait
 * for it. Who needs them now submits a load job (for a loaded log it does nothing). */
struct log_load_job {
    struct job job;
    struct log *log;
    enum error result;
    struct load_plan *plan; /* log_load.c's own */
};
void log_load_submit(struct executor *executor, struct log_load_job *job);
bool log_is_loaded(const struct log *log);

/* Flushing: takes what the tail holds beyond the segments, up to the durable offset, into a plan
 * that a disk worker writes (segments, indexes, new files, directories). One at a time per log. */
struct log_flush;
struct log_flush *log_flush_begin(struct log *log); /* NULL: nothing to do, or one is running */
/* On the worker. With `sync` also makes durable what it wrote; without, sync_all does (for many
 * logs at once), which an owner must have done before it relies on any flush. ERR_NO_SPACE, ERR_IO:
 * nothing is lost, the tail keeps it and a later flush writes it again. */
MUST_USE enum error log_flush_run(struct log_flush *flush, bool sync);
/* On the shard again: moves the flushed mark (or not, on error), frees the plan. */
void log_flush_end(struct log_flush *flush, enum error result);
int64_t log_unflushed_bytes(const struct log *log);
/* Bytes of memory in the tail; drops flushed batches from its front until at most `keep` are left
 * and returns how many bytes were dropped. */
size_t log_tail_bytes(const struct log *log);
size_t log_trim_tail(struct log *log, size_t keep);
/* Closes files that were not used since `since_ms` (monotonic clock). */
void log_close_idle_files(struct log *log, int64_t since_ms);

/* Retention: gives the new log start offset that time and size ask for at wall_ms, or the present
 * one (also while the log is not loaded). Never beyond the durable offset. Applying it: the owner
 * journals it, then calls log_set_start; segments wholly below are handed to `log_delete_begin` for
 * a disk worker to unlink. A start at the log's end closes the active segment, so that it goes too.
 * A start that is not beyond the present one is ignored. */
int64_t log_retention_start(struct log *log, int64_t wall_ms);
void log_set_start(struct log *log, int64_t offset);
struct log_delete; /* the files of dead segments, or of replaced ones (log_replace.h) */
/* NULL: none, or not yet: the log is not loaded, a flush runs, they are not flushed, or replaced
 * ones are still read. */
struct log_delete *log_delete_begin(struct log *log);
MUST_USE enum error log_delete_run(struct log_delete *d);
/* Dead files that an error left behind are deleted after the next opening; the names of replaced
 * ones are tried again. */
void log_delete_end(struct log_delete *d);

/* Whether a read, time, flush or delete job is under way. */
bool log_busy(const struct log *log);

/* Recovery, blocking: whether the active segment has the bytes that the state says. If not, that is
 * ERR_CORRUPT, the message names the file, and the state is changed: appends go on in a new segment
 * behind what is missing, and what is left of the damaged one stays as it is, to be read. */
MUST_USE enum error log_check_files(struct env *env, const char *directory, struct log_state *state,
                                    struct message *message);
/* Recovery, blocking: the base offset of the first segment on disk; unchanged if there is none. */
MUST_USE enum error log_first_segment(struct env *env, const char *directory, int64_t *base_offset);
/* Recovery, blocking: cuts the files on disk to a state that log_check_files has seen (removes
 * later segments, truncates the active one, drops index entries beyond it), so that appends can go
 * on from there. Durable after sync_all: recovery does it once for all logs. */
MUST_USE enum error log_cut_files(struct env *env, const char *directory,
                                  const struct log_state *state);

#endif
