/* Appends a client's batch to a partition: validates it, checks its producer's sequence, sets
 * timestamps, re-encodes it if the topic needs that, appends it. The check and the append are one
 * step of the owning shard.
 *
 * An append takes the batches of one request on one shard. Each batch is an atomic entry of its
 * own. The last entry has the commit, which is done when all are durable.
 *
 *   append_begin -> append_batch* -> append_end */
#ifndef BROKER_PRODUCE_APPEND_H
#define BROKER_PRODUCE_APPEND_H

#include "broker/partition.h"
#include "protocol/kafka_error.h"
#include "protocol/record_batch.h"

struct append {
    struct shard *shard;
    bool entry_open;
    bool must_wait; /* a batch may be acknowledged only when it is durable */
};

struct append_input {
    struct shared_buffer *buffer; /* contains the records; timestamps are set in place */
    struct bytes records;         /* exactly one batch, or anything a client may send */
    int16_t api_version;          /* of Produce */
};

struct append_result {
    enum kafka_error error;
    const char *message; /* the reason, or NULL; in the given arena */
    /* The invalid records, if the batch was refused for some; in the given arena. */
    struct bad_record *bad_records;
    int32_t bad_record_count;
    int64_t base_offset, append_time_ms;
};

void append_begin(struct append *append, struct shard *shard);
void append_batch(struct append *append, struct partition *partition,
                  const struct append_input *input, struct arena *messages,
                  struct append_result *out);
/* True: commit->done will be called when all batches may be acknowledged. False: they may be
 * acknowledged now, and the commit is not used. With acks=0 `commit` is NULL. */
MUST_USE bool append_end(struct append *append, struct commit *commit);

#endif
