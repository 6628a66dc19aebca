/* Shared by the files of the store: store.c (entries), store_units.c (units on their way to the
 * journal), store_logs.c (the logs), store_checkpoint.c (flushes, checkpoints), store_witness.c
 * (the journal's witness), store_clean.c (compaction), store_space.c (free space), store_status.c.
 * All others use store.h.
 *
 * Everything here belongs to the shard's thread. A job touches only the fields of its own struct.
 */
#ifndef STORAGE_STORE_INTERNAL_H
#define STORAGE_STORE_INTERNAL_H

#include "storage/journal.h"
#include "storage/journal_witness.h"
#include "storage/log_clean.h"
#include "storage/read_pool.h"
#include "storage/store.h"
#include "storage/store_rows.h"

enum {
    UNIT_START_BYTES = 64 << 10, /* a unit's buffer at first; it grows as needed */
    UNIT_MAX_BYTES = 1 << 30,    /* the rest up to JOURNAL_UNIT_MAX is for the last entry */
    FLUSH_AGE_MS = 1000,
    RETRY_MS = 100, /* while the disk is full */
    TICK_MS = 1000,
    IDLE_FILES_MS = 30000,
    UNFLUSHED_FACTOR = 3, /* times unflushed_bytes: more stop the readers of requests */
};

/* A log of this shard. */
struct store_log {
    struct log *log; /* NULL until it is first used */
    struct uuid topic_id;
    int32_t partition;
    struct row_key key;         /* of its row; also its key in store.logs */
    uint64_t pointer;           /* of `log`: its key in store.by_pointer */
    struct log_state state;     /* until it is opened */
    struct buffer producers;    /* until it is opened: producer id, size and row of each */
    struct list_node dirty;     /* in store.dirty: changed since the last checkpoint began */
    struct list_node unflushed; /* in store.unflushed: its tail has unflushed batches */
    struct list_node with_tail; /* in store.with_tail: its tail is not empty; last appended last */
    struct list_node moved;     /* in store.moved: moved_callback is due */
    struct list_node dying;     /* in store.dying: removed, waits until no job uses it */
    uint64_t marked_unit;       /* the last unit with a mark of it; 0: none */
    uint32_t mark;              /* its index there */
    size_t tail_bytes;
    int64_t unflushed_bytes; /* both as counted in the store's sums */
    int64_t pending_start;   /* a log start that is in the journal, not durable yet; -1: none */
    bool removed;
    bool cleaning;                /* store.cleaning uses it */
    int64_t uncleanable_until;    /* a batch below this offset cannot be read; 0: none */
    struct list_node uncleanable; /* in store.cleaning.uncleanable; then uncleanable_until > 0 */
    int64_t clean_after_ms;       /* not before; after a cleaning that was given up */
    bool names_durable;           /* of its directory and those above */
};

/* A unit with at most so many bytes and parts is written without the journal worker. For more, the
 * checksum alone would take too much of the shard's turn. */
enum { ASYNC_UNIT_BYTES = 64 << 10, ASYNC_UNIT_PARTS = 16 };

/* The changes of a log that take effect when a unit is durable. */
struct store_unit_mark {
    struct store_log *log;
    int64_t next_offset, start; /* -1: not moved */
    bool removed;
};

/* A range of blocks inside a batch, written without a copy. */
struct store_unit_blocks {
    struct shared_buffer *buffer; /* a reference: keeps the memory until they are written */
    const uint8_t *at;
    uint32_t count;
};

struct store_unit {
    struct list_node waiting; /* in store.waiting */
    uint64_t number;          /* of the store's units, from 1 */
    struct job job;
    struct async_write async;
    struct iovec async_parts[ASYNC_UNIT_PARTS];
    int64_t async_started_ms;
    struct store *store;
    uint8_t *data; /* aligned; room for the header, then parts */
    size_t size, capacity;
    struct store_unit_blocks *ranges; /* of blocks, in their order after the parts */
    int range_count, range_capacity;
    uint32_t block_count; /* of all ranges */
    uint32_t entries;
    bool has_rows, closing;
    struct list commits;
    struct store_unit_mark *marks;
    uint32_t mark_count, mark_capacity;
    struct journal_place place;
    struct journal_unit header;
    enum error result;
};

enum checkpoint_phase {
    CHECKPOINT_IDLE,
    CHECKPOINT_CAPTURED, /* the log rows are taken; it waits until its last unit is durable */
    CHECKPOINT_RUNNING,
};

/* The one flush or checkpoint that is under way. */
struct checkpoint {
    struct job job;
    struct store *store;
    enum checkpoint_phase phase;
    bool is_whole;  /* a checkpoint; else only a flush */
    bool sync_each; /* sync each log's files; else sync_all */
    struct flush_item *flushes;
    size_t flush_count;
    struct row_changes rows;
    struct buffer removed; /* keys of removed logs, whose producers' rows are deleted, too */
    struct journal_mark mark;
    struct list dead_files;
    uint64_t entries; /* that it covers */
    bool repeated;    /* the previous one failed: its rows are among these */
    bool final;       /* the result is an error after which the store stops */
    enum error result;
};

