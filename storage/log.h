/* A partition's log: segments on disk and a hot tail in memory.
 *
 * An append goes to the tail and (by the store) to the journal. The shard's thread writes nothing
 * to segments: from time to time a flush job on a disk worker writes the tail to the segments and
 * their indexes. The tail keeps flushed batches within the store's cache budget, so that consumers
 * near the end read from memory.
 *
 *   log_start <= ... <= flushed (in segments) <= durable (high watermark) <= next (end)
 *                       or durable <= flushed; both orders happen
 *
 * Offsets rise. Appends, also in redo, leave no gap. A cleaner may leave holes in closed segments:
 * it removes records, batches or all batches of a segment. Each segment still covers all offsets
 * from its base to the base of the next one. A reader at an offset in a hole gets the next batch
 * after it.
 *
 * Owner: one shard. The files are in <data>/topics/<topic id>/<partition>/, byte-compatible with
 * Apache Kafka: 20-digit base offset with .log, .index, .timeindex. A log that is not in use holds
 * no descriptor: files are opened on first use. The cache of open files (segment_file.h) closes
 * them when others need the descriptors, log_close_idle_files when they are idle. */
#ifndef STORAGE_LOG_H
#define STORAGE_LOG_H

#include "base/env.h"
#include "base/shared_buffer.h"
#include "protocol/reader.h"
#include "protocol/record_batch.h"
#include "storage/log_slice.h"
#include "storage/producer_state.h"

struct log;
struct read_pool;

/* The topic configs that concern a log; the owner may change them at any time with log_configure.
 */
struct log_config {
    int64_t segment_bytes, segment_ms, segment_index_bytes, index_interval_bytes;
    int64_t retention_ms, retention_bytes; /* -1: no limit */
    int64_t timestamp_after_max_ms;        /* a later timestamp is refused */
    bool delete_enabled;                   /* cleanup.policy has delete */
    int64_t file_delete_delay_ms;          /* 0: dead files are removed at once */
    bool compact_enabled;                  /* and compact; the rest is for a cleaner */
    double min_cleanable_ratio;
    int64_t min_compaction_lag_ms, max_compaction_lag_ms, delete_retention_ms;
};

/* The state of a log in a checkpoint. log_open starts from it. */
struct log_state {
    int64_t log_start_offset, next_offset;
    int64_t active_base, active_size; /* the active segment's base offset and bytes */
    /* A cleaner may have written the segments that start below this offset, so they may have holes.
     * In all others a gap is damage. Never above active_base. 0: nothing was ever cleaned. */
    int64_t first_dirty_offset;
    /* A cleaner has compared everything below this offset with the records below it, so it maps
     * keys from here on. Never above first_dirty_offset. */
    int64_t cleaned_offset;
};

/* Opens a log in memory, at the state of a checkpoint or of recovery. Touches no file. The first
 * flush creates the directory. */
struct log *log_open(struct env *env, const char *directory, const struct log_config *config,
                     const struct log_state *state);
/* Gives it memory for reads past the page cache (read_pool.h). Without, there are none. */
void log_set_read_pool(struct log *log, struct read_pool *pool);
void log_close(struct log *log);                    /* no job of it may be under way */
int64_t log_delete_delay_ms(const struct log *log); /* log_config.file_delete_delay_ms */
void log_configure(struct log *log, const struct log_config *config);
struct log_state log_state(const struct log *log);

int64_t log_start_offset(const struct log *log);
int64_t log_next_offset(const struct log *log);    /* log end offset */
int64_t log_durable_offset(const struct log *log); /* the high watermark */
int64_t log_flushed_offset(const struct log *log); /* everything below is in segments */
int64_t log_size_bytes(const struct log *log);     /* of the segments known; see log_is_loaded */
/* Raises log_state.first_dirty_offset: closed segments below it may have holes from now on. The
 * owner makes it durable before a cleaner's file gets the name of a segment. A smaller offset
 * changes nothing. */
void log_set_first_dirty(struct log *log, int64_t offset);

