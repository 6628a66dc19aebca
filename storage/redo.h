/* Redo: what the journals hold beyond the last checkpoint is done again.
 *
 * Two passes over the journals of all shards. The first learns what the end looks like: rows, which
 * topics exist, where logs start. The second appends batches to logs that the end still needs. That
 * way a segment that was rightly deleted after the checkpoint is not missed. */
#ifndef STORAGE_REDO_H
#define STORAGE_REDO_H

#include "storage/recovery_report.h"
#include "storage/store_rows.h"

struct redo;

/* Reads the marks, topics and log rows of the key-value store. */
MUST_USE enum error redo_create(struct env *env, const char *data_directory, struct kv *kv,
                                struct recovery_report *report, struct message *message,
                                struct redo **out);
void redo_free(struct redo *redo); /* NULL is fine */
/* The last write to the key-value store was left out. If a journal does not go on from the rows
 * that are left, that write was durable, and the rows are damaged rather than the journal. */
void redo_rows_are_torn(struct redo *redo);
/* The largest shard number and start count among the journals. */
int redo_last_shard(const struct redo *redo);
uint64_t redo_starts(const struct redo *redo);
/* Both passes; then all files are as they must be, and durable. `accept_damage`: when a journal is
 * damaged, keep a copy of it and go on with what is before; else ERR_CORRUPT. */
MUST_USE enum error redo_run(struct redo *redo, bool accept_damage);
/* What the key-value store must be told (besides new marks). Belongs to the redo. */
struct row_changes *redo_rows(struct redo *redo);
bool redo_topic_exists(const struct redo *redo, struct uuid topic_id);
/* A deletion was journalled, and its files may still be there. */
bool redo_topic_deleted(const struct redo *redo, struct uuid topic_id);

#endif
