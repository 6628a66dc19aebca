#include "processors/task.h"

#include "base/compiler.h"
#include "processors/chain_run.h"

#include <stdlib.h>

/* When a step should be committed: by bytes of output and of changes, or by records whose changes
 * are still only in the steps' own tables. */
enum {
    STEP_OUTPUT_BYTES = 1 << 20,
    STEP_CHANGE_BYTES = 8 << 20,
    STEP_RECORDS = 1 << 16,
    MAX_PER_SLICE = 1 << 16, /* records and panes */
    MAX_UNCOMPRESSED = 256 << 20,
    META_VERSION = 1,
    META_MAX = 1024,
};

#define META_KEY BYTES_LITERAL("M")

/* The batch that is being read, kept when a slice ends inside it. */
struct input {
    bool is_open, is_compressed;
    struct batch_header header;
    const uint8_t *data; /* where the batch was when it was last seen */
    struct record_iterator records;
    struct arena arena; /* of a compressed batch */
};

struct task {
    struct topology *topology;
    struct chain_run run;
    struct input input;
    int64_t cursor;
    uint64_t sequence;
    size_t records_in_step;
    bool is_dirty, has_meta, has_state;
    struct task_counters restored; /* what the steps had counted before a restart */
    struct task_counters counters; /* as task_counters() last gave them */
};

/* The counters in the order in which the meta value has them. Only ever append. */
#define COUNTERS(X)      \
    X(records_in)        \
    X(records_out)       \
    X(filtered)          \
    X(late)              \
    X(late_window_drops) \
    X(duplicates)        \
    X(dead_letters)      \
    X(nulls)             \
    X(panes)             \
    X(steps)             \
    X(passed)            \
    X(absorbed)          \
    X(tagged)            \
    X(evicted)

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

bool task_wants_flush(const struct task *t)
{
    return outbox_size(&t->run.outbox) >= STEP_OUTPUT_BYTES ||
           t->run.delta.bytes >= STEP_CHANGE_BYTES || t->records_in_step >= STEP_RECORDS;
}

/* Counters. */

const struct task_counters *task_counters(const struct task *t)
{
    struct task_counters *c = &((struct task *)t)->counters;
    *c = t->run.counters;
    c->steps = t->sequence;
    c->watermark = t->run.watermark;
    c->late_window_drops = t->restored.late_window_drops;
    c->panes = t->restored.panes;
    c->tagged = t->restored.tagged;
    c->evicted = t->restored.evicted;
    for (size_t i = 0; i < t->run.chain->count; i++) {
        const struct chain_step *s = t->run.steps[i];
        c->late_window_drops += s->late_window_drops;
        c->panes += s->panes;
        c->tagged += s->tagged;
        c->evicted += s->evicted;
        c->open_windows += s->open_windows;
        c->state_keys += s->state_keys;
        c->state_bytes += s->state_bytes;
    }
    c->records_out += c->panes;
    return c;
}

struct processor_counters task_processor_counters(const struct task *t, size_t index)
{
    ASSERT(index < t->run.chain->count);
    const struct chain_step *s = t->run.steps[index];
    struct processor_counters c = {
        .passed = s->fates[FATE_PASSED],
        .absorbed = s->fates[FATE_ABSORBED],
        .filtered = s->fates[FATE_FILTERED],
        .nulls = s->fates[FATE_NULL],
        .late = s->fates[FATE_LATE],
        .duplicates = s->fates[FATE_DUPLICATE],
        .dead_letters = s->fates[FATE_DEAD],
        .panes = s->panes,
    };
    for (int i = 0; i < FATE_COUNT; i++)
        c.records_in += s->fates[i];
    return c;
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
    size_t budget = MAX_PER_SLICE;
    if (lift_to > t->run.watermark) {
        chain_run_raise(&t->run, lift_to);
        t->is_dirty = true;
    }
    t->is_dirty |= t->run.is_pending;
    chain_run_advance(&t->run, &budget);
}

/* The meta value: version, state.version, cursor, sequence, watermark, whether panes are pending,
 * and the counters with their number. */

static void encode_meta(const struct task *t, struct buffer *meta)
{
    const struct task_counters *c = task_counters(t);
    buffer_append_u8(meta, META_VERSION);
    buffer_append_be64(meta, (uint64_t)chain_state_version(t->run.chain));
    buffer_append_be64(meta, (uint64_t)t->cursor);
    buffer_append_be64(meta, t->sequence);
    buffer_append_be64(meta, (uint64_t)t->run.watermark);
    buffer_append_u8(meta, t->run.is_pending);
    uint64_t counters[] = {
#define X(name) c->name,
        COUNTERS(X)
#undef X
    };
    buffer_append_u8(meta, COUNT_OF(counters));
    for (size_t i = 0; i < COUNT_OF(counters); i++)
        buffer_append_be64(meta, counters[i]);
    ASSERT(!meta->overflowed);
}

