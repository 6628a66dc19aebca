/* Rounds of a cleaner over a log with real files. After each round the log has exactly what a model
 * of Kafka's rules says. */
#include "storage/log_clean.h"

#include "storage/log_internal.h"
#include "storage/log_replace.h"
#include "storage/swap_list.h"
#include "tests/storage/support_log.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROOM = 4 << 20, KEYS = 24, DAY = 86400000 };

/* The kernel's files without their slow syncs. The n-th call of a kind fails. */
static struct {
    struct io_ops ops;
    struct io io;
    enum fault_call call;
    int countdown;
} quick;

static bool fails(enum fault_call call)
{
    return quick.call == call && --quick.countdown == 0;
}

static enum error quick_open(struct io *io, const char *path, int flags, struct io_file **out)
{
    (void)io;
    return fails(FAULT_OPEN) ? ERR_NO_SPACE : io_posix()->ops->open(io_posix(), path, flags, out);
}

static enum error quick_write(struct io *io, struct io_file *file, const struct iovec *parts,
                              int count, int64_t position)
{
    (void)io;
    return fails(FAULT_WRITE) ? ERR_NO_SPACE
                              : io_posix()->ops->write(io_posix(), file, parts, count, position);
}

static enum error quick_sync(struct io *io, struct io_file *file)
{
    (void)io;
    (void)file;
    return fails(FAULT_SYNC) ? ERR_NO_SPACE : ERR_OK;
}

static enum error quick_sync_path(struct io *io, const char *path)
{
    (void)path;
    return quick_sync(io, NULL);
}

/* No call fails any more, and no sync has failed. */
static void new_process(void)
{
    quick.call = FAULT_NONE;
    atomic_store(&quick.io.sync_failed, false);
}

static struct io *quick_io(void)
{
    quick.ops = *io_posix()->ops;
    quick.ops.open = quick_open;
    quick.ops.write = quick_write;
    quick.ops.sync = quick_sync;
    quick.ops.sync_directory = quick.ops.sync_all = quick_sync_path;
    quick.io.ops = &quick.ops;
    new_process();
    return &quick.io;
}

/* --- the model --- */

struct model_record {
    int64_t offset, timestamp;
    int key; /* -1: none */
    bool tombstone, present;
    size_t batch;
};
struct model_batch {
    int64_t base, last, horizon; /* horizon: -1: none */
};

struct clean_world {
    struct log_world w;
    struct random_seeded random;
    int64_t now_ms;
    char *list_path;
    struct model_record *records;
    struct model_batch *batches;
    size_t record_count, batch_count;
    struct log_clean_options options;
    int64_t stop_after, calls; /* of go_on */
};

static bool go_on(void *context, int64_t bytes)
{
    struct clean_world *c = context;
    EXPECT(bytes > 0);
    return ++c->calls != c->stop_after;
}

static void begin(struct clean_world *c, uint64_t seed)
{
    *c = (struct clean_world){.now_ms = 1700000000000};
    log_world_init(&c->w);
    random_seeded_init(&c->random, seed);
    c->w.env.random = &c->random.random;
    c->w.env.io = quick_io();
    c->list_path = swap_list_path(test_directory(), (struct uuid){{1}}, (int32_t)(seed % 1000000));
    c->options = (struct log_clean_options){.map_bytes = ROOM,
                                            .map_load = 0.9,
                                            .buffer_bytes = 300,
                                            .max_uncompressed = ROOM,
                                            .go_on = go_on,
                                            .context = c};
    c->w.config.index_interval_bytes = 100;
    c->w.config.compact_enabled = true;
    c->w.config.delete_enabled = false;
    c->w.config.min_cleanable_ratio = 0;
    c->w.config.max_compaction_lag_ms = INT64_MAX;
    c->w.config.delete_retention_ms = DAY;
    log_world_open(&c->w, (struct log_state){0});
}

static void end(struct clean_world *c)
{
    log_world_close(&c->w);
    free(c->list_path);
    free(c->records);
    free(c->batches);
}

static uint64_t below(struct clean_world *c, uint64_t bound)
{
    return random_below(&c->random.random, bound);
}

