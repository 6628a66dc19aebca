/* Shared by the files of redo: redo.c (topics, the passes over the journals) and redo_logs.c (the
 * logs). */
#ifndef STORAGE_REDO_INTERNAL_H
#define STORAGE_REDO_INTERNAL_H

#include "storage/journal_format.h"
#include "storage/redo.h"

/* A log during redo. */
struct redo_log {
    struct row_key key;
    struct uuid topic_id;
    int32_t partition;
    struct log_state state; /* at the checkpoint */
    int64_t start;          /* the last one in the row or the journal */
    bool removed;
    struct log *log; /* from the first batch on */
    char *directory;
};

struct redo_journal {
    int shard;
    struct journal_mark mark;
};

struct redo_topic {
    struct uuid id;
    bool has_files; /* of a deleted topic; known at the end */
};

struct redo {
    struct env *env;
    const char *data_directory;
    struct kv *kv;
    struct recovery_report *report;
    struct message *message;
    struct redo_journal *journals;
    int journal_count;
    struct map topics, deleted, logs; /* topics and deleted: struct redo_topic */
    struct row_changes rows;
    bool something_removed; /* rows of producers may have to be deleted */
    int64_t unflushed;
};

/* redo_logs.c */
struct redo_log *redo_find_log(struct redo *redo, struct uuid topic_id, int32_t partition);
void redo_free_logs(struct redo *redo);
/* Whether a log is neither removed nor of a deleted topic. If a topic's row is missing without a
 * stored deletion, redo keeps the files of its logs and appends their batches. */
bool redo_log_exists(const struct redo *redo, const struct redo_log *l);
/* Cuts the files to the checkpointed state and opens the log there. */
MUST_USE enum error redo_open_log(struct redo *redo, struct redo_log *l);
/* Appends the batch of a part; `unit` holds its bytes. */
MUST_USE enum error redo_append_batch(struct redo *redo, struct redo_log *l,
                                      const struct journal_part *part, struct shared_buffer *unit);
/* Writes the appended batches to the segments, without syncing them. */
MUST_USE enum error redo_flush_logs(struct redo *redo);
/* Writes the present state of all logs to the rows. Removes the files of logs that do not exist. */
MUST_USE enum error redo_finish_logs(struct redo *redo);
/* After accepted damage, acknowledged units are left out. So segments may have batches after the
 * state in the rows, or may be deleted. Cuts all logs, and raises starts to the first segment. */
MUST_USE enum error redo_cut_all(struct redo *redo);

#endif
