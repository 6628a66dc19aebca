#include "tests/broker/support_broker.h"

#include "broker/connection/connection.h"
#include "broker/connection/transport.h"
#include "broker/request/request.h"
#include "broker/start.h"
#include "broker/turn.h"
#include "protocol/record_batch.h"
#include "storage/io.h"
#include "storage/kv.h"
#include "storage/recovery.h"
#include "storage/row_store.h"
#include "storage/store_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    SHARDS_MAX = 4,
    FLAGS_MAX = 32,
    ROUNDS_MAX = 5000,
    BUFFER_MAX = 1 << 30,
    ROW_GENERATION_BYTES = 16 << 10
};

struct queue_executor {
    struct executor executor;
    struct list jobs;
};

struct test_clock {
    struct clock clock;
    int64_t monotonic_ms, wall_ms;
};

struct test_broker {
    struct env env;
    struct row_store_driver rows;
    struct trace trace;
    struct test_clock clock;
    struct random_seeded random;
    struct io io;
    struct io_ops io_ops;
    struct settings settings;
    struct broker broker;
    struct shard *shards[SHARDS_MAX];
    struct queue_executor journals[SHARDS_MAX], backgrounds[SHARDS_MAX], readers[SHARDS_MAX];
    struct kv *kv;
    struct arena arena;
    struct buffer log;
    struct list clients;
    struct random *order;
    void (*ended)(void *context, int code, const char *reason);
    void *ended_context;
    char directory[256];
    const char *flags[FLAGS_MAX + 1];
    int closed, held_shard;
    bool journal_held, background_held, disk_is_full;
};

struct test_transport {
    struct transport transport;
    struct test_client *client;
    bool wants_read;
};

struct test_client {
    struct list_node node;
    struct test_broker *broker;
    struct shard *shard;
    struct test_transport *transport; /* NULL once the broker closed it */
    struct connection *connection;
    struct buffer input, output; /* to the broker, from the broker */
    int32_t correlation;
};

/* --- the world --- */

static int64_t clock_now_ns(struct clock *clock)
{
    return CONTAINER_OF(clock, struct test_clock, clock)->monotonic_ms * 1000000;
}

static int64_t clock_wall(struct clock *clock)
{
    return CONTAINER_OF(clock, struct test_clock, clock)->wall_ms;
}

static void submit(struct executor *executor, struct job *job)
{
    struct queue_executor *q = CONTAINER_OF(executor, struct queue_executor, executor);
    job->node = (struct list_node){0};
    list_append(&q->jobs, &job->node);
}

static bool run_job(struct queue_executor *q)
{
    struct list_node *node = list_pop(&q->jobs);
    if (node == NULL)
        return false;
    struct job *job = CONTAINER_OF(node, struct job, node);
    job->run(job);
    job->done(job);
    return true;
}

/* No lock, because it would survive a restart within the process. */
static enum error no_lock(struct io *io, const char *path)
{
    (void)io;
    (void)path;
    return ERR_OK;
}

static enum error free_bytes(struct io *io, const char *path, int64_t *out)
{
    const struct test_broker *b = CONTAINER_OF(io, struct test_broker, io);
    if (!b->disk_is_full)
        return io_posix()->ops->free_bytes(io, path, out);
    *out = 0;
    return ERR_OK;
}

static void keep_line(struct trace *trace, struct bytes line)
{
    struct test_broker *b = CONTAINER_OF(trace, struct test_broker, trace);
    buffer_append_bytes(&b->log, line);
}

static void stop_broker(struct broker *broker, int code, const char *reason)
{
    struct test_broker *b = CONTAINER_OF(broker, struct test_broker, broker);
    if (b->ended)
        b->ended(b->ended_context, code, reason);
    test_fail(__FILE__, __LINE__, "the broker stopped with code %d: %s", code, reason);
}

/* --- start and stop --- */

static void open_shards(struct test_broker *b)
{
    struct message message = {""};
    struct recovery_report report;
    struct recovery_options options = {b->settings.log_dirs, b->broker.shard_count,
                                       b->settings.journal_file_bytes};
    if (recovery_run(&b->env, &options, &b->kv, &report, &message) != ERR_OK)
        stop_broker(&b->broker, 1, message.text);
    for (int i = 0; i < b->broker.shard_count; i++) {
        list_init(&b->journals[i].jobs);
        list_init(&b->backgrounds[i].jobs);
        list_init(&b->readers[i].jobs);
        b->journals[i].executor.submit = b->backgrounds[i].executor.submit = submit;
        b->readers[i].executor.submit = submit;
        b->shards[i] = shard_create(&b->broker, i, NULL, NULL);
    }
    for (int i = 0; i < b->broker.shard_count; i++) {
        struct shard_workers workers = {.journal = &b->journals[i].executor,
                                        .background = &b->backgrounds[i].executor,
                                        .reader = &b->readers[i].executor,
                                        .cleaner = &b->backgrounds[i].executor};
        if (shard_open(b->shards[i], b->kv, &workers, &message) != ERR_OK)
            stop_broker(&b->broker, 1, message.text);
    }
    test_settle(b);
}