static struct bytes value_of(const struct model_record *r, char out[64])
{
    if (r->tombstone)
        return BYTES_NULL;
    snprintf(out, 64, "value %lld of key %d %.*s", (long long)r->offset, r->key,
             (int)(r->offset * 7 % 30), "..............................");
    return bytes_string(out);
}

static void add_record(struct clean_world *c, struct batch_builder *b, int64_t base, int key,
                       bool tombstone, int64_t timestamp)
{
    struct model_record r = {.offset = base + b->count,
                             .timestamp = timestamp,
                             .key = key,
                             .tombstone = tombstone,
                             .present = true,
                             .batch = c->batch_count};
    char value[64], name[16];
    snprintf(name, sizeof name, "key-%d", key);
    batch_builder_add(b, timestamp, key < 0 ? BYTES_NULL : bytes_string(name), value_of(&r, value),
                      BYTES_NULL, 0);
    c->records = xrealloc(c->records, (c->record_count + 1) * sizeof r);
    c->records[c->record_count++] = r;
}

static void append_batch(struct clean_world *c, struct batch_builder *b, int64_t base)
{
    int32_t last = b->count - 1;
    struct bytes batch = batch_builder_finish(b);
    struct shared_buffer *shared = shared_buffer_create(batch.size);
    memcpy(shared->data, batch.data, batch.size);
    EXPECT_INT(log_append(c->w.log, shared, shared->data, batch.size, c->now_ms), base);
    shared_buffer_unref(shared);
    c->batches = xrealloc(c->batches, (c->batch_count + 1) * sizeof c->batches[0]);
    c->batches[c->batch_count++] = (struct model_batch){base, base + last, -1};
}

/* One letter for each record: a small one is a value, a capital one a tombstone, '-' has no key. */
static void append_letters(struct clean_world *c, enum codec codec, int64_t producer,
                           int32_t sequence, int64_t timestamp, const char *letters)
{
    struct buffer out;
    struct batch_builder b;
    int64_t base = log_next_offset(c->w.log);
    buffer_init(&out, ROOM);
    batch_builder_init(&b, &out, codec);
    b.producer_id = producer;
    b.producer_epoch = producer < 0 ? -1 : 3;
    b.base_sequence = producer < 0 ? -1 : sequence;
    for (; *letters; letters++)
        add_record(c, &b, base, *letters == '-' ? -1 : (*letters | 0x20) - 'a',
                   *letters >= 'A' && *letters <= 'Z', timestamp++);
    append_batch(c, &b, base);
    buffer_free(&out);
}

static void roll(struct clean_world *c)
{
    log_roll(c->w.log);
}

static void random_batch(struct clean_world *c)
{
    struct buffer out;
    struct batch_builder b;
    int64_t base = log_next_offset(c->w.log);
    buffer_init(&out, ROOM);
    batch_builder_init(&b, &out, (enum codec)(below(c, 2) ? 0 : below(c, CODEC_COUNT)));
    if (below(c, 3) == 0) {
        b.producer_id = 100 + (int64_t)below(c, 3);
        b.producer_epoch = 0;
        b.base_sequence = 0;
    }
    for (uint64_t left = 1 + below(c, 6); left > 0; left--)
        add_record(c, &b, base, below(c, 20) == 0 ? -1 : (int)below(c, KEYS), below(c, 4) == 0,
                   c->now_ms - (int64_t)below(c, 1000));
    append_batch(c, &b, base);
    buffer_free(&out);
}

/* --- a round --- */

static void nothing(struct job *job)
{
    (void)job;
}

static enum error submit(struct log_clean *round,
                         void (*step)(struct executor *executor, struct log_clean_job *job))
{
    struct log_clean_job job = {.job.done = nothing, .clean = round};
    step(executor_inline(), &job);
    return job.result;
}

static enum error give_names(struct clean_world *c)
{
    struct log_delete *names = log_delete_begin(c->w.log);
    EXPECT(names != NULL);
    enum error error = log_delete_run(names);
    log_delete_end(names);
    return error;
}

static struct log_clean *begin_round(struct clean_world *c)
{
    struct log_clean_offer offer;
    if (!log_clean_offer(c->w.log, c->now_ms, log_durable_offset(c->w.log), &offer))
        return NULL;
    return log_clean_begin(c->w.log, &offer, &c->options, c->now_ms, c->list_path);
}

