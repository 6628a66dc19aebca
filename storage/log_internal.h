/* The inside of a log, for the log_*.c files and retention.c only.
 *
 * Threads: struct log and everything in it belong to the shard. A job never touches them: what it
 * needs is copied into its plan when it is submitted (segment views with a reference to the open
 * file, tail batches whose memory stays because unflushed batches are never dropped), and what it
 * found is put back in its done(), on the shard. `env`, `directory` are set once and may be read by
 * jobs, since a log is not closed while one runs.
 *
 * After opening only the active segment is known. Those before it are found by the first job that
 * needs them (`loaded`); until then nothing is deleted. */
#ifndef STORAGE_LOG_INTERNAL_H
#define STORAGE_LOG_INTERNAL_H

#include "storage/log.h"
#include "storage/segment.h"

struct segment {
    int64_t base_offset, next_offset; /* offsets [base, next) */
    int64_t size;                     /* bytes, those in the tail included */
    int64_t flushed_size;             /* bytes in the file */
    bool created;                     /* its files exist */
    bool damaged;                     /* its batches do not fill it: kept until an operator looks */
    bool known;                       /* the two summaries include what was there at opening */
    bool completed;                   /* closed, and its indexes got their last entries */
    bool unnamed;                     /* its files are .swap still: `file` stays open */
    struct segment_summary summary;   /* of all batches; index fields unused */
    struct segment_summary flushed;   /* of what the files hold */
    int64_t index_entries;            /* of the offset index, those of the tail included */
    int64_t bytes_since_index;
    struct segment_file *file; /* cached, or NULL */
    int64_t used_ms;           /* monotonic */
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

/* Where a reader that goes on will be. */
struct read_hint {
    int64_t offset, segment_base, position;
};
enum { READ_HINTS = 8 };

struct log {
    struct env *env;
    char *directory;
    struct log_config config;
    void *owner;
    int64_t start_offset, next_offset, durable_offset, flushed_offset, first_dirty_offset;
    int64_t size_bytes, unflushed_bytes;
    struct segment *segments; /* by base offset; the last one is active */
    size_t segment_count, segment_capacity;
    bool loaded;
    struct tail tail;
    struct producer_states *producers;
    struct read_hint hints[READ_HINTS];
    unsigned next_hint;
    bool directory_made, flushing;
    int jobs;
    /* A swap of segments starts a generation. Old readers are those that began before the last
     * one: the names in the directory are theirs until they are done. */
    unsigned generation;
    int readers, old_readers; /* jobs with a plan; those of older generations */
    struct log_swap *swap;    /* the last one, until its files have their names; else NULL */
    bool naming;              /* the job that gives them is under way */
};

/* log_tail.c */
struct tail_batch *tail_at(const struct tail *t, size_t index);
void tail_push(struct tail *t, const struct tail_batch *batch); /* takes over the reference */
void tail_drop_first(struct tail *t);
void tail_free(struct tail *t);
/* The index of the batch that contains `offset`; the count when it lies behind all, and also when
 * it lies before all. */
size_t tail_find(const struct tail *t, int64_t offset);
bool tail_contains(const struct tail *t, int64_t offset);
/* Batches from the one that contains `offset` on; NULL: none fits. */
struct log_slice *tail_read(const struct tail *t, int64_t offset, int64_t end_offset,
                            size_t max_bytes, bool at_least_one);

/* log.c */
static inline struct segment *log_active(const struct log *log)
{
    return &log->segments[log->segment_count - 1];
}
/* The segment that contains `offset`; the first one when it lies before all. */
struct segment *log_find_segment(const struct log *log, int64_t offset);
/* Whether a cleaner may have left holes in it. */
static inline bool log_is_sparse(const struct log *log, const struct segment *segment)
{
    return segment->base_offset < log->first_dirty_offset;
}
/* The segment with this base offset, or NULL. */
struct segment *log_segment_at(const struct log *log, int64_t base_offset);
/* Closes the active segment, which may not be empty, and starts the next one. */
void log_roll(struct log *log);
/* Caches the open file (takes its own reference). */
void log_cache_file(struct log *log, struct segment *segment, struct segment_file *file);

/* What a job sees of the segments. */
struct table_entry {
    struct segment_view view; /* the file is a reference, or NULL: open it when needed */
    bool known, damaged;
    struct segment_summary summary;
};
struct segment_table {
    struct table_entry *entries;
    size_t count;
    bool complete;              /* there are no segments before these that the log does not know */
    int64_t before;             /* if not complete: find those that start before this offset */
    int64_t first_dirty_offset; /* of the log */
    int64_t start; /* of the log: what lies wholly below may be gone, or be back after a crash */
    bool loaded;   /* by this job */
};
/* All segments that have flushed bytes. On the shard. */
void segment_table_take(const struct log *log, struct segment_table *out);
/* The same, only of the segment that contains `offset` when it is known (and up to the first that
 * is not empty). */
void segment_table_take_one(const struct log *log, int64_t offset, struct segment_table *out);
/* The entry that contains `offset`, or NULL. */
struct table_entry *segment_table_find(struct segment_table *table, int64_t offset);
/* Unless complete: finds the segments before `before` and reads the summaries that are missing. On
 * a worker. A damaged segment is marked, not an error. */
MUST_USE enum error segment_table_load(struct env *env, const char *directory,
                                       struct segment_table *table);
/* What was in a segment's files when it was opened, unless known by now. On the shard. */
void segment_learn(struct segment *segment, const struct segment_summary *summary);
/* Gives what was loaded (or nothing, when the log knows it already) to the log. On the shard. */
void segment_table_install(struct log *log, const struct segment_table *table);
void segment_table_free(struct segment_table *table);
/* Opens the file of an entry unless it is open. */
MUST_USE enum error table_entry_open(struct io *io, struct table_entry *entry);

/* A job is wrapped: `run` and `done` of the log go into it, the owner's done() is called last. */
struct job_plan {
    struct log *log;
    unsigned generation;
    void (*owner_done)(struct job *job);
};
void job_plan_begin(struct job_plan *plan, struct log *log, struct job *job,
                    void (*run)(struct job *job), void (*done)(struct job *job));
/* Gives the job its own done() back; the caller frees the plan and then calls it. */
void job_plan_end(struct job_plan *plan, struct job *job);

/* Whether segments were swapped since it began: then what it knows of them is of the past. */
static inline bool job_plan_is_old(const struct job_plan *plan)
{
    return plan->generation != plan->log->generation;
}

/* log_replace.c: the end of a swap; see log_replace.h. */
/* On a worker: the names. After an error it may be called again. */
MUST_USE enum error log_swap_run(struct io *io, const char *directory, struct log_swap *swap);
void log_swap_done(struct log *log);
void log_swap_free(struct log_swap *swap); /* NULL is fine */

#endif
