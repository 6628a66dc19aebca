#include "client-tools/pipeline/trial.h"

#include "base/murmur2.h"
#include "processors/task/batch_input.h"
#include "processors/task/host.h"

#include <stdlib.h>

enum {
    MAX_BATCH = 128 << 20,
    MAX_QUEUE_BYTES = 1 << 30,
    SLICE = 1 << 14,
    DRAIN_TIME_DAYS = 36500, /* how far a drain lifts a watermark */
};

/* The host of a task, and the batch that it reads. */
struct trial_task {
    struct host host;
    struct trial *trial;
    struct batch_source source;
    struct batch_input batches;
    struct input *input;
    struct bytes batch;     /* null: none */
    struct message stopped; /* why it stopped, if it did */
};

struct trial_topic {
    struct trial_topic *next;
    struct bytes name;
    struct topology *topology; /* NULL: no processor reads the topic */
    struct trial_task *tasks;  /* chain by chain, partition by partition */
    size_t chain_count;
    int64_t *end_offsets; /* by partition */
    bool is_output;
};

/* An appended batch that the processors of its topic have not read yet. */
struct queued {
    struct queued *next;
    struct trial_topic *topic;
    int32_t partition;
    struct bytes batch; /* owned */
};

struct trial {
    struct trial_topic *topics;
    int32_t partitions;
    struct queued *first, *last;
    size_t queued_bytes;
    trial_output *output;
    void *context;
    struct arena names;
    bool failed; /* the queue was too large */
};

static struct trial_topic *find_topic(const struct trial *t, struct bytes name)
{
    for (struct trial_topic *topic = t->topics; topic; topic = topic->next) {
        if (bytes_equal(topic->name, name))
            return topic;
    }
    return NULL;
}

static struct trial_topic *add_topic(struct trial *t, struct bytes name)
{
    struct trial_topic *topic = find_topic(t, name);
    if (topic)
        return topic;
    topic = xcalloc(1, sizeof *topic);
    topic->name = arena_copy(&t->names, name);
    topic->end_offsets = xcalloc((size_t)t->partitions, sizeof *topic->end_offsets);
    struct trial_topic **end = &t->topics; /* in the order of the file */
    while (*end)
        end = &(*end)->next;
    *end = topic;
    return topic;
}

/* Takes ownership of `batch`, whose first offset is the partition's end. */
static void enqueue(struct trial *t, struct trial_topic *topic, int32_t partition,
                    struct bytes batch)
{
    t->queued_bytes += batch.size;
    t->failed |= t->queued_bytes > MAX_QUEUE_BYTES;
    if (topic->topology == NULL || t->failed) {
        free((void *)(uintptr_t)batch.data);
        t->queued_bytes -= batch.size;
        return;
    }
    struct queued *q = xcalloc(1, sizeof *q);
    *q = (struct queued){.topic = topic, .partition = partition, .batch = batch};
    if (t->last)
        t->last->next = q;
    else
        t->first = q;
    t->last = q;
}

static void append_batch(struct trial *t, struct trial_topic *topic, int32_t partition,
                         struct bytes batch, int32_t count, bool shown)
{
    struct bytes copy = bytes_copy(batch);
    batch_stamp((uint8_t *)(uintptr_t)copy.data, topic->end_offsets[partition], 0);
    topic->end_offsets[partition] += count;
    struct arena arena;
    struct record_iterator records;
    struct record record;
    arena_init(&arena, MAX_BATCH);
    struct record_place place = {topic->name, partition, 0};
    if (shown && records_open(copy, &arena, MAX_BATCH, &records) == ERR_OK) {
        while (records_next(&records, &record))
            t->output(t->context, &place, &record);
    }
    arena_free(&arena);
    enqueue(t, topic, partition, copy);
}

/* --- a task's owner --- */

static struct trial_task *of(struct host *h)
{
    return CONTAINER_OF(h, struct trial_task, host);
}

