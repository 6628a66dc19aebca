/* tidemilld: arguments, configuration, threads, signals. */
#include "base/pages.h"
#include "base/trace_repeats.h"
#include "base/units.h"
#include "broker/arguments.h"
#include "broker/broker.h"
#include "broker/compaction.h"
#include "broker/data_directory.h"
#include "broker/descriptors.h"
#include "broker/disk_worker.h"
#include "broker/net/acceptor.h"
#include "broker/net/loop.h"
#include "broker/start.h"
#include "broker/status.h"
#include "storage/recovery.h"
#include "storage/row_store.h"
#include "storage/segment_file.h"

#include <event2/event.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

enum { SHARDS_MAX = 64, DESCRIPTORS_MAX = 1 << 30 };

/* The disk workers of each shard. */
enum { JOURNAL, BACKGROUND, READER, CLEANER, WORKERS };
static const char *const worker_names[WORKERS] = {"journal", "background", "reader", "cleaner"};

struct program {
    struct settings settings;
    struct settings_source sources[BROKER_SETTINGS_MAX];
    struct trace trace;
    struct env env;
    struct row_store_driver rows;
    struct broker broker;
    struct shard *shards[SHARDS_MAX];
    struct loop *loops[SHARDS_MAX];
    struct disk_worker *workers[SHARDS_MAX][WORKERS];
    struct event_base *base;
    struct acceptor *acceptors[LISTENERS_MAX];
    struct kv *kv;
    int closed_descriptor; /* counts shards that are closed */
    struct event *signal_events[4];
    int signals;
    char *data_path;
    char dev_directory[64];
};

static void print_config(const struct program *p, bool changed)
{
    for (size_t i = 0; broker_setting_table[i].key; i++) {
        const struct setting *row = &broker_setting_table[i];
        if (row->type == SETTING_IGNORED || (changed && strcmp(p->sources[i].from, "default") == 0))
            continue;
        struct buffer value;
        buffer_init(&value, 1 << 20);
        setting_format(row, &p->settings, &value);
        printf("%s=%s  # %s\n", row->key, buffer_c_string(&value), p->sources[i].from);
        buffer_free(&value);
    }
}

static bool prepare_dev(struct program *p, struct arguments *a)
{
    static char directory[96];
    snprintf(p->dev_directory, sizeof p->dev_directory, "/tmp/tidemill-dev-XXXXXX");
    if (mkdtemp(p->dev_directory) == NULL) {
        perror(p->dev_directory);
        return false;
    }
    snprintf(directory, sizeof directory, "log.dirs=%s", p->dev_directory);
    /* They come first, so that explicit flags override them. */
    memmove(a->flags + 3, a->flags, (size_t)a->flag_count * sizeof a->flags[0]);
    a->flags[0] = directory;
    a->flags[1] = "auto.create.topics.enable=true";
    a->flags[2] = "listeners=PLAINTEXT://127.0.0.1:0";
    a->flag_count += 3;
    return true;
}

/* Lists every fault. With a fault the broker does not start. */
static int load_settings(struct program *p, struct arguments *a)
{
    if (a->dev && (a->flag_count + 3 > FLAGS_MAX || !prepare_dev(p, a)))
        return EXIT_CANNOT_RUN;
    struct buffer faults, ignored;
    buffer_init(&faults, 1 << 20);
    buffer_init(&ignored, 1 << 16);
    struct settings_load load = {a->file, a->flags, (const char *const *)environ};
    enum error error = settings_load(&load, &p->settings, p->sources, &faults, &ignored);
    if (error)
        fprintf(stderr, "%stidemilld: bad configuration, nothing started\n",
                buffer_c_string(&faults));
    p->trace = (struct trace){.level = (enum trace_level)p->settings.log_level,
                              .format = (enum trace_format)p->settings.log_format,
                              .clock = clock_system(),
                              .repeats = trace_repeats_create()};
    io_posix_set_trace(&p->trace);
    if (!error && ignored.size)
        trace_log(&p->trace, TRACE_INFO, "ignored keys that have no effect",
                  F_BYTES("keys", buffer_view(&ignored)));
    buffer_free(&faults);
    buffer_free(&ignored);
    return error ? EXIT_BAD_CONFIG : -1;
}

/* --- stopping --- */

static void stop_now(struct broker *broker, int exit_code, const char *reason)
{
    trace_log(broker->env->trace, TRACE_ERROR, "broker stops", F_STRING("reason", reason));
    fprintf(stderr, "tidemilld: %s\n", reason);
    _exit(exit_code); /* after a failed sync nothing more may be written */
}

static void closed(void *context, struct shard *shard)
{
    (void)shard;
    struct program *p = context;
    uint64_t one = 1;
    (void)!write(p->closed_descriptor, &one, sizeof one);
}

struct close_mail {
    struct mail mail;
    struct program *program;
};

static void begin_close(struct mail *mail, struct shard *shard)
{
    struct close_mail *m = CONTAINER_OF(mail, struct close_mail, mail);
    shard_close(shard, closed, m->program);
    free(m);
}

