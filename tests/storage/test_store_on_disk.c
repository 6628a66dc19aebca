/* The store over real files and LevelDB: what the simulation cannot see. */
#include "base/crc32c.h"
#include "storage/io.h"
#include "storage/recovery.h"
#include "storage/store.h"
#include "tests/harness/harness.h"

#include <stdio.h>
#include <stdlib.h>

static const struct uuid topic_id = {{1, 2, 3, 4}};
static const struct log_config config = {.segment_bytes = 1 << 20,
                                         .segment_ms = INT64_MAX,
                                         .segment_index_bytes = 1 << 20,
                                         .index_interval_bytes = 4096,
                                         .retention_ms = -1,
                                         .retention_bytes = -1};

struct place {
    struct env env;
    char directory[300];
    struct timers timers;
    struct kv *kv;
    struct store *store;
    struct recovery_report report;
    bool closed;
};

static void on_failed(void *context, enum error error)
{
    (void)context;
    test_fail(__FILE__, __LINE__, "the store failed: %s", error_text(error));
}

static void start(struct place *p, const char *name)
{
    *p = (struct place){.env = {.clock = clock_system(),
                                .random = random_system(),
                                .io = io_posix(),
                                .kv = kv_leveldb()}};
    snprintf(p->directory, sizeof p->directory, "%s/%s", test_directory(), name);
    struct message message = {""};
    struct recovery_options recovery = {
        .data_directory = p->directory, .shard_count = 1, .journal_file_bytes = 1 << 20};
    if (recovery_run(&p->env, &recovery, &p->kv, &p->report, &message) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", message.text);
    struct store_options options = {.data_directory = p->directory,
                                    .shard_count = 1,
                                    .journal_file_bytes = 1 << 20,
                                    .checkpoint_bytes = 1 << 20,
                                    .checkpoint_interval_ms = 60000,
                                    .group_bytes = 1 << 20,
                                    .tail_cache_bytes = 1 << 20,
                                    .unflushed_bytes = 1 << 20,
                                    .journal_worker = executor_inline(),
                                    .background_worker = executor_inline(),
                                    .timers = &p->timers,
                                    .kv = p->kv,
                                    .failed = on_failed};
    if (store_open(&p->env, &options, &p->store, &message) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", message.text);
}

/* The lock on a directory ends with the process, so the next life is led in a copy. */
static void restart(struct place *p, const char *from, const char *to)
{
    char command[700];
    snprintf(command, sizeof command, "cp -a --sparse=always '%s/%s' '%s/%s'", test_directory(),
             from, test_directory(), to);
    EXPECT_INT(system(command), 0);
    start(p, to);
}

/* Ends the run; `in_order` false: as if killed (nothing more is written). */
static void on_closed(void *context, enum error result)
{
    struct place *p = context;
    EXPECT_INT(result, ERR_OK);
    p->closed = true;
}

static void stop(struct place *p, bool in_order)
{
    if (in_order) {
        store_close(p->store, on_closed, p);
        EXPECT(p->closed);
    }
    store_free(p->store);
    p->kv->driver->close(p->kv);
    timers_free(&p->timers);
}

static void count_commit(struct commit *commit, enum error result)
{
    EXPECT_INT(result, ERR_OK);
    free(commit);
}

static struct commit *new_commit(void)
{
    struct commit *commit = xcalloc(1, sizeof *commit);
    commit->done = count_commit;
    return commit;
}

/* A batch of one opaque record area; good enough for a log, which never looks inside. */
static struct shared_buffer *make_batch(size_t size)
{
    struct shared_buffer *b = shared_buffer_create(size);
    memset(b->data, 'x', size);
    memset(b->data, 0, BATCH_HEADER_SIZE);
    store_be32(b->data + 8, (uint32_t)(size - BATCH_OVERHEAD));
    b->data[16] = BATCH_MAGIC;
    store_be64(b->data + 43, (uint64_t)-1); /* no producer */
    store_be32(b->data + 57, 1);            /* one record */
    store_be32(b->data + 17, crc32c(0, b->data + 21, size - 21));
    return b;
}

static int64_t append(struct place *p, struct log *log, size_t size)
{
    struct shared_buffer *b = make_batch(size);
    int64_t base = store_append(p->store, log, b, b->data, b->size, 0);
    shared_buffer_unref(b);
    return base;
}

static void put_topic_and_batches(struct place *p, int batches)
{
    uint8_t key[17] = {ROW_TOPIC};
    memcpy(key + 1, topic_id.bytes, 16);
    store_begin(p->store);
    store_put(p->store, bytes_of(key, sizeof key), BYTES_LITERAL("topic"));
    store_commit(p->store, new_commit());
    struct log *log = store_log(p->store, topic_id, 0, &config, true);
    for (int i = 0; i < batches; i++) {
        store_begin(p->store);
        EXPECT_INT(append(p, log, 10000), i);
        store_commit(p->store, new_commit());
        store_turn(p->store, clock_monotonic_ms(p->env.clock), 0);
    }
    EXPECT_INT(log_durable_offset(log), batches);
}

TEST(what_was_committed_is_there_after_a_clean_restart)
{
    struct place p;
    start(&p, "clean");
    put_topic_and_batches(&p, 300);
    EXPECT(store_stats(p.store).checkpoints > 0);
    stop(&p, true);
    restart(&p, "clean", "clean-again");
    EXPECT(p.report.clean);
    struct log *log = store_log(p.store, topic_id, 0, &config, false);
    EXPECT(log != NULL);
    EXPECT_INT(log_next_offset(log), 300);
    stop(&p, true);
}

TEST(what_was_committed_is_there_after_a_kill)
{
    struct place p;
    start(&p, "kill");
    put_topic_and_batches(&p, 50);
    stop(&p, false);
    restart(&p, "kill", "kill-again");
    EXPECT(!p.report.clean);
    EXPECT_INT(p.report.batches, 50);
    struct log *log = store_log(p.store, topic_id, 0, &config, false);
    EXPECT(log != NULL);
    EXPECT_INT(log_next_offset(log), 50);
    store_begin(p.store);
    EXPECT_INT(append(&p, log, 100), 50);
    store_commit(p.store, NULL);
    store_turn(p.store, clock_monotonic_ms(p.env.clock), 0);
    stop(&p, true);
}

TEST(a_second_broker_is_refused)
{
    struct place p;
    start(&p, "twice");
    struct message message;
    struct kv *kv;
    struct recovery_report report;
    struct recovery_options options = {
        .data_directory = p.directory, .shard_count = 1, .journal_file_bytes = 1 << 20};
    EXPECT_INT(recovery_run(&p.env, &options, &kv, &report, &message), ERR_BUSY);
    EXPECT(strstr(message.text, p.directory) != NULL);
    stop(&p, true);
}
