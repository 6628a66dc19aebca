/* A simple model of the content of a store, and its comparison with a disk after recovery.
 *
 * In a life each shard's entries are numbered from 1. Number 0 is the content before. Every change
 * has the number of its entry. After a crash a shard must have the state after some entry k,
 * acknowledged <= k <= submitted: exactly the batches, rows, log starts and producers of that
 * moment. */
#ifndef TESTS_SIMULATION_SUPPORT_MODEL_H
#define TESTS_SIMULATION_SUPPORT_MODEL_H

#include "tests/simulation/support_life.h"

enum { MODEL_TOPICS = 5, MODEL_PARTITIONS = 2, MODEL_PRODUCERS = 2, MODEL_ROWS = 8 };

struct model_batch {
    uint32_t entry;
    size_t end; /* its end in the partition's bytes */
    int64_t base, next;
    int producer; /* -1: none */
    int32_t sequence;
    bool starts_segment;
};

struct model_change {
    uint32_t entry;
    int64_t value; /* a row: its version, 0 for none; a log start: the offset */
};

struct model_history {
    struct model_change *at;
    size_t count, capacity;
};

struct model_partition {
    struct uuid topic_id;
    int32_t number;
    int topic;
    struct buffer bytes; /* all batches */
    struct model_batch *batches;
    size_t count, capacity;
    struct model_history starts;
};

struct model_shard {
    uint32_t submitted, acknowledged;
};

struct model {
    int shard_count;
    struct model_shard shards[LIFE_SHARDS_MAX];
    struct model_history topics[MODEL_TOPICS]; /* rows of shard 0: 1 exists, 0 not */
    struct model_partition partitions[MODEL_TOPICS][MODEL_PARTITIONS];
    struct model_history rows[MODEL_ROWS];
    int64_t versions;
    bool left_files; /* files of deleted topics may be there, because the disk refused */
    bool gave_up;    /* later entries are lost, but the files that they deleted may be gone */
};

void model_init(struct model *m, int shard_count);
void model_free(struct model *m);
void model_copy(struct model *m, const struct model *from);
/* Starts a new life with the content that the disk has. */
void model_rebase(struct model *m, const uint32_t *k, int shard_count);

struct uuid model_topic_id(int topic);
int model_row_shard(const struct model *m, int row);
struct row_key_text {
    char text[24];
};
/* The key of a row, and its value at a version (a view of `out`). */
struct row_key_text model_row_key(int row);
enum { MODEL_VALUE_MAX = 260 };
struct bytes model_row_value(int64_t version, uint8_t out[MODEL_VALUE_MAX]);

void model_history_add(struct model_history *h, uint32_t entry, int64_t value);
/* The value after entry k; `otherwise` when there was none. */
int64_t model_history_at(const struct model_history *h, uint32_t k, int64_t otherwise);
/* Adds a batch with its base offset. */
void model_append(struct model_partition *p, uint32_t entry, struct bytes batch, int producer,
                  bool starts_segment);
/* How many batches there are after entry k. */
size_t model_batches_at(const struct model_partition *p, uint32_t k);
int32_t model_next_sequence(const struct model_partition *p, int producer);

/* Compares a recovered disk. Sets k (one number for each shard) and returns NULL, or returns an
 * error text (static). */
const char *model_compare(const struct model *m, const struct sim_disk *disk, uint32_t *k);
/* Checks that nothing is left of a deleted topic, also before any recovery. */
const char *model_compare_gone(const struct model *m, const struct sim_disk *disk, int topic);

#endif
