/* Brings a data directory in order before any shard starts: redo from the last checkpoint.
 *
 * For every journal found (whatever the number of shards was): read whole units from the
 * checkpointed position on; open the logs at their checkpointed state, append the batches again,
 * merge the rows; flush and sync everything; one synced kv batch; start fresh journals. Idempotent:
 * killed in the middle, the next run does the same again. The journal's last, torn unit is cut and
 * reported; damage below the durable mark is reported, never cut. A damaged journal refuses the
 * start; a log whose segment lost bytes goes on without them. */
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

/* Locks the directory (ERR_BUSY: another broker has it; the message names it), checks the format
 * version, recovers, and opens the key-value store. */
MUST_USE enum error recovery_run(struct env *env, const struct recovery_options *options,
                                 struct kv **kv, struct recovery_report *report,
                                 struct message *message);

#endif
