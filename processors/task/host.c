#include "processors/task/host.h"

#include "base/compiler.h"

#include <stdlib.h>

enum { SLICE_RECORDS_FIRST = 8 }; /* records of the first slice, before any was measured */

#define TO(state) (1u << HOST_##state)

static const unsigned next_states[] = {
    [HOST_RESTORING] = TO(UNPLACED) | TO(RUNNING) | TO(BROKEN) | TO(CLOSING),
    [HOST_UNPLACED] = TO(PLACING) | TO(STOPPED) | TO(BROKEN) | TO(CLOSING),
    [HOST_PLACING] = TO(UNPLACED) | TO(RUNNING) | TO(STOPPED) | TO(CLOSING),
    [HOST_RUNNING] = TO(BLOCKED) | TO(STOPPED) | TO(BROKEN) | TO(CLOSING),
    [HOST_BLOCKED] = TO(RUNNING) | TO(STOPPED) | TO(BROKEN) | TO(CLOSING),
    [HOST_STOPPED] = TO(UNPLACED) | TO(RUNNING) | TO(BROKEN) | TO(CLOSING),
    [HOST_BROKEN] = TO(CLOSING),
    [HOST_CLOSING] = TO(CLOSED),
    [HOST_CLOSED] = 0,
};

static void enter(struct host *h, enum host_state next)
{
    ASSERT(next_states[h->state] & 1u << next);
    h->state = next;
}

bool host_is_over(const struct host *h)
{
    return h->state == HOST_CLOSING || h->state == HOST_CLOSED;
}

/* --- steps --- */

/* The step is counted before the owner gets it, because it may be durable before the op returns. */
static void commit(struct task_commit *interface, const struct step *step)
{
    struct host *h = CONTAINER_OF(interface, struct host, commit);
    h->steps_in_flight++;
    if (h->ops->commit(h, step) == HOST_COMMITTED) {
        h->has_said_why = false;
        return;
    }
    h->steps_in_flight--;
    h->after_step = h->state;
    enter(h, HOST_BLOCKED);
}

static int32_t partitions(struct task_commit *interface, struct bytes topic)
{
    struct host *h = CONTAINER_OF(interface, struct host, commit);
    return h->ops->partitions(h, topic);
}

static size_t max_batch_bytes(struct task_commit *interface, struct bytes topic)
{
    struct host *h = CONTAINER_OF(interface, struct host, commit);
    return h->ops->max_batch_bytes(h, topic);
}

static bool needs_keys(struct task_commit *interface, struct bytes topic)
{
    struct host *h = CONTAINER_OF(interface, struct host, commit);
    return h->ops->needs_keys(h, topic);
}

void host_flush(struct host *h)
{
    if (h->state != HOST_RUNNING)
        return;
    h->dirty_since_ms = -1;
    task_flush(h->task, &h->commit);
}

static void flush_if_due(struct host *h, int64_t now_ms)
{
    if (!task_is_dirty(h->task)) {
        h->dirty_since_ms = -1;
        return;
    }
    if (h->dirty_since_ms < 0)
        h->dirty_since_ms = now_ms;
    bool is_old = now_ms - h->dirty_since_ms >= chain_commit_interval_ms(h->chain);
    if (task_wants_flush(h->task) || (is_old && !h->keeps_open))
        host_flush(h);
}

void host_step_taken(struct host *h)
{
    ASSERT(h->state == HOST_BLOCKED);
    enter(h, h->after_step);
    h->steps_in_flight++;
    h->has_said_why = false;
    host_wake(h);
}

static void try_close(struct host *h)
{
    if (h->state != HOST_CLOSING || h->holds > 0 || h->steps_in_flight > 0)
        return;
    enter(h, HOST_CLOSED);
    h->ops->closed(h);
}

void host_step_done(struct host *h, enum error result)
{
    ASSERT(h->steps_in_flight > 0);
    h->steps_in_flight--;
    if (host_is_over(h)) {
        try_close(h);
        return;
    }
    if (result != ERR_OK && h->state != HOST_BROKEN)
        enter(h, HOST_BROKEN);
    host_wake(h);
}

/* --- faults --- */

void host_try_later(struct host *h, const char *what, enum error reason)
{
    if (host_is_over(h))
        return;
    if (h->state == HOST_PLACING)
        enter(h, HOST_UNPLACED);
    if (!h->has_said_why)
        h->ops->say_retry(h, what, reason);
    h->has_said_why = true;
    h->ops->wake(h, HOST_WAKE_LATER);
}

void host_stop(struct host *h, const char *reason)
{
    if (host_is_over(h) || h->state == HOST_STOPPED || h->state == HOST_BROKEN)
        return;
    host_flush(h); /* commit the records before the fault */
    if (h->state == HOST_BLOCKED)
        h->after_step = HOST_STOPPED;
    else
        enter(h, HOST_STOPPED);
    h->ops->say_stopped(h, reason);
}

