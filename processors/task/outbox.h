/* The output records of a step, staged until it is committed.
 *
 * Records are copied in as they arise. They become batches when the step is built, because only
 * then the numbers of partitions of the output topics are known. There is one batch per (topic,
 * partition), or several when one would be too large. Records stay in the order of outbox_add. */
#ifndef PROCESSORS_TASK_OUTBOX_H
#define PROCESSORS_TASK_OUTBOX_H

#include "base/buffer.h"
#include "processors/task/commit.h"
#include "protocol/record_batch.h"

/* Where a record goes: by the hash of some bytes, or to the partition with a number (modulo the
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
    /* The result of outbox_build. */
    struct buffer batches;
    struct step_output *outputs;
    size_t output_count;
};

void outbox_init(struct outbox *o);
void outbox_free(struct outbox *o);
void outbox_clear(struct outbox *o);

/* Copies the record's key, value, timestamp and headers (its offset does not matter). */
void outbox_add(struct outbox *o, struct route route, const struct record *record);
/* Bytes staged; the batches will have about this size. */
size_t outbox_size(const struct outbox *o);

/* Makes the batches. The routes' indexes refer to `topics`. */
void outbox_build(struct outbox *o, const struct bytes *topics, size_t topic_count,
                  struct task_commit *commit);

#endif
