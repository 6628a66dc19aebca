#include "broker/runner_internal.h"

#include "storage/recovery.h"

#include <stdlib.h>

void run_make_ready(struct run *run)
{
    if (!list_contains(&run->in_ready) && !run->failed && !run->closing)
        list_append(&run->runner->ready, &run->in_ready);
}

/* A failing task stops alone; the others go on. */
void runner_run_fail(struct run *run, const char *reason)
{
    struct bytes name = chain_name(run->chain);
    run->failed = true;
    list_remove(&run->in_ready);
    trace_log(run->runner->shard->env->trace, TRACE_ERROR, "processor stopped",
              F_BYTES("topic", run->topic->name), F_INT("partition", run->partition->index),
              F_BYTES("processor", name), F_STRING("reason", reason),
              F_INT("offset", task_cursor(run->task)));
}

/* --- making and ending --- */

struct restore {
    struct run *run;
    bool found;
    int64_t cursor;
    struct message *message;
};

static enum error restore_cursor(void *context, struct bytes key, struct bytes value)
{
    struct restore *r = context;
    if (key.size != r->run->prefix.size + 1 || value.size != 16)
        return ERR_CORRUPT;
    r->found = true;
    r->cursor = (int64_t)load_be64(value.data);
    r->run->incarnation = load_be64(value.data + 8);
    return ERR_OK;
}

static enum error restore_state(void *context, struct bytes key, struct bytes value)
{
    struct restore *r = context;
    return task_restore(r->run->task, bytes_from(key, r->run->prefix.size + 1), value);
}

static enum error scan_rows(struct run *run, enum run_row kind,
                            enum error (*each)(void *, struct bytes, struct bytes),
                            struct restore *restore)
{
    struct buffer prefix;
    buffer_init(&prefix, 2048);
    buffer_append_bytes(&prefix, run->prefix);
    buffer_append_u8(&prefix, (uint8_t)kind);
    enum error error = store_scan(run->runner->shard->store, buffer_view(&prefix), each, restore);
    buffer_free(&prefix);
    return error;
}

static void name_source(struct run *run)
{
    struct buffer source;
    buffer_init(&source, 2048);
    buffer_append_bytes(&source, run->prefix);
    buffer_append_be64(&source, run->incarnation);
    run->source = buffer_view(&source);
}

static struct run *make_run(struct runner *runner, struct partition *partition,
                            struct topology *topology, const struct chain *chain)
{
    struct run *run = xcalloc(1, sizeof *run);
    run->runner = runner;
    run->partition = partition;
    run->topic = topic_ref(partition->topic);
    run->topology = topology_ref(topology);
    run->chain = chain;
    run->prefix = run_prefix(partition->topic->id, partition->index, chain_name(chain));
    run->incarnation = random_u64(runner->shard->env->random);
    run->idle_since_ms = runner->shard->now_ms;
    run_commit_init(run);
    list_append(&partition->tasks, &run->in_partition);
    return run;
}

/* Where a chain without state begins. */
static int64_t first_offset(const struct run *run)
{
    struct log *log = run->partition->log;
    return chain_starts_latest(run->chain) ? log_durable_offset(log) : log_start_offset(log);
}

static void open_run(struct runner *runner, struct partition *partition, struct topology *topology,
                     const struct chain *chain)
{
    struct run *run = make_run(runner, partition, topology, chain);
    struct message message = {""};
    struct restore restore = {.run = run, .message = &message};
    enum error error = ERR_OK;
    if (!runner->loaded)
        error = scan_rows(run, RUN_ROW_CURSOR, restore_cursor, &restore);
    int64_t start = restore.found ? restore.cursor : first_offset(run);
    run->task = task_create(chain, topology, partition->index, start);
    if (error == ERR_OK && restore.found)
        error = scan_rows(run, RUN_ROW_STATE, restore_state, &restore);
    if (error == ERR_OK)
        error = task_restored(run->task, &message);
    name_source(run);
    if (error)
        runner_run_fail(run, message.text[0] ? message.text : error_text(error));
    run_make_ready(run);
}

void run_release(struct run *run)
{
    if (run->reading || run->steps_in_flight > 0 || run->waiting)
        return;
    run_drop_input(run);
    task_free(run->task);
    topology_unref(run->topology);
    topic_unref(run->topic);
    free((void *)(uintptr_t)run->prefix.data);
    free((void *)(uintptr_t)run->source.data);
    free(run);
}