/* The write of the journal's witness that is under way, if any. */
struct witness_job {
    struct job job;
    struct store *store;
    struct journal_witness known; /* the end of the last durable unit with entries */
    struct journal_witness next;  /* being written, or the last one */
    lsn_t written;                /* the last one's `durable` */
    bool running, exists, has_failed;
    enum error result;
};

enum clean_phase {
    CLEAN_RESTING,  /* until next_ms */
    CLEAN_SCANNING, /* looks at some logs in each turn */
    CLEAN_LOADING,  /* of a log, for the scan */
    CLEAN_WAITING,  /* with the best log, for its turn among all shards; from next_ms on it looks
                       again */
    CLEAN_MAPPING,  /* of the round */
    CLEAN_ROW,      /* waits until the first dirty offset is durable */
    CLEAN_GROUP,
    CLEAN_NAMES, /* the new segments get their names */
    CLEAN_UNDOING,
};

/* The one log that is cleaned now, or the search for it. */
struct store_cleaning {
    enum clean_phase phase;
    struct store_log *log; /* that is cleaned or loaded */
    struct log_clean *round;
    struct log_clean_job step;
    struct log_load_job load;
    struct job names_job;
    struct log_delete *names;
    enum error names_result, why; /* why: the error that is undone */
    struct job enter_job;
    struct clean_visit visit; /* of the gate */
    bool enters, is_inside;   /* enter_job is under way; the gate has let the cleaner in */
    bool job_runs, wants_checkpoint;
    bool lacks_space;        /* the last round ended because the disk is nearly full */
    struct list uncleanable; /* logs */
    int64_t captured_dirty, durable_dirty; /* -1: not yet */
    size_t cursor;
    struct store_log *best;
    double best_urgency, worst_ratio;
    int64_t next_ms, began_ms;
};

enum full_reason {
    FULL_LOW = 1,      /* less than min_free_bytes are left */
    FULL_FLUSH = 2,    /* a flush or checkpoint met a full disk */
    FULL_JOURNAL = 4,  /* the journal met a full disk */
    FULL_NO_FILES = 8, /* no descriptor was left; it counts when much waits */
};

struct store {
    struct env *env;
    struct store_options options;
    char *data_directory;
    int64_t now_ms;

    struct journal journal;
    uint64_t start, run;
    struct store_unit *filling, *in_flight; /* in_flight: being written; NULL: none */
    struct store_unit *idle;                /* the next one to fill, or NULL */
    struct list waiting;                    /* units at their limit, to be written first */
    size_t waiting_bytes;
    uint64_t unit_count;
    bool entry_open;
    bool write_refused; /* the unit under way met a full disk; `retry` writes it again */
    bool preparing[2];  /* a spare is being prepared: in the background, on demand */
    int64_t prepare_retry_ms;
    int64_t async_again_ms; /* until then the journal worker writes all units */
    bool sealed;            /* no further unit is needed to say what is durable */
    lsn_t durable, checkpoint_lsn;
    uint64_t entries_since_checkpoint;
    int64_t last_checkpoint_ms, retry_checkpoint_ms, idle_files_ms;

    struct map logs, by_pointer;
    struct read_pool *read_pool; /* of the logs; NULL: no reads past the page cache */
    struct list dirty, unflushed, with_tail, moved, dying;
    struct list removals; /* of files: they wait for a descriptor */
    struct list deleted;  /* renamed files that are not due yet: store_deleted.c */
    int64_t tail_bytes, unflushed_bytes, unflushed_since_ms;
    struct row_changes rows; /* durable, since the last checkpoint began */
    struct buffer removed;   /* the same, keys of removed logs */
    bool checkpoint_owed;    /* the last one failed */
    bool flushed_unsynced;   /* segments have bytes that are not synced */
    struct checkpoint checkpoint;
    struct witness_job witness;
    struct store_cleaning cleaning;
    int64_t wall_ms;

    struct list finished; /* commits whose done() is due with ERR_OK */
    struct list failed;   /* and with ERR_IO */
    int depth;            /* of store_enter */
    void (*moved_callback)(void *context, struct log *log);
    void *moved_context;

    struct timer tick, retry;
    unsigned jobs; /* under way, without the unit's and the checkpoint's */
    unsigned full; /* of enum full_reason */
    bool space_job_running, has_failed, started;
    bool closing, closed, final_checkpoint_tried, closing_unit_tried, closing_witness_tried;
    enum error close_result;
    void (*close_done)(void *context, enum error result);
    void *close_context;
    struct store_stats stats;
};

/* store.c */
/* After this nothing is acknowledged. All waiting commits get ERR_IO. */
void store_fail(struct store *s, enum error error);
/* The file system refuses direct I/O: logs it, and new files do not try it. */
void store_note_fallback(struct store *s);
/* Every call from outside is between these two. The outermost store_leave makes the callbacks that
 * are due and continues store_close. Nothing may touch the store after it. */