/* A task reads its topic from the start. */
static void place(struct host *h, enum chain_start start, int64_t time_ms)
{
    (void)start;
    (void)time_ms;
    host_placed(h, (const int64_t[]){0});
}

static enum host_commit commit(struct host *h, const struct step *step)
{
    struct trial *t = of(h)->trial;
    for (size_t i = 0; i < step->output_count; i++) {
        const struct step_output *o = &step->outputs[i];
        append_batch(t, add_topic(t, o->topic), o->partition, o->batch, o->record_count, true);
    }
    host_step_done(h, ERR_OK);
    return HOST_COMMITTED;
}

static int32_t partitions_of(struct host *h, struct bytes topic)
{
    (void)topic;
    return of(h)->trial->partitions;
}

/* Nothing to do: run_batch runs a task when there is a batch for it. */
static void wake(struct host *h, enum host_wake when)
{
    (void)h;
    (void)when;
}

static void say_stopped(struct host *h, const char *reason)
{
    message_set(&of(h)->stopped, "%s", reason);
}

static bool is_behind(struct bytes batch, int64_t offset)
{
    struct batch_header header;
    return bytes_is_null(batch) || !batch_header_read(batch, &header) ||
           batch_last_offset(&header) < offset;
}

static enum input_status find_batch(struct batch_source *source, int64_t offset, struct bytes *out,
                                    struct message *message)
{
    (void)message;
    *out = CONTAINER_OF(source, struct trial_task, source)->batch;
    return is_behind(*out, offset) ? INPUT_AT_END : INPUT_RECORD;
}

static bool is_at_end(const struct batch_source *source, int64_t offset)
{
    return is_behind(CONTAINER_OF(source, struct trial_task, source)->batch, offset);
}

static void make_task(struct trial_task *task, const struct chain *chain, struct topology *topology,
                      int32_t partition)
{
    static const struct host_ops ops = {.place = place,
                                        .commit = commit,
                                        .partitions = partitions_of,
                                        .wake = wake,
                                        .say_stopped = say_stopped};
    struct host_setup setup = {
        .ops = &ops,
        .topology = topology,
        .chain = chain,
        .partition = partition,
        .inputs = &task->input,
        .input_count = 1,
        .max_in_flight = 1,
        .keeps_open = true,
        .runs_disabled = true,
    };
    task->source = (struct batch_source){.find = find_batch, .is_at_end = is_at_end};
    batch_input_init(&task->batches, &task->source);
    task->input = &task->batches.input;
    host_init(&task->host, &setup, 0);
    host_start(&task->host);
    host_place(&task->host);
}

static void free_task(struct trial_task *task)
{
    host_free(&task->host);
    batch_input_free(&task->batches);
}

static void make_tasks(struct trial *t, struct trial_topic *topic)
{
    topic->chain_count = topology_chain_count(topic->topology);
    size_t count = (size_t)t->partitions;
    topic->tasks = xcalloc(topic->chain_count * count, sizeof *topic->tasks);
    for (size_t c = 0; c < topic->chain_count; c++) {
        for (size_t p = 0; p < count; p++) {
            struct trial_task *task = &topic->tasks[c * count + p];
            task->trial = t;
            make_task(task, topology_chain(topic->topology, c), topic->topology, (int32_t)p);
        }
    }
}

static bool parse_topic(struct trial *t, const struct declarations *d, struct trial_topic *topic,
                        struct buffer *warnings, struct failure *f)
{
    struct config_pair *pairs = xcalloc(d->count, sizeof *pairs);
    size_t count = 0;
    for (size_t i = 0; i < d->count; i++) {
        if (bytes_equal(d->items[i].topic, topic->name))
            pairs[count++] = (struct config_pair){d->items[i].key, d->items[i].value};
    }
    struct topology_topic input = {topic->name, t->partitions};
    struct message message = {""};
    enum error e = topology_parse(&input, pairs, count, &topic->topology, &message, warnings);
    free(pairs);
    if (e != ERR_OK)
        return fail_usage(f, "topic %.*s: %s", BYTES_PRINTF(topic->name), message.text);
    if (topic->topology)
        make_tasks(t, topic);
    return true;
}