void host_break(struct host *h, const char *reason)
{
    if (h->state == HOST_BROKEN)
        return;
    enter(h, HOST_BROKEN);
    h->ops->say_stopped(h, reason);
}

/* --- beginning --- */

void host_init(struct host *h, const struct host_setup *setup, int64_t now_ms)
{
    *h = (struct host){
        .ops = setup->ops,
        .state = HOST_RESTORING,
        .topology = topology_ref(setup->topology),
        .chain = setup->chain,
        .inputs = setup->inputs,
        .input_count = setup->input_count,
        .max_in_flight = setup->max_in_flight,
        .keeps_open = setup->keeps_open,
        .runs_disabled = setup->runs_disabled,
        .slice_records = SLICE_RECORDS_FIRST,
        .dirty_since_ms = -1,
        .commit = {.commit = commit, .partitions = partitions},
    };
    if (h->ops->max_batch_bytes)
        h->commit.max_batch_bytes = max_batch_bytes;
    if (h->ops->needs_keys)
        h->commit.needs_keys = needs_keys;
    h->task = task_create(h->chain, h->topology, setup->partition, h->input_count);
    task_ask(h->task, &h->commit);
    h->idle_since_ms = xcalloc(h->input_count, sizeof *h->idle_since_ms);
    for (size_t i = 0; i < h->input_count; i++)
        h->idle_since_ms[i] = now_ms;
}

static void drop_next(struct host *h)
{
    topology_unref(h->next_topology);
    h->next_topology = NULL;
    h->next_chain = NULL;
}

void host_free(struct host *h)
{
    drop_next(h);
    task_free(h->task);
    topology_unref(h->topology);
    free(h->idle_since_ms);
    *h = (struct host){.state = HOST_CLOSED};
}

void host_restore_cursor(struct host *h, size_t input, int64_t offset)
{
    ASSERT(h->state == HOST_RESTORING);
    task_place(h->task, input, offset);
    h->is_placed = true;
}

enum error host_restore(struct host *h, struct bytes key, struct bytes value)
{
    if (h->state != HOST_RESTORING || !h->is_placed)
        return ERR_CORRUPT;
    return task_restore(h->task, key, value);
}

static void seek_inputs(struct host *h)
{
    for (size_t i = 0; i < h->input_count; i++)
        input_seek(h->inputs[i], task_position(h->task, i));
}

void host_start(struct host *h)
{
    struct message message = {""};
    if (h->state == HOST_BROKEN)
        return;
    ASSERT(h->state == HOST_RESTORING);
    if (!h->is_placed) {
        enter(h, HOST_UNPLACED);
        return;
    }
    if (task_restored(h->task, &message) != ERR_OK) {
        host_break(h, message.text);
        return;
    }
    seek_inputs(h);
    enter(h, HOST_RUNNING);
    host_wake(h);
}

void host_place(struct host *h)
{
    int64_t time_ms = 0;
    enter(h, HOST_PLACING);
    enum chain_start start = chain_start(h->chain, &time_ms);
    h->ops->place(h, start, time_ms);
}

void host_placed(struct host *h, const int64_t *offsets)
{
    for (size_t i = 0; i < h->input_count; i++)
        task_place(h->task, i, offsets[i]);
    h->is_placed = true;
    seek_inputs(h);
    enter(h, HOST_RUNNING);
    host_wake(h);
}

/* --- changing and ending --- */

void host_change(struct host *h, struct topology *topology, const struct chain *chain)
{
    drop_next(h);
    h->next_topology = topology_ref(topology);
    h->next_chain = chain;
    host_wake(h);
}

/* Adopts the next definition without a new task. */
static void adopt(struct host *h)
{
    topology_unref(h->topology);
    h->topology = h->next_topology;
    h->chain = h->next_chain;
    h->next_topology = NULL;
    h->next_chain = NULL;
}

/* A task of the new definition takes over the state. */
static void replace_task(struct host *h)
{
    struct message message = {""};
    struct task *next = NULL;
    enum error error = task_take_over(h->task, h->next_chain, h->next_topology, &next, &message);
    adopt(h);
    if (error) {
        host_break(h, message.text);
        return;
    }
    task_free(h->task);
    h->task = next;
    seek_inputs(h);
    if (h->state == HOST_STOPPED)
        enter(h, h->is_placed ? HOST_RUNNING : HOST_UNPLACED);
    host_wake(h);
}

static void begin_anew(struct host *h)
{
    struct topology *topology = topology_ref(h->next_topology);
    h->ops->begin_anew(h, topology, h->next_chain);
    topology_unref(topology);
}

