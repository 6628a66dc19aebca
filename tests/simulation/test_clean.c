/* Crashes at the calls of short random histories of a compacted partition, recovers, and reads
 * everything. A crash never loses the last record of a key, never brings a deleted key back, and
 * never leaves a cleaner's files. Sometimes it goes on and crashes again.
 *
 *   simulation_test_clean --states N --seed S */
#include "base/compiler.h"
#include "storage/clean_map.h"
#include "storage/segment_file.h"
#include "storage/store_rows.h"
#include "tests/harness/harness.h"
#include "tests/simulation/support_life.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ACTIONS = 150, KEYS = 12, RECORDS_MAX = 20000, ROOM = 1 << 20, HORIZON_MS = 3000 };

static const struct uuid topic = {{7, 7, 7}};

/* All records that were ever appended, by offset. */
struct content {
    uint8_t key[RECORDS_MAX];
    bool tombstone[RECORDS_MAX];
    int64_t count, acknowledged, acknowledged_start, start;
};

struct campaign {
    uint64_t states, target, seed, cleanings, kills, went_on, dropped, undone, finished, filled;
    bool keeps_tombstones;
    struct random_seeded random;
};

struct explorer {
    struct campaign *campaign;
    const struct content *content;
    int depth;
    uint64_t one_in;
};

__attribute__((noreturn)) static void fail(const struct campaign *c, const char *what, int64_t at)
{
    printf("after %" PRIu64 " states: %s (%" PRId64 ")\n", c->states, what, at);
    printf("replay: simulation_test_clean --states 1 --seed %" PRIu64 "\n", c->seed);
    _exit(1);
}

static uint64_t draw(struct campaign *c, uint64_t bound)
{
    return random_below(&c->random.random, bound);
}

/* --- the history --- */

static struct log_config config_of(const struct campaign *c)
{
    struct log_config config = life_log_config;
    config.segment_bytes = 700;
    config.index_interval_bytes = 150;
    config.delete_enabled = false;
    config.compact_enabled = true;
    config.min_cleanable_ratio = 0.1;
    config.max_compaction_lag_ms = INT64_MAX;
    config.delete_retention_ms = c->keeps_tombstones ? INT64_MAX : HORIZON_MS;
    return config;
}

static struct log *log_of(struct campaign *c, struct life *life)
{
    struct log_config config = config_of(c);
    return store_log(life->stores[0], topic, 0, &config, true);
}

struct produce_commit {
    struct commit commit;
    struct content *content;
    int64_t end, start;
};

static void on_commit(struct commit *commit, enum error result)
{
    struct produce_commit *p = CONTAINER_OF(commit, struct produce_commit, commit);
    if (result == ERR_OK) {
        p->content->acknowledged = MAX(p->content->acknowledged, p->end);
        p->content->acknowledged_start = MAX(p->content->acknowledged_start, p->start);
    }
    free(p);
}

static void commit(struct life *life, struct content *content)
{
    struct produce_commit *p = xcalloc(1, sizeof *p);
    *p = (struct produce_commit){{.done = on_commit}, content, content->count, content->start};
    store_commit(life->stores[0], &p->commit);
}

static struct bytes value_of(int64_t offset, char out[64])
{
    snprintf(out, 64, "value at %lld %.*s", (long long)offset, (int)(offset % 40),
             "........................................");
    return bytes_string(out);
}

/* A start sets the files of a topic without a row aside. */
static void put_topic(struct store *store)
{
    struct row_key key = row_key_topic(topic);
    store_put(store, row_key_view(&key), BYTES_LITERAL("\1topic"));
}