static void stop_shards(struct program *p)
{
    for (int i = 0; i < p->broker.shard_count; i++) {
        struct close_mail *m = xcalloc(1, sizeof *m);
        m->mail.deliver = begin_close;
        m->program = p;
        shard_post(p->shards[i], &m->mail);
    }
    for (uint64_t count = 0, more; count < (uint64_t)p->broker.shard_count; count += more) {
        if (read(p->closed_descriptor, &more, sizeof more) != sizeof more)
            more = 0;
    }
    for (int i = 0; i < p->broker.shard_count; i++)
        loop_stop(p->loops[i]);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
    (void)what;
    struct program *p = context;
    if (number == SIGHUP || number == SIGUSR1) {
        status_write(&p->broker);
        return;
    }
    if (p->signals++ > 0)
        _exit(EXIT_OK); /* a second signal: the data stays consistent */
    trace_log(&p->trace, TRACE_INFO, "stopping", F_STRING("signal", strsignal((int)number)));
    event_base_loopbreak(p->base);
}

/* --- starting --- */

static bool open_acceptors(struct program *p, struct message *message)
{
    struct acceptor_options options = {.base = p->base,
                                       .broker = &p->broker,
                                       .loops = p->loops,
                                       .loop_count = p->broker.shard_count,
                                       .congestion = p->settings.socket_congestion,
                                       .trace = &p->trace};
    struct listener_keys keys = settings_listener_keys(&p->settings);
    enum error error = listeners_parse(&keys, p->broker.listeners, &p->broker.listener_count, NULL);
    ASSERT(error == ERR_OK);
    for (int i = 0; i < p->broker.listener_count; i++) {
        if (acceptor_open(&options, &p->broker.listeners[i], &p->acceptors[i], message))
            return false;
    }
    return true;
}

static bool open_shards(struct program *p, struct message *message)
{
    struct clean_gate_limits limits = compaction_limits(&p->settings);
    p->broker.clean_gate = clean_gate_create(p->env.clock, &limits);
    for (int i = 0; i < p->broker.shard_count; i++) {
        p->loops[i] = loop_create(&p->broker, i);
        p->shards[i] = loop_shard(p->loops[i]);
        for (int w = 0; w < WORKERS; w++)
            p->workers[i][w] =
                disk_worker_start(p->shards[i], worker_names[w],
                                  w == CLEANER ? DISK_WORKER_YIELDS : DISK_WORKER_NORMAL);
    }
    for (int i = 0; i < p->broker.shard_count; i++) {
        struct disk_worker **own = p->workers[i];
        struct shard_workers workers = {.journal = disk_worker_executor(own[JOURNAL]),
                                        .background = disk_worker_executor(own[BACKGROUND]),
                                        .reader = disk_worker_executor(own[READER]),
                                        .writer = loop_writer(p->loops[i]),
                                        .cleaner = disk_worker_executor(own[CLEANER])};
        if (shard_open(p->shards[i], p->kv, &workers, message))
            return false;
    }
    return true;
}

/* One shard per two cores, at most four. On small machines a hand-off between CPUs costs more than
 * a second loop gains (docs/performance.md). */
static int choose_shards(const struct settings *s)
{
    if (s->shards > 0)
        return (int)s->shards;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return (int)MAX(1, MIN(cores / 2, 4));
}

/* Raises the limit of descriptors to its maximum, and returns it. */
static size_t raise_limit(void)
{
    struct rlimit files = {0};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return DESCRIPTORS_MAX;
    struct rlimit raised = {files.rlim_max, files.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        files = raised;
    return MIN(files.rlim_cur, (rlim_t)DESCRIPTORS_MAX);
}

static enum error take_descriptors(struct program *p, struct message *message)
{
    const struct settings *s = &p->settings;
    struct descriptor_needs needs = {
        .shards = p->broker.shard_count,
        .listeners = LISTENERS_MAX,
        .journal_files = store_journal_files(s->checkpoint_bytes, s->journal_file_bytes)};
    struct descriptor_shares shares;
    enum error error = descriptors_divide(raise_limit(), &needs, &shares, message);
    if (error != ERR_OK)
        return error;
    p->broker.descriptors = shares.connections;
    segment_file_set_limit((int)shares.segments);
    trace_log(&p->trace, TRACE_INFO, "file descriptors", F_INT("limit", shares.limit),
              F_INT("connections", shares.connections), F_INT("segments", shares.segments),
              F_INT("others", shares.own));
    return ERR_OK;
}

static void keep_memory(void)
{
    /* Buffers of up to some megabytes are allocated and freed often. malloc keeps their memory,
     * within limits, which saves page faults. Frames have their own memory (base/block_pool.h). */
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 8 << 20);
    mallopt(M_ARENA_MAX, 2);
}