static void close_run(struct run *run)
{
    list_remove(&run->in_partition);
    list_remove(&run->in_ready);
    run->closing = true;
    run_release(run);
}

/* --- topics --- */

static bool has_processors(const struct topic *topic)
{
    for (size_t i = 0; i < topic->config_count; i++) {
        if (topology_is_processor_key(topic->configs[i].name))
            return true;
    }
    return false;
}

/* The topology of a topic, NULL without processors. It was checked when it was set; a newer program
 * may still refuse it, then nothing runs and the log says why. */
static struct topology *topology_of(struct runner *runner, const struct topic *topic)
{
    if (!has_processors(topic))
        return NULL;
    struct config_pair *pairs = xcalloc(topic->config_count, sizeof *pairs);
    for (size_t i = 0; i < topic->config_count; i++)
        pairs[i] = (struct config_pair){topic->configs[i].name, topic->configs[i].value};
    struct topology_topic name = {topic->name, topic->partitions};
    struct topology *topology = NULL;
    struct message message = {""};
    if (topology_parse(&name, pairs, topic->config_count, &topology, &message, NULL))
        trace_log(runner->shard->env->trace, TRACE_ERROR, "processors cannot run",
                  F_BYTES("topic", topic->name), F_STRING("reason", message.text));
    free(pairs);
    return topology;
}

static void open_chains(struct runner *runner, struct partition *partition,
                        struct topology *topology)
{
    for (size_t i = 0; topology && i < topology_chain_count(topology); i++)
        open_run(runner, partition, topology, topology_chain(topology, i));
    topology_unref(topology);
}

void runner_partition_opened(struct shard *shard, struct partition *partition)
{
    if (shard->runner->loaded)
        open_chains(shard->runner, partition, topology_of(shard->runner, partition->topic));
}

static bool same_processors(const struct topic *a, const struct topic *b)
{
    size_t i = 0, j = 0;
    for (;; i++, j++) {
        while (i < a->config_count && !topology_is_processor_key(a->configs[i].name))
            i++;
        while (j < b->config_count && !topology_is_processor_key(b->configs[j].name))
            j++;
        if (i == a->config_count || j == b->config_count)
            return i == a->config_count && j == b->config_count && a->partitions == b->partitions;
        if (!bytes_equal(a->configs[i].name, b->configs[j].name) ||
            !bytes_equal(a->configs[i].value, b->configs[j].value))
            return false;
    }
}

static const struct chain *find_chain(struct topology *topology, struct bytes name)
{
    for (size_t i = 0; topology && i < topology_chain_count(topology); i++) {
        if (bytes_equal(chain_name(topology_chain(topology, i)), name))
            return topology_chain(topology, i);
    }
    return NULL;
}

static void delete_state_row(void *context, struct bytes key)
{
    struct run *run = context;
    struct shard *shard = run->runner->shard;
    uint8_t *row = arena_alloc(&shard->scratch, run->prefix.size + 1 + key.size);
    ASSERT(row != NULL);
    memcpy(row, run->prefix.data, run->prefix.size);
    row[run->prefix.size] = RUN_ROW_STATE;
    memcpy(row + run->prefix.size + 1, key.data, key.size);
    store_delete(shard->store, bytes_of(row, run->prefix.size + 1 + key.size));
}

/* The processor was deleted: its rows go in one entry. */
static void delete_rows(struct run *run)
{
    struct shard *shard = run->runner->shard;
    uint8_t *row = arena_alloc(&shard->scratch, run->prefix.size + 1);
    ASSERT(row != NULL);
    memcpy(row, run->prefix.data, run->prefix.size);
    row[run->prefix.size] = RUN_ROW_CURSOR;
    store_begin(shard->store);
    store_delete(shard->store, bytes_of(row, run->prefix.size + 1));
    task_each_state_key(run->task, delete_state_row, run);
    store_commit(shard->store, NULL);
}