/* A pointer that the owner attaches: the broker's partition. */
void log_set_owner(struct log *log, void *owner);
void *log_owner(const struct log *log);

/* Appends one validated batch: writes base offset and leader epoch into it and keeps a reference to
 * `buffer`, which contains `batch`. First rolls to a new segment if size, age, index or offset
 * range require it. The caller has checked the producer's sequence with log_producers(); the append
 * updates the producer state. The producer ages from steady_ms, the time of a clock that never
 * leaps. Returns the base offset. */
int64_t log_append(struct log *log, struct shared_buffer *buffer, uint8_t *batch, size_t size,
                   int64_t steady_ms);
/* Recovery: the same for a batch that has its offset already. It must be the next offset. Its
 * producer ages from the next look at it: a clock that was wrong at the start changes nothing. */
MUST_USE enum error log_append_recovered(struct log *log, struct shared_buffer *buffer,
                                         const uint8_t *batch, size_t size);
/* Everything below `offset` is durable and visible. A smaller offset changes nothing. */
void log_set_durable(struct log *log, int64_t offset);

struct producer_states *log_producers(struct log *log);

/* Reads whole batches, from the batch that contains `offset` to those whose last offset is below
 * `end_offset`, at most max_bytes. With `at_least_one` the first batch may be larger than that. If
 * `offset` is in a hole, the first batch is the next one after it. An empty slice is NULL with
 * ERR_OK, also when there is only a hole up to the end.
 *
 *   ERR_OUT_OF_RANGE     the offset is below the log's start or above its end
 *   ERR_BUSY             the range is not in memory, and its position in the files is not known:
 *                        run a log_read_job
 *   ERR_NO_FILES         (of the job) its file cannot be opened now: try again later
 *   ERR_IO, ERR_CORRUPT  that range cannot be read */
MUST_USE enum error log_read(struct log *log, int64_t offset, int64_t end_offset, size_t max_bytes,
                             bool at_least_one, struct log_slice **out);

/* Where a read met damage. */
struct log_damage {
    bool is_new;          /* no earlier read reported this place (of the last 64 of the log) */
    int64_t segment_base; /* of the file */
    int64_t byte;         /* where the batch begins; -1: the file is missing */
};
/* The path of a segment's file; the caller frees it. */
char *log_segment_path(const struct log *log, int64_t segment_base);

/* The same on a disk worker: finds the position with the index and reads the pages into memory. The
 * owner sets the first fields and `job.done` and calls log_read_submit. In done() it gets result
 * and slice (a reference of its own). It does not close the log meanwhile: log_busy(). */
struct log_read_job {
    struct job job;
    struct log *log;
    int64_t offset, end_offset;
    size_t max_bytes;
    bool at_least_one;
    enum error result;
    struct log_slice *slice;
    struct log_damage damage; /* with ERR_CORRUPT */
    struct read_plan *plan;   /* log_read.c's own, like the executor */
    struct executor *executor;
};
void log_read_submit(struct executor *executor, struct log_read_job *job);

/* ListOffsets on a disk worker: the first record below end_offset with `timestamp` or a later one,
 * also inside compressed batches; for LOG_MAX_TIMESTAMP the record with the largest timestamp.
 * offset -1: there is none. */
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

/* After opening, only the active segment is known, without its timestamps. Read, time and load jobs
 * find the rest on the worker if necessary. Retention, deletion and the exact size need it. An
 * owner that needs them now submits a load job, which does nothing for a loaded log. */
struct log_load_job {
    struct job job;
    struct log *log;
    enum error result;
    struct load_plan *plan; /* log_load.c's own */
};
void log_load_submit(struct executor *executor, struct log_load_job *job);
bool log_is_loaded(const struct log *log);

/* A flush: a plan with the batches of the tail that are durable and not in segments yet. A disk
 * worker writes them (segments, indexes, new files, directories). One at a time per log. */
struct log_flush;
struct log_flush *log_flush_begin(struct log *log); /* NULL: nothing to do, or one is running */
/* A segment's file may vanish: somebody removed or renamed it. Then the flush gives ERR_NOT_FOUND,
 * and log_flush_end closes that segment and moves the batches that were not flushed to a new one,
 * which the next flush writes. So the state of the log has changed. */
