/* Compaction of a log (Kafka's log cleaner): one round.
 *
 * A round maps the keys of the dirty segments, from the log's cleaned offset on, until the map is
 * full or the segments end. Then it writes all segments up to there again, without the records that
 * the map replaces: a group of small segments becomes one. The next round continues where the map
 * has ended. The active segment is never touched.
 *
 *   shard   log_clean_offer, log_clean_begin
 *   worker  log_clean_submit_map: reads all dirty segments, so it also finds damage
 *   shard   log_set_first_dirty(log_clean_first_dirty), and waits until that is durable
 *           until log_clean_is_complete:
 *   worker      log_clean_submit_group: writes the next group as .swap files
 *   shard       log_clean_swap, and waits until the files have their names: log_delete_begin
 *   shard   log_clean_finish
 *
 * A batch that cannot be read ends the round: nothing is dropped because of damage. The order of
 * steps on the disk: log_replace.h. */
#ifndef STORAGE_LOG_CLEAN_H
#define STORAGE_LOG_CLEAN_H

#include "storage/clean_batch.h"
#include "storage/clean_transactions.h"
#include "storage/log.h"

/* The work that a log has for a cleaner now. */
struct log_clean_offer {
    int64_t from, to; /* dirty offsets in closed segments that may be cleaned */
    int64_t dirty_bytes, total_bytes;
    bool overdue; /* a dirty segment is older than max.compaction.lag.ms */
};
/* False: nothing may be cleaned, or the log is not loaded, or a swap is not finished. Records from
 * stable_offset on may still be aborted: their segments are not cleaned. */
bool log_clean_offer(const struct log *log, int64_t wall_ms, int64_t stable_offset,
                     struct log_clean_offer *out);
/* Whether cleanup.policy has compact. */
bool log_clean_is_wanted(const struct log *log);
/* Whether the log must be loaded before anybody can tell. */
bool log_clean_needs_loading(const struct log *log);
/* The dirty share of the bytes. */
double log_clean_ratio(const struct log_clean_offer *offer);
/* Whether the ratio is above min.cleanable.dirty.ratio, or the offer is overdue. */
bool log_clean_is_due(const struct log *log, const struct log_clean_offer *offer);

struct log_clean_options {
    size_t map_bytes; /* at most, of the map */
    double map_load;
    size_t buffer_bytes; /* of the batches to write */
    size_t max_uncompressed;
    int64_t min_free_bytes; /* on the disk; less ends the round with ERR_NO_SPACE */
    /* Called on the worker after `bytes` were read or written. It may sleep. False: stop. */
    bool (*go_on)(void *context, int64_t bytes);
    void *context;
};

struct log_clean;
/* `list_path`: swap_list_path. The log stays open until log_clean_free. */
struct log_clean *log_clean_begin(struct log *log, const struct log_clean_offer *offer,
                                  const struct log_clean_options *options, int64_t wall_ms,
                                  const char *list_path);
void log_clean_free(struct log_clean *c); /* NULL is fine */

/* A step on a worker. The owner sets `clean` and job.done. */
struct log_clean_job {
    struct job job;
    struct log_clean *clean;
    /* ERR_CLOSED: go_on() said stop. ERR_CORRUPT, ERR_TOO_LARGE: see log_clean_damage. Then, and
     * after every other error, no new file is left, unless the disk refused its removal too. */
    enum error result;
    struct clean_plan *plan; /* log_clean.c's own */
};
void log_clean_submit_map(struct executor *executor, struct log_clean_job *job);
int64_t log_clean_first_dirty(const struct log_clean *c);
bool log_clean_is_complete(const struct log_clean *c);
void log_clean_submit_group(struct executor *executor, struct log_clean_job *job);
/* ERR_OK with *swapped false: the group has not changed, so there is nothing to swap.
 * ERR_NOT_FOUND: segments were deleted meanwhile. After an error the .swap files are still there:
 * log_clean_submit_undo. */
MUST_USE enum error log_clean_swap(struct log_clean *c, bool *swapped);
/* Removes the .swap files. */
void log_clean_submit_undo(struct executor *executor, struct log_clean_job *job);
/* All swaps have their names: raises the log's cleaned offset. */
void log_clean_finish(struct log_clean *c);

/* Where the unreadable batch is. */
struct log_clean_damage {
    int64_t segment_base, segment_next, position;
};
struct log_clean_damage log_clean_damage(const struct log_clean *c);
/* Records and bytes of the groups so far; the bytes that the map step read are in map_bytes. */
struct log_clean_work {
    struct clean_counts counts;
    int64_t map_bytes;
    size_t keys, groups;
    int64_t from, to; /* the offsets that were mapped */
};
struct log_clean_work log_clean_work(const struct log_clean *c);
/* The work of the round so far. Any thread. */
struct log_clean_progress {
    int64_t bytes_read, bytes_written;
    int64_t bytes_to_read; /* about as many in all, if the map has room for all keys */
};
struct log_clean_progress log_clean_progress(struct log_clean *c);
/* Whether the files of the last swap have no names yet. */
bool log_clean_is_swapping(const struct log *log);

#endif