static void mark_outputs(struct trial *t)
{
    for (struct trial_topic *topic = t->topics; topic; topic = topic->next) {
        struct bytes name;
        bool is_dead_letter;
        for (size_t i = 0;
             topic->topology && topology_output(topic->topology, i, &name, &is_dead_letter); i++) {
            struct trial_topic *output = find_topic(t, name);
            if (output)
                output->is_output = true;
        }
    }
}

bool trial_create(const struct declarations *d, int32_t partitions, trial_output *output,
                  void *context, struct buffer *warnings, struct trial **out, struct failure *f)
{
    struct trial *t = xcalloc(1, sizeof *t);
    t->partitions = partitions;
    t->output = output;
    t->context = context;
    arena_init(&t->names, 64 << 20);
    for (size_t i = 0; i < d->count; i++)
        add_topic(t, d->items[i].topic);
    for (struct trial_topic *topic = t->topics; topic; topic = topic->next) {
        if (!parse_topic(t, d, topic, warnings, f)) {
            trial_free(t);
            return false;
        }
    }
    mark_outputs(t);
    *out = t;
    return true;
}

void trial_free(struct trial *t)
{
    if (t == NULL)
        return;
    while (t->first) {
        struct queued *q = t->first;
        t->first = q->next;
        free((void *)(uintptr_t)q->batch.data);
        free(q);
    }
    while (t->topics) {
        struct trial_topic *topic = t->topics;
        t->topics = topic->next;
        for (size_t i = 0; i < topic->chain_count * (size_t)t->partitions; i++)
            free_task(&topic->tasks[i]);
        free(topic->tasks);
        free(topic->end_offsets);
        topology_unref(topic->topology);
        free(topic);
    }
    arena_free(&t->names);
    free(t);
}

bool trial_has_topic(const struct trial *t, struct bytes topic)
{
    const struct trial_topic *found = find_topic(t, topic);
    return found && found->topology;
}

struct bytes trial_input(const struct trial *t)
{
    const struct trial_topic *input = NULL;
    for (const struct trial_topic *topic = t->topics; topic; topic = topic->next) {
        if (topic->topology == NULL || topic->is_output)
            continue;
        if (input)
            return BYTES_NULL;
        input = topic;
    }
    return input ? input->name : BYTES_NULL;
}

/* Gives a task one batch. Commits a full step, and after each slice of a large batch. */
static bool run_batch(struct trial_task *task, struct bytes batch, int64_t now_ms,
                      struct failure *f)
{
    struct host_slice slice = {.record_clock = {now_ms, now_ms}, .max_records = SLICE};
    task->batch = batch;
    while (host_run(&task->host, &slice))
        host_flush(&task->host);
    task->batch = BYTES_NULL;
    return task->host.state == HOST_RUNNING || fail(f, "INTERNAL", "%s", task->stopped.text);
}

/* Processes all queued batches, and the batches that they produce. */
static bool run_queue(struct trial *t, int64_t now_ms, struct failure *f)
{
    bool good = true;
    while (t->first && good) {
        struct queued *q = t->first;
        t->first = q->next;
        if (t->first == NULL)
            t->last = NULL;
        t->queued_bytes -= q->batch.size;
        for (size_t c = 0; c < q->topic->chain_count && good; c++) {
            struct trial_task *task =
                &q->topic->tasks[c * (size_t)t->partitions + (size_t)q->partition];
            good = run_batch(task, q->batch, now_ms, f);
        }
        free((void *)(uintptr_t)q->batch.data);
        free(q);
    }
    if (good && t->failed)
        return fail(f, "TOO_LARGE", "the pipeline produced more than 1 GiB of records at once");
    return good;
}