static enum error clean_group(struct clean_world *c, struct log_clean *round)
{
    bool swapped;
    enum error error = submit(round, log_clean_submit_group);
    if (error == ERR_OK)
        error = log_clean_swap(round, &swapped);
    return error == ERR_OK && swapped ? give_names(c) : error;
}

static bool file_exists(const char *path)
{
    return file_size(path) >= 0;
}

static void note_swap(void *context, const char *name)
{
    *(bool *)context |= strstr(name, ".swap") != NULL;
}

static void expect_no_new_files(struct clean_world *c)
{
    bool found = false;
    EXPECT(!file_exists(c->list_path));
    EXPECT_INT(io_posix()->ops->list(io_posix(), c->w.directory, note_swap, &found), ERR_OK);
    EXPECT(!found);
}

/* Does the same to the model; `end` is that of the last segment that the round writes. */
static void clean_model(struct clean_world *c, const struct log_clean_work *work, int64_t end)
{
    int64_t last[KEYS + 26];
    memset(last, 0xff, sizeof last);
    for (size_t i = 0; i < c->record_count; i++) {
        const struct model_record *r = &c->records[i];
        if (r->present && r->key >= 0 && r->offset >= work->from && r->offset < work->to)
            last[r->key] = r->offset;
    }
    bool *tombstones = xcalloc(c->batch_count, sizeof *tombstones);
    for (size_t i = 0; i < c->record_count; i++) {
        struct model_record *r = &c->records[i];
        int64_t horizon = c->batches[r->batch].horizon;
        if (!r->present || r->offset >= end || c->batches[r->batch].base >= end)
            continue;
        bool passed = horizon >= 0 && horizon <= c->now_ms;
        r->present = r->offset >= work->to ||
                     (r->key >= 0 && r->offset >= last[r->key] && (!r->tombstone || !passed));
        tombstones[r->batch] |= r->present && r->tombstone;
    }
    for (size_t i = 0; i < c->batch_count; i++) {
        if (tombstones[i] && c->batches[i].horizon < 0)
            c->batches[i].horizon = c->now_ms + c->w.config.delete_retention_ms;
    }
    free(tombstones);
}

static int64_t end_of_segments(const struct clean_world *c, int64_t map_end)
{
    size_t i = 0;
    while (c->w.log->segments[i].base_offset < map_end)
        i++;
    return c->w.log->segments[i].base_offset;
}

/* False: there was nothing to clean. */
static bool clean_round(struct clean_world *c)
{
    struct log_clean *round = begin_round(c);
    if (round == NULL)
        return false;
    EXPECT_INT(submit(round, log_clean_submit_map), ERR_OK);
    struct log_clean_work work = log_clean_work(round);
    EXPECT(work.to > work.from);
    log_set_first_dirty(c->w.log, log_clean_first_dirty(round));
    int64_t end = end_of_segments(c, work.to);
    while (!log_clean_is_complete(round))
        EXPECT_INT(clean_group(c, round), ERR_OK);
    log_clean_finish(round);
    log_clean_free(round);
    EXPECT_INT(log_state(c->w.log).cleaned_offset, work.to);
    clean_model(c, &work, end);
    expect_no_new_files(c);
    return true;
}

/* --- reading --- */

static void expect_record(const struct model_record *expected, const struct record *r)
{
    char value[64], name[16];
    EXPECT_INT(r->offset, expected->offset);
    EXPECT_INT(r->timestamp, expected->timestamp);
    snprintf(name, sizeof name, "key-%d", expected->key);
    EXPECT_BYTES(r->key, expected->key < 0 ? BYTES_NULL : bytes_string(name));
    struct bytes expected_value = value_of(expected, value);
    EXPECT_INT(bytes_is_null(r->value), bytes_is_null(expected_value));
    EXPECT_BYTES(r->value, expected_value);
}

static size_t next_present(const struct clean_world *c, size_t i, int64_t offset)
{
    while (i < c->record_count && (!c->records[i].present || c->records[i].offset < offset))
        i++;
    return i;
}