static void produce(struct campaign *c, struct life *life, struct content *content)
{
    struct buffer out;
    struct batch_builder b;
    if (content->count + 6 > RECORDS_MAX || !store_accepts(life->stores[0]))
        return;
    buffer_init(&out, ROOM);
    batch_builder_init(&b, &out, (enum codec)(draw(c, 4) ? 0 : draw(c, CODEC_COUNT)));
    for (uint64_t left = 1 + draw(c, 5); left > 0; left--) {
        int64_t offset = content->count++;
        content->key[offset] = (uint8_t)draw(c, KEYS);
        content->tombstone[offset] = draw(c, 4) == 0;
        char text[64];
        batch_builder_add(&b, life->now_ms, bytes_of(&content->key[offset], 1),
                          content->tombstone[offset] ? BYTES_NULL : value_of(offset, text),
                          BYTES_NULL, 0);
    }
    struct bytes batch = batch_builder_finish(&b);
    struct shared_buffer *shared = shared_buffer_create(batch.size);
    memcpy(shared->data, batch.data, batch.size);
    store_begin(life->stores[0]);
    put_topic(life->stores[0]);
    store_append(life->stores[0], log_of(c, life), shared, shared->data, batch.size, life->now_ms);
    commit(life, content);
    shared_buffer_unref(shared);
    buffer_free(&out);
}

static void move_start(struct campaign *c, struct life *life, struct content *content)
{
    struct log *log = log_of(c, life);
    int64_t room = content->acknowledged - MAX(log_start_offset(log), content->start);
    if (room <= 0)
        return;
    content->start = content->acknowledged - room + 1 + (int64_t)draw(c, (uint64_t)room / 3 + 1);
    content->start = MIN(content->start, content->acknowledged);
    store_begin(life->stores[0]);
    store_set_log_start(life->stores[0], log, content->start);
    commit(life, content);
}

/* The cleaner gives up when the topic is not compacted any more. */
static void change_policy(struct campaign *c, struct life *life)
{
    struct log_config config = config_of(c);
    config.compact_enabled = draw(c, 2);
    log_configure(log_of(c, life), &config);
}

static void act(struct campaign *c, struct life *life, struct content *content)
{
    uint64_t kind = draw(c, 20);
    if (kind < 6)
        produce(c, life, content);
    else if (kind == 6 && draw(c, 6) == 0)
        move_start(c, life, content);
    else if (kind == 6 && draw(c, 6) == 0)
        change_policy(c, life);
    else if (kind < 10)
        life_turn(life, 0, (int64_t)draw(c, 400));
    else
        life_step(life);
}

/* --- the check --- */

static void note_swap(void *context, const char *name)
{
    if (strstr(name, ".swap"))
        ++*(int64_t *)context;
}

static void note_name(void *context, const char *name)
{
    (void)name;
    ++*(int64_t *)context;
}

static void nothing(struct job *job)
{
    (void)job;
}

/* Compares a whole read with the content; `seen` gets what is there. */
static void check_batches(struct campaign *c, const struct content *content, struct bytes rest,
                          bool *seen)
{
    struct arena arena;
    arena_init(&arena, ROOM);
    for (; rest.size > 0; rest = bytes_from(rest, batch_size(rest))) {
        struct record_iterator records;
        struct record r;
        char text[64];
        if (!batch_crc_is_right(rest) || records_open(rest, &arena, ROOM, &records) != ERR_OK)
            fail(c, "a batch is damaged", 0);
        while (records_next(&records, &r)) {
            bool tombstone = r.offset < content->count && content->tombstone[r.offset];
            struct bytes value = tombstone ? BYTES_NULL : value_of(r.offset, text);
            if (r.offset >= content->count || seen[r.offset] || r.key.size != 1 ||
                r.key.data[0] != content->key[r.offset] || bytes_is_null(r.value) != tombstone ||
                !bytes_equal(r.value, value))
                fail(c, "a record is not what was written at its offset", r.offset);
            seen[r.offset] = true;
        }
        if (records.failed)
            fail(c, "the records of a batch are damaged", records.header.base_offset);
        arena_reset(&arena);
    }
    arena_free(&arena);
}

