/* What the files of redo share: redo.c (topics, walking the journals) and redo_logs.c
 * (the logs). */
#ifndef STORAGE_REDO_INTERNAL_H
#define STORAGE_REDO_INTERNAL_H

#include "storage/journal_format.h"
#include "storage/redo.h"

/* A log as redo finds and leaves it. */
struct redo_log {
    struct row_key key;
    struct uuid topic_id;
    int32_t partition;
    struct log_state state; /* at the checkpoint */
    int64_t start;          /* the last one that the journal knows */
    bool removed;
    struct log *log; /* once a batch was appended */
    char *directory;
};

struct redo_journal {
    int shard;
    struct journal_mark mark;
};

struct redo_topic {
    struct uuid id;
    bool has_files; /* of a deleted one: looked for at the end */
};

struct redo {
    struct env *env;
    const char *data_directory;
    struct kv *kv;
    struct recovery_report *report;
    struct message *message;
    struct redo_journal *journals;
    int journal_count;
    struct map topics, deleted, logs; /* deleted: struct redo_topic, as topics */
    struct row_changes rows;
    bool rows_are_torn;
    bool something_removed; /* rows of logs that are gone have to be looked for */
    int64_t unflushed;
};

/* redo_logs.c */
struct redo_log *redo_find_log(struct redo *redo, struct uuid topic_id, int32_t partition);
void redo_free_logs(struct redo *redo);
/* Neither removed nor of a deleted topic. A log whose topic's row is missing without a deletion is
 * kept as it is, and what the journals have for it is not lost either. */
bool redo_log_exists(const struct redo *redo, const struct redo_log *l);
/* Cuts the files to the checkpointed state and opens the log there. */
MUST_USE enum error redo_open_log(struct redo *redo, struct redo_log *l);
/* Appends the batch of a part; `unit` holds its bytes. */
MUST_USE enum error redo_append_batch(struct redo *redo, struct redo_log *l,
                                      const struct journal_part *part, struct shared_buffer *unit);
/* Writes what was appended to the segments, without syncing. */
MUST_USE enum error redo_flush_logs(struct redo *redo);
/* The rows of all logs, as they are now. */
MUST_USE enum error redo_finish_logs(struct redo *redo);
/* Acknowledged units are left out, so segments may hold what the rows do not know, or be gone:
 * cuts all, and moves starts up to what is there. */
MUST_USE enum error redo_cut_all(struct redo *redo);

#endif
