#include "tests/storage/support_flips.h"

#include "storage/log_internal.h"
#include "storage/shard_map.h"
#include "storage/store_rows.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    JOURNAL_FILE_BYTES = 1 << 20,
    READ_BYTES = 256 << 10,
    QUIET_PRODUCER = 7, /* appended one batch, long ago */
    PRODUCER = 100,     /* of partition n: 100 + n */
    START_MS = 1000000,
    SEARCHES = 4,
    ROWS_PER_ROUND = 40,
};

static const struct log_config config = {.segment_bytes = 60000,
                                         .segment_ms = INT64_MAX,
                                         .segment_index_bytes = 1 << 20,
                                         .index_interval_bytes = 4096,
                                         .retention_ms = -1,
                                         .retention_bytes = -1};

/* Many directories are used one after the other, and a lock ends only with the process. */
static enum error take_no_lock(struct io *io, const char *path)
{
    (void)io, (void)path;
    return ERR_OK;
}

static void use_files_without_locks(void)
{
    static struct io_ops ops;
    if (ops.lock == take_no_lock)
        return;
    ops = *io_posix()->ops;
    ops.lock = take_no_lock;
    io_posix()->ops = &ops;
}

static void keep_line(struct trace *trace, struct bytes line)
{
    buffer_append_bytes(&CONTAINER_OF(trace, struct flip_scene, trace)->said, line);
}

void flip_scene_init(struct flip_scene *s, const char *directory, uint64_t seed)
{
    *s = (struct flip_scene){
        .trace = {.level = TRACE_WARN, .clock = clock_system(), .write = keep_line}};
    use_files_without_locks();
    snprintf(s->directory, sizeof s->directory, "%s", directory);
    random_seeded_init(&s->random, seed);
    buffer_init(&s->said, 1 << 20);
    s->env = (struct env){
        .clock = clock_system(), .random = random_system(), .trace = &s->trace, .io = io_posix()};
    row_store_init(&s->rows, &s->env, kv_leveldb());
    s->rows.generation_bytes = 1 << 20;
    s->env.kv = &s->rows.driver;
    for (int i = 0; i < FLIP_LOGS; i++) {
        struct flip_log *l = &s->logs[i];
        l->topic_id = (struct uuid){{(uint8_t)(1 + i / FLIP_PARTITIONS), 9, 9}};
        l->partition = i % FLIP_PARTITIONS;
        buffer_init(&l->bytes, 1 << 28);
    }
}

void flip_scene_free(struct flip_scene *s)
{
    for (int i = 0; i < FLIP_LOGS; i++) {
        buffer_free(&s->logs[i].bytes);
        free(s->logs[i].batches);
        free(s->logs[i].lost);
    }
    buffer_free(&s->said);
}

/* Starts and stops */

static void on_failed(void *context, enum error error)
{
    (void)context;
    test_fail(__FILE__, __LINE__, "the store failed: %s", error_text(error));
}

static enum error open_shard(struct flip_scene *s, int shard)
{
    struct store_options options = {.data_directory = s->directory,
                                    .shard = shard,
                                    .shard_count = FLIP_SHARDS,
                                    .journal_file_bytes = JOURNAL_FILE_BYTES,
                                    .checkpoint_bytes = 700 << 10,
                                    .checkpoint_interval_ms = 60000,
                                    .unit_bytes = 1 << 20,
                                    .tail_cache_bytes = 4096, /* reads come from the files */
                                    .unflushed_bytes = 64 << 10,
                                    .journal_worker = executor_inline(),
                                    .background_worker = executor_inline(),
                                    .timers = &s->timers,
                                    .kv = s->kv,
                                    .failed = on_failed};
    return store_open(&s->env, &options, &s->stores[shard], &s->message);
}

static int shard_of(const struct flip_log *l)
{
    return shard_of_partition(l->topic_id.bytes, l->partition, FLIP_SHARDS);
}

static void close_all(struct flip_scene *s)
{
    for (int i = 0; i < FLIP_SHARDS; i++) {
        if (s->stores[i])
            store_free(s->stores[i]);
        s->stores[i] = NULL;
    }
    s->kv->driver->close(s->kv);
    timers_free(&s->timers);
}

enum error flip_start(struct flip_scene *s)
{
    struct recovery_options options = {.data_directory = s->directory,
                                       .shard_count = FLIP_SHARDS,
                                       .journal_file_bytes = JOURNAL_FILE_BYTES};
    buffer_clear(&s->said);
    memset(&s->timers, 0, sizeof s->timers);
    s->now_ms = clock_monotonic_ms(s->env.clock); /* the stores set their timers by this clock */
    enum error error = recovery_run(&s->env, &options, &s->kv, &s->report, &s->message);
    if (error != ERR_OK)
        return error;
    for (int i = 0; i < FLIP_SHARDS && error == ERR_OK; i++)
        error = open_shard(s, i);
    for (int i = 0; i < FLIP_LOGS && error == ERR_OK; i++)
        s->open_logs[i] = store_log(s->stores[shard_of(&s->logs[i])], s->logs[i].topic_id,
                                    s->logs[i].partition, &config, false);
    if (error != ERR_OK)
        close_all(s);
    return error;
}

