/* One life of a broker's storage on a simulated disk: recovery, then a store for each shard,
 * workers, and a clock that the test moves. */
#ifndef TESTS_SIMULATION_SUPPORT_LIFE_H
#define TESTS_SIMULATION_SUPPORT_LIFE_H

#include "base/env.h"
#include "storage/recovery.h"
#include "storage/row_store.h"
#include "storage/store.h"
#include "tests/simulation/support_disk.h"
#include "tests/simulation/support_executor.h"

enum { LIFE_SHARDS_MAX = 3, LIFE_JOURNAL_FILE_BYTES = 16 << 10 };

struct life {
    struct sim_disk *disk;
    struct env env;
    struct trace trace;
    int row_warnings;  /* of damaged rows in the log; a crash alone explains none */
    int row_catch_ups; /* starts that gave the key-value store the last write */
    struct row_store_driver rows;
    struct clock clock;
    int64_t now_ms;
    struct random_seeded random;
    struct timers timers;
    int shard_count;
    struct kv *kv;
    struct store *stores[LIFE_SHARDS_MAX];
    struct sim_executor executors[3 * LIFE_SHARDS_MAX]; /* journal and background of each shard,
                                                           then the cleaners */
    struct recovery_report report;
    struct message message;
    int failures;       /* stores that have failed */
    enum error failure; /* the last one's reason */
    int closed;
    enum error close_result; /* the worst */
    /* Of the stores; may be changed before life_open. */
    int64_t journal_file_bytes, checkpoint_bytes, checkpoint_interval_ms;
    size_t unflushed_bytes;
    size_t unit_max_bytes;  /* 0: the store's default */
    size_t clean_map_bytes; /* 0: nothing is cleaned */
};

/* Counts the lines of the log with this text, in all lives. NULL: none. */
struct life_lines {
    const char *text;
    int count;
};
extern struct life_lines life_lines;

extern const struct log_config life_log_config;

/* Recovery only. The caller keeps the disk. */
enum error life_recover(struct life *life, struct sim_disk *disk, int shard_count, uint64_t seed);
/* Opens the stores after a successful recovery. */
enum error life_open(struct life *life);
/* Runs one job, or calls done() of one. False: there was none. */
bool life_step(struct life *life);
void life_turn(struct life *life, int shard, int64_t advance_ms);
/* Makes turns and steps until no job is left. */
void life_settle(struct life *life);
/* Closes the stores cleanly. The result is in close_result. */
void life_close(struct life *life);
/* Frees the stores (closed or not) and the key-value store. */
void life_end(struct life *life);
struct store *life_store_of(struct life *life, struct uuid topic_id, int32_t partition);

#endif