/* Reads from an offset to the end. */
static void expect_content(struct clean_world *c, int64_t from)
{
    int64_t end = log_next_offset(c->w.log), offset = from;
    size_t i = next_present(c, 0, from);
    while (offset < end) {
        struct read_result r = log_world_read(&c->w, offset, end, 400, true);
        EXPECT_INT(r.error, ERR_OK);
        if (r.next_offset < 0)
            break; /* only a hole is left */
        EXPECT(r.next_offset > offset);
        for (struct bytes rest = buffer_view(&r.bytes); rest.size > 0;) {
            struct arena arena;
            struct record_iterator records;
            struct record record;
            arena_init(&arena, ROOM);
            EXPECT(batch_crc_is_right(rest));
            EXPECT_INT(records_open(rest, &arena, ROOM, &records), ERR_OK);
            while (records_next(&records, &record)) {
                if (record.offset < from)
                    continue;
                EXPECT(i < c->record_count);
                expect_record(&c->records[i], &record);
                i = next_present(c, i + 1, from);
            }
            EXPECT(!records.failed);
            arena_free(&arena);
            rest = bytes_from(rest, batch_size(rest));
        }
        offset = r.next_offset;
        read_result_free(&r);
    }
    EXPECT_INT(i, c->record_count);
}

static void expect_time(struct clean_world *c, int64_t timestamp)
{
    size_t i = next_present(c, 0, log_start_offset(c->w.log));
    while (i < c->record_count && c->records[i].timestamp < timestamp)
        i = next_present(c, i + 1, 0);
    struct time_result found = log_world_time(&c->w, timestamp, log_next_offset(c->w.log));
    EXPECT_INT(found.error, ERR_OK);
    EXPECT_INT(found.offset, i < c->record_count ? c->records[i].offset : -1);
}

static void expect_all(struct clean_world *c)
{
    int64_t start = log_start_offset(c->w.log), count = log_next_offset(c->w.log) - start;
    expect_content(c, start);
    for (int i = 0; i < 10 && count > 0; i++) {
        expect_content(c, start + (int64_t)below(c, (uint64_t)count));
        expect_time(c, c->now_ms - (int64_t)below(c, 3000));
    }
}

static void reopen(struct clean_world *c)
{
    log_world_open(&c->w, log_state(c->w.log));
    log_world_load(&c->w);
    for (size_t i = 0; i < c->w.log->segment_count; i++)
        EXPECT(!c->w.log->segments[i].damaged);
}

/* --- tests --- */

TEST(random_histories_leave_what_the_rules_say)
{
    uint64_t histories = test_states(30, 8), rounds = 0;
    for (uint64_t seed = 0; seed < histories; seed++) {
        struct clean_world c;
        begin(&c, test_seed() * 1000 + seed);
        if (below(&c, 2))
            c.options.map_bytes = CLEAN_MAP_SLOT * (2 + below(&c, 20));
        c.w.config.delete_retention_ms = (int64_t)below(&c, 3000);
        c.w.config.min_compaction_lag_ms = below(&c, 2) ? 0 : (int64_t)below(&c, 2000);
        for (int step = 0; step < 25; step++) {
            c.w.config.segment_bytes = 200 + (int64_t)below(&c, 1500);
            log_configure(c.w.log, &c.w.config);
            for (uint64_t left = below(&c, 12); left > 0; left--)
                random_batch(&c);
            c.now_ms += (int64_t)below(&c, 800);
            log_world_flush(&c.w);
            if (below(&c, 2))
                log_trim_tail(c.w.log, 0);
            if (below(&c, 8) == 0)
                log_set_start(c.w.log,
                              log_start_offset(c.w.log) +
                                  (int64_t)below(&c, 1 + (uint64_t)(log_next_offset(c.w.log) -
                                                                    log_start_offset(c.w.log)) /
                                                             4));
            if (below(&c, 3))
                rounds += clean_round(&c);
            if (below(&c, 5) == 0)
                reopen(&c);
            expect_all(&c);
        }
        end(&c);
    }
    EXPECT(rounds > histories * 5);
}

