/* Redo: applies the entries of the journals after the last checkpoint again.
 *
 * There are two passes over the journals of all shards. The first learns the final state: rows,
 * existing topics, log starts. The second appends batches, but only to logs that exist in the final
 * state. So a segment that was rightly deleted after the checkpoint is not needed. */
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
/* The largest shard number and start count among the journals. */
int redo_last_shard(const struct redo *redo);
uint64_t redo_starts(const struct redo *redo);
/* Both passes. Afterwards all files are in order and durable. A damaged journal is ERR_CORRUPT.
 * `accept_damage`: instead, keep a copy of it, and redo only the entries before the damage. */
MUST_USE enum error redo_run(struct redo *redo, bool accept_damage);
/* The changes for the key-value store, without the new marks. They belong to the redo. */
struct row_changes *redo_rows(struct redo *redo);
bool redo_topic_exists(const struct redo *redo, struct uuid topic_id);
/* Whether a deletion of the topic is stored. Its files may still exist. */
bool redo_topic_deleted(const struct redo *redo, struct uuid topic_id);

#endif
