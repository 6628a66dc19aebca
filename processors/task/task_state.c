/* Durable state of a task as a whole: its meta entry, restoring it, and copying it to another task.
 */
#include "processors/task/task_internal.h"

#include "base/compiler.h"
#include "protocol/reader.h"

enum { META_VERSION = 2, META_MAX = 1 << 20 };

#define META_KEY BYTES_LITERAL("M")

/* The counters in their order in the meta value. New ones are only appended. */
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

/* The meta value: version, state.version, cursor, sequence, watermark, whether panes are pending,
 * and the counters with their number. A task with several inputs appends their number, the cursors
 * of all but the first, and the input of the record that was taken last. */

static void encode_inputs(const struct task *t, struct buffer *meta)
{
    if (t->input_count == 1)
        return;
    buffer_append_be32(meta, (uint32_t)t->input_count);
    for (size_t i = 1; i < t->input_count; i++)
        buffer_append_be64(meta, (uint64_t)t->cursors[i]);
    buffer_append_be32(meta, (uint32_t)t->taken_from);
}

static void encode_meta(const struct task *t, struct buffer *meta)
{
    const struct task_counters *c = task_counters(t);
    buffer_append_u8(meta, META_VERSION);
    buffer_append_be64(meta, (uint64_t)chain_state_version(t->run.chain));
    buffer_append_be64(meta, (uint64_t)t->cursors[0]);
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
    encode_inputs(t, meta);
    ASSERT(!meta->overflowed);
}

void task_put_meta(struct task *t)
{
    struct buffer meta;
    buffer_init(&meta, META_MAX);
    encode_meta(t, &meta);
    state_put(&t->run.delta, META_KEY, buffer_view(&meta));
    buffer_free(&meta);
}

/* A meta value of an earlier release may have fewer counters. */
static uint64_t next_counter(struct reader *r, size_t *left)
{
    if (*left == 0)
        return 0;
    --*left;
    return (uint64_t)read_i64(r);
}

/* State with another number of inputs does not belong to this task. */
static void restore_inputs(struct task *t, struct reader *r)
{
    if (t->input_count == 1) {
        r->failed |= reader_left(r) > 0;
        return;
    }
    r->failed |= (uint32_t)read_i32(r) != t->input_count;
    for (size_t i = 1; i < t->input_count; i++)
        t->cursors[i] = read_i64(r);
    t->taken_from = (uint32_t)read_i32(r);
    r->failed |= t->taken_from >= t->input_count;
}

static enum error restore_meta(struct task *t, struct bytes value)
{
    struct reader r = reader_of(value);
    if (read_i8(&r) != META_VERSION || read_i64(&r) != chain_state_version(t->run.chain))
        return ERR_INVALID;
    t->cursors[0] = read_i64(&r);
    t->sequence = (uint64_t)read_i64(&r);
    t->run.watermark = read_i64(&r);
    t->run.is_pending = read_i8(&r) != 0;
    size_t left = (uint8_t)read_i8(&r);
#define X(name) t->restored.name = next_counter(&r, &left);
    COUNTERS(X)
#undef X
    while (left > 0)
        next_counter(&r, &left); /* a counter of a later release */
    restore_inputs(t, &r);
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

enum error task_copy_state(const struct task *old, struct task *to, struct message *message)
{
    struct buffer meta;
    buffer_init(&meta, META_MAX);
    encode_meta(old, &meta);
    struct copy_visitor v = {{visit_copy}, to, task_restore(to, META_KEY, buffer_view(&meta))};
    buffer_free(&meta);
    visit_steps(old, &v.visitor);
    if (v.error == ERR_OK)
        return task_restored(to, message);
    message_set(message, "the new chain cannot use the existing state: %s", error_text(v.error));
    return v.error;
}