static void read_all(struct campaign *c, const struct content *content, struct life *life,
                     bool *seen)
{
    struct log *log = log_of(c, life);
    int64_t offset = log_start_offset(log), end = log_next_offset(log);
    while (offset < end) {
        struct log_read_job job = {.job.done = nothing,
                                   .log = log,
                                   .offset = offset,
                                   .end_offset = end,
                                   .max_bytes = 2000,
                                   .at_least_one = true};
        log_read_submit(&life->executors[0].executor, &job);
        while (log_busy(log) && life_step(life))
            continue;
        if (job.result != ERR_OK)
            fail(c, "an offset cannot be read", offset);
        if (job.slice == NULL)
            break; /* a hole up to the end */
        uint8_t *bytes = xmalloc(job.slice->size);
        if (log_slice_copy(life->env.io, job.slice, bytes) != ERR_OK)
            fail(c, "a slice cannot be read", offset);
        check_batches(c, content, bytes_of(bytes, job.slice->size), seen);
        offset = job.slice->next_offset;
        free(bytes);
        log_slice_unref(job.slice);
    }
}

static void check_keys(struct campaign *c, const struct content *content, struct log *log,
                       const bool *seen)
{
    int64_t last[KEYS], start = log_start_offset(log), end = log_next_offset(log);
    int64_t dirty = log_state(log).first_dirty_offset;
    memset(last, 0xff, sizeof last);
    for (int64_t offset = start; offset < end; offset++) {
        last[content->key[offset]] = offset;
        if (!seen[offset] && offset >= dirty)
            fail(c, "a record is gone that no cleaner may touch", offset);
        c->dropped += !seen[offset];
    }
    for (int key = 0; key < KEYS; key++) {
        int64_t at = last[key];
        if (at < 0 || seen[at])
            continue;
        if (!content->tombstone[at] || c->keeps_tombstones)
            fail(c, "the last record of a key is gone", at);
        for (int64_t offset = start; offset < at; offset++) {
            if (seen[offset] && content->key[offset] == key)
                fail(c, "a deleted key is back", offset);
        }
    }
}

/* On an open life. */
static void check(struct campaign *c, const struct content *content, struct life *life)
{
    struct log *log = log_of(c, life);
    int64_t end = log_next_offset(log);
    if (end < content->acknowledged || end > content->count)
        fail(c, "the log has another end", end);
    if (log_start_offset(log) < content->acknowledged_start ||
        log_start_offset(log) > content->start)
        fail(c, "the log has another start", log_start_offset(log));
    bool *seen = xcalloc(RECORDS_MAX, sizeof *seen);
    read_all(c, content, life, seen);
    check_keys(c, content, log, seen);
    free(seen);
}

static void check_files(struct campaign *c, struct sim_disk *disk)
{
    int64_t swaps = 0, lists = 0;
    char *directory = partition_directory("data", topic, 0);
    (void)!disk->io.ops->list(&disk->io, directory, note_swap, &swaps);
    (void)!disk->io.ops->list(&disk->io, "data/cleaning", note_name, &lists);
    free(directory);
    if (swaps + lists > 0)
        fail(c, "files of a cleaner are left", swaps);
}

/* --- crashes --- */

static void explore(void *context, struct sim_disk *disk);

static void open_life(struct campaign *c, struct life *life, struct sim_disk *disk)
{
    if (life_recover(life, disk, 1, random_u64(&c->random.random)) != ERR_OK)
        fail(c, life->message.text, 0);
    if (life->report.damaged_logs > 0)
        fail(c, "the partition is taken for damaged", 0);
    check_files(c, disk);
    life->checkpoint_interval_ms = 300 + (int64_t)draw(c, 3000);
    life->clean_map_bytes = CLEAN_MAP_SLOT * (draw(c, 2) ? 4 + draw(c, 8) : 1000);
    if (life_open(life) != ERR_OK)
        fail(c, life->message.text, 0);
}

static void recover_and_check(struct explorer *e, struct sim_disk *disk)
{
    struct campaign *c = e->campaign;
    struct life life;
    struct content *copy = xmalloc(sizeof *copy);
    *copy = *e->content;
    struct explorer deeper = {c, copy, e->depth + 1, e->depth == 0 ? 30 : UINT64_MAX};
    if (e->depth < 2) {
        disk->on_call = explore;
        disk->context = &deeper;
    }
    open_life(c, &life, disk);
    check(c, copy, &life);
    c->states++;
    if (e->depth < 2 && draw(c, 20) == 0) {
        c->went_on++;
        copy->count = copy->acknowledged = log_next_offset(log_of(c, &life));
        copy->start = copy->acknowledged_start = log_start_offset(log_of(c, &life));
        for (int i = 0; i < 60; i++)
            act(c, &life, copy);
        life_settle(&life);
        check(c, copy, &life);
    }
    disk->on_call = NULL;
    life_end(&life);
    free(copy);
}