static void load_settings(struct test_broker *b)
{
    struct buffer faults, ignored;
    struct settings_load load = {.flags = b->flags};
    buffer_init(&faults, 1 << 16);
    buffer_init(&ignored, 1 << 16);
    if (settings_load(&load, &b->settings, NULL, &faults, &ignored) != ERR_OK)
        test_fail(__FILE__, __LINE__, "settings: %s", buffer_c_string(&faults));
    buffer_free(&faults);
    buffer_free(&ignored);
}

static void make_world(struct test_broker *b)
{
    b->clock = (struct test_clock){{clock_now_ns, clock_wall}, 1000000, 1700000000000};
    random_seeded_init(&b->random, test_seed());
    b->io_ops = *io_posix()->ops;
    b->io_ops.lock = no_lock;
    b->io_ops.free_bytes = free_bytes;
    b->io.ops = &b->io_ops;
    b->trace = (struct trace){.level = TRACE_INFO, .clock = &b->clock.clock, .write = keep_line};
    b->env = (struct env){&b->clock.clock, &b->random.random, &b->trace, &b->io, NULL};
    row_store_init(&b->rows, &b->env, kv_leveldb());
    b->env.kv = &b->rows.driver;
}

static void make_listeners(struct test_broker *b)
{
    struct listener_keys keys = settings_listener_keys(&b->settings);
    EXPECT_INT(listeners_parse(&keys, b->broker.listeners, &b->broker.listener_count, NULL),
               ERR_OK);
}

static struct test_broker *start(const struct test_machine *machine, const char *directory,
                                 int shards, va_list flags)
{
    struct test_broker *b = xcalloc(1, sizeof *b);
    int count = 0;
    arena_init(&b->arena, BUFFER_MAX);
    buffer_init(&b->log, BUFFER_MAX);
    list_init(&b->clients);
    b->held_shard = -1;
    make_world(b);
    if (machine) {
        b->env.io = machine->io;
        b->rows.inner = machine->kv;
        b->rows.generation_bytes = ROW_GENERATION_BYTES;
        b->order = machine->order;
        b->ended = machine->ended;
        b->ended_context = machine->context;
        random_seeded_init(&b->random, machine->seed);
    }
    snprintf(b->directory, sizeof b->directory, "%s", directory);
    b->flags[count++] = arena_printf(&b->arena, "log.dirs=%s", b->directory);
    b->flags[count++] = "tidemill.journal.file.bytes=1MiB";
    b->flags[count++] = "tidemill.checkpoint.bytes=4MiB";
    b->flags[count++] = "group.initial.rebalance.delay.ms=0";
    b->flags[count++] = "tidemill.min.free.bytes=0";
    b->flags[count++] = "advertised.listeners=PLAINTEXT://broker.test:9092";
    for (const char *flag; (flag = va_arg(flags, const char *)) && count < FLAGS_MAX;)
        b->flags[count++] = flag;
    load_settings(b);
    b->broker = (struct broker){.env = &b->env,
                                .settings = &b->settings,
                                .shards = b->shards,
                                .shard_count = shards,
                                .node_id = (int32_t)b->settings.node_id,
                                .data_directory = b->directory,
                                .stop = stop_broker};
    make_listeners(b);
    open_shards(b);
    return b;
}

struct test_broker *test_broker_start(int shards, ...)
{
    static int directories;
    char directory[256];
    va_list flags;
    snprintf(directory, sizeof directory, "%s/data-%d", test_directory(), directories++);
    va_start(flags, shards);
    struct test_broker *b = start(NULL, directory, shards, flags);
    va_end(flags);
    return b;
}

struct test_broker *test_broker_start_on(const struct test_machine *machine, int shards, ...)
{
    va_list flags;
    va_start(flags, shards);
    struct test_broker *b = start(machine, machine->directory, shards, flags);
    va_end(flags);
    return b;
}