static void announce(struct program *p, const struct recovery_report *report, int64_t started_ns)
{
    char addresses[256] = "";
    for (int i = 0; i < p->broker.listener_count; i++) {
        const struct endpoint *bound = &p->broker.listeners[i].bound;
        snprintf(addresses + strlen(addresses), sizeof addresses - strlen(addresses),
                 "%s%s://%.100s:%d", i ? "," : "", bound->listener, bound->host, bound->port);
    }
    double seconds = (double)(clock_system()->monotonic_ns(clock_system()) - started_ns) / 1e9;
    trace_log(&p->trace, TRACE_INFO, "tidemilld " TIDEMILL_VERSION,
              F_STRING("data", p->settings.log_dirs), F_STRING("listeners", addresses),
              F_INT("shards", p->broker.shard_count), F_INT("logs", report->logs));
    char text[64];
    snprintf(text, sizeof text, "ready in %.3fs", seconds);
    trace_log(&p->trace, TRACE_INFO, text, F_STRING("listeners", addresses));
}

static int cannot_run(const char *message)
{
    fprintf(stderr, "tidemilld: %s\n", message);
    return EXIT_CANNOT_RUN;
}

/* Called before the broker reports that it is ready: a reader of that line may stop it at once. */
static void watch_signals(struct program *p)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    _Static_assert(COUNT_OF(numbers) == COUNT_OF(p->signal_events), "an event for each");
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        p->signal_events[i] = evsignal_new(p->base, numbers[i], on_signal, p);
        event_add(p->signal_events[i], NULL);
    }
}

static void serve(struct program *p)
{
    for (int i = 0; i < p->broker.listener_count; i++)
        acceptor_start(p->acceptors[i]);
    event_base_dispatch(p->base);
    for (int i = 0; i < p->broker.listener_count; i++)
        acceptor_close(p->acceptors[i]);
    stop_shards(p);
    for (size_t i = 0; i < COUNT_OF(p->signal_events); i++)
        event_free(p->signal_events[i]);
}

static void dismantle(struct program *p)
{
    for (int i = 0; i < p->broker.shard_count; i++) {
        for (int w = 0; w < WORKERS; w++)
            disk_worker_stop(p->workers[i][w]);
    }
    shards_drain(&p->broker);
    for (int i = 0; i < p->broker.shard_count; i++) {
        shard_dismantle(p->shards[i]);
        for (int w = 0; w < WORKERS; w++)
            disk_worker_free(p->workers[i][w]);
    }
    for (int i = 0; i < p->broker.shard_count; i++)
        loop_free(p->loops[i]);
    clean_gate_free(p->broker.clean_gate);
    p->kv->driver->close(p->kv);
    listeners_free(p->broker.listeners, &p->broker.listener_count);
    event_base_free(p->base);
    close(p->closed_descriptor);
    libevent_global_shutdown();
    free(p->data_path);
    settings_unload(&p->settings);
}

static int run(struct program *p)
{
    int64_t started_ns = clock_system()->monotonic_ns(clock_system());
    p->env = (struct env){clock_system(), random_system(), &p->trace, io_posix(), NULL};
    row_store_init(&p->rows, &p->env, kv_leveldb());
    p->env.kv = &p->rows.driver;
    p->broker = (struct broker){.env = &p->env,
                                .settings = &p->settings,
                                .shards = p->shards,
                                .shard_count = choose_shards(&p->settings),
                                .node_id = (int32_t)p->settings.node_id,
                                .started_ms = started_ns / 1000000,
                                .stop = stop_now};
    p->base = event_base_new();
    p->closed_descriptor = eventfd(0, EFD_CLOEXEC);
    struct message message = {""};
    struct recovery_report report = {0};
    struct recovery_options recovery = {p->settings.log_dirs, p->broker.shard_count,
                                        p->settings.journal_file_bytes};
    if (take_descriptors(p, &message) || !open_acceptors(p, &message))
        return cannot_run(message.text);
    if (data_directory_check(p->settings.log_dirs, &message))
        return cannot_run(message.text);
    if (recovery_run(&p->env, &recovery, &p->kv, &report, &message))
        return cannot_run(message.text);
    if (!report.clean)
        pages_trim(); /* all logs of the journal were open at once */
    p->broker.data_directory = p->data_path = data_directory_path(p->settings.log_dirs);
    if (!open_shards(p, &message))
        return cannot_run(message.text);
    for (int i = 0; i < p->broker.shard_count; i++)
        loop_start(p->loops[i]);
    watch_signals(p);
    announce(p, &report, started_ns);
    serve(p);
    dismantle(p);
    return EXIT_OK;
}

static int check_or_run(struct program *p, const struct arguments *arguments)
{
    if (arguments->print)
        print_config(p, arguments->changed);
    if (arguments->check || arguments->print) {
        settings_unload(&p->settings);
        return EXIT_OK;
    }
    signal(SIGPIPE, SIG_IGN);
    keep_memory();
    return run(p);
}

int main(int count, char **values)
{
    static struct program program;
    static struct arguments arguments;
    int code = arguments_parse(count, values, &arguments);
    if (code < 0)
        code = load_settings(&program, &arguments);
    if (code < 0)
        code = check_or_run(&program, &arguments);
    if (program.dev_directory[0])
        (void)!io_remove_tree(io_posix(), program.dev_directory);
    return code;
}