static void explore(void *context, struct sim_disk *disk)
{
    struct explorer *e = context;
    struct campaign *c = e->campaign;
    if (e->one_in == UINT64_MAX || draw(c, e->one_in) != 0)
        return;
    enum crash_kind kind = (enum crash_kind)draw(c, CRASH_KINDS);
    struct sim_disk *left = sim_disk_crash(disk, kind, random_u64(&c->random.random));
    c->kills += kind == CRASH_KILL;
    recover_and_check(e, left);
    sim_disk_free(left);
}

static void run_history(struct campaign *c)
{
    struct sim_disk *disk = sim_disk_create();
    struct content *content = xcalloc(1, sizeof *content);
    random_seeded_init(&c->random, c->seed);
    c->keeps_tombstones = c->seed % 3 == 0;
    struct explorer e = {c, content, 0, 4};
    for (uint64_t lives = 1 + draw(c, 2); lives > 0; lives--) {
        struct life life;
        open_life(c, &life, disk);
        disk->on_call = explore;
        disk->context = &e;
        for (int i = 0; i < ACTIONS; i++) {
            if (c->seed % 4 == 1 && draw(c, 30) == 0) {
                disk->free_bytes = disk->free_bytes < 10000 ? INT64_MAX / 2 : 5000;
                c->filled++;
            }
            act(c, &life, content);
        }
        disk->free_bytes = INT64_MAX / 2;
        if (draw(c, 2)) {
            life_settle(&life);
            check(c, content, &life);
            if (c->seed % 4 != 1) /* on a full disk it tries again later */
                check_files(c, disk);
        }
        c->cleanings += store_stats(life.stores[0]).cleanings;
        life_close(&life);
        if (life.close_result != ERR_OK || life.failures > 0)
            fail(c, "the store did not close in order", 0);
        disk->on_call = NULL;
        life_end(&life);
    }
    sim_disk_free(disk);
    free(content);
}

/* --- damage --- */

struct two_partitions {
    struct life life;
    struct log *logs[2];
};

static void fill_both(struct campaign *c, struct two_partitions *t, int batches)
{
    struct log_config config = config_of(c);
    for (int p = 0; p < 2; p++)
        t->logs[p] = store_log(t->life.stores[0], topic, p, &config, true);
    for (int i = 0; i < batches; i++) {
        store_begin(t->life.stores[0]);
        put_topic(t->life.stores[0]);
        for (int p = 0; p < 2; p++) {
            struct buffer out;
            struct batch_builder b;
            uint8_t key = (uint8_t)(i % 3);
            buffer_init(&out, ROOM);
            batch_builder_init(&b, &out, CODEC_NONE);
            batch_builder_add(&b, t->life.now_ms, bytes_of(&key, 1), BYTES_LITERAL("a value"),
                              BYTES_NULL, 0);
            struct bytes batch = batch_builder_finish(&b);
            struct shared_buffer *shared = shared_buffer_create(batch.size);
            memcpy(shared->data, batch.data, batch.size);
            store_append(t->life.stores[0], t->logs[p], shared, shared->data, batch.size, 0);
            shared_buffer_unref(shared);
            buffer_free(&out);
        }
        store_commit(t->life.stores[0], NULL);
        life_settle(&t->life);
    }
}

static void pass_time(struct life *life)
{
    for (int i = 0; i < 40; i++) {
        life_turn(life, 0, 500);
        life_settle(life);
    }
}

