#include "tests/processors/support_host.h"

#include "tests/harness/harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void free_bytes(struct bytes b)
{
    free((void *)(uintptr_t)b.data);
}

static void note(struct model *m, const char *format, ...) PRINTF_LIKE(2, 3);
static void note(struct model *m, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buffer_printf(&m->trace, "%s%s", m->trace.size ? "; " : "", text);
}

const char *model_trace(struct model *m)
{
    buffer_clear(&m->world.text);
    buffer_append_bytes(&m->world.text, buffer_view(&m->trace));
    buffer_clear(&m->trace);
    return buffer_c_string(&m->world.text);
}

/* --- inputs --- */

static size_t first_from(const struct model_input *in, int64_t offset)
{
    size_t i = 0;
    while (i < in->count && in->records[i].offset < offset)
        i++;
    return i;
}

static enum input_status mood_of(struct model_input *in, struct message *message)
{
    static const enum input_status statuses[] = {INPUT_RECORD, INPUT_WAITING, INPUT_FAILED};
    if (in->mood == MODEL_FAILS)
        message_set(message, "the input is damaged");
    return statuses[in->mood];
}

/* Frees the memory that was given before, so that the sanitizer sees a later use of it. */
static void give(struct model_input *in, struct bytes memory)
{
    free_bytes(in->memory);
    in->memory = memory;
}

static enum input_status next_message(struct input *input, struct record *out,
                                      struct message *message)
{
    struct model_input *in = CONTAINER_OF(input, struct model_input, messages);
    size_t i = first_from(in, input->position);
    enum input_status status = mood_of(in, message);
    if (status != INPUT_RECORD)
        return status;
    if (i == in->count) {
        input->position = MAX(input->position, in->end);
        return INPUT_AT_END;
    }
    const struct record *r = &in->records[i];
    struct buffer memory;
    buffer_init(&memory, 1 << 20);
    buffer_append_bytes(&memory, r->key);
    buffer_append_bytes(&memory, r->value);
    buffer_append_bytes(&memory, r->headers);
    give(in, bytes_copy(buffer_view(&memory)));
    buffer_free(&memory);
    *out = *r;
    out->key.data = bytes_is_null(r->key) ? NULL : in->memory.data;
    out->value.data = bytes_is_null(r->value) ? NULL : in->memory.data + r->key.size;
    out->headers.data = in->memory.data + r->key.size + r->value.size;
    input->position = r->offset + 1;
    return INPUT_RECORD;
}

static void seek_message(struct input *input, int64_t offset)
{
    input->position = offset;
}

static bool message_is_at_end(const struct input *input, int64_t offset)
{
    return offset >= CONTAINER_OF(input, struct model_input, messages)->end;
}

/* Records [from, to) as a batch, whose last offset is just before the next batch. */
static struct bytes make_batch(const struct model_input *in, size_t from, size_t to)
{
    struct batch_builder b;
    struct buffer out;
    buffer_init(&out, 64 << 20);
    batch_builder_init(&b, &out, in->codec);
    for (size_t i = from; i < to; i++) {
        const struct record *r = &in->records[i];
        batch_builder_add(&b, r->timestamp, r->key, r->value, r->headers, r->header_count);
    }
    EXPECT(batch_builder_finish(&b).size > 0);
    batch_stamp(out.data, in->records[from].offset, 0);
    int64_t next = to < in->count ? in->records[to].offset : in->end;
    next = in->has_control ? in->records[to - 1].offset + 1 : next;
    store_be32(out.data + 23,
               (uint32_t)(next - 1 - in->records[from].offset)); /* its last offset */
    struct bytes batch = bytes_copy(buffer_view(&out));
    buffer_free(&out);
    return batch;
}

