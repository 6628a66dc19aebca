#include "processors/task/task_internal.h"

#include "base/compiler.h"

#include <stdlib.h>

/* A step should be committed when one of these is reached: bytes of output or of changes, number of
 * records or of changes. Committing takes time in proportion to each, and nothing else runs then.
 */
enum {
    STEP_CHANGE_BYTES = 1 << 20,
    STEP_UNCOLLECTED_BYTES = 32 << 20, /* a hot window is not written for each record */
    STEP_CHANGES = 1 << 11,
    STEP_RECORDS = 1 << 14,
    MAX_PER_SLICE = 1 << 16, /* records and panes */
    PANES_PER_LIFT = 1 << 8,
};

struct task *task_create(const struct chain *chain, struct topology *topology, int32_t partition,
                         size_t input_count)
{
    ASSERT(input_count > 0);
    struct task *t = xcalloc(1, sizeof *t);
    t->topology = topology_ref(topology);
    t->input_count = input_count;
    t->cursors = xcalloc(input_count, sizeof *t->cursors);
    t->step_cursors = xcalloc(input_count, sizeof *t->step_cursors);
    chain_run_init(&t->run, chain, partition);
    return t;
}

void task_free(struct task *t)
{
    if (t == NULL)
        return;
    chain_run_free(&t->run);
    free(t->cursors);
    free(t->step_cursors);
    topology_unref(t->topology);
    free(t);
}

void task_ask(struct task *t, struct task_commit *commit)
{
    size_t count;
    const struct bytes *topics = topology_output_names(t->topology, &count);
    chain_run_ask(&t->run, topics, count, commit);
}

void task_place(struct task *t, size_t input, int64_t offset)
{
    ASSERT(input < t->input_count && !t->is_dirty);
    t->cursors[input] = offset;
}

size_t task_input_count(const struct task *t)
{
    return t->input_count;
}

int64_t task_position(const struct task *t, size_t input)
{
    ASSERT(input < t->input_count);
    return t->cursors[input];
}

int64_t task_cursor(const struct task *t, size_t input)
{
    int64_t cursor = task_position(t, input);
    return t->run.is_pending && input == t->taken_from && cursor > 0 ? cursor - 1 : cursor;
}

int64_t task_watermark(const struct task *t)
{
    return t->run.watermark;
}

int64_t task_idle_after_ms(const struct task *t)
{
    return chain_first(t->run.chain)->time.watermark_idle_ms;
}

bool task_is_dirty(const struct task *t)
{
    return t->is_dirty;
}

bool task_is_pending(const struct task *t)
{
    return t->run.is_pending;
}

/* Whether the steps have many changes that they have not collected yet. */
static bool changed_much(const struct task *t)
{
    size_t changes = t->run.delta.count, bytes = 0;
    for (size_t i = 0; i < t->run.chain->count; i++) {
        changes += t->run.steps[i]->uncollected;
        bytes += t->run.steps[i]->uncollected_bytes;
    }
    return changes >= STEP_CHANGES || bytes >= STEP_UNCOLLECTED_BYTES;
}

bool task_wants_flush(const struct task *t)
{
    return outbox_size(&t->run.outbox) >= STEP_OUTPUT_BYTES ||
           t->run.delta.bytes >= STEP_CHANGE_BYTES || t->records_in_step >= STEP_RECORDS ||
           changed_much(t);
}

/* Input. */

static void move_cursor(struct task *t, size_t input, int64_t cursor)
{
    if (cursor <= t->cursors[input])
        return;
    t->cursors[input] = cursor;
    t->is_dirty = true;
}

/* All records before the positions of the inputs are taken, except one that was read ahead. */
static void move_over_holes(struct task *t, struct input *const *inputs)
{
    for (size_t i = 0; i < t->input_count; i++)
        move_cursor(t, i, inputs[i]->has_head ? inputs[i]->head.offset : inputs[i]->position);
}

/* Whether the step is full afterwards. A window's result can be as large as the record's output, so
 * a step that the record has filled takes none. */
static bool take_record(struct task *t, size_t from, const struct record *record,
                        const struct record_clock *clock, size_t *budget)
{
    ASSERT(record->offset >= t->cursors[from]);
    chain_run_record(&t->run, record, clock);
    move_cursor(t, from, record->offset + 1);
    t->taken_from = from;
    t->records_in_step++;
    size_t left = --*budget, none = 0;
    bool is_full = task_wants_flush(t);
    chain_run_advance(&t->run, is_full ? &none : budget);
    return is_full || (*budget < left && task_wants_flush(t));
}

enum input_status task_take(struct task *t, struct input *const *inputs,
                            const struct record_clock *clock, size_t max_records,
                            struct message *message)
{
    size_t budget = MIN(MAX(max_records, (size_t)1), (size_t)MAX_PER_SLICE);
    t->is_dirty |= t->run.is_pending;
    chain_run_advance(&t->run, &budget);
    while (budget > 0 && !t->run.is_pending) {
        size_t from;
        enum input_status status = inputs_next(inputs, t->input_count, &from, message);
        if (status == INPUT_RECORD) {
            if (take_record(t, from, &inputs[from]->head, clock, &budget))
                break;
        } else {
            move_over_holes(t, inputs);
            if (status != INPUT_SKIPPED)
                return status;
            budget--;
        }
    }
    return INPUT_RECORD;
}

void task_lift_watermark(struct task *t, int64_t lift_to, int64_t wall_ms UNUSED)
{
    size_t budget = PANES_PER_LIFT;
    if (lift_to > t->run.watermark) {
        chain_run_raise(&t->run, lift_to);
        t->is_dirty = true;
    }
    t->is_dirty |= t->run.is_pending;
    chain_run_advance(&t->run, &budget);
}

void task_flush(struct task *t, struct task_commit *commit)
{
    if (!t->is_dirty)
        return;
    struct chain_run *run = &t->run;
    t->sequence++;
    for (size_t i = 0; i < run->chain->count; i++) {
        if (run->steps[i]->type->stateful)
            run->steps[i]->type->collect(run->steps[i]);
    }
    task_put_meta(t);
    size_t topic_count;
    const struct bytes *topics = topology_output_names(t->topology, &topic_count);
    outbox_build(&run->outbox, topics, topic_count, commit);
    for (size_t i = 0; i < t->input_count; i++)
        t->step_cursors[i] = (struct step_cursor){i, task_cursor(t, i)};
    struct step step = {
        .outputs = run->outbox.outputs,
        .output_count = run->outbox.output_count,
        .changes = run->delta.changes,
        .change_count = run->delta.count,
        .cursors = t->step_cursors,
        .cursor_count = t->input_count,
        .sequence = t->sequence,
    };
    commit->commit(commit, &step);
    outbox_clear(&run->outbox);
    state_delta_clear(&run->delta);
    chain_run_forget_answers(run);
    t->records_in_step = 0;
    t->is_dirty = false;
}

enum error task_take_over(const struct task *old, const struct chain *chain,
                          struct topology *topology, struct task **out, struct message *message)
{
    *out = NULL;
    ASSERT(!old->is_dirty);
    if (chain_state_version(chain) != chain_state_version(old->run.chain)) {
        message_set(message, "state.version changed: the chain starts without state");
        return ERR_INVALID;
    }
    struct task *to = task_create(chain, topology, old->run.partition, old->input_count);
    enum error e = task_copy_state(old, to, message);
    if (e) {
        task_free(to);
        return e;
    }
    if (old->run.commit)
        task_ask(to, old->run.commit);
    *out = to;
    return ERR_OK;
}
