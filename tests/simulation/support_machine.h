/* A simulated machine that runs the whole broker in one thread: a clock, a disk, workers, a
 * network.
 *
 * The machine lives through several runs of the broker. It decides with its own generator which
 * worker, shard or connection has its turn next. At a crash it takes the disk as the crash leaves
 * it. The crashed broker then continues without effect until it has given back its memory: its disk
 * is thrown away, and nothing that it sends arrives. */
#ifndef TESTS_SIMULATION_SUPPORT_MACHINE_H
#define TESTS_SIMULATION_SUPPORT_MACHINE_H

#include "base/env.h"
#include "broker/broker.h"
#include "broker/shard.h"
#include "storage/row_store.h"
#include "tests/simulation/support_chronicle.h"
#include "tests/simulation/support_disk.h"

enum { MACHINE_SHARDS_MAX = 4 };

/* The workers of a shard. */
enum { WORKER_JOURNAL, WORKER_BACKGROUND, WORKER_READER, WORKER_CLEANER, MACHINE_WORKERS };

/* The wall clock is never further away from the true time than this. Two leaps are longer than the
 * day after which producers expire, and no leap may make them expire. They are shorter than the
 * seven days of retention: records that the broker stamps during a leap have the wall clock's time,
 * so longer ones make them old. */
enum { LEAP_MAX_MS = 3 * 24 * 3600 * 1000 };

/* Of one run of the broker; chosen anew at each start. */
struct machine_config {
    int shards;
    int64_t journal_file_bytes, checkpoint_bytes, checkpoint_interval_ms;
    int64_t group_bytes, tail_cache_bytes, unflushed_bytes;
    int64_t segment_bytes, index_interval_bytes;
    int64_t retention_check_ms, initial_delay_ms;
    int64_t max_in_flight;
    int64_t clean_map_bytes, clean_buffer_bytes, clean_backoff_ms;
};

/* As a disk worker: its finished jobs travel to the shard by mail. */
struct machine_worker {
    struct executor executor;
    struct machine *machine;
    struct shard *shard;
    struct list queued, finished;
    struct mail mail;
    bool mailed;
    int64_t slow_until_ms;
};

enum machine_state {
    MACHINE_DOWN,
    MACHINE_UP,
    MACHINE_STOPPING, /* a clean stop */
};

struct machine {
    struct chronicle *chronicle;
    struct random_seeded chance; /* of everything that the simulation decides */
    struct clock clock;
    int64_t now_ms, leap_ms; /* monotonic; the wall clock's distance from the true time */
    uint64_t step;
    struct sim_disk *disk, *crashed; /* crashed: the disk that the crash left */
    enum machine_state state;
    int lives;
    struct machine_config config;

    /* The broker's run. */
    struct env env;
    struct row_store_driver rows;
    struct trace trace;
    struct random_seeded random;
    struct settings settings;
    struct broker broker;
    struct shard *shards[MACHINE_SHARDS_MAX];
    struct machine_worker workers[MACHINE_SHARDS_MAX][MACHINE_WORKERS];
    int64_t turn_due_ms[MACHINE_SHARDS_MAX];
    int64_t stalled_until_ms[MACHINE_SHARDS_MAX];
    struct kv *kv;
    int closed;

    uint64_t crash_in_calls; /* 0: no crash is due */
    enum crash_kind crash_kind;
    bool crash_in_cleaner; /* only calls of a cleaner count */
    bool crash_in_rows;    /* only calls during a write of rows count */
    bool starting, dead;   /* dead: it has crashed and only gives back its memory */
    bool cleaning;         /* a cleaner's job runs */
    uint64_t clean_jobs;   /* that have run */
    int64_t ahead_ms;      /* the time that the broker trusts is at most this far ahead */
    bool broken;           /* the disk fails */
    bool full;             /* the disk has no room */
    bool no_files;         /* no file can be opened */
    bool calm;             /* no delays, no losses */

    struct list wires; /* support_wire.h */
    uint64_t wire_count;
    /* By a wire's number: the first step at which no request of it could take effect any more. 0:
     * its requests may still be executed. */
    uint64_t *settled;
    uint64_t *ended; /* wires that the broker has closed, with mail perhaps under way */
    size_t settled_capacity, ended_count, ended_capacity;
};

void machine_init(struct machine *m, struct chronicle *chronicle, uint64_t seed);
void machine_free(struct machine *m);

uint64_t machine_below(struct machine *m, uint64_t bound);
/* True once in `n`. */
bool machine_once_in(struct machine *m, uint64_t n);
int64_t machine_wall_ms(const struct machine *m);

/* Starts the broker with m->config. It may crash meanwhile, or be refused by a full disk; then the
 * machine is down. */
void machine_start(struct machine *m);
/* Begins a clean stop. The machine is down when it has ended. */
void machine_stop(struct machine *m);
/* A crash now. */
void machine_crash(struct machine *m, enum crash_kind kind);
/* A crash inside the n-th call from now that changes the disk. */
void machine_crash_in(struct machine *m, uint64_t calls, enum crash_kind kind);
/* The same, of the calls during writes of rows. */
void machine_crash_in_rows(struct machine *m, uint64_t calls, enum crash_kind kind);
/* The same, of the calls that cleaners make. */
void machine_crash_in_cleaner(struct machine *m, uint64_t calls, enum crash_kind kind);

/* Takes all descriptors, or gives them back. */
void machine_take_files(struct machine *m, bool take);
/* Takes the disk's free space, or gives it back. */
void machine_fill_disk(struct machine *m, bool full);
/* The n-th call from now that changes the disk fails, and all that follow. */
void machine_break_disk(struct machine *m, uint64_t calls);

/* A job of a worker, a turn of a shard or a movement of a wire. False: there is nothing to do
 * now. */
bool machine_step(struct machine *m);
/* When there will be something to do; INT64_MAX: never. */
int64_t machine_due_ms(const struct machine *m);
/* Notes that the broker has closed its end of a wire. */
void machine_wire_ended(struct machine *m, uint64_t wire);
/* Moves the time. */
void machine_advance(struct machine *m, int64_t ms);

#endif
