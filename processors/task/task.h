/* A task: one chain on one input partition. It owns a cursor, a watermark and state, and knows only
 * two interfaces, so it could run beside any Kafka cluster as well as inside our broker:
 *
 *   input   records of one partition, by offset, below the durable mark
 *   commit  one atomic step: outputs + late + dead letters + state changes + cursor
 *
 * Pure: no clock, no I/O. Owner: one shard. */
#ifndef PROCESSORS_TASK_TASK_H
#define PROCESSORS_TASK_TASK_H

#include "processors/task/commit.h"
#include "processors/task/task_counters.h"
#include "processors/topology/topology.h"
#include "protocol/record_batch.h"

struct task;

/* A task at its beginning: cursor `start_offset` (unless task_restore brings another), no state.
 * Durable state belongs to chain_state_version(chain): never restore that of another version. */
struct task *task_create(const struct chain *chain, struct topology *topology, int32_t partition,
                         int64_t start_offset);
/* Gives back durable state, one pair after the other, in any order, before the first record. */
MUST_USE enum error task_restore(struct task *t, struct bytes key, struct bytes value);
/* After the last task_restore: checks that the state is whole. */
MUST_USE enum error task_restored(struct task *t, struct message *message);
void task_free(struct task *t);

/* The offset from which it wants to be given batches. While results of windows are still to be
 * emitted (task_is_pending) this is that of a record it has taken already, so that whoever reads
 * for it comes back. */
int64_t task_cursor(const struct task *t);
const struct task_counters *task_counters(const struct task *t);
/* `index` as in chain_processor_name. */
struct processor_counters task_processor_counters(const struct task *t, size_t index);

/* Processes one batch of the input (v2, whole, CRC already checked when it was written). Records
 * below the cursor are skipped; control batches move the cursor only. wall_ms is the broker's clock
 * for the future guard, the processing-time clock and the dead letters' times. `max_records` bounds
 * the slice (records and results of windows): the task stops in the middle of a batch, also when
 * the open step is large enough to be committed, and the next call with the same batch goes on.
 * *finished is false then. Steps are not committed here but by task_flush. */
MUST_USE enum error task_batch(struct task *t, struct bytes batch, int64_t wall_ms,
                               size_t max_records, bool *finished, struct message *message);

/* Whether the open step has reached the size at which it should be committed (1 MiB of output). */
bool task_wants_flush(const struct task *t);
/* Whether there is anything to commit. */
bool task_is_dirty(const struct task *t);
/* Commits the open step, if there is anything in it. */
void task_flush(struct task *t, struct task_commit *commit);

/* Idleness (section 2): the partition is at its end and nothing was appended for watermark.idle.
 * Lifts the watermark to `lift_to` (min over the topic's non-idle partitions, or max over all); the
 * decision is recorded in the open step. When that completes very many windows, some are left
 * (task_is_pending): flush and call it again, or task_batch. */
void task_lift_watermark(struct task *t, int64_t lift_to, int64_t wall_ms);
bool task_is_pending(const struct task *t);
int64_t task_watermark(const struct task *t);
/* watermark.idle in ms, or -1 for off. */
int64_t task_idle_after_ms(const struct task *t);

/* Calls `each` for every key of durable state that the task has (relative keys), so that a deleted
 * processor's rows can be removed. */
void task_each_state_key(const struct task *t, void (*each)(void *context, struct bytes key),
                         void *context);

/* A task for a changed definition (topology_can_replace allowed it) that goes on where `old`
 * stands: its cursor, watermark and state. `old` must be flushed; it stays the caller's.
 * ERR_INVALID when state.version differs: then there is nothing to take over, and a task begins
 * anew. */
MUST_USE enum error task_take_over(const struct task *old, const struct chain *chain,
                                   struct topology *topology, struct task **out,
                                   struct message *message);

#endif
