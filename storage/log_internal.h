/* The inside of a log, for the log_*.c files only.
 *
 * Threads: struct log and everything in it belong to the shard. A job never touches them. When it
 * is submitted, its plan gets copies: segment views with a reference to the open file, and tail
 * batches, whose memory stays because unflushed batches are never dropped. Its done(), on the
 * shard, puts the results into the log. Jobs may read `env` and `directory`, which never change: a
 * log is not closed while a job is under way.
 *
 * After opening, only the active segment is known. The first job that needs the earlier segments
 * finds them (`loaded`). Until then nothing is deleted. */
#ifndef STORAGE_LOG_INTERNAL_H
#define STORAGE_LOG_INTERNAL_H

#include "storage/log.h"
#include "storage/read_pool.h"
#include "storage/segment.h"

struct segment {
    int64_t base_offset, next_offset; /* offsets [base, next) */
    int64_t size;                     /* bytes, including those in the tail */
    int64_t flushed_size;             /* bytes in the file */
    bool created;                     /* its files exist */
    bool damaged;                     /* its batches do not fill it: retention by time keeps it */
    bool known;                       /* the two summaries include the files' content at opening */
    bool completed;                   /* closed, and its indexes got their last entries */
    bool unnamed;                     /* its files are still named .swap: `held` keeps them open */
    struct segment_summary summary;   /* of all batches; index fields unused */
    struct segment_summary flushed;   /* of the batches in the files */
    int64_t index_entries;            /* of the offset index, including those of the tail */
    int64_t bytes_since_index;
    struct segment_file_memo memo; /* its file, if the cache has it */
    struct segment_file *held;     /* unnamed: a reference; otherwise NULL */
    int64_t used_ms;               /* monotonic */
};

/* A batch in memory. */
struct tail_batch {
    struct shared_buffer *buffer;
    const uint8_t *at;
    size_t size;
    int64_t base_offset, next_offset, max_timestamp;
    int64_t segment_base, position;
    bool indexed; /* gets entries in the indexes */
};

/* The newest batches, without gaps: a ring that grows. */
struct tail {
    struct tail_batch *slots;
    size_t first, count, capacity; /* capacity is zero or a power of two */
    size_t bytes;
};

/* The position in a file where a reader will continue. */
struct read_hint {
    int64_t offset, segment_base, position;
};
enum { READ_HINTS = 8 };

struct log {
    struct env *env;
    char *directory;
    struct log_config config;
    void *owner;
    int64_t start_offset, next_offset, durable_offset, flushed_offset, first_dirty_offset,
        cleaned_offset;
    int64_t size_bytes, unflushed_bytes;
    int64_t possible_ms; /* later timestamps are impossible; as of the last look of retention */
    struct segment *segments; /* by base offset; the last one is active */
    size_t segment_count, segment_capacity;
    bool loaded;
    struct tail tail;
    struct producer_states *producers;
    struct read_hint hints[READ_HINTS];
    unsigned next_hint;
    struct read_pool *read_pool;    /* of the shard; NULL: all reads go through the page cache */
    struct log_cold *cold;          /* log_cold.c; NULL: no read went past it */
    struct damage_report *reported; /* places of damage; NULL: none was met */
    bool directory_made, flushing;
    int jobs;
    /* A swap of segments starts a generation. Old readers began before the last swap. The names in
     * the directory stay as they are until they are done. */
    unsigned generation;
    int readers, old_readers; /* jobs with a plan; those of older generations */
    struct log_swap *swap;    /* the last swap, until its files have their names; else NULL */
    bool naming;              /* the job that gives the names is under way */
};

/* log_tail.c */
struct tail_batch *tail_at(const struct tail *t, size_t index);
void tail_push(struct tail *t, const struct tail_batch *batch); /* takes over the reference */
void tail_drop_first(struct tail *t);
void tail_free(struct tail *t);
/* The index of the batch that contains `offset`. The count if the offset is before or after all
 * batches. */
size_t tail_find(const struct tail *t, int64_t offset);
bool tail_contains(const struct tail *t, int64_t offset);
/* Batches, starting with the one that contains `offset`. NULL: none fits. */
struct log_slice *tail_read(const struct tail *t, int64_t offset, int64_t end_offset,
                            size_t max_bytes, bool at_least_one);

/* log_cold.c, on the shard */
/* Reads from pieces as log_read does. False: no piece contains the offset. `last` is the piece that
 * the reader got last, or NULL. */
bool log_cold_read(struct log *log, int64_t offset, int64_t end_offset, size_t max_bytes,
                   bool at_least_one, struct log_slice **out, const struct read_piece **last);
/* The reader of `from_offset` got everything before the hint. */
void log_cold_remember(struct log *log, int64_t from_offset, const struct read_hint *hint);
/* How many bytes of batches the piece may have that a read at this offset shall make. 0: none. The
 * pool has reserved room for it, and the caller calls log_cold_add or log_cold_no_piece. `failed`:
 * it could not be made. */
MUST_USE size_t log_cold_reserve(struct log *log, int64_t offset);
/* Takes it over. False: another piece has these batches, and this one is freed. */
MUST_USE bool log_cold_add(struct log *log, struct read_piece *piece, size_t reserved);
void log_cold_no_piece(struct log *log, size_t reserved, bool failed);
/* Whether to read what follows the piece. Returns how many bytes, as log_cold_reserve does, and
 * where they begin. */
