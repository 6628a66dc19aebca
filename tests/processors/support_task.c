#include "tests/processors/support_task.h"

#include "tests/harness/harness.h"

#include <stdio.h>
#include <stdlib.h>

static struct bytes copy_text(const char *text)
{
    return bytes_copy(bytes_string(text));
}

static struct bytes trim(struct bytes b)
{
    while (b.size > 0 && (b.data[0] == ' ' || b.data[0] == '\t'))
        b = bytes_from(b, 1);
    while (b.size > 0 && (b.data[b.size - 1] == ' ' || b.data[b.size - 1] == '\t'))
        b.size--;
    return b;
}

static void free_bytes(struct bytes b)
{
    free((void *)(uintptr_t)b.data);
}

static void clear_pairs(struct world *w)
{
    for (size_t i = 0; i < w->pair_count; i++) {
        free_bytes(w->pairs[i].name);
        free_bytes(w->pairs[i].value);
    }
    w->pair_count = 0;
    free_bytes(w->topic.name);
    w->topic.name = BYTES_NULL;
}

static void add_pair(struct world *w, const char *processor, struct bytes line)
{
    const uint8_t *equals = memchr(line.data, '=', line.size);
    EXPECT(equals != NULL && w->pair_count < WORLD_MAX_PAIRS);
    struct bytes name = trim(bytes_of(line.data, (size_t)(equals - line.data)));
    struct bytes value = trim(bytes_from(line, (size_t)(equals - line.data) + 1));
    char full[512];
    snprintf(full, sizeof full, "processor.%s.%.*s", processor, BYTES_PRINTF(name));
    w->pairs[w->pair_count++] = (struct config_pair){copy_text(full), bytes_copy(value)};
}

static void read_sections(struct world *w, const char *sections)
{
    char processor[128] = "";
    clear_pairs(w);
    while (*sections) {
        size_t size = strcspn(sections, "\n");
        struct bytes line = trim(bytes_of(sections, size));
        sections += size + (sections[size] == '\n');
        if (line.size == 0 || line.data[0] == '#')
            continue;
        if (line.data[0] != '[') {
            add_pair(w, processor, line);
            continue;
        }
        const uint8_t *slash = memchr(line.data, '/', line.size);
        EXPECT(slash != NULL && line.data[line.size - 1] == ']');
        free_bytes(w->topic.name);
        w->topic.name = bytes_copy(bytes_of(line.data + 1, (size_t)(slash - line.data) - 1));
        snprintf(processor, sizeof processor, "%.*s", (int)(line.data + line.size - 1 - slash - 1),
                 (const char *)slash + 1);
    }
}

static struct record copy_record(const struct record *r)
{
    struct record copy = *r;
    copy.key = bytes_copy(r->key);
    copy.value = bytes_copy(r->value);
    copy.headers = bytes_copy(r->headers);
    return copy;
}

static void free_record(struct world_record *r)
{
    free(r->topic);
    free_bytes(r->record.key);
    free_bytes(r->record.value);
    free_bytes(r->record.headers);
}

/* The committer, which keeps outputs and state. */

static void keep_outputs(struct world *w, const struct step_output *output)
{
    struct record_iterator i;
    struct record record;
    struct arena arena;
    arena_init(&arena, 64 << 20);
    EXPECT(batch_crc_is_right(output->batch));
    EXPECT(records_open(output->batch, &arena, 64 << 20, &i) == ERR_OK);
    int32_t count = 0;
    for (; records_next(&i, &record); count++) {
        EXPECT(w->output_count < WORLD_MAX_RECORDS);
        w->outputs[w->output_count++] = (struct world_record){
            bytes_to_string(output->topic), output->partition, copy_record(&record)};
    }
    EXPECT(!i.failed);
    EXPECT_INT(count, output->record_count);
    arena_free(&arena);
}

static void keep_change(struct world *w, const struct step_change *change)
{
    size_t i = 0;
    w->state_writes++;
    while (i < w->state_count && !bytes_equal(w->state[i].key, change->key))
        i++;
    if (i < w->state_count) {
        free_bytes(w->state[i].key);
        free_bytes(w->state[i].value);
        w->state[i] = w->state[--w->state_count];
    }
    if (bytes_is_null(change->value))
        return;
    w->state = xrealloc(w->state, (w->state_count + 1) * sizeof *w->state);
    w->state[w->state_count++] =
        (struct step_change){bytes_copy(change->key), bytes_copy(change->value)};
}

static void commit(struct task_commit *interface, const struct step *step)
{
    struct world *w = CONTAINER_OF(interface, struct world, commit);
    EXPECT_INT(step->sequence, w->last_sequence + 1);
    w->last_sequence = step->sequence;
    for (size_t i = 0; i < step->output_count; i++)
        keep_outputs(w, &step->outputs[i]);
    for (size_t i = 0; i < step->change_count; i++) {
        for (size_t j = 0; j < i; j++)
            EXPECT(!bytes_equal(step->changes[i].key, step->changes[j].key));
        keep_change(w, &step->changes[i]);
    }
}

