/* The cost of processors: tasks that read from memory on one core, and whose steps are dropped.
 *
 *   bench_processors [--records N] [--keys N] [NAME...]
 *
 * Each scenario runs in a process of its own, so that its memory is counted separately. Records
 * have about 250 bytes. Prints millions of records per second of CPU, nanoseconds per record, the
 * longest time to commit a step, and, for state, the bytes of memory per key. */
#include "base/compiler.h"
#include "processors/task/batch_input.h"
#include "processors/task/task.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH_RECORDS = 1000,
    STEP_RECORDS = 20000, /* records within the commit interval at 1 M/s */
    MAX_PAIRS = 32,
    RECORDS_PER_MS = 200, /* of event time */
};

static const int64_t FIRST_MS = 1700000000000;

struct scenario {
    const char *name;
    const char *configs; /* "processor.parameter = value" per line */
};

#define DEDUP                                                \
    "d.type = dedup\nd.id = value.event_id\nd.within = 1h\n" \
    "d.output = unique\n"
#define COUNT_AND_SUM "select = count() as n; sum(value.amount) as revenue\n"

static const struct scenario scenarios[] = {
    {"pass", "p.type = filter\np.where = true\np.output = out\n"},
    {"validate", "v.type = validate\nv.output = out\n"},
    {"schema", "v.type = validate\nv.output = out\nv.json-schema = inline:{\"type\":\"object\","
               "\"required\":[\"event_id\",\"user\"],\"properties\":{\"amount\":{\"type\":"
               "\"number\",\"minimum\":0},\"event_id\":{\"type\":\"string\",\"maxLength\":40}}}\n"},
    {"filter", "f.type = filter\nf.where = value.amount >= 500\nf.output = out\n"},
    {"dedup", DEDUP},
    {"tumbling", "t.type = aggregate\nt.group-by = key\nt.window = tumbling(10s)\n"
                 "t.output = out\nt." COUNT_AND_SUM},
    {"hopping", "h.type = aggregate\nh.group-by = key\nh.window = hopping(60s; 10s)\n"
                "h.output = out\nh." COUNT_AND_SUM},
    {"chain", "v.type = validate\n"
              "f.type = filter\nf.after = v\nf.where = value.kind != 'test'\n"
              "d.type = dedup\nd.after = f\nd.id = value.event_id\nd.within = 1h\n"
              "t.type = aggregate\nt.after = d\nt.group-by = key\nt.window = tumbling(10s)\n"
              "t.output = out\nt." COUNT_AND_SUM},
};

struct bench {
    struct topology *topology;
    struct task *task;
    struct task_commit commit;
    struct batch_source source;
    struct batch_input input;
    struct buffer batch;
    uint64_t records, keys; /* number of records, and of users */
    uint64_t outputs, changes;
    size_t since_flush;
    int64_t spent_ns, longest_flush_ns;
};

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void throw_away(struct task_commit *commit, const struct step *step)
{
    struct bench *b = CONTAINER_OF(commit, struct bench, commit);
    for (size_t i = 0; i < step->output_count; i++)
        b->outputs += (uint64_t)step->outputs[i].record_count;
    b->changes += step->change_count;
}

static int32_t one_partition(struct task_commit *commit UNUSED, struct bytes topic UNUSED)
{
    return 1;
}

static bool is_at_end(const struct batch_source *source, int64_t offset)
{
    struct batch_header header;
    const struct bench *b = CONTAINER_OF(source, struct bench, source);
    return !batch_header_read(buffer_view(&b->batch), &header) ||
           batch_last_offset(&header) < offset;
}

static enum input_status find_batch(struct batch_source *source, int64_t offset, struct bytes *out,
                                    struct message *message UNUSED)
{
    *out = buffer_view(&CONTAINER_OF(source, struct bench, source)->batch);
    return is_at_end(source, offset) ? INPUT_AT_END : INPUT_RECORD;
}

/* "a.b = c" per line becomes processor.a.b and c. */
static void declare(struct bench *b, const char *configs)
{
    struct config_pair pairs[MAX_PAIRS];
    struct topology_topic topic = {BYTES_LITERAL("events"), 1};
    struct message message = {""};
    size_t count = 0;
    char *text = strdup(configs), *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) && *line; count++) {
        char *equals = strstr(line, " = "), *name = NULL;
        ASSERT(equals != NULL && count < MAX_PAIRS);
        *equals = 0;
        ASSERT(asprintf(&name, "processor.%s", line) > 0);
        pairs[count] = (struct config_pair){bytes_string(name), bytes_string(equals + 3)};
    }
    if (topology_parse(&topic, pairs, count, &b->topology, &message, NULL)) {
        fprintf(stderr, "bench_processors: %s\n", message.text);
        exit(1);
    }
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)pairs[i].name.data);
    free(text);
    b->task = task_create(topology_chain(b->topology, 0), b->topology, 0, 1);
}

