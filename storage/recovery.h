/* Puts a data directory in order before any shard starts: redo from the last checkpoint.
 *
 * Recovery reads the units of every journal from its checkpointed position on, for any number of
 * shards of the last run. It opens the logs at their checkpointed state, appends the batches again
 * and merges the rows. It flushes and syncs everything, and writes the rows and the marks of new
 * journals in one synced batch. After a crash in the middle the next start does the same again.
 *
 * Recovery cuts a torn last unit and reports it. It refuses a damaged journal, unless the operator
 * accepts the damage (docs/durability.md). A log whose segment lost bytes continues without them.
 */
#ifndef STORAGE_RECOVERY_H
#define STORAGE_RECOVERY_H

#include "base/env.h"
#include "storage/kv.h"
#include "storage/recovery_report.h"

struct recovery_options {
    const char *data_directory;
    int shard_count; /* now */
    int64_t journal_file_bytes;
};

/* Locks the directory, checks the format version, opens the key-value store, and recovers.
 * ERR_BUSY: another broker uses the directory, which the message names. */
MUST_USE enum error recovery_run(struct env *env, const struct recovery_options *options,
                                 struct kv **kv, struct recovery_report *report,
                                 struct message *message);

#endif
