/* What the files of the store share: store.c (entries), store_units.c (units on their way to the
 * journal), store_logs.c (the logs), store_checkpoint.c (flushes, checkpoints). Everybody else uses
 * store.h.
 *
 * Everything here belongs to the shard's thread. Jobs touch only what their struct lends them. */
#ifndef STORAGE_STORE_INTERNAL_H
#define STORAGE_STORE_INTERNAL_H

#include "storage/journal.h"
#include "storage/store.h"
#include "storage/store_rows.h"

enum {
    UNIT_START_BYTES = 64 << 10, /* a unit's buffer at first; it grows as needed */
    FLUSH_AGE_MS = 1000,
    RETRY_MS = 100, /* while the disk is full */
    TICK_MS = 1000,
    IDLE_FILES_MS = 30000,
    UNFLUSHED_FACTOR = 3, /* so many times the bytes that start a flush stop the readers */
};

/* A log of this shard. */
struct store_log {
    struct log *log; /* NULL until it is first used */
    struct uuid topic_id;
    int32_t partition;
    struct row_key key;         /* of its row; also its key in store.logs */
    uint64_t pointer;           /* of `log`: its key in store.by_pointer */
    struct log_state state;     /* until it is opened */
    struct buffer producers;    /* until it is opened: producer id, size, row, again and again */
    struct list_node dirty;     /* in store.dirty: changed since the last checkpoint began */
    struct list_node unflushed; /* in store.unflushed: its tail holds more than the segments */
    struct list_node with_tail; /* in store.with_tail: its tail is not empty; last appended last */
    struct list_node moved;     /* in store.moved: who waits is to be told */
    struct list_node dying;     /* in store.dying: removed, waits until no job uses it */
    uint32_t marks[2];          /* one more than its mark in units[i]; 0: none */
    size_t tail_bytes;
    int64_t unflushed_bytes; /* both as they stand in the store's sums */
    int64_t pending_start;   /* a log start that is in the journal, not durable yet; -1: none */
    bool removed;
    bool names_durable; /* of its directory and those above */
};

/* What becomes true for a log when a unit is durable. */
struct store_unit_mark {
    struct store_log *log;
    int64_t next_offset, start; /* -1: not moved */
    bool removed;
};

/* Blocks inside a batch, written from where they are. */
struct store_unit_blocks {
    struct shared_buffer *buffer; /* a reference: they must stay until they are written */
    const uint8_t *at;
    uint32_t count;
};

struct store_unit {
    struct job job;
    struct store *store;
    uint8_t *data; /* aligned; the header's place, then parts */
    size_t size, capacity;
    struct store_unit_blocks *ranges; /* of blocks, in their order behind the parts */
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
    CHECKPOINT_CAPTURED, /* a checkpoint's log rows are taken; it waits for its last unit */
    CHECKPOINT_RUNNING,
};

/* The one flush or checkpoint that is under way. */
struct checkpoint {
    struct job job;
    struct store *store;
    enum checkpoint_phase phase;
    bool is_whole;  /* else only a flush */
    bool sync_each; /* sync each log's files; else everything at once */
    struct flush_item *flushes;
    size_t flush_count;
    struct row_changes rows;
    struct buffer removed; /* keys of removed logs: their producers' rows go too */
    struct journal_mark mark;
    struct list dead_files;
    uint64_t entries; /* that it covers */
    bool repeated;    /* the one before failed: its rows are among these */
    bool final;       /* the result is an error after which nothing can be trusted */
    enum error result;
};

enum full_reason {
    FULL_LOW = 1,     /* less than min_free_bytes are left */
    FULL_FLUSH = 2,   /* a flush or checkpoint met a full disk */
    FULL_JOURNAL = 4, /* the journal did */
};

struct store {
    struct env *env;
    struct store_options options;
    char *data_directory;
    int64_t now_ms;

    struct journal journal;
    uint64_t start, run;
    struct store_unit units[2];
    int filling;
    bool in_flight, entry_open;
    bool write_refused; /* the unit under way met a full disk; `retry` writes it again */
    bool preparing[2];  /* a spare: in the background, on demand */
    int64_t prepare_retry_ms;
    bool sealed; /* the last unit needs no other behind it that says it is durable */
    lsn_t durable, checkpoint_lsn;
    uint64_t entries_since_checkpoint;
    int64_t last_checkpoint_ms, retry_checkpoint_ms, idle_files_ms;