/* The n-th event. Its user is random (but the same in each run); each id is new. */
static void make_record(const struct bench *b, uint64_t n, struct batch_builder *batch)
{
    char key[32], value[512];
    uint64_t random = n * UINT64_C(0x9e3779b97f4a7c15);
    random ^= random >> 29;
    int key_size = snprintf(key, sizeof key, "user-%llu", (unsigned long long)(random % b->keys));
    int size = snprintf(
        value, sizeof value,
        "{\"event_id\":\"%08llx-5b1d-4c3a-9f00-%012llx\",\"user\":\"%s\",\"kind\":\"%s\","
        "\"amount\":%llu.%02llu,\"page\":\"/catalogue/products/%llu?from=search\","
        "\"agent\":\"Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0\",\"country\":\"FR\","
        "\"items\":[{\"sku\":\"A-%llu\",\"count\":2}]}",
        (unsigned long long)(random >> 32), (unsigned long long)n, key, n % 3 ? "view" : "click",
        (unsigned long long)(random % 1000), (unsigned long long)(n % 100),
        (unsigned long long)(n % 5000), (unsigned long long)(n % 700));
    batch_builder_add(batch, FIRST_MS + (int64_t)(n / RECORDS_PER_MS),
                      bytes_of(key, (size_t)key_size), bytes_of(value, (size_t)size), BYTES_NULL,
                      0);
}

static void make_batch(struct bench *b, uint64_t first)
{
    struct batch_builder builder;
    buffer_clear(&b->batch);
    batch_builder_init(&builder, &b->batch, CODEC_NONE);
    for (uint64_t n = first; n < first + BATCH_RECORDS; n++)
        make_record(b, n, &builder);
    ASSERT(batch_builder_finish(&builder).size > 0);
    batch_stamp(b->batch.data, (int64_t)first, 0);
}

static void flush(struct bench *b)
{
    int64_t begin = cpu_ns();
    task_flush(b->task, &b->commit);
    b->longest_flush_ns = MAX(b->longest_flush_ns, cpu_ns() - begin);
    b->since_flush = 0;
}

static void run_batch(struct bench *b)
{
    struct message message;
    int64_t begin = cpu_ns();
    struct input *input = &b->input.input;
    enum input_status status = INPUT_RECORD;
    while (status == INPUT_RECORD) {
        status = task_take(b->task, &input,
                           &(struct record_clock){FIRST_MS + 3600000, FIRST_MS + 3600000}, SIZE_MAX,
                           &message);
        ASSERT(status != INPUT_FAILED);
        if (task_wants_flush(b->task))
            flush(b);
    }
    b->since_flush += BATCH_RECORDS;
    if (b->since_flush >= STEP_RECORDS)
        flush(b);
    b->spent_ns += cpu_ns() - begin;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void run(const struct scenario *s, uint64_t records, uint64_t keys)
{
    struct bench b = {.records = records, .keys = keys};
    b.commit = (struct task_commit){.commit = throw_away, .partitions = one_partition};
    b.source = (struct batch_source){.find = find_batch, .is_at_end = is_at_end};
    batch_input_init(&b.input, &b.source);
    buffer_init(&b.batch, 16 << 20);
    declare(&b, s->configs);
    make_batch(&b, 0);
    flush(&b);
    size_t before = heap_bytes();
    for (uint64_t first = 0; first < records; first += BATCH_RECORDS) {
        make_batch(&b, first);
        run_batch(&b);
    }
    flush(&b);
    const struct task_counters *c = task_counters(b.task);
    ASSERT(c->records_in == records && c->dead_letters == 0);
    double ns = (double)b.spent_ns / (double)records;
    printf("%-10s %8.2f M/s %8.0f ns %10llu out, commit at most %5.2f ms", s->name, 1000 / ns, ns,
           (unsigned long long)b.outputs, (double)b.longest_flush_ns / 1e6);
    if (c->state_keys > 0)
        printf(" %10lld keys %6.1f B/key (own count %.1f)", (long long)c->state_keys,
               (double)(heap_bytes() - before) / (double)c->state_keys,
               (double)c->state_bytes / (double)c->state_keys);
    printf("\n");
    fflush(stdout);
    task_free(b.task);
    batch_input_free(&b.input);
    topology_unref(b.topology);
    buffer_free(&b.batch);
}

static bool is_wanted(const char *name, char **names)
{
    for (char **at = names; *at; at++) {
        if (strcmp(*at, name) == 0)
            return true;
    }
    return *names == NULL;
}

int main(int argc UNUSED, char **argv)
{
    uint64_t records = 4000000, keys = 1000000;
    for (argv++; argv[0] && argv[1] && argv[0][0] == '-'; argv += 2)
        *(strcmp(argv[0], "--keys") == 0 ? &keys : &records) = strtoull(argv[1], NULL, 10);
    records = MAX(records / BATCH_RECORDS, 1) * BATCH_RECORDS;
    keys = MAX(keys, 1);
    for (size_t i = 0; i < COUNT_OF(scenarios); i++) {
        if (!is_wanted(scenarios[i].name, argv))
            continue;
        pid_t child = fork();
        if (child == 0) {
            run(&scenarios[i], records, keys);
            _exit(0);
        }
        int status = 1;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            return 1;
    }
    return 0;
}
