#include "tests/simulation/support_machine.h"

#include "broker/start.h"
#include "broker/turn.h"
#include "storage/clean_map.h"
#include "storage/recovery.h"
#include "tests/simulation/support_content.h"
#include "tests/simulation/support_wire.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEPS_MAX = 200000, FLAG_SIZE = 96, READ_BUFFER_BYTES = 256 << 10 };

#define TRUE_TIME_MS INT64_C(1700000000000) /* the wall clock at the machine's time 0 */

uint64_t machine_below(struct machine *m, uint64_t bound)
{
    return random_below(&m->chance.random, bound);
}

bool machine_once_in(struct machine *m, uint64_t n)
{
    return machine_below(m, n) == 0;
}

/* --- the world of the broker --- */

enum { ROW_GENERATION_BYTES = 4 << 10 }; /* so small that new row files are begun */

static int64_t monotonic_ns(struct clock *clock)
{
    return CONTAINER_OF(clock, struct machine, clock)->now_ms * 1000000;
}

int64_t machine_wall_ms(const struct machine *m)
{
    return TRUE_TIME_MS + m->now_ms + m->leap_ms;
}

static int64_t wall_ms(struct clock *clock)
{
    return machine_wall_ms(CONTAINER_OF(clock, struct machine, clock));
}