static void turn(struct flip_scene *s, int64_t ms)
{
    s->now_ms += ms;
    for (int i = 0; i < FLIP_SHARDS; i++)
        store_turn(s->stores[i], s->now_ms, START_MS + s->now_ms);
    timers_run(&s->timers, s->now_ms);
}

void flip_idle(struct flip_scene *s)
{
    for (int i = 0; i < 10; i++)
        turn(s, 500);
}

static void on_closed(void *context, enum error result)
{
    struct flip_scene *s = context;
    EXPECT_INT(result, ERR_OK);
    s->closed++;
}

void flip_stop(struct flip_scene *s, bool in_order)
{
    s->closed = 0;
    for (int i = 0; i < FLIP_SHARDS && in_order; i++)
        store_close(s->stores[i], on_closed, s);
    EXPECT(!in_order || s->closed == FLIP_SHARDS);
    close_all(s);
}

/* Writing */

static void append(struct flip_scene *s, int index, int64_t producer_id, int32_t sequence)
{
    struct flip_log *l = &s->logs[index];
    struct buffer out;
    struct batch_builder builder;
    uint8_t value[2000];
    int records = 1 + (int)random_below(&s->random.random, 3);
    buffer_init(&out, 1 << 20);
    batch_builder_init(&builder, &out, CODEC_NONE);
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)random_u64(&s->random.random);
    for (int i = 0; i < records; i++)
        batch_builder_add(&builder, START_MS + l->next_offset + i, BYTES_LITERAL("key"),
                          bytes_of(value, 1 + random_below(&s->random.random, sizeof value)),
                          BYTES_NULL, 0);
    builder.producer_id = producer_id;
    builder.producer_epoch = producer_id >= 0 ? 0 : -1;
    builder.base_sequence = sequence;
    struct bytes batch = batch_builder_finish(&builder);
    struct shared_buffer *shared = shared_buffer_create(batch.size);
    memcpy(shared->data, batch.data, batch.size);
    struct store *store = s->stores[shard_of(l)];
    EXPECT_INT(store_append(store, s->open_logs[index], shared, shared->data, shared->size,
                            START_MS + s->now_ms),
               l->next_offset);
    if (l->batch_count == l->batch_capacity) {
        l->batch_capacity = MAX(l->batch_capacity * 2, (size_t)64);
        l->batches = xrealloc(l->batches, l->batch_capacity * sizeof *l->batches);
    }
    l->batches[l->batch_count++] = l->bytes.size;
    buffer_append(&l->bytes, shared->data, shared->size);
    l->next_offset += records;
    l->next_sequence += producer_id == PRODUCER + index ? records : 0;
    shared_buffer_unref(shared);
    buffer_free(&out);
}

static void make_row(size_t row, uint32_t version, struct buffer *out)
{
    struct random_seeded random;
    random_seeded_init(&random, (uint64_t)row << 32 | version);
    buffer_append_be32(out, version);
    size_t words = row % 2 ? 3 : 100 + random_below(&random.random, 200);
    for (size_t i = 0; i < words; i++)
        buffer_append_be64(out, random_u64(&random.random));
}

/* Committed offsets, groups and configs are small rows, the states of processors are larger ones.
 */
static const char row_kinds[] = {ROW_TASK, ROW_OFFSET, ROW_TASK, ROW_GROUP, ROW_TASK, ROW_BROKER};

static struct bytes row_key(size_t row, char out[16])
{
    snprintf(out, 16, "%c-%04zu", row_kinds[row % sizeof row_kinds], row);
    return bytes_string(out);
}

static void make_topic_row(struct uuid id, struct buffer *out)
{
    buffer_printf(out, "\1topic %d cleanup.policy=delete retention.ms=-1", id.bytes[0]);
}

static void change_row(struct flip_scene *s, size_t row, bool exists)
{
    char key[16];
    struct buffer value;
    struct store *store = s->stores[row % FLIP_SHARDS];
    buffer_init(&value, 1 << 20);
    s->row_versions[row] = exists ? ++s->version : 0;
    make_row(row, s->row_versions[row], &value);
    if (exists)
        store_put(store, row_key(row, key), buffer_view(&value));
    else
        store_delete(store, row_key(row, key));
    buffer_free(&value);
}

