#include "processors/task/task_internal.h"

#include "base/compiler.h"

#include <stdlib.h>

/* When a step should be committed: by bytes of output and of changes, and by the number of records
 * and changes. Committing costs time in proportion to each, and nothing else is done meanwhile. */
enum {
    STEP_CHANGE_BYTES = 1 << 20,
    STEP_UNCOLLECTED_BYTES = 32 << 20, /* a hot window is not written for every record */
    STEP_CHANGES = 1 << 11,
    STEP_RECORDS = 1 << 14,
    MAX_PER_SLICE = 1 << 16, /* records and panes */
    PANES_PER_LIFT = 1 << 8,
    MAX_UNCOMPRESSED = 256 << 20,
};

struct task *task_create(const struct chain *chain, struct topology *topology, int32_t partition,
                         int64_t start_offset)
{
    struct task *t = xcalloc(1, sizeof *t);
    t->topology = topology_ref(topology);
    t->cursor = start_offset;
    chain_run_init(&t->run, chain, partition);
    arena_init(&t->input.arena, MAX_UNCOMPRESSED + (1 << 20));
    return t;
}

void task_free(struct task *t)
{
    if (t == NULL)
        return;
    chain_run_free(&t->run);
    arena_free(&t->input.arena);
    topology_unref(t->topology);
    free(t);
}

int64_t task_cursor(const struct task *t)
{
    return t->run.is_pending && t->cursor > 0 ? t->cursor - 1 : t->cursor;
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

static size_t changes_in_step(const struct task *t)
{
    size_t count = t->run.delta.count;
    for (size_t i = 0; i < t->run.chain->count; i++)
        count += t->run.steps[i]->uncollected;
    return count;
}

static size_t uncollected_bytes(const struct task *t)
{
    size_t bytes = 0;
    for (size_t i = 0; i < t->run.chain->count; i++)
        bytes += t->run.steps[i]->uncollected_bytes;
    return bytes;
}

bool task_wants_flush(const struct task *t)
{
    return outbox_size(&t->run.outbox) >= STEP_OUTPUT_BYTES ||
           t->run.delta.bytes >= STEP_CHANGE_BYTES || t->records_in_step >= STEP_RECORDS ||
           changes_in_step(t) >= STEP_CHANGES || uncollected_bytes(t) >= STEP_UNCOLLECTED_BYTES;
}

/* Input. */

static bool is_same_batch(const struct input *in, struct bytes batch, const struct batch_header *h)
{
    return in->is_open && in->header.base_offset == h->base_offset && in->header.crc == h->crc &&
           batch_size(batch) == (size_t)in->header.batch_length + BATCH_OVERHEAD;
}

/* Opens the batch, or goes on where the last slice stopped; it may lie elsewhere in memory now. */
static enum error open_input(struct task *t, struct bytes batch, const struct batch_header *h,
                             struct message *message)
{
    struct input *in = &t->input;
    if (is_same_batch(in, batch, h)) {
        if (!in->is_compressed) {
            in->records.at = batch.data + (in->records.at - in->data);
            in->records.end = batch.data + (in->records.end - in->data);
        }
        in->data = batch.data;
        return ERR_OK;
    }
    arena_reset(&in->arena);
    in->is_open = false;
    enum error e = records_open(batch, &in->arena, MAX_UNCOMPRESSED, &in->records);
    if (e) {
        message_set(message, "batch at offset %lld cannot be read: %s", (long long)h->base_offset,
                    error_text(e));
        return e;
    }
    in->is_open = true;
    in->is_compressed = (h->attributes & BATCH_CODEC_MASK) != CODEC_NONE;
    in->header = *h;
    in->data = batch.data;
    return ERR_OK;
}

static void close_input(struct task *t)
{
    t->input.is_open = false;
    arena_reset(&t->input.arena);
}

static void move_cursor(struct task *t, int64_t cursor)
{
    if (cursor <= t->cursor)
        return;
    t->cursor = cursor;
    t->is_dirty = true;
}

/* Whether the slice is over: its budget is used up, or the step is full. */
static bool is_over(const struct task *t, size_t budget)
{
    return budget == 0 || task_wants_flush(t);
}

/* Takes records until the batch or the slice ends. */
static enum error run_records(struct task *t, size_t budget, int64_t wall_ms, bool *finished,
                              struct message *message)
{
    struct record record;
    while (records_next(&t->input.records, &record)) {
        if (record.offset < t->cursor)
            continue;
        chain_run_record(&t->run, &record, wall_ms);
        move_cursor(t, record.offset + 1);
        t->records_in_step++;
        budget--;
        if (!task_wants_flush(t)) /* results of windows can be as large as what the record wrote */
            chain_run_advance(&t->run, &budget);
        if (t->run.is_pending || is_over(t, budget))
            return ERR_OK;
    }
    if (t->input.records.failed) {
        message_set(message, "batch at offset %lld is damaged",
                    (long long)t->input.header.base_offset);
        close_input(t);
        return ERR_CORRUPT;
    }
    *finished = true;
    return ERR_OK;
}

enum error task_batch(struct task *t, struct bytes batch, int64_t wall_ms, size_t max_records,
                      bool *finished, struct message *message)
{
    struct batch_header header;
    size_t budget = MIN(MAX(max_records, (size_t)1), (size_t)MAX_PER_SLICE);
    *finished = false;
    t->is_dirty |= t->run.is_pending;
    chain_run_advance(&t->run, &budget);
    if (t->run.is_pending || budget == 0)
        return ERR_OK;
    if (!batch_header_read(batch, &header) || header.magic != BATCH_MAGIC) {
        message_set(message, "not a batch of format 2");
        return ERR_CORRUPT;
    }
    int64_t next = batch_last_offset(&header) + 1;
    bool is_control = header.attributes & BATCH_CONTROL;
    if (!is_control && next > t->cursor) {
        enum error e = open_input(t, batch, &header, message);
        if (e == ERR_OK)
            e = run_records(t, budget, wall_ms, finished, message);
        if (e || !*finished)
            return e;
        close_input(t);
    }
    *finished = true;
    move_cursor(t, next);
    return ERR_OK;
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
    struct step step = {
        .outputs = run->outbox.outputs,
        .output_count = run->outbox.output_count,
        .changes = run->delta.changes,
        .change_count = run->delta.count,
        .cursor = task_cursor(t),
        .sequence = t->sequence,
    };
    commit->commit(commit, &step);
    outbox_clear(&run->outbox);
    state_delta_clear(&run->delta);
    t->records_in_step = 0;
    t->is_dirty = false;
}
