#include "tests/simulation/support_life.h"

#include "storage/shard_map.h"

#include <stdlib.h>

/* So small that a few dozen entries cause rolls, flushes and checkpoints. */
enum {
    CHECKPOINT_BYTES = 40 << 10,
    UNIT_BYTES = 8 << 10,
    TAIL_CACHE_BYTES = 2 << 10,
    READ_BUFFER_BYTES = 256 << 10,
    UNFLUSHED_BYTES = 5 << 10,
    ROW_GENERATION_BYTES = 2 << 10,
};

const struct log_config life_log_config = {
    .segment_bytes = 3000,
    .segment_ms = INT64_MAX,
    .segment_index_bytes = 1 << 20,
    .index_interval_bytes = 500,
    .file_delete_delay_ms = 1,
    .retention_ms = -1,
    .retention_bytes = -1,
    .delete_enabled = true,
};

static int64_t monotonic_ns(struct clock *clock)
{
    return CONTAINER_OF(clock, struct life, clock)->now_ms * 1000000;
}

static int64_t wall_ms(struct clock *clock)
{
    return CONTAINER_OF(clock, struct life, clock)->now_ms + 1700000000000;
}

struct life_lines life_lines;

static void note_line(struct trace *trace, struct bytes line)
{
    if (memmem(line.data, line.size, "no row is lost", 14))
        CONTAINER_OF(trace, struct life, trace)->row_warnings++;
    if (memmem(line.data, line.size, "lacked the last write", 21))
        CONTAINER_OF(trace, struct life, trace)->row_catch_ups++;
    const char *text = life_lines.text;
    life_lines.count += text && memmem(line.data, line.size, text, strlen(text));
}

enum error life_recover(struct life *life, struct sim_disk *disk, int shard_count, uint64_t seed)
{
    memset(life, 0, sizeof *life);
    sim_disk_new_process(disk);
    life->disk = disk;
    life->shard_count = shard_count;
    life->now_ms = 1000;
    life->journal_file_bytes = LIFE_JOURNAL_FILE_BYTES;
    life->checkpoint_bytes = CHECKPOINT_BYTES;
    life->checkpoint_interval_ms = 20000;
    life->unflushed_bytes = UNFLUSHED_BYTES;
    life->clock = (struct clock){monotonic_ns, wall_ms};
    random_seeded_init(&life->random, seed);
    life->trace = (struct trace){.level = TRACE_INFO, .clock = &life->clock, .write = note_line};
    life->env = (struct env){.clock = &life->clock,
                             .random = &life->random.random,
                             .trace = &life->trace,
                             .io = &disk->io};
    row_store_init(&life->rows, &life->env, &disk->driver);
    life->rows.generation_bytes = ROW_GENERATION_BYTES;
    life->env.kv = &life->rows.driver;
    for (int i = 0; i < 3 * shard_count; i++)
        sim_executor_init(&life->executors[i]);
    struct recovery_options options = {.data_directory = "data",
                                       .shard_count = shard_count,
                                       .journal_file_bytes = LIFE_JOURNAL_FILE_BYTES};
    return recovery_run(&life->env, &options, &life->kv, &life->report, &life->message);
}

static void on_failed(void *context, enum error error)
{
    struct life *life = context;
    life->failures++;
    life->failure = error;
}

enum error life_open(struct life *life)
{
    for (int i = 0; i < life->shard_count; i++) {
        struct store_options options = {
            .data_directory = "data",
            .shard = i,
            .shard_count = life->shard_count,
            .journal_file_bytes = life->journal_file_bytes,
            .checkpoint_bytes = life->checkpoint_bytes,
            .checkpoint_interval_ms = life->checkpoint_interval_ms,
            .unit_bytes = UNIT_BYTES,
            .unit_max_bytes = life->unit_max_bytes,
            .tail_cache_bytes = TAIL_CACHE_BYTES,
            .read_buffer_bytes = READ_BUFFER_BYTES,
            .read_worker = &life->executors[2 * i + 1].executor,
            .unflushed_bytes = life->unflushed_bytes,
            .min_free_bytes = 1000,
            .journal_worker = &life->executors[2 * i].executor,
            .background_worker = &life->executors[2 * i + 1].executor,
            .clean = {.worker = life->clean_map_bytes > 0
                                    ? &life->executors[2 * life->shard_count + i].executor
                                    : NULL,
                      .map_bytes = life->clean_map_bytes,
                      .map_load = 0.9,
                      .buffer_bytes = 600,
                      .max_uncompressed = 1 << 20,
                      .backoff_ms = 200},
            .timers = &life->timers,
            .kv = life->kv,
            .failed = on_failed,
            .context = life,
        };
        enum error error = store_open(&life->env, &options, &life->stores[i], &life->message);
        if (error != ERR_OK) {
            life->stores[i] = NULL;
            return error;
        }
    }
    return ERR_OK;
}

bool life_step(struct life *life)
{
    return sim_executors_step(life->executors, 3 * life->shard_count, &life->random.random);
}

void life_turn(struct life *life, int shard, int64_t advance_ms)
{
    life->now_ms += advance_ms;
    timers_run(&life->timers, life->now_ms);
    store_turn(life->stores[shard], life->now_ms, wall_ms(&life->clock));
}

void life_settle(struct life *life)
{
    do {
        for (int i = 0; i < life->shard_count; i++)
            life_turn(life, i, 0);
    } while (life_step(life));
}

static void on_closed(void *context, enum error result)
{
    struct life *life = context;
    life->closed++;
    if (result != ERR_OK)
        life->close_result = result;
}

void life_close(struct life *life)
{
    life->closed = 0;
    for (int i = 0; i < life->shard_count; i++)
        store_close(life->stores[i], on_closed, life);
    for (int idle = 0; life->closed < life->shard_count; idle++) {
        ASSERT(idle < 1000);
        while (life_step(life))
            idle = 0;
        /* As a shard does: a job that reads a log does not report its end to the store. */
        for (int i = 0; i < life->shard_count; i++)
            life_turn(life, i, 0);
        life->now_ms += 100;
    }
}

void life_end(struct life *life)
{
    while (life_step(life))
        ;
    for (int i = 0; i < life->shard_count; i++)
        store_free(life->stores[i]);
    timers_free(&life->timers);
    if (life->kv)
        life->kv->driver->close(life->kv);
}

struct store *life_store_of(struct life *life, struct uuid topic_id, int32_t partition)
{
    return life->stores[shard_of_partition(topic_id.bytes, partition, life->shard_count)];
}