/* The open step is committed first, by the definition that made it. */
static void take_over(struct host *h)
{
    bool keeps_state = chain_state_version(h->next_chain) == chain_state_version(h->chain);
    host_flush(h);
    if (h->state == HOST_BLOCKED)
        return; /* called again once the step is committed */
    if (!keeps_state)
        begin_anew(h);
    else if (h->state == HOST_BROKEN)
        drop_next(h); /* its rows are still unreadable */
    else
        replace_task(h);
}

void host_close(struct host *h)
{
    enter(h, HOST_CLOSING);
    drop_next(h);
    try_close(h);
}

void host_hold(struct host *h)
{
    h->holds++;
}

void host_release(struct host *h)
{
    ASSERT(h->holds > 0);
    h->holds--;
    try_close(h);
}

/* --- working --- */

bool host_has_work(const struct host *h)
{
    static const unsigned at_work = TO(UNPLACED) | TO(RUNNING) | TO(BLOCKED);
    static const unsigned halted = TO(STOPPED) | TO(BROKEN);
    unsigned state = 1u << h->state;
    return (state & at_work) || ((state & halted) && h->next_topology);
}

void host_wake(struct host *h)
{
    if (host_has_work(h))
        h->ops->wake(h, HOST_WAKE_NOW);
}

size_t host_slice_after(const struct host_slice *slice, size_t records, int64_t took_ns)
{
    if (took_ns > slice->budget_ns)
        return MAX((size_t)((int64_t)records * slice->budget_ns / took_ns), (size_t)1);
    return took_ns > slice->budget_ns / 2 ? records : MIN(records * 2, slice->max_records);
}

static enum input_status take_measured(struct host *h, const struct host_slice *slice,
                                       struct message *message)
{
    struct clock *clock = slice->clock;
    if (clock == NULL)
        return task_take(h->task, h->inputs, &slice->record_clock, slice->max_records, message);
    int64_t begin_ns = clock->monotonic_ns(clock);
    enum input_status status =
        task_take(h->task, h->inputs, &slice->record_clock, h->slice_records, message);
    int64_t took_ns = clock->monotonic_ns(clock) - begin_ns;
    if (status == INPUT_RECORD ||
        took_ns > slice->budget_ns) /* a short slice at the end of the input measures nothing */
        h->slice_records = host_slice_after(slice, h->slice_records, took_ns);
    return status;
}

/* An input with more records is not idle. */
static void note_progress(struct host *h, int64_t now_ms)
{
    for (size_t i = 0; i < h->input_count; i++) {
        if (!h->inputs[i]->ops->is_at_end(h->inputs[i], task_position(h->task, i)))
            h->idle_since_ms[i] = now_ms;
    }
}

static bool take_records(struct host *h, const struct host_slice *slice)
{
    struct message message = {""};
    note_progress(h, slice->now_ms);
    enum input_status status = take_measured(h, slice, &message);
    if (status == INPUT_FAILED)
        host_stop(h, message.text);
    else if (status != INPUT_RECORD && !h->keeps_open)
        host_flush(h);
    else
        flush_if_due(h, slice->now_ms);
    if (status == INPUT_RECORD || status == INPUT_AT_END)
        h->has_said_why = false;
    return status == INPUT_RECORD && h->state == HOST_RUNNING;
}

bool host_run(struct host *h, const struct host_slice *slice)
{
    if (h->state == HOST_BLOCKED) {
        h->ops->commit_again(h);
        return false;
    }
    if (h->next_topology && host_has_work(h)) {
        take_over(h);
        return false;
    }
    if (h->state == HOST_UNPLACED) {
        host_place(h);
        return false;
    }
    bool is_enabled = h->runs_disabled || chain_is_enabled(h->chain);
    if (h->state != HOST_RUNNING || !is_enabled || h->steps_in_flight >= h->max_in_flight)
        return false;
    return take_records(h, slice);
}

/* --- idleness --- */

bool host_is_idle(const struct host *h, int64_t now_ms)
{
    int64_t after_ms = task_idle_after_ms(h->task);
    bool is_at_work =
        h->state == HOST_RUNNING || (h->state == HOST_BLOCKED && h->after_step == HOST_RUNNING);
    if (!is_at_work || after_ms < 0 || !chain_is_enabled(h->chain) || task_is_pending(h->task))
        return false;
    for (size_t i = 0; i < h->input_count; i++) {
        const struct input *in = h->inputs[i];
        if (now_ms - h->idle_since_ms[i] < after_ms ||
            !in->ops->is_at_end(in, task_position(h->task, i)))
            return false;
    }
    return true;
}

bool host_may_lift(const struct host *h, int64_t now_ms)
{
    return h->state == HOST_RUNNING && h->next_topology == NULL && host_is_idle(h, now_ms);
}

void host_lift(struct host *h, int64_t watermark, int64_t wall_ms)
{
    ASSERT(h->state == HOST_RUNNING);
    if (watermark <= task_watermark(h->task) && !task_is_pending(h->task))
        return;
    task_lift_watermark(h->task, watermark, wall_ms);
    host_wake(h);
}