/* As CleanedLog.java, and its groups. */
static void append_kafkas_batches(struct clean_world *c)
{
    append_letters(c, CODEC_NONE, -1, 0, 1000, "abcde");
    append_letters(c, CODEC_NONE, 7, 0, 1010, "ac");
    append_letters(c, CODEC_NONE, -1, 0, 1020, "ace");
    roll(c);
    append_letters(c, CODEC_GZIP, -1, 0, 1100, "fagc");
    append_letters(c, CODEC_NONE, 8, 0, 1110, "a");
    append_letters(c, CODEC_NONE, 8, 1, 1120, "ah");
    roll(c);
    append_letters(c, CODEC_NONE, -1, 0, 1200, "ace");
    append_letters(c, CODEC_NONE, -1, 0, 1190, "i");
    append_letters(c, CODEC_NONE, -1, 0, 1210, "ac");
    roll(c);
    append_letters(c, CODEC_NONE, -1, 0, 1300, "ac");
    roll(c);
    append_letters(c, CODEC_NONE, 9, 0, 1400, "ace");
    roll(c);
    append_letters(c, CODEC_GZIP, -1, 0, 1350, "ajcke");
    roll(c);
    append_letters(c, CODEC_NONE, -1, 0, 1360, "lm");
    append_letters(c, CODEC_NONE, -1, 0, 1370, "n");
    log_world_flush(&c->w);
}

static void read_part(const char *directory, int64_t base, enum segment_part part,
                      struct buffer *out)
{
    char *path = segment_path(directory, base, part);
    buffer_init(out, ROOM);
    EXPECT_INT(io_read_file(io_posix(), path, out), ERR_OK);
    free(path);
}

/* The files of the segments that have no gzip: another zlib may write other bytes. The keys differ
 * in length, so only the indexes and the batches without records are the same. */
TEST(segments_are_grouped_and_indexed_as_kafkas_cleaner_does)
{
    static const int64_t bases[] = {0, 17, 23, 25, 28, 33};
    struct clean_world c;
    begin(&c, 1);
    append_kafkas_batches(&c);
    struct log_clean *round = begin_round(&c);
    EXPECT_INT(submit(round, log_clean_submit_map), ERR_OK);
    log_set_first_dirty(c.w.log, log_clean_first_dirty(round));
    c.w.config.segment_bytes = c.w.log->segments[0].size + c.w.log->segments[1].size;
    log_configure(c.w.log, &c.w.config);
    EXPECT_INT(clean_group(&c, round), ERR_OK);
    c.w.config.segment_bytes = 1;
    log_configure(c.w.log, &c.w.config);
    while (!log_clean_is_complete(round))
        EXPECT_INT(clean_group(&c, round), ERR_OK);
    struct log_clean_work work = log_clean_work(round);
    EXPECT_INT(work.groups, 5);
    EXPECT_INT(work.to, 33);
    EXPECT_INT(work.keys, 11);
    EXPECT_INT(work.counts.records, 33);
    EXPECT_INT(work.counts.kept, 11);
    log_clean_finish(round);
    log_clean_free(round);
    clean_model(&c, &work, 33);
    EXPECT_INT(c.w.log->segment_count, COUNT_OF(bases));
    for (size_t i = 0; i < COUNT_OF(bases); i++)
        EXPECT_INT(c.w.log->segments[i].base_offset, bases[i]);
    expect_all(&c);
    reopen(&c);
    expect_all(&c);
    const char *golden = test_source_path("tests/storage/golden/cleaned");
    for (int i = 2; i < 4; i++) { /* no batch, and one without records */
        for (int part = 0; part < SEGMENT_PARTS; part++) {
            struct buffer ours, kafkas;
            read_part(c.w.directory, bases[i], (enum segment_part)part, &ours);
            read_part(golden, bases[i], (enum segment_part)part, &kafkas);
            EXPECT_BYTES(buffer_view(&ours), buffer_view(&kafkas));
            buffer_free(&ours);
            buffer_free(&kafkas);
        }
    }
    end(&c);
}