/* A batch at an offset without a record for a task. */
static struct bytes make_control(int64_t offset)
{
    struct batch_builder b;
    struct buffer out;
    buffer_init(&out, 1 << 20);
    batch_builder_init(&b, &out, CODEC_NONE);
    b.attributes = offset % 2 ? BATCH_CONTROL : 0;
    batch_builder_add(&b, 5, BYTES_LITERAL("\0\0\0\1"), BYTES_LITERAL(""), BYTES_LITERAL(""), 0);
    EXPECT(batch_builder_finish(&b).size > 0);
    batch_stamp(out.data, offset, 0);
    if (offset % 2 == 0) { /* its record was removed */
        store_be32(out.data + 8, BATCH_HEADER_SIZE - BATCH_OVERHEAD);
        store_be32(out.data + 57, 0);
        out.size = BATCH_HEADER_SIZE;
    }
    struct bytes batch = bytes_copy(buffer_view(&out));
    buffer_free(&out);
    return batch;
}

/* A batch ends after batch_size records, and at a hole. */
static size_t batch_end(const struct model_input *in, size_t from)
{
    size_t to = from + 1;
    while (to < in->count && to % in->batch_size != 0 &&
           in->records[to].offset == in->records[to - 1].offset + 1)
        to++;
    return to;
}

static struct bytes find_at(const struct model_input *in, int64_t offset)
{
    for (size_t from = 0, to; from < in->count; from = to) {
        to = batch_end(in, from);
        if (offset < in->records[from].offset && in->has_control)
            return make_control(offset);
        if (offset <= in->records[to - 1].offset ||
            (!in->has_control && to < in->count && offset < in->records[to].offset))
            return make_batch(in, from, to);
    }
    return make_control(offset);
}

static enum input_status find_batch(struct batch_source *source, int64_t offset, struct bytes *out,
                                    struct message *message)
{
    struct model_input *in = CONTAINER_OF(source, struct model_input, source);
    enum input_status status = mood_of(in, message);
    if (status != INPUT_RECORD)
        return status;
    if (offset >= in->end)
        return INPUT_AT_END;
    give(in, find_at(in, offset));
    *out = in->memory;
    return INPUT_RECORD;
}

static bool source_is_at_end(const struct batch_source *source, int64_t offset)
{
    return offset >= CONTAINER_OF(source, struct model_input, source)->end;
}

void model_put(struct model *m, size_t input, int64_t hole, const struct record *record)
{
    struct model_input *in = &m->inputs[input];
    in->records = xrealloc(in->records, (in->count + 1) * sizeof *in->records);
    struct record *r = &in->records[in->count++];
    *r = *record;
    r->offset = in->end + hole;
    r->key = bytes_copy(record->key);
    r->value = bytes_copy(record->value);
    r->headers = bytes_copy(record->headers);
    in->end = r->offset + 1;
}

void model_put_text(struct model *m, size_t input, int64_t timestamp, const char *key,
                    const char *value)
{
    struct record r = {.timestamp = timestamp,
                       .key = bytes_string(key),
                       .value = bytes_string(value),
                       .headers = BYTES_LITERAL("")};
    model_put(m, input, 0, &r);
}

/* --- steps --- */

static struct step copy_step(const struct step *from)
{
    struct step to = *from;
    struct step_output *outputs = xcalloc(from->output_count + 1, sizeof *outputs);
    struct step_change *changes = xcalloc(from->change_count + 1, sizeof *changes);
    struct step_cursor *cursors = xcalloc(from->cursor_count + 1, sizeof *cursors);
    for (size_t i = 0; i < from->output_count; i++) {
        outputs[i] = from->outputs[i];
        outputs[i].topic = bytes_copy(from->outputs[i].topic);
        outputs[i].batch = bytes_copy(from->outputs[i].batch);
    }
    for (size_t i = 0; i < from->change_count; i++)
        changes[i] = (struct step_change){bytes_copy(from->changes[i].key),
                                          bytes_copy(from->changes[i].value)};
    memcpy(cursors, from->cursors, from->cursor_count * sizeof *cursors);
    to.outputs = outputs;
    to.changes = changes;
    to.cursors = cursors;
    return to;
}

static void free_step(struct step *step)
{
    for (size_t i = 0; i < step->output_count; i++) {
        free_bytes(step->outputs[i].topic);
        free_bytes(step->outputs[i].batch);
    }
    for (size_t i = 0; i < step->change_count; i++) {
        free_bytes(step->changes[i].key);
        free_bytes(step->changes[i].value);
    }
    free((void *)(uintptr_t)step->outputs);
    free((void *)(uintptr_t)step->changes);
    free((void *)(uintptr_t)step->cursors);
    *step = (struct step){.sequence = 0};
}