/* On the worker. With `sync` it also makes its writes durable. Without, the owner calls sync_all,
 * once for many logs, before it relies on a flush. ERR_NO_SPACE, ERR_NO_FILES, ERR_IO: nothing is
 * lost, because the tail keeps the batches and a later flush writes them again. */
MUST_USE enum error log_flush_run(struct log_flush *flush, bool sync);
/* On the shard again: raises the flushed offset if there was no error, and frees the plan. */
void log_flush_end(struct log_flush *flush, enum error result);
int64_t log_unflushed_bytes(const struct log *log);
/* log_tail_bytes: the tail's bytes in memory. log_trim_tail drops flushed batches from the front
 * until at most `keep` bytes are left, and returns the number of bytes that it dropped. */
size_t log_tail_bytes(const struct log *log);
size_t log_trim_tail(struct log *log, size_t keep);
/* Closes files that have not been used since `since_ms` (monotonic clock). */
void log_close_idle_files(struct log *log, int64_t since_ms);

/* Retention: the log start offset that time and size require at wall_ms. It is the present one if
 * nothing is to be deleted or the log is not loaded, and never above the durable offset. The owner
 * journals it and then calls log_set_start, which ignores a smaller start. The job of
 * log_delete_begin then unlinks segments that are wholly below the start. A start at the log's end
 * closes the active segment, so that it is deleted, too.
 *
 * A timestamp more than timestamp_after_max_ms and a day in the future is impossible: a wrong clock
 * has stamped the record or let it in. It does not keep a segment. Such a segment is as old as the
 * next one that has a possible timestamp, and goes with it. */
int64_t log_retention_start(struct log *log, int64_t wall_ms);
/* The start that keeps also those segments below `start` that have offsets from `unread` on, the
 * newest first, as long as their sum is at most max_bytes. */
int64_t log_guarded_start(const struct log *log, int64_t start, int64_t unread, int64_t max_bytes);
void log_set_start(struct log *log, int64_t offset);
struct log_delete; /* the files of dead segments, or of replaced ones (log_replace.h) */
/* NULL: there is nothing to delete, or not yet: the log is not loaded, a flush is under way, the
 * segments are not flushed, or replaced segments are still being read. */
struct log_delete *log_delete_begin(struct log *log);
MUST_USE enum error log_delete_run(struct log_delete *d);
/* After the job, if the config has a delay: the segments whose files are only renamed
 * (deleted_files.h). Returns their number; the caller frees the array. */
size_t log_delete_renamed(const struct log_delete *d, int64_t **base_offsets);
/* If some dead files could not be deleted, a job after the next opening deletes them. If some names
 * of new segments could not be given, the next job tries again. */
void log_delete_end(struct log_delete *d);

/* Whether a job of the log is under way. */
bool log_busy(const struct log *log);

/* Recovery, blocking: checks that the active segment has at least the bytes of the state. If not:
 * ERR_CORRUPT, the message names the file, and the state is changed so that appends continue in a
 * new segment after the missing offsets. The rest of the damaged segment stays readable. */
MUST_USE enum error log_check_files(struct env *env, const char *directory, struct log_state *state,
                                    struct message *message);
/* Recovery, blocking: the base offset of the first segment on disk. Unchanged if there is none. */
MUST_USE enum error log_first_segment(struct env *env, const char *directory, int64_t *base_offset);
/* Recovery, blocking: cuts the files to a state that log_check_files has checked, so that appends
 * can continue from there. Removes later segments, truncates the active one, and drops index
 * entries above the state. Durable after sync_all, which recovery calls once for all logs. */
MUST_USE enum error log_cut_files(struct env *env, const char *directory,
                                  const struct log_state *state);
/* The same, if the batches after the state are appended again: the next flush overwrites and cuts
 * what is left of them in the active segment, and in the indexes of one that was empty. */
MUST_USE enum error log_cut_files_for_redo(struct env *env, const char *directory,
                                           const struct log_state *state);

#endif
