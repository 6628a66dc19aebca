/* What a step will write, staged until it is committed.
 *
 * Records are copied in as they arise and become batches when the step is built: only then is it
 * asked how many partitions an output topic has. One batch per (topic, partition), or several when
 * one would be too large; records in the order in which they were added. */
#ifndef PROCESSORS_TASK_OUTBOX_H
#define PROCESSORS_TASK_OUTBOX_H

#include "base/buffer.h"
#include "processors/task/commit.h"
#include "protocol/record_batch.h"

/* Where a record goes: by the hash of some bytes, or to the partition with this number (modulo the
 * number of partitions). */
struct route {
    int topic; /* index in the topology's topics */
    bool by_hash;
    uint32_t number; /* murmur2 hash, or partition */
};

struct route route_by_key(int topic, struct bytes key);
struct route route_to(int topic, int32_t partition);

struct staged_record {
    struct route route;
    int64_t timestamp;
    size_t at; /* in `bytes`: key, value and headers one after the other */
    size_t key_size, value_size, headers_size;
    int32_t header_count;
    bool null_key, null_value;
};

struct outbox {
    struct buffer bytes;
    struct staged_record *records;
    size_t count, capacity;
    /* What outbox_build gave. */
    struct buffer batches;
    struct step_output *outputs;
    size_t output_count;
};

void outbox_init(struct outbox *o);
void outbox_free(struct outbox *o);
void outbox_clear(struct outbox *o);

/* Copies the record's key, value, timestamp and headers (its offset does not matter). */
void outbox_add(struct outbox *o, struct route route, const struct record *record);
/* Bytes staged, about what the batches will have. */
size_t outbox_size(const struct outbox *o);

/* Makes the batches. `topics` are the names that the routes' indexes mean. */
void outbox_build(struct outbox *o, const struct bytes *topics, size_t topic_count,
                  struct task_commit *commit);

#endif
