#include "tests/simulation/support_pipeline.h"

#include "processors/task/batch_input.h"
#include "processors/task/task.h"
#include "storage/shard_map.h"

#include <stdio.h>
#include <stdlib.h>

enum { OUTPUTS_MAX = 8, CHAINS_MAX = 4, TASKS_MAX = CHAINS_MAX * PIPELINE_PARTITIONS };

const char *const pipeline_configs[] = {
    "processor.check.type=validate",
    "processor.check.watermark.idle=off",
    "processor.check.max-future=off",
    "processor.check.out-of-order=5s",
    "processor.uniq.type=dedup",
    "processor.uniq.after=check",
    "processor.uniq.id=key;value.id",
    "processor.uniq.within=1m",
    "processor.uniq.lateness=2s",
    "processor.uniq.duplicates=repeated",
    "processor.uniq.output=passed",
    "processor.uniq.output.partitions=2",
    "processor.sums.type=aggregate",
    "processor.sums.after=uniq",
    "processor.sums.group-by=key",
    "processor.sums.window=tumbling(20s)",
    "processor.sums.late=late",
    "processor.sums.output=sums",
    "processor.sums.select=count() as n; sum(value.x) as x; last(value.id) as l",
    "processor.even.type=filter",
    "processor.even.watermark.idle=off",
    "processor.even.max-future=off",
    "processor.even.where=value.x % 2 == 0",
    "processor.even.output=even",
    "processor.even.output.partitions=3",
    NULL,
};

/* The records of one task for one partition of an output, as hashes. */
struct queue {
    uint64_t *at;
    size_t count, capacity, taken;
};

struct output {
    char name[FACT_NAME_SIZE];
    struct queue queues[TASKS_MAX][FACT_PARTITIONS];
};

struct pipeline {
    struct topology *topology;
    struct output outputs[OUTPUTS_MAX];
    int output_count;
    int running; /* the number of the task */
    struct task_commit commit;
    struct batch_source source;
    struct batch_input input;
    struct bytes batch;
};

/* Without the times at which a record became a dead letter. */
static uint64_t hash_of(struct bytes topic, const struct record *r)
{
    struct buffer headers;
    struct record_header header;
    buffer_init(&headers, 1 << 20);
    for (size_t at = 0; record_header_next(r, &at, &header);) {
        if (bytes_equal_string(header.key, "__dlq.errors.first.failure") ||
            bytes_equal_string(header.key, "__dlq.errors.last.failure"))
            continue;
        record_headers_append(&headers, header.key, header.value);
    }
    struct record plain = *r;
    plain.headers = buffer_view(&headers);
    if (bytes_starts_with(topic, BYTES_LITERAL("dlq.")) || bytes_equal_string(topic, "late"))
        plain.timestamp = 0; /* of the append */
    uint64_t hash = fact_record_hash(&plain);
    buffer_free(&headers);
    return hash;
}

/* --- the tasks --- */

static struct output *output_of(struct pipeline *p, struct bytes topic)
{
    for (int i = 0; i < p->output_count; i++) {
        if (bytes_equal_string(topic, p->outputs[i].name))
            return &p->outputs[i];
    }
    ASSERT(p->output_count < OUTPUTS_MAX);
    struct output *out = &p->outputs[p->output_count++];
    snprintf(out->name, sizeof out->name, "%.*s", BYTES_PRINTF(topic));
    return out;
}

static void append(struct queue *q, uint64_t hash)
{
    if (q->count == q->capacity) {
        q->capacity = MAX(q->capacity * 2, (size_t)64);
        q->at = xrealloc(q->at, q->capacity * sizeof *q->at);
    }
    q->at[q->count++] = hash;
}

static void keep_output(struct pipeline *p, const struct step_output *output)
{
    struct record_iterator i;
    struct record record;
    struct arena arena;
    arena_init(&arena, 64 << 20);
    enum error error = records_open(output->batch, &arena, 64 << 20, &i);
    ASSERT(error == ERR_OK && output->partition < FACT_PARTITIONS);
    struct output *out = output_of(p, output->topic);
    while (records_next(&i, &record))
        append(&out->queues[p->running][output->partition], hash_of(output->topic, &record));
    arena_free(&arena);
}