void flip_create(struct flip_scene *s)
{
    for (int i = 0; i < FLIP_LOGS; i++) {
        struct flip_log *l = &s->logs[i];
        struct store *store = s->stores[shard_of(l)];
        struct row_key key = row_key_topic(l->topic_id);
        struct buffer row;
        buffer_init(&row, 1000);
        make_topic_row(l->topic_id, &row);
        store_begin(store);
        store_put(store, row_key_view(&key), buffer_view(&row));
        buffer_free(&row);
        s->open_logs[i] = store_log(store, l->topic_id, l->partition, &config, true);
        append(s, i, QUIET_PRODUCER, 0);
        append(s, i, PRODUCER + i, 0);
        store_commit(store, NULL);
    }
    turn(s, 10);
}

static void write_round(struct flip_scene *s)
{
    for (int i = 0; i < FLIP_LOGS - FLIP_PARTITIONS; i++) {
        struct store *store = s->stores[shard_of(&s->logs[i])];
        store_begin(store);
        append(s, i, PRODUCER + i, s->logs[i].next_sequence);
        store_commit(store, NULL);
    }
    for (int i = 0; i < ROWS_PER_ROUND; i++) {
        size_t row = random_below(&s->random.random, FLIP_ROWS);
        store_begin(s->stores[row % FLIP_SHARDS]);
        change_row(s, row, random_below(&s->random.random, 8) > 0);
        store_commit(s->stores[row % FLIP_SHARDS], NULL);
    }
    turn(s, 10);
}

void flip_write(struct flip_scene *s, int rounds)
{
    for (int i = 0; i < rounds; i++)
        write_round(s);
}

void flip_write_behind_checkpoint(struct flip_scene *s)
{
    uint64_t before = store_stats(s->stores[0]).checkpoints;
    while (store_stats(s->stores[0]).checkpoints == before)
        write_round(s);
    flip_write(s, 16);
}

/* Comparing */

struct row_check {
    const struct flip_scene *scene;
    size_t rows, topics;
    bool wrong;
};

static enum error check_topic(struct row_check *c, struct bytes key, struct bytes value)
{
    struct uuid id;
    struct buffer expected;
    if (!row_key_parse_topic(key, &id)) {
        c->wrong = true;
        return ERR_OK;
    }
    buffer_init(&expected, 1000);
    make_topic_row(id, &expected);
    c->wrong |= !bytes_equal(value, buffer_view(&expected));
    c->topics++;
    buffer_free(&expected);
    return ERR_OK;
}

static enum error check_row(void *context, struct bytes key, struct bytes value)
{
    struct row_check *c = context;
    char text[16] = "", again[16];
    struct buffer expected;
    if (key.data[0] == ROW_TOPIC)
        return check_topic(c, key, value);
    if (memchr(row_kinds, key.data[0], sizeof row_kinds) == NULL)
        return ERR_OK; /* the store's own: what they say is compared with the logs */
    memcpy(text, key.data, MIN(key.size, sizeof text - 1));
    size_t row = key.size > 2 ? strtoul(text + 2, NULL, 10) : FLIP_ROWS;
    if (row >= FLIP_ROWS || !bytes_equal(key, row_key(row, again)) ||
        c->scene->row_versions[row] == 0) {
        c->wrong = true;
        return ERR_OK;
    }
    buffer_init(&expected, 1 << 20);
    make_row(row, c->scene->row_versions[row], &expected);
    c->wrong |= !bytes_equal(value, buffer_view(&expected));
    c->rows++;
    buffer_free(&expected);
    return ERR_OK;
}

static bool rows_are_right(struct flip_scene *s)
{
    struct row_check check = {.scene = s};
    size_t rows = 0;
    for (size_t i = 0; i < FLIP_ROWS; i++)
        rows += s->row_versions[i] > 0;
    enum error error = s->kv->driver->scan(s->kv, BYTES_LITERAL(""), check_row, &check);
    return error == ERR_OK && !check.wrong && check.rows == rows && check.topics == FLIP_TOPICS;
}

static void job_done(struct job *job)
{
    (void)job;
}

static struct bytes batch_at(const struct flip_log *l, size_t index)
{
    size_t end = index + 1 < l->batch_count ? l->batches[index + 1] : l->bytes.size;
    return bytes_of(l->bytes.data + l->batches[index], end - l->batches[index]);
}

static int64_t offset_of(const struct flip_log *l, size_t index)
{
    return index < l->batch_count ? (int64_t)load_be64(batch_at(l, index).data) : l->next_offset;
}

/* Reads from a batch on. Returns the number of batches that it got, all right; 0: they cannot be
 * read; -1: they are wrong. */