void store_enter(struct store *s);
void store_leave(struct store *s);

/* store_units.c */
void store_units_init(struct store *s);
void store_units_free(struct store *s);
/* The store failed: the commits of all units are due with ERR_IO, in order. */
void store_units_fail(struct store *s);
/* Before an entry begins: if the filling unit is at its limit, it waits, and the entry is the first
 * of another one. So a unit has at most unit_max_bytes and one entry. */
void store_unit_limit(struct store *s);
/* Room for `size` more bytes in the filling unit. */
uint8_t *store_unit_reserve(struct store *s, size_t size);
/* Bytes of a unit without the padding. */
static inline size_t store_unit_bytes(const struct store_unit *u)
{
    return u->size + (size_t)u->block_count * IO_ALIGNMENT;
}
/* If the batch is large, makes its inner blocks a range of the filling unit and names them in the
 * part. Otherwise the part's bytes stay the whole batch, which is copied. */
void store_unit_take_blocks(struct store *s, struct shared_buffer *buffer,
                            struct journal_part *part);
struct store_unit_mark *store_unit_mark(struct store *s, struct store_log *log);
/* Hands the filling unit to the journal worker if it has entries and none is under way. */
void store_units_hand_over(struct store *s);
/* Prepares a spare file if there is none. */
void store_units_prepare_spare(struct store *s);
/* Writes a unit without entries. It tells recovery that the units and the checkpoint before it were
 * durable. */
void store_units_seal(struct store *s, bool closing);
static inline bool store_units_idle(const struct store *s)
{
    return !s->in_flight && s->filling->entries == 0 && list_is_empty(&s->waiting);
}
/* Bytes of the units that no write has begun with. */
static inline size_t store_units_backlog(const struct store *s)
{
    return s->waiting_bytes + store_unit_bytes(s->filling);
}

/* store_logs.c */
MUST_USE enum error store_logs_load(struct store *s);
void store_logs_free(struct store *s);
struct store_log *store_log_of(struct store *s, struct log *log);
/* An entry changes the log's row: the checkpoint that covers the entry must write it. */
void store_log_changed(struct store *s, struct store_log *log);
void store_log_appended(struct store *s, struct store_log *log);
/* Brings the sums of tail and unflushed bytes up to date. */
void store_log_account(struct store *s, struct store_log *log);
/* Applies the mark of a unit that is durable. */
void store_log_apply(struct store *s, const struct store_unit_mark *mark);
void store_logs_trim(struct store *s);
/* Deletes files of removed logs that no job uses any more. */
void store_logs_reap(struct store *s);
/* Tries the removals again that found no descriptor. */
void store_logs_retry_removals(struct store *s);
void store_logs_look_after_files(struct store *s);
void store_log_delete_segments(struct store *s, struct store_log *log);

/* store_deleted.c */
/* The renamed files of segments, or a renamed directory of a log, wait for their removal. Both take
 * what they are given. */
void store_deleted_segments(struct store *s, char *directory, int64_t *bases, size_t count,
                            int64_t delay_ms);
void store_deleted_log(struct store *s, char *directory, char *topic, int64_t delay_ms);
void store_deleted_remove_due(struct store *s);
/* Removes files of segments that the last run has renamed, in the background. */
void store_deleted_search(struct store *s);
void store_deleted_free(struct store *s);

/* store_checkpoint.c */
void store_checkpoint_init(struct store *s);
void store_checkpoint_free(struct store *s);
/* Starts a flush or a checkpoint that is due, if none is under way. */
void store_checkpoint_turn(struct store *s);
/* Called when a unit is handed over: takes the log rows of a checkpoint that is due. */
void store_checkpoint_capture(struct store *s);
/* Called when a unit is durable: starts the checkpoint that waited for it. */
void store_checkpoint_unit_durable(struct store *s);

/* store_witness.c */
/* Notes a unit with entries that is durable. */
void store_witness_durable(struct store *s, const struct store_unit *u);
/* Whether there is news for the witness. */
bool store_witness_is_behind(const struct store *s);
/* Starts writing the witness if there is news and no write is under way. */
void store_witness_turn(struct store *s);
/* store_clean.c */
void store_clean_init(struct store *s);
void store_clean_turn(struct store *s);
/* When the store closes: ends the cleaning as soon as possible. */
void store_clean_stop(struct store *s);
void store_clean_free(struct store *s);
/* The store frees this log. */
void store_clean_forget(struct store *s, struct store_log *log);
/* A checkpoint has the row of the log with this first dirty offset; it has become durable. */
void store_clean_captured(struct store *s, const struct store_log *log, int64_t first_dirty_offset);
void store_clean_checkpointed(struct store *s);

/* store_space.c */
void store_check_space(struct store *s);

#endif