/* The new definition takes over where the old one stands, with its state. */
static void replace_task(struct run *run, struct topology *topology, const struct chain *chain)
{
    struct message message = {""};
    struct task *task = NULL;
    task_flush(run->task, &run->commit);
    if (task_take_over(run->task, chain, topology, &task, &message)) {
        runner_run_fail(run, message.text);
        return;
    }
    task_free(run->task);
    topology_unref(run->topology);
    topic_unref(run->topic);
    run->task = task;
    run->topology = topology_ref(topology);
    run->chain = chain;
    run->topic = topic_ref(run->partition->topic);
    run->failed = false;
    run_drop_input(run);
    run_make_ready(run);
}

static struct run *find_run(struct partition *partition, struct bytes name)
{
    LIST_FOR_EACH(node, &partition->tasks)
    {
        struct run *run = CONTAINER_OF(node, struct run, in_partition);
        if (bytes_equal(chain_name(run->chain), name))
            return run;
    }
    return NULL;
}

void runner_partition_changed(struct shard *shard, struct partition *partition)
{
    struct runner *runner = shard->runner;
    struct list_node *first = list_first(&partition->tasks);
    const struct topic *before =
        first ? CONTAINER_OF(first, struct run, in_partition)->topic : NULL;
    if (!runner->loaded ||
        (before ? same_processors(before, partition->topic) : !has_processors(partition->topic)))
        return;
    struct topology *topology = topology_of(runner, partition->topic);
    LIST_FOR_EACH_SAFE(node, &partition->tasks)
    {
        struct run *run = CONTAINER_OF(node, struct run, in_partition);
        const struct chain *chain = find_chain(topology, chain_name(run->chain));
        if (chain && !run->reading && run->waiting == NULL) {
            replace_task(run, topology, chain);
        } else {
            delete_rows(run);
            close_run(run);
        }
    }
    for (size_t i = 0; topology && i < topology_chain_count(topology); i++) {
        const struct chain *chain = topology_chain(topology, i);
        if (find_run(partition, chain_name(chain)) == NULL)
            open_run(runner, partition, topology, chain);
    }
    topology_unref(topology);
}

void runner_partition_closed(struct shard *shard, struct partition *partition)
{
    (void)shard;
    LIST_FOR_EACH_SAFE(node, &partition->tasks)
    {
        struct run *run = CONTAINER_OF(node, struct run, in_partition);
        delete_rows(run);
        close_run(run);
    }
}

void runner_partition_moved(struct shard *shard, struct partition *partition)
{
    (void)shard;
    LIST_FOR_EACH(node, &partition->tasks)
    run_make_ready(CONTAINER_OF(node, struct run, in_partition));
}

/* --- idleness: an idle partition's watermark follows the others --- */

struct lift {
    struct uuid topic_id;
    struct bytes chain; /* owned */
    int32_t partition;
    bool any_active;
    int64_t least_active, largest;
};

static bool is_idle(const struct run *run)
{
    int64_t after_ms = task_idle_after_ms(run->task);
    const struct shard *shard = run->runner->shard;
    return after_ms >= 0 && !run_has_input(run) && shard->now_ms - run->idle_since_ms >= after_ms;
}

static void ask_shard(void *context, struct shard *shard)
{
    struct lift *lift = context;
    struct topic *topic = catalog_by_id(shard->catalog, lift->topic_id);
    for (int32_t i = 0; topic && i < topic->partitions; i++) {
        struct partition *partition = partition_find(shard, lift->topic_id, i);
        if (partition == NULL)
            continue;
        struct run *run = find_run(partition, lift->chain);
        if (run == NULL)
            continue;
        int64_t watermark = task_watermark(run->task);
        lift->largest = MAX(lift->largest, watermark);
        if (is_idle(run))
            continue;
        lift->any_active = true;
        lift->least_active = MIN(lift->least_active, watermark);
    }
}

static void apply_lift(void *context, struct shard *home)
{
    struct lift *lift = context;
    struct partition *partition = partition_find(home, lift->topic_id, lift->partition);
    struct run *run = partition ? find_run(partition, lift->chain) : NULL;
    int64_t to = lift->any_active ? lift->least_active : lift->largest;
    if (run && !run->failed && is_idle(run) && to > task_watermark(run->task)) {
        task_lift_watermark(run->task, to, home->wall_ms);
        run_make_ready(run);
    }
    free((void *)(uintptr_t)lift->chain.data);
    free(lift);
}