static void commit(struct task_commit *interface, const struct step *step)
{
    struct pipeline *p = CONTAINER_OF(interface, struct pipeline, commit);
    for (size_t i = 0; i < step->output_count; i++)
        keep_output(p, &step->outputs[i]);
}

static int32_t partitions(struct task_commit *interface, struct bytes topic)
{
    struct pipeline *p = CONTAINER_OF(interface, struct pipeline, commit);
    return topology_output_partitions(p->topology, topic);
}

static bool is_at_end(const struct batch_source *source, int64_t offset)
{
    struct batch_header header;
    const struct pipeline *p = CONTAINER_OF(source, struct pipeline, source);
    return !batch_header_read(p->batch, &header) || batch_last_offset(&header) < offset;
}

static enum input_status find_batch(struct batch_source *source, int64_t offset, struct bytes *out,
                                    struct message *message)
{
    (void)message;
    *out = CONTAINER_OF(source, struct pipeline, source)->batch;
    return is_at_end(source, offset) ? INPUT_AT_END : INPUT_RECORD;
}

static void take_all(struct pipeline *p, struct facts *f, struct task *task)
{
    struct input *input = &p->input.input;
    struct message message = {""};
    enum input_status status = INPUT_RECORD;
    while (status == INPUT_RECORD) {
        struct record_clock clock = {machine_wall_ms(f->machine), machine_wall_ms(f->machine)};
        status = task_take(task, &input, &clock, 1000, &message);
        if (status == INPUT_FAILED)
            chronicle_fail(f->chronicle, "the model of the processors", "%s", message.text);
        task_flush(task, &p->commit);
    }
}

/* Everything from the first offset on, as one batch. */
static void make_batch(const struct fact_partition *in, struct buffer *out)
{
    struct batch_builder b;
    batch_builder_init(&b, out, CODEC_NONE);
    for (int64_t i = 0; i < in->end; i++) {
        const struct record *r = &in->kept[i];
        ASSERT(in->contents[i] != 0 && r->headers.size > 0);
        batch_builder_add(&b, r->timestamp, r->key, r->value, r->headers, r->header_count);
    }
    batch_builder_finish(&b);
}

static void run_task(struct pipeline *p, struct facts *f, size_t chain, int32_t partition)
{
    struct fact_topic *topic = facts_topic(f, PIPELINE_TOPIC);
    struct buffer batch;
    struct message message = {""};
    if (topic == NULL || topic->partitions[partition].end == 0)
        return;
    buffer_init(&batch, 256 << 20);
    make_batch(&topic->partitions[partition], &batch);
    p->batch = buffer_view(&batch);
    p->running = (int)chain * PIPELINE_PARTITIONS + partition;
    batch_input_init(&p->input, &p->source);
    struct task *task = task_create(topology_chain(p->topology, chain), p->topology, partition, 1);
    if (task_restored(task, &message) != ERR_OK)
        chronicle_fail(f->chronicle, "the model of the processors", "%s", message.text);
    input_seek(&p->input.input, 0);
    take_all(p, f, task);
    task_free(task);
    batch_input_free(&p->input);
    buffer_free(&batch);
}

struct pipeline *pipeline_create(struct facts *f)
{
    struct pipeline *p = xcalloc(1, sizeof *p);
    struct config_pair pairs[40];
    struct topology_topic topic = {bytes_string(PIPELINE_TOPIC), PIPELINE_PARTITIONS};
    struct message message = {""};
    size_t count = 0;
    for (; pipeline_configs[count]; count++) {
        const char *text = pipeline_configs[count], *equals = strchr(text, '=');
        pairs[count] =
            (struct config_pair){bytes_of(text, (size_t)(equals - text)), bytes_string(equals + 1)};
    }
    if (topology_parse(&topic, pairs, count, &p->topology, &message, NULL) != ERR_OK)
        chronicle_fail(f->chronicle, "the model of the processors", "%s", message.text);
    p->commit = (struct task_commit){.commit = commit, .partitions = partitions};
    p->source = (struct batch_source){.find = find_batch, .is_at_end = is_at_end};
    ASSERT(topology_chain_count(p->topology) <= CHAINS_MAX);
    for (size_t i = 0; i < topology_chain_count(p->topology); i++) {
        for (int32_t j = 0; j < PIPELINE_PARTITIONS; j++)
            run_task(p, f, i, j);
    }
    return p;
}