MUST_USE size_t log_cold_begin_ahead(struct log *log, const struct read_piece *piece,
                                     struct read_hint *from);
/* Lets the job wait if its bytes are being read ahead. False: they are not. */
MUST_USE bool log_cold_wait(struct log *log, struct log_read_job *job);
void log_cold_end_ahead(struct log *log, struct list *waiting); /* gives back what has waited */
/* Segments were replaced, deleted or lost: drops all pieces. */
void log_cold_drop(struct log *log);
void log_cold_free(struct log *log);

/* log_lost.c: the file of this segment vanished. Closes the segment at the flushed offset; the
 * batches after it, which are in the tail, become the start of a new segment. */
void log_close_lost(struct log *log, int64_t base_offset);

/* log_damage.c */
/* Whether the place was not reported before. Remembers it. */
bool log_damage_report(struct log *log, int64_t segment_base, int64_t byte);

/* log.c */
static inline struct segment *log_active(const struct log *log)
{
    return &log->segments[log->segment_count - 1];
}
/* The segment that contains `offset`. The first one if the offset is before all segments. */
struct segment *log_find_segment(const struct log *log, int64_t offset);
/* Whether a cleaner may have left holes in it. */
static inline bool log_is_sparse(const struct log *log, const struct segment *segment)
{
    return segment->base_offset < log->first_dirty_offset;
}
/* The segment with this base offset, or NULL. */
struct segment *log_segment_at(const struct log *log, int64_t base_offset);
/* Makes room for a segment after the one at `index`, and starts it at an offset. */
struct segment *log_add_segment(struct log *log, size_t index, int64_t base_offset);
/* Closes the active segment, which must not be empty, and starts the next one. */
void log_roll(struct log *log);
/* A reference to the open file. NULL: it is not open. */
static inline struct segment_file *log_open_file(const struct segment *segment)
{
    return segment->held ? segment_file_ref(segment->held) : segment_file_recall(&segment->memo);
}
static inline void log_forget_file(struct segment *segment)
{
    segment_file_forget(&segment->memo);
    segment_file_unref(segment->held);
    segment->held = NULL;
}
/* Remembers the open file. */
void log_cache_file(struct log *log, struct segment *segment, struct segment_file *file);

/* A job's copy of the segments. */
struct table_entry {
    struct segment_view view; /* the file is a reference, or NULL: open it when needed */
    bool known, damaged;
    bool found_damaged; /* by this job */
    struct segment_summary summary;
};
struct segment_table {
    struct table_entry *entries;
    size_t count;
    bool complete;              /* no earlier segments have to be found */
    int64_t before;             /* if not complete: find the segments that start below it */
    int64_t first_dirty_offset; /* of the log */
    int64_t start; /* of the log: segments wholly below may be gone, or be back after a crash */
    bool loaded;   /* by this job */
};
/* On the shard: all segments that have flushed bytes. */
void segment_table_take(const struct log *log, struct segment_table *out);
/* The same, but only the segment that contains `offset` if the log knows it, and the segments after
 * it up to the first one that is not empty. */
void segment_table_take_one(const struct log *log, int64_t offset, struct segment_table *out);
/* The same, but only segments that overlap [from, end), which are closed and known. */
void segment_table_take_range(const struct log *log, int64_t from, int64_t end,
                              struct segment_table *out);
/* The entry that contains `offset`, or NULL. */
struct table_entry *segment_table_find(struct segment_table *table, int64_t offset);
/* On a worker: unless complete, finds the segments before `before` and reads the missing summaries.
 * A damaged segment is marked; it is not an error. */
MUST_USE enum error segment_table_load(struct env *env, const char *directory,
                                       struct segment_table *table);
/* On the shard: takes the summary of a segment's files at opening, unless it is known. */
void segment_learn(struct segment *segment, const struct segment_summary *summary);
/* On the shard: gives the loaded segments to the log, unless the log is loaded already. */
void segment_table_install(struct log *log, const struct segment_table *table);
void segment_table_free(struct segment_table *table);
/* Opens the file of an entry unless it is open. */
MUST_USE enum error table_entry_open(struct io *io, struct table_entry *entry);

/* Replaces `run` and `done` of an owner's job. The owner's done() is called last. */
struct job_plan {
    struct log *log;
    unsigned generation;
    void (*owner_done)(struct job *job);
};
void job_plan_begin(struct job_plan *plan, struct log *log, struct job *job,
                    void (*run)(struct job *job), void (*done)(struct job *job));
/* Restores the job's done(). The caller frees the plan and then calls done(). */
void job_plan_end(struct job_plan *plan, struct job *job);

/* Whether segments were swapped after the job began: then its copy of them is outdated. */
static inline bool job_plan_is_old(const struct job_plan *plan)
{
    return plan->generation != plan->log->generation;
}

/* log_replace.c: the end of a swap; see log_replace.h. */
/* On a worker: gives the new files their names. After an error it may be called again. */
MUST_USE enum error log_swap_run(struct io *io, const char *directory, struct log_swap *swap);
void log_swap_done(struct log *log);
void log_swap_free(struct log_swap *swap); /* NULL is fine */

#endif