static void write_down(struct model *m, const struct step *step)
{
    struct buffer *out = &m->steps;
    buffer_printf(out, "step %llu\n", (unsigned long long)step->sequence);
    for (size_t i = 0; i < step->cursor_count; i++)
        buffer_printf(out, "input %zu at %lld\n", step->cursors[i].input,
                      (long long)step->cursors[i].offset);
    for (size_t i = 0; i < step->output_count; i++) {
        buffer_printf(out, "%.*s/%d ", BYTES_PRINTF(step->outputs[i].topic),
                      step->outputs[i].partition);
        buffer_append_bytes(out, step->outputs[i].batch);
    }
    for (size_t i = 0; i < step->change_count; i++) {
        buffer_append_bytes(out, step->changes[i].key);
        buffer_append_bytes(out, step->changes[i].value);
    }
    EXPECT(!out->overflowed);
}

static void make_durable(struct model *m, const struct step *step)
{
    EXPECT_INT(step->cursor_count, m->input_count);
    for (size_t i = 0; i < step->cursor_count; i++) {
        EXPECT_INT(step->cursors[i].input, i);
        m->cursors[i] = step->cursors[i].offset;
    }
    write_down(m, step);
    m->step_count++;
    m->world.commit.commit(&m->world.commit, step);
}

void model_answer(struct model *m, enum error result)
{
    size_t count = m->held_count;
    m->held_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (result == ERR_OK)
            make_durable(m, &m->held[i]);
        free_step(&m->held[i]);
        host_step_done(&m->host, result);
    }
}

static void take(struct model *m, struct step step)
{
    EXPECT(m->held_count < MODEL_STEPS_MAX);
    m->held[m->held_count++] = step;
}

void model_take_waiting(struct model *m)
{
    m->waits = false;
    struct step step = m->waiting;
    m->waiting = (struct step){.sequence = 0};
    take(m, step);
    host_step_taken(&m->host);
    if (!m->holds_answers)
        model_answer(m, ERR_OK);
}

/* --- ops --- */

static struct model *of(struct host *h)
{
    return CONTAINER_OF(h, struct model, host);
}

static void place(struct host *h, enum chain_start start, int64_t time_ms)
{
    struct model *m = of(h);
    static const char *const names[] = {"earliest", "latest", "time"};
    note(m, start == START_TIME ? "place %s %lld" : "place %s", names[start], (long long)time_ms);
    if (m->hides_placing)
        return;
    for (size_t i = 0; i < m->input_count; i++)
        m->cursors[i] = start == START_LATEST ? m->inputs[i].end : m->begin_offset;
    m->has_cursors = true;
    host_placed(h, m->cursors);
}

static enum host_commit commit(struct host *h, const struct step *step)
{
    struct model *m = of(h);
    struct step copy = copy_step(step);
    if (m->waits) {
        note(m, "commit waits");
        m->waiting = copy;
        return HOST_COMMIT_WAITS;
    }
    note(m, "commit %llu", (unsigned long long)step->sequence);
    take(m, copy);
    if (!m->holds_answers)
        model_answer(m, ERR_OK);
    return HOST_COMMITTED;
}

static void commit_again(struct host *h)
{
    note(of(h), "commit again");
}

static int32_t partitions(struct host *h, struct bytes topic UNUSED)
{
    return of(h)->world.output_partitions;
}

static void wake(struct host *h, enum host_wake when)
{
    if (when == HOST_WAKE_LATER)
        note(of(h), "later");
}

static void say_retry(struct host *h, const char *what, enum error reason)
{
    note(of(h), "retry: %s: %s", what, error_text(reason));
}

static void say_stopped(struct host *h, const char *reason)
{
    note(of(h), "stopped: %s", reason);
}

static void begin_anew(struct host *h, struct topology *topology UNUSED,
                       const struct chain *chain UNUSED)
{
    note(of(h), "begin anew");
    host_close(h);
}

static void closed(struct host *h)
{
    note(of(h), "closed");
}

/* --- life --- */

