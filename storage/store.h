/* A shard's durable state: its journal, its logs, its part of the key-value store.
 *
 * Everything that must survive is one entry of the journal: batches for logs of this shard and
 * changes of rows. An entry is atomic; entries are durable in order. The turn collects entries; at
 * its end store_turn() hands them, as one unit, to a disk worker that writes and syncs them while
 * the shard collects the next unit. When the unit is durable, done() of each commit is called, in
 * order, on the shard.
 *
 *   store_begin -> store_append* / store_put* / store_delete* -> store_commit
 *
 * Rows are kept in memory by who uses them (groups, catalog, tasks, ...); the store only merges the
 * changes for the next checkpoint and gives all rows back at start (store_scan).
 *
 * Checkpoint: tail -> segments, sync, one synced batch of rows with the journal's position, then
 * the journal's older files are recycled. Recovery (recovery.h) is redo from the last checkpoint.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include "base/timers.h"
#include "storage/kv.h"
#include "storage/log.h"
#include "storage/row_kind.h"

struct store;

/* Embedded by who waits for an entry. */
struct commit {
    struct list_node node;
    /* ERR_OK: durable. ERR_IO: the journal failed; the broker is stopping and nothing is known. */
    void (*done)(struct commit *commit, enum error result);
};

struct store_options {
    const char *data_directory; /* log.dirs */
    int shard, shard_count;
    int64_t journal_file_bytes; /* size of one recycled file; default 64 MiB */
    int64_t checkpoint_bytes;   /* journal bytes after which a checkpoint starts */
    int64_t checkpoint_interval_ms;
    size_t unit_bytes;       /* a unit is handed over when it is this large */
    size_t tail_cache_bytes; /* flushed batches kept in memory, all logs together */
    size_t unflushed_bytes;  /* tail bytes that start a flush */
    int64_t min_free_bytes;  /* below this the disk counts as full */
    struct executor *journal_worker, *background_worker;
    struct timers *timers;
    struct kv *kv; /* opened by recovery, shared by the shards */
    /* The journal cannot be written: called once, on the shard; the broker stops (exit code 4). */
    void (*failed)(void *context, enum error error);
    void *context;
};

/* Opens a shard's store after recovery_run() has brought the data directory in order. */
MUST_USE enum error store_open(struct env *env, const struct store_options *options,
                               struct store **out, struct message *message);
/* Starts a last checkpoint and calls done() when everything is on disk and no job runs; then (also
 * inside done) store_free. Logs that are still read have to be left first: store_turn goes on. */
void store_close(struct store *s, void (*done)(void *context, enum error result), void *context);
void store_free(struct store *s);

/* The log of a partition of this shard, opened (in memory) on first use with the state that the
 * last run left, or new. NULL only if `create` is false and it does not exist. */
struct log *store_log(struct store *s, struct uuid topic_id, int32_t partition,
                      const struct log_config *config, bool create);
/* Forgets a log and removes its files on a disk worker; its rows are deleted with the entry that
 * the caller has open. Slices that are still being sent stay readable; the log itself may not be
 * used any more once the entry is durable. When the topic spans shards, its row goes first: only
 * when that is durable do the others remove their logs. */
void store_remove_log(struct store *s, struct uuid topic_id, int32_t partition);

/* An entry. Only one is open at a time; store_commit ends it. */
void store_begin(struct store *s);
/* Appends a batch to the log and puts it into the entry. Returns its base offset. */
int64_t store_append(struct store *s, struct log *log, struct shared_buffer *buffer, uint8_t *batch,
                     size_t size, int64_t wall_ms);
void store_put(struct store *s, struct bytes key, struct bytes value);
void store_delete(struct store *s, struct bytes key);
/* Deletes a topic's row, and puts one in its place that says so: a topic's files are deleted
 * because of it alone, by this run or a later one. The start that finds the files gone removes it.
 */
void store_delete_topic(struct store *s, struct uuid topic_id);
/* The log's start moves (retention, DeleteRecords). */
void store_set_log_start(struct store *s, struct log *log, int64_t offset);
/* Ends the entry. When it is durable the logs' durable offsets move, then commit->done is called.
 * `commit` may be NULL. */
void store_commit(struct store *s, struct commit *commit);

/* End of the turn: hands a unit to the journal worker if none is under way, starts flushes and
 * checkpoints that are due. */
void store_turn(struct store *s, int64_t now_ms, int64_t wall_ms);
/* Whether more entries may be made: false while the journal is behind by several units; who reads
 * requests stops until it is true (asked each turn). */
bool store_accepts(const struct store *s);
/* The disk is full (or nearly): produce is refused, everything else goes on from the reserve. */
bool store_is_full(const struct store *s);

/* Who is told when a log's durable offset or start moved (fetch waits, tasks). */
void store_on_durable(struct store *s, void (*moved)(void *context, struct log *log),
                      void *context);

/* All rows with a prefix, as of recovery; only before the first entry. */
MUST_USE enum error
store_scan(struct store *s, struct bytes prefix,
           enum error (*each)(void *context, struct bytes key, struct bytes value), void *context);

struct store_stats {
    uint64_t units, entries, journal_bytes, flushes, checkpoints;
    int64_t tail_bytes, unflushed_bytes, journal_behind_bytes;
};
struct store_stats store_stats(const struct store *s);

#endif