TEST(a_log_offers_closed_segments_that_are_old_enough_and_stable)
{
    struct clean_world c;
    struct log_clean_offer offer;
    begin(&c, 1);
    EXPECT(!log_clean_offer(c.w.log, c.now_ms, INT64_MAX, &offer));
    append_letters(&c, CODEC_NONE, -1, 0, 1000, "aa");
    log_world_flush(&c.w);
    EXPECT(!log_clean_offer(c.w.log, c.now_ms, INT64_MAX, &offer)); /* the active segment */
    roll(&c);
    append_letters(&c, CODEC_NONE, -1, 0, 2000, "ab");
    roll(&c);
    append_letters(&c, CODEC_NONE, -1, 0, 3000, "ab");
    EXPECT(!log_clean_offer(c.w.log, c.now_ms, INT64_MAX, &offer)); /* not flushed */
    log_world_flush(&c.w);
    EXPECT(log_clean_offer(c.w.log, c.now_ms, INT64_MAX, &offer));
    EXPECT_INT(offer.from, 0);
    EXPECT_INT(offer.to, 4);
    EXPECT_INT(offer.dirty_bytes, offer.total_bytes);
    EXPECT(!offer.overdue);
    EXPECT(log_clean_offer(c.w.log, c.now_ms, 3, &offer));
    EXPECT_INT(offer.to, 2);
    EXPECT(!log_clean_offer(c.w.log, c.now_ms, 1, &offer));
    c.w.config.min_compaction_lag_ms = 500;
    log_configure(c.w.log, &c.w.config);
    EXPECT(!log_clean_offer(c.w.log, 1500, INT64_MAX, &offer));
    EXPECT(log_clean_offer(c.w.log, 1501, INT64_MAX, &offer)); /* the youngest is from 1001 */
    EXPECT_INT(offer.to, 2);
    EXPECT(log_clean_offer(c.w.log, 2501, INT64_MAX, &offer));
    EXPECT_INT(offer.to, 4);
    c.w.config.max_compaction_lag_ms = 3000;
    log_configure(c.w.log, &c.w.config);
    EXPECT(log_clean_offer(c.w.log, 4001, INT64_MAX, &offer) && !offer.overdue);
    EXPECT(log_clean_offer(c.w.log, 4002, INT64_MAX, &offer) && offer.overdue);
    c.w.config.min_cleanable_ratio = 1;
    log_configure(c.w.log, &c.w.config);
    EXPECT(log_clean_is_due(c.w.log, &offer));
    offer.overdue = false;
    EXPECT(!log_clean_is_due(c.w.log, &offer));
    offer.total_bytes++;
    c.w.config.min_cleanable_ratio = 0.9;
    log_configure(c.w.log, &c.w.config);
    EXPECT(log_clean_is_due(c.w.log, &offer));
    EXPECT(clean_round(&c));
    EXPECT(!log_clean_offer(c.w.log, c.now_ms, INT64_MAX, &offer)); /* nothing is dirty */
    end(&c);
}

static void make_dirty_log(struct clean_world *c, uint64_t seed)
{
    begin(c, seed);
    c->w.config.segment_bytes = 700;
    log_configure(c->w.log, &c->w.config);
    for (int i = 0; i < 25; i++)
        random_batch(c);
    log_world_flush(&c->w);
    log_trim_tail(c->w.log, 0);
}

/* Returns the error of the step that failed. */
static enum error try_round(struct clean_world *c, struct log_clean_damage *damage)
{
    struct log_clean *round = begin_round(c);
    EXPECT(round != NULL);
    enum error error = submit(round, log_clean_submit_map);
    if (error == ERR_OK)
        log_set_first_dirty(c->w.log, log_clean_first_dirty(round));
    struct log_clean_work work = log_clean_work(round);
    int64_t end = error == ERR_OK ? end_of_segments(c, work.to) : 0;
    while (error == ERR_OK && !log_clean_is_complete(round))
        error = clean_group(c, round);
    if (error == ERR_OK) {
        log_clean_finish(round);
        clean_model(c, &work, end);
    }
    *damage = log_clean_damage(round);
    log_clean_free(round);
    return error;
}

TEST(a_batch_that_cannot_be_read_ends_the_round_and_everything_stays)
{
    for (int kind = 0; kind < 3; kind++) { /* checksum, a missing end, records */
        struct clean_world c;
        struct log_clean_damage damage;
        make_dirty_log(&c, 5);
        log_close_idle_files(c.w.log, INT64_MAX);
        struct segment *segment = &c.w.log->segments[3];
        char *path = segment_path(c.w.directory, segment->base_offset, SEGMENT_LOG);
        if (kind == 0)
            file_write_at(path, segment->size - 3, "???", 3);
        if (kind == 1)
            segment->size = segment->flushed_size = 0;
        if (kind == 2)
            c.options.max_uncompressed = 1;
        int64_t first = kind == 2 ? -1 : segment->base_offset;
        enum error error = try_round(&c, &damage);
        EXPECT_INT(error, kind == 2 ? ERR_TOO_LARGE : ERR_CORRUPT);
        EXPECT(first < 0 || damage.segment_base == first);
        EXPECT(kind == 2 || (kind == 1) == (damage.position == 0));
        EXPECT_INT(log_state(c.w.log).first_dirty_offset, 0); /* gaps are still damage */
        expect_no_new_files(&c);
        free(path);
        end(&c);
    }
}