static void put_meta(struct task *t)
{
    struct buffer meta;
    buffer_init(&meta, META_MAX);
    encode_meta(t, &meta);
    state_put(&t->run.delta, META_KEY, buffer_view(&meta));
    buffer_free(&meta);
}

/* A meta value of an earlier release may have fewer. */
static uint64_t next_counter(struct reader *r, size_t *left)
{
    if (*left == 0)
        return 0;
    --*left;
    return (uint64_t)read_i64(r);
}

static enum error restore_meta(struct task *t, struct bytes value)
{
    struct reader r = reader_of(value);
    if (read_i8(&r) != META_VERSION || read_i64(&r) != chain_state_version(t->run.chain))
        return ERR_INVALID;
    t->cursor = read_i64(&r);
    t->sequence = (uint64_t)read_i64(&r);
    t->run.watermark = read_i64(&r);
    t->run.is_pending = read_i8(&r) != 0;
    size_t left = (uint8_t)read_i8(&r);
#define X(name) t->restored.name = next_counter(&r, &left);
    COUNTERS(X)
#undef X
    t->run.counters = t->restored;
    t->run.counters.records_out -= t->restored.panes; /* task_counters() adds them */
    t->has_meta = true;
    return r.failed ? ERR_CORRUPT : ERR_OK;
}

enum error task_restore(struct task *t, struct bytes key, struct bytes value)
{
    struct bytes processor, rest;
    enum state_kind kind;
    t->has_state = true;
    if (bytes_equal(key, META_KEY))
        return restore_meta(t, value);
    if (!state_key_read(key, &processor, &kind, &rest))
        return ERR_CORRUPT;
    struct chain_step *s = chain_run_find(&t->run, processor);
    if (s && s->type->stateful)
        return s->type->restore(s, kind, rest, value);
    state_delete(&t->run.delta, key); /* the processor is gone */
    t->is_dirty = true;
    return ERR_OK;
}

enum error task_restored(struct task *t, struct message *message)
{
    if (t->has_state && !t->has_meta) {
        message_set(message, "chain %.*s: the state has no meta entry",
                    BYTES_PRINTF(chain_name(t->run.chain)));
        return ERR_CORRUPT;
    }
    for (size_t i = 0; i < t->run.chain->count; i++) {
        struct chain_step *s = t->run.steps[i];
        enum error e = s->type->stateful ? s->type->restored(s, message) : ERR_OK;
        if (e)
            return e;
    }
    return ERR_OK;
}

struct key_visitor {
    struct state_visitor visitor;
    void (*each)(void *context, struct bytes key);
    void *context;
};

static void visit_key(struct state_visitor *visitor, struct bytes key, struct bytes value UNUSED)
{
    struct key_visitor *v = CONTAINER_OF(visitor, struct key_visitor, visitor);
    v->each(v->context, key);
}

static void visit_steps(const struct task *t, struct state_visitor *visitor)
{
    for (size_t i = 0; i < t->run.chain->count; i++) {
        struct chain_step *s = t->run.steps[i];
        if (s->type->stateful)
            s->type->visit(s, visitor);
    }
}

void task_each_state_key(const struct task *t, void (*each)(void *context, struct bytes key),
                         void *context)
{
    struct key_visitor v = {{visit_key}, each, context};
    each(context, META_KEY);
    visit_steps(t, &v.visitor);
    for (size_t i = 0; i < t->run.delta.count; i++) /* deletions that are not committed */
        each(context, t->run.delta.changes[i].key);
}

struct copy_visitor {
    struct state_visitor visitor;
    struct task *to;
    enum error error;
};

static void visit_copy(struct state_visitor *visitor, struct bytes key, struct bytes value)
{
    struct copy_visitor *v = CONTAINER_OF(visitor, struct copy_visitor, visitor);
    if (v->error == ERR_OK)
        v->error = task_restore(v->to, key, value);
}

static enum error copy_state(const struct task *old, struct task *to, struct message *message)
{
    struct buffer meta;
    buffer_init(&meta, META_MAX);
    encode_meta(old, &meta);
    struct copy_visitor v = {{visit_copy}, to, task_restore(to, META_KEY, buffer_view(&meta))};
    buffer_free(&meta);
    visit_steps(old, &v.visitor);
    if (v.error == ERR_OK)
        return task_restored(to, message);
    message_set(message, "the state cannot be taken over: %s", error_text(v.error));
    return v.error;
}

enum error task_take_over(const struct task *old, const struct chain *chain,
                          struct topology *topology, struct task **out, struct message *message)
{
    *out = NULL;
    ASSERT(!old->is_dirty);
    if (chain_state_version(chain) != chain_state_version(old->run.chain)) {
        message_set(message, "state.version changed: the chain begins without state");
        return ERR_INVALID;
    }
    struct task *to = task_create(chain, topology, old->run.partition, old->cursor);
    enum error e = copy_state(old, to, message);
    if (e) {
        task_free(to);
        return e;
    }
    *out = to;
    return ERR_OK;
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
    put_meta(t);
    outbox_build(&run->outbox, t->topology->output_names, t->topology->output_count, commit);
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
