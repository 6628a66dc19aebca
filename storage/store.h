/* A shard's durable state: its journal, its logs, its part of the key-value store.
 *
 * Every change is an entry of the journal: batches for logs of this shard, and changes of rows. An
 * entry is atomic. Entries become durable in order. A turn collects entries. At its end
 * store_turn() hands them, as one unit, to a disk worker that makes it durable while the shard
 * collects the next unit. When the unit is durable, the shard calls done() of each commit, in
 * order.
 *
 *   store_begin -> store_append* / store_put* / store_delete* -> store_commit
 *
 * The users of rows (groups, catalog, tasks, ...) keep them in memory. The store only merges the
 * changes for the next checkpoint, and gives all rows back at start (store_scan).
 *
 * A checkpoint writes the tails to segments and syncs them, writes rows and the journal's position
 * in one synced batch, and then recycles the journal's older files. Recovery (recovery.h) is redo
 * from the last checkpoint. */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include "base/list.h"
#include "base/timers.h"
#include "storage/async_writer.h"
#include "storage/kv.h"
#include "storage/log.h"
#include "storage/row_kind.h"

#include <stdatomic.h>

struct store;

/* A struct that waits for an entry embeds it. */
struct commit {
    struct list_node node;
    /* ERR_OK: durable. ERR_IO: the store failed and the broker stops; the entry may be durable or
     * not. */
    void (*done)(struct commit *commit, enum error result);
};

/* A cleaner's place among those of all shards. */
struct clean_visit {
    atomic_bool stop;    /* ends every wait after wake() */
    atomic_bool pausing; /* it waits for its rate, or for the journals */
    /* The gate's own. */
    struct list_node node;
    double urgency;
    bool waits, inside;
    int64_t resumed_ns, bytes;
    uint64_t journal_bytes;
};

/* Limits that the cleaners of all shards share, and their consideration for the journals. enter()
 * and took() are called on a cleaner's worker and may wait, the others on any thread. */
struct clean_gate {
    /* Waits until there is room and no more urgent visit waits. A visit that is inside gives its
     * place back first. False: stop. */
    bool (*enter)(struct clean_gate *gate, struct clean_visit *visit);
    void (*leave)(struct clean_gate *gate, struct clean_visit *visit); /* outside: nothing */
    /* Before enter() and while it waits. */
    void (*set_urgency)(struct clean_gate *gate, struct clean_visit *visit, double urgency);
    void (*took)(struct clean_gate *gate, struct clean_visit *visit, int64_t bytes);
    void (*wake)(struct clean_gate *gate);
    void (*journal_writes)(struct clean_gate *gate, size_t bytes); /* a unit is on its way */
};

struct clean_options {
    struct executor *worker; /* NULL: nothing is cleaned */
    struct clean_gate *gate; /* NULL: no limits */
    size_t map_bytes;
    double map_load;
    size_t buffer_bytes, max_uncompressed;
    int64_t backoff_ms;
};

struct store_options {
    const char *data_directory; /* log.dirs */
    int shard, shard_count;
    int64_t journal_file_bytes; /* size of one recycled file; default 64 MiB */
    int64_t checkpoint_bytes;   /* journal bytes after which a checkpoint starts */
    int64_t checkpoint_interval_ms;
    size_t unit_bytes;     /* a unit that waits with more bytes stops the readers of requests */
    size_t unit_max_bytes; /* a unit with more bytes gets no further entry, and while so many wait,
                              there is no room for batches; 0: 1 GiB */
    size_t tail_cache_bytes;  /* flushed batches kept in memory, all logs together */
    size_t read_buffer_bytes; /* memory for reads past the page cache; 0: there are none */
    size_t unflushed_bytes;   /* tail bytes that start a flush */
    int64_t min_free_bytes;   /* below this the disk counts as full */
    struct executor *journal_worker, *background_worker;
    struct executor *read_worker;      /* reads ahead; NULL: as without read_buffer_bytes */
    struct async_writer *async_writer; /* for small units; NULL: the journal worker writes them */
    struct clean_options clean;
    struct timers *timers;
    struct kv *kv; /* opened by recovery, shared by the shards */
    /* Called once, on the shard, when the journal, a segment or the key-value store cannot be
     * written. The broker stops (exit code 4). */
    void (*failed)(void *context, enum error error);
    void *context;
};

/* How many journal files a shard keeps open. */
int64_t store_journal_files(int64_t checkpoint_bytes, int64_t journal_file_bytes);
/* Opens a shard's store. recovery_run() has put the data directory in order. */
MUST_USE enum error store_open(struct env *env, const struct store_options *options,
                               struct store **out, struct message *message);