TEST(damage_in_a_clean_segment_ends_the_round_before_anything_is_swapped)
{
    struct clean_world c;
    struct log_clean_damage damage;
    make_dirty_log(&c, 5);
    EXPECT(clean_round(&c));
    for (int i = 0; i < 10; i++)
        random_batch(&c);
    log_world_flush(&c.w);
    log_close_idle_files(c.w.log, INT64_MAX);
    size_t first = 0;
    while (c.w.log->segments[first].size == 0)
        first++;
    int64_t base = c.w.log->segments[first].base_offset;
    char *path = segment_path(c.w.directory, base, SEGMENT_LOG);
    file_write_at(path, 17, "???", 3); /* the checksum */
    EXPECT_INT(try_round(&c, &damage), ERR_CORRUPT);
    EXPECT_INT(damage.segment_base, base);
    EXPECT_INT(damage.position, 0);
    expect_no_new_files(&c);
    free(path);
    end(&c);
}

TEST(a_round_that_is_stopped_leaves_no_file_and_the_next_one_does_everything)
{
    bool complete = false;
    for (int64_t call = 1; !complete; call += 3) {
        struct clean_world c;
        struct log_clean_damage damage;
        make_dirty_log(&c, 7);
        c.stop_after = call;
        enum error error = try_round(&c, &damage);
        complete = error == ERR_OK;
        EXPECT(complete || error == ERR_CLOSED);
        expect_no_new_files(&c);
        c.stop_after = 0;
        EXPECT(complete || clean_round(&c));
        expect_all(&c);
        end(&c);
        EXPECT(call < 1000);
    }
}

/* A failed sync is final, whatever its reason was. */
static void expect_no_more_cleaning(struct clean_world *c)
{
    struct log_clean_damage damage;
    quick.call = FAULT_NONE;
    if (log_clean_is_swapping(c->w.log))
        EXPECT_INT(give_names(c), ERR_IO);
    else
        EXPECT_INT(try_round(c, &damage), ERR_IO);
}

/* A full disk, or one that refuses, at every call. */
TEST(a_disk_that_refuses_leaves_no_file_and_the_log_as_it_was)
{
    static const enum fault_call calls[] = {FAULT_OPEN, FAULT_WRITE, FAULT_SYNC};
    for (size_t kind = 0; kind < COUNT_OF(calls); kind++) {
        bool complete = false;
        for (int call = 1; !complete; call += 4) {
            struct clean_world c;
            struct log_clean_damage damage;
            make_dirty_log(&c, 9);
            log_close_idle_files(c.w.log, INT64_MAX);
            quick.call = calls[kind];
            quick.countdown = call;
            enum error error = try_round(&c, &damage);
            complete = error == ERR_OK;
            EXPECT(complete || error == (calls[kind] == FAULT_SYNC ? ERR_IO : ERR_NO_SPACE));
            if (calls[kind] == FAULT_SYNC && !complete)
                expect_no_more_cleaning(&c);
            new_process();
            if (log_clean_is_swapping(c.w.log))
                EXPECT_INT(give_names(&c), ERR_OK);
            if (!complete)
                EXPECT(clean_round(&c));
            expect_no_new_files(&c);
            reopen(&c);
            expect_content(&c, log_start_offset(c.w.log));
            end(&c);
            EXPECT(call < 2000);
        }
    }
}

TEST(a_nearly_full_disk_ends_the_round_before_it_is_full)
{
    struct clean_world c;
    struct log_clean_damage damage;
    make_dirty_log(&c, 9);
    c.options.min_free_bytes = INT64_MAX;
    EXPECT_INT(try_round(&c, &damage), ERR_NO_SPACE);
    expect_no_new_files(&c);
    c.options.min_free_bytes = 0;
    EXPECT(clean_round(&c));
    expect_all(&c);
    end(&c);
}