    struct map logs, by_pointer;
    struct list dirty, unflushed, with_tail, moved, dying;
    int64_t tail_bytes, unflushed_bytes, unflushed_since_ms;
    struct row_changes rows; /* durable, since the last checkpoint began */
    struct buffer removed;   /* the same, keys of removed logs */
    bool checkpoint_owed;    /* one failed on a full disk */
    bool flushed_unsynced;   /* segments have bytes that nobody synced */
    struct checkpoint checkpoint;

    struct list finished; /* commits to be told; ERR_OK */
    struct list failed;   /* commits to be told; ERR_IO */
    int depth;            /* of store_enter */
    void (*moved_callback)(void *context, struct log *log);
    void *moved_context;

    struct timer tick, retry;
    unsigned jobs; /* other than the unit's and the checkpoint's */
    unsigned full; /* of enum full_reason */
    bool space_job_running, has_failed, started;
    bool closing, closed, final_checkpoint_tried, closing_unit_tried;
    enum error close_result;
    void (*close_done)(void *context, enum error result);
    void *close_context;
    struct store_stats stats;
};

/* store.c */
/* The journal or a sync failed: nothing is acknowledged any more. */
void store_fail(struct store *s, enum error error);
/* The file system refuses direct I/O: said once, not tried again. */
void store_note_fallback(struct store *s);
/* Around everything that is called from outside: when the outermost one is left, who waits is told,
 * and store_close goes on. Nothing may touch the store after store_leave. */
void store_enter(struct store *s);
void store_leave(struct store *s);

/* store_units.c */
void store_units_init(struct store *s);
void store_units_free(struct store *s);
/* Room for `size` more bytes in the filling unit. */
uint8_t *store_unit_reserve(struct store *s, size_t size);
/* Bytes of a unit without the padding. */
static inline size_t store_unit_bytes(const struct store_unit *u)
{
    return u->size + (size_t)u->block_count * IO_ALIGNMENT;
}
/* A batch that is large enough: its inner blocks become a range of the filling unit, and the part
 * says which. Else the part's bytes are the whole batch, to be copied. */
void store_unit_take_blocks(struct store *s, struct shared_buffer *buffer,
                            struct journal_part *part);
struct store_unit_mark *store_unit_mark(struct store *s, struct store_log *log);
/* Hands the filling unit to the journal worker if it has entries and none is under way. */
void store_units_hand_over(struct store *s);
/* Prepares a spare file if there is none. */
void store_units_prepare_spare(struct store *s);
/* Writes a unit without entries, so that the last one is known to have been durable. */
void store_units_seal(struct store *s, bool closing);
static inline bool store_units_idle(const struct store *s)
{
    return !s->in_flight && s->units[s->filling].entries == 0;
}

/* store_logs.c */
MUST_USE enum error store_logs_load(struct store *s);
void store_logs_free(struct store *s);
struct store_log *store_log_of(struct store *s, struct log *log);
/* An entry changes its row: the checkpoint that covers the entry must take it. */
void store_log_changed(struct store *s, struct store_log *log);
void store_log_appended(struct store *s, struct store_log *log);
/* Brings the sums of tail and unflushed bytes up to date. */
void store_log_account(struct store *s, struct store_log *log);
/* A unit is durable: the mark becomes true. */
void store_log_apply(struct store *s, const struct store_unit_mark *mark);
void store_logs_trim(struct store *s);
/* Deletes files of removed logs that no job uses any more. */
void store_logs_reap(struct store *s);
void store_logs_look_after_files(struct store *s);
void store_log_delete_segments(struct store *s, struct store_log *log);

/* store_checkpoint.c */
void store_checkpoint_init(struct store *s);
void store_checkpoint_free(struct store *s);
/* Starts a flush or a checkpoint that is due, when nothing forbids it. */
void store_checkpoint_turn(struct store *s);
/* The unit is about to be handed over: takes the rows of a checkpoint that is due. */
void store_checkpoint_capture(struct store *s);
/* A unit is durable: starts the checkpoint that waited for it. */
void store_checkpoint_unit_durable(struct store *s);

/* store_space.c */
void store_check_space(struct store *s);

#endif