bool trial_append(struct trial *t, const struct record_place *place, const struct record *record,
                  int64_t now_ms, struct failure *f)
{
    struct trial_topic *topic = find_topic(t, place->topic);
    int32_t partition = place->partition;
    if (partition < 0 || partition >= t->partitions)
        partition = bytes_is_null(record->key) ? 0 : murmur2_partition(record->key, t->partitions);
    struct buffer out;
    struct batch_builder builder;
    buffer_init(&out, MAX_BATCH);
    batch_builder_init(&builder, &out, CODEC_NONE);
    batch_builder_add(&builder, record->timestamp, record->key, record->value, record->headers,
                      record->header_count);
    struct bytes batch = batch_builder_finish(&builder);
    bool good = batch.size > 0 || fail(f, "MESSAGE_TOO_LARGE", "the record is too large");
    if (good)
        append_batch(t, topic, partition, batch, 1, false);
    buffer_free(&out);
    return good && run_queue(t, now_ms, f);
}

static void flush_task(struct host *h, bool drain, int64_t now_ms)
{
    const int64_t on_ms = DRAIN_TIME_DAYS * (int64_t)86400000;
    int64_t watermark = task_watermark(h->task);
    if (drain && watermark > INT64_MIN)
        host_lift(h, watermark + on_ms, now_ms);
    while (task_is_pending(h->task)) {
        host_flush(h);
        host_lift(h, task_watermark(h->task), now_ms);
    }
    host_flush(h);
}

static void flush_all(struct trial *t, struct trial_topic *topic, bool drain, int64_t now_ms)
{
    for (size_t i = 0; i < topic->chain_count * (size_t)t->partitions; i++)
        flush_task(&topic->tasks[i].host, drain, now_ms);
}

/* Without `drain`: commits every open step, in one round per topic, because records may pass
 * through all topics one after the other. With `drain`: drains the inputs first, then the topics
 * that get records from others. */
bool trial_finish(struct trial *t, bool drain, int64_t now_ms, struct failure *f)
{
    size_t rounds = 0;
    for (struct trial_topic *topic = t->topics; topic; topic = topic->next)
        rounds++;
    for (; rounds > 0; rounds--) {
        for (struct trial_topic *topic = t->topics; topic; topic = topic->next) {
            flush_all(t, topic, false, now_ms);
            if (!run_queue(t, now_ms, f))
                return false;
        }
    }
    if (!drain)
        return true;
    for (int outputs = 0; outputs < 2; outputs++) {
        for (struct trial_topic *topic = t->topics; topic; topic = topic->next) {
            if (topic->is_output != (outputs == 1))
                continue;
            flush_all(t, topic, true, now_ms);
            if (!run_queue(t, now_ms, f))
                return false;
        }
    }
    return trial_finish(t, false, now_ms, f);
}

static void add_counters(struct processor_counters *sum, const struct processor_counters *c)
{
    sum->records_in += c->records_in;
    sum->passed += c->passed;
    sum->absorbed += c->absorbed;
    sum->filtered += c->filtered;
    sum->nulls += c->nulls;
    sum->late += c->late;
    sum->duplicates += c->duplicates;
    sum->dead_letters += c->dead_letters;
    sum->panes += c->panes;
}

bool trial_counters(const struct trial *t, size_t index, struct bytes *topic,
                    struct bytes *processor, struct processor_counters *out)
{
    for (const struct trial_topic *at = t->topics; at; at = at->next) {
        for (size_t c = 0; c < at->chain_count; c++) {
            const struct chain *chain = topology_chain(at->topology, c);
            size_t count = chain_processor_count(chain);
            if (index >= count) {
                index -= count;
                continue;
            }
            *topic = at->name;
            *processor = chain_processor_name(chain, index);
            *out = (struct processor_counters){0};
            for (int32_t p = 0; p < t->partitions; p++) {
                struct processor_counters one = task_processor_counters(
                    at->tasks[c * (size_t)t->partitions + (size_t)p].host.task, index);
                add_counters(out, &one);
            }
            return true;
        }
    }
    return false;
}
