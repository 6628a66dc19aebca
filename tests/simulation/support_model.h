/* What a store must hold, kept in the plainest way, and the comparison with what a disk holds after
 * recovery.
 *
 * Each shard's entries are numbered from 1 in a life; 0 is what was there before. Everything that
 * an entry changed carries its number. After a crash a shard must be in the state after some entry
 * k, acknowledged <= k <= submitted: with all batches, rows, log starts and producers as they were
 * at that moment, and nothing else. */
#ifndef TESTS_SIMULATION_SUPPORT_MODEL_H
#define TESTS_SIMULATION_SUPPORT_MODEL_H

#include "tests/simulation/support_life.h"

enum { MODEL_TOPICS = 5, MODEL_PARTITIONS = 2, MODEL_PRODUCERS = 2, MODEL_ROWS = 8 };

struct model_batch {
    uint32_t entry;
    size_t end; /* behind it, in the partition's bytes */
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
    bool gave_up; /* later entries are left out, what they deleted may be gone all the same */
};

void model_init(struct model *m, int shard_count);
void model_free(struct model *m);
void model_copy(struct model *m, const struct model *from);
/* A new life begins with what the disk was found to hold. */
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
/* Notes a stamped batch. */
void model_append(struct model_partition *p, uint32_t entry, struct bytes batch, int producer,
                  bool starts_segment);
/* How many batches there are after entry k. */
size_t model_batches_at(const struct model_partition *p, uint32_t k);
int32_t model_next_sequence(const struct model_partition *p, int producer);

/* Compares a recovered disk. Fills k (one number per shard) and returns NULL, or says what is
 * wrong (a static text). */
const char *model_compare(const struct model *m, const struct sim_disk *disk, uint32_t *k);
/* Of a topic that is deleted nothing is left, also before any recovery. */
const char *model_compare_gone(const struct model *m, const struct sim_disk *disk, int topic);

#endif