static int64_t read_batches(struct flip_scene *s, struct log *log, const struct flip_log *l,
                            size_t index)
{
    struct log_read_job read = {.job.done = job_done,
                                .log = log,
                                .offset = offset_of(l, index),
                                .end_offset = l->next_offset,
                                .max_bytes = READ_BYTES,
                                .at_least_one = true};
    log_read_submit(executor_inline(), &read);
    if (read.result == ERR_CORRUPT) { /* the broker logs what the job says */
        char *path = log_segment_path(log, read.damage.segment_base);
        buffer_printf(&s->said, "%s\n", path);
        free(path);
    }
    if (read.result != ERR_OK || read.slice == NULL)
        return read.result == ERR_CORRUPT || read.result == ERR_IO ? 0 : -1;
    struct log_slice *slice = read.slice;
    uint8_t *bytes = xmalloc(slice->size);
    size_t from = l->batches[index], count = 0;
    bool same = log_slice_copy(s->env.io, slice, bytes) == ERR_OK &&
                slice->size <= l->bytes.size - from &&
                memcmp(bytes, l->bytes.data + from, slice->size) == 0;
    while (index + count < l->batch_count && l->batches[index + count] < from + slice->size)
        count++;
    same &= offset_of(l, index + count) == slice->next_offset && count > 0;
    free(bytes);
    log_slice_unref(slice);
    return same ? (int64_t)count : -1;
}

/* 0: all can be read or answer an error. Else 1 + the number of a batch that is wrong. */
static size_t wrong_batch(struct flip_scene *s, struct log *log, struct flip_log *l)
{
    l->lost = xrealloc(l->lost, l->batch_count);
    memset(l->lost, 0, l->batch_count);
    l->lost_count = 0;
    for (size_t i = 0; i < l->batch_count;) {
        int64_t got = read_batches(s, log, l, i);
        if (got < 0)
            return 1 + i;
        l->lost[i] = got == 0;
        l->lost_count += got == 0;
        i += (size_t)MAX(got, (int64_t)1);
    }
    return 0;
}

/* The timestamp of a record is START_MS + its offset. */
static bool times_are_right(struct flip_scene *s, struct log *log, const struct flip_log *l)
{
    for (int i = 0; i < SEARCHES; i++) {
        int64_t offset = (int64_t)random_below(&s->random.random, (uint64_t)l->next_offset);
        struct log_time_job find = {.job.done = job_done,
                                    .log = log,
                                    .timestamp = START_MS + offset,
                                    .end_offset = l->next_offset};
        log_time_submit(executor_inline(), &find);
        bool refused = find.result == ERR_CORRUPT || find.result == ERR_IO;
        if (refused ? l->lost_count == 0 : find.result != ERR_OK)
            return false;
        if (!refused && l->lost_count == 0 && find.offset != offset)
            return false;
    }
    return true;
}

/* A retry of a producer's last batch gets its first offset. */
static bool retries_are_right(struct log *log, const struct flip_log *l, int index)
{
    const int64_t producers[] = {QUIET_PRODUCER, PRODUCER + index};
    for (size_t p = 0; p < COUNT_OF(producers); p++) {
        struct batch_header header;
        size_t i = l->batch_count;
        do {
            if (!batch_header_read(batch_at(l, --i), &header))
                return false;
        } while (header.producer_id != producers[p] && i > 0);
        int64_t offset, timestamp;
        if (producer_check(log_producers(log), &header, &offset, &timestamp) !=
                PRODUCER_DUPLICATE ||
            offset != header.base_offset)
            return false;
    }
    return true;
}

static bool log_is_right(struct flip_scene *s, int index, char what[FLIP_PATH_SIZE])
{
    struct flip_log *l = &s->logs[index];
    struct log *log = s->open_logs[index];
    const char *fault = NULL;
    size_t batch = 0;
    if (log == NULL)
        fault = "the log is missing";
    else if (log_start_offset(log) != 0 || log_next_offset(log) != l->next_offset ||
             log_durable_offset(log) != l->next_offset)
        fault = "the offsets are wrong";
    else if ((batch = wrong_batch(s, log, l)) > 0)
        fault = "a batch is wrong";
    else if (!times_are_right(s, log, l))
        fault = "a search by time is wrong";
    else if (!retries_are_right(log, l, index))
        fault = "the retry of a producer is wrong";
    if (fault)
        snprintf(what, FLIP_PATH_SIZE, "partition %d: %s, after offset %" PRId64, index, fault,
                 batch > 0 ? offset_of(l, batch - 1) : 0);
    return fault == NULL;
}

bool flip_compare(struct flip_scene *s, char what[FLIP_PATH_SIZE])
{
    if (!rows_are_right(s)) {
        snprintf(what, FLIP_PATH_SIZE, "rows are wrong");
        return false;
    }
    for (int i = 0; i < FLIP_LOGS; i++) {
        if (!log_is_right(s, i, what))
            return false;
    }
    return true;
}