TEST(retention_during_a_round_gives_up_the_group_that_it_has_changed)
{
    struct clean_world c;
    bool swapped;
    make_dirty_log(&c, 11);
    struct log_clean *round = begin_round(&c);
    EXPECT_INT(submit(round, log_clean_submit_map), ERR_OK);
    log_set_first_dirty(c.w.log, log_clean_first_dirty(round));
    EXPECT_INT(submit(round, log_clean_submit_group), ERR_OK);
    log_set_start(c.w.log, c.w.log->segments[1].base_offset);
    EXPECT_INT(give_names(&c), ERR_OK); /* deletes the first segment */
    EXPECT_INT(log_clean_swap(round, &swapped), ERR_NOT_FOUND);
    EXPECT_INT(submit(round, log_clean_submit_undo), ERR_OK);
    log_clean_free(round);
    expect_no_new_files(&c);
    expect_all(&c);
    EXPECT(clean_round(&c));
    expect_all(&c);
    end(&c);
}

TEST(a_segment_that_retention_deletes_before_it_is_read_is_not_damage)
{
    struct clean_world c;
    struct stepped_executor steps;
    make_dirty_log(&c, 11);
    log_close_idle_files(c.w.log, INT64_MAX);
    struct log_clean *round = begin_round(&c);
    EXPECT_INT(submit(round, log_clean_submit_map), ERR_OK);
    log_set_first_dirty(c.w.log, log_clean_first_dirty(round));
    stepped_executor_init(&steps);
    struct log_clean_job job = {.job.done = nothing, .clean = round};
    log_clean_submit_group(&steps.executor, &job);
    log_set_start(c.w.log, c.w.log->segments[1].base_offset);
    EXPECT_INT(give_names(&c), ERR_OK); /* deletes the first segment */
    EXPECT(stepped_run(&steps) && stepped_finish(&steps));
    EXPECT_INT(job.result, ERR_NOT_FOUND);
    log_clean_free(round);
    expect_no_new_files(&c);
    EXPECT(clean_round(&c));
    expect_all(&c);
    end(&c);
}

TEST(the_batch_with_a_producers_last_sequence_and_the_last_batch_of_a_round_stay)
{
    struct clean_world c;
    begin(&c, 1);
    append_letters(&c, CODEC_NONE, 7, 0, 1000, "a");
    append_letters(&c, CODEC_NONE, 7, 1, 1000, "a");
    append_letters(&c, CODEC_NONE, 8, 0, 1000, "a");
    append_letters(&c, CODEC_NONE, -1, 0, 1000, "ba");
    append_letters(&c, CODEC_NONE, -1, 0, 1000, "-");
    roll(&c);
    append_letters(&c, CODEC_NONE, 8, 1, 1000, "a");
    log_world_flush(&c.w);
    EXPECT(clean_round(&c));
    static const int64_t first[] = {1, 3, 5}; /* 7's last, b and a, the last of the round */
    for (size_t i = 0; i < COUNT_OF(first); i++) {
        struct read_result r =
            log_world_read(&c.w, i ? first[i - 1] + (i == 2 ? 2 : 1) : 0, 6, 1, true);
        EXPECT_INT(r.first_offset, first[i]);
        EXPECT(i == 1 || r.bytes.size == BATCH_HEADER_SIZE);
        read_result_free(&r);
    }
    end(&c);
}

TEST(a_group_that_loses_nothing_is_not_written_again)
{
    struct clean_world c;
    begin(&c, 1);
    append_letters(&c, CODEC_NONE, -1, 0, 1000, "abc");
    roll(&c);
    append_letters(&c, CODEC_NONE, -1, 0, 1000, "d");
    log_world_flush(&c.w);
    unsigned generation = c.w.log->generation;
    EXPECT(clean_round(&c));
    EXPECT_INT(c.w.log->generation, generation);
    expect_all(&c);
    end(&c);
}

TEST(a_round_leaves_no_file_and_no_name_that_is_not_durable)
{
    struct clean_world c;
    make_dirty_log(&c, 7);
    c.w.env.io = sync_watch_begin();
    EXPECT(clean_round(&c));
    expect_no_new_files(&c);
    log_close_idle_files(c.w.log, INT64_MAX);
    EXPECT_INT(sync_watch_end(), 0);
    c.w.env.io = quick_io();
    end(&c);
}
