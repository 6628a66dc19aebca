/* A data directory of a realistic size, for test_flips.c: partitions with several segments, idle
 * ones, idempotent producers, journals of two shards, megabytes of rows. The scene knows what it
 * wrote, so what a start serves is not compared with what another start served. */
#ifndef TESTS_STORAGE_SUPPORT_FLIPS_H
#define TESTS_STORAGE_SUPPORT_FLIPS_H

#include "storage/recovery.h"
#include "storage/row_store.h"
#include "storage/store.h"
#include "tests/harness/harness.h"

enum {
    FLIP_SHARDS = 2,
    FLIP_TOPICS = 4, /* the last one is idle */
    FLIP_PARTITIONS = 3,
    FLIP_LOGS = FLIP_TOPICS * FLIP_PARTITIONS,
    FLIP_ROWS = 1200,
    FLIP_PATH_SIZE = 400,
};

/* The batches that were appended to a partition. */
struct flip_log {
    struct uuid topic_id;
    int32_t partition;
    struct buffer bytes; /* all batches, as they are served */
    size_t *batches;     /* their positions in it */
    size_t batch_count, batch_capacity;
    int64_t next_offset;
    int32_t next_sequence;
    /* Set by flip_compare: which batches cannot be read. */
    bool *lost;
    int64_t lost_count;
};

struct flip_scene {
    struct env env;
    struct trace trace;
    struct row_store_driver rows;
    char directory[FLIP_PATH_SIZE];
    struct random_seeded random;
    struct timers timers;
    int64_t now_ms;
    struct kv *kv;
    struct store *stores[FLIP_SHARDS];
    int closed;
    struct recovery_report report;
    struct message message;
    struct buffer said; /* WARN and ERROR lines since the start */

    struct flip_log logs[FLIP_LOGS];
    struct log *open_logs[FLIP_LOGS];
    uint32_t row_versions[FLIP_ROWS]; /* 0: the row does not exist */
    uint32_t version;
};

void flip_scene_init(struct flip_scene *s, const char *directory, uint64_t seed);
void flip_scene_free(struct flip_scene *s);

/* Recovery and the stores. The message says why not. */
enum error flip_start(struct flip_scene *s);
/* In order: with a last checkpoint. Otherwise as if the process was killed. */
void flip_stop(struct flip_scene *s, bool in_order);
/* Creates topics, and appends to all partitions once. */
void flip_create(struct flip_scene *s);
/* `rounds` of appends to all partitions that are not idle, and of changes of rows. */
void flip_write(struct flip_scene *s, int rounds);
/* Writes until a checkpoint was made, and then hundreds of KiB that only the journals have. */
void flip_write_behind_checkpoint(struct flip_scene *s);
/* Of a scene that was killed: also leaves what a broker leaves that is killed in the middle of a
 * swap of segments, of a new journal file, of a new row file and of a deletion. */
void flip_leave_unfinished(const struct flip_scene *s);
/* Waits until the journals say that everything is durable, as an idle broker's do. */
void flip_idle(struct flip_scene *s);

/* Compares everything with what was written: all rows (topics with their configs, committed
 * offsets, groups, configs of the broker, states of processors), and of each partition its bounds,
 * all its batches, searches by time, and what a retry of each producer's last batch gets. Batches
 * that cannot be read are noted in the logs. False: something is different; `what` says what. */
bool flip_compare(struct flip_scene *s, char what[FLIP_PATH_SIZE]);

#endif