static int32_t partitions(struct task_commit *interface, struct bytes topic UNUSED)
{
    return CONTAINER_OF(interface, struct world, commit)->output_partitions;
}

static bool needs_keys(struct task_commit *interface, struct bytes topic)
{
    const char *compacted = CONTAINER_OF(interface, struct world, commit)->compacted;
    return compacted && bytes_equal_string(topic, compacted);
}

static bool is_at_end(const struct batch_source *source, int64_t offset)
{
    struct batch_header header;
    const struct world *w = CONTAINER_OF(source, struct world, source);
    return !batch_header_read(w->batch, &header) || batch_last_offset(&header) < offset;
}

static enum input_status find_batch(struct batch_source *source, int64_t offset, struct bytes *out,
                                    struct message *message UNUSED)
{
    *out = CONTAINER_OF(source, struct world, source)->batch;
    return is_at_end(source, offset) ? INPUT_AT_END : INPUT_RECORD;
}

/* Copies the batch each time, because the task must not rely on its memory. */
enum input_status world_take(struct world *w, struct bytes batch, size_t slice)
{
    struct input *input = &w->input.input;
    w->batch = bytes_copy(batch);
    enum input_status status = task_take(
        w->task, &input, &(struct record_clock){w->wall_ms, w->wall_ms}, slice, &w->message);
    batch_input_release(&w->input);
    free_bytes(w->batch);
    w->batch = BYTES_NULL;
    return status;
}

static void start_task(struct world *w)
{
    w->task = task_create(topology_chain(w->topology, 0), w->topology, 0, 1);
    task_ask(w->task, &w->commit);
    for (size_t i = 0; i < w->state_count; i++)
        EXPECT(task_restore(w->task, w->state[i].key, w->state[i].value) == ERR_OK);
    if (task_restored(w->task, &w->message))
        test_fail(__FILE__, __LINE__, "%s", w->message.text);
    input_seek(&w->input.input, task_position(w->task, 0));
}

const char *world_refusal(struct world *w, int32_t partition_count, const char *sections)
{
    struct topology *topology;
    read_sections(w, sections);
    w->topic.partitions = partition_count;
    w->message.text[0] = 0;
    enum error e = topology_parse(&w->topic, w->pairs, w->pair_count, &topology, &w->message, NULL);
    if (e == ERR_OK)
        topology_unref(topology);
    return e ? w->message.text : "";
}

void world_init(struct world *w, int32_t partition_count, const char *sections)
{
    *w = (struct world){.output_partitions = 1, .wall_ms = WORLD_WALL_MS};
    w->commit =
        (struct task_commit){.commit = commit, .partitions = partitions, .needs_keys = needs_keys};
    buffer_init(&w->text, 64 << 20);
    w->source = (struct batch_source){.find = find_batch, .is_at_end = is_at_end};
    batch_input_init(&w->input, &w->source);
    read_sections(w, sections);
    w->topic.partitions = partition_count;
    if (topology_parse(&w->topic, w->pairs, w->pair_count, &w->topology, &w->message, NULL))
        test_fail(__FILE__, __LINE__, "%s", w->message.text);
    start_task(w);
}

void world_free(struct world *w)
{
    task_free(w->task);
    batch_input_free(&w->input);
    topology_unref(w->topology);
    clear_pairs(w);
    for (size_t i = 0; i < w->input_count; i++)
        free_record(&w->inputs[i]);
    for (size_t i = 0; i < w->output_count; i++)
        free_record(&w->outputs[i]);
    for (size_t i = 0; i < w->state_count; i++) {
        free_bytes(w->state[i].key);
        free_bytes(w->state[i].value);
    }
    free(w->state);
    buffer_free(&w->text);
    *w = (struct world){.input_count = 0};
}

void world_put(struct world *w, int64_t timestamp, const char *key, const char *value)
{
    EXPECT(w->input_count < WORLD_MAX_RECORDS);
    struct record r = {
        .offset = (int64_t)w->input_count,
        .timestamp = timestamp,
        .key = copy_text(key),
        .value = copy_text(value),
    };
    w->inputs[w->input_count++].record = r;
}

void world_header(struct world *w, const char *key, const char *value)
{
    struct record *r = &w->inputs[w->input_count - 1].record;
    struct buffer headers;
    buffer_init(&headers, 1 << 20);
    if (r->headers.size > 0)
        buffer_append_bytes(&headers, r->headers);
    record_headers_append(&headers, bytes_string(key), bytes_string(value));
    free_bytes(r->headers);
    r->headers = bytes_copy(buffer_view(&headers));
    r->header_count++;
    buffer_free(&headers);
}