TEST(a_damaged_partition_is_not_compacted_and_the_others_are)
{
    struct campaign c = {.keeps_tombstones = true};
    struct sim_disk *disk = sim_disk_create();
    struct two_partitions t;
    if (life_recover(&t.life, disk, 1, 1) != ERR_OK)
        fail(&c, t.life.message.text, 0);
    t.life.clean_map_bytes = 10000;
    EXPECT_INT(life_open(&t.life), ERR_OK);
    fill_both(&c, &t, 5); /* less than a segment */
    pass_time(&t.life);
    EXPECT_INT(store_stats(t.life.stores[0]).cleanings, 0);
    char *directory = partition_directory("data", topic, 1);
    char *path = segment_path(directory, 0, SEGMENT_LOG);
    sim_disk_flip(disk, path, 70, 1);
    fill_both(&c, &t, 30);
    pass_time(&t.life);
    EXPECT(store_stats(t.life.stores[0]).cleanings > 0);
    EXPECT_INT(store_stats(t.life.stores[0]).uncleanable, 1);
    EXPECT(log_state(t.logs[0]).cleaned_offset > 15);
    EXPECT_INT(log_state(t.logs[1]).cleaned_offset, 0);
    EXPECT_INT(log_state(t.logs[1]).first_dirty_offset, 0);
    store_begin(t.life.stores[0]); /* the damaged segment is deleted: the rest is compacted */
    store_set_log_start(t.life.stores[0], t.logs[1], 11);
    store_commit(t.life.stores[0], NULL);
    fill_both(&c, &t, 30);
    pass_time(&t.life);
    EXPECT_INT(store_stats(t.life.stores[0]).uncleanable, 0);
    EXPECT(log_state(t.logs[1]).cleaned_offset > 40);
    life_close(&t.life);
    EXPECT_INT(t.life.close_result, ERR_OK);
    life_end(&t.life);
    free(path);
    free(directory);
    sim_disk_free(disk);
}

/* Cleans until the n-th sync of a kind fails, or everything is clean. Whether one has failed. */
static bool clean_without_sync(enum sim_call call, uint64_t n)
{
    struct campaign c = {.keeps_tombstones = true};
    struct sim_disk *disk = sim_disk_create();
    struct two_partitions t;
    EXPECT_INT(life_recover(&t.life, disk, 1, 1), ERR_OK);
    t.life.clean_map_bytes = 10000;
    EXPECT_INT(life_open(&t.life), ERR_OK);
    fill_both(&c, &t, 30);
    uint64_t from = disk->counts[call] + n;
    disk->fault = (struct sim_fault){
        .call = call, .from = from, .to = from + 1, .error = n % 2 ? ERR_IO : ERR_NO_SPACE};
    for (int i = 0; i < 40 && !disk->reached; i++) {
        life_turn(&t.life, 0, 500);
        life_settle(&t.life);
    }
    bool reached = disk->reached;
    disk->fault.to = 0;
    EXPECT_INT(t.life.failures, reached); /* at once, not with the next checkpoint */
    life_close(&t.life);
    EXPECT_INT(t.life.close_result, reached ? ERR_IO : ERR_OK);
    life_end(&t.life);
    EXPECT_INT(life_recover(&t.life, disk, 1, 2), ERR_OK);
    EXPECT_INT(t.life.report.damaged_logs, 0);
    life_end(&t.life);
    sim_disk_free(disk);
    return reached;
}

TEST(a_failed_sync_of_a_cleaning_stops_the_shard_at_once)
{
    uint64_t syncs = 0, names = 0;
    while (clean_without_sync(SIM_SYNC, syncs))
        syncs++;
    while (clean_without_sync(SIM_SYNC_DIRECTORY, names))
        names++;
    EXPECT(syncs > 10 && names > 5);
}

TEST(a_crash_at_any_call_of_a_cleaning_loses_no_key_and_brings_none_back)
{
    static struct campaign c;
    c = (struct campaign){.target = test_states(30000, 3000)};
    for (c.seed = test_seed(); c.states < c.target; c.seed++)
        run_history(&c);
    printf("%" PRIu64 " states: cleanings %" PRIu64 ", killed %" PRIu64 ", went on %" PRIu64
           ", records that were gone %" PRIu64 ", disk filled %" PRIu64 "\n",
           c.states, c.cleanings, c.kills, c.went_on, c.dropped, c.filled);
    EXPECT(c.cleanings > 0 && c.kills > 0 && c.went_on > 0 && c.dropped > 0);
}