static void make_inputs(struct model *m)
{
    static const struct input_ops message_ops = {next_message, seek_message, message_is_at_end};
    for (size_t i = 0; i < m->input_count; i++) {
        struct model_input *in = &m->inputs[i];
        in->messages = (struct input){.ops = &message_ops};
        in->source = (struct batch_source){.find = find_batch, .is_at_end = source_is_at_end};
        batch_input_free(&in->batches);
        batch_input_init(&in->batches, &in->source);
        m->list[i] = m->as_messages ? &in->messages : &in->batches.input;
    }
}

void model_init(struct model *m, size_t input_count, const char *sections)
{
    *m = (struct model){.input_count = input_count, .keeps_open = false};
    world_init(&m->world, 1, sections);
    m->slice =
        (struct host_slice){.record_clock = {WORLD_WALL_MS, WORLD_WALL_MS}, .max_records = 1 << 14};
    buffer_init(&m->steps, 256 << 20);
    buffer_init(&m->trace, 1 << 20);
    for (size_t i = 0; i < input_count; i++) {
        m->inputs[i].batch_size = 7;
        batch_input_init(&m->inputs[i].batches, &m->inputs[i].source);
    }
}

void model_begin(struct model *m)
{
    static const struct host_ops ops = {
        .place = place,
        .commit = commit,
        .commit_again = commit_again,
        .partitions = partitions,
        .wake = wake,
        .say_retry = say_retry,
        .say_stopped = say_stopped,
        .begin_anew = begin_anew,
        .closed = closed,
    };
    struct host_setup setup = {
        .ops = &ops,
        .topology = m->world.topology,
        .chain = topology_chain(m->world.topology, 0),
        .inputs = m->list,
        .input_count = m->input_count,
        .max_in_flight = 4,
        .keeps_open = m->keeps_open,
    };
    make_inputs(m);
    host_init(&m->host, &setup, m->slice.now_ms);
    m->has_host = true;
}

void model_start(struct model *m)
{
    model_begin(m);
    for (size_t i = 0; m->has_cursors && i < m->input_count; i++)
        host_restore_cursor(&m->host, i, m->cursors[i]);
    for (size_t i = 0; i < m->world.state_count; i++)
        EXPECT_INT(host_restore(&m->host, m->world.state[i].key, m->world.state[i].value), ERR_OK);
    host_start(&m->host);
}

static void drop_steps(struct model *m)
{
    for (size_t i = 0; i < m->held_count; i++)
        free_step(&m->held[i]);
    m->held_count = 0;
    free_step(&m->waiting);
}

void model_restart(struct model *m)
{
    drop_steps(m);
    host_free(&m->host);
    model_start(m);
}

void model_run(struct model *m)
{
    if (m->host.state == HOST_UNPLACED)
        host_run(&m->host, &m->slice);
    while (host_run(&m->host, &m->slice)) {
    }
}

void model_change(struct model *m, const char *name, const char *value)
{
    struct world *w = &m->world;
    struct config_pair pairs[WORLD_MAX_PAIRS];
    struct topology *next;
    for (size_t i = 0; i < w->pair_count; i++) {
        pairs[i] = w->pairs[i];
        if (bytes_equal_string(pairs[i].name, name))
            pairs[i].value = bytes_string(value);
    }
    if (topology_parse(&w->topic, pairs, w->pair_count, &next, &w->message, NULL))
        test_fail(__FILE__, __LINE__, "%s", w->message.text);
    host_change(&m->host, next, topology_chain(next, 0));
    topology_unref(next);
}

void model_free(struct model *m)
{
    drop_steps(m);
    if (m->has_host)
        host_free(&m->host);
    for (size_t i = 0; i < m->input_count; i++) {
        struct model_input *in = &m->inputs[i];
        for (size_t r = 0; r < in->count; r++) {
            free_bytes(in->records[r].key);
            free_bytes(in->records[r].value);
            free_bytes(in->records[r].headers);
        }
        free(in->records);
        free_bytes(in->memory);
        batch_input_free(&in->batches);
    }
    buffer_free(&m->steps);
    buffer_free(&m->trace);
    world_free(&m->world);
}