/* The inputs [from, to) as one batch. */
static void make_batch(const struct world *w, size_t from, size_t to, struct buffer *out)
{
    struct batch_builder b;
    batch_builder_init(&b, out, CODEC_NONE);
    for (size_t i = from; i < to; i++) {
        const struct record *r = &w->inputs[i].record;
        batch_builder_add(&b, r->timestamp, r->key, r->value, r->headers, r->header_count);
    }
    EXPECT(batch_builder_finish(&b).size > 0);
    batch_stamp(out->data, (int64_t)from, 0);
}

static void run_batch(struct world *w, size_t from, size_t to, size_t slice)
{
    struct buffer batch;
    buffer_init(&batch, 64 << 20);
    make_batch(w, from, to, &batch);
    enum input_status status = INPUT_RECORD;
    while (status == INPUT_RECORD) {
        status = world_take(w, buffer_view(&batch), slice);
        if (status == INPUT_FAILED)
            test_fail(__FILE__, __LINE__, "%s", w->message.text);
        task_flush(w->task, &w->commit);
    }
    buffer_free(&batch);
}

void world_run_in(struct world *w, size_t batch, size_t slice)
{
    while (w->taken < w->input_count) {
        size_t to = MIN(w->taken + batch, w->input_count);
        run_batch(w, w->taken, to, slice);
        w->taken = to;
    }
}

void world_run(struct world *w)
{
    world_run_in(w, WORLD_MAX_RECORDS, SIZE_MAX);
}

void world_step(struct world *w)
{
    run_batch(w, w->taken, w->taken + 1, SIZE_MAX);
    w->taken++;
}

void world_restart(struct world *w)
{
    task_free(w->task);
    start_task(w);
}

static void append_text(struct buffer *out, struct bytes b)
{
    if (bytes_is_null(b))
        buffer_append_u8(out, '-');
    else
        buffer_append_bytes(out, b);
}

static void append_record(struct buffer *out, const struct record *r)
{
    buffer_printf(out, "%lld ", (long long)r->timestamp);
    append_text(out, r->key);
    buffer_append_u8(out, ' ');
    append_text(out, r->value);
}

const char *world_output(struct world *w, const char *topic)
{
    buffer_clear(&w->text);
    for (size_t i = 0; i < w->output_count; i++) {
        if (strcmp(w->outputs[i].topic, topic) != 0)
            continue;
        append_record(&w->text, &w->outputs[i].record);
        buffer_append_u8(&w->text, '\n');
    }
    return buffer_c_string(&w->text);
}

const char *world_output_header(struct world *w, const char *topic, size_t n, const char *name)
{
    for (size_t i = 0; i < w->output_count; i++) {
        struct record_header header;
        if (strcmp(w->outputs[i].topic, topic) != 0 || n-- > 0)
            continue;
        if (!record_header_find(&w->outputs[i].record, bytes_string(name), &header))
            return "";
        buffer_clear(&w->text);
        append_text(&w->text, header.value);
        return buffer_c_string(&w->text);
    }
    return NULL;
}

static void append_headers(struct buffer *out, const struct record *r)
{
    struct record_header header;
    for (size_t at = 0; record_header_next(r, &at, &header);) {
        buffer_printf(out, " %.*s=", BYTES_PRINTF(header.key));
        append_text(out, header.value);
    }
}

static bool is_first_of_place(const struct world *w, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (strcmp(w->outputs[i].topic, w->outputs[j].topic) == 0 &&
            w->outputs[i].partition == w->outputs[j].partition)
            return false;
    }
    return true;
}

static int compare_places(const void *a, const void *b)
{
    const struct world_record *x = *(struct world_record *const *)a;
    const struct world_record *y = *(struct world_record *const *)b;
    int order = strcmp(x->topic, y->topic);
    return order ? order : x->partition - y->partition;
}

const char *world_dump(struct world *w)
{
    const struct world_record **places = xcalloc(w->output_count + 1, sizeof *places);
    size_t count = 0;
    for (size_t i = 0; i < w->output_count; i++) {
        if (is_first_of_place(w, i))
            places[count++] = &w->outputs[i];
    }
    qsort(places, count, sizeof *places, compare_places);
    buffer_clear(&w->text);
    for (size_t p = 0; p < count; p++) {
        buffer_printf(&w->text, "%s/%d\n", places[p]->topic, places[p]->partition);
        for (size_t i = 0; i < w->output_count; i++) {
            const struct world_record *o = &w->outputs[i];
            if (strcmp(o->topic, places[p]->topic) != 0 || o->partition != places[p]->partition)
                continue;
            buffer_append_string(&w->text, "  ");
            append_record(&w->text, &o->record);
            append_headers(&w->text, &o->record);
            buffer_append_u8(&w->text, '\n');
        }
    }
    free(places);
    return buffer_c_string(&w->text);
}