static void check_idle_run(struct run *run)
{
    if (run->failed || run->lifted || run->topic->partitions == 1 || !is_idle(run))
        return;
    struct lift *lift = xcalloc(1, sizeof *lift);
    *lift = (struct lift){.topic_id = run->topic->id,
                          .chain = bytes_copy(chain_name(run->chain)),
                          .partition = run->partition->index,
                          .least_active = INT64_MAX,
                          .largest = INT64_MIN};
    run->lifted = true;
    shard_broadcast(run->runner->shard, ask_shard, apply_lift, lift);
}

static void check_idle(struct timer *timer, int64_t now_ms)
{
    struct runner *runner = CONTAINER_OF(timer, struct runner, idle_timer);
    size_t at = 0;
    for (struct partition *p; (p = map_next(&runner->shard->partitions, &at));) {
        LIST_FOR_EACH(node, &p->tasks)
        check_idle_run(CONTAINER_OF(node, struct run, in_partition));
    }
    timers_set(&runner->shard->timers, timer, now_ms + IDLE_CHECK_MS);
}

/* --- working --- */

static void flush_if_due(struct run *run, bool drained)
{
    struct shard *shard = run->runner->shard;
    if (!task_is_dirty(run->task)) {
        run->dirty_since_ms = 0;
        return;
    }
    if (run->dirty_since_ms == 0)
        run->dirty_since_ms = shard->now_ms;
    if (drained || task_wants_flush(run->task) ||
        shard->now_ms - run->dirty_since_ms >= STEP_MAX_AGE_MS) {
        task_flush(run->task, &run->commit);
        run->dirty_since_ms = 0;
    }
}

/* One slice: up to SLICE_RECORDS records. True while more can be done now. */
static bool run_slice(struct run *run)
{
    struct shard *shard = run->runner->shard;
    if (run->failed || run->waiting || run->steps_in_flight >= STEPS_IN_FLIGHT)
        return false;
    struct bytes batch;
    if (!run_next_batch(run, &batch)) {
        flush_if_due(run, true);
        return false;
    }
    bool finished = false;
    struct message message = {""};
    run->idle_since_ms = shard->now_ms;
    run->lifted = false;
    enum error error =
        task_batch(run->task, batch, shard->wall_ms, SLICE_RECORDS, &finished, &message);
    if (error) {
        runner_run_fail(run, message.text);
        return false;
    }
    if (finished)
        run_batch_done(run, batch);
    flush_if_due(run, false);
    return true;
}

bool runner_turn(struct shard *shard)
{
    struct runner *runner = shard->runner;
    struct clock *clock = shard->env->clock;
    int64_t end_ns = clock->monotonic_ns(clock) + TURN_BUDGET_NS;
    while (!list_is_empty(&runner->ready) && store_accepts(shard->store)) {
        struct run *run = CONTAINER_OF(list_pop(&runner->ready), struct run, in_ready);
        if (run_slice(run))
            run_make_ready(run);
        if (clock->monotonic_ns(clock) >= end_ns)
            break;
    }
    return !list_is_empty(&runner->ready) && store_accepts(shard->store);
}

/* --- the runner --- */

struct runner *runner_create(struct shard *shard)
{
    struct runner *runner = xcalloc(1, sizeof *runner);
    runner->shard = shard;
    list_init(&runner->ready);
    return runner;
}

enum error runner_load(struct runner *runner, struct message *message)
{
    struct shard *shard = runner->shard;
    size_t at = 0;
    for (struct partition *p; (p = map_next(&shard->partitions, &at));)
        open_chains(runner, p, topology_of(runner, p->topic));
    enum error error = outbox_load(runner);
    if (error)
        message_set(message, "the outbox of processors cannot be read: %s", error_text(error));
    runner->loaded = true;
    runner->idle_timer.fire = check_idle;
    timers_set(&shard->timers, &runner->idle_timer, shard->now_ms + IDLE_CHECK_MS);
    return error;
}

void runner_free(struct runner *runner)
{
    if (runner == NULL)
        return;
    timers_cancel(&runner->shard->timers, &runner->idle_timer);
    size_t at = 0;
    for (struct partition *p; (p = map_next(&runner->shard->partitions, &at));) {
        LIST_FOR_EACH_SAFE(node, &p->tasks)
        close_run(CONTAINER_OF(node, struct run, in_partition));
    }
    runner_outbox_free(runner);
    free(runner);
}