static void closed(void *context, struct shard *shard)
{
    struct test_broker *b = context;
    (void)shard;
    b->closed++;
}

static void close_shards(struct test_broker *b)
{
    b->closed = 0;
    for (int i = 0; i < b->broker.shard_count; i++) {
        shard_read_clock(b->shards[i]);
        shard_close(b->shards[i], closed, b);
    }
    test_settle(b);
    for (int i = 0; i < 100 && b->closed < b->broker.shard_count; i++)
        test_advance(b, 100); /* until a full disk has room */
    EXPECT_INT(b->closed, b->broker.shard_count);
    for (int i = 0; i < b->broker.shard_count; i++)
        shard_dismantle(b->shards[i]);
    for (int i = 0; i < b->broker.shard_count; i++)
        shard_free(b->shards[i]);
    b->kv->driver->close(b->kv);
}

static void free_clients(struct test_broker *b)
{
    for (struct list_node *node; (node = list_pop(&b->clients));) {
        struct test_client *c = CONTAINER_OF(node, struct test_client, node);
        buffer_free(&c->input);
        buffer_free(&c->output);
        free(c);
    }
}

void test_broker_restart_with(struct test_broker *b, int shards)
{
    close_shards(b);
    free_clients(b);
    b->broker.cluster_id[0] = '\0';
    b->broker.shard_count = shards;
    open_shards(b);
}

void test_broker_restart(struct test_broker *b)
{
    test_broker_restart_with(b, b->broker.shard_count);
}

static void run_command(const char *command)
{
    if (system(command) != 0)
        test_fail(__FILE__, __LINE__, "failed: %s", command);
}

/* Keeps the files as they are now, and brings them back after the regular end. */
void test_broker_crash(struct test_broker *b)
{
    const char *at = b->directory;
    run_command(arena_printf(&b->arena, "cp -a '%s' '%s.crash'", at, at));
    close_shards(b);
    free_clients(b);
    run_command(arena_printf(&b->arena, "rm -r '%s' && mv '%s.crash' '%s'", at, at, at));
    b->broker.cluster_id[0] = '\0';
    open_shards(b);
}

void test_broker_free(struct test_broker *b)
{
    close_shards(b);
    free_clients(b);
    listeners_free(b->broker.listeners, &b->broker.listener_count);
    settings_unload(&b->settings);
    arena_free(&b->arena);
    buffer_free(&b->log);
    free(b);
}

struct shard *test_shard(struct test_broker *b, int shard)
{
    return b->shards[shard];
}

int test_shard_count(const struct test_broker *b)
{
    return b->broker.shard_count;
}

struct arena *test_arena(struct test_broker *b)
{
    return &b->arena;
}

const char *test_log(struct test_broker *b)
{
    return buffer_c_string(&b->log);
}

/* --- turns --- */

static bool feed(struct test_client *c)
{
    if (c->transport == NULL || c->input.size == 0 || !c->transport->wants_read)
        return false;
    size_t before = c->input.size;
    connection_readable(c->connection);
    return c->input.size != before;
}

/* Whether a job or a shard has its turn in this round. */
static bool is_drawn(struct test_broker *b)
{
    return b->order == NULL || random_below(b->order, 4) != 0;
}

static bool has_jobs(const struct test_broker *b, int shard)
{
    return (!b->background_held && !list_is_empty(&b->backgrounds[shard].jobs)) ||
           !list_is_empty(&b->readers[shard].jobs) ||
           (!b->journal_held && !list_is_empty(&b->journals[shard].jobs));
}

static bool turn_shard(struct test_broker *b, int i)
{
    struct shard *shard = b->shards[i];
    shard_read_clock(shard);
    bool moved = has_jobs(b, i) || !list_is_empty(&shard->mailbox.mail);
    if (!b->journal_held && is_drawn(b))
        run_job(&b->journals[i]);
    if (!b->background_held && is_drawn(b))
        run_job(&b->backgrounds[i]);
    if (is_drawn(b))
        run_job(&b->readers[i]);
    if (!is_drawn(b))
        return true;
    moved |= !list_is_empty(&shard->mailbox.mail);
    moved |= shard_turn(shard) <= shard->now_ms;
    return moved || has_jobs(b, i);
}

/* One round: input, a job of each worker, a turn of each shard. True if there was progress. */
static bool round_of_turns(struct test_broker *b)
{
    bool moved = false;
    LIST_FOR_EACH_SAFE (node, &b->clients) {
        struct test_client *c = CONTAINER_OF(node, struct test_client, node);
        shard_read_clock(c->shard);
        moved |= feed(c);
    }
    for (int i = 0; i < b->broker.shard_count; i++)
        moved |= i != b->held_shard && turn_shard(b, i);
    return moved;
}