void pipeline_free(struct pipeline *p)
{
    for (int i = 0; i < p->output_count; i++) {
        for (int t = 0; t < TASKS_MAX; t++) {
            for (int j = 0; j < FACT_PARTITIONS; j++)
                free(p->outputs[i].queues[t][j].at);
        }
    }
    topology_unref(p->topology);
    free(p);
}

/* --- the comparison --- */

static int64_t expected_count(const struct output *o, int partition)
{
    size_t count = 0;
    for (int t = 0; t < TASKS_MAX; t++)
        count += o->queues[t][partition].count;
    return (int64_t)count;
}

bool pipeline_is_complete(const struct pipeline *p, struct facts *f)
{
    for (int i = 0; i < p->output_count; i++) {
        const struct fact_topic *t = facts_topic(f, p->outputs[i].name);
        for (int j = 0; j < FACT_PARTITIONS; j++) {
            int64_t end = t && j < t->partition_count ? t->partitions[j].end : 0;
            if (end < expected_count(&p->outputs[i], j))
                return false;
        }
    }
    return true;
}

/* The task whose next record this is, or -1. */
static int take_from(struct output *o, int partition, uint64_t hash)
{
    for (int t = 0; t < TASKS_MAX; t++) {
        struct queue *q = &o->queues[t][partition];
        if (q->taken < q->count && q->at[q->taken] == hash) {
            q->taken++;
            return t;
        }
    }
    return -1;
}

static void check_partition(struct pipeline *p, struct facts *f, struct fact_partition *in)
{
    struct output *o = output_of(p, bytes_string(in->topic->name));
    struct fact_topic *input = facts_topic(f, PIPELINE_TOPIC);
    int shards = f->machine->config.shards;
    for (int64_t i = 0; i < in->end; i++) {
        int task = take_from(o, in->index, hash_of(bytes_string(o->name), &in->kept[i]));
        if (task < 0)
            chronicle_fail(f->chronicle, "processors write what their input demands, each once",
                           "%s/%d offset %lld: %.*s", in->topic->name, in->index, (long long)i,
                           BYTES_PRINTF(in->kept[i].value));
        if (shard_of_partition(input->id.bytes, task % PIPELINE_PARTITIONS, shards) !=
            shard_of_partition(in->topic->id.bytes, in->index, shards))
            chronicle_reach(f->chronicle, REACH_PARCELS);
    }
    if (in->end < expected_count(o, in->index))
        chronicle_fail(f->chronicle, "processors write what their input demands, each once",
                       "%s/%d ends at %lld instead of %lld", in->topic->name, in->index,
                       (long long)in->end, (long long)expected_count(o, in->index));
}

void pipeline_check(struct pipeline *p, struct facts *f)
{
    static const struct {
        const char *topic;
        enum reach reach;
    } reaches[] = {{"dlq.in", REACH_DEAD_LETTER},
                   {"repeated", REACH_DEDUPLICATED},
                   {"late", REACH_LATE},
                   {"sums", REACH_WINDOW}};
    for (int i = 0; i < f->topic_count; i++) {
        struct fact_topic *t = &f->topics[i];
        for (int j = 0; t->is_output && j < t->partition_count; j++)
            check_partition(p, f, &t->partitions[j]);
        for (size_t r = 0; r < COUNT_OF(reaches); r++) {
            if (strcmp(t->name, reaches[r].topic) == 0 && t->partitions[0].end > 0)
                chronicle_reach(f->chronicle, reaches[r].reach);
        }
    }
}