/* The number after `name` in a line of the log. */
static int64_t number_in(struct bytes line, const char *name)
{
    const uint8_t *at = memmem(line.data, line.size, name, strlen(name));
    int64_t number = 0;
    for (at = at ? at + strlen(name) : NULL; at && *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (*at - '0');
    return number;
}

static void note_cleaning(struct machine *m, struct bytes line)
{
    if (!memmem(line.data, line.size, "a partition was compacted", 25))
        return;
    chronicle_reach(m->chronicle, REACH_CLEANED);
    int64_t slots = MAX(m->config.clean_map_bytes / CLEAN_MAP_SLOT, (int64_t)2);
    int64_t most = (int64_t)((double)slots * m->settings.cleaner_load_factor);
    if (number_in(line, "keys=") >= MIN(MAX(most, (int64_t)1), slots - 1))
        chronicle_reach(m->chronicle, REACH_CLEANED_IN_PASSES);
}

static void write_line(struct trace *trace, struct bytes line)
{
    struct machine *m = CONTAINER_OF(trace, struct machine, trace);
    if (m->dead || line.size <= 25)
        return;
    if (bytes_starts_with(bytes_from(line, 25), BYTES_LITERAL("ERROR")) && !m->broken)
        chronicle_fail(m->chronicle, "errors are logged only when the disk fails", "%.*s",
                       BYTES_PRINTF(line));
    chronicle_note(m->chronicle, "  log %.*s", (int)line.size - 26, line.data + 25);
    note_cleaning(m, line);
}

/* Takes the disk as the crash leaves it. The broker's other calls have no effect. */
static void die(struct machine *m, enum crash_kind kind)
{
    if (m->dead)
        return;
    chronicle_reach(m->chronicle, kind == CRASH_KILL ? REACH_KILL : REACH_POWER_CUT);
    for (size_t i = 0; kind == CRASH_TEAR && i < m->disk->inode_count; i++) {
        if (content_is_pending(m->disk->inodes[i]) && !m->disk->inodes[i]->is_directory) {
            chronicle_reach(m->chronicle, REACH_TORN);
            break;
        }
    }
    if (m->cleaning)
        chronicle_reach(m->chronicle, REACH_CRASH_IN_CLEANING);
    if (m->starting)
        chronicle_reach(m->chronicle, REACH_CRASH_IN_RECOVERY);
    else if (m->disk->writes_rows)
        chronicle_reach(m->chronicle, REACH_CRASH_IN_CHECKPOINT);
    if (m->disk->full_direct_writes > 0)
        chronicle_reach(m->chronicle, REACH_FULL_UNIT);
    if (m->state == MACHINE_STOPPING)
        chronicle_reach(m->chronicle, REACH_CRASH_IN_STOP);
    chronicle_note(m->chronicle, "CRASH of kind %d%s", kind, m->starting ? " in recovery" : "");
    m->crashed = sim_disk_crash(m->disk, kind, random_u64(&m->chance.random));
    m->disk->fail_to = m->disk->no_files_to = 0;
    m->disk->free_bytes = INT64_MAX;
    m->dead = true;
}

static void on_call(void *context, struct sim_disk *disk)
{
    struct machine *m = context;
    (void)disk;
    if ((m->crash_in_cleaner && !m->cleaning) || (m->crash_in_rows && !m->disk->writes_rows))
        return;
    if (m->crash_in_calls > 0 && --m->crash_in_calls == 0)
        die(m, m->crash_kind);
}

static void stop_broker(struct broker *broker, int code, const char *reason)
{
    struct machine *m = broker->context;
    if (m->dead)
        return;
    chronicle_note(m->chronicle, "the broker stops with code %d: %s", code, reason);
    chronicle_reach(m->chronicle, REACH_DISK_ERROR);
    die(m, CRASH_KILL);
}

/* --- workers --- */

static void deliver(struct mail *mail, struct shard *shard)
{
    struct machine_worker *w = CONTAINER_OF(mail, struct machine_worker, mail);
    struct list finished;
    (void)shard;
    list_init(&finished);
    list_take_all(&finished, &w->finished);
    w->mailed = false;
    for (struct list_node *node; (node = list_pop(&finished));) {
        struct job *job = CONTAINER_OF(node, struct job, node);
        job->done(job);
    }
}

static void submit(struct executor *executor, struct job *job)
{
    struct machine_worker *w = CONTAINER_OF(executor, struct machine_worker, executor);
    job->node = (struct list_node){0};
    list_append(&w->queued, &job->node);
}

static bool run_job(struct machine_worker *w)
{
    struct list_node *node = list_pop(&w->queued);
    if (node == NULL)
        return false;
    struct job *job = CONTAINER_OF(node, struct job, node);
    w->machine->cleaning = w == &w->machine->workers[w->shard->id][WORKER_CLEANER];
    job->run(job);
    w->machine->clean_jobs += w->machine->cleaning;
    w->machine->cleaning = false;
    list_append(&w->finished, &job->node);
    if (!w->mailed)
        shard_post(w->shard, &w->mail);
    w->mailed = true;
    return true;
}

static void make_workers(struct machine *m, int shard)
{
    for (int i = 0; i < MACHINE_WORKERS; i++) {
        struct machine_worker *w = &m->workers[shard][i];
        *w = (struct machine_worker){
            .executor = {submit}, .machine = m, .shard = m->shards[shard], .mail.deliver = deliver};
        list_init(&w->queued);
        list_init(&w->finished);
    }
}

/* --- start --- */

static void load_settings(struct machine *m)
{
    const struct machine_config *c = &m->config;
    char delay[FLAG_SIZE], check[FLAG_SIZE];
    snprintf(delay, sizeof delay, "group.initial.rebalance.delay.ms=%d", (int)c->initial_delay_ms);
    snprintf(check, sizeof check, "log.retention.check.interval.ms=%d", (int)c->retention_check_ms);
    const char *flags[] = {"log.dirs=data",
                           "tidemill.min.free.bytes=1000",
                           "group.min.session.timeout.ms=1000",
                           "auto.create.topics.enable=false",
                           "advertised.listeners=PLAINTEXT://broker.test:9092",
                           delay,
                           check,
                           NULL};
    struct settings_load load = {.flags = flags};
    struct buffer faults, ignored;
    buffer_init(&faults, 1 << 16);
    buffer_init(&ignored, 1 << 16);
    if (settings_load(&load, &m->settings, NULL, &faults, &ignored) != ERR_OK)
        chronicle_fail(m->chronicle, "settings", "%s", buffer_c_string(&faults));
    buffer_free(&faults);
    buffer_free(&ignored);
    /* Smaller than a user may configure, so that little data reaches everything. */
    m->settings.journal_file_bytes = c->journal_file_bytes;
    m->settings.checkpoint_bytes = c->checkpoint_bytes;
    m->settings.checkpoint_interval_ms = c->checkpoint_interval_ms;
    m->settings.group_bytes = c->group_bytes;
    m->settings.tail_cache_bytes = c->tail_cache_bytes;
    m->settings.read_buffer_bytes = READ_BUFFER_BYTES * c->shards;
    m->settings.unflushed_bytes = c->unflushed_bytes;
    m->settings.log_segment_bytes = c->segment_bytes;
    m->settings.log_index_interval_bytes = c->index_interval_bytes;
    m->settings.max_in_flight_bytes = c->max_in_flight;
    m->settings.cleaner_dedupe_bytes = c->clean_map_bytes;
    m->settings.cleaner_io_buffer_bytes = c->clean_buffer_bytes;
    m->settings.cleaner_backoff_ms = c->clean_backoff_ms;
}

static void make_broker(struct machine *m)
{
    random_seeded_init(&m->random, random_u64(&m->chance.random));
    m->trace = (struct trace){.level = TRACE_INFO, .clock = &m->clock, .write = write_line};
    m->env = (struct env){
        .clock = &m->clock, .random = &m->random.random, .trace = &m->trace, .io = &m->disk->io};
    row_store_init(&m->rows, &m->env, &m->disk->driver);
    m->rows.generation_bytes = ROW_GENERATION_BYTES;
    m->env.kv = &m->rows.driver;
    load_settings(m);
    m->broker = (struct broker){.env = &m->env,
                                .settings = &m->settings,
                                .shards = m->shards,
                                .shard_count = m->config.shards,
                                .node_id = 1,
                                .data_directory = "data",
                                .stop = stop_broker,
                                .context = m};
    struct listener_keys keys = settings_listener_keys(&m->settings);
    if (listeners_parse(&keys, m->broker.listeners, &m->broker.listener_count, NULL) != ERR_OK)
        chronicle_fail(m->chronicle, "listeners", "they cannot be parsed");
}

static void open_shards(struct machine *m)
{
    struct message message = {""};
    for (int i = 0; i < m->broker.shard_count; i++) {
        m->shards[i] = shard_create(&m->broker, i, NULL, NULL);
        make_workers(m, i);
        m->turn_due_ms[i] = 0;
        m->stalled_until_ms[i] = 0;
    }
    for (int i = 0; i < m->broker.shard_count; i++) {
        struct machine_worker *own = m->workers[i];
        struct shard_workers workers = {.journal = &own[WORKER_JOURNAL].executor,
                                        .background = &own[WORKER_BACKGROUND].executor,
                                        .reader = &own[WORKER_READER].executor,
                                        .cleaner = &own[WORKER_CLEANER].executor};
        if (shard_open(m->shards[i], m->kv, &workers, &message) != ERR_OK)
            chronicle_fail(m->chronicle, "a shard opens after recovery", "%s", message.text);
    }
}

/* --- end --- */

static void unload(struct machine *m)
{
    listeners_free(m->broker.listeners, &m->broker.listener_count);
    settings_unload(&m->settings);
    if (m->kv)
        m->kv->driver->close(m->kv);
    m->kv = NULL;
    m->state = MACHINE_DOWN;
}

/* Everything that can run now, runs. */
static bool run_all(struct machine *m)
{
    bool moved = false;
    for (int i = 0; i < m->broker.shard_count; i++) {
        for (int w = 0; w < MACHINE_WORKERS; w++) {
            while (run_job(&m->workers[i][w]))
                moved = true;
        }
        moved |= !list_is_empty(&m->shards[i]->mailbox.mail);
    }
    return moved;
}

static void dismantle(struct machine *m)
{
    while (run_all(m))
        shards_drain(&m->broker);
    for (int i = 0; i < m->broker.shard_count; i++)
        shard_dismantle(m->shards[i]);
    for (int i = 0; i < m->broker.shard_count; i++)
        shard_free(m->shards[i]);
    unload(m);
}

static void closed(void *context, struct shard *shard)
{
    (void)shard;
    ((struct machine *)context)->closed++;
}

static void close_shards(struct machine *m)
{
    m->closed = 0;
    for (int i = 0; i < m->broker.shard_count; i++) {
        shard_read_clock(m->shards[i]);
        shard_close(m->shards[i], closed, m);
    }
}

/* Gives back the memory of a broker that has crashed. */
static void bury(struct machine *m)
{
    int64_t now_ms = m->now_ms;
    m->disk->on_call = NULL;
    wires_lose_all(m);
    if (m->state != MACHINE_STOPPING)
        close_shards(m);
    for (int i = 0; m->closed < m->broker.shard_count; i++) {
        if (i > STEPS_MAX)
            chronicle_fail(m->chronicle, "the simulation ends a crashed broker", "it runs on");
        run_all(m);
        for (int s = 0; s < m->broker.shard_count; s++) {
            shard_read_clock(m->shards[s]);
            shard_turn(m->shards[s]);
        }
        m->now_ms += 20;
    }
    dismantle(m);
    m->now_ms = now_ms;
}

void machine_fill_disk(struct machine *m, bool full)
{
    if (m->disk->full_direct_writes > 0)
        chronicle_reach(m->chronicle, REACH_FULL_UNIT);
    m->disk->full_direct_writes = 0;
    m->full = full;
    m->disk->fail_error = ERR_NO_SPACE;
    m->disk->fail_from = m->disk->calls;
    m->disk->fail_to = full ? UINT64_MAX : 0;
    m->disk->free_bytes = full ? 0 : INT64_MAX;
}

void machine_take_files(struct machine *m, bool take)
{
    m->no_files = take;
    m->disk->no_files_from = take ? m->disk->opens : 0;
    m->disk->no_files_to = take ? UINT64_MAX : 0;
}

void machine_break_disk(struct machine *m, uint64_t calls)
{
    m->broken = true;
    m->disk->fail_error = ERR_IO;
    m->disk->fail_from = m->disk->calls + calls;
    m->disk->fail_to = UINT64_MAX;
}

/* The disk of the next run. */
static void take_disk(struct machine *m)
{
    sim_disk_free(m->disk);
    m->disk = m->crashed;
    m->crashed = NULL;
    m->crash_in_calls = 0;
    m->dead = false;
    machine_fill_disk(m, m->full);
    machine_take_files(m, m->no_files);
}

void machine_crash(struct machine *m, enum crash_kind kind)
{
    die(m, kind);
    bury(m);
    take_disk(m);
}

void machine_crash_in(struct machine *m, uint64_t calls, enum crash_kind kind)
{
    m->crash_in_calls = calls;
    m->crash_kind = kind;
    m->crash_in_cleaner = m->crash_in_rows = false;
}

void machine_crash_in_rows(struct machine *m, uint64_t calls, enum crash_kind kind)
{
    machine_crash_in(m, calls, kind);
    m->crash_in_rows = true;
}

void machine_crash_in_cleaner(struct machine *m, uint64_t calls, enum crash_kind kind)
{
    machine_crash_in(m, calls, kind);
    m->crash_in_cleaner = true;
}

/* A start without room or descriptors is refused. It changes nothing, and the next one succeeds. */
static void refused(struct machine *m, enum error error, const struct message *message)
{
    bool is_right = (error == ERR_NO_SPACE && m->full) || (error == ERR_NO_FILES && m->no_files);
    if (!m->dead && !is_right)
        chronicle_fail(m->chronicle, "the broker starts after a crash", "%s", message->text);
    chronicle_note(m->chronicle, "start refused: %s", message->text);
    chronicle_reach(m->chronicle, error == ERR_NO_FILES ? REACH_NO_FILES_START : REACH_FULL_START);
    unload(m);
}

static const struct sim_content *directory_in(const struct machine *m,
                                              const struct sim_content *directory, const char *name)
{
    struct sim_entry *entry = directory ? names_find(&directory->names, name) : NULL;
    return entry ? m->disk->inodes[entry->inode] : NULL;
}

/* Swap lists that the last run has left. The second field says whether the swap was decided. */
static void note_swaps(struct machine *m)
{
    const struct sim_content *data = directory_in(m, m->disk->inodes[0], "data");
    const struct sim_content *lists = directory_in(m, data, "cleaning");
    for (size_t i = 0; lists && i < lists->names.count; i++) {
        const struct sim_content *list = m->disk->inodes[lists->names.at[i].inode];
        if (list->size >= 8)
            chronicle_reach(m->chronicle, load_be32(list->data + 4) > 0 ? REACH_SWAP_FINISHED
                                                                        : REACH_SWAP_UNDONE);
    }
}

void machine_start(struct machine *m)
{
    struct message message = {""};
    struct recovery_report report = {0};
    m->lives++;
    m->broken = false;
    chronicle_note(m->chronicle, "START %d, %d shards, wall clock %+lld ms", m->lives,
                   m->config.shards, (long long)m->leap_ms);
    make_broker(m);
    note_swaps(m);
    struct recovery_options options = {"data", m->config.shards, m->config.journal_file_bytes};
    m->disk->on_call = on_call;
    m->disk->context = m;
    m->starting = true;
    enum error error = recovery_run(&m->env, &options, &m->kv, &report, &message);
    if (error != ERR_OK) {
        refused(m, error, &message);
    } else if (m->dead) {
        unload(m);
    } else {
        open_shards(m);
        m->state = MACHINE_UP;
        if (m->dead)
            bury(m);
    }
    m->starting = false;
    if (m->dead)
        take_disk(m);
}

void machine_stop(struct machine *m)
{
    chronicle_note(m->chronicle, "STOP");
    m->state = MACHINE_STOPPING;
    close_shards(m);
}

/* --- steps --- */

enum { CANDIDATES_MAX = 400 };

struct candidate {
    enum { TURN, JOB, WIRE } kind;
    int shard, worker;
    struct wire *wire;
};

static void consider(struct candidate *list, size_t *count, struct candidate candidate)
{
    if (*count < CANDIDATES_MAX)
        list[(*count)++] = candidate;
}

static size_t find_candidates(struct machine *m, struct candidate *list)
{
    size_t count = 0;
    for (int i = 0; m->state != MACHINE_DOWN && i < m->broker.shard_count; i++) {
        struct shard *shard = m->shards[i];
        if (m->stalled_until_ms[i] <= m->now_ms &&
            (!list_is_empty(&shard->mailbox.mail) || m->turn_due_ms[i] <= m->now_ms ||
             wires_have_events(m, i)))
            consider(list, &count, (struct candidate){.kind = TURN, .shard = i});
        for (int w = 0; w < MACHINE_WORKERS; w++) {
            struct machine_worker *worker = &m->workers[i][w];
            if (!list_is_empty(&worker->queued) && worker->slow_until_ms <= m->now_ms)
                consider(list, &count, (struct candidate){.kind = JOB, .shard = i, .worker = w});
        }
    }
    LIST_FOR_EACH (node, &m->wires) {
        struct wire *wire = CONTAINER_OF(node, struct wire, node);
        if (wire_can_move(wire))
            consider(list, &count, (struct candidate){.kind = WIRE, .wire = wire});
    }
    return count;
}

static void turn(struct machine *m, int i)
{
    shard_read_clock(m->shards[i]);
    wires_report(m, i);
    m->turn_due_ms[i] = shard_turn(m->shards[i]);
    if (!m->calm && machine_once_in(m, 25))
        m->stalled_until_ms[i] = m->now_ms + (int64_t)machine_below(m, 60);
}

static void do_job(struct machine *m, struct machine_worker *w)
{
    run_job(w);
    /* Slow cold reads meet flushes, retention and deletions that are ahead of them. Consumers read
     * between the steps of a slow compaction. */
    const struct machine_worker *workers = m->workers[w->shard->id];
    bool is_slow = w == &workers[WORKER_READER] || w == &workers[WORKER_CLEANER];
    if (!m->calm && is_slow && machine_once_in(m, 3))
        w->slow_until_ms = m->now_ms + (int64_t)machine_below(m, 300);
    else if (!m->calm && machine_once_in(m, 8))
        w->slow_until_ms = m->now_ms + (int64_t)machine_below(m, machine_once_in(m, 10) ? 900 : 12);
}

/* With no mail under way, every request of an ended wire has reached its handler. */
static void settle_wires(struct machine *m)
{
    if (m->ended_count == 0)
        return;
    for (int i = 0; m->state != MACHINE_DOWN && i < m->broker.shard_count; i++) {
        if (!list_is_empty(&m->shards[i]->mailbox.mail))
            return;
    }
    for (size_t i = 0; i < m->ended_count; i++)
        m->settled[m->ended[i]] = m->step;
    m->ended_count = 0;
}

void machine_wire_ended(struct machine *m, uint64_t wire)
{
    if (m->ended_count == m->ended_capacity) {
        m->ended_capacity = MAX(m->ended_capacity * 2, (size_t)64);
        m->ended = xrealloc(m->ended, m->ended_capacity * sizeof *m->ended);
    }
    m->ended[m->ended_count++] = wire;
}

static void after_step(struct machine *m)
{
    if (m->dead) {
        bury(m);
        take_disk(m);
    } else if (m->state == MACHINE_STOPPING && m->closed == m->broker.shard_count) {
        wires_lose_all(m);
        dismantle(m);
        chronicle_note(m->chronicle, "stopped");
    }
    settle_wires(m);
    wires_collect(m);
}

bool machine_step(struct machine *m)
{
    struct candidate list[CANDIDATES_MAX];
    size_t count = find_candidates(m, list);
    m->step++;
    settle_wires(m);
    if (count == 0)
        return false;
    struct candidate *c = &list[machine_below(m, count)];
    if (c->kind == TURN)
        turn(m, c->shard);
    else if (c->kind == JOB)
        do_job(m, &m->workers[c->shard][c->worker]);
    else
        wire_move(c->wire);
    after_step(m);
    return true;
}

int64_t machine_due_ms(const struct machine *m)
{
    int64_t due_ms = INT64_MAX;
    for (int i = 0; m->state != MACHINE_DOWN && i < m->broker.shard_count; i++) {
        bool has_work = !list_is_empty(&m->shards[i]->mailbox.mail) || wires_have_events(m, i);
        int64_t turn_ms = has_work ? m->now_ms : m->turn_due_ms[i];
        due_ms = MIN(due_ms, MAX(turn_ms, m->stalled_until_ms[i]));
        for (int w = 0; w < MACHINE_WORKERS; w++) {
            if (!list_is_empty(&m->workers[i][w].queued))
                due_ms = MIN(due_ms, m->workers[i][w].slow_until_ms);
        }
    }
    LIST_FOR_EACH (node, &m->wires)
        due_ms = MIN(due_ms, wire_due_ms(CONTAINER_OF(node, struct wire, node)));
    return due_ms;
}

void machine_advance(struct machine *m, int64_t ms)
{
    m->now_ms += ms;
    m->chronicle->now_ms = m->now_ms;
}

void machine_init(struct machine *m, struct chronicle *chronicle, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    m->chronicle = chronicle;
    m->clock = (struct clock){monotonic_ns, wall_ms};
    m->now_ms = chronicle->now_ms = 1000;
    random_seeded_init(&m->chance, seed);
    m->disk = sim_disk_create();
    m->disk->refuse_direct = machine_once_in(m, 6);
    m->disk->refuse_direct_writes = machine_once_in(m, 6);
    list_init(&m->wires);
}

void machine_free(struct machine *m)
{
    ASSERT(m->state == MACHINE_DOWN);
    wires_lose_all(m);
    wires_collect(m);
    ASSERT(list_is_empty(&m->wires));
    sim_disk_free(m->disk);
    free(m->settled);
    free(m->ended);
}