void test_round(struct test_broker *b)
{
    (void)round_of_turns(b);
}

void test_settle(struct test_broker *b)
{
    int quiet = 0;
    for (int i = 0; quiet < 3; i++) {
        if (i == ROUNDS_MAX)
            test_fail(__FILE__, __LINE__, "the broker does not come to rest");
        quiet = round_of_turns(b) ? 0 : quiet + 1;
    }
}

void test_hold_journal(struct test_broker *b, bool hold)
{
    b->journal_held = hold;
}

static void note_stop(struct broker *broker, int code, const char *reason)
{
    (void)broker, (void)reason;
    EXPECT_INT(code, 4);
}

void test_fail_journal(struct test_broker *b, int shard)
{
    struct store *store = test_shard(b, shard)->store;
    b->broker.stop = note_stop;
    store_enter(store);
    store_fail(store, ERR_IO);
    store_leave(store);
}

void test_hold_background(struct test_broker *b, bool hold)
{
    b->background_held = hold;
}

void test_fill_disk(struct test_broker *b, bool full)
{
    b->disk_is_full = full;
}

void test_leap(struct test_broker *b, int64_t ms)
{
    b->clock.wall_ms += ms;
}

void test_hold_shard(struct test_broker *b, int shard)
{
    b->held_shard = shard;
}

void test_advance(struct test_broker *b, int64_t ms)
{
    b->clock.monotonic_ms += ms;
    b->clock.wall_ms += ms;
    test_settle(b);
}

/* --- clients --- */

static ssize_t transport_read(struct transport *t, void *data, size_t size)
{
    struct test_client *c = CONTAINER_OF(t, struct test_transport, transport)->client;
    size_t part = MIN(size, c->input.size);
    if (part == 0)
        return TRANSPORT_AGAIN;
    memcpy(data, c->input.data, part);
    buffer_consume(&c->input, part);
    return (ssize_t)part;
}

static ssize_t transport_write(struct transport *t, const struct iovec *parts, int count)
{
    struct test_client *c = CONTAINER_OF(t, struct test_transport, transport)->client;
    ssize_t size = 0;
    for (int i = 0; i < count; i++) {
        buffer_append(&c->output, parts[i].iov_base, parts[i].iov_len);
        size += (ssize_t)parts[i].iov_len;
    }
    return size;
}

static ssize_t transport_send_file(struct transport *t, int descriptor, int64_t position,
                                   size_t size)
{
    struct test_client *c = CONTAINER_OF(t, struct test_transport, transport)->client;
    uint8_t *at = buffer_reserve(&c->output, size);
    ssize_t got = pread(descriptor, at, size, position);
    if (got <= 0)
        return TRANSPORT_CLOSED;
    c->output.size += (size_t)got;
    return got;
}

static void transport_want(struct transport *t, bool read, bool write)
{
    CONTAINER_OF(t, struct test_transport, transport)->wants_read = read;
    (void)write;
}

static bool transport_pending(struct transport *t)
{
    (void)t;
    return false;
}

static void transport_close(struct transport *t)
{
    struct test_transport *own = CONTAINER_OF(t, struct test_transport, transport);
    own->client->transport = NULL;
    free(own);
}

static const struct transport_ops transport_ops = {
    .read = transport_read,
    .write = transport_write,
    .send_file = transport_send_file,
    .want = transport_want,
    .pending = transport_pending,
    .close = transport_close,
};

struct test_client *test_client_open(struct test_broker *b, int shard)
{
    return test_client_open_at(b, shard, 0);
}

struct test_client *test_client_open_at(struct test_broker *b, int shard, int listener)
{
    struct test_client *c = xcalloc(1, sizeof *c);
    c->broker = b;
    c->shard = b->shards[shard % b->broker.shard_count];
    buffer_init(&c->input, BUFFER_MAX);
    buffer_init(&c->output, BUFFER_MAX);
    c->transport = xcalloc(1, sizeof *c->transport);
    *c->transport = (struct test_transport){{.ops = &transport_ops}, c, true};
    list_append(&b->clients, &c->node);
    c->connection = connection_create(c->shard, &b->broker.listeners[listener],
                                      &c->transport->transport, "10.0.0.1");
    return c;
}

void test_client_close(struct test_client *c)
{
    if (c->transport)
        connection_close(c->connection);
}

