/* A task: one chain on one partition, or on the partitions of several inputs that have the same
 * number. It owns a cursor per input, a watermark and state. It knows only two interfaces, so it
 * could run beside any Kafka cluster as well as inside our broker:
 *
 *   input   records by offset, below the durable mark (input.h)
 *   commit  one atomic step: outputs + late + dead letters + state changes + cursors (commit.h)
 *
 * Its host decides when it begins, pauses, flushes, changes and stops (host.h).
 * Pure: no clock, no I/O. Owner: one shard. */
#ifndef PROCESSORS_TASK_TASK_H
#define PROCESSORS_TASK_TASK_H

#include "processors/task/commit.h"
#include "processors/task/input.h"
#include "processors/task/record.h"
#include "processors/task/task_counters.h"
#include "processors/topology/topology.h"
#include "protocol/record_batch.h"

struct task;

/* Makes a new task: all cursors 0, no state. Durable state belongs to chain_state_version(chain);
 * never restore state of another version. */
struct task *task_create(const struct chain *chain, struct topology *topology, int32_t partition,
                         size_t input_count);
/* Whom to ask for needs_keys while records are taken. Without it, no output topic needs keys. A
 * task that takes over asks the same. */
void task_ask(struct task *t, struct task_commit *commit);
/* Before the first record: sets where an input begins. A cursor of task_restore replaces it. */
void task_place(struct task *t, size_t input, int64_t offset);
/* Gives back durable state, one row after the other, in any order, before the first record. */
MUST_USE enum error task_restore(struct task *t, struct bytes key, struct bytes value);
/* After the last task_restore: checks that the state is whole. */
MUST_USE enum error task_restored(struct task *t, struct message *message);
void task_free(struct task *t);

size_t task_input_count(const struct task *t);
/* The next offset that the task takes from an input. The caller moves the input there (input_seek)
 * before the first task_take. */
int64_t task_position(const struct task *t, size_t input);
/* The cursor that a step commits. While results of windows are still to be emitted
 * (task_is_pending), it is one below task_position for the input of the last record: a committed
 * cursor at the end of an input means that nothing is left to do. */
int64_t task_cursor(const struct task *t, size_t input);
const struct task_counters *task_counters(const struct task *t);
/* `index` as in chain_processor_name. */
struct processor_counters task_processor_counters(const struct task *t, size_t index);

/* Takes records from task_input_count(t) inputs, in the order of input.h. `max_records`
 * bounds the slice (records, results of windows, skipped batches). The slice also ends when the
 * open step is large enough to be committed. In both cases the result is INPUT_RECORD: more can be
 * done at once. INPUT_AT_END, INPUT_WAITING and INPUT_FAILED come from the inputs. Records taken
 * before a failure stay taken. Only task_flush commits. */
enum input_status task_take(struct task *t, struct input *const *inputs,
                            const struct record_clock *clock, size_t max_records,
                            struct message *message);

/* Whether the open step has reached the size at which it should be committed (1 MiB of output). */
bool task_wants_flush(const struct task *t);
/* Whether there is anything to commit. */
bool task_is_dirty(const struct task *t);
/* Commits the open step, if there is anything in it. */
void task_flush(struct task *t, struct task_commit *commit);

/* Idleness (section 2): the partition is at its end and nothing was appended for watermark.idle.
 * Lifts the watermark to `lift_to` (min over the topic's non-idle partitions, or max over all). The
 * open step records the decision. If the lift completes very many windows, some are left
 * (task_is_pending): flush, and call it or task_take again. */
void task_lift_watermark(struct task *t, int64_t lift_to, int64_t wall_ms);
bool task_is_pending(const struct task *t);
int64_t task_watermark(const struct task *t);
/* watermark.idle in ms, or -1 for off. */
int64_t task_idle_after_ms(const struct task *t);

/* Calls `each` for every key of the task's durable state (relative keys), so that the caller can
 * remove a deleted processor's rows. */
void task_each_state_key(const struct task *t, void (*each)(void *context, struct bytes key),
                         void *context);

/* Makes a task for a changed definition (topology_can_replace allowed it) that continues with the
 * cursors, watermark and state of `old`. `old` must be flushed; the caller keeps owning it.
 * ERR_INVALID when state.version differs: then the state cannot be taken over, and a new task must
 * begin without it. */
MUST_USE enum error task_take_over(const struct task *old, const struct chain *chain,
                                   struct topology *topology, struct task **out,
                                   struct message *message);

#endif