/* Starts a last checkpoint, and calls done() when everything is on disk and no job is under way.
 * Then, or in done(), call store_free. Closing waits for readers of removed logs: keep calling
 * store_turn. */
void store_close(struct store *s, void (*done)(void *context, enum error result), void *context);
void store_free(struct store *s);

/* The log of a partition of this shard. The first use opens it (in memory) with the state of the
 * last run, or creates it. NULL: it was removed, or it does not exist and `create` is false. */
struct log *store_log(struct store *s, struct uuid topic_id, int32_t partition,
                      const struct log_config *config, bool create);
/* Removes a log. The open entry deletes its rows, and a disk worker removes its files. Slices stay
 * readable, but the log itself must not be used after the entry is durable. If a topic has logs on
 * several shards, its row is deleted first: the other shards remove their logs only when that is
 * durable. */
void store_remove_log(struct store *s, struct uuid topic_id, int32_t partition);

/* Whether the unit that collects entries has room for one more with a batch of `bytes`. False:
 * refuse the batch. When the unit before is durable, there is room again for up to
 * store_batch_max. Ask before store_begin. */
bool store_has_room(struct store *s, size_t bytes);
/* No unit ever has room for a larger batch. */
size_t store_batch_max(const struct store *s);

/* An entry. Only one is open at a time; store_commit ends it. A unit that is large already is
 * written now if none is under way, so that it does not grow. */
void store_begin(struct store *s);
/* Appends a batch to the log and adds it to the entry. Returns its base offset. */
int64_t store_append(struct store *s, struct log *log, struct shared_buffer *buffer, uint8_t *batch,
                     size_t size, int64_t steady_ms);
void store_put(struct store *s, struct bytes key, struct bytes value);
void store_delete(struct store *s, struct bytes key);
/* Deletes a topic's row and puts a row ROW_DELETED. Only because of the stored deletion may this
 * run or a later start delete the topic's files. A start that finds no files removes the row. */
void store_delete_topic(struct store *s, struct uuid topic_id);
/* Raises the log's start (retention, DeleteRecords). */
void store_set_log_start(struct store *s, struct log *log, int64_t offset);
/* Ends the entry. When it is durable, the logs' durable offsets rise, and then commit->done is
 * called. `commit` may be NULL. */
void store_commit(struct store *s, struct commit *commit);

/* New options of compaction, without worker and gate. The next round obeys them. */
void store_set_clean_options(struct store *s, const struct clean_options *options);

/* End of the turn, at the time of the monotonic and of the wall clock: hands a unit to the journal
 * worker if none is under way, starts flushes and checkpoints that are due. */
void store_turn(struct store *s, int64_t now_ms, int64_t wall_ms);
/* Whether requests may be read. False while a large unit waits for the one before it, or while the
 * segments are far behind the tails, and after a failure. Ask in each turn. */
bool store_accepts(const struct store *s);
/* The disk is full or nearly full: produce requests are refused, everything else uses the reserve.
 */
bool store_is_full(const struct store *s);
/* The reason why the store is full: ERR_NO_SPACE or ERR_NO_FILES. ERR_OK: it is not full. Without
 * descriptors the journal goes on, and the store is full when too much waits. */
enum error store_lack(const struct store *s);

/* `moved` is called when a log's durable offset or start has risen (fetch waits, tasks). */
void store_on_durable(struct store *s, void (*moved)(void *context, struct log *log),
                      void *context);

/* Calls `each` for all rows with a prefix, as recovery left them. Only before the first entry. */
MUST_USE enum error
store_scan(struct store *s, struct bytes prefix,
           enum error (*each)(void *context, struct bytes key, struct bytes value), void *context);

struct store_stats {
    uint64_t units, entries, journal_bytes, flushes, checkpoints;
    int64_t tail_bytes, unflushed_bytes, journal_behind_bytes;
    /* Compaction. */
    uint64_t cleanings, records_dropped;
    int64_t clean_bytes_read, clean_bytes_written;
    int64_t last_clean_wall_ms; /* 0: none in this run */
    double max_dirty_ratio;     /* of all logs, when the cleaner last looked */
    uint64_t uncleanable;       /* partitions that have an unreadable batch */
};
struct store_stats store_stats(const struct store *s);
/* Writes what the journal and the cleaner do now to the log, in a few lines. */
void store_write_status(struct store *s);

#endif