struct test_broker *test_broker_of(struct test_client *c)
{
    return c->broker;
}

bool test_client_is_closed(const struct test_client *c)
{
    return c->transport == NULL;
}

void test_send(struct test_client *c, int16_t api_key, int16_t version, const void *request)
{
    const struct api_messages *api = api_messages(api_key);
    struct buffer frame;
    struct writer w;
    buffer_init(&frame, BUFFER_MAX);
    writer_init(&w, &frame);
    write_request_header(&w, &(struct request_header){.api_key = api_key,
                                                      .api_version = version,
                                                      .correlation_id = ++c->correlation,
                                                      .client_id = BYTES_LITERAL("test")});
    EXPECT_INT(schema_encode(api->request, version, request, &w), ERR_OK);
    writer_free(&w);
    buffer_append_be32(&c->input, (uint32_t)frame.size);
    buffer_append_bytes(&c->input, buffer_view(&frame));
    buffer_free(&frame);
}

bool test_has_response(struct test_client *c)
{
    return c->output.size >= 4 && c->output.size - 4 >= load_be32(c->output.data);
}

void *test_receive(struct test_client *c, int16_t api_key, int16_t version)
{
    const struct api_messages *api = api_messages(api_key);
    struct arena *arena = &c->broker->arena;
    if (!test_has_response(c))
        test_fail(__FILE__, __LINE__, "no answer to %s v%d%s", api->name, version,
                  c->transport ? "" : ", the connection was closed");
    size_t size = load_be32(c->output.data);
    struct bytes frame = arena_copy(arena, bytes_of(c->output.data + 4, size));
    buffer_consume(&c->output, 4 + size);
    struct reader r = reader_of(frame);
    (void)read_i32(&r);
    if (api_response_header_version(api, version) == 1)
        EXPECT_INT(read_uvarint(&r), 0);
    void *response = arena_alloc(arena, schema_size(api->response));
    EXPECT_INT(schema_decode(api->response, version, &r, arena, response), ERR_OK);
    EXPECT_INT(reader_left(&r), 0);
    return response;
}

void *test_call(struct test_client *c, int16_t api, int16_t version, const void *request)
{
    test_send(c, api, version, request);
    test_settle(c->broker);
    return test_receive(c, api, version);
}

/* --- topics and records --- */

void test_create_topic(struct test_client *c, const char *name, int32_t partitions, ...)
{
    struct create_topics_request request;
    struct create_topics_request_topics topic = {
        .name = bytes_string(name), .num_partitions = partitions, .replication_factor = 1};
    struct create_topics_request_topics_configs configs[32];
    va_list list;
    va_start(list, partitions);
    for (const char *config; (config = va_arg(list, const char *));) {
        const char *equals = strchr(config, '=');
        configs[topic.configs_count++] = (struct create_topics_request_topics_configs){
            bytes_of(config, (size_t)(equals - config)), bytes_string(equals + 1)};
    }
    va_end(list);
    topic.configs = configs;
    schema_defaults(&create_topics_request_schema, &request);
    request.topics = &topic;
    request.topics_count = 1;
    struct create_topics_response *response = test_call(c, API_CREATE_TOPICS, 7, &request);
    EXPECT_INT(response->topics_count, 1);
    if (response->topics[0].error_code != KAFKA_NONE)
        test_fail(__FILE__, __LINE__, "creating %s: %.*s", name,
                  BYTES_PRINTF(response->topics[0].error_message));
}

struct uuid test_topic_id(struct test_broker *b, const char *name)
{
    struct topic *topic = catalog_by_name(b->shards[0]->catalog, bytes_string(name));
    EXPECT(topic != NULL);
    return topic->id;
}

struct bytes test_make_batch(struct test_broker *b, const struct test_batch *batch)
{
    struct batch_builder builder;
    struct buffer out;
    int64_t timestamp = batch->timestamp ? batch->timestamp : b->clock.wall_ms;
    struct bytes key = batch->keyless ? BYTES_NULL : bytes_string(batch->key ? batch->key : "k");
    buffer_init(&out, BUFFER_MAX);
    batch_builder_init(&builder, &out, (enum codec)batch->codec);
    if (batch->idempotent) {
        builder.producer_id = batch->producer_id;
        builder.producer_epoch = batch->epoch;
        builder.base_sequence = batch->sequence;
    }
    for (int i = 0; i < batch->count; i++) {
        size_t size = MAX(batch->value_size, (size_t)12);
        char *value = arena_alloc(&b->arena, size + 1);
        memset(value, '.', size);
        size_t used = (size_t)snprintf(value, size + 1, "v%d", i);
        value[used] = '.';
        batch_builder_add(&builder, timestamp, key, bytes_of(value, size), BYTES_NULL, 0);
    }
    struct bytes made = arena_copy(&b->arena, batch_builder_finish(&builder));
    buffer_free(&out);
    return made;
}

struct produce_response_responses_partition_responses *
test_produce_bytes(struct test_client *c, int16_t version, const char *topic, int32_t partition,
                   struct bytes records)
{
    struct produce_request request;
    struct produce_request_topic_data_partition_data data = {.index = partition,
                                                             .records.bytes = records};
    struct produce_request_topic_data topics = {
        .name = bytes_string(topic), .partition_data = &data, .partition_data_count = 1};
    schema_defaults(&produce_request_schema, &request);
    request.acks = -1;
    request.timeout_ms = 1000;
    request.topic_data = &topics;
    request.topic_data_count = 1;
    struct produce_response *response = test_call(c, API_PRODUCE, version, &request);
    EXPECT_INT(response->responses_count, 1);
    EXPECT_INT(response->responses[0].partition_responses_count, 1);
    return &response->responses[0].partition_responses[0];
}

struct produce_response_responses_partition_responses *test_produce(struct test_client *c,
                                                                    const char *topic,
                                                                    int32_t partition,
                                                                    const struct test_batch *batch)
{
    return test_produce_bytes(c, 9, topic, partition, test_make_batch(c->broker, batch));
}

struct fetch_request *test_fetch_request(struct test_client *c, const char *topic,
                                         int32_t partition, int64_t offset)
{
    struct arena *arena = &c->broker->arena;
    struct fetch_request *request = arena_alloc(arena, sizeof *request);
    schema_defaults(&fetch_request_schema, request);
    request->topics = schema_array(&fetch_request_topics_schema, 1, arena);
    request->topics_count = 1;
    request->topics[0].topic = bytes_string(topic);
    request->topics[0].partitions = schema_array(&fetch_request_topics_partitions_schema, 1, arena);
    request->topics[0].partitions_count = 1;
    struct fetch_request_topics_partitions *p = &request->topics[0].partitions[0];
    p->partition = partition;
    p->fetch_offset = offset;
    p->partition_max_bytes = 1 << 20;
    request->min_bytes = 1;
    return request;
}

struct fetch_response_responses_partitions *test_fetch(struct test_client *c, const char *topic,
                                                       int32_t partition, int64_t offset)
{
    struct fetch_response *response =
        test_call(c, API_FETCH, 12, test_fetch_request(c, topic, partition, offset));
    EXPECT_INT(response->error_code, KAFKA_NONE);
    EXPECT_INT(response->responses_count, 1);
    EXPECT_INT(response->responses[0].partitions_count, 1);
    return &response->responses[0].partitions[0];
}

void test_trim(struct test_client *c, const char *topic, int32_t partition, int64_t offset)
{
    struct delete_records_request_topics_partitions p = {partition, offset};
    struct delete_records_request_topics t = {
        .name = bytes_string(topic), .partitions = &p, .partitions_count = 1};
    struct delete_records_request request;
    schema_defaults(&delete_records_request_schema, &request);
    request.topics = &t;
    request.topics_count = 1;
    struct delete_records_response *r = test_call(c, API_DELETE_RECORDS, 2, &request);
    EXPECT_INT(r->topics[0].partitions[0].error_code, KAFKA_NONE);
}

int test_count_records(struct bytes records, int64_t offset)
{
    int count = 0;
    struct arena arena;
    arena_init(&arena, BUFFER_MAX);
    for (size_t size; (size = batch_size(records)) > 0 && size <= records.size;) {
        struct record_iterator i;
        struct record record;
        EXPECT(batch_crc_is_right(bytes_of(records.data, size)));
        EXPECT_INT(records_open(bytes_of(records.data, size), &arena, BUFFER_MAX, &i), ERR_OK);
        while (records_next(&i, &record))
            count += record.offset >= offset;
        EXPECT(!i.failed);
        records = bytes_from(records, size);
    }
    arena_free(&arena);
    return count;
}

int test_first_shard_count(void)
{
    return (int)test_option("shards", 1);
}

int test_next_shard_count(int shards)
{
    if (test_option("shards", 0) != 0)
        return 0;
    return shards < 4 ? shards * 2 : 0;
}
